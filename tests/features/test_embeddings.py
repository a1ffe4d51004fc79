"""Search with vectors over HTTP, with an embedder that answers, fails and changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from httpx2 import AsyncClient as Client

from tests.conftest import serving
from tests.support.embeddings import (
    Switchable,
    embedding,
    saying,
    switchable,
    until,
    with_embedder,
)
from tests.support.stories import a_base, a_document

pytestmark = pytest.mark.anyio
KNOWLEDGE = "/api/v2/knowledge"
DOGS = "O cão pode entrar na loja com coleira."
DOWN = saying("503 Down", "{}", "retry-after: 99")
REFUNDS = "O reembolso chega em sete dias."


@asynccontextmanager
async def embedding_service(settings, script=None) -> AsyncIterator[tuple[Client, Switchable]]:
    """A client of a service with an embedder, and the embedder."""
    async with (
        switchable(script or embedding()) as switch,
        serving(with_embedder(settings, switch.server.url)) as address,
    ):
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with Client(base_url=address, headers=headers, timeout=20) as client:
            yield client, switch


async def search(client, base, query="Posso levar bichos?", **fields):
    body = {"query": query, "knowledge_base_id": base, **fields}
    return (await client.post(f"{KNOWLEDGE}/search", json=body)).json()


async def served(client, base, model="compatible/m"):
    """The base, once all its chunks have vectors of that model."""

    async def check():
        found = (await client.get(f"{KNOWLEDGE}/bases/{base}")).json()
        is_whole = found["embedding_progress"] == 100 and found["served_embedding_model"] == model
        return found if is_whole else None

    return await until(check)


async def a_shop(client, **fields):
    base = await a_base(client, **fields)
    await a_document(client, base, DOGS)
    await a_document(client, base, REFUNDS)
    return base


async def test_what_means_the_same_is_found_without_a_common_word(settings):
    async with embedding_service(settings) as (client, _):
        base = await a_shop(client)
        await served(client, base)
        found = await search(client, base)
        assert (found["mode_used"], found["degraded"]) == ("hybrid", False)
        assert found["data"][0]["content"] == DOGS
        assert found["data"][0]["scores"]["semantic"] > 0.2
        lexical = await search(client, base, mode="lexical")
        assert lexical["data"] == []
        semantic = await search(client, base, mode="semantic")
        assert semantic["data"][0]["content"] == DOGS
        assert semantic["data"][0]["scores"]["lexical"] is None


async def test_filters_hold_for_what_vectors_find(settings):
    async with embedding_service(settings) as (client, _):
        base = await a_shop(client)
        await served(client, base)
        assert (await search(client, base, filters={"team": "x"}))["data"] == []


async def test_an_embedder_that_is_down_is_done_without_and_that_is_told(settings):
    async with embedding_service(settings) as (client, switch):
        base = await a_shop(client)
        await served(client, base)
        switch.script = saying("400 Bad")
        for mode in ("hybrid", "semantic"):
            found = await search(client, base, "coleira", mode=mode)
            assert (found["mode_used"], found["degraded"]) == ("lexical", True)
            assert found["data"][0]["content"] == DOGS


async def test_documents_are_found_by_their_words_until_the_embedder_is_back(settings):
    async with embedding_service(settings, DOWN) as (
        client,
        switch,
    ):
        base = await a_shop(client)
        found = await search(client, base, "coleira")
        assert (found["mode_used"], found["degraded"]) == ("lexical", False)
        assert found["data"][0]["content"] == DOGS

        async def waits():
            return (await client.get(f"{KNOWLEDGE}/bases/{base}")).json()["embedding_error"]

        assert "503" in await until(waits)
        switch.script = embedding()
        assert (await served(client, base))["embedding_error"] is None


async def test_a_change_of_models_is_built_beside_and_never_mixed(settings, connection):
    async with embedding_service(settings) as (client, switch):
        base = await a_shop(client)
        await served(client, base)
        switch.script = DOWN
        change = {"embedding_model": "compatible/other"}
        answer = await client.patch(f"{KNOWLEDGE}/bases/{base}", json=change)
        assert answer.status_code == 200

        async def begun():
            return (await client.get(f"{KNOWLEDGE}/bases/{base}")).json()["embedding_error"]

        await until(begun)
        switch.script = embedding()
        assert (await search(client, base))["data"][0]["content"] == DOGS
        switch.script = embedding(32)
        await served(client, base, "compatible/other")
        assert (await search(client, base))["data"][0]["content"] == DOGS
        spaces = await connection.fetch(
            "select s.model, s.dimensions, count(*) from agentes.chunk_vectors v"
            " join agentes.embedding_spaces s on s.id = v.space_id group by 1, 2"
        )
        assert [tuple(row) for row in spaces] == [("compatible/other", 32, 2)]


async def test_indexing_anew_asks_for_no_vector_that_is_known(settings):
    async with embedding_service(settings) as (client, switch):
        base = await a_shop(client)
        await served(client, base)
        asked = len(switch.server.requests)
        answer = await client.post(f"{KNOWLEDGE}/bases/{base}/reindex")
        assert answer.json() == {"documents": 2}
        assert (await search(client, base, "coleira", mode="lexical"))["data"]

        async def ready():
            rows = (await client.get(f"{KNOWLEDGE}/documents")).json()["data"]
            return all(row["status"] == "ready" for row in rows)

        await until(ready)
        await served(client, base)
        assert len(switch.server.requests) == asked
        assert (await search(client, base, mode="semantic"))["data"][0]["content"] == DOGS


async def test_a_base_may_do_without_and_models_nobody_serves_are_refused(settings):
    async with embedding_service(settings) as (client, switch):
        base = await a_shop(client, embedding_model="none")
        assert (await search(client, base, "coleira"))["mode_used"] == "lexical"
        answer = await client.patch(
            f"{KNOWLEDGE}/bases/{base}", json={"embedding_model": "openai/x"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_embedder")
        assert switch.server.requests == []
