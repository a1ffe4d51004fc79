"""A server that speaks Supabase Storage's protocol, with faults on demand.

Statuses and bodies as https://github.com/supabase/storage has them: most failures are a 400 whose
body says which status is meant. What is not Storage's goes to another server, as by a gateway.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.loopback_only import PLAIN_HTTP
from tests.support.serving_app import serving_app

METHODS = ["GET", "POST", "PUT", "DELETE"]
HOP_BY_HOP = {"content-length", "content-encoding", "transfer-encoding", "connection"}


def refusal(meant: int, error: str, message: str) -> JSONResponse:
    return JSONResponse({"statusCode": str(meant), "error": error, "message": message}, 400)


@dataclass
class StorageServer:
    """What it holds; a test may also look, break and mend."""

    key: str
    rest: str | None = None
    """Where a gateway would send what is not Storage's."""
    url: str = ""
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    options: dict[str, dict[str, object]] = field(default_factory=dict)
    broken: int | None = None
    """The status that it answers everything with; 0 closes connections without one."""
    asked: list[str] = field(default_factory=list)

    def objects(self, bucket: str) -> dict[str, bytes]:
        return self.buckets.get(bucket, {})

    def refused(self, request: Request) -> Response | None:
        self.asked.append(f"{request.method} {request.url.path}")
        if self.broken is not None:
            return Response(b"<html>Bad gateway</html>", self.broken)
        if request.headers.get("apikey") != self.key:
            return refusal(403, "Unauthorized", "Invalid Compact JWS")
        return None

    async def bucket(self, request: Request) -> Response:
        if answer := self.refused(request):
            return answer
        if request.method == "POST":
            options = await request.json()
            if options["id"] in self.buckets:
                return refusal(409, "Duplicate", "The resource already exists")
            self.buckets[options["id"]] = {}
            self.options[options["id"]] = options
            return JSONResponse({"name": options["id"]})
        name = request.path_params["bucket"]
        if name not in self.buckets:
            return refusal(404, "Bucket not found", "Bucket not found")
        times = {"created_at": "2026-11-27T00:00:00Z", "updated_at": "2026-11-27T00:00:00Z"}
        described = {"id": name, "name": name, "owner": "", "public": False, "type": "STANDARD"}
        limits = {"file_size_limit": None, "allowed_mime_types": None}
        return JSONResponse(described | times | limits)

    async def object(self, request: Request) -> Response:
        if answer := self.refused(request):
            return answer
        name, path = request.path_params["bucket"], request.path_params["path"]
        held = self.buckets.get(name)
        if held is None:
            return refusal(404, "Bucket not found", "Bucket not found")
        if request.method == "GET":
            if path not in held:
                return refusal(404, "not_found", "Object not found")
            return Response(held[path], media_type="application/octet-stream")
        async with request.form() as form:
            content = await form["file"].read()  # pyright: ignore[reportAttributeAccessIssue]
        if path in held:
            return refusal(409, "Duplicate", "The resource already exists")
        held[path] = content
        return JSONResponse({"Id": "an id", "Key": f"{name}/{path}"})

    async def remove(self, request: Request) -> Response:
        if answer := self.refused(request):
            return answer
        held = self.objects(request.path_params["bucket"])
        names = json.loads(await request.body())["prefixes"]
        gone = [{"name": name} for name in names if held.pop(name, None) is not None]
        return JSONResponse(gone)

    async def elsewhere(self, request: Request) -> Response:
        assert self.rest, f"nobody is asked for {request.url.path}"
        async with httpx2.AsyncClient(verify=PLAIN_HTTP, timeout=30) as client:
            answer = await client.request(
                request.method,
                f"{self.rest}{request.url.path}",
                params=request.query_params.multi_items(),
                headers={k: v for k, v in request.headers.items() if k not in {"host"}},
                content=await request.body(),
            )
        headers = {k: v for k, v in answer.headers.items() if k not in HOP_BY_HOP}
        return Response(answer.content, answer.status_code, headers)


@asynccontextmanager
async def storage_server(key: str, rest: str | None = None) -> AsyncIterator[StorageServer]:
    storage = StorageServer(key, rest)
    root = "/storage/v1"
    app = Starlette(
        routes=[
            Route(f"{root}/bucket", storage.bucket, methods=["POST"]),
            Route(f"{root}/bucket/{{bucket}}", storage.bucket, methods=["GET"]),
            Route(f"{root}/object/{{bucket}}", storage.remove, methods=["DELETE"]),
            Route(f"{root}/object/{{bucket}}/{{path:path}}", storage.object, methods=METHODS),
            Route("/{path:path}", storage.elsewhere, methods=METHODS),
        ]
    )
    async with serving_app(app) as storage.url:
        yield storage
