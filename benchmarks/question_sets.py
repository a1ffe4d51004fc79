"""Questions of a file in SQuAD's format: as they are, without accents, with a typing error."""

import html
import json
import random
import re
import statistics
import string
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Score:
    """Ranks and times of one way of searching; rank 0 is not found."""

    ranks: list[int] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    def add(self, hits: list[str], wanted: str) -> None:
        """One question's hits, best first."""
        self.ranks.append(hits.index(wanted) + 1 if wanted in hits else 0)

    def recall(self, k: int) -> float:
        """The share of questions whose passage is among the first k."""
        return sum(0 < rank <= k for rank in self.ranks) / len(self.ranks)

    def line(self, name: str) -> str:
        """One row of the table."""
        mrr = sum(1 / rank for rank in self.ranks if 0 < rank <= 10) / len(self.ranks)
        figures = " ".join(f"{value:>9.3f}" for value in (*map(self.recall, (1, 5, 10)), mrr))
        if len(self.times_ms) < 2:
            return f"{name:<40} {figures}"
        cuts = statistics.quantiles(self.times_ms, n=20)
        return f"{name:<40} {figures} {cuts[9]:>7.1f} {cuts[18]:>7.1f}"


HEADER = f"{'':<40} recall@1 recall@5  recall@10   MRR@10  p50 ms  p95 ms"


def read(path: Path, *, half: int | None = None) -> tuple[list[str], list[tuple[str, int]]]:
    """Passages, and questions with the place of their passage.

    Of `half` 0 or 1, only the questions of every other passage; all passages stay.
    """
    passages: list[str] = []
    questions: list[tuple[str, int]] = []
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            if half in (None, len(passages) % 2):
                for qa in paragraph["qas"]:
                    questions.append((html.unescape(qa["question"]), len(passages)))
            passages.append(html.unescape(paragraph["context"]))
    return passages, questions


def without_accents(text: str) -> str:
    """As it is typed in a hurry."""
    return "".join(
        char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
    )


def mistyped(text: str, dice: random.Random) -> str:
    """One word of five letters or more with a letter lost, added, changed, or two swapped."""
    words = text.split()
    long = [place for place, word in enumerate(words) if len(re.sub(r"\W", "", word)) >= 5]
    if not long:
        return text
    place = dice.choice(long)
    word, at = words[place], dice.randrange(1, len(words[place]) - 1)
    letter = dice.choice(string.ascii_lowercase)
    words[place] = dice.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )
    return " ".join(words)


def three_kinds(questions: list[tuple[str, int]]) -> dict[str, list[tuple[str, int]]]:
    """The same questions in three spellings."""
    dice = random.Random(7)
    return {
        "as they are": questions,
        "without accents": [(without_accents(text), place) for text, place in questions],
        "one typing error": [(mistyped(text, dice), place) for text, place in questions],
    }
