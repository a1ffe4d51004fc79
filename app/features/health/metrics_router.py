"""What Prometheus fetches."""

import asyncio
import hmac
from typing import Annotated, Any

import structlog
from fastapi import Header, Request, Response

from app.core.errors import NotFound, Problem
from app.ports import Ports
from app.ports.meter import Gauges
from app.web.auth import WWW_AUTHENTICATE, InvalidCredential
from app.web.deps import OpenPorts
from app.web.gates import Gate
from app.web.limits import RateLimited
from app.web.problems import problems
from app.web.routing import Feature, system_router

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# A database that does not answer must not keep the rest from being fetched.
QUEUES_WITHIN_S = 2.0
EXAMPLE = 'agentes_queue_length{queue="deliveries"} 0.0\n'
router = system_router()
log = structlog.get_logger(__name__)


class MetricsOff(NotFound):
    """Metrics are not served: METRICS_TOKEN is not set."""


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Samples, each with its help and type.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}},
        },
        **problems(MetricsOff, InvalidCredential, RateLimited),
    },
)
async def metrics(
    request: Request,
    ports: OpenPorts,
    authorization: Annotated[
        str | None, Header(description="`Bearer <METRICS_TOKEN>`, and no other credential.")
    ] = None,
) -> Response:
    """This process's figures in Prometheus's text format; the README says what each means."""
    token = ports.settings.metrics_token
    if token is None:
        raise MetricsOff("Set METRICS_TOKEN, and give it to Prometheus as a bearer token.")
    expected = f"Bearer {token.get_secret_value()}"
    if not hmac.compare_digest((authorization or "").encode(), expected.encode()):
        gate: Gate = request.app.state.limits
        note = gate.note_missing if authorization is None else gate.note_failure
        await note(request.scope["state"]["client_address"])
        raise InvalidCredential("Send METRICS_TOKEN as a bearer token.", headers=WWW_AUTHENTICATE)
    return Response(ports.meter.exposed(await _gauges(ports)), media_type=CONTENT_TYPE)


async def _gauges(ports: Ports) -> Gauges:
    found: dict[tuple[str, str], float] = {}
    found["agentes_dependency_up", "shared_state"] = await ports.shared.is_shared_now()
    queues = await _queues(ports)
    found["agentes_dependency_up", "database"] = queues is not None
    if queues is not None:
        for name, queue in queues["queues"].items():
            found["agentes_queue_length", name] = queue["length"]
            found["agentes_queue_age_seconds", name] = float(queue["age_s"])
        for what, count in queues["active"].items():
            found["agentes_active", what] = float(count)
    return found


async def _queues(ports: Ports) -> dict[str, Any] | None:
    try:
        async with asyncio.timeout(QUEUES_WITHIN_S):
            return await ports.database.system().call("queues_read_v1")
    except (Problem, TimeoutError) as failure:
        log.warning("queues_not_read", error=type(failure).__name__)
        return None


FEATURE = Feature("metrics", router)
