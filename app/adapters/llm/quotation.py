"""Chooses the sentences of given passages that answer a question, or none."""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from app.ports.llm import Passage
from app.ports.parser import SECTION_MARK

# A sentence is judged by what it covers of the question itself, and by what its whole passage
# covers, as retrieval has found. Below the least the question is not answered: it shares only
# common words with the passages.
SENTENCE_SHARE = 0.8
MIN_COVERAGE = 0.45
MIN_SENTENCE_COVERAGE = 0.45
# A further sentence is quoted only when it answers nearly as well as the best one.
NEARLY_AS_GOOD = 0.8
MAX_SENTENCES = 3
MAX_CHARS = 600
CONTEXT_WEIGHT = 0.7
FIGURE_BONUS = 0.12
# Of two sentences that cover the same, the one that speaks of little else answers better.
BREVITY_BONUS = 0.2
# "Vocês aceitam Pix?" asks about Pix.
LIGHT_WORD_WEIGHT = 0.3

_WORD = re.compile(r"[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_a-z]|[\"“(])")
_LIST_MARK = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
_MARKUP = re.compile(r"(\*\*|__|`)")
_RULE = re.compile(r"^[\s|:\-–—_*=]+$")
_FIGURE = re.compile(r"\d")
_ASKS_FIGURE = re.compile(
    r"\b(quant\w+|quando|horas?|horario|prazo|preco|valor|custa|telefone|whatsapp|cep"
    r"|how (much|many|long)|when|price)\b"
)
_NOISE_WORDS = (
    "a o as os um uma uns umas de do da dos das em no na nos nas por pelo pela pelos pelas para "
    "pra com sem sob sobre entre ate e ou mas que se ao aos qual quais quem como quando quanto "
    "quanta quantos quantas onde eu voce voces me meu minha meus minhas seu sua seus suas nosso "
    "nossa eles elas ele ela isso isto este esta esse essa aquele aquela ser sao estao foi era "
    "ter tem tenho temos ha haver fazer faz faco fazem posso pode podem poderia quero queria "
    "gostaria preciso saber dizer informar favor ola oi bom boa dia tarde noite nao sim ja so "
    "mais muito ainda tambem existe existem loja empresa produto horas the an of to in on at for "
    "with and or is are does can could would what which who how much many where i you my your we "
    "our it this that have has please hello hi el la los las un una del y en con es son cual "
    "cuales cuando cuanto cuanta donde puedo puede tienen tiene su mi hay le lo "
)
_NOISE = frozenset(_NOISE_WORDS.split())
_LIGHT_WORDS = (
    "abrir aceitar cair comprar custar entregar fechar ficar funcionar horario pagar partir "
    "precisar receber servir site usar valor vender"
)
_IRREGULAR = {"peco": "ped", "pecam": "ped", "cai": "ca", "caem": "ca", "cair": "ca"}


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of a passage."""

    text: str
    index: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    quote: Quote
    place: int
    words: frozenset[str]
    context: frozenset[str]
    passage_score: float


def fold(text: str) -> str:
    """Lower case without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def stem(word: str) -> str:
    """A folded Portuguese word without its commonest endings; enough to match its forms."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for pattern, replacement in _ENDINGS:
        changed = pattern.sub(replacement, word)
        if changed != word and len(changed) >= 3:
            word = changed
            break
    return word[:3] + word[3:].rstrip("aeio")


_ENDINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(lucoes|lucao)$", "lv"),
        (r"(coes|cao)$", "c"),
        (r"(oes|aes)$", "ao"),
        (r"ais$", "al"),
        (r"eis$", "el"),
        (r"(amento|imento|amentos|imentos)$", ""),
        (r"(ados|adas|idos|idas|ado|ada|ido|ida)$", ""),
        (r"(ando|endo|indo|aram|eram|iram|avam|arei|arem|erem)$", ""),
        (r"(amos|emos|imos)$", ""),
        (r"(ar|er|ir|am|em|ou|iu)$", ""),
        (r"(ns)$", "m"),
        (r"(res|zes)$", "r"),
        (r"s$", ""),
    )
)


_LIGHT = frozenset(stem(word) for word in _LIGHT_WORDS.split())


def content_words(text: str) -> list[str]:
    """The stems of the words that say something, in order."""
    words = _WORD.findall(fold(text))
    return [
        stem(word) for word in words if word not in _NOISE and (len(word) > 1 or word.isdigit())
    ]


def choose(question: str, passages: tuple[Passage, ...]) -> list[Quote]:
    """Up to three sentences that answer, in the order of the passages; none where none does."""
    wanted = list(dict.fromkeys(content_words(question)))
    candidates = list(_candidates(passages))
    if not wanted or not candidates:
        return []
    weights = _weights(wanted, candidates)
    asks_figure = _ASKS_FIGURE.search(fold(question)) is not None
    scored = [(_score(one, weights, asks_figure=asks_figure), one) for one in candidates]
    best = max(score for score, _ in scored)
    if best < MIN_COVERAGE:
        return []
    good = [
        one
        for one in sorted(scored, key=lambda s: (-s[0], s[1].place))
        if one[0] >= best * NEARLY_AS_GOOD
    ]
    return _within_limits([one for _, one in good])


def _within_limits(ranked: list[_Candidate]) -> list[Quote]:
    kept: list[_Candidate] = []
    seen: set[str] = set()
    for one in ranked:
        room = MAX_CHARS - sum(len(other.quote.text) for other in kept)
        if one.quote.text in seen or len(one.quote.text) > room:
            continue
        seen.add(one.quote.text)
        kept.append(one)
        if len(kept) == MAX_SENTENCES:
            break
    return [one.quote for one in sorted(kept, key=lambda one: one.place)]


def _weights(wanted: list[str], candidates: list[_Candidate]) -> dict[str, float]:
    """Each word's share of the question; a word that stands nowhere weighs most."""
    total = len(candidates)
    counts = {word: sum(word in one.words for one in candidates) for word in wanted}
    raw = {
        word: math.log(1 + (total + 1) / (count + 0.5))
        * (LIGHT_WORD_WEIGHT if word in _LIGHT else 1)
        for word, count in counts.items()
    }
    return {word: weight / sum(raw.values()) for word, weight in raw.items()}


