"""Questions as they are kept beyond their conversations."""

import re

QUESTION_CHARS = 500
# A gap outlives its conversation, so whom it was about stays out of it.
_PERSONAL = re.compile(r"\S+@\S+\.\S+|\+?\d(?:[\s().-]*\d){6,}[-xX]?")


def impersonal(question: str) -> str:
    """A question without addresses and long numbers."""
    return _PERSONAL.sub("…", " ".join(question.split()))[:QUESTION_CHARS]
