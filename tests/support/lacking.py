"""What the machine lacks: a test says it, and is passed over; on a build server it fails."""

import os
import shutil

import pytest

from app.core.settings import child_environment


def lacking(what: str) -> None:
    """Passes the test over, or fails it where CI is set."""
    if child_environment().get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def program(name: str) -> str:
    """Where this Debian package's program of the same name lies."""
    found = shutil.which(name, path=f"{os.defpath}:/usr/sbin:/usr/local/sbin:/usr/local/bin")
    found = found or shutil.which(name)
    if found is None:
        lacking(f"{name} is not installed (on Debian and Ubuntu: apt-get install {name})")
    assert found
    return found
