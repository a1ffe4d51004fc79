"""What the service is, whether it lives, whether it is ready."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response

from app import __version__
from app.core.clock import elapsed_ms
from app.core.errors import Problem
from app.core.schemas import Resource
from app.web.deps import OpenPorts
from app.web.routing import Feature

PING_TIMEOUT_S = 0.5
router = APIRouter(tags=["system"])


class Root(Resource):
    """The service and where to read on."""

    name: str
    version: str
    links: dict[str, str]


class Live(Resource):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Check(Resource):
    """One thing that the service depends on."""

    status: Literal["ok", "down"]
    latency_ms: int


class Ready(Resource):
    """Whether requests can be served now."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, Check]


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


@router.get("/health/ready", summary="Readiness", responses={503: {"model": Ready}})
@router.get(
    "/api/v2/health", summary="Readiness, under the API's path", responses={503: {"model": Ready}}
)
async def ready(response: Response, ports: OpenPorts) -> Ready:
    """200 when requests can be served; 503 while the database is down or we are stopping."""
    started_s = ports.clock.monotonic_s()
    try:
        async with asyncio.timeout(PING_TIMEOUT_S):
            await ports.database.ping()
        database = Check(status="ok", latency_ms=elapsed_ms(ports.clock, started_s))
    except (Problem, TimeoutError):
        database = Check(status="down", latency_ms=elapsed_ms(ports.clock, started_s))
    is_ready = database.status == "ok" and not ports.draining.is_set()
    response.status_code = 200 if is_ready else 503
    return Ready(status="ok" if is_ready else "unavailable", checks={"database": database})


FEATURE = Feature("health", router)
