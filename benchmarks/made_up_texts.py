"""Texts of made-up Portuguese words that are as frequent as real ones, and questions on them."""

from dataclasses import dataclass
from typing import Any

import numpy

FUNCTION_WORDS = [
    "de",
    "a",
    "que",
    "o",
    "e",
    "do",
    "da",
    "em",
    "um",
    "para",
    "com",
    "não",
    "uma",
    "os",
    "no",
    "se",
    "na",
    "por",
    "mais",
    "as",
    "dos",
    "como",
    "mas",
    "ao",
    "ele",
    "das",
    "à",
    "seu",
    "sua",
    "ou",
    "quando",
    "muito",
    "nos",
    "já",
    "eu",
    "também",
    "só",
    "pelo",
    "pela",
    "até",
    "isso",
    "ela",
    "entre",
    "depois",
    "sem",
    "mesmo",
    "aos",
]
ONSETS = [
    "b",
    "c",
    "d",
    "f",
    "g",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "br",
    "cr",
    "dr",
    "fr",
    "gr",
    "pr",
    "tr",
    "cl",
    "fl",
    "pl",
    "ch",
    "lh",
    "nh",
    "qu",
    "gu",
]
VOWELS = ["a", "e", "i", "o", "u", "a", "e", "o", "ão", "ei", "ou", "ai", "á", "é", "ó"]
ENDINGS = [
    "a",
    "o",
    "e",
    "as",
    "os",
    "ção",
    "ções",
    "mento",
    "dade",
    "ar",
    "er",
    "ir",
    "ado",
    "ida",
    "ante",
    "ista",
    "ável",
    "ível",
    "al",
    "ais",
    "eiro",
    "agem",
]
WORDS_A_CHUNK = 100
TEAMS = 10


@dataclass(frozen=True)
class Question:
    """A question and what its answers are filtered by."""

    text: str
    filters: dict[str, str]


class Speaker:
    """One seed, one vocabulary."""

    def __init__(self, seed: int, size: int = 150_000) -> None:
        self._dice = numpy.random.default_rng(seed)
        syllables = [onset + vowel for onset in ONSETS for vowel in VOWELS]
        made: dict[str, None] = {}
        while len(made) < size:
            count = self._dice.integers(1, 3)
            made["".join([*self._dice.choice(syllables, count), self._dice.choice(ENDINGS)])] = None
        self.words = numpy.array([*FUNCTION_WORDS, *made])
        # Zipf with Mandelbrot's shift; the vocabulary grows as that of real Portuguese texts does.
        weights = 1 / (numpy.arange(len(self.words)) + 2.7) ** 1.15
        self._cumulated = numpy.cumsum(weights / weights.sum())

    def draw(self, count: int) -> Any:
        """That many words as they follow each other in a text."""
        return self.words[numpy.searchsorted(self._cumulated, self._dice.random(count))]

    def chunks(self, count: int) -> list[str]:
        """Texts of about 100 words in sentences of twelve."""
        drawn = self.draw(count * WORDS_A_CHUNK).reshape(count, WORDS_A_CHUNK)
        return [
            " ".join(
                " ".join(row[at : at + 12]).capitalize() + "." for at in range(0, len(row), 12)
            )
            for row in drawn
        ]

    def questions(self, texts: list[str], count: int) -> list[Question]:
        """Each of four to eight words of one text, as a reader remembers them."""
        made = []
        for text in self._dice.choice(numpy.array(texts), count):
            words = [word for word in text.replace(".", "").split() if len(word) > 3]
            kept = self._dice.choice(numpy.array(words), self._dice.integers(4, 9), replace=False)
            made.append(Question(f"Qual é {' '.join(kept)}?", {}))
        return made

    def common_questions(self, count: int) -> list[Question]:
        """Each of four words that very many texts hold."""
        common = self.words[len(FUNCTION_WORDS) : len(FUNCTION_WORDS) + 100]
        return [
            Question(" ".join(self._dice.choice(common, 4, replace=False)), {})
            for _ in range(count)
        ]
