"""Search in a reranker's order, and without it where it fails."""

import json
from contextlib import asynccontextmanager

import httpx2
import pytest
from pydantic import SecretStr

from app.container import open_ports
from app.core.errors import CannotStart
from tests.conftest import serving
from tests.support.embeddings import saying, silent, switchable
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.stories import a_base, indexed

pytestmark = pytest.mark.anyio
TEXTS = {
    "Capitais": "O prazo de entrega nas capitais é de 3 dias úteis.",
    "Interior": "O prazo de entrega no interior é de 8 dias úteis.",
    "Trocas": "O prazo de troca é de 30 dias.",
}


async def by_length(exchange):
    """The longest passage answers best."""
    rows = [
        {"index": place, "relevance_score": len(text) / 1000}
        for place, text in enumerate(exchange.body["documents"])
    ]
    await exchange.answer(
        "200 OK", json.dumps({"results": rows}).encode(), "content-type: application/json"
    )


def with_reranker(settings, url, model="compatible/m"):
    update = {"provider_variables": {"COMPATIBLE_BASE_URL": SecretStr(url)}}
    return settings.model_copy(update=update | {"rerank_model_id": model})


@asynccontextmanager
async def reranking_service(settings):
    async with (
        switchable(by_length) as switch,
        serving(with_reranker(settings, switch.server.url)) as address,
    ):
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            verify=PLAIN_HTTP, base_url=address, headers=headers, timeout=20
        ) as client:
            base = await a_base(client)
            for name, text in TEXTS.items():
                body = {"knowledge_base_id": base, "name": name, "text": text}
                made = await client.post("/api/v2/knowledge/documents", json=body)
                await indexed(client, made.json()["id"])

            async def found(**fields):
                asked = {"query": "prazo de entrega", "knowledge_base_id": base} | fields
                return (await client.post("/api/v2/knowledge/search", json=asked)).json()

            yield found, switch


async def test_hits_come_in_the_rerankers_order(settings):
    async with reranking_service(settings) as (found, switch):
        first = await found()
        assert (first["reranked"], first["degraded"]) == (True, False)
        ratings = [hit["scores"]["rerank"] for hit in first["data"]]
        assert ratings == sorted(ratings, reverse=True)
        assert first["data"][0]["name"] == "Capitais"
        assert switch.server.requests[0]["query"] == "prazo de entrega"
        assert len(switch.server.requests[0]["documents"]) == len(first["data"])
        few = await found(top_k=1, threshold=0.9)
        assert [hit["name"] for hit in few["data"]] == ["Capitais"]
        nothing = await found(query="xilofone")
        assert (nothing["data"], nothing["degraded"]) == ([], False)


@pytest.mark.parametrize("fault", [saying("500 Oops"), saying("200 OK", "{}"), silent])
async def test_a_reranker_that_fails_is_done_without(settings, fault):
    async with reranking_service(settings) as (found, switch):
        switch.script = fault
        without = await found()
        assert (without["reranked"], without["degraded"]) == (False, True)
        scores = [hit["score"] for hit in without["data"]]
        assert scores == sorted(scores, reverse=True) != []
        assert without["data"][0]["scores"]["rerank"] is None


async def test_a_reranker_that_nobody_serves_keeps_the_service_from_starting(settings):
    with pytest.raises(CannotStart, match="RERANK_MODEL_ID cannot be served"):
        async with open_ports(with_reranker(settings, "http://127.0.0.1:9", "nobody/m")):
            pass
