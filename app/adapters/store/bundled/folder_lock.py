"""The lock that gives a data folder to one process at a time."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.adapters.store.bundled.failure import DataFolderInUse

_FILE_NAME = "lock"
_HOLDER_ATTEMPTS = 10
_HOLDER_PAUSE_S = 0.03


@dataclass(frozen=True)
class FolderLock:
    """The lock while it is held; its file tells who holds it and which socket folder is his."""

    descriptor: int
    previous_socket_dir: Path | None

    def record(self, socket_dir: Path | None = None) -> None:
        """Note our process id and, so that a successor can remove it, our socket folder."""
        text = f"{os.getpid()}\n{socket_dir or ''}\n".encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text, 0)


def socket_dir_of_holder(data_dir: Path) -> Path | None:
    """The socket folder that the process which holds this data folder has noted."""
    with _open(data_dir / _FILE_NAME) as descriptor:
        return _socket_dir(descriptor)


@asynccontextmanager
async def folder_lock(data_dir: Path) -> AsyncGenerator[FolderLock]:
    """Hold the data folder, or fail with the process that does."""
    path = data_dir / _FILE_NAME
    with _open(path) as descriptor:
        if not try_lock(descriptor):
            raise DataFolderInUse(
                f"The data folder {data_dir} is in use by process {await _holder(descriptor)}. "
                "Stop that process, or give this one another DATA_DIR."
            )
        lock = FolderLock(descriptor, _socket_dir(descriptor))
        lock.record()
        try:
            yield lock
        finally:
            # A pid left behind would be told to a process that meets the lock's next holder
            # before that one has written its own.
            os.ftruncate(descriptor, 0)


def try_lock(descriptor: int, *, wait: bool = False) -> bool:
    """Lock an open file; the kernel releases it with the last descriptor, also on kill -9."""
    import fcntl  # exists on Unix only, and Windows must get as far as its own clear failure

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _open(path: Path) -> Generator[int]:
    # 0600, as whoever can open a file can also lock it.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lines(descriptor: int) -> list[str]:
    return os.pread(descriptor, 4096, 0).decode(errors="replace").splitlines()


def _socket_dir(descriptor: int) -> Path | None:
    lines = _lines(descriptor)
    return Path(lines[1]) if len(lines) > 1 and lines[1] else None


async def _holder(descriptor: int) -> str:
    """The pid in the file, once its holder has written it."""
    lines: list[str] = []
    for _ in range(_HOLDER_ATTEMPTS):
        lines = _lines(descriptor)
        if lines and _is_alive(lines[0]):
            return lines[0]
        await asyncio.sleep(_HOLDER_PAUSE_S)
    # The pid of another container means nothing here, yet it is what the holder wrote.
    return f"{lines[0]} (perhaps in another container)" if lines else "(unknown)"


def _is_alive(pid: str) -> bool:
    with suppress(ValueError, ProcessLookupError, OverflowError):
        try:
            os.kill(int(pid), 0)
        except PermissionError:
            return True
        return True
    return False
