"""Routes under /api/v2/settings/api-keys and /widget-keys."""

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Id, TrueOrFalse
from app.features.identity.errors import (
    AgentNotPublic,
    ApiKeyNotFound,
    ScopesTooWide,
    UnknownScopes,
    WidgetKeyNotFound,
)
from app.features.identity.key_schemas import (
    ID,
    ApiKeyCreate,
    ApiKeyInfo,
    ApiKeyRotate,
    ApiKeySecret,
    WidgetKeyCreate,
    WidgetKeyInfo,
)
from app.features.identity.key_service import KeyService
from app.web.auth import KeysReader, KeysWriter
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.idempotency import done_once
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("settings", prefix="/api/v2/settings")
PathId = Annotated[Id, Path(description="The key's id, not the key.")]
MadeBy = Annotated[
    str | None,
    Query(
        pattern=r"^(api_key|user):[0-9a-f-]{36}$",
        description="Keys that this key or person has made.",
        examples=[f"api_key:{ID}"],
    ),
]


async def _readable(ports: OpenPorts, caller: KeysReader) -> KeyService:
    return KeyService(ports, caller)


async def _writable(ports: OpenPorts, caller: KeysWriter) -> KeyService:
    return KeyService(ports, caller)


Readable = Annotated[KeyService, Depends(_readable)]
Writable = Annotated[KeyService, Depends(_writable)]


@router.get("/api-keys", summary="List API keys", responses=problems(InvalidCursor))
async def list_api_keys(
    ports: OpenPorts,
    caller: KeysReader,
    keys: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
    created_by: MadeBy = None,
) -> Page[ApiKeyInfo]:
    """API keys without their secrets, newest first; expired and revoked ones too."""
    pages = cursors(ports, caller, "api_keys", *filter(None, (created_by,)))
    rows = await keys.page_api_keys(
        limit=limit + 1, after=pages.open(cursor), created_by=created_by
    )
    return pages.page(rows, limit, lambda key: key.id)


@router.post(
    "/api-keys",
    status_code=201,
    summary="Create an API key",
    responses=problems(UnknownScopes, ScopesTooWide),
)
async def create_api_key(body: ApiKeyCreate, keys: Writable, response: Response) -> ApiKeySecret:
    """A key, whose secret is shown this once. It cannot do more than whoever makes it."""
    made = await keys.create_api_key(body)
    response.headers["Location"] = f"/api/v2/settings/api-keys/{made.id}"
    response.headers["Cache-Control"] = "no-store"
    return made


@router.get("/api-keys/{key_id}", summary="Read an API key", responses=problems(ApiKeyNotFound))
async def get_api_key(key_id: PathId, keys: Readable) -> ApiKeyInfo:
    """One key without its secret."""
    return await keys.get_api_key(key_id)


@router.post(
    "/api-keys/{key_id}/rotate",
    summary="Rotate an API key",
    responses=problems(ApiKeyNotFound, ScopesTooWide),
)
@done_once
async def rotate_api_key(
    key_id: PathId, body: ApiKeyRotate, keys: Writable, response: Response
) -> ApiKeySecret:
    """A new secret; the one before it is taken for `overlap_hours` more, and no older one."""
    response.headers["Cache-Control"] = "no-store"
    return await keys.rotate_api_key(key_id, body)


@router.delete(
    "/api-keys/{key_id}",
    status_code=204,
    summary="Revoke an API key",
    responses=problems(ApiKeyNotFound),
)
async def revoke_api_key(
    key_id: PathId,
    keys: Writable,
    including_made: Annotated[
        bool,
        Query(description="Also all keys that were made with it, and with those."),
        TrueOrFalse,
    ] = False,
) -> None:
    """The key is refused from now on, on every process within 5 s.

    Keys that were made with it go on: `GET /settings/api-keys?created_by=api_key:<id>` lists them.
    """
    await keys.revoke_api_key(key_id, including_made=including_made)


@router.get("/widget-keys", summary="List widget keys", responses=problems(InvalidCursor))
async def list_widget_keys(
    ports: OpenPorts,
    caller: KeysReader,
    keys: Readable,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[WidgetKeyInfo]:
    """Publishable keys, newest first; revoked ones too."""
    pages = cursors(ports, caller, "widget_keys")
    rows = await keys.page_widget_keys(limit=limit + 1, after=pages.open(cursor))
    return pages.page(rows, limit, lambda key: key.id)


@router.post(
    "/widget-keys",
    status_code=201,
    summary="Create a widget key",
    responses=problems(AgentNotPublic),
)
async def create_widget_key(
    body: WidgetKeyCreate, keys: Writable, response: Response
) -> WidgetKeyInfo:
    """A publishable key for one public agent, with the pages that may use it."""
    made = await keys.create_widget_key(body)
    response.headers["Location"] = f"/api/v2/settings/widget-keys/{made.id}"
    return made


@router.get(
    "/widget-keys/{key_id}", summary="Read a widget key", responses=problems(WidgetKeyNotFound)
)
async def get_widget_key(key_id: PathId, keys: Readable) -> WidgetKeyInfo:
    """One publishable key."""
    return await keys.get_widget_key(key_id)


@router.delete(
    "/widget-keys/{key_id}",
    status_code=204,
    summary="Revoke a widget key",
    responses=problems(WidgetKeyNotFound),
)
async def revoke_widget_key(key_id: PathId, keys: Writable) -> None:
    """The key and every session that came from it end, on every process within 5 s."""
    await keys.revoke_widget_key(key_id)


FEATURE = Feature("keys", router)