def _score(one: _Candidate, weights: dict[str, float], *, asks_figure: bool) -> float:
    own = weights.keys() & one.words
    context = (weights.keys() & one.context) - own
    score = sum(weights[word] for word in own)
    score += CONTEXT_WEIGHT * sum(weights[word] for word in context)
    if not own:
        score *= CONTEXT_WEIGHT
    if score < MIN_SENTENCE_COVERAGE:
        return 0.0
    score += BREVITY_BONUS * len(own) / len(one.words) if own else 0.0
    if asks_figure and _FIGURE.search(one.quote.text):
        score += FIGURE_BONUS
    return SENTENCE_SHARE * score + (1 - SENTENCE_SHARE) * one.passage_score


def _candidates(passages: tuple[Passage, ...]) -> Iterator[_Candidate]:
    place = 0
    for passage in passages:
        opening = passage.heading.partition(SECTION_MARK)[0]
        context = frozenset(content_words(f"{passage.name} {opening}"))
        heading: frozenset[str] = frozenset()
        for text, is_heading in _sentences(passage.content):
            if is_heading:
                heading = frozenset(content_words(text))
                continue
            words = frozenset(content_words(text))
            quote = Quote(_shortened(text), passage.index)
            yield _Candidate(quote, place, words, context | heading, passage.score)
            place += 1


def _shortened(text: str) -> str:
    """The beginning of what has no sentence end for pages; an ellipsis says that it is cut."""
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 2].rsplit(" ", 1)[0] + " …"


def _sentences(content: str) -> Iterator[tuple[str, bool]]:
    """Headings, and sentences, list items and table rows as they can be quoted."""
    header: list[str] = []
    paragraph: list[str] = []
    for line in [*content.splitlines(), ""]:
        bare = _MARKUP.sub("", line).strip().lstrip("> ")
        if _is_block(bare):
            yield from ((part, False) for part in _SENTENCE_END.split(" ".join(paragraph)) if part)
            paragraph = []
        if not bare.startswith("|"):
            header = []
        if bare.startswith("#"):
            yield bare.lstrip("# "), True
        elif bare.startswith("|") and not header:
            header = _cells(bare)
        elif bare and not _RULE.match(bare):
            if header:
                yield _row(header, _cells(bare)), False
            else:
                paragraph.append(_LIST_MARK.sub("", bare))


def _is_block(bare: str) -> bool:
    return not bare or bare.startswith(("#", "|")) or _LIST_MARK.match(bare) is not None


def _cells(bare: str) -> list[str]:
    return [cell.strip() for cell in bare.strip("|").split("|")]


def _row(header: list[str], cells: list[str]) -> str:
    named = len(header) == len(cells)
    pairs = zip(header, cells, strict=True) if named else (("", cell) for cell in cells)
    return " — ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
