"""Embeddings on this machine's own processor, if somebody has installed the package `fastembed`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.core.background import in_daemon
from app.core.settings import Settings
from app.ports.embedder import (
    Embedder,
    EmbedderAdapter,
    EmbedderRefused,
    EmbedderUnavailable,
    Purpose,
    Vector,
)


class LocalEmbedder:
    """Models by their names in fastembed; each is loaded, at first downloaded, when it is asked."""

    name = "fastembed"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._models: dict[str, Any] = {}
        # A model takes all cores as it is.
        self._turn = asyncio.Lock()

    @property
    def is_configured(self) -> bool:
        return find_spec("fastembed") is not None

    async def prepare(self) -> None:
        pass  # a model is loaded by who first asks for it

    async def embed(
        self, model: str, texts: Sequence[str], *, purpose: Purpose, total_s: float
    ) -> list[Vector]:
        try:
            async with asyncio.timeout(total_s):
                await self._turn.acquire()
                found = in_daemon(partial(self._embed, model, list(texts), purpose))
                # Not before the thread is done: a model that loads goes on when nobody waits.
                found.add_done_callback(self._next)
                return await asyncio.shield(found)
        except TimeoutError:
            raise EmbedderUnavailable("fastembed took too long.") from None
        except ValueError as error:
            raise EmbedderRefused(f"fastembed has no model {model!r}.") from error
        except (OSError, RuntimeError) as error:
            raise EmbedderUnavailable("fastembed could not load its model.") from error

    def _next(self, found: asyncio.Future[list[Vector]]) -> None:
        self._turn.release()
        found.exception()  # looked at, though nobody may wait for it any longer

    def _embed(self, model: str, texts: list[str], purpose: Purpose) -> list[Vector]:
        if model not in self._models:
            # Loaded only where it is asked for: not everyone has installed it.
            library = import_module("fastembed")
            self._models[model] = library.TextEmbedding(model, cache_dir=str(self._folder))
        loaded = self._models[model]
        found = loaded.query_embed(texts) if purpose == "query" else loaded.passage_embed(texts)
        return [tuple(float(number) for number in vector) for vector in found]


@asynccontextmanager
async def _open(settings: Settings) -> AsyncGenerator[Embedder]:
    yield LocalEmbedder(settings.data_dir / "models")


EMBEDDER = EmbedderAdapter("fastembed", _open)
