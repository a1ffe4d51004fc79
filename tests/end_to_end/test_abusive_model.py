"""A model that abuses its tools, against a real process: bounded, logged, and no answer of 500."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.completions_server import STREAM_HEAD, completions_server
from tests.support.run_streams import MODEL
from tests.support.service import running_service
from tests.support.stories import an_agent, asking, stream
from tests.support.tools import a_tool
from tests.support.upstream import UPSTREAMS, sending

pytestmark = [pytest.mark.anyio, pytest.mark.once]
WIRE = UPSTREAMS["openai"].wire
SUM = '{"expression": "1 + 1"}'


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(folder, "data")


def calling(*calls: tuple[str, str]):
    parts = []
    for place, (name, arguments) in enumerate(calls):
        parts += [WIRE.call(place, f"call_{place}", name), WIRE.arguments(place, arguments)]
    return sending(WIRE.start, *parts, WIRE.finish("tool_calls"), WIRE.usage, WIRE.end)


async def loops_for_ever(exchange):
    number = len(exchange.body["messages"])
    await calling(("calcular", json.dumps({"expression": f"1 + {number}"})))(exchange)


async def repeats_itself(exchange):
    await calling(("calcular", SUM))(exchange)


async def fans_out(exchange):
    calls = [("calcular", json.dumps({"expression": f"{n} + 1"})) for n in range(500)]
    await calling(*calls)(exchange)


async def malforms(exchange):
    bad = ["{", "null", "[]", '"x"', '{"expression": 1}', '{"expression": "1", "expression": "2"}']
    bad += ['{"expression": "\\ud800"}', '{"expression": "a\\u0000b"}', "{}", '{"x": NaN}', ""]
    await calling(*(("calcular", each) for each in bad), ("no such\ntool", "{}"))(exchange)


async def interleaves(exchange):
    heads = [WIRE.call(place, f"call_{place}", "calcular") for place in range(5)]
    pieces = [WIRE.arguments(place, char) for char in SUM for place in range(5)]
    parts = [WIRE.start, *heads, *pieces, WIRE.finish("tool_calls"), WIRE.usage, WIRE.end]
    await exchange.send(STREAM_HEAD, *parts)


async def sends_too_much(exchange):
    long = json.dumps({"expression": "9" * 1_000_000})
    nested = '{"expression": ' + "[" * 100_000 + "]" * 100_000 + "}"
    await calling(("calcular", long), ("calcular", nested), ("x" * 100_000, "{}"))(exchange)


async def never_ends_its_arguments(exchange):
    await exchange.send(STREAM_HEAD, WIRE.start, WIRE.call(0, "call_0", "calcular"))
    try:
        while True:
            await exchange.send(WIRE.arguments(0, "9" * 65_536))
    except ConnectionError:
        return


ABUSES = [
    loops_for_ever,
    repeats_itself,
    fans_out,
    malforms,
    interleaves,
    sends_too_much,
    never_ends_its_arguments,
]


def memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


async def test_each_abuse_is_bounded_and_logged(data_dir):
    current = []

    async def abuse(exchange):
        await current[0](exchange)

    async with completions_server(abuse) as model:
        variables = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": model.url}
        async with running_service(data_dir, **variables) as service, service.client() as client:
            agent = (await an_agent(client, model_id=MODEL))["id"]
            await a_tool(client, agent)
            before = memory_mb(service.process.pid)
            for each in ABUSES:
                current[:] = [each]
                asked = len(model.requests)
                events = await stream(client, agent, asking("Quanto é?"))
                shown = [event["data"] for event in events if event["event"] == "tool"]
                made = [call for call in shown if call["status"] == "started"]
                assert len(made) <= 20, each.__name__
                assert len(model.requests) - asked <= 10, each.__name__
                assert len(shown) <= 60, each.__name__
                assert events[-1]["event"] in ("done", "error"), each.__name__
                if events[-1]["event"] == "error":
                    assert events[-1]["data"]["status"] in (502, 503), events[-1]
                run = events[0]["run_id"]
                path = f"/api/v2/agents/{agent}/chat"
                assert (await client.get(f"{path}/runs/{run}")).json()["status"] != "running"
                whole = await client.post(path, json=asking("Quanto é?"))
                assert whole.status_code in (200, 502, 503), (each.__name__, whole.text)
            assert memory_mb(service.process.pid) - before < 150
            assert (await client.get("/health/ready")).status_code == 200
        log = service.log.read_text()
    assert '"tool_calls_refused"' in log
    assert "Traceback" not in log
    assert "crashed" not in log
