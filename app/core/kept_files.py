"""Files of one secret each, in a folder that several processes may share."""

import os
from pathlib import Path
from tempfile import mkstemp


def keep_once(path: Path, text: str) -> bool:
    """Keep the text there, for this user only (0600), unless something is; whether it was kept.

    Of processes that do this at once, one keeps its text, and nobody reads half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:
        return _created(path, text)  # the file system knows no links
    finally:
        draft.unlink()
    return True


def keep_anew(path: Path, text: str) -> None:
    """Keep the text there, in place of what is."""
    _draft(path, text).replace(path)


def _created(path: Path, text: str) -> bool:
    """For a moment the file is empty: whoever reads it has to refuse that."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    _write(handle, text)
    return True


def _draft(path: Path, text: str) -> Path:
    """A file beside it with the text, on the disk; nobody else may read it."""
    handle, name = mkstemp(prefix=f"{path.name}.", dir=path.parent)  # 0600
    _write(handle, text)
    return Path(name)


def _write(handle: int, text: str) -> None:
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
