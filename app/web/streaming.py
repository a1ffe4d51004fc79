"""Event streams to clients: unbuffered, kept alive, and let go when a client stops reading."""

from collections.abc import AsyncGenerator

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import AppStatus

KEEP_ALIVE_S = 15
# A client that does not take a frame for so long is gone or broken; the run goes on without it.
SEND_TIMEOUT_S = 10

# By itself the library cuts every stream at SIGTERM. Ours end with a terminal event instead, for
# which the run engine sees to it (chat/engine.py, drain).
AppStatus.disable_automatic_graceful_drain()


class FrameStream(EventSourceResponse):
    """Frames that are bytes already, one a write."""

    def __init__(self, frames: AsyncGenerator[bytes]) -> None:
        super().__init__(
            frames,
            ping=KEEP_ALIVE_S,
            ping_message_factory=lambda: ServerSentEvent(comment="keep-alive", sep="\n"),
            send_timeout=SEND_TIMEOUT_S,
            sep="\n",
        )
