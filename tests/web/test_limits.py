"""Limits: exactly as many as allowed, told in headers, by key, address and stream."""

import asyncio
import time
from ipaddress import ip_network

import httpx2
import pytest

from app.web.client_address import client_address, counted_as
from tests.conftest import serving
from tests.support.clerk import running_clerk
from tests.support.log_lines import log_lines
from tests.support.run_streams import Endless, over
from tests.support.stories import an_agent

pytestmark = pytest.mark.anyio
SETTINGS = "/api/v2/settings"
AGENTS = "/api/v2/agents"


async def limit(client, **limits):
    answer = await client.patch(SETTINGS, json={"rate_limits": limits})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_of_two_hundred_requests_at_once_exactly_a_hundred_pass(client):
    await limit(client, requests_per_minute=100)
    started_s = time.monotonic()
    answers = await asyncio.gather(*(client.get(AGENTS) for _ in range(200)))
    refilled = int((time.monotonic() - started_s) * 100 / 60)
    passed = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(passed) + len(refused) == 200
    assert 100 <= len(passed) <= 100 + refilled
    assert refused[0].json()["code"] == "rate_limited"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].headers["ratelimit-policy"] == '"requests";q=100;w=60'
    assert refused[0].headers["ratelimit"].startswith('"requests";r=0;t=')
    assert passed[0].headers["ratelimit"].startswith('"requests";r=')


