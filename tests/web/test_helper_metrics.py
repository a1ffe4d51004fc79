"""Calls of embedders, rerankers and search engines show in the metrics, by how they ended."""

import asyncio
import re
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from tests.features.test_embeddings import served
from tests.features.test_reranking import by_length
from tests.support.embeddings import embedding, saying, switchable, until
from tests.support.run_streams import FrameReader, data_of, over
from tests.support.scripted_server import scripted_server
from tests.support.stories import a_base, a_document, asking
from tests.support.tools import a_tool, try_tool
from tests.support.upstream import UPSTREAMS, sending
from tests.web.test_metrics import BEARER, TOKEN, counting, figures

pytestmark = pytest.mark.anyio


def calls_of_helpers(found: dict[str, float]) -> dict[tuple[str, ...], float]:
    """How often each was called: by kind, name and outcome."""
    name = re.compile(r'agentes_helper_call_seconds_count{kind="(.+)",name="(.+)",outcome="(.+)"}')
    matches = {name.fullmatch(sample): count for sample, count in found.items()}
    return {match.groups(): count for match, count in matches.items() if match}


async def embedding_or_rating(exchange) -> None:
    script = embedding() if "input" in exchange.body else by_length
    await script(exchange)


async def test_calls_of_embedders_and_rerankers_are_timed_and_told_by_their_ends(settings):
    async with switchable(embedding_or_rating) as helper:
        changes = {
            "provider_variables": {"COMPATIBLE_BASE_URL": SecretStr(helper.server.url)},
            "embedding_model_id": "compatible/embeds",
            "rerank_model_id": "compatible/rates",
        }
        async with counting(settings, **changes) as client:
            base = await a_base(client)
            await a_document(client, base)

            async def search():
                body = {"query": "prazo de entrega", "knowledge_base_id": base}
                assert (await client.post("/api/v2/knowledge/search", json=body)).json()["data"]

            await served(client, base, "compatible/embeds")
            embedded = ("embedder", "compatible", "ok")
            before = calls_of_helpers(await figures(client))
            assert before.keys() == {embedded}
            await search()
            well = {embedded: before[embedded] + 1, ("reranker", "compatible", "ok"): 1}
            assert calls_of_helpers(await figures(client)) == well
            helper.script = saying("503 Down", "{}", "retry-after: 99")
            for _ in range(3):
                await search()
            # After its first failure the reranker is left alone for a while: it is not called.
            assert calls_of_helpers(await figures(client)) == well | {
                ("embedder", "compatible", "embedder_unavailable"): 3,
                ("reranker", "compatible", "reranker_failed"): 1,
            }


def searching(settings):
    """Settings of a service that counts, whose tools may reach servers on loopback."""
    allowed = (ip_network("127.0.0.0/8"),)
    update = {"outbound_allow_private_cidrs": allowed, "metrics_token": SecretStr(TOKEN)}
    return settings.model_copy(update=update)


async def a_search_tool(stage, server):
    config = {"engine": "searxng", "base_url": f"http://127.0.0.1:{server.port}"}
    return await a_tool(stage.client, stage.agent, type="search", name="buscar", config=config)


async def test_searches_of_the_web_are_timed_and_told_by_their_ends(settings):
    async def twice_well(heard):
        is_well = len(server.heard) <= 2
        await heard.answer(b'{"results": []}', status=200 if is_well else 429)

    async with scripted_server(twice_well) as server, over(searching(settings)) as stage:
        tool = await a_search_tool(stage, server)
        for _ in range(3):
            await try_tool(stage.client, tool, query="canary")
        assert calls_of_helpers(await figures(stage.client)) == {
            ("searcher", "searxng", "ok"): 2,
            ("searcher", "searxng", "search_limited"): 1,
        }
        assert "canary" not in (await stage.client.get("/metrics", headers=BEARER)).text


async def test_a_call_that_is_cancelled_is_no_failure(settings):
    let_go = asyncio.Event()

    async def holding_the_first(heard):
        if len(server.heard) == 1:
            await let_go.wait()
        await heard.answer(b'{"results": []}')

    wire = UPSTREAMS["openai"].wire
    calling = sending(
        wire.start,
        wire.call(0, "call_0", "buscar"),
        wire.arguments(0, '{"query": "aurora"}'),
        wire.finish("tool_calls"),
        wire.usage,
        wire.end,
    )
    async with (
        scripted_server(holding_the_first) as server,
        over(searching(settings), calling) as stage,
    ):
        tool = await a_search_tool(stage, server)
        async with stage.client.stream("POST", f"{stage.path}/stream", json=asking("x")) as answer:
            reader = FrameReader(answer)
            (first,) = await reader.take(1)

            async def is_asked():
                return server.heard

            await until(is_asked)
            run_id = data_of(first)["run_id"]
            await stage.client.post(f"{stage.path}/runs/{run_id}/cancel")
            await reader.take()
        assert calls_of_helpers(await figures(stage.client)) == {}
        let_go.set()
        await try_tool(stage.client, tool, query="aurora")
        assert calls_of_helpers(await figures(stage.client)) == {("searcher", "searxng", "ok"): 1}
