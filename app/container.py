"""Picks, opens and closes the adapters; the only importer of `app.adapters`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from app.adapters.embedder import EMBEDDERS
from app.adapters.fetch.guarded import open_fetch, trusted_certificates
from app.adapters.files.database import DatabaseFiles
from app.adapters.llm import PROVIDERS
from app.adapters.meter import open_meter
from app.adapters.parser import PARSERS
from app.adapters.parser.sandbox.process_sandbox import open_preview_sandbox, open_sandbox
from app.adapters.reranker import RERANKERS
from app.adapters.searcher import SEARCHERS
from app.adapters.shared.memory import open_memory
from app.adapters.store import STORES
from app.adapters.store.announcing import AnnouncingDatabase
from app.adapters.store.embedded import dump_embedded, open_beside
from app.adapters.store.lasting_key import hold_lasting_key, renew_lasting_key
from app.adapters.store.migrations import MigrationFailed
from app.adapters.store.postgres import migrate_postgres
from app.adapters.store.resealing import reseal
from app.adapters.telemetry import start_telemetry as start_telemetry
from app.core.background import in_daemon
from app.core.clock import Clock, SystemClock
from app.core.encryption import LastingVault, Vault, keep_key, kept_key
from app.core.errors import CannotStart
from app.core.settings import Settings
from app.features.identity.operator_key import make_operator_key
from app.ports import Ports
from app.ports.embedder import Embedders
from app.ports.files import Files
from app.ports.llm import Conduct, Models
from app.ports.meter import Meter
from app.ports.reranker import ResolvedReranker, UnknownReranker, resolve_reranker
from app.ports.shared import SharedState
from app.ports.signing_keys import SigningKeys
from app.ports.store import Arrived, Database, StoreAdapter, StoreRefused, StoreUnavailable

PROVIDER_NAMES = tuple(PROVIDERS)
# Whose variables are `<NAME>_API_KEY` and `<NAME>_BASE_URL`.
SERVER_NAMES = frozenset({*PROVIDERS, *EMBEDDERS, *RERANKERS})


def open_vault(settings: Settings) -> Vault:
    """The vault under `ENCRYPTION_KEY`, or under a key that is made and kept in `DATA_DIR`.

    What that one has sealed stays readable when `ENCRYPTION_KEY` is set, as long as it is there.
    """
    path = settings.data_dir / "encryption_key"
    keys = tuple(key.get_secret_value().encode() for key in settings.encryption_key)
    if not keys:
        return Vault((keep_key(path),))
    kept = kept_key(path)
    return Vault(keys if kept is None else (*keys, kept))


def open_shared(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[SharedState]:
    """Redis at `REDIS_URL`; without it, the memory of this process."""
    if settings.redis_url is None:
        return open_memory(clock)
    # Loaded only where it is used: it takes 0.1 s and 20 MB.
    from app.adapters.shared.redis import open_redis

    return open_redis(settings.redis_url.get_secret_value(), clock)


async def _files(settings: Settings, database: Database, stack: AsyncExitStack) -> Files:
    if settings.supabase_bucket is None:
        return DatabaseFiles(database)
    from app.adapters.files.bucket import open_bucket_files

    return await stack.enter_async_context(open_bucket_files(settings, database))


async def _signing_keys(
    settings: Settings, clock: Clock, stack: AsyncExitStack
) -> SigningKeys | None:
    if settings.session_issuer is None:
        return None
    # Loaded only where it is used, as what reads the tokens: together they take 0.05 s.
    from app.adapters.signing_keys.jwks import open_jwks

    return await stack.enter_async_context(open_jwks(settings.session_issuer, clock))


async def _models(settings: Settings, clock: Clock, meter: Meter, stack: AsyncExitStack) -> Models:
    conduct = Conduct(clock=clock, answered=meter.provider_answered, failed=meter.provider_failed)
    return Models(
        {
            name: await stack.enter_async_context(adapter.open(settings, conduct))
            for name, adapter in PROVIDERS.items()
        }
    )


async def _embedders(settings: Settings, meter: Meter, stack: AsyncExitStack) -> Embedders:
    return Embedders(
        {
            name: await stack.enter_async_context(adapter.open(settings))
            for name, adapter in EMBEDDERS.items()
        },
        meter,
    )


async def _reranker(
    settings: Settings, meter: Meter, stack: AsyncExitStack
) -> ResolvedReranker | None:
    if settings.rerank_model_id is None:
        return None
    rerankers = {
        name: await stack.enter_async_context(adapter.open(settings))
        for name, adapter in RERANKERS.items()
    }
    try:
        return resolve_reranker(rerankers, settings.rerank_model_id, meter)
    except UnknownReranker as problem:
        raise CannotStart(f"RERANK_MODEL_ID cannot be served: {problem}") from None


def _store(settings: Settings) -> StoreAdapter:
    return next(store for store in STORES.values() if store.claims(settings))


def _open_for_command(settings: Settings) -> AbstractAsyncContextManager[Database]:
    """The database, also where a service runs over the embedded one."""
    store = _store(settings)
    return open_beside(settings) if store.name == "embedded" else store.open(settings)


def _arriving(settings: Settings, lasting: LastingVault, arrived: asyncio.Event) -> Arrived:
    async def arrive(database: Database) -> None:
        vault = open_vault(settings)
        lasting.use(await hold_lasting_key(database, vault), earlier=vault)
        arrived.set()

    return arrive


@asynccontextmanager
async def open_ports(settings: Settings) -> AsyncGenerator[Ports]:
    """Every port that the settings ask for; closed in reverse order.

    Raises:
        CannotStart: `RERANK_MODEL_ID` names none that can be asked, or our keys do not open what
            the database keeps.
    """
    clock = SystemClock()
    lasting, arrived, announced = LastingVault(StoreUnavailable), asyncio.Event(), asyncio.Event()
    store = _store(settings)
    certificates = in_daemon(trusted_certificates)  # takes as long as PostgreSQL to start
    async with AsyncExitStack() as stack:
        opening = store.open(settings, _arriving(settings, lasting, arrived))
        database = AnnouncingDatabase(await stack.enter_async_context(opening), announced)
        meter = await stack.enter_async_context(
            open_meter(settings, database.connections, PROVIDER_NAMES)
        )
        yield Ports(
            settings=settings,
            clock=clock,
            vault=open_vault(settings),
            lasting=lasting,
            database=database,
            store=store.name,
            files=await _files(settings, database, stack),
            fetch=await stack.enter_async_context(open_fetch(settings, trust=await certificates)),
            models=await _models(settings, clock, meter, stack),
            embedders=await _embedders(settings, meter, stack),
            reranker=await _reranker(settings, meter, stack),
            parsers=PARSERS,
            searchers=SEARCHERS,
            sandbox=stack.enter_context(open_sandbox()),
            preview_sandbox=stack.enter_context(open_preview_sandbox()),
            meter=meter,
            signing_keys=await _signing_keys(settings, clock, stack),
            shared=await stack.enter_async_context(open_shared(settings, clock)),
            arrived=arrived,
            announced=announced,
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


async def reseal_database(
    settings: Settings, *, new_lasting_key: bool
) -> tuple[int, int, tuple[str, ...]]:
    """Seal everything anew under the newest key (see `Resealing` for what is returned).

    With `new_lasting_key`, what visitors hold is not taken any more.

    Raises:
        StoreUnavailable: the database cannot be reached.
        StoreRefused: it does not take these credentials.
    """
    async with _open_for_command(settings) as database:
        vault = open_vault(settings)
        if new_lasting_key:
            await renew_lasting_key(database, vault)
        done = await reseal(database, vault)
    return done.kept, done.resealed, done.lost


async def dump_database(settings: Settings, file: Path) -> None:
    """Write the embedded database of `DATA_DIR` into a file that `pg_restore` reads.

    Raises:
        CannotStart: there is none, it cannot be run, or the file cannot be written.
    """
    await dump_embedded(settings, file)


async def make_key(settings: Settings, name: str, lasts: timedelta | None) -> str:
    """Make a key of that name in the organization `local`, with all scopes; returns it.

    Raises:
        StoreUnavailable: the database cannot be reached.
        StoreRefused: it does not take these credentials.
        CannotStart: the embedded database cannot be opened.
    """
    expires_at = None if lasts is None else SystemClock().now() + lasts
    async with _open_for_command(settings) as database:
        return await make_operator_key(database, name=name, expires_at=expires_at)
