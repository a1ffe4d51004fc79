"""What takes effect outside does so once: through kills, retries and joins, in real processes."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.approvals import calling, saying
from tests.support.completions_server import completions_server
from tests.support.run_streams import MODEL, FrameReader, data_of, name_of, resume
from tests.support.service import running_service
from tests.support.stories import an_agent, asking
from tests.support.tools import a_tool

pytestmark = [pytest.mark.anyio, pytest.mark.once]
ORDER = ("pedir", '{"sku": "A-1"}')


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder, "data")


async def holding(exchange):
    """A shop that takes the order and does not answer."""
    await exchange.until_closed()


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "not yet kept"])
async def test_an_order_that_a_kill_cut_off_is_never_placed_again(data_dir, is_kept):
    async with (
        completions_server(holding) as shop,
        completions_server(calling(ORDER, text="Vou pedir."), saying("Pedido.")) as model,
    ):
        variables = {
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": model.url,
            "OUTBOUND_ALLOW_PRIVATE_CIDRS": "127.0.0.0/8",
        }
        headers = {"Idempotency-Key": "order-1"}
        body = asking("Peça um A-1.")
        async with running_service(data_dir, **variables) as service, service.client() as client:
            agent = await an_agent(client, model_id=MODEL)
            config = {"url": f"{shop.root}/orders", "method": "POST", "body": {"sku": "{sku}"}}
            await a_tool(client, agent["id"], type="http", name="pedir", config=config)
            path = f"/api/v2/agents/{agent['id']}/chat"
            async with client.stream(
                "POST", f"{path}/stream", json=body, headers=headers
            ) as answer:
                first = data_of((await FrameReader(answer).take(1))[0])
                async with asyncio.timeout(20):
                    while not shop.requests:
                        await asyncio.sleep(0.05)
                if is_kept:  # what was streamed
                    await asyncio.sleep(2.5)
                await service.end(signal.SIGKILL)
        async with running_service(data_dir, **variables) as service, service.client() as client:
            async with client.stream(
                "POST", f"{path}/stream", json=body, headers=headers
            ) as answer:
                assert answer.headers["idempotency-replayed"] == "true"
                joined = await asyncio.wait_for(FrameReader(answer).take(), 60)
            assert data_of(joined[0])["run_id"] == first["run_id"]
            error = data_of(joined[-1])["data"]
            assert (error["code"], error["retryable"]) == ("run_interrupted", False)
            state = await client.get(f"{path}/runs/{first['run_id']}")
            assert state.json()["error"]["retryable"] is False
            if is_kept:
                assert await resume(client, path, first["run_id"], 0) == joined
            kept = await client.get(f"/api/v2/conversations/{first['conversation_id']}/messages")
            call = kept.json()["data"][-1]["tool_calls"][0]
            assert (call["status"], call["error"]["code"]) == ("failed", "outcome_unknown")
            # The next message is told so, and decides for itself.
            again = asking("Deu certo?", conversation_id=first["conversation_id"])
            told = await client.post(path, json=again)
            assert told.json()["answer"] == "Pedido."
    assert [request["sku"] for request in shop.requests] == ["A-1"]
    assert len(model.requests) == 2
    assert "outcome_unknown" in model.requests[1]["messages"][0]["content"]
    assert [name_of(frame) for frame in joined].count("tool") == 1
