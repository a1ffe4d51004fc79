"""The service in this process, with the options that it is measured and tested with."""

import importlib
import signal
import time
from contextlib import suppress
from socket import socket
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from app.command_line.free_port import require_free_port
from app.command_line.guarded_protocol import GuardedProtocol

if TYPE_CHECKING:  # loaded with the application
    from app.core.settings import Settings

APPLICATION = "main:app"
# Told to stop, all is over within this; platforms send SIGKILL after 30 s.
STOPPED_WITHIN_S = 20
# Longer than load balancers and clients keep an idle connection (60 s and less). The server must
# not be the first to close, or a request that is just being sent finds its connection reset.
KEEPS_IDLE_S = 75


class PatientServer(uvicorn.Server):
    """Goes on listening for a while after SIGTERM.

    `/health/ready` answers 503 meanwhile, so that a load balancer turns away before connections
    are refused. Ctrl-C, and a second SIGTERM, close it at once.
    """

    def __init__(self, config: uvicorn.Config, *, drain_s: float) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._closes_at_s: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and self._closes_at_s is None:
            self._closes_at_s = time.monotonic() + self._drain_s
            return
        # Asked twice: uvicorn waits for nothing if it was about to exit already.
        self.should_exit = self.should_exit or self._closes_at_s is not None
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._closes_at_s is not None and time.monotonic() >= self._closes_at_s:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn would leave the application as it is, and answers unkept
            await self.lifespan.shutdown()


def serve_until_stopped(*, reload: bool) -> None:
    """Serve on HOST and PORT; with `reload`, start again whenever a file changes.

    Raises:
        SystemExit: non-zero where it cannot start; what is wrong has been told.
    """
    # Importing the application tells of all bad settings, and exits.
    settings: Settings = importlib.import_module("main").app.state.settings
    require_free_port(settings.host, settings.port)
    drain_s = 0 if reload else settings.drain_seconds
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "http": GuardedProtocol,
        "loop": "auto",  # uvloop; where it does not exist (Windows), asyncio's own
        "timeout_keep_alive": KEEPS_IDLE_S,
        "timeout_graceful_shutdown": STOPPED_WITHIN_S - drain_s,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
    }
    if reload:
        uvicorn.run(APPLICATION, reload=True, reload_dirs=["app"], **options)
        return
    with suppress(KeyboardInterrupt):
        PatientServer(uvicorn.Config(APPLICATION, **options), drain_s=drain_s).run()
