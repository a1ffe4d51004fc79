"""What is taken in: names made harmless, formats told from the bytes, sizes bounded."""

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import UploadFile

from app.core.errors import PayloadTooLarge
from app.features.knowledge.errors import FormatNotSupported, InvalidUpload
from app.ports.parser import Parser

MAX_FILE_BYTES = 25 * 1024 * 1024
MAX_FILES = 20
MAX_NAME_CHARS = 255
UNNAMED = "document"
# Characters that turn the reading direction would let "exe.fdp" show as "pdf.exe".
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document is from: an address with the marks of what it gave, or a question."""

    source_url: str | None = None
    source_etag: str | None = None
    source_modified: str | None = None
    question: str | None = None


_HERE = Source()


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file that can be stored: its bytes and what was found out about them.

    It is hashed when it is made: make a large one in a thread.
    """

    name: str
    content: bytes
    content_type: str
    source: Source = _HERE
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.content).hexdigest())

    def fields(
        self, knowledge_base_id: str, metadata: dict[str, Any], language: str | None = None
    ) -> dict[str, Any]:
        """The row of its document, without an id."""
        return {
            "knowledge_base_id": knowledge_base_id,
            "name": self.name,
            "metadata": metadata,
            "language": language,
            "question": self.source.question,
            "source_url": self.source.source_url,
            **self.renewal(),
        }

    def renewal(self) -> dict[str, Any]:
        """What changes in the row when an address gives something else."""
        return {
            "content_type": self.content_type,
            "size_bytes": len(self.content),
            "sha256": self.sha256,
            "source_etag": self.source.source_etag,
            "source_modified": self.source.source_modified,
        }


def display_name(given: str | None) -> str:
    """The last part of a client's file name, fit to be shown; files are stored under their id."""
    text = unicodedata.normalize("NFC", given or "").encode("utf-8", "ignore").decode()
    last = re.split(r"[/\\]", text)[-1]
    printable = "".join(char for char in _INVISIBLE.sub("", last) if char.isprintable()).strip(" .")
    return printable[-MAX_NAME_CHARS:] or UNNAMED


async def received(part: UploadFile, parsers: Mapping[str, Parser]) -> IncomingFile:
    """A file out of the spool where it lies, whole and checked.

    Raises:
        InvalidUpload, PayloadTooLarge, FormatNotSupported: as `receive` does.
    """
    await part.seek(0)
    content = await part.read(MAX_FILE_BYTES + 1)
    return await asyncio.to_thread(receive, part.filename, content, parsers)


def receive(
    name: str | None, content: bytes, parsers: Mapping[str, Parser], source: Source = _HERE
) -> IncomingFile:
    """Check one file; of a large one it takes a while: do it in a thread.

    Raises:
        InvalidUpload: it is empty.
        PayloadTooLarge: it is larger than a file may be.
        FormatNotSupported: no parser takes its bytes.
    """
    shown = display_name(name)
    if not content:
        raise InvalidUpload(f"{shown} is empty.")
    if len(content) > MAX_FILE_BYTES:
        raise PayloadTooLarge(
            f"{shown} is larger than {MAX_FILE_BYTES // (1024 * 1024)} MiB. Split it."
        )
    for parser in parsers.values():
        if parser.claims(content, shown):
            return IncomingFile(shown, content, parser.content_type, source)
    known = ", ".join(extension for parser in parsers.values() for extension in parser.extensions)
    raise FormatNotSupported(f"{shown} is in no format that can be read; these can: {known}.")
