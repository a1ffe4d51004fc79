"""Runs: resumed from every event, joined by a key, cancelled for real, stopped when abandoned."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from app.core.clock import SystemClock
from app.core.ids import RunId, new_id
from app.features.chat.abandonment import cancel_when_abandoned
from app.features.chat.records import RunIds
from tests.support.completions_server import STREAM_HEAD, USAGE, delta
from tests.support.run_streams import (
    WORDS,
    Endless,
    FrameReader,
    data_of,
    name_of,
    number_of,
    over,
    slowly,
)
from tests.support.stories import asking

pytestmark = pytest.mark.anyio
ID_FIELDS = ("organization_id", "run_id", "agent_id", "conversation_id", "message_id")


def run_of(frames: list[bytes]) -> str:
    return data_of(frames[0])["run_id"]


async def test_cut_after_every_event_and_resumed_a_stream_is_the_same(settings):
    async with over(settings, slowly) as stage:
        whole = await stage.frames()
        assert [number_of(frame) for frame in whole] == list(range(1, len(whole) + 1))
        for cut in range(1, len(whole)):
            first = await stage.begin(cut)
            rest = await stage.resume(run_of(first), number_of(first[-1]))
            both = first + rest
            assert [number_of(frame) for frame in both] == list(range(1, len(whole) + 1)), cut
            texts = [data_of(frame)["data"] for frame in both if name_of(frame) == "answer"]
            assert texts == WORDS
            assert [name_of(frame) for frame in both] == [name_of(frame) for frame in whole]


async def test_an_ended_stream_can_be_read_again_from_anywhere(settings):
    async with over(settings, slowly) as stage:
        whole = await stage.frames()
        await asyncio.sleep(2.5)  # its buffer has been given up; the database has it
        for after in range(len(whole) + 1):
            assert await stage.resume(run_of(whole), after) == whole[after:]
        beyond = {"Last-Event-ID": str(len(whole) + 1)}
        path = f"{stage.path}/runs/{run_of(whole)}/stream"
        answer = await stage.client.get(path, headers=beyond)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_event_id")


async def test_after_fifteen_minutes_a_run_is_expired_and_its_stream_forgotten(
    settings, connection
):
    async with over(settings, slowly) as stage:
        run_id = run_of(await stage.frames())
        await connection.execute(
            "update agentes.runs set ended_at = now() - interval '16 minutes';"
            "update agentes.run_frames set ended_at = now() - interval '16 minutes'"
        )
        answer = await stage.client.get(f"{stage.path}/runs/{run_id}/stream")
        assert (answer.status_code, answer.json()["code"]) == (410, "run_expired")
        await connection.fetchval("select runs_purge_v1()")
        assert await connection.fetchval("select count(*) from agentes.run_frames") == 0


@pytest.mark.parametrize("suffix", ["", "/stream", "/cancel"])
async def test_an_unknown_run_is_not_found(settings, suffix):
    async with over(settings, slowly) as stage:
        method = "POST" if suffix == "/cancel" else "GET"
        answer = await stage.client.request(method, f"{stage.path}/runs/{new_id()}{suffix}")
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


@pytest.mark.parametrize("given", ["abc", "-1", "1" * 11, "1.5", "999999"])
async def test_a_number_that_nobody_can_have_read_is_refused(settings, given):
    async with over(settings, Endless()) as stage:
        run_id = run_of(await stage.begin(3))
        headers = {"Last-Event-ID": given}
        answer = await stage.client.get(f"{stage.path}/runs/{run_id}/stream", headers=headers)
        assert answer.status_code == 422
        await stage.client.post(f"{stage.path}/runs/{run_id}/cancel")


async def test_a_cancelled_run_closes_the_model_keeps_its_text_and_ends_as_done(settings):
    endless = Endless()
    async with over(settings, endless) as stage:
        async with stage.client.stream("POST", f"{stage.path}/stream", json=asking("Oi")) as answer:
            reader = FrameReader(answer)
            first = await reader.take(6)
            taken, started = endless.sent, time.monotonic()
            cancel = f"{stage.path}/runs/{run_of(first)}/cancel"
            state = (await stage.client.post(cancel)).json()
            await asyncio.wait_for(endless.closed.wait(), 1)
            assert time.monotonic() - started < 1
            assert endless.sent <= taken + 3  # what the sockets held; the model wrote no more
            last = (await reader.take())[-1]
        assert state["status"] == "cancelled"
        assert (await stage.client.post(cancel)).json()["status"] == "cancelled"
        assert name_of(last) == "done"
        assert data_of(last)["data"]["finish_reason"] == "cancelled"
        kept = await stage.client.get(f"/api/v2/conversations/{state['conversation_id']}/messages")
        message = kept.json()["data"][-1]
        assert message["status"] == "incomplete"
        assert message["content"].startswith("pedaço pedaço")
        usage = message["metadata"]["usage"]
        assert usage["estimated"] is True
        assert usage["output_tokens"] > 0


async def test_a_hundred_equal_requests_with_one_key_are_one_run(settings):
    async with over(settings, slowly) as stage:
        key = new_id()
        streams = await asyncio.gather(*(stage.frames(key=key) for _ in range(100)))
        assert len(stage.server.requests) == 1
        assert all(frames == streams[0] for frames in streams)
        later = await stage.frames(key=key)
        assert later == streams[0]
        conversations = (await stage.client.get("/api/v2/conversations")).json()["data"]
        assert len(conversations) == 1


async def test_a_key_is_answered_alike_for_a_day_though_the_stream_is_gone(settings, connection):
    async with over(settings, slowly) as stage:
        first = await stage.frames(key="k-1")
        await connection.execute(
            "delete from agentes.run_frames;"
            "update agentes.runs set ended_at = now() - interval '1 hour'"
        )
        await asyncio.sleep(2.5)
        again = await stage.frames(key="k-1")
        assert len(stage.server.requests) == 1
        assert data_of(again[-1]) == data_of(first[-1])
        text = "".join(data_of(frame)["data"] for frame in again if name_of(frame) == "answer")
        assert text == "".join(WORDS)
        await connection.execute(
            "update agentes.idempotency_keys set created_at = now() - interval '25 hours'"
        )
        await stage.frames(key="k-1")
        assert len(stage.server.requests) == 2


async def test_the_whole_answer_is_joined_too(settings):
    async with over(settings, slowly) as stage:
        headers = {"Idempotency-Key": "k-2"}

        async def ask():
            return await stage.client.post(stage.path, json=asking("Oi"), headers=headers)

        answers = await asyncio.gather(*(ask() for _ in range(20)))
        assert len(stage.server.requests) == 1
        assert {answer.json()["answer"] for answer in answers} == {"".join(WORDS)}
        assert len({answer.json()["run_id"] for answer in answers}) == 1
        replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
        assert replayed.count("true") == 19


@pytest.mark.parametrize(
    ("path", "body"),
    [("/stream", asking("Outra")), ("", asking("Oi"))],
    ids=["another body", "another route"],
)
async def test_a_key_of_a_different_request_is_refused(settings, path, body):
    async with over(settings, slowly) as stage:
        await stage.frames(key="k-3")
        headers = {"Idempotency-Key": "k-3"}
        answer = await stage.client.post(f"{stage.path}{path}", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_key_of_a_deleted_conversation_is_free(settings):
    async with over(settings, slowly) as stage:
        first = await stage.frames(key="k-5")
        conversation = data_of(first[0])["conversation_id"]
        await stage.client.delete(f"/api/v2/conversations/{conversation}")
        assert name_of((await stage.frames(key="k-5"))[-1]) == "done"
        assert len(stage.server.requests) == 2


async def test_a_refused_request_leaves_its_key_free(settings):
    async with over(settings, slowly) as stage:
        headers = {"Idempotency-Key": "k-4"}
        wrong = asking("Oi", conversation_id=new_id())
        answer = await stage.client.post(f"{stage.path}/stream", json=wrong, headers=headers)
        assert answer.status_code == 404
        assert name_of((await stage.frames(key="k-4"))[-1]) == "done"


@pytest.mark.parametrize("key", [b"x" * 256, b"two words", "ação".encode()])
async def test_a_key_that_is_none_is_malformed(settings, key):
    async with over(settings, slowly) as stage:
        headers = {b"Idempotency-Key": key}
        answer = await stage.client.post(stage.path, json=asking("Oi"), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_what_is_written_is_kept_within_two_seconds_though_the_model_falls_silent(
    settings, connection
):
    async def silent(exchange):
        await exchange.send(STREAM_HEAD, delta("Olá, "))
        await exchange.until_closed()

    async with over(settings, silent) as stage:
        await stage.begin(3)
        await asyncio.sleep(2.6)
        kept = await connection.fetchval(
            "select content from agentes.messages where role = 'assistant'"
        )
        assert kept == "Olá, "


async def test_a_run_whose_conversation_is_deleted_says_so_and_stops(settings):
    endless = Endless()
    async with over(settings, endless) as stage:
        async with stage.client.stream("POST", f"{stage.path}/stream", json=asking("Oi")) as answer:
            reader = FrameReader(answer)
            first = await reader.take(4)
            conversation = data_of(first[0])["conversation_id"]
            gone = await stage.client.delete(f"/api/v2/conversations/{conversation}")
            assert gone.status_code == 204
            last = (await reader.take())[-1]
        assert name_of(last) == "error"
        assert data_of(last)["data"]["code"] == "run_deleted"
        await asyncio.wait_for(endless.closed.wait(), 1)


async def test_a_cut_short_answer_reports_what_the_provider_counted(settings):
    async def cut(exchange):
        await exchange.send(STREAM_HEAD, delta("Olá"), USAGE)

    async with over(settings, cut) as stage:
        frames = await stage.frames()
        metadata = next(data_of(f)["data"] for f in frames if name_of(f) == "metadata")
        assert metadata["usage"] == {"input_tokens": 7, "output_tokens": 3, "cached_tokens": 0}


@dataclass
class WatchedRun:
    """A run as far as abandonment looks at it."""

    ids: RunIds = field(default_factory=lambda: RunIds(**dict.fromkeys(ID_FIELDS, RunId("r"))))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: int = 0
    watched: bool = False

    @property
    def buffer(self):
        return self

    @property
    def run_buffers(self):
        return self

    @property
    def clock(self):
        return SystemClock()

    async def is_watched_elsewhere(self, run_id):
        return self.watched

    def cancel(self):
        self.ended.set()


async def abandoned(run: WatchedRun, within_s: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await cancel_when_abandoned(run, run, after_s=0.1, look_every_s=0.01)
    return run.ended.is_set()


async def test_a_run_is_stopped_once_nobody_has_listened_for_a_while():
    assert await abandoned(WatchedRun(), 2)


@pytest.mark.parametrize("who", [{"listeners": 1}, {"watched": True}], ids=["here", "elsewhere"])
async def test_a_run_with_a_listener_goes_on(who):
    assert not await abandoned(WatchedRun(**who), 0.4)
