"""Runs `sealed_*.py` in a process from which no packet can leave."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.core.settings import child_environment
from tests.adapters.fetch.attacks import EVERY
from tests.support.sealed import NOT_PERMITTED

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PROXY = "http://127.0.0.1:3128"


def test_there_are_attacks_of_every_kind():
    assert len(set(EVERY)) == len(EVERY) >= 90


@pytest.mark.once
@pytest.mark.parametrize("file", sorted(each.name for each in HERE.glob("sealed_*.py")))
def test_in_a_sealed_network(file):
    environment = child_environment(
        HTTP_PROXY=PROXY, HTTPS_PROXY=PROXY, ALL_PROXY=PROXY, http_proxy=PROXY, https_proxy=PROXY
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.sealed", str(HERE / file)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    if done.returncode == NOT_PERMITTED and not environment.get("CI"):
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
