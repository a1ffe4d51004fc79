"""A person is asked for in an answer: what is kept of that, shown and said of it."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.features.conversations.schemas import HandoffReason

HANDED_OVER = "human_requested"
DETAIL = "A person was asked to answer; the agent is silent until then."
# How a model reads what a person of the team has written in its place.
OPERATOR_MARK = "[A person of the team wrote:] "
OPERATOR_RULE = (
    f"Turns of yours that begin with {OPERATOR_MARK.strip()} were written to the user by a person"
    " of the team. Keep to what they said and promised; never begin a turn like that yourself."
)
_WORDS = {
    "pt": "Pedi a uma pessoa da equipe que continue esta conversa por aqui.",
    "es": "Pedí a una persona del equipo que continúe esta conversación por aquí.",
    "en": "I have asked a person of the team to continue this conversation here.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoffAsked:
    """With the end of the answer a person is asked for; the summary is the model's, if any."""

    reason: HandoffReason
    requested_by: Literal["rule", "model"]
    summary: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """The data of a `progress` event."""
        return {"status": HANDED_OVER, "progress": 100, "detail": DETAIL, "reason": self.reason}

    @property
    def row(self) -> dict[str, Any]:
        """The handoff as the conversation keeps it."""
        return asdict(self) | ({"summary_source": "model"} if self.summary else {})


def handing_over_words(language: str) -> str:
    """What the visitor is told, in the agent's language, or else in English."""
    return _WORDS.get(language[:2], _WORDS["en"])


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def names_a_keyword(text: str, keywords: Sequence[str]) -> bool:
    """Whether one of them stands in the text as whole words, whatever its case and accents."""
    words = [re.escape(_folded(keyword)) for keyword in keywords]
    found = words and re.search(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", _folded(text))
    return bool(found)
