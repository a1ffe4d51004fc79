"""A tool that an agent used has failed."""

from app.domain_events.event import EventData, EventKind

ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


class ToolFailed(EventData):
    """A tool that an agent used has failed."""

    call_id: str
    tool_id: str
    name: str
    type: str
    code: str
    detail: str
    run_id: str
    conversation_id: str
    message_id: str
    agent_id: str


EVENT = EventKind(
    "tool_failed",
    "A tool that an agent used has failed.",
    ToolFailed(
        call_id=ID,
        tool_id=ID,
        name="consultar_estoque",
        type="http",
        code="tool_timed_out",
        detail="No answer within 15 s.",
        run_id=ID,
        conversation_id=ID,
        message_id=ID,
        agent_id=ID,
    ),
)
