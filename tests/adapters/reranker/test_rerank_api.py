"""What every server that reranks is asked, and what is made of its answers."""

import json
import time

import pytest
from pydantic import SecretStr

from app.adapters.reranker import RERANKERS
from app.core.settings import Settings
from app.ports.reranker import RerankerFailed, UnknownReranker, resolve_reranker
from tests.support.completions_server import completions_server
from tests.support.embeddings import saying, silent

pytestmark = [pytest.mark.anyio, pytest.mark.once]
PASSAGES = ["um", "dois", "três"]


def rating(*ratings):
    rows = [{"index": place, "relevance_score": score} for place, score in enumerate(ratings)]
    return saying("200 OK", json.dumps({"id": "1", "results": rows[::-1]}))


def opened(name, server):
    variables = {
        f"{name.upper()}_BASE_URL": SecretStr(server.url),
        f"{name.upper()}_API_KEY": SecretStr("sk-canary"),
    }
    return RERANKERS[name].open(Settings(provider_variables=variables))


@pytest.mark.parametrize("name", list(RERANKERS))
async def test_ratings_come_in_the_order_of_the_passages(name):
    async with completions_server(rating(0.1, 0.9, 0.5)) as server, opened(name, server) as one:
        assert one.is_configured
        assert await one.rate("m", "Qual?", PASSAGES, total_s=5) == [0.1, 0.9, 0.5]
        assert await one.rate("m", "Qual?", [], total_s=5) == []
    (asked,) = server.requests
    assert asked == {"model": "m", "query": "Qual?", "documents": PASSAGES, "top_n": 3}
    assert "authorization: bearer sk-canary" in server.headers[0].lower()


@pytest.mark.parametrize(
    "fault",
    [
        saying("500 Oops"),
        saying("401 No"),
        saying("200 OK", "no json"),
        saying("200 OK", json.dumps({"results": []})),
        saying("200 OK", json.dumps({"results": [{"index": 0, "relevance_score": "x"}] * 3})),
        saying("200 OK", '{"results": [{"index": 0, "relevance_score": 1e999}]}'),
        rating(0.1, 0.2),
        rating(0.1, 0.2, 0.3, 0.4),
        silent,
    ],
)
async def test_a_server_that_fails_is_left_alone_for_a_while(fault):
    async with completions_server(fault) as server, opened("compatible", server) as one:
        for _ in range(3):
            with pytest.raises(RerankerFailed):
                await one.rate("m", "Qual?", PASSAGES, total_s=0.5)
        assert len(server.requests) == 1


async def test_what_cannot_be_reached_fails_at_once():
    settings = Settings(provider_variables={"VLLM_BASE_URL": SecretStr("http://127.0.0.1:9")})
    async with RERANKERS["vllm"].open(settings) as one:
        begun = time.monotonic()
        with pytest.raises(RerankerFailed):
            await one.rate("m", "Qual?", PASSAGES, total_s=5)
        assert time.monotonic() - begun < 4


async def test_what_nobody_serves_is_not_found():
    async with RERANKERS["cohere"].open(Settings()) as one:
        for model_id in ("cohere/rerank-v3.5", "cohere/", "cohere", "nobody/m"):
            with pytest.raises(UnknownReranker):
                resolve_reranker({"cohere": one}, model_id)
