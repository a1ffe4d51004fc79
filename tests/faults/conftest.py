"""`make faults` runs these at full length, `make test` in their short form."""

import random
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.fault_stack import Stack, Watch, fault_stack
from tests.support.postgres_server import PostgresServer, postgres_server

# Four services beside each other may open 20 each; hardly any opens ten.
MAX_CONNECTIONS = 80


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("long"))


@pytest.fixture
def chance(request: pytest.FixtureRequest, is_long: bool) -> random.Random:
    """What a scenario chooses by; the seed is shown when it fails."""
    seed = request.config.getoption("seed")
    sys.stdout.write(f"seed {seed}\n")
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture(scope="package")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # under root, PostgreSQL runs as another user
        yield Path(name)


@pytest.fixture(scope="package")
async def postgres(folder: Path) -> AsyncIterator[PostgresServer]:
    async with postgres_server(folder / "postgres", f"max_connections={MAX_CONNECTIONS}") as server:
        yield server


@pytest.fixture(scope="package")
async def stack(postgres: PostgresServer, folder: Path) -> AsyncIterator[Stack]:
    """One process that lives through all the scenarios of its database and is never restarted."""
    async with fault_stack(postgres, folder) as opened:
        yield opened


@pytest.fixture
async def watched(stack: Stack) -> AsyncIterator[Watch]:
    """The stack, with what it must not leave behind checked when the scenario is over."""
    watch = Watch(stack)
    yield watch
    watch.check_process()
