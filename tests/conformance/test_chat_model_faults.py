"""What every provider makes of its server's faults, asked of each one in the registry."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from app.adapters.llm import error_bodies
from app.ports.llm import (
    Conduct,
    ContextTooLong,
    Finished,
    ProviderDisconnected,
    ProviderFailed,
    ProviderMalformed,
    ProviderOutOfCredit,
    ProviderOverloaded,
    ProviderPaused,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRefusedRequest,
    ProviderStalled,
    TextDelta,
    ToolCall,
    Usage,
)
from tests.support.completions_server import STREAM_HEAD
from tests.support.hand_clock import HandClock
from tests.support.service import free_port
from tests.support.upstream import (
    IMPATIENT,
    KEY,
    PATIENT,
    REQUEST,
    UPSTREAMS,
    Upstream,
    refusing,
    sending,
    silent_after,
    text_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def logs() -> Iterator[list[dict[str, Any]]]:
    """All that is logged, whatever level a service of an earlier test had asked for."""
    before = structlog.get_config()
    structlog.reset_defaults()
    with capture_logs() as records:
        yield records
    structlog.configure(**before)


ECHO = f"Incorrect key {KEY} at http://127.0.0.1/v1"


@pytest.fixture(params=UPSTREAMS.values(), ids=UPSTREAMS)
def upstream(request) -> Upstream:
    return request.param


async def outcome(provider):
    """The events of one call and the failure that ended it."""
    events = []
    try:
        async with asyncio.timeout(15):  # half of what a provider would get by default
            async for event in provider.stream(REQUEST):
                events.append(event)
    except ProviderFailed as failure:
        return events, failure
    return events, None


@pytest.mark.parametrize(
    ("status", "label", "kind", "requests"),
    [
        ("401 Unauthorized", "authentication_error", ProviderRefusedKey, 1),
        ("403 Forbidden", "permission_error", ProviderRefusedKey, 1),
        ("402 Payment Required", "billing_error", ProviderOutOfCredit, 1),
        ("404 Not Found", "not_found_error", ProviderRefusedRequest, 1),
        ("422 Unprocessable", "invalid_request_error", ProviderRefusedRequest, 1),
        ("400 Bad", "context_length_exceeded", ContextTooLong, 1),
        ("413 Too Large", "rate_limit_exceeded", ContextTooLong, 1),
        ("500 Oops", "input length exceeds maximum context length", ContextTooLong, 1),
        ("302 Found", "", ProviderRefusedRequest, 1),
        ("429 Slow", "rate_limit_error", ProviderRateLimited, 3),
        ("429 Broke", "insufficient_quota", ProviderOutOfCredit, 1),
        ("500 Oops", "api_error", ProviderOverloaded, 3),
        ("502 Bad Gateway", "", ProviderOverloaded, 3),
        ("503 Away", "", ProviderOverloaded, 3),
        ("529 Overloaded", "overloaded_error", ProviderOverloaded, 3),
    ],
)
async def test_a_refusal_has_its_kind_is_tried_again_where_that_may_help_and_tells_no_secret(
    upstream, logs, status, label, kind, requests
):
    body = upstream.wire.error_body(label, ECHO)
    async with upstream.over(refusing(status, body)) as (server, provider):
        _, failure = await outcome(provider)
    assert type(failure) is kind
    assert len(server.requests) == requests
    shown = f"{failure} {failure.detail} {failure.headers} {failure.members} {logs}"
    assert KEY not in shown
    assert "127.0.0.1" not in shown
    assert "Incorrect" not in shown
    assert failure.__suppress_context__
    assert failure.__cause__ is None
    assert [line["provider"] for line in logs] == [upstream.adapter.name] * requests


async def test_of_an_error_without_end_only_the_beginning_is_read(upstream):
    sent = 0
    closed = asyncio.Event()

    async def script(exchange):
        nonlocal sent
        await exchange.send(b"HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\n\r\n")
        await exchange.send(upstream.wire.error_body("context_length_exceeded")[:-1])
        try:
            while True:
                await exchange.send(b" " * 65_536)
                sent += 1
        finally:
            closed.set()

    async with upstream.over(script) as (server, provider):
        _, failure = await outcome(provider)
        await asyncio.wait_for(closed.wait(), 5)
    assert type(failure) is ContextTooLong
    assert (len(server.requests), server.connections) == (1, 1)
    assert sent < 500  # what the network holds, and no more


@pytest.mark.parametrize("end", ["silence", "a reset"])
async def test_an_error_that_is_not_told_to_its_end_is_known_by_its_beginning(
    upstream, monkeypatch, end
):
    monkeypatch.setattr(error_bodies, "PATIENCE_S", 0.2)

    async def script(exchange):
        await exchange.send(b"HTTP/1.1 401 No\r\ncontent-length: 5000\r\n\r\n{")
        if end == "silence":
            await exchange.until_closed()
        else:
            await asyncio.sleep(0.05)
            exchange.reset()

    async with upstream.over(script) as (server, provider):
        _, failure = await outcome(provider)
    assert type(failure) is ProviderRefusedKey
    assert len(server.requests) == 1


async def test_a_compressed_error_is_read_no_further_than_another(upstream):
    body = upstream.wire.error_body("context_length_exceeded") + b" " * 50_000_000

    async def script(exchange):
        await exchange.answer("400 Bad", packed, "content-encoding: gzip")

    packed = gzip.compress(body)
    async with upstream.over(script) as (_, provider):
        tracemalloc.start()
        _, failure = await outcome(provider)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert type(failure) is ContextTooLong
    assert peak_bytes < 10_000_000


@pytest.mark.parametrize(
    ("garbage", "kind"),
    [
        (b"data: {not json\n\n", ProviderMalformed),
        (b'data: "half a \xc3"\n\n', ProviderMalformed),
        (b"data: 5\n\n", ProviderMalformed),
        (b'data: {"choices": 5, "type": "content_block_delta"}\n\n', ProviderMalformed),
        (b"data: " + b"[" * 100_000 + b"\n\n", ProviderMalformed),
        (b"data: " + b"x" * 1_200_000, ProviderMalformed),
        (b"data: " + b"x" * 1_200_000 + b"\n\n", ProviderMalformed),
        (b"data: half a \xc3", ProviderMalformed),
        (b"data: [DON", ProviderMalformed),
        (b"", ProviderDisconnected),
    ],
    ids=[
        "no JSON",
        "half a character",
        "a number",
        "another shape",
        "deep",
        "a line without end",
        "a long line",
        "a cut character at the end",
        "a cut end mark",
        "nothing",
    ],
)
async def test_what_came_before_garbage_is_shown_and_the_end_is_a_failure(upstream, garbage, kind):
    begun = upstream.wire.start + upstream.wire.text("Oi")
    async with upstream.over(sending(begun + garbage)) as (server, provider):
        events, failure = await outcome(provider)
    assert type(failure) is kind
    assert text_of(events) == "Oi"
    assert len(server.requests) == 1


async def test_a_line_without_end_is_cut_off_while_it_grows(upstream):
    begun = upstream.wire.start + upstream.wire.text("Oi")
    script = silent_after(STREAM_HEAD, begun, b"data: " + b"x" * 1_200_000)
    async with upstream.over(script) as (_, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), type(failure)) == ("Oi", ProviderMalformed)


async def test_a_page_with_the_status_200_is_no_answer(upstream):
    async def script(exchange):
        await exchange.answer("200 OK", b"<html>hello</html>", "content-type: text/html")

    async with upstream.over(script) as (server, provider):
        _, failure = await outcome(provider)
    assert type(failure) is ProviderMalformed
    assert len(server.requests) == 1


async def test_a_page_that_says_that_it_is_a_stream_is_a_disconnect(upstream):
    async with upstream.over(sending(b"<html>\n<p>data</p>\n</html>\n")) as (_, provider):
        _, failure = await outcome(provider)
    assert type(failure) is ProviderDisconnected


async def test_an_error_in_the_stream_after_text_ends_it_at_once(upstream):
    wire = upstream.wire
    parts = (wire.start, wire.text("Oi"), wire.overloaded, wire.text("more"), wire.end)
    async with upstream.over(sending(*parts)) as (server, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), type(failure)) == ("Oi", ProviderOverloaded)
    assert "canary" not in f"{failure} {failure.headers}"
    assert len(server.requests) == 1


async def test_an_error_in_the_stream_before_anything_was_shown_is_tried_again(upstream):
    wire = upstream.wire
    broken = sending(wire.start, wire.overloaded)
    async with upstream.over(broken, sending(*upstream.whole("Oi"))) as (server, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), failure) == ("Oi", None)
    assert len(server.requests) == 2


@pytest.mark.parametrize("unseen", ["a thought", "a piece of a call"])
async def test_what_was_written_is_not_paid_twice_even_if_nobody_saw_it(upstream, unseen):
    wire = upstream.wire
    piece = wire.thought("Hm.") if unseen == "a thought" else wire.call(0, "call_a", "stock")
    broken = sending(wire.start, piece, wire.overloaded)
    async with upstream.over(broken, sending(*upstream.whole("Oi"))) as (server, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), type(failure)) == ("", ProviderOverloaded)
    assert len(server.requests) == 1


async def test_what_an_attempt_has_used_is_counted_with_the_next(upstream):
    wire = upstream.wire
    broken = sending(wire.start, wire.usage, wire.overloaded)
    async with upstream.over(broken, sending(*upstream.whole("Oi"))) as (_, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), failure) == ("Oi", None)
    used = [event for event in events if isinstance(event, Usage)]
    assert used[-1] == wire.usage_value + wire.usage_value


async def test_a_call_is_not_given_where_only_the_server_says_that_it_is_over(upstream):
    wire = upstream.wire
    parts = (wire.start, wire.call(0, "call_a", "stock"), wire.arguments(0, '{"n":1}'), wire.end)
    async with upstream.over(sending(*parts)) as (server, provider):
        events, failure = await outcome(provider)
    assert type(failure) is ProviderDisconnected
    assert not any(isinstance(event, ToolCall) for event in events)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, "429"])
@pytest.mark.parametrize("how", ["in the stream", "in its place"])
async def test_an_error_that_is_no_stream_or_has_its_status_in_words_has_its_kind(
    upstream, code, how
):
    body = json.dumps({"type": "error", "error": {"message": "Slow", "code": code}}).encode()

    async def script(exchange):
        if how == "in the stream":
            await exchange.send(STREAM_HEAD, b"data: " + body + b"\n\n")
        else:
            await exchange.answer("200 OK", body, "content-type: application/json")

    async with upstream.over(script, sending(*upstream.whole("Oi"))) as (server, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), failure) == ("Oi", None)
    assert len(server.requests) == 2


async def test_the_kind_of_a_stream_is_known_however_it_is_written(upstream):
    head = STREAM_HEAD.replace(b"text/event-stream", b"Text/Event-Stream; charset=UTF-8")

    async def script(exchange):
        await exchange.send(head, *upstream.whole("Oi"))

    assert text_of(await upstream.events(script)) == "Oi"


async def test_an_error_after_the_end_of_an_answer_changes_nothing(upstream):
    wire = upstream.wire
    parts = (wire.start, wire.text("Oi"), wire.finish("stop"), wire.overloaded)
    async with upstream.over(sending(*parts)) as (_, provider):
        events, failure = await outcome(provider)
    assert (events[-1], failure) == (Finished("stop"), None)


async def test_a_reset_after_text_is_a_disconnect_and_never_tried_again(upstream):
    async def script(exchange):
        await exchange.send(STREAM_HEAD, upstream.wire.start, upstream.wire.text("Oi"))
        await asyncio.sleep(0.05)
        exchange.reset()

    async with upstream.over(script) as (server, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), type(failure)) == ("Oi", ProviderDisconnected)
    assert len(server.requests) == 1


@pytest.mark.parametrize("head", [b"", STREAM_HEAD], ids=["before the headers", "after them"])
async def test_a_reset_before_anything_was_shown_is_tried_again(upstream, head):
    async def script(exchange):
        await exchange.send(head)
        exchange.reset()

    async with upstream.over(script, sending(*upstream.whole("Oi"))) as (server, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), failure) == ("Oi", None)
    assert len(server.requests) == 2


async def test_a_reset_after_the_end_of_an_answer_loses_nothing(upstream):
    async def script(exchange):
        wire = upstream.wire
        await exchange.send(STREAM_HEAD, wire.start, wire.text("Oi"), wire.finish("stop"))
        await asyncio.sleep(0.05)
        exchange.reset()

    async with upstream.over(script) as (_, provider):
        events, failure = await outcome(provider)
    assert (events[-1], failure) == (Finished("stop"), None)


@pytest.mark.parametrize("where", ["before the headers", "before text", "after text"])
async def test_silence_is_a_stall_and_costs_one_request(upstream, where):
    wire = upstream.wire
    script = {
        "before the headers": silent_after(),
        "before text": silent_after(STREAM_HEAD),
        "after text": silent_after(STREAM_HEAD, wire.start, wire.text("Oi")),
    }[where]
    conduct = replace(PATIENT, idle_s=0.2) if where == "after text" else IMPATIENT
    async with upstream.over(script, conduct=conduct) as (server, provider):
        events, failure = await outcome(provider)
    assert type(failure) is ProviderStalled
    assert text_of(events) == ("Oi" if where == "after text" else "")
    assert len(server.requests) == 1


@pytest.mark.parametrize("sign", ["sign_of_life", "unknown", "empty"])
async def test_signs_of_life_are_no_answer(upstream, sign):
    signs = {"sign_of_life": upstream.wire.sign_of_life, "unknown": upstream.wire.unknown}
    signs["empty"] = upstream.wire.text("") + upstream.wire.usage

    async def script(exchange):
        await exchange.send(STREAM_HEAD)
        while True:
            await exchange.send(signs[sign])
            await asyncio.sleep(0.05)

    async with upstream.over(script, conduct=replace(IMPATIENT, idle_s=0.2)) as (_, provider):
        _, failure = await outcome(provider)
    assert type(failure) is ProviderStalled


async def test_a_token_now_and_then_is_no_silence(upstream):
    wire = upstream.wire

    async def script(exchange):
        await exchange.send(STREAM_HEAD, wire.start)
        for _ in range(5):
            await asyncio.sleep(0.1)
            await exchange.send(wire.text("x"))
        await exchange.send(wire.finish("stop"), wire.end)

    async with upstream.over(script, conduct=replace(PATIENT, idle_s=0.4)) as (_, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), failure) == ("xxxxx", None)


async def test_a_reader_who_takes_his_time_is_no_silence_of_the_provider(upstream):
    wire = upstream.wire

    async def script(exchange):
        await exchange.send(STREAM_HEAD, wire.start, wire.text("a"))
        await asyncio.sleep(0.3)
        await exchange.send(wire.text("b"))
        await asyncio.sleep(0.05)
        await exchange.send(wire.text("c"), wire.finish("stop"), wire.end)

    seen = []
    async with upstream.over(script, conduct=replace(PATIENT, idle_s=0.2)) as (_, provider):
        async for event in provider.stream(REQUEST):
            seen.append(event)
            await asyncio.sleep(0.25)
    assert text_of(seen) == "abc"


async def test_who_cancels_is_not_told_of_silence(upstream):
    async with upstream.over(silent_after(STREAM_HEAD)) as (_, provider):
        task = asyncio.ensure_future(outcome(provider))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_compressed_answer_is_read_as_well(upstream):
    async def script(exchange):
        body = gzip.compress(b"".join(upstream.whole("Oi")))
        headers = ("content-type: text/event-stream", "content-encoding: gzip")
        await exchange.answer("200 OK", body, *headers)

    async with upstream.over(script) as (_, provider):
        events, failure = await outcome(provider)
    assert (text_of(events), failure) == ("Oi", None)


async def test_all_attempts_share_the_time_for_the_first_token(upstream):
    # Each look at the clock costs 20 of the 30 s, so that there is time for two attempts.
    conduct = replace(PATIENT, clock=HandClock(step_s=20))
    async with upstream.over(refusing("503 Away"), conduct=conduct) as (server, provider):
        _, failure = await outcome(provider)
    assert type(failure) is ProviderOverloaded
    assert len(server.requests) == 2


async def test_a_pause_that_is_asked_for_is_kept(upstream):
    limited = refusing("429 Slow", b"{}", "retry-after-ms: 300")
    loop = asyncio.get_running_loop()
    async with upstream.over(limited, sending(*upstream.whole("Oi"))) as (server, provider):
        began_s = loop.time()
        events, failure = await outcome(provider)
    assert loop.time() - began_s >= 0.3
    assert (text_of(events), failure) == ("Oi", None)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("retry-after: 20",), "20"),
        (("retry-after-ms: 20500",), "21"),
        (("retry-after: 99999999",), "3600"),
        (("retry-after: 99999999999999",), "3600"),
        (("retry-after: Mon, 02 Mar 2199 10:00:00 GMT",), "3600"),
        (
            (
                "date: Mon, 02 Mar 2026 10:00:00 GMT",
                "retry-after: Mon, 02 Mar 2026 10:00:40 GMT",
            ),
            "40",
        ),
    ],
)
async def test_a_pause_that_is_too_long_is_told_and_not_waited_for(upstream, asked, told):
    async with upstream.over(refusing("429 Slow", b"{}", *asked)) as (server, provider):
        _, failure = await outcome(provider)
    assert (type(failure), failure.headers) == (ProviderRateLimited, {"Retry-After": told})
    assert len(server.requests) == 1


@pytest.mark.parametrize("asked", ["soon", "-5", "Mon, 02 Mar 2026 10:00:00 GMT", "1e9", ""])
async def test_a_pause_that_makes_no_sense_is_passed_over(upstream, asked):
    async with upstream.over(refusing("429 Slow", b"{}", f"retry-after: {asked}")) as (server, p):
        _, failure = await outcome(p)
    assert (type(failure), failure.headers) == (ProviderRateLimited, {})
    assert len(server.requests) == 3


async def test_nobody_there_is_a_disconnect(upstream):
    async with upstream.at(f"http://127.0.0.1:{free_port()}") as provider:
        _, failure = await outcome(provider)
    assert type(failure) is ProviderDisconnected
    assert "127.0.0.1" not in f"{failure}"


async def test_whoever_never_shakes_hands_is_given_up_after_the_time_for_connecting(upstream):
    conduct = replace(PATIENT, connect_s=0.2)
    async with (
        upstream.over(sending(*upstream.whole("Oi"))) as (server, _),
        upstream.at(server.root.replace("http://", "https://"), conduct) as provider,
    ):
        _, failure = await outcome(provider)
    assert type(failure) is ProviderStalled
    assert server.requests == []


async def test_a_provider_that_fails_all_the_time_is_left_alone_and_then_tried_once(upstream):
    clock = HandClock()
    conduct = Conduct(clock=clock, pause_s=0.001, retries=0, rest_s=10)
    failing = [refusing("503 Away")] * 6
    scripts = (*failing, sending(*upstream.whole("Oi")))
    async with upstream.over(*scripts, conduct=conduct) as (server, provider):
        for _ in range(5):
            assert type((await outcome(provider))[1]) is ProviderOverloaded
        _, paused = await outcome(provider)
        assert (type(paused), paused.headers) == (ProviderPaused, {"Retry-After": "10"})
        assert len(server.requests) == 5
        clock.forward(10)
        assert type((await outcome(provider))[1]) is ProviderOverloaded  # it is still down
        assert type((await outcome(provider))[1]) is ProviderPaused
        clock.forward(10)
        for _ in range(2):
            events, failure = await outcome(provider)
            assert (text_of(events), failure) == ("Oi", None)
    assert len(server.requests) == 8


async def test_while_one_tries_the_others_are_told_to_wait_until_it_has_text(upstream):
    clock = HandClock()
    conduct = Conduct(clock=clock, pause_s=0.001, retries=0)
    wire = upstream.wire
    slow = silent_after(STREAM_HEAD, wire.start, wire.text("Oi"))
    scripts = (*[refusing("503 Away")] * 5, slow, sending(*upstream.whole("Olá")))
    async with upstream.over(*scripts, conduct=conduct) as (_, provider):
        for _ in range(5):
            await outcome(provider)
        clock.forward(conduct.rest_s)
        async with aclosing(provider.stream(REQUEST)) as probe:
            first = asyncio.ensure_future(anext(probe))
            await asyncio.sleep(0)
            assert type((await outcome(provider))[1]) is ProviderPaused
            while not isinstance(await first, TextDelta):
                first = asyncio.ensure_future(anext(probe))
            events, _ = await outcome(provider)
            assert text_of(events) == "Olá"


async def test_one_provider_that_is_left_alone_does_not_keep_the_others_from_answering(upstream):
    other = UPSTREAMS["openai" if upstream.adapter.name != "openai" else "groq"]
    conduct = Conduct(pause_s=0.001, retries=0)
    async with (
        upstream.over(refusing("503 Away"), conduct=conduct) as (_, broken),
        other.over(sending(*other.whole("Oi"))) as (_, healthy),
    ):
        for _ in range(6):
            _, failure = await outcome(broken)
        assert type(failure) is ProviderPaused
        assert text_of((await outcome(healthy))[0]) == "Oi"
