"""What was found made fit to be read: copies folded, neighbours joined, sections named."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.features.knowledge.schemas import Hit, Passage
from app.ports.parser import SECTION_MARK

# Copies of a page differ in a date or a name; passages on one subject share about half their words.
SAME_SHARE = 0.9
JOINED_CHARS = 6000
HIGHLIGHTS = 3
HEADING_CHARS = 300
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Place:
    """Passages that follow each other in a document, and which of them answers best."""

    best: Passage
    parts: list[Passage]


def without_copies(found: Sequence[Passage], *, limit: int) -> list[Passage]:
    """The first `limit` passages that say something of their own."""
    kept: dict[frozenset[str], Passage] = {}
    for passage in found:
        if len(kept) == limit:
            break
        words = frozenset(_WORD.findall(passage.content.lower()))
        if words not in kept and not any(_is_repeat(words, others) for others in kept):
            kept[words] = passage
    return list(kept.values())


def _is_repeat(words: frozenset[str], others: frozenset[str]) -> bool:
    fewer, more = sorted((len(words), len(others)))
    if fewer < SAME_SHARE * more:
        return False
    shared = len(words & others)
    return shared >= SAME_SHARE * (fewer + more - shared)


def places(passages: Sequence[Passage]) -> list[Place]:
    """Passages that come best first, neighbours as one, whichever of them was found first."""
    ranks = {passage.id: rank for rank, passage in enumerate(passages)}
    in_order = sorted(passages, key=lambda one: (one.document_id, one.ordinal))
    found = (Place(min(parts, key=lambda one: ranks[one.id]), parts) for parts in _runs(in_order))
    return sorted(found, key=lambda place: ranks[place.best.id])


def _runs(in_order: Sequence[Passage]) -> Iterator[list[Passage]]:
    run = list(in_order[:1])
    for before, passage in pairwise(in_order):
        follows = (passage.document_id, passage.ordinal) == (before.document_id, before.ordinal + 1)
        if follows and passage.char_end - run[0].char_start <= JOINED_CHARS:
            run.append(passage)
        else:
            yield run
            run = [passage]
    if run:
        yield run


def hit_of(place: Place, marked: Mapping[str, list[str]]) -> Hit:
    """A place as it is shown, with the first of the sentences that are marked in its chunks."""
    left_out = {"ordinal", "char_start", "char_end", "content", "heading"}
    sentences = dict.fromkeys(text for part in place.parts for text in marked.get(part.id, ()))
    return Hit(
        **place.best.model_dump(exclude=left_out),
        heading=_heading_of(place.parts),
        content=_text_of(place.parts),
        chunk_ids=[part.id for part in place.parts],
        highlights=list(sentences)[:HIGHLIGHTS],
    )


def _text_of(parts: list[Passage]) -> str:
    """The passages as they stand in their document; what two share is there once."""
    text, end = parts[0].content, parts[0].char_end
    for part in parts[1:]:
        shared = end - part.char_start
        text += part.content[shared:] if shared > 0 else f"\n\n{part.content}"
        end = part.char_end
    return text


def _heading_of(parts: list[Passage]) -> str:
    """The sections of all parts; one that goes on in the next part is named once."""
    sections: dict[str, str] = {}
    for part in parts:
        for section in part.heading.split(SECTION_MARK):
            sections.setdefault(section.rpartition(" > ")[2], section)
    return SECTION_MARK.join(filter(None, sections.values()))[:HEADING_CHARS]
