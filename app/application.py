"""create_app(): the features, what every request passes, and what runs while the service does."""

import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI

from app import __version__
from app.container import PROVIDER_NAMES, open_ports
from app.core.errors import CannotStart, Problem
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
from app.ports.llm import ProviderNotConfigured, UnknownModel
from app.web.cors import ListedOrigins
from app.web.docs_pages import install_docs_pages
from app.web.methods import HeadAsGet
from app.web.middleware import RefusalMiddleware, RequestMiddleware
from app.web.openapi import DESCRIPTION, complete_openapi, operation_id
from app.web.problem_pages import router as problem_pages
from app.web.problems import install_problem_handlers
from app.web.routing import Feature
from app.web.starting import StartReport
from app.web.stopping import told_to_stop

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
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": "/"}],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    app.state.settings = chosen
    install_problem_handlers(app)
    for feature in FEATURES:
        app.include_router(feature.router)
    app.include_router(problem_pages)
    install_docs_pages(app)
    _add_middleware(app, chosen)
    complete_openapi(app)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """From the innermost to the outermost, as Starlette has it."""
    app.add_middleware(RefusalMiddleware)
    app.add_middleware(HeadAsGet)
    if settings.cors_origins:
        app.add_middleware(ListedOrigins, origins=settings.cors_origins)
    app.add_middleware(RequestMiddleware)
    app.add_middleware(StartReport)


def _settings_or_exit() -> Settings:
    try:
        return load_settings(providers=PROVIDER_NAMES)
    except SettingsInvalid as error:
        raise SystemExit(str(error)) from None


@asynccontextmanager
async def _lifespan(app: FastAPI, *, open_ports: PortsOpener) -> AsyncGenerator[None]:
    settings: Settings = app.state.settings
    started = False
    try:
        async with AsyncExitStack() as stack:
            ports = await stack.enter_async_context(open_ports(settings))
            _check_default_model(ports)
            app.state.ports = ports
            app.state.authenticator = await open_local_organization(ports)
            opened: dict[str, Any] = {}
            for feature in FEATURES:
                if feature.open is not None:
                    opened[feature.name] = await stack.enter_async_context(feature.open(ports))
            app.state.features = opened
            with told_to_stop(ports.draining):
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
    is_foreseen = isinstance(error, (Problem, CannotStart))
    log.critical("service_failed", detail=str(error), exc_info=None if is_foreseen else error)
    # Whoever handles the signal is the server; without one, nobody asked for a process of its own.
    if callable(signal.getsignal(signal.SIGTERM)):
        signal.raise_signal(signal.SIGTERM)


def _check_default_model(ports: Ports) -> None:
    """Let no agent be created with a model that nobody can serve.

    Raises:
        CannotStart: `DEFAULT_MODEL_ID` names no model, or one of a provider without a key.
    """
    try:
        ports.models.usable(ports.settings.default_model_id)
    except UnknownModel:
        raise CannotStart(
            "DEFAULT_MODEL_ID names a model that nobody serves. Use `local`, a provider's own name"
            " of a model such as `gpt-4o-mini`, or `provider/model` with one of: "
            + ", ".join(PROVIDER_NAMES)
        ) from None
    except ProviderNotConfigured as problem:
        raise CannotStart(f"DEFAULT_MODEL_ID cannot be served yet: {problem}") from None
