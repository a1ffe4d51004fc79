"""A Supabase project, by `SUPABASE_URL` and `SUPABASE_SERVICE_KEY`: its functions over HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

import httpx2

from app.adapters.store.acting import ActingScope
from app.adapters.store.arrival import opened_on_arrival
from app.adapters.store.failures import unavailable
from app.adapters.store.postgrest import AnswerRefused, Reason, check_answer
from app.adapters.store.schema import (
    LIST_FUNCTION,
    STRAYED_FUNCTION,
    require_newest,
    require_none_strayed,
)
from app.adapters.store.statements import plain_names
from app.core.ids import OrganizationId
from app.core.settings import Settings
from app.ports.store import (
    Arrived,
    DatabaseContext,
    Scope,
    StoreAdapter,
    StoreRefused,
    StoreUnavailable,
    nothing_first,
)

POOL_SIZE = 20
CONNECT_TIMEOUT_S = 5.0
ACQUIRE_TIMEOUT_S = 2.0
CALL_TIMEOUT_S = 10.0
# Below the idle time after which servers hang up, so that a call rarely meets a closed connection.
KEEP_ALIVE_S = 15.0


@contextmanager
def translated_failures() -> Generator[None]:
    """What stays in the way of an answer, as the port's failures."""
    try:
        yield
    except (httpx2.HTTPError, OSError) as error:  # TimeoutError is an OSError
        raise unavailable() from error
    except (AnswerRefused, TypeError, ValueError) as error:  # the latter: an argument is no JSON
        raise StoreRefused from error


class _Gate:
    """A client that calls go through once it is open."""

    def __init__(self, client: Any, *, is_open: bool) -> None:
        self._client = client
        self.is_open = is_open

    @property
    def client(self) -> Any:
        if not self.is_open:
            raise unavailable()
        return self._client


class SupabaseScope:
    """Calls with fixed first arguments."""

    def __init__(self, gate: _Gate, **fixed: str) -> None:
        self._gate = gate
        self._fixed = fixed

    async def call(self, function: str, **arguments: Any) -> Any:
        named = self._fixed | arguments
        plain_names(function, *named)
        parameters = {f"p_{name}": value for name, value in named.items()}
        with translated_failures():
            async with asyncio.timeout(CALL_TIMEOUT_S):
                answer = await self._gate.client.rpc(function, parameters).execute()
        return answer.data


class SupabaseDatabase:
    """The database of one Supabase project."""

    is_exclusive = False

    def __init__(self, gate: _Gate) -> None:
        self._gate = gate

    def scoped(self, organization_id: OrganizationId) -> Scope:
        return ActingScope(SupabaseScope(self._gate, org=organization_id))

    def system(self) -> Scope:
        return SupabaseScope(self._gate)

    def connections(self) -> dict[str, int]:
        return {}

    async def ping(self) -> None:
        await self.system().call(LIST_FUNCTION)


@asynccontextmanager
async def _http() -> AsyncGenerator[httpx2.AsyncClient]:
    # httpx2, since the pool of httpx 0.28, which supabase would make, costs twice the time at 32
    # calls at once. Environment variables for proxies are no business of ours.
    async with httpx2.AsyncClient(
        timeout=httpx2.Timeout(CALL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=ACQUIRE_TIMEOUT_S),
        limits=httpx2.Limits(
            max_connections=POOL_SIZE,
            max_keepalive_connections=POOL_SIZE,
            keepalive_expiry=KEEP_ALIVE_S,
        ),
        follow_redirects=False,
        trust_env=False,
        event_hooks={"response": [check_answer]},
    ) as http:
        yield http


async def _recorded_migrations(database: SupabaseDatabase) -> list[str] | None:
    try:
        return await database.system().call(LIST_FUNCTION)
    except StoreUnavailable as problem:
        said = str(problem.__cause__ or "") or "no answer"
        raise StoreUnavailable(f"SUPABASE_URL does not answer: {said}") from problem
    except StoreRefused as refused:
        match refused.__cause__:
            case AnswerRefused(reason=Reason.NO_FUNCTION):
                return None
            case AnswerRefused(reason=Reason.NO_PERMISSION):
                raise StoreRefused(
                    "Supabase does not let SUPABASE_SERVICE_KEY call the functions: it has to be"
                    " the project's secret key (or `service_role` key), and no other."
                ) from None
            case AnswerRefused(reason=Reason.NO_PROJECT):
                raise StoreRefused(
                    "SUPABASE_URL is not answered by a Supabase project: it has to be the project's"
                    " API address, as in https://<project>.supabase.co."
                ) from None
            case _:
                raise


@contextmanager
def _schema_read_anew() -> Generator[None]:
    """Wait for functions that the database has and the gateway before it has not seen yet."""
    try:
        yield
    except StoreRefused as refused:
        match refused.__cause__:
            case AnswerRefused(reason=Reason.NO_FUNCTION):
                raise StoreUnavailable("Supabase has not read the newest schema yet.") from refused
            case _:
                raise


@asynccontextmanager
async def open_supabase(settings: Settings, arrived: Arrived = nothing_first) -> DatabaseContext:
    """The project's database, whose schema somebody has applied.

    One that cannot be reached yet is waited for: until then every call is `StoreUnavailable`.

    Raises:
        StoreUnavailable: it could not be reached for a long time; ends what uses the context.
        StoreRefused: it does not take the key, or the address is not a project's.
        SchemaOutdated: its schema is missing or too old.
        FunctionsStrayed: its functions belong to whoever restored it.
        Exception: what `arrived` raised.
    """
    if settings.supabase_url is None or settings.supabase_service_key is None:
        raise ValueError("SUPABASE_URL and SUPABASE_SERVICE_KEY are not both set")
    supabase = await asyncio.to_thread(import_module, "supabase")
    async with _http() as http:
        options = supabase.AsyncClientOptions(
            httpx_client=http,
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
        )
        client = await supabase.acreate_client(
            settings.supabase_url, settings.supabase_service_key.get_secret_value(), options
        )
        gate = _Gate(client, is_open=False)

        async def attempt() -> None:
            first = SupabaseDatabase(_Gate(client, is_open=True))
            require_newest(await _recorded_migrations(first), variable="SUPABASE_URL")
            with _schema_read_anew():
                strayed = await first.system().call(STRAYED_FUNCTION)
                require_none_strayed(strayed, variable="SUPABASE_URL")
                await arrived(first)
            gate.is_open = True

        async with opened_on_arrival(attempt):
            yield SupabaseDatabase(gate)


STORE = StoreAdapter("supabase", lambda settings: settings.supabase_url is not None, open_supabase)
