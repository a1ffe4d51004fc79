"""Files into text with its structure, one parser a format."""

from collections.abc import Callable
from dataclasses import dataclass

from app.core.errors import Problem


class DocumentUnreadable(Problem):
    """The file could not be read as text."""

    status = 422


class DocumentEmpty(DocumentUnreadable):
    """The file holds no text."""


@dataclass(frozen=True, slots=True)
class ParsedText:
    """A whole document as clean text, in the notation that its splitter understands."""

    text: str
    is_markdown: bool


@dataclass(frozen=True, slots=True)
class Parser:
    """One format as the registry lists it.

    `claims` looks at the bytes and the sanitised file name; `parse` is synchronous and runs off
    the event loop. It raises DocumentUnreadable with what is wrong with the file.
    """

    name: str
    content_type: str
    extensions: tuple[str, ...]
    claims: Callable[[bytes, str], bool]
    parse: Callable[[bytes], ParsedText]
