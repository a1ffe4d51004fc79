"""Files into text and its pieces, one parser a format, each file in a process of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.core.errors import Problem, ServiceUnavailable

# Between the sections of a piece that holds several: "Trocas > Prazo · Entrega".
SECTION_MARK = " · "


class DocumentUnreadable(Problem):
    """The file could not be read as text."""

    status = 422


class DocumentEmpty(DocumentUnreadable):
    """The file holds no text."""


class DocumentWithoutText(DocumentUnreadable):
    """The file holds pictures of text, not text."""


class DocumentEncrypted(DocumentUnreadable):
    """The file is protected by a password."""


class DocumentTooComplex(DocumentUnreadable):
    """The file needs more time, memory or room than a document may take."""


class ParsingUnavailable(ServiceUnavailable):
    """No process could be started to read the file."""


@dataclass(frozen=True, slots=True)
class ParsedText:
    """A whole document as text, in the notation that its splitter understands.

    Joined, `pages` are the text. A format that knows no pages has one, and `is_paged` is false.
    """

    pages: tuple[str, ...]
    is_markdown: bool
    is_paged: bool = False


@dataclass(frozen=True, slots=True)
class Parser:
    """One format as the registry lists it.

    `claims` looks at the bytes and the sanitised file name; it is cheap and runs anywhere. `parse`
    runs in a process of its own. It raises DocumentUnreadable with what is wrong with the file.
    Whatever it imports beyond its own module is named in `libraries`: once a file is being read,
    nothing can be imported any more.
    """

    name: str
    content_type: str
    extensions: tuple[str, ...]
    claims: Callable[[bytes, str], bool]
    parse: Callable[[bytes], ParsedText]
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cut:
    """How a text is to be cut: the size of its pieces and what neighbours share, in tokens."""

    size: int
    overlap: int


@dataclass(frozen=True, slots=True)
class TextChunk:
    """One piece of a document, and where in its text it stands; `page` counts from 1.

    `heading` is the path of the section in which it opens; the titles of those that begin further
    down follow, each after a `SECTION_MARK`.
    """

    ordinal: int
    content: str
    heading: str
    char_start: int
    char_end: int
    token_count: int
    page: int | None = None


class Sandbox(Protocol):
    """Where files of strangers are read: apart from the service, within limits."""

    async def chunks(self, parser: Parser, content: bytes, cut: Cut) -> tuple[TextChunk, ...]:
        """The file's text in pieces, in order; at least one.

        Waits for a free place first. Cancelled, the process is killed before this returns.

        Raises:
            DocumentUnreadable: one of its kinds, the file's own fault and the same every time.
            ParsingUnavailable: the file was not looked at.
        """
        ...
