"""Child processes started without blocking the event loop, and ended whatever is cancelled."""

import asyncio
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Nothing of our own environment, as it holds secrets. TZ saves initdb the search for the
# system's time zone among all the files of the zone database.
ENVIRONMENT = {"PATH": _SEARCH_PATH, "LANG": "C", "TZ": "UTC"}
_POLL_S = 0.005

Result = TypeVar("Result")


@dataclass(frozen=True)
class Identity:
    """The user and group a child changes to; None keeps ours."""

    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True)
class Finished:
    """How a command ended and what it printed."""

    exit_code: int
    output: str

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


async def to_the_end(function: Callable[[], Result]) -> Result:
    """Run blocking work in a thread and wait for its end even when cancelled meanwhile."""
    future = asyncio.get_running_loop().run_in_executor(None, function)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from future.exception()
    return future.result()


def spawn(command: Sequence[str], *, identity: Identity, output: int) -> "subprocess.Popen[bytes]":
    """Start a command in a session of its own, so that Ctrl-C in the terminal spares it."""
    # Not asyncio's subprocesses: uvloop 0.23 refuses user, group, extra_groups and umask
    # ("unexpected kwargs").
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env=ENVIRONMENT,
        start_new_session=True,
        umask=0o077,
        user=identity.uid,
        group=identity.gid,
        extra_groups=None if identity.uid is None else [],
    )


async def run(*command: str, identity: Identity | None = None, timeout_s: float = 60) -> Finished:
    """Run a command to its end; cancelled or out of time, it and its children are killed."""
    started: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryFile() as output:

        def start() -> None:
            child = spawn(command, identity=identity or Identity(), output=output.fileno())
            started.append(child)

        try:
            await to_the_end(start)
            exit_code = await _exit_code(started[0], timeout_s=timeout_s)
        except (OSError, subprocess.SubprocessError) as error:
            return Finished(-1, f"{command[0]}: {error}")
        finally:
            for child in started:
                await to_the_end(partial(_kill, child))
        output.seek(0)
        return Finished(exit_code, output.read().decode(errors="replace").strip())


def stop(process: "subprocess.Popen[bytes]", *, patience: Sequence[tuple[int, float]]) -> int:
    """Send one signal after the other, each with its seconds of patience; blocks."""
    for number, patience_s in patience:
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=patience_s)
    return process.wait()


async def _exit_code(process: "subprocess.Popen[bytes]", *, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    while (exit_code := process.poll()) is None:
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired(process.args, timeout_s)
        await asyncio.sleep(_POLL_S)
    return exit_code


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        # The whole group: initdb feeds a bootstrap postgres of its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
