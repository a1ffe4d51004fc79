"""Routes under /api/v2/settings/audit-log."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse

from app.core.pagination import InvalidCursor, Page
from app.core.schemas import Moment, Resource, Timestamp, example, rfc3339
from app.ports import Ports
from app.web.auth import Caller, SettingsReader
from app.web.deps import OpenPorts, PageCursor, PageLimit, cursors
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("settings", prefix="/api/v2/settings/audit-log")
EXPORTED_AT_ONCE = 500


class AuditEntry(Resource):
    """One change: who made it, to what, and how it was before and after; secrets as `***`."""

    model_config = example(
        id="01938f60-2b41-7c6a-8e05-4d3c2b1a0f9e",
        actor="user:01938f5e-5b31-7e44-b1c9-6a8d2f4e9b03",
        impersonator=None,
        action="agent.updated",
        resource="agent",
        resource_id="01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77",
        before={"name": "Ana", "version": 1},
        after={"name": "Bia", "version": 2},
        request_id="01938f60-2b43-7e22-8b4d-6f7a8b9c0d1e",
        created_at="2026-11-26T12:00:00.000Z",
    )

    id: str
    actor: str
    impersonator: str | None
    action: str
    resource: str
    resource_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
    created_at: Timestamp


Text = Annotated[str | None, Query(max_length=200)]


async def _filters(
    actor: Annotated[Text, Query(description="Who made the change.")] = None,
    action: Annotated[Text, Query(description="As in `agent.updated`.")] = None,
    resource: Annotated[Text, Query(description="As in `agent`.")] = None,
    resource_id: Annotated[Text, Query(description="Of what was changed.")] = None,
    from_: Annotated[
        Moment | None, Query(alias="from", description="Made at or after this moment.")
    ] = None,
    to: Annotated[Moment | None, Query(description="Made before this moment.")] = None,
) -> dict[str, Any]:
    where = {
        "actor": actor,
        "action": action,
        "resource": resource,
        "resource_id": resource_id,
    }
    return {
        "where": {name: value for name, value in where.items() if value is not None},
        "from": from_ and rfc3339(from_),
        "to": to and rfc3339(to),
    }


Filters = Annotated[dict[str, Any], Depends(_filters)]


async def _entries(
    ports: Ports, caller: Caller, filters: dict[str, Any], *, limit: int, after: str | None
) -> list[AuditEntry]:
    scope = ports.database.scoped(caller.organization_id)
    rows = await scope.call("audit_log_page_v1", **filters, limit=limit, after=after)
    return [AuditEntry.model_validate(row) for row in rows]


@router.get("", summary="List changes", responses=problems(InvalidCursor))
async def list_audit_log(
    ports: OpenPorts,
    caller: SettingsReader,
    filters: Filters,
    limit: PageLimit = 20,
    cursor: PageCursor = None,
) -> Page[AuditEntry]:
    """What was changed over the API and by whom, newest first."""
    pages = cursors(ports, caller, "audit_log", filters)
    rows = await _entries(ports, caller, filters, limit=limit + 1, after=pages.open(cursor))
    return pages.page(rows, limit, lambda entry: entry.id)


@router.get(
    "/export",
    summary="Export changes",
    response_class=Response,
    responses={
        200: {
            "description": "One change a line, as JSON, newest first.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": "{…}\n"}},
        }
    },
)
async def export_audit_log(
    ports: OpenPorts, caller: SettingsReader, filters: Filters
) -> StreamingResponse:
    """All of them as NDJSON, streamed."""

    async def lines() -> AsyncGenerator[bytes]:
        after: str | None = None
        while True:
            rows = await _entries(ports, caller, filters, limit=EXPORTED_AT_ONCE, after=after)
            for row in rows:
                yield orjson.dumps(row.model_dump(mode="json"), option=orjson.OPT_APPEND_NEWLINE)
            if len(rows) < EXPORTED_AT_ONCE:
                return
            after = rows[-1].id

    headers = {"Content-Disposition": 'attachment; filename="audit-log.ndjson"'}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


FEATURE = Feature("audit", router)
