"""Event streams over processes that share a Redis, stop, and start again."""

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from tests.support.browser import browsing, page_server
from tests.support.event_streams import listening
from tests.support.lacking import program
from tests.support.redis_server import running_redis
from tests.support.service import STORE_VARIABLES, running_service, started
from tests.support.stories import asking

pytestmark = pytest.mark.anyio
TICKETS = "/api/v2/events/tickets"


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(name)


async def happen(client: httpx2.AsyncClient, count: int) -> list[str]:
    """Facts, by the API; gives their names in order."""
    names = []
    for place in range(count):
        lead = {"name": f"Ana {place}", "email": f"{os.urandom(8).hex()}@example.com"}
        answer = await client.post("/api/v2/leads", json=lead)
        assert answer.status_code == 201, answer.text
        names.append(answer.json()["id"])
    return names


@pytest.fixture
async def two(cluster, database_name, folder) -> AsyncIterator[tuple]:
    """Two processes over one database and one Redis, and that Redis."""
    url = f"postgresql://postgres@/{database_name}?host={cluster.socket_dir}&port={cluster.port}"
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(running_redis())
        variables = {**(STORE_VARIABLES or {"DATABASE_URL": url}), "REDIS_URL": redis.url}
        services = [
            await stack.enter_async_context(running_service(folder / "data", **variables))
            for _ in range(2)
        ]
        clients = [await stack.enter_async_context(one.client()) for one in services]
        yield clients[0], clients[1], redis


async def test_processes_show_the_same_events_whatever_becomes_of_redis(two):
    one, other, redis = two
    async with listening(one, 0) as here, listening(other, 0) as there:
        written = []
        for step in (None, redis.kill, redis.start):
            if step is not None:
                await step()
            for client in (one, other, one):
                written += await happen(client, 3)
        seen = [await reader.take(27, within_s=20) for reader in (here, there)]
    assert seen[0] == seen[1]
    assert [event["number"] for event in seen[0]] == list(range(1, 28))
    assert [event["data"]["lead_id"] for event in seen[0]] == written


async def test_what_a_person_writes_at_one_process_is_followed_at_another_also_without_redis(two):
    one, other, redis = two
    agent = (await one.post("/api/v2/agents", json={"name": "Ana", "model_id": "local"})).json()
    chat = await one.post(f"/api/v2/agents/{agent['id']}/chat", json=asking("Oi"))
    path = f"/api/v2/conversations/{chat.json()['conversation_id']}"
    async with other.stream("GET", f"{path}/stream") as answer:
        lines = answer.aiter_lines()
        for step in (None, redis.kill, redis.start):
            if step is not None:
                await step()
            sent = await one.post(f"{path}/messages", json={"content": f"Olá, {step}"})
            assert sent.status_code == 201
            async with asyncio.timeout(20):
                while True:
                    if (line := await anext(lines)).startswith("data: ") and '"done"' in line:
                        break
            assert json.loads(line[6:])["message_id"] == sent.json()["id"]


async def test_a_ticket_of_one_process_opens_one_stream_at_the_other_without_redis(two):
    one, other, redis = two
    await redis.kill()
    ticket = (await one.post(TICKETS)).json()["ticket"]
    del other.headers["Authorization"]

    async def status() -> int:
        query = {"ticket": ticket}
        async with other.stream("GET", "/api/v2/events/dashboard", params=query) as answer:
            return answer.status_code

    assert sorted(await asyncio.gather(*(status() for _ in range(5)))) == [200] + [401] * 4


@pytest.mark.once
async def test_told_to_stop_streams_end_at_once_and_go_on_after_the_restart(folder):
    async with AsyncExitStack() as stack:
        async with running_service(folder / "data") as service, service.client() as client:
            ticket = (await client.post(TICKETS)).json()["ticket"]
            streams = [await stack.enter_async_context(listening(client)) for _ in range(20)]
            bare = httpx2.AsyncClient(base_url=service.url)
            stack.push_async_callback(bare.aclose)
            streams.append(await stack.enter_async_context(listening(bare, ticket=ticket)))
            await happen(client, 2)
            for reader in streams:
                assert [event["number"] for event in await reader.take(2)] == [1, 2]
            service.process.send_signal(signal.SIGTERM)
            for reader in streams:
                await reader.end(within_s=5)
                assert reader.comments == ["closed: stopping"]
            await asyncio.wait_for(service.process.wait(), 20)
        log = service.log.read_text()
        assert ticket not in log
        assert "Traceback" not in log
        async with running_service(folder / "data") as service, service.client() as client:
            await happen(client, 1)
            async with listening(client, 1) as reader:
                assert [event["number"] for event in await reader.take(2)] == [2, 3]


PAGE = """<!doctype html><title>Dashboard</title><script>
const api = "%(url)s/api/v2/events", key = "%(key)s";
const say = (seen) => fetch("/seen", {method: "POST", body: JSON.stringify(seen)});
let last = "";
async function follow() {
  try {
    const answer = await fetch(api + "/tickets",
      {method: "POST", headers: {Authorization: "Bearer " + key}});
    const ticket = await answer.json();
    last = last || ticket.last_event_id;
    const source = new EventSource(
      `${api}/dashboard?ticket=${ticket.ticket}&last_event_id=${last}`);
    source.onopen = () => say({type: "open"});
    source.onmessage = (message) => {
      last = message.lastEventId || last;
      const event = JSON.parse(message.data);
      say({type: event.type, number: message.lastEventId, id: (event.data || {}).lead_id});
    };
    source.onerror = () => { source.close(); setTimeout(follow, 200); };
  } catch { setTimeout(follow, 200); }
}
follow();
</script>"""


@pytest.mark.once
async def test_a_browser_follows_through_a_restart_without_a_gap_or_a_repeat(folder):
    binary = program("chromium")
    async with page_server() as page:
        listed = {"CORS_ORIGINS": page.origin}
        async with (
            running_service(folder / "data", **listed) as service,
            service.client() as client,
        ):
            page.html = PAGE % {"url": service.url, "key": service.key}
            async with browsing(binary, page.origin, folder / "profile"):
                assert await page.saw(1) == [{"type": "open"}]
                written = await happen(client, 3)
                await page.saw(4)
                written += await happen(client, 3)
                await service.end()
                port = int(service.url.rpartition(":")[2])
                again = await started(folder / "data", port, service.log, **listed)
                try:
                    written += await happen_once_it_answers(client, 3)
                    seen = await page.saw(len(written) + 2)
                    await happen(client, 1)
                    await page.saw(len(written) + 3)
                finally:
                    again.terminate()
                    await again.wait()
    events = [one for one in seen if one["type"] == "lead_captured"]
    assert [int(one["number"]) for one in events] == list(range(1, len(events) + 1))
    assert [one["id"] for one in events][: len(written)] == written


async def happen_once_it_answers(client: httpx2.AsyncClient, count: int) -> list[str]:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.get("/health/live")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
            else:
                return await happen(client, count)
