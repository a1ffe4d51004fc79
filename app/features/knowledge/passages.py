"""What was found made fit to be read: repeats folded, neighbours joined, sentences highlighted."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.features.knowledge.schemas import Hit, Passage

# Copies of a page differ in a date or a name; passages on one subject share about half their words.
SAME_SHARE = 0.9
JOINED_CHARS = 6000
HIGHLIGHTS = 3
HIGHLIGHT_CHARS = 200
READ_CHARS = 4000
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"\w+")
# What `agentes.fold` takes away, so that stems are found in what is folded here.
_MARK = re.compile("[\u0300-\u036f]")


@dataclass(slots=True)
class _Joined:
    """A hit in the making: the best of its passages and what it was joined with."""

    best: Passage
    parts: list[Passage]
    words: frozenset[str]


def hits_of(found: Sequence[Passage], *, stems: Sequence[str], limit: int) -> list[Hit]:
    """The best `limit` hits of passages that come best first, each with what answers in it."""
    joined: list[_Joined] = []
    for passage in found:
        words = frozenset(_WORD.findall(passage.content.lower()))
        if any(_is_repeat(words, one.words) for one in joined):
            continue
        neighbour = next((one for one in joined if _continues(one.parts, passage)), None)
        if neighbour is not None:
            neighbour.parts = sorted([*neighbour.parts, passage], key=lambda part: part.ordinal)
        elif len(joined) < limit:
            joined.append(_Joined(passage, [passage], words))
    trunks = [_fold(stem) for stem in stems]
    return [_hit(one, trunks) for one in joined]


def _is_repeat(words: frozenset[str], others: frozenset[str]) -> bool:
    fewer, more = sorted((len(words), len(others)))
    if fewer < SAME_SHARE * more:
        return False
    shared = len(words & others)
    return shared >= SAME_SHARE * (fewer + more - shared)


def _continues(parts: list[Passage], passage: Passage) -> bool:
    """Whether a passage lies directly before or after, and there is room for it."""
    if parts[0].document_id != passage.document_id:
        return False
    is_next = passage.ordinal in (parts[0].ordinal - 1, parts[-1].ordinal + 1)
    first, last = min(parts[0].char_start, passage.char_start), parts[-1].char_end
    return is_next and max(last, passage.char_end) - first <= JOINED_CHARS


def _hit(joined: _Joined, trunks: list[str]) -> Hit:
    content = _text_of(joined.parts)
    fields = joined.best.model_dump(exclude={"ordinal", "char_start", "char_end", "content"})
    return Hit(
        **fields,
        content=content,
        chunk_ids=[part.id for part in joined.parts],
        highlights=highlights(content, trunks),
    )


def _text_of(parts: list[Passage]) -> str:
    """The passages as they stand in their document; what two share is there once."""
    text, end = parts[0].content, parts[0].char_end
    for part in parts[1:]:
        shared = end - part.char_start
        text += part.content[shared:] if shared > 0 else f"\n\n{part.content}"
        end = part.char_end
    return text


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    return _MARK.sub("", unicodedata.normalize("NFKD", text.lower()))


def highlights(content: str, trunks: Iterable[str]) -> list[str]:
    """The first sentences in which one of the folded stems stands."""
    whole = frozenset(trunk for trunk in trunks if len(trunk) < 4)
    openings = tuple(trunk for trunk in trunks if len(trunk) >= 4)
    found: list[str] = []
    for sentence in _SENTENCE_END.split(content[:READ_CHARS]):
        words = _WORD.findall(_fold(sentence))
        if any(word in whole or word.startswith(openings) for word in words):
            found.append(sentence.strip()[:HIGHLIGHT_CHARS])
            if len(found) == HIGHLIGHTS:
                break
    return found
