"""Ends the demo's service and removes its data when the demo itself was killed.

It reads from a pipe that only the demo holds open. The demo writes a byte when it has cleaned up;
an end without one means that it died, be it by SIGKILL, which no program can answer.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

STOP_TIMEOUT_S = 20.0
POLL_S = 0.1


def guard(process_id: int, data_dir: Path) -> None:
    """Wait for the demo's end; clean up where it could not."""
    if sys.stdin.buffer.read(1):
        return
    with suppress(ProcessLookupError):
        os.killpg(process_id, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while time.monotonic() < deadline:
            os.killpg(process_id, 0)
            time.sleep(POLL_S)
        os.killpg(process_id, signal.SIGKILL)
    shutil.rmtree(data_dir, ignore_errors=True)


if __name__ == "__main__":
    guard(int(sys.argv[1]), Path(sys.argv[2]))
