"""One child from its start to its end: feeds it, hears it out, kills what is left of it. Blocks."""

import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Literal

from app.adapters.parser.sandbox.orders import Order

# Isolated from the environment and the working folder, so the tree has to be named.
_ROOT = Path(__file__).parents[4]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from app.adapters.parser.sandbox.child import main; main()"
)
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
_PIECE_BYTES = 256 * 1024
# How soon a cancellation is seen, and how long a child that has answered may take to end.
_POLL_S = 0.05
_END_S = 1.0

Stop = Literal["time", "output", "cancelled"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: what it said, its exit code (negative: the signal), why it was stopped."""

    output: bytes
    exit_code: int
    stopped: Stop | None


def exchange(order: Order, content: bytes, cancelled: Event) -> Ended:
    """Start a child, hand it the file, return with its answer when nothing of it is left.

    Raises:
        OSError: it could not be started.
    """
    deadline_s = time.monotonic() + order.limits.wall_s
    # Not asyncio's: this runs in a thread of the sandbox's own. The system ends a child with the
    # thread that started it, and those of the event loop's pool come and go.
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _BOOT, str(_ROOT), order.written()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd="/",
        env=_ENVIRONMENT,
        start_new_session=True,
    )
    output = bytearray()
    try:
        stopped = _converse(process, content, output, order, deadline_s, cancelled)
        if stopped is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
    finally:
        if process.returncode is None:
            # Not reaped yet, so the number is still its own.
            os.killpg(process.pid, signal.SIGKILL)
        exit_code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
    return Ended(bytes(output), exit_code, stopped)


def _converse(
    process: "subprocess.Popen[bytes]",
    content: bytes,
    output: bytearray,
    order: Order,
    deadline_s: float,
    cancelled: Event,
) -> Stop | None:
    """Write and read at once until the child closes its end; why to stop it, if so."""
    assert process.stdin
    assert process.stdout
    rest = memoryview(content)
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(_POLL_S):
                if key.fileobj is process.stdout:
                    piece = os.read(process.stdout.fileno(), _PIECE_BYTES)
                    if not piece:
                        return None
                    output += piece
                elif not (rest := _fed(process.stdin.fileno(), rest)):
                    selector.unregister(process.stdin)
                    process.stdin.close()
            if stop := _reason(len(output) - order.limits.answer_bytes, deadline_s, cancelled):
                return stop


def _reason(excess_bytes: int, deadline_s: float, cancelled: Event) -> Stop | None:
    if cancelled.is_set():
        return "cancelled"
    if excess_bytes > 0:
        return "output"
    return "time" if time.monotonic() > deadline_s else None


def _fed(pipe: int, rest: memoryview) -> memoryview:
    try:
        return rest[os.write(pipe, rest[:_PIECE_BYTES]) :]
    except BlockingIOError:
        return rest
    except OSError:  # it has ended already, and its end tells more
        return rest[:0]
