"""Metrics are there for who has their token, and count what happened."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from tests.conftest import serving
from tests.support.completions_server import STREAM_HEAD, completions_server, delta
from tests.support.event_streams import listening
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.service import ROOT
from tests.support.stories import a_base, a_document, a_taught_agent, an_agent, asking, stream

pytestmark = pytest.mark.anyio
TOKEN = "metrics-token-of-these-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def counting(settings, **changes: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a service that counts; headers are its key's."""
    chosen = settings.model_copy(update={"metrics_token": SecretStr(TOKEN), **changes})
    async with serving(chosen) as url:
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            base_url=url, headers=headers, verify=PLAIN_HTTP, timeout=20
        ) as client:
            yield client


@pytest.fixture
async def watched(settings):
    async with counting(settings) as client:
        yield client


async def figures(client) -> dict[str, float]:
    """Every sample, by its name and labels."""
    answer = await client.get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_without_a_token_of_their_own_there_are_none(client):
    answer = await client.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (404, "metrics_off")
    assert "METRICS_TOKEN" in answer.json()["detail"]


@pytest.mark.parametrize("given", [None, "Bearer x", f"Basic {TOKEN}", "the key"])
async def test_only_their_token_opens_them(watched, given):
    headers = {} if given == "the key" else {"Authorization": given or ""}
    answer = await watched.get("/metrics", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credential")
    assert answer.headers["www-authenticate"] == "Bearer"
    # And it opens nothing else.
    assert (await watched.get("/api/v2/agents", headers=BEARER)).status_code == 401


async def test_a_token_that_is_guessed_at_is_not_answered_for_long(watched):
    headers = {"Authorization": "Bearer guess-of-sixteen"}
    answers = [(await watched.get("/metrics", headers=headers)).status_code for _ in range(25)]
    assert answers == [401] * 20 + [429] * 5
    assert await figures(watched)


async def test_a_chat_is_counted_from_its_request_to_its_cost(watched):
    agent = await a_taught_agent(watched)
    await stream(watched, agent["id"], asking("Qual é o prazo de entrega?"))
    found = await figures(watched)
    route = "/api/v2/agents/{agent_id}/chat/stream"
    request = f'method="POST",route="{route}",status="200"'
    assert found[f"agentes_http_request_duration_seconds_count{{{request}}}"] == 1
    assert found[f'agentes_stream_first_event_seconds_count{{route="{route}"}}'] == 1
    assert found['agentes_run_duration_seconds_count{finish_reason="stop",provider="local"}'] == 1
    assert found['agentes_run_first_token_seconds_count{provider="local"}'] == 1
    assert found['agentes_tokens_total{kind="output",model="local",provider="local"}'] > 0
    assert found['agentes_cost_usd_total{model="local",provider="local"}'] == 0
    assert found["agentes_event_loop_lag_seconds_count"] >= 1
    assert found["agentes_event_loop_tasks"] > 10
    assert found["process_resident_memory_bytes"] > 1e6


async def breaking_off(exchange) -> None:
    await exchange.send(STREAM_HEAD, delta("Bom "), delta("dia, "), delta("tudo "))
    exchange.reset()


async def test_an_answer_that_breaks_off_is_a_failure_of_its_provider(settings):
    async with completions_server(breaking_off) as model:
        variables = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model.url}
        secret = {name: SecretStr(value) for name, value in variables.items()}
        async with counting(settings, provider_variables=secret) as client:
            agent = await an_agent(client, model_id="openai/test")
            for _ in range(3):
                assert (await stream(client, agent["id"], asking("Oi")))[-1]["event"] == "error"
            found = await figures(client)
    began = 'agentes_provider_answer_seconds_count{outcome="began",provider="openai"}'
    failed = 'agentes_provider_failures_total{outcome="provider_disconnected",provider="openai"}'
    assert (found[began], found[failed]) == (3, 3)


async def test_runs_without_a_price_are_counted_from_zero(watched):
    found = await figures(watched)
    assert found['agentes_runs_unpriced_total{provider="openai"}'] == 0
    assert found['agentes_runs_unpriced_total{provider="ollama"}'] == 0


async def test_streams_of_events_are_timed_to_their_first_event(watched):
    async with listening(watched) as events:
        await events.begun()
        found = await figures(watched)
    route = "/api/v2/events/dashboard"
    assert found[f'agentes_stream_first_event_seconds_count{{route="{route}"}}'] == 1


async def test_queues_tell_what_waits_and_for_how_long(watched, connection):
    base = await a_base(watched)
    document = await a_document(watched, base)
    await connection.execute(
        "update agentes.documents set status = 'queued', lease_until = now() + interval '1 hour',"
        " updated_at = now() - interval '90 s' where id = $1::uuid",
        document["id"],
    )
    found = await figures(watched)
    assert found['agentes_queue_length{queue="documents"}'] == 1
    assert 90 <= found['agentes_queue_age_seconds{queue="documents"}'] < 120
    assert found['agentes_active{what="processes"}'] >= 1
    assert found['agentes_dependency_up{dependency="database"}'] == 1


async def test_no_label_holds_what_callers_choose(watched):
    for path in ("/api/v2/agents/canary-1", "/canary-2", "/api/v2/leads?q=canary-3"):
        await watched.get(path)
    await watched.request("CANARY", "/api/v2/agents")
    text = (await watched.get("/metrics", headers=BEARER)).text
    assert not re.search("canary", text, re.IGNORECASE)


async def test_the_dashboard_and_the_alerts_ask_for_what_there_is(watched):
    agent = await a_taught_agent(watched)
    await stream(watched, agent["id"], asking("Qual é o prazo de entrega?"))
    told = (await watched.get("/metrics", headers=BEARER)).text
    there = set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE))
    json.loads((ROOT / "deploy/grafana-dashboard.json").read_text())
    for name in ("grafana-dashboard.json", "alerts.yml"):
        asked = set(re.findall(r"\b(?:agentes|process)_\w+", (ROOT / "deploy" / name).read_text()))
        assert asked
        for metric in asked:
            family = re.sub(r"_(bucket|count|sum)$", "", metric)
            assert {metric, family} & there, f"{name} asks for {metric}"


@pytest.mark.parametrize("name", ["README.md", "README.pt-BR.md"])
def test_both_readmes_say_what_each_alert_means(name):
    alerts = re.findall(r"alert: (\w+)", (ROOT / "deploy/alerts.yml").read_text())
    text = (ROOT / name).read_text()
    assert "AgentesDown" in alerts
    assert [alert for alert in alerts if f"`{alert}`" not in text] == []
