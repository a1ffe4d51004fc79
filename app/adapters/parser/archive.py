"""ZIP containers that office files are: told by their directory, bounded before they are read."""

import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import BytesIO
from posixpath import normpath
from typing import IO

from app.ports.parser import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable

# Names that are not UTF-8 are in the encoding of the first PCs.
LIBRARIES = ("zipfile", "encodings.cp437")
MAX_ENTRIES = 1_000
MAX_INFLATED_BYTES = 200 * 1024 * 1024
# A hundred to one is no text of anybody's; small parts are spared, as they may well be uniform.
MAX_RATIO = 100
RATIO_FROM_BYTES = 100_000
MAX_DIRECTORY_BYTES = 1024 * 1024
_SIGN = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_END_SIGN = b"PK\x05\x06"
_LONGEST_COMMENT = 65_535
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_IS_ENCRYPTED = 0x1


def directory_of(content: bytes) -> bytes:
    """The names of an archive, raw, without opening it; nothing where the bytes are no archive."""
    end = _end_of(content) if content.startswith(_SIGN) else None
    if end is None:
        return b""
    size, start = end
    return content[start : start + min(size, MAX_DIRECTORY_BYTES)]


def mimetype_of(content: bytes) -> str:
    """What an OpenDocument or EPUB file says it is, in the stored entry that comes first."""
    name = content[30:38]
    if not content.startswith(_SIGN) or name != b"mimetype":
        return ""
    size, _, extra = struct.unpack_from("<LHH", content, 22)
    start = 38 + extra
    return content[start : start + min(size, 200)].decode("ascii", "replace").strip()


def is_office_file(content: bytes, folder: str) -> bool:
    """Whether the bytes are an Office Open XML file whose parts are in `word/`, `ppt/` or `xl/`.

    Also the beginning of one, which is missing its directory: it is opened only to be refused.
    """
    if content.startswith(_SIGN) and _end_of(content) is None:
        return any(name.startswith(folder.encode()) for name in _begun(content))
    names = directory_of(content)
    return b"[Content_Types].xml" in names and folder.encode() in names


def _begun(content: bytes) -> Iterator[bytes]:
    """How the names of the first entries begin, as the entries themselves tell them."""
    place = 0
    for _ in range(MAX_ENTRIES):
        yield content[place + 30 : place + 38]
        place = content.find(_SIGN, place + len(_SIGN))
        if place < 0:
            return


def _end_of(content: bytes) -> tuple[int, int] | None:
    """Size and place of an archive's directory."""
    place = content.rfind(_END_SIGN, max(0, len(content) - _END.size - _LONGEST_COMMENT))
    if place < 0 or place + _END.size > len(content):
        return None
    _, _, _, _, _, size, start, _ = _END.unpack_from(content, place)
    return size, start


class Archive:
    """An archive whose entries may be read: there are few enough, and none is a bomb.

    Raises:
        DocumentUnreadable: one of its kinds.
    """

    def __init__(self, content: bytes) -> None:
        end = _end_of(content)
        if end is None:
            raise DocumentUnreadable("The file is damaged: its end is missing.")
        if end[0] > MAX_DIRECTORY_BYTES:
            raise _too_many()
        try:
            self._zip = zipfile.ZipFile(BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error):
            raise DocumentUnreadable("The file is damaged: it cannot be unpacked.") from None
        self._check(self._zip.infolist())
        self.names = frozenset(self._zip.namelist())

    def _check(self, entries: list[zipfile.ZipInfo]) -> None:
        if len(entries) > MAX_ENTRIES:
            raise _too_many()
        if sum(entry.file_size for entry in entries) > MAX_INFLATED_BYTES:
            raise DocumentTooComplex(
                f"Unpacked it is larger than {MAX_INFLATED_BYTES // (1024 * 1024)} MiB."
                " Split it, or take pictures out of it."
            )
        for entry in entries:
            if entry.flag_bits & _IS_ENCRYPTED:
                raise DocumentEncrypted("Remove its password and upload it again.")
            is_large = entry.file_size > RATIO_FROM_BYTES
            if is_large and entry.file_size > MAX_RATIO * entry.compress_size:
                raise DocumentTooComplex(
                    f"A part of it is packed more than {MAX_RATIO} times over, as no text is."
                    " Save it anew with the program that made it, or split it."
                )

    def open(self, name: str) -> IO[bytes]:
        """An entry to be read in pieces; what is read of it can still turn out to be damaged."""
        try:
            entry = self._zip.getinfo(name)
            if entry.compress_type not in _METHODS:
                raise DocumentUnreadable("It is packed in a way that office files are not.")
            return self._zip.open(entry)
        except KeyError:
            raise DocumentUnreadable("The file is damaged: a part of it is missing.") from None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, struct.error):
            raise DocumentUnreadable("The file is damaged: it cannot be unpacked.") from None

    def read(self, name: str) -> bytes:
        """A whole entry."""
        with self.open(name) as entry, unpacking():
            return entry.read()

    def has_any(self, *folders: str) -> bool:
        """Whether there is anything in one of these folders."""
        return any(name.startswith(folders) for name in self.names)


@contextmanager
def unpacking() -> Generator[None]:
    """Damage that shows while an entry is read, told as what is wrong with the file."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError):
        raise DocumentUnreadable("The file is damaged: a part of it cannot be unpacked.") from None


def path_of(base: str, target: str) -> str:
    """The entry that a part of an archive means by `target`; never anything but a name in it."""
    if target.startswith("/"):
        return normpath(target).lstrip("/")
    return normpath(f"{base.rpartition('/')[0]}/{target}").lstrip("/")


def _too_many() -> DocumentTooComplex:
    return DocumentTooComplex(
        f"It is packed in more than {MAX_ENTRIES:,} parts. Split it, or take pictures out of it."
    )
