"""create_app(): the features, what every request passes, and what runs while the service does."""

import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from tempfile import gettempdir
from typing import Any

import structlog
from fastapi import FastAPI

from app import __version__
from app.container import PROVIDER_NAMES, SERVER_NAMES, open_ports, start_telemetry
from app.core.errors import CannotStart, Problem
from app.core.logging import configure_logging
from app.core.misspelt_settings import tell_misspelt
from app.core.server_process import refuse_workers_apart
from app.core.settings import Settings, SettingsInvalid, load_settings
from app.features.agents.router import FEATURE as AGENTS
from app.features.analytics.conversion_router import FEATURE as CONVERSIONS
from app.features.analytics.router import FEATURE as ANALYTICS
from app.features.chat.conversation_router import FEATURE as CONVERSATION_STREAMS
from app.features.chat.router import FEATURE as CHAT
from app.features.chat.run_router import FEATURE as RUNS
from app.features.conversations.export_router import FEATURE as CONVERSATION_EXPORTS
from app.features.conversations.handoff_router import FEATURE as HANDOFFS
from app.features.conversations.router import FEATURE as CONVERSATIONS
from app.features.events.export_router import FEATURE as EVENT_EXPORT
from app.features.events.router import FEATURE as EVENTS
from app.features.forms.router import FEATURE as FORMS
from app.features.health.metrics_router import FEATURE as METRICS
from app.features.health.router import FEATURE as HEALTH
from app.features.identity.clerk_router import FEATURE as CLERK
from app.features.identity.key_router import FEATURE as KEYS
from app.features.identity.opening import open_identity
from app.features.identity.widget_router import FEATURE as WIDGET
from app.features.knowledge.document_router import FEATURE as DOCUMENTS
from app.features.knowledge.entry_router import FEATURE as ENTRIES
from app.features.knowledge.gap_router import FEATURE as GAPS
from app.features.knowledge.preview_router import FEATURE as PREVIEW
from app.features.knowledge.router import FEATURE as KNOWLEDGE
from app.features.leads.router import FEATURE as LEADS
from app.features.models.router import FEATURE as MODELS
from app.features.organizations.known import KnownSettings
from app.features.organizations.origins import KnownOrigins
from app.features.privacy.router import FEATURE as PRIVACY
from app.features.settings.audit_router import FEATURE as AUDIT
from app.features.settings.router import FEATURE as SETTINGS
from app.features.settings.usage_export_router import FEATURE as USAGE_EXPORT
from app.features.settings.usage_router import FEATURE as USAGE
from app.features.tools.copy_router import FEATURE as AGENT_COPIES
from app.features.tools.kinds_router import FEATURE as TOOL_KINDS
from app.features.tools.router import FEATURE as TOOLS
from app.features.webhooks.delivery_router import FEATURE as DELIVERIES
from app.features.webhooks.inbox_router import FEATURE as INBOXES
from app.features.webhooks.router import FEATURE as WEBHOOKS
from app.ports import Ports
from app.ports.embedder import UnknownEmbedder
from app.ports.llm import ProviderNotConfigured, UnknownModel
from app.web.cors import PageOrigins
from app.web.docs_pages import install_docs_pages
from app.web.limits import Limits
from app.web.methods import HeadAsGet
from app.web.middleware import RefusalMiddleware, RequestMiddleware
from app.web.openapi import DESCRIPTION, complete_openapi
from app.web.problem_pages import router as problem_pages
from app.web.problems import install_problem_handlers
from app.web.readiness import told_when_ready
from app.web.routing import paths_of_visitors
from app.web.starting import StartReport
from app.web.stopping import told_to_stop
from app.web.tracing import traced
from app.web.warming import warmed

# Opened in this order and closed in reverse: runs end before anything that they use.
FEATURES = (
    HEALTH,
    METRICS,
    EVENTS,
    EVENT_EXPORT,
    MODELS,
    AGENTS,
    AGENT_COPIES,
    TOOLS,
    TOOL_KINDS,
    KNOWLEDGE,
    DOCUMENTS,
    ENTRIES,
    GAPS,
    PREVIEW,
    CONVERSATIONS,
    HANDOFFS,
    CONVERSATION_STREAMS,
    CONVERSATION_EXPORTS,
    INBOXES,
    DELIVERIES,
    WEBHOOKS,
    CHAT,
    RUNS,
    LEADS,
    FORMS,
    CONVERSIONS,
    ANALYTICS,
    KEYS,
    WIDGET,
    CLERK,
    PRIVACY,
    SETTINGS,
    USAGE,
    AUDIT,
    USAGE_EXPORT,
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
    tell_misspelt(chosen.misspelt)
    start_telemetry(chosen)
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
        telemetry=traced(is_sent=chosen.sends_traces),
    )
    app.state.settings = chosen
    install_problem_handlers(app)
    # Routes are tried one after the other: those that are asked most come first.
    for feature in sorted(FEATURES, key=lambda feature: feature not in (CHAT, RUNS, AGENTS)):
        # Not `include_router`, which works every route out once more, and looks for it twice.
        app.router.routes += feature.router.routes
    app.router.routes += problem_pages.routes
    install_docs_pages(app)
    _add_middleware(app, chosen)
    complete_openapi(app)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """From the innermost to the outermost, as Starlette has it."""
    app.add_middleware(RefusalMiddleware)
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        PageOrigins,
        origins=settings.cors_origins,
        is_for_visitors=paths_of_visitors(FEATURES),
    )
    app.add_middleware(RequestMiddleware)
    app.add_middleware(StartReport)


def _settings_or_exit() -> Settings:
    try:
        return load_settings(providers=SERVER_NAMES)
    except SettingsInvalid as error:
        raise SystemExit(str(error)) from None


@asynccontextmanager
async def _lifespan(app: FastAPI, *, open_ports: PortsOpener) -> AsyncGenerator[None]:
    settings: Settings = app.state.settings
    started = False
    try:
        refuse_workers_apart(settings)
        gettempdir()  # large uploads wait there
        async with AsyncExitStack() as stack:
            ports = await stack.enter_async_context(open_ports(settings))
            _check_default_model(ports)
            _check_embedding_model(ports)
            app.state.ports = ports
            app.state.limits = Limits(
                ports.limiter,
                KnownSettings(ports),
                failures_per_minute=settings.auth_failures_per_minute,
            )
            app.state.origins = KnownOrigins(ports)
            app.state.authenticator = await stack.enter_async_context(open_identity(ports))
            opened: dict[str, Any] = {}
            for feature in FEATURES:
                if feature.open is not None:
                    opened[feature.name] = await stack.enter_async_context(feature.open(ports))
            app.state.features = opened
            await stack.enter_async_context(told_when_ready(ports))
            await stack.enter_async_context(warmed(app.routes, ports))
            with told_to_stop(ports.draining):
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


def _check_embedding_model(ports: Ports) -> None:
    """Let nobody wait for vectors that nobody makes.

    Raises:
        CannotStart: `EMBEDDING_MODEL_ID` names no model, or one of an embedder that is not set up.
    """
    wanted = ports.settings.embedding_model_id
    try:
        if wanted is not None:
            ports.embedders.resolve(wanted)
    except UnknownEmbedder as problem:
        raise CannotStart(f"EMBEDDING_MODEL_ID cannot be served: {problem}") from None
