"""`make faults` runs these at full length, `make test` in their short form."""

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="hundreds of repetitions, real silences")
    parser.addoption("--seed", type=int, default=20261124, help="of what the scenarios choose")


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("long", default=False))


@pytest.fixture
def chance(request: pytest.FixtureRequest, is_long: bool) -> random.Random:
    """What a scenario chooses by; the seed is shown when it fails."""
    seed = request.config.getoption("seed", default=20261124)
    sys.stdout.write(f"seed {seed}\n")
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # under root, PostgreSQL runs as another user
        yield Path(name)
