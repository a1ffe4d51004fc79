"""What every server of embeddings is asked, and what is made of its answers."""

import json
import math

import pytest
from pydantic import SecretStr

from app.adapters.embedder import EMBEDDERS
from app.core.settings import Settings, SettingsInvalid
from app.ports.embedder import EmbedderRefused, Embedders, EmbedderUnavailable, UnknownEmbedder
from tests.support.completions_server import completions_server
from tests.support.embeddings import embedding, saying, silent, vector

pytestmark = [pytest.mark.anyio, pytest.mark.once]
SERVERS = [name for name in EMBEDDERS if name != "fastembed"]


async def embedded(name: str, *scripts, texts=("um", "dois"), total_s: float = 10):
    """The vectors and the requests that were made for them."""
    async with completions_server(*scripts) as server:
        variables = {
            f"{name.upper()}_BASE_URL": SecretStr(server.url),
            f"{name.upper()}_API_KEY": SecretStr("sk-canary"),
        }
        settings = Settings(provider_variables=variables)
        async with EMBEDDERS[name].open(settings) as embedder:
            assert embedder.is_configured
            vectors = await embedder.embed("m", list(texts), purpose="document", total_s=total_s)
        return vectors, server


@pytest.mark.parametrize("name", SERVERS)
async def test_vectors_come_in_the_order_of_the_texts_with_the_length_one(name):
    vectors, server = await embedded(name, embedding())
    wanted = vector("dois")
    length = math.sqrt(sum(number**2 for number in wanted))
    assert vectors[1] == pytest.approx([number / length for number in wanted])
    assert server.requests[0] == {"model": "m", "input": ["um", "dois"], "encoding_format": "float"}
    assert "authorization: bearer sk-canary" in server.headers[0].lower()


async def test_many_texts_are_asked_in_batches():
    texts = [f"texto {number}" for number in range(150)]
    vectors, server = await embedded("compatible", embedding(), texts=texts)
    assert len(vectors) == 150
    assert [len(request["input"]) for request in server.requests] == [64, 64, 22]


@pytest.mark.parametrize(
    "fault",
    [
        saying("500 Oops"),
        saying("429 Slow down", "{}", "retry-after: 0.1"),
        saying("200 OK", "no json"),
        saying("200 OK", json.dumps({"data": []})),
        saying("200 OK", json.dumps({"data": [{"index": 0, "embedding": [0, 0]}]})),
    ],
)
async def test_what_may_pass_is_asked_again(fault):
    vectors, server = await embedded("openai", fault, embedding())
    assert len(vectors) == 2
    assert len(server.requests) == 2


async def test_a_refusal_is_told_in_the_servers_own_words_and_not_repeated():
    refusal = saying("400 Bad", json.dumps({"error": {"message": "model m does not exist"}}))
    with pytest.raises(EmbedderRefused, match="does not exist") as refused:
        await embedded("openai", refusal)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("fault", [silent, saying("503 Busy", "{}", "retry-after: 600")])
async def test_a_server_that_does_not_answer_is_not_waited_for(fault):
    with pytest.raises(EmbedderUnavailable):
        await embedded("openai", fault, total_s=0.5)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OPENAI_API_KEY", "sk-“canary”"),
        ("OPENAI_BASE_URL", "http://1.2.3.999/v1"),
        ("OPENAI_BASE_URL", "http://é..b/v1"),
    ],
)
async def test_a_key_or_an_address_that_is_none_is_told_at_the_start(variable, value):
    variables = {"OPENAI_API_KEY": SecretStr("k"), variable: SecretStr(value)}
    with pytest.raises(SettingsInvalid, match=variable) as told:
        async with EMBEDDERS["openai"].open(Settings(provider_variables=variables)):
            pass
    assert "canary" not in str(told.value)


async def test_models_are_named_with_an_embedder_that_is_set_up():
    async with EMBEDDERS["openai"].open(Settings()) as unset:
        embedders = Embedders({"openai": unset})
        for model_id in ("openai/x", "x", "nobody/x", "openai/"):
            with pytest.raises(UnknownEmbedder):
                embedders.resolve(model_id)
        assert not embedders.any_configured
