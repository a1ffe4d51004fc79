"""Routes under /api/v2/widget: what a page may do before it knows anybody."""

from typing import Annotated

from fastapi import Header, Request, Response

from app.features.identity.errors import WidgetRefused
from app.features.identity.key_schemas import WidgetAgent, WidgetSession, WidgetSessionCreate
from app.features.identity.widget_sessions import WidgetSessions
from app.web.deps import OpenPorts
from app.web.limits import RateLimited, ServiceLimits
from app.web.problems import problems
from app.web.routing import Feature, room_router

router = room_router("widget", prefix="/api/v2/widget")


@router.post(
    "/sessions",
    status_code=201,
    summary="Open a widget session",
    responses=problems(WidgetRefused, RateLimited),
)
async def open_widget_session(
    body: WidgetSessionCreate,
    ports: OpenPorts,
    limits: ServiceLimits,
    request: Request,
    response: Response,
    origin: Annotated[str | None, Header(description="Set by the browser.")] = None,
) -> WidgetSession:
    """A token for ten minutes, for one visitor and one agent.

    With it the visitor may chat, read its own conversations, submit forms and give feedback. Ask
    for another one before it ends, with the `visitor_token` of this answer: keep that in the
    browser (`localStorage`), as whoever has it finds the visitor's conversations again.
    """
    await limits.take_anonymous(request.state.client_address, what="widget_sessions")
    opened = await WidgetSessions(ports).open(
        body.key, origin=origin, visitor_id=body.visitor_id, visitor_token=body.visitor_token
    )
    response.headers["Cache-Control"] = "no-store"
    fields = opened.key.agent.model_dump() | {"id": opened.key.agent_id}
    return WidgetSession(
        token=opened.token,
        expires_at=opened.expires_at,
        visitor_id=opened.visitor_id,
        visitor_token=opened.visitor_token,
        agent=WidgetAgent.model_validate(fields),
    )


FEATURE = Feature("widget", router, is_for_pages=True)
