"""What every provider promises of its stream, asked of each one in the registry."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from app.adapters.llm import PROVIDERS
from app.core.settings import Settings
from app.ports.llm import (
    ChatRequest,
    Conduct,
    EmptyAnswer,
    Finished,
    Message,
    ProviderDeclined,
    ProviderDisconnected,
    ProviderNotConfigured,
    TextDelta,
    ToolCall,
    Usage,
)
from tests.support.completions_server import STREAM_HEAD
from tests.support.upstream import (
    REQUEST,
    UPSTREAMS,
    Upstream,
    asked,
    sending,
    silent_after,
    text_of,
)

pytestmark = pytest.mark.anyio
TEXT = "Olá, João! Ação às 9h — 😀👍🏽"
DONE = b"data: [DONE]\n\n"


@pytest.fixture(params=UPSTREAMS.values(), ids=UPSTREAMS)
def upstream(request) -> Upstream:
    return request.param


def calls_of(events):
    return [event for event in events if isinstance(event, ToolCall)]


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_provider_opens_without_any_setting_and_knows_its_windows(name):
    async with PROVIDERS[name].open(Settings(), Conduct()) as provider:
        assert provider.name == name
        assert provider.context_window("anything") > 1000
        assert provider.is_configured == (provider.required_variable is None)
        if not provider.is_configured:
            with pytest.raises(ProviderNotConfigured):
                await anext(provider.stream(REQUEST))


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name not in UPSTREAMS])
async def test_a_provider_without_a_network_ends_its_answer_too(name):
    request = ChatRequest(model=name, messages=(Message("user", "Oi"),), question="Oi")
    async with PROVIDERS[name].open(Settings(), Conduct()) as provider:
        events = [event async for event in provider.stream(request)]
    assert text_of(events)
    assert events[-1] == Finished("stop")


async def test_a_bare_name_belongs_to_one_provider_at_most():
    names = ["gpt-4o-mini", "claude-sonnet-4-6", "gemini-3-flash", "ministral-8b-latest", "local"]
    owners = []
    for adapter in PROVIDERS.values():
        async with adapter.open(Settings(), Conduct()) as provider:
            owners += [name for name in names if provider.recognises(name)]
            assert not provider.recognises("gpt-oss-120b")
    assert sorted(owners) == sorted(names)


async def test_an_answer_is_its_text_its_usage_and_its_end(upstream):
    events = await upstream.events(sending(*upstream.whole(TEXT[:5], TEXT[5:])))
    assert text_of(events) == TEXT
    usage = [event for event in events if isinstance(event, Usage)]
    assert usage[-1] == upstream.wire.usage_value
    assert events[-1] == Finished("stop")


async def test_however_the_bytes_are_cut_the_answer_is_the_same(upstream):
    stream = b"".join(upstream.whole(TEXT[:5], TEXT[5:]))
    events = await upstream.events(sending(*(stream[n : n + 1] for n in range(len(stream)))))
    assert text_of(events) == TEXT
    assert events[-1] == Finished("stop")


async def test_marks_comments_and_line_ends_of_every_kind_mean_nothing(upstream):
    wire = upstream.wire
    begun = [b"\xef\xbb\xbf" + wire.text(TEXT), b": comment\r\n\r\n", wire.sign_of_life]
    parts = [*begun, wire.unknown, wire.finish("stop"), wire.usage, wire.end, DONE, DONE]
    for line_end in (b"\r\n", b"\r"):
        events = await upstream.events(sending(*(p.replace(b"\n", line_end) for p in parts)))
        assert text_of(events) == TEXT
        assert events[-1] == Finished("stop")


async def test_texts_that_arrive_together_come_out_together(upstream):
    events = await upstream.events(sending(b"".join(upstream.whole("a", "b", "c"))))
    assert [type(event) for event in events] == [TextDelta, Usage, Finished]


async def test_a_character_that_is_cut_into_two_escapes_comes_out_whole(upstream):
    wire = upstream.wire
    parts = [wire.half("\\ud83d"), wire.half("\\ude00"), wire.half("\\ud83d"), wire.text(".")]
    events = await upstream.events(sending(wire.start, *parts, wire.finish("stop"), wire.end))
    assert text_of(events) == "😀\ufffd."


async def test_nul_is_left_out(upstream):
    wire = upstream.wire
    events = await upstream.events(sending(*upstream.whole("a\x00b"), wire.end))
    assert text_of(events) == "ab"


@pytest.mark.parametrize("end", ["end mark only", "reason only", "reason, then silence"])
async def test_either_end_mark_ends_an_answer(upstream, end):
    wire = upstream.wire
    begun = (wire.start, wire.text("Oi"))
    script = {
        "end mark only": sending(*begun, wire.end),
        "reason only": sending(*begun, wire.finish("stop")),
        "reason, then silence": silent_after(STREAM_HEAD, *begun, wire.finish("stop")),
    }[end]
    events = await upstream.events(script)
    assert (text_of(events), events[-1]) == ("Oi", Finished("stop"))


async def test_nothing_after_the_end_mark_is_read_even_if_the_connection_stays_open(upstream):
    more = upstream.wire.text("more") + b"data: {garbage\n\n"
    parts = (b"".join(upstream.whole("Oi")) + more, more, more)
    events = await upstream.events(silent_after(STREAM_HEAD, *parts))
    assert (text_of(events), events[-1]) == ("Oi", Finished("stop"))


async def test_a_connection_serves_one_answer_after_the_other(upstream):
    async def script(exchange):
        await exchange.send_chunked(*upstream.whole("Oi"))

    async with upstream.over(script) as (server, provider):
        for _ in range(3):
            events = [event async for event in provider.stream(REQUEST)]
            assert text_of(events) == "Oi"
    assert (len(server.requests), server.connections) == (3, 1)


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_the_reason_of_the_end_is_told(upstream, reason):
    wire = upstream.wire
    events = await upstream.events(sending(wire.start, wire.text("Oi"), wire.finish(reason)))
    assert events[-1] == Finished(reason)


async def test_a_reason_that_nobody_knows_is_told_as_that(upstream):
    wire = upstream.wire
    call = (wire.call(0, "call_a", "stock"), wire.arguments(0, '{"n":1}'))
    parts = (wire.start, wire.text("Oi"), *call, wire.finish(wire.nobody_knows), wire.end)
    events = await upstream.events(sending(*parts))
    assert (text_of(events), events[-1]) == ("Oi", Finished("unknown"))
    assert calls_of(events) == []  # who knows whether they are whole


async def test_a_refusal_is_shown_and_told(upstream):
    wire = upstream.wire
    events = await upstream.events(sending(wire.start, *wire.refusal("Não posso.")))
    assert (text_of(events), events[-1]) == ("Não posso.", Finished("content_filter"))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("stop", EmptyAnswer), ("length", EmptyAnswer), ("content_filter", ProviderDeclined)],
)
async def test_an_answer_without_a_word_is_a_failure_that_says_so(upstream, reason, kind):
    wire = upstream.wire
    with pytest.raises(kind):
        await upstream.events(sending(wire.start, wire.text(" \n"), wire.finish(reason), wire.end))


async def test_usage_that_was_not_told_is_not_made_up(upstream):
    wire = upstream.wire
    parts = (wire.text("Oi"), wire.finish("stop"), wire.end)
    events = await upstream.events(sending(*parts))
    assert [type(event) for event in events] == [TextDelta, Finished]


async def test_a_call_in_a_hundred_pieces_comes_out_whole_beside_others(upstream):
    wire = upstream.wire
    wanted = [json.dumps({"item": letter * 400 + "ção 😀"}) for letter in "ab"]
    pieces = [
        wire.arguments(index, wanted[index][n * 5 : n * 5 + 5])
        for n in range(100)
        for index in (0, 1)
    ]
    begun = [wire.call(0, "call_a", "stock"), wire.call(1, "call_b", "price")]
    parts = (wire.start, wire.text("Vejo já."), *begun, *pieces, wire.finish("tool_calls"))
    events = await upstream.events(sending(*parts, wire.usage, wire.end))
    calls = [(call.id, call.name, call.arguments) for call in calls_of(events)]
    assert calls == [("call_a", "stock", wanted[0]), ("call_b", "price", wanted[1])]
    assert events[-1] == Finished("tool_calls")


async def test_calls_that_come_whole_without_a_number_are_told_apart(upstream):
    wire = upstream.wire
    sent = [wire.whole_call(f"call_{n}", "stock", f'{{"n":{n}}}') for n in range(3)]
    events = await upstream.events(sending(wire.start, *sent, wire.finish("stop"), wire.end))
    assert [call.arguments for call in calls_of(events)] == ['{"n":0}', '{"n":1}', '{"n":2}']
    assert len({call.id for call in calls_of(events)}) == 3
    assert events[-1] == Finished("tool_calls")


async def test_half_a_character_in_a_call_is_no_crash(upstream):
    wire = upstream.wire
    begun = wire.call(0, "call_HALF", "stoHALFck").replace(b"HALF", b"\\ud800")
    parts = (wire.start, begun, wire.finish("tool_calls"))
    (call,) = calls_of(await upstream.events(sending(*parts)))
    assert (call.id, call.name) == ("call_\ufffd", "sto\ufffdck")


async def test_a_call_without_arguments_has_an_empty_object(upstream):
    wire = upstream.wire
    parts = (wire.start, wire.call(0, "call_a", "stock"), wire.finish("tool_calls"), wire.end)
    assert calls_of(await upstream.events(sending(*parts)))[0].arguments == "{}"


async def test_a_call_that_was_cut_off_is_never_given(upstream):
    wire = upstream.wire
    begun = (wire.start, wire.text("Oi"), wire.call(0, "call_a", "stock"))
    cut = (*begun, wire.arguments(0, '{"item": "x'))
    events = await upstream.events(sending(*cut, wire.finish("length"), wire.end))
    assert (calls_of(events), events[-1]) == ([], Finished("length"))
    with pytest.raises(ProviderDisconnected):
        await upstream.events(sending(*cut))


async def test_calls_and_results_go_back_to_the_model(upstream):
    call = ToolCall("call_a", "stock", '{"item":"x"}')
    turns = (
        Message("user", "Tem x?"),
        Message("assistant", "", tool_calls=(call,)),
        Message("tool", "12", tool_call_id="call_a"),
    )
    async with upstream.over(sending(*upstream.whole("Tem 12."))) as (server, provider):
        events = [event async for event in provider.stream(asked(*turns))]
    assert text_of(events) == "Tem 12."
    sent = json.dumps(server.requests[0])
    assert sent.count('"stock"') == 2  # told of it, and its call
    assert '"12"' in sent


async def test_what_is_not_given_is_not_sent(upstream):
    request = replace(REQUEST, tools=(), temperature=None, top_p=None)
    async with upstream.over(sending(*upstream.whole("Oi"))) as (server, provider):
        assert text_of([event async for event in provider.stream(request)])
    assert not server.requests[0].keys() & {"tools", "temperature", "top_p"}
    assert None not in server.requests[0].values()


@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_leaving_closes_the_connection_and_pulls_no_more(upstream, way):
    wire = upstream.wire
    sent = 0
    closed = asyncio.Event()

    async def counting(exchange):
        nonlocal sent
        await exchange.send(STREAM_HEAD, wire.start)
        try:
            while not await exchange.is_closed_within(0.05):
                await exchange.send(wire.text("x"))
                sent += 1
        finally:
            closed.set()

    async with upstream.over(counting, sending(*upstream.whole("Olá"))) as (_, provider):
        stream = provider.stream(REQUEST)
        seen = asyncio.Event()

        async def read():
            async for _ in stream:
                seen.set()

        if way == "close":
            await anext(stream)
            before, left_s = sent, time.monotonic()
            await stream.aclose()
        else:
            reading = asyncio.ensure_future(read())
            await seen.wait()
            before, left_s = sent, time.monotonic()
            reading.cancel()
        await asyncio.wait_for(closed.wait(), 5)
        assert time.monotonic() - left_s < 1
        assert sent - before <= 1
        assert text_of([event async for event in provider.stream(REQUEST)]) == "Olá"


async def test_a_hundred_thousand_tokens_at_once_leave_the_loop_to_others(upstream):
    tokens = upstream.wire.text("palavra ") * 1000
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(others())
    parts = [upstream.wire.start, *[tokens] * 100, upstream.wire.finish("stop")]
    events = await upstream.events(sending(*parts))
    beside.cancel()
    assert len(text_of(events)) == 100_000 * len("palavra ")
    assert turns > len(events)
    assert len(events) < 10_000
