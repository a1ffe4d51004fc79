"""A reader's clone, and the commands that READMEs tell him to type in it."""

import asyncio
import re
import sys
from pathlib import Path

from app.adapters.store.bundled.binaries import installed
from app.core.settings import child_environment
from tests.support.postgres_server import MAJOR
from tests.support.service import ROOT

# As in a clone where `make run` was once: what is installed is not installed anew.
AS_INSTALLED = """set -eo pipefail
make() { command make --no-print-directory --old-file=.venv/.requirements "$@"; }
"""


def a_clone(folder: Path) -> Path:
    """A folder like a reader's clone in which `make` has installed."""
    place = folder / "clone"
    place.mkdir(mode=0o755)
    for name in ("Makefile", "main.py", "app", "supabase", "requirements.txt"):
        (place / name).symlink_to(ROOT / name)
    (place / ".venv").symlink_to(sys.prefix)
    return place


def restoring(readme: str, url: str) -> str:
    """The commands that bring a dump back, for the database at this address."""
    (block,) = re.findall(
        r"^```sh\n(export DATABASE_URL=.*?)^```$", readme, re.DOTALL | re.MULTILINE
    )
    commands, count = re.subn(r"^export DATABASE_URL=.*", f"export DATABASE_URL='{url}'", block)
    assert count == 1
    return commands


async def typed(script: str, place: Path, **variables: str) -> str:
    """What these commands say there, with the embedded PostgreSQL's programs at hand."""
    programs = f"export PATH={installed(MAJOR).bin}:$PATH\n"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", programs + AS_INSTALLED + script),
        cwd=place,
        env=child_environment(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()[-3000:]
    return told.decode()
