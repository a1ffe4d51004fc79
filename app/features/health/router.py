"""What the service is, whether it lives, whether it is ready."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Literal

from fastapi import Response

from app import __version__
from app.core.clock import Clock, elapsed_ms
from app.core.errors import Problem
from app.core.schemas import Resource, example
from app.ports.store import Database
from app.web.deps import OpenPorts
from app.web.routing import Feature, system_router

PING_TIMEOUT_S = 0.5
router = system_router()


class Root(Resource):
    """The service and where to read on."""

    model_config = example(
        name="Agentes de Conversão API",
        version=__version__,
        links={"docs": "/docs", "openapi": "/openapi.json"},
    )

    name: str
    version: str
    links: dict[str, str]


class Live(Resource):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Check(Resource):
    """One thing that the service depends on."""

    model_config = example(status="ok", latency_ms=1)

    status: Literal["ok", "down"]
    latency_ms: int


class Ready(Resource):
    """Whether requests can be served now."""

    model_config = example(
        status="ok",
        checks={
            "database": {"status": "ok", "latency_ms": 1},
            "shared_state": {"status": "ok", "latency_ms": 0},
        },
    )

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, Check]


NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Ready, "description": "The database is down, or the process is stopping."}
}


@router.get("/", summary="Name, version and links")
async def root() -> Root:
    """What this is and where its documentation lies; needs no credential."""
    links = {
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health/ready",
        "api": "/api/v2",
    }
    return Root(name="Agentes de Conversão API", version=__version__, links=links)


@router.get("/health/live", summary="Liveness")
async def live() -> Live:
    """200 while the process answers at all; depends on nothing else."""
    return Live()


@router.get("/health/ready", summary="Readiness", responses=NOT_READY)
@router.get("/api/v2/health", summary="Readiness, under the API's path", responses=NOT_READY)
async def ready(response: Response, ports: OpenPorts) -> Ready:
    """200 when requests can be served; 503 while the database is down or we are stopping.

    `degraded` is 200 as well: in an outage of Redis each process goes on by itself.
    """
    database, shared = await asyncio.gather(
        _check(ports.clock, _answers(ports.database)),
        _check(ports.clock, ports.shared.is_shared_now()),
    )
    is_ready = database.status == "ok" and not ports.draining.is_set()
    response.status_code = 200 if is_ready else 503
    degraded = "ok" if shared.status == "ok" else "degraded"
    return Ready(
        status=degraded if is_ready else "unavailable",
        checks={"database": database, "shared_state": shared},
    )


async def _answers(database: Database) -> bool:
    await database.ping()
    return True


async def _check(clock: Clock, answers: Awaitable[bool]) -> Check:
    started_s = clock.monotonic_s()
    try:
        async with asyncio.timeout(PING_TIMEOUT_S):
            is_ok = await answers
    except (Problem, TimeoutError):
        is_ok = False
    return Check(status="ok" if is_ok else "down", latency_ms=elapsed_ms(clock, started_s))


FEATURE = Feature("health", router)
