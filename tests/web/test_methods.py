"""HEAD, OPTIONS, Allow, CORS and addresses that are nearly right."""

import asyncio

import httpx2
import pytest

from app.core.ids import new_id
from tests.conftest import serving
from tests.support.stories import an_agent
from tests.web.test_hygiene import AGENTS, is_problem

ABSENT = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"

pytestmark = pytest.mark.anyio
PAGE = {"Origin": "https://app.example"}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"}


@pytest.mark.parametrize("path", ["/", "/health/live", "/openapi.json", "/docs", AGENTS])
async def test_head_tells_what_get_would_and_has_no_body(client, path):
    got, told = await client.get(path), await client.head(path)
    assert (told.status_code, told.content) == (200, b"")
    for name in ("content-type", "content-length"):
        assert told.headers[name] == got.headers[name]


async def test_head_of_what_does_not_exist_is_404_without_a_body(client):
    told = await client.head(f"{AGENTS}/{new_id()}")
    assert (told.status_code, told.content) == (404, b"")
    assert (await client.head("/api/v2/knowledge/search")).status_code == 405


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (AGENTS, "GET, HEAD, POST, OPTIONS"),
        (f"{AGENTS}/{ABSENT}", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/api/v2/knowledge/search", "POST, OPTIONS"),
        ("/health/live", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_all_that_are_right(client, path, allowed):
    answer = await client.request("TRACE", path)
    is_problem(answer, 405)
    assert answer.headers["allow"] == allowed
    options = await client.options(path)
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == allowed
    assert "access-control-allow-origin" not in options.headers


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api/v2/agents/",
        "//api/v2/agents",
        "/api/v2//agents",
        "/api/v2/./agents",
        "/api/v2/knowledge/../agents",
        "/api/v2/knowledge/%2e%2e/agents",
        "/api/v2/knowledge/%2E%2E%2Fagents",
        "/api/v2%2Fagents%2F",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/API/V2/AGENTS",
        "/health/live/",
    ],
)
async def test_an_address_that_is_nearly_right_is_404(client, path, method):
    # Sent by hand: a client would tidy the address up.
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    key = client.headers["authorization"]
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nConnection: close"
    writer.write(f"{head}\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 404 ")
    assert "application/problem+json" in answer
    assert "location:" not in answer.lower()


async def test_an_agent_of_another_organization_is_like_one_that_does_not_exist(client, connection):
    theirs, mine = new_id(), (await an_agent(client))["id"]
    await connection.execute(
        "insert into agentes.organizations (id, slug, name) values ($1, 'o', 'o')", theirs
    )
    await connection.execute("update agentes.agents set organization_id = $1", theirs)
    for method, path in (
        ("GET", f"{AGENTS}/{{}}"),
        ("DELETE", f"{AGENTS}/{{}}"),
        ("POST", f"{AGENTS}/{{}}/duplicate"),
        ("GET", f"{AGENTS}/{{}}/versions"),
        ("POST", f"{AGENTS}/{{}}/versions/1/restore"),
    ):
        one, other = [await client.request(method, path.format(i)) for i in (mine, new_id())]
        bodies = [is_problem(answer, 404) | {"request_id": ""} for answer in (one, other)]
        assert bodies[0] == bodies[1]
        assert one.headers.keys() == other.headers.keys()


@pytest.fixture
async def for_pages(settings):
    listed = settings.model_copy(update={"cors_origins": ("https://app.example",)})
    async with serving(listed) as url, httpx2.AsyncClient(base_url=url) as client:
        yield client


async def test_a_listed_origin_may_call_and_reads_failures_too(for_pages):
    answer = await for_pages.options(AGENTS, headers=PAGE | PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "credentials" not in str(answer.headers)
    too_long = await for_pages.get("/?" + "x" * 9000, headers=PAGE)
    is_problem(too_long, 414)
    assert too_long.headers["access-control-allow-origin"] == "https://app.example"
    assert "X-Request-ID" in too_long.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin", ["https://app.example.evil", "http://app.example", "null", "https://APP.example"]
)
async def test_another_origin_is_allowed_nothing(for_pages, origin):
    answer = await for_pages.options(AGENTS, headers=PREFLIGHT | {"Origin": origin})
    assert answer.status_code == 204
    assert "access-control-allow-origin" not in answer.headers
    answer = await for_pages.get("/", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers


ID = "01938f5e-7a54-7cc1-9d4e-0c2b5a1f3e77"


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/api/v2/widget/sessions", "POST"),
        (f"{AGENTS}/{ID}/chat", "POST"),
        (f"{AGENTS}/{ID}/chat/stream", "POST"),
        (f"{AGENTS}/{ID}/chat/runs/{ID}/stream", "GET"),
        ("/api/v2/conversations", "GET"),
        (f"/api/v2/conversations/{ID}/messages", "GET"),
        (f"/api/v2/conversations/{ID}/messages/{ID}/feedback", "POST"),
        (f"/api/v2/forms/{ID}/submissions", "POST"),
    ],
)
async def test_a_widget_may_call_its_routes_from_the_page_it_is_on(client, path, method):
    asked = {
        "Origin": "https://www.aurora.example",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,last-event-id",
    }
    answer = await client.options(path, headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    refused = await client.request(method, path, headers={"Origin": asked["Origin"]})
    assert refused.status_code >= 400 or method == "GET"
    assert refused.headers["access-control-allow-origin"] == "*"
    for name in ("RateLimit", "Retry-After", "Idempotency-Replayed", "Content-Disposition"):
        assert name in refused.headers["access-control-expose-headers"]


async def test_no_other_route_is_open_to_pages_that_nobody_listed(client, for_pages):
    for path in (AGENTS, "/api/v2/leads", "/api/v2/settings", f"{AGENTS}/{ID}"):
        for service in (client, for_pages):
            answer = await service.options(
                path, headers=PREFLIGHT | {"Origin": "https://b.example"}
            )
            assert "access-control-allow-origin" not in answer.headers


async def test_no_answer_of_the_api_is_kept_by_browsers_or_proxies(client):
    for path in (AGENTS, "/api/v2/conversations", "/api/v2/leads", "/api/v2/nowhere"):
        assert (await client.get(path)).headers["cache-control"] == "no-store"


async def test_answers_carry_security_headers(client):
    for path in ("/", "/nowhere", "/%00", "/docs"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
