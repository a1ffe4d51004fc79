"""A run's frames: made, packed for the database, and made again where only the answer is left."""

import base64
import zlib
from typing import Any

from app.core.errors import Problem, subclasses
from app.core.sse import END_OF_FRAME, Envelope, pieces
from app.features.chat.errors import RunInterrupted
from app.features.chat.events import Progress, cut_to_frame
from app.features.chat.handoff import DETAIL, HANDED_OVER
from app.features.chat.records import AnsweredRun, RunError, RunIds
from app.ports.run_buffers import RunBuffer
from app.web.problems import problem_body

# Frames repeat their envelope, so that the quickest level already makes a tenth of them.
_LEVEL = 1
# What a client is told whose message nobody answers here.
SILENT = {"status": HANDED_OVER, "progress": 100, "detail": DETAIL}
_TERMINAL = (b"\nevent: done\n", b"\nevent: error\n")


def envelope(ids: RunIds) -> Envelope:
    """What every event of the run carries."""
    return Envelope(
        conversation_id=ids.conversation_id, message_id=ids.message_id, run_id=ids.run_id
    )


class RunFrames:
    """Makes the events of one run and shows them in its buffer."""

    def __init__(self, ids: RunIds, buffer: RunBuffer) -> None:
        self.buffer = buffer
        self._envelope = envelope(ids)

    def show(self, event: str, data: object) -> None:
        """The next event."""
        number = self.buffer.last_event_id + 1
        self.buffer.append(number, self._envelope.frame(number, event, data))

    def made(self, number: int, event: str, data: object) -> bytes:
        """An event that is not shown yet."""
        return self._envelope.frame(number, event, data)


def is_terminal(frame: bytes) -> bool:
    """Whether nothing follows this frame."""
    return any(sign in frame[:40] for sign in _TERMINAL)


def pack(frames: list[bytes]) -> str:
    """The frames as compressed text."""
    return base64.b64encode(zlib.compress(b"".join(frames), _LEVEL)).decode()


def unpack(packed: str) -> list[bytes]:
    """The frames that were packed."""
    stream = zlib.decompress(base64.b64decode(packed))
    return [part + END_OF_FRAME for part in stream.split(END_OF_FRAME)[:-1]]


def done_data(ids: RunIds, finish_reason: str) -> dict[str, Any]:
    """The data of `done`."""
    return {
        "conversation_id": ids.conversation_id,
        "message_id": ids.message_id,
        "complete": True,
        "finish_reason": finish_reason,
    }


def error_data(
    problem: Problem, *, public_url: str, request_id: str | None, is_retryable: bool
) -> dict[str, Any]:
    """The data of `error`."""
    body = problem_body(problem, public_url=public_url, request_id=request_id)
    return body | {"retryable": is_retryable}


def stored_error_data(error: RunError | None, *, public_url: str) -> dict[str, Any]:
    """The data of `error` for a run that failed before."""
    problem = stored_problem(error)
    is_retryable = problem.retryable if error is None else error.retryable
    return error_data(problem, public_url=public_url, request_id=None, is_retryable=is_retryable)


def stored_problem(error: RunError | None) -> Problem:
    """The problem that a failed run ended with, as far as it was kept."""
    for kind in subclasses():
        if error is not None and kind.code() == error.code:
            return kind()
    return RunInterrupted()


def interrupted_frame(
    ids: RunIds, error: RunError | None, *, number: int, public_url: str
) -> bytes:
    """The last event of a run that was ended by somebody other than its owner."""
    data = stored_error_data(error, public_url=public_url)
    return envelope(ids).frame(number, "error", data)


def _finish_reason(run: AnsweredRun) -> str:
    if run.is_silent:
        return HANDED_OVER
    return "stop" if run.message is None else str(run.message.metadata.get("finish_reason", "stop"))


def retold(run: AnsweredRun, *, public_url: str) -> list[bytes]:
    """An ended run as a stream, from its answer: for a client that comes after the frames went."""
    answer = run.message
    events: list[tuple[str, object]] = []
    if answer is not None and run.is_silent:
        events = [("progress", Progress("started", 0).data), ("progress", SILENT)]
    elif answer is not None:
        events = [("progress", Progress("started", 0).data)]
        events += [("source", source) for source in answer.sources]
        events += [("tool", cut_to_frame(call)) for call in answer.tool_calls]
        events += [("answer", piece) for piece in pieces(answer.content)]
        events += [("metadata", answer.metadata)] if answer.metadata else []
    if run.status == "failed":
        events.append(("error", stored_error_data(run.error, public_url=public_url)))
    else:
        events.append(("done", done_data(run.ids, _finish_reason(run))))
    made = envelope(run.ids)
    return [made.frame(number, event, data) for number, (event, data) in enumerate(events, 1)]
