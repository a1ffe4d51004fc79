"""A run's frames: made, packed for the database, and made again where only the answer is left."""

import base64
import zlib
from typing import Any

from app.core.errors import Problem, subclasses
from app.core.sse import END_OF_FRAME, Envelope, pieces
from app.features.chat.errors import RunInterrupted
from app.features.chat.events import Progress
from app.features.chat.records import AnsweredRun, RunError, RunIds
from app.web.problems import problem_body

# Frames repeat their envelope, so that the quickest level already makes a tenth of them.
_LEVEL = 1
_TERMINAL = (b"\nevent: done\n", b"\nevent: error\n")


def envelope(ids: RunIds) -> Envelope:
    """What every event of the run carries."""
    return Envelope(
        conversation_id=ids.conversation_id, message_id=ids.message_id, run_id=ids.run_id
    )


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


def error_data(problem: Problem, *, public_url: str, request_id: str | None) -> dict[str, Any]:
    """The data of `error`."""
    body = problem_body(problem, public_url=public_url, request_id=request_id)
    return body | {"retryable": type(problem).retryable}


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
    data = error_data(stored_problem(error), public_url=public_url, request_id=None)
    return envelope(ids).frame(number, "error", data)


def retold(run: AnsweredRun, *, public_url: str) -> list[bytes]:
    """An ended run as a stream, from its answer: for a client that comes after the frames went."""
    answer = run.message
    if answer is None:
        events: list[tuple[str, object]] = []
    else:
        events = [("progress", Progress("started", 0).data)]
        events += [("source", source) for source in answer.sources]
        events += [("answer", piece) for piece in pieces(answer.content)]
        events += [("metadata", answer.metadata)] if answer.metadata else []
    if run.status == "failed":
        problem = stored_problem(run.error)
        events.append(("error", error_data(problem, public_url=public_url, request_id=None)))
    else:
        reason = "stop" if answer is None else str(answer.metadata.get("finish_reason", "stop"))
        events.append(("done", done_data(run.ids, reason)))
    made = envelope(run.ids)
    return [made.frame(number, event, data) for number, (event, data) in enumerate(events, 1)]
