"""What OpenTelemetry's collector and Sentry are to those who send: OTLP and envelopes over HTTP."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.serving_app import serving_app


@dataclass
class TelemetryServer:
    """Everything that has been sent to it."""

    url: str = ""
    spans: list[dict[str, Any]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    raw: bytes = b""

    @property
    def dsn(self) -> str:
        return self.url.replace("http://", "http://public@") + "/1"

    async def traces(self, request: Request) -> Response:
        body = await _body(request)
        self.raw += body
        told = MessageToDict(ExportTraceServiceRequest.FromString(body))
        for resource in told["resourceSpans"]:
            self.resources.append(_attributes(resource["resource"]))
            for scope in resource["scopeSpans"]:
                self.spans += [span | {"told": _attributes(span)} for span in scope["spans"]]
        return Response(b"", media_type="application/x-protobuf")

    async def envelope(self, request: Request) -> Response:
        body = await _body(request)
        self.raw += body
        lines = [json.loads(line) for line in body.splitlines() if line]
        self.failures += [line for line in lines if "exception" in line]
        return Response(b"{}", media_type="application/json")

    async def named(self, name: str, *, within_s: float = 10) -> list[dict[str, Any]]:
        """The spans of that name, as soon as there are any."""
        async with asyncio.timeout(within_s):
            while not (found := [span for span in self.spans if span["name"] == name]):
                await asyncio.sleep(0.05)
        return found


async def _body(request: Request) -> bytes:
    body = await request.body()
    return gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    return {one["key"]: _value(one["value"]) for one in holder.get("attributes", [])}


def _value(value: dict[str, Any]) -> Any:
    ((kind, told),) = value.items()
    if kind == "arrayValue":
        return [_value(one) for one in told["values"]]
    return int(told) if kind == "intValue" else told


@asynccontextmanager
async def telemetry_server() -> AsyncIterator[TelemetryServer]:
    telemetry = TelemetryServer()
    app = Starlette(
        routes=[
            Route("/v1/traces", telemetry.traces, methods=["POST"]),
            Route("/api/1/envelope/", telemetry.envelope, methods=["POST"]),
        ]
    )
    async with serving_app(app) as telemetry.url:
        yield telemetry
