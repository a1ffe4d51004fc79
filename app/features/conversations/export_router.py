"""Exports of conversations and messages under /api/v2/conversations."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import StreamingResponse

from app.core.schemas import example_of
from app.features.conversations.exports import ConversationExports, ExportedMessage
from app.features.conversations.filters import Sought, Where
from app.features.conversations.schemas import Conversation
from app.web.auth import ConversationsReader
from app.web.deps import OpenPorts
from app.web.exports import Columns, Delimiter, Format, columns, export_answer, export_response
from app.web.exports import lines as lines_of
from app.web.routing import Feature, room_router

router = room_router("conversations", prefix="/api/v2/conversations")
CONVERSATION_COLUMNS = (
    "id",
    "created_at",
    "updated_at",
    "agent_id",
    "visitor_id",
    "title",
    "status",
    "handoff.reason",
    "handoff.requested_by",
    "handoff.summary",
    "handoff.summary_source",
    "handoff.requested_at",
    "handoff.taken_by",
    "handoff.taken_at",
    "handoff.returned_at",
    "metadata",
)
MESSAGE_COLUMNS = (
    "conversation_id",
    "id",
    "created_at",
    "agent_id",
    "visitor_id",
    "role",
    "status",
    "content",
    "metadata.author_name",
    "metadata.provider",
    "metadata.model",
    "metadata.usage.input_tokens",
    "metadata.usage.output_tokens",
    "metadata.cost_usd",
    "metadata.finish_reason",
    "feedback.rating",
    "feedback.reasons",
    "feedback.comment",
    "sources",
    "tool_calls",
)


async def _exports(ports: OpenPorts, caller: ConversationsReader) -> ConversationExports:
    return ConversationExports(ports.database, caller.organization_id)


Exports = Annotated[ConversationExports, Depends(_exports)]


@router.get(
    "/export",
    summary="Export conversations",
    response_class=StreamingResponse,
    responses=export_answer(Columns(CONVERSATION_COLUMNS), example_of(Conversation)),
)
async def export_conversations(
    exports: Exports,
    where: Where,
    q: Sought = None,
    format: Format = "csv",
    delimiter: Delimiter = "comma",
) -> StreamingResponse:
    """All conversations that the filters let through, oldest first, streamed.

    A cell that a spreadsheet would run begins with an apostrophe. An export that fails on its way
    ends with a line that says so, and without the end of the response.
    """
    sheet = columns(CONVERSATION_COLUMNS, format, delimiter)
    pages = exports.conversations(text=q, where=where)
    return await export_response("conversations", lines_of(pages, sheet), format)


@router.get(
    "/messages/export",
    summary="Export messages",
    response_class=StreamingResponse,
    responses=export_answer(Columns(MESSAGE_COLUMNS), example_of(ExportedMessage)),
)
async def export_messages(
    exports: Exports,
    where: Where,
    q: Sought = None,
    format: Format = "csv",
    delimiter: Delimiter = "comma",
) -> StreamingResponse:
    """All messages of the conversations that the filters let through, streamed.

    One conversation after the other, each from its beginning, with the newest feedback on each
    message. What holds for the export of conversations holds here too.
    """
    sheet = columns(MESSAGE_COLUMNS, format, delimiter)
    pages = exports.messages(text=q, where=where)
    return await export_response("messages", lines_of(pages, sheet), format)


FEATURE = Feature("conversation_exports", router)
