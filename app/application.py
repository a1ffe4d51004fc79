"""create_app(): the features, what every request passes, and what runs while the service does."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from types import FrameType
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.container import open_ports
from app.core.errors import Problem
from app.core.logging import configure_logging
from app.core.settings import Settings, SettingsInvalid, load_settings
from app.features.agents.router import FEATURE as AGENTS
from app.features.chat.router import FEATURE as CHAT
from app.features.chat.run_router import FEATURE as RUNS
from app.features.conversations.router import FEATURE as CONVERSATIONS
from app.features.events.numbering import open_numbering
from app.features.health.router import FEATURE as HEALTH
from app.features.identity.service import open_local_organization
from app.features.knowledge.document_router import FEATURE as DOCUMENTS
from app.features.knowledge.router import FEATURE as KNOWLEDGE
from app.ports import Ports
from app.web.middleware import RequestMiddleware
from app.web.openapi import DESCRIPTION, complete_openapi, operation_id
from app.web.problem_pages import router as problem_pages
from app.web.problems import install_problem_handlers
from app.web.routing import Feature

# Opened in this order and closed in reverse: runs end before anything that they use.
FEATURES = (
    HEALTH,
    Feature("events", APIRouter(), open_numbering),
    AGENTS,
    KNOWLEDGE,
    DOCUMENTS,
    CONVERSATIONS,
    CHAT,
    RUNS,
)
PortsOpener = Callable[[Settings], AbstractAsyncContextManager[Ports]]
log = structlog.get_logger(__name__)


def create_app(
    settings: Settings | None = None, *, open_ports: PortsOpener = open_ports
) -> FastAPI:
    """The application; it opens nothing before it is started.

    Raises:
        SystemExit: the environment's settings are not valid; the message lists all that is wrong.
    """
    chosen = settings or _settings_or_exit()
    configure_logging(chosen)
    app = FastAPI(
        title="Agentes de Conversão API",
        version=__version__,
        description=DESCRIPTION,
        lifespan=partial(_lifespan, open_ports=open_ports),
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    app.state.settings = chosen
    install_problem_handlers(app)
    for feature in FEATURES:
        app.include_router(feature.router)
    app.include_router(problem_pages)
    if chosen.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(chosen.cors_origins),
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "ETag", "Location"],
        )
    app.add_middleware(RequestMiddleware)
    complete_openapi(app)
    return app


def _settings_or_exit() -> Settings:
    try:
        return load_settings()
    except SettingsInvalid as error:
        raise SystemExit(str(error)) from None


@asynccontextmanager
async def _lifespan(app: FastAPI, *, open_ports: PortsOpener) -> AsyncGenerator[None]:
    settings: Settings = app.state.settings
    started = False
    try:
        async with AsyncExitStack() as stack:
            ports = await stack.enter_async_context(open_ports(settings))
            app.state.ports = ports
            app.state.authenticator = await open_local_organization(ports)
            opened: dict[str, Any] = {}
            for feature in FEATURES:
                if feature.open is not None:
                    opened[feature.name] = await stack.enter_async_context(feature.open(ports))
            app.state.features = opened
            with _told_to_stop(ports.draining):
                log.info("service_ready", version=__version__)
                started = True
                yield
            ports.draining.set()
    except Exception as error:
        if not started:
            raise
        _end_process(error)
    log.info("service_stopped")


def _end_process(error: Exception) -> None:
    """End a process whose inner life has failed: uvicorn would go on serving without it."""
    is_foreseen = isinstance(error, Problem)
    log.critical("service_failed", detail=str(error), exc_info=None if is_foreseen else error)
    # Whoever handles the signal is the server; without one, nobody asked for a process of its own.
    if callable(signal.getsignal(signal.SIGTERM)):
        signal.raise_signal(signal.SIGTERM)


@contextmanager
def _told_to_stop(draining: asyncio.Event) -> Generator[None]:
    """Learn of SIGTERM and SIGINT before the server waits for its connections to end.

    uvicorn tells the application only after the last connection has closed, and an open stream
    would keep it waiting for that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(draining.set)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is hear:
                signal.signal(number, handler)