async def test_one_request_passes_again_when_retry_after_is_over(client):
    await limit(client, requests_per_minute=60)
    answers = await asyncio.gather(*(client.get(AGENTS) for _ in range(90)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    await asyncio.sleep(int(refused[-1].headers["retry-after"]))
    assert (await client.get(AGENTS)).status_code == 200


async def test_the_organization_local_has_no_limits_until_they_are_set(client):
    answer = await client.get(AGENTS)
    assert "ratelimit" not in answer.headers
    read = (await client.get(SETTINGS)).json()
    assert read["rate_limits"]["requests_per_minute"] is None
    changed = await limit(client, requests_per_minute=5, chats_per_minute=3)
    assert changed["version"] == 1
    back = await limit(client, requests_per_minute=None)
    assert back["rate_limits"]["requests_per_minute"] is None
    assert back["rate_limits"]["chats_per_minute"] == 3


async def test_with_clerk_the_defaults_hold(settings):
    async with running_clerk() as clerk:
        chosen = settings.model_copy(update={"clerk_issuer": clerk.issuer})
        async with serving(chosen) as url, httpx2.AsyncClient(base_url=url) as client:
            headers = {"Authorization": f"Bearer {clerk.token()}"}
            answer = await client.get(AGENTS, headers=headers)
            assert answer.headers["ratelimit-policy"] == (
                '"requests";q=120;w=60, "organization";q=2400;w=60'
            )


async def test_chats_have_a_limit_of_their_own(client):
    await limit(client, chats_per_minute=2)
    agent = await an_agent(client)
    path, body = f"{AGENTS}/{agent['id']}/chat", {"messages": [{"role": "user", "content": "Oi"}]}
    answers = [(await client.post(path, json=body)).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert (await client.get(AGENTS)).status_code == 200


async def test_a_refused_chat_uses_up_nothing_else(client):
    await limit(client, chats_per_minute=1, requests_per_minute=100)
    agent = await an_agent(client)
    path, body = f"{AGENTS}/{agent['id']}/chat", {"messages": [{"role": "user", "content": "Oi"}]}
    answers = [await client.post(path, json=body) for _ in range(20)]
    assert [answer.status_code for answer in answers].count(429) == 19
    assert '"chats";r=0' in answers[-1].headers["ratelimit"]
    left = (await client.get(AGENTS)).headers["ratelimit"]
    assert int(left.partition('"requests";r=')[2].partition(";")[0]) >= 90


async def test_whoever_wants_to_be_many_visitors_is_still_one_address(client):
    agent = await an_agent(client, visibility="public")
    body = {"agent_id": agent["id"], "name": "Site", "allowed_origins": ["https://a.example"]}
    key = (await client.post(f"{SETTINGS}/widget-keys", json=body)).json()["key"]
    await limit(client, address_chats_per_minute=3)
    path, asked = f"{AGENTS}/{agent['id']}/chat", {"messages": [{"role": "user", "content": "Oi"}]}
    statuses = []
    for _ in range(5):
        headers = {"Origin": "https://a.example"}
        opened = await client.post("/api/v2/widget/sessions", json={"key": key}, headers=headers)
        headers = {"Authorization": f"Bearer {opened.json()['token']}"}
        answer = await client.post(path, json=asked, headers=headers)
        statuses.append(answer.status_code)
    assert statuses == [200, 200, 200, 429, 429]
    assert answer.json()["limit"] == "address_chats"
    assert (await client.post(path, json=asked)).status_code == 200  # a key's is no visitor's


async def test_whoever_shows_no_credential_is_not_answered_for_ever(client):
    async with httpx2.AsyncClient(base_url=client.base_url) as stranger:
        started_s = time.monotonic()
        answers = [(await stranger.get(AGENTS)).status_code for _ in range(400)]
        refilled = int((time.monotonic() - started_s) * 5) + 1
    assert answers[:300] == [401] * 300
    assert 100 - refilled <= answers.count(429) <= 100
    assert (await client.get(AGENTS)).status_code == 200


async def test_a_proxys_word_counts_only_where_it_is_trusted(settings):
    """As under `uvicorn main:app`, which takes the word of whoever is on its own machine."""
    for trusted, expected in (((), "127.0.0.1"), ((ip_network("127.0.0.0/8"),), "1.2.3.4")):
        chosen = settings.model_copy(update={"trusted_proxies": trusted})
        async with serving(chosen) as url, httpx2.AsyncClient(base_url=url) as client:
            key = (settings.data_dir / "api_key").read_text().strip()
            headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "1.2.3.4"}
            assert (await client.get(AGENTS, headers=headers)).status_code == 200
        async with serving(chosen) as url, httpx2.AsyncClient(base_url=url) as client:
            listed = await client.get(f"{SETTINGS}/api-keys", headers=headers)
            assert listed.json()["data"][0]["last_used_address"] == expected


async def test_a_key_that_is_guessed_at_is_not_answered_for_long(client):
    async with httpx2.AsyncClient(base_url=client.base_url) as guesser:
        headers = {"Authorization": "Bearer ac_live_x"}
        answers = [(await guesser.get(AGENTS, headers=headers)).status_code for _ in range(25)]
    assert answers[:20] == [401] * 20
    assert set(answers[20:]) == {429}
    assert (await client.get(AGENTS)).status_code == 200


async def test_streams_beyond_the_limit_are_refused_and_a_closed_one_makes_room(settings):
    async with over(settings, Endless()) as stage:
        await limit(stage.client, open_streams=1)
        body = {"messages": [{"role": "user", "content": "Oi"}]}
        path = f"{stage.path}/stream"
        async with stage.client.stream("POST", path, json=body) as first:
            assert first.status_code == 200
            refused = await stage.client.post(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        async with asyncio.timeout(5):
            while True:
                async with stage.client.stream("POST", path, json=body) as second:
                    if second.status_code == 200:
                        break


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("9.9.9.9", ["1.2.3.4"], "9.9.9.9"),
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", ["1.2.3.4:5555"], "1.2.3.4"),
        ("10.0.0.1", ["[2001:db8::1]:80"], "2001:db8::1"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [", ".join(["6.6.6.6"] * 1000)], "6.6.6.6"),
    ],
)
def test_only_what_our_own_proxies_have_added_tells_the_address(peer, forwarded, expected):
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    headers += [(b"x-real-ip", b"7.7.7.7"), (b"forwarded", b"for=7.7.7.7")]
    scope = {"type": "http", "client": (peer, 1), "headers": headers}
    assert client_address(scope, (ip_network("10.0.0.0/8"),)) == expected


@pytest.mark.parametrize(
    ("peer", "written", "expected"),
    [
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", [" 2001:db8::1 "], "2001:db8::1"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "10.0.0.1"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("9.9.9.9", ["1.2.3.4"], "9.9.9.9"),
    ],
)
def test_a_header_that_the_proxy_overwrites_tells_the_address_alone(peer, written, expected):
    headers = [(b"x-real-ip", value.encode()) for value in written]
    headers.append((b"x-forwarded-for", b"6.6.6.6"))
    scope = {"type": "http", "client": (peer, 1), "headers": headers}
    assert client_address(scope, (ip_network("10.0.0.0/8"),), "X-Real-IP") == expected


async def test_a_proxy_that_nobody_has_named_is_warned_of_once(client):
    with log_lines() as lines:
        for _ in range(2):
            await client.get("/health/live", headers={"X-Forwarded-For": "1.2.3.4"})
    assert [line["event"] for line in lines].count("forwarded_header_ignored") == 1
    assert "1.2.3.4" not in str(lines)


def test_an_ipv6_customer_is_one_address():
    assert counted_as("2001:db8:1:2:3::1") == counted_as("2001:db8:1:2:ffff::9")
    assert counted_as("2001:db8:1:2::1") != counted_as("2001:db8:1:3::1")
    assert counted_as("::ffff:1.2.3.4") == "1.2.3.4"
