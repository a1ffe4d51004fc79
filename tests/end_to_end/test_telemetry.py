"""Traces over OTLP and failures to Sentry, as the operator's variables ask for them."""

import asyncio
import base64
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.approvals import calling, saying
from tests.support.completions_server import completions_server
from tests.support.run_streams import MODEL
from tests.support.service import running_service
from tests.support.stories import an_agent, asking, stream
from tests.support.telemetry_server import TelemetryServer, telemetry_server
from tests.support.tools import a_tool

SUM = ("calcular", '{"expression": "1 + 2"}')
pytestmark = [pytest.mark.anyio, pytest.mark.once]
SECRET = "maria.segredo@example.com"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder)


@asynccontextmanager
async def traced(folder: Path, *scripts, **more: str) -> AsyncIterator[tuple]:
    async with (
        telemetry_server() as telemetry,
        completions_server(*scripts) as model,
        running_service(
            folder / "data",
            OTEL_EXPORTER_OTLP_ENDPOINT=telemetry.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
            SENTRY_DSN=telemetry.dsn,
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=model.url,
            **more,
        ) as service,
        service.client() as client,
    ):
        yield telemetry, service, client


async def test_a_run_is_one_trace_with_the_conventions_of_generative_ai(data_dir):
    async with traced(data_dir, calling(SUM), saying("São 3.")) as (telemetry, service, client):
        agent = await an_agent(client, model_id=MODEL, max_tokens=200)
        await a_tool(client, agent["id"])
        events = await stream(client, agent["id"], asking(f"Quanto é 1+2? Sou {SECRET}"))
        assert events[-1]["event"] == "done"
        await client.get("/api/v2/leads", params={"q": SECRET})
        (run,) = await telemetry.named("invoke_agent")
        (tool,) = await telemetry.named("execute_tool calcular")
        chats = await telemetry.named("chat test")
        (server,) = await telemetry.named("POST /api/v2/agents/{agent_id}/chat/stream")
        (leads,) = await telemetry.named("GET /api/v2/leads")
        log = service.log.read_text()
    assert run["parentSpanId"] == server["spanId"]
    assert {one["parentSpanId"] for one in (tool, *chats)} == {run["spanId"]}
    assert {one["traceId"] for one in (tool, *chats, server)} == {run["traceId"]}
    assert run["told"]["gen_ai.agent.id"] == agent["id"]
    assert run["told"]["gen_ai.conversation.id"] == events[0]["conversation_id"]
    assert run["told"]["finish_reason"] == "stop"
    assert tool["told"]["gen_ai.tool.name"] == "calcular"
    assert [one["told"]["gen_ai.response.finish_reasons"] for one in chats] == [
        ["tool_calls"],
        ["stop"],
    ]
    assert (
        chats[-1]["told"]
        | {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "test",
            "gen_ai.request.max_tokens": 200,
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.output_tokens": 3,
        }
        == chats[-1]["told"]
    )
    assert telemetry.resources[0]["service.name"] == "agentes-de-conversao"
    assert leads["told"]["url.query"] == "REDACTED"
    assert SECRET.encode() not in telemetry.raw
    assert not [span for span in telemetry.spans if "/health" in span["name"]]
    trace_id = _hex(run["traceId"])
    assert f'"trace_id":"{trace_id}"' in log


async def test_a_failure_of_the_model_is_the_spans_failure_and_is_not_reported(data_dir):
    async with traced(data_dir, _refusing) as (telemetry, _, client):
        agent = await an_agent(client, model_id=MODEL)
        events = await stream(client, agent["id"], asking("Oi"))
        assert events[-1]["event"] == "error"
        (run,) = await telemetry.named("invoke_agent")
        (chat,) = await telemetry.named("chat test")
        await asyncio.sleep(0.5)
    assert run["status"]["code"] == chat["status"]["code"] == "STATUS_CODE_ERROR"
    assert chat["told"]["error.type"] == events[-1]["data"]["code"]
    assert telemetry.failures == []


async def test_what_nobody_foresaw_is_reported_with_its_ids_and_without_what_was_said(
    data_dir, cluster, connection
):
    name = await connection.fetchval("select current_database()")
    url = f"postgresql://postgres@/{name}?host={cluster.socket_dir}&port={cluster.port}"
    async with traced(data_dir, saying("Oi"), DATABASE_URL=url) as (telemetry, _, client):
        await connection.execute("alter table agentes.leads rename column name to nome")
        answer = await client.get("/api/v2/leads", params={"q": SECRET})
        assert answer.status_code == 500
        failure = await _reported(telemetry)
    assert failure["tags"]["request_id"] == answer.json()["request_id"]
    assert failure["tags"]["event"] == "request_failed"
    assert failure["exception"]["values"][-1]["type"] == "StoreRefused"
    assert failure["release"].startswith("agentes@")
    assert "vars" not in str(failure)
    assert SECRET.encode() not in telemetry.raw


async def _refusing(exchange) -> None:
    await exchange.answer("401 Unauthorized", b'{"error": {"message": "no"}}')


async def _reported(telemetry: TelemetryServer) -> dict:
    async with asyncio.timeout(10):
        while not telemetry.failures:
            await asyncio.sleep(0.05)
    return telemetry.failures[0]


def _hex(identity: str) -> str:
    return base64.b64decode(identity).hex()
