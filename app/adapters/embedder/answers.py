"""What servers of embeddings answer, read with suspicion."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson

from app.ports.embedder import EmbedderRefused, Vector

MAX_DIMENSIONS = 4000


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class RetryLater(Exception):
    """The server may take the same request in a while; after how many seconds, if it told."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


def vectors_of(answer: Answer, count: int, *, server: str) -> list[Vector]:
    """The vectors in the order of the texts.

    Raises:
        RetryLater: it is busy or broken at the moment.
        EmbedderRefused: it will not do it, or answers something else.
    """
    if answer.status in (408, 409, 425, 429) or answer.status >= 500:
        raise RetryLater(f"answered {answer.status}.", _pause(answer))
    if answer.status != 200:
        raise EmbedderRefused(f"{server} answered {answer.status}{_said(answer)}.")
    try:
        rows = cast("list[Any]", orjson.loads(answer.content)["data"])
        ordered = sorted(rows, key=lambda row: row["index"]) if "index" in rows[0] else rows
        vectors = [_vector(row["embedding"]) for row in ordered]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise RetryLater("answered something that is no embedding.") from error
    if len(vectors) != count:
        raise RetryLater(f"answered with {len(vectors)} vectors for {count} texts.")
    return vectors


def _vector(numbers: list[Any]) -> Vector:
    vector = tuple(float(number) for number in numbers)
    length = math.sqrt(sum(number * number for number in vector))
    if not 0 < len(vector) <= MAX_DIMENSIONS or not math.isfinite(length) or length == 0:
        raise ValueError("no vector with a direction")
    return tuple(number / length for number in vector)


def _pause(answer: Answer) -> float | None:
    given = answer.headers.get("retry-after", "")
    try:
        return max(0.0, float(given)) or None
    except ValueError:
        return None


def _said(answer: Answer) -> str:
    """The server's own words, if it has some; they name models and limits, never keys."""
    try:
        error = orjson.loads(answer.content)["error"]
        words = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {str(cast('object', words))[:200]}"
