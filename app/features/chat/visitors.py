"""What the visitor of a widget may ask for, and what it is shown of a stream."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from app.core.errors import InvalidRequest
from app.core.ids import AgentId
from app.features.agents.errors import AgentNotFound
from app.features.chat.schemas import ChatAnswer, ChatCreate
from app.ports.run_buffers import Tap
from app.web.auth import Caller

# Of these a page needs nothing, and they tell what an answer costs and what tools were told.
_HIDDEN = (b"\nevent: metadata\n", b"\nevent: tool\n")
_OF_THE_ORGANIZATION = ("temperature", "max_tokens", "model_id", "system_prompt_override")
LiveFrames = Callable[[Tap], AsyncGenerator[bytes]]


class VisitorsOnlyAsk(InvalidRequest):
    """A widget session may send the visitor's own messages and nothing that changes the agent."""


def asked_by(caller: Caller, agent_id: AgentId, body: ChatCreate) -> ChatCreate:
    """The request as it may be served to this caller; a visitor's carries its own visitor id.

    Raises:
        AgentNotFound: a visitor asks for another agent than its own.
        VisitorsOnlyAsk: it asks for what only the organization may.
    """
    visitor = caller.visitor
    if visitor is None:
        return body
    if visitor.agent_id != agent_id:
        raise AgentNotFound
    changed = [name for name in _OF_THE_ORGANIZATION if getattr(body, name) is not None]
    if any(message.role != "user" for message in body.messages):
        changed.append("messages of another role than `user`")
    if body.visitor_id not in (None, visitor.visitor_id):
        changed.append("visitor_id")
    if changed:
        raise VisitorsOnlyAsk(f"Leave out: {', '.join(changed)}.")
    return body.model_copy(update={"visitor_id": visitor.visitor_id})


def shown_to(caller: Caller, frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The frames that the caller is shown; numbers have gaps where some are not."""
    return frames if caller.visitor is None else _without_hidden(frames)


def shown_live(caller: Caller, frames: LiveFrames) -> LiveFrames:
    """The same of a run of this process, for a stream that takes frames as they are made."""

    def follow(tap: Tap) -> AsyncGenerator[bytes]:
        if caller.visitor is None:
            return frames(tap)
        return _without_hidden(frames(lambda frame: _is_hidden(frame) or tap(frame)))

    return follow


def _is_hidden(frame: bytes) -> bool:
    return any(name in frame[:40] for name in _HIDDEN)


async def _without_hidden(frames: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(frames):
        async for frame in frames:
            if not _is_hidden(frame):
                yield frame


def answer_for(caller: Caller, answer: ChatAnswer) -> ChatAnswer:
    """The whole answer without what the caller is not shown."""
    if caller.visitor is None:
        return answer
    return answer.model_copy(update={"metadata": {}, "tool_calls": []})
