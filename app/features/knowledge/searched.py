"""What is asked of knowledge."""

from dataclasses import dataclass, field
from typing import Any

from app.features.knowledge.schemas import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to some bases. Without `must_exist` a base that is gone holds nothing.

    If it `is_marked`, hits tell the sentences in which its words stand: it is one more call.
    """

    text: str
    base_ids: list[str]
    top_k: int
    threshold: float
    mode: Mode = "hybrid"
    filters: dict[str, Any] = field(default_factory=dict[str, Any])
    must_exist: bool = True
    is_marked: bool = False
