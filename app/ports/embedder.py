"""Texts into vectors: who does it, and what may go wrong."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from app.core.errors import InvalidRequest, Problem, ServiceUnavailable
from app.core.settings import Settings
from app.ports.meter import SILENT, Meter, noted

Purpose = Literal["document", "query"]
Vector = tuple[float, ...]


def written(vector: Vector) -> str:
    """A vector as databases read it, which is how it passes PostgREST too."""
    return f"[{','.join(f'{number:.6g}' for number in vector)}]"


class UnknownEmbedder(InvalidRequest):
    """Nobody serves this embedding model."""


class EmbedderUnavailable(ServiceUnavailable):
    """The embedding model does not answer at the moment."""


class EmbedderRefused(Problem):
    """The embedding model did not take the texts."""

    status = 502


class Embedder(Protocol):
    """Somebody who turns texts into vectors."""

    @property
    def name(self) -> str:
        """The part before the slash in `provider/model`."""
        ...

    @property
    def is_configured(self) -> bool:
        """Whether it can be called: what it needs is there."""
        ...

    async def prepare(self) -> None:
        """Load what the first call would have to wait for, and connect to nothing."""
        ...

    async def embed(
        self, model: str, texts: Sequence[str], *, purpose: Purpose, total_s: float
    ) -> list[Vector]:
        """One vector a text, in their order, all of one length.

        It is asked in batches; one that fails is asked again where that may help and there is time.

        Raises:
            EmbedderUnavailable: it did not answer in `total_s`, or asks for a pause.
            EmbedderRefused: it will not take these texts, this model or this key.
        """
        ...


@dataclass(frozen=True, slots=True)
class EmbedderAdapter:
    """One embedder as the registry lists it; opening it connects to nothing."""

    name: str
    open: Callable[[Settings], AbstractAsyncContextManager[Embedder]]


@dataclass(frozen=True, slots=True)
class ResolvedEmbedder:
    """An embedding model by the id under which its vectors are kept."""

    embedder: Embedder
    model: str
    meter: Meter = SILENT

    @property
    def id(self) -> str:
        """`provider/model`, however it was asked for."""
        return f"{self.embedder.name}/{self.model}"

    async def embed(
        self, texts: Sequence[str], *, purpose: Purpose, total_s: float
    ) -> list[Vector]:
        """As `Embedder.embed`."""
        with noted(self.meter, "embedder", self.embedder.name):
            return await self.embedder.embed(self.model, texts, purpose=purpose, total_s=total_s)


class Embedders:
    """All embedders, asked by model id."""

    def __init__(self, embedders: Mapping[str, Embedder], meter: Meter = SILENT) -> None:
        self._embedders, self._meter = embedders, meter

    @property
    def all(self) -> tuple[Embedder, ...]:
        """All of them."""
        return tuple(self._embedders.values())

    @property
    def configured(self) -> list[str]:
        """The names of those that can be called."""
        return [name for name, one in self._embedders.items() if one.is_configured]

    @property
    def any_configured(self) -> bool:
        """Whether one of them can be called."""
        return any(one.is_configured for one in self._embedders.values())

    def resolve(self, model_id: str) -> ResolvedEmbedder:
        """Who serves `provider/model`.

        Raises:
            UnknownEmbedder: nobody does, or what it needs is not set.
        """
        name, slash, model = model_id.partition("/")
        embedder = self._embedders.get(name)
        if not slash or not model or embedder is None:
            known = ", ".join(self._embedders)
            raise UnknownEmbedder(f"Use `provider/model` with one of: {known}.")
        if not embedder.is_configured:
            raise UnknownEmbedder(f"The embedder {name!r} is not set up in this service.")
        return ResolvedEmbedder(embedder, model, self._meter)

    def find(self, model_id: str | None) -> ResolvedEmbedder | None:
        """As `resolve`; None where nobody serves it."""
        try:
            return self.resolve(model_id) if model_id else None
        except UnknownEmbedder:
            return None
