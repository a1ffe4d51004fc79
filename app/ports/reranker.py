"""Passages put in order by a model that reads each beside the question, and what may go wrong."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from app.core.settings import Settings
from app.ports.meter import SILENT, Meter, noted


class UnknownReranker(Exception):
    """Nobody serves this reranking model."""


class RerankerFailed(Exception):
    """The reranking model did not rate the passages; nobody is kept from an answer by that."""


class RerankerPaused(RerankerFailed):
    """It has failed a moment ago, and was not asked."""


class Reranker(Protocol):
    """Somebody who says how well passages answer a question."""

    @property
    def name(self) -> str:
        """The part before the slash in `provider/model`."""
        ...

    @property
    def is_configured(self) -> bool:
        """Whether it can be called: what it needs is there."""
        ...

    async def rate(
        self, model: str, question: str, passages: Sequence[str], *, total_s: float
    ) -> list[float]:
        """A number for each passage, in their order; the greater, the better it answers.

        It is asked once. After a failure it is left alone for a while, and fails at once.

        Raises:
            RerankerFailed: it did not answer in `total_s`, or it will not take these passages,
                this model or this key.
            RerankerPaused: it has failed a moment ago.
        """
        ...


@dataclass(frozen=True, slots=True)
class RerankerAdapter:
    """One reranker as the registry lists it; opening it connects to nothing."""

    name: str
    open: Callable[[Settings], AbstractAsyncContextManager[Reranker]]


@dataclass(frozen=True, slots=True)
class ResolvedReranker:
    """A reranking model that can be asked."""

    reranker: Reranker
    model: str
    meter: Meter = SILENT

    async def rate(self, question: str, passages: Sequence[str], *, total_s: float) -> list[float]:
        """As `Reranker.rate`."""
        with noted(self.meter, "reranker", self.reranker.name, unless=(RerankerPaused,)):
            return await self.reranker.rate(self.model, question, passages, total_s=total_s)


def resolve_reranker(
    rerankers: Mapping[str, Reranker], model_id: str, meter: Meter = SILENT
) -> ResolvedReranker:
    """Who serves `provider/model`.

    Raises:
        UnknownReranker: nobody does, or what it needs is not set.
    """
    name, slash, model = model_id.partition("/")
    reranker = rerankers.get(name)
    if not slash or not model or reranker is None:
        raise UnknownReranker(f"Use `provider/model` with one of: {', '.join(rerankers)}.")
    if not reranker.is_configured:
        raise UnknownReranker(f"The reranker {name!r} is not set up in this service.")
    return ResolvedReranker(reranker, model, meter)
