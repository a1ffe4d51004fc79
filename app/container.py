"""Picks, opens and closes the adapters; the only importer of `app.adapters`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from app.adapters.files.database import DatabaseFiles
from app.adapters.llm import PROVIDERS
from app.adapters.parser import PARSERS
from app.adapters.parser.sandbox.process_sandbox import open_sandbox
from app.adapters.shared.memory import open_memory
from app.adapters.store import STORES
from app.adapters.store.migrations import MigrationFailed
from app.adapters.store.postgres import migrate_postgres
from app.core.clock import Clock, SystemClock
from app.core.encryption import Vault, keep_key
from app.core.settings import Settings
from app.ports import Ports
from app.ports.llm import Conduct, Models
from app.ports.shared import SharedState
from app.ports.store import StoreRefused

PROVIDER_NAMES = tuple(PROVIDERS)


def open_vault(settings: Settings) -> Vault:
    """The vault under `ENCRYPTION_KEY`, or under a key that is made and kept in `DATA_DIR`."""
    keys = tuple(key.get_secret_value().encode() for key in settings.encryption_key)
    return Vault(keys or (keep_key(settings.data_dir / "encryption_key"),))


def open_shared(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[SharedState]:
    """Redis at `REDIS_URL`; without it, the memory of this process."""
    if settings.redis_url is None:
        return open_memory(clock)
    # Loaded only where it is used: it takes 0.1 s and 20 MB.
    from app.adapters.shared.redis import open_redis

    return open_redis(settings.redis_url.get_secret_value(), clock)


@asynccontextmanager
async def open_ports(settings: Settings) -> AsyncGenerator[Ports]:
    """Every port that the settings ask for; closed in reverse order."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        store = next(store for store in STORES.values() if store.claims(settings))
        database = await stack.enter_async_context(store.open(settings))
        conduct = Conduct(clock=clock)
        providers = {
            name: await stack.enter_async_context(adapter.open(settings, conduct))
            for name, adapter in PROVIDERS.items()
        }
        yield Ports(
            settings=settings,
            clock=clock,
            vault=open_vault(settings),
            database=database,
            files=DatabaseFiles(database),
            models=Models(providers),
            parsers=PARSERS,
            sandbox=stack.enter_context(open_sandbox()),
            shared=await stack.enter_async_context(open_shared(settings, clock)),
            draining=asyncio.Event(),
        )


async def migrate_database(settings: Settings) -> list[str]:
    """Bring the database at `DATABASE_URL` to the newest schema; returns what was applied.

    Raises:
        StoreUnavailable: it cannot be reached.
        StoreRefused: it does not take these credentials, or a migration failed.
    """
    try:
        return await migrate_postgres(settings)
    except MigrationFailed as error:
        raise StoreRefused(str(error)) from error
