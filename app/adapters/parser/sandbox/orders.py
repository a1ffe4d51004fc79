"""What the service tells a child and what the child answers, checked on arrival."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.ports.parser import (
    Cut,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooComplex,
    DocumentUnreadable,
    DocumentWithoutText,
    TextChunk,
)

MIB = 1024 * 1024
MAX_DETAIL_CHARS = 500
_REFUSALS = {
    kind.code(): kind
    for kind in (
        DocumentUnreadable,
        DocumentEmpty,
        DocumentEncrypted,
        DocumentTooComplex,
        DocumentWithoutText,
    )
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may take."""

    memory_bytes: int = 1024 * MIB
    cpu_s: int = 30
    wall_s: float = 60.0
    output_chars: int = 10_485_760
    advice: str = "Split it, or simplify it."

    @property
    def answer_bytes(self) -> int:
        """The longest answer: each character in up to four bytes, and room for the chunks."""
        return 4 * self.output_chars + 16 * MIB


@dataclass(frozen=True, slots=True)
class Order:
    """All that a child needs to know but the file itself."""

    registry: str
    """The module whose `PARSERS` holds the parser."""
    parser: str
    parent: int
    limits: Limits = field(default_factory=Limits)
    cut: Cut = field(default_factory=lambda: Cut(size=300, overlap=0))

    def written(self) -> str:
        """As one argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> "Order":
        """The order that was written."""
        fields: dict[str, Any] = json.loads(text)
        limits, cut = Limits(**fields.pop("limits")), Cut(**fields.pop("cut"))
        return cls(**fields, limits=limits, cut=cut)


def answer(text: str, chunks: Sequence[TextChunk]) -> bytes:
    """A line of JSON with the places of the chunks, then the text that they are cut from."""
    body = text.encode()
    places = [[c.char_start, c.char_end, c.token_count, c.page, c.heading] for c in chunks]
    head = json.dumps({"bytes": len(body), "chunks": places}, ensure_ascii=False).encode()
    return head + b"\n" + body


def refusal(problem: DocumentUnreadable, *, crash: str | None = None) -> bytes:
    """A line of JSON with what is wrong with the file, or where the parser has a fault."""
    said = {"problem": problem.code(), "detail": problem.detail, "crash": crash}
    return json.dumps(said).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Refused:
    """The child's own words for why there is no text."""

    problem: DocumentUnreadable
    crash: str | None


class AnswerMalformed(Exception):
    """The child's answer is not whole, or not what a child of ours would say."""


def read_answer(received: bytes, limits: Limits) -> tuple[TextChunk, ...] | Refused:
    """The chunks, or the refusal; a child that was taken over can say nothing else.

    Raises:
        AnswerMalformed: it is neither.
    """
    head, line_end, body = received.partition(b"\n")
    try:
        said: dict[str, Any] = json.loads(head) if line_end else {}
        if "problem" in said:
            return _refused(said)
        text = body.decode()
        if len(body) != said["bytes"] or len(text) > limits.output_chars:
            raise AnswerMalformed
        return tuple(_chunk(text, number, *place) for number, place in enumerate(said["chunks"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise AnswerMalformed from None


def _refused(said: dict[str, Any]) -> Refused:
    detail, crash = said.get("detail"), said.get("crash")
    return Refused(
        _REFUSALS[said["problem"]](str(detail)[:MAX_DETAIL_CHARS] if detail else None),
        str(crash)[:MAX_DETAIL_CHARS] if crash else None,
    )


def _chunk(
    text: str, ordinal: int, start: int, end: int, tokens: int, page: int | None, heading: str
) -> TextChunk:
    numbers = (start, end, tokens, page or 1)
    if not all(type(number) is int for number in numbers) or type(heading) is not str:
        raise AnswerMalformed
    if not 0 <= start < end <= len(text) or not 0 < (page or 1) < 2**31 or not 0 < tokens < 2**31:
        raise AnswerMalformed
    return TextChunk(
        ordinal=ordinal,
        content=text[start:end],
        heading=heading,
        char_start=start,
        char_end=end,
        token_count=tokens,
        page=page,
    )


def too_complex(what: str, limits: Limits) -> DocumentTooComplex:
    """The failure of a file that took more than it may."""
    return DocumentTooComplex(f"Reading it took more than {what}. {limits.advice}")


def too_long(limits: Limits) -> DocumentTooComplex:
    """The failure of a file with more text than a document may have."""
    return DocumentTooComplex(f"It holds more than {limits.output_chars:,} characters. Split it.")
