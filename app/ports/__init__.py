"""What the service needs from outside, as Protocols; `Ports` holds one of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

# Only for the type checker: a process that reads one document imports `app.ports.parser`, and
# must start at once, without settings, cryptography and all that they bring.
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from app.core.clock import Clock
    from app.core.encryption import LastingVault, Vault
    from app.core.settings import Settings
    from app.ports.bus import Bus
    from app.ports.cache import Cache
    from app.ports.embedder import Embedders
    from app.ports.fetch import Fetch
    from app.ports.files import Files
    from app.ports.limiter import Limiter
    from app.ports.llm import Models
    from app.ports.meter import Meter
    from app.ports.parser import Parser, Sandbox
    from app.ports.reranker import ResolvedReranker
    from app.ports.run_buffers import RunBuffers
    from app.ports.searcher import Searcher
    from app.ports.shared import SharedState
    from app.ports.signing_keys import SigningKeys
    from app.ports.store import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything a room may use, opened by the container and closed after the last request."""

    settings: Settings
    clock: Clock
    vault: Vault
    lasting: LastingVault
    """For what leaves the database and comes back: a new `ENCRYPTION_KEY` leaves it valid."""
    database: Database
    store: str
    """The name of the adapter that the database is reached by."""
    files: Files
    fetch: Fetch
    models: Models
    embedders: Embedders
    reranker: ResolvedReranker | None
    """The one of `RERANK_MODEL_ID`; None without one."""
    parsers: Mapping[str, Parser]
    sandbox: Sandbox
    preview_sandbox: Sandbox
    """Of what is only shown: with places of its own, and less time."""
    searchers: Mapping[str, Searcher]
    shared: SharedState
    meter: Meter
    signing_keys: SigningKeys | None
    """Those of the sign-in service; None without one."""
    arrived: asyncio.Event
    """Set once the database has been opened, which may be after the service was."""
    announced: asyncio.Event
    """Set after each call of this process that may have committed facts; numbering clears it."""
    draining: asyncio.Event
    """Set when the process has been told to stop: nothing new begins, what runs is ended."""

    @property
    def cache(self) -> Cache:
        return self.shared.cache

    @property
    def limiter(self) -> Limiter:
        return self.shared.limiter

    @property
    def bus(self) -> Bus:
        return self.shared.bus

    @property
    def run_buffers(self) -> RunBuffers:
        return self.shared.run_buffers
