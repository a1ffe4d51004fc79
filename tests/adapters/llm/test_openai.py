"""The OpenAI adapter against a server that speaks its protocol, faults included."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from app.adapters.llm import PROVIDERS
from app.adapters.llm.chat_completions import Patience
from app.core.settings import Settings
from app.ports.llm import (
    ChatRequest,
    ContextTooLong,
    Finished,
    Message,
    ProviderDisconnected,
    ProviderMalformed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderStalled,
    TextDelta,
    Usage,
)
from tests.support.completions_server import (
    DONE,
    STREAM_HEAD,
    USAGE,
    completions_server,
    delta,
    finish,
)

pytestmark = pytest.mark.anyio
KEY = "sk-canary-0123456789"
REQUEST = ChatRequest(model="test", messages=(Message("user", "Oi"),), question="Oi", max_tokens=5)
TEXT = "Olá, João! Ação às 9h — 😀👍🏽"


@asynccontextmanager
async def provider(url: str):
    variables = {"OPENAI_API_KEY": SecretStr(KEY), "OPENAI_BASE_URL": SecretStr(url)}
    async with PROVIDERS["openai"].open(Settings(provider_variables=variables)) as opened:
        opened._patience = Patience(first_token_s=0.4, idle_s=0.4)
        yield opened


async def events_of(*scripts):
    async with completions_server(*scripts) as server, provider(server.url) as opened:
        return [event async for event in opened.stream(REQUEST)]


def text(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def sending(*parts, by_byte=False):
    async def script(exchange):
        await exchange.send(STREAM_HEAD)
        if by_byte:
            parts_of = b"".join(parts)
            await exchange.send(*(parts_of[n : n + 1] for n in range(len(parts_of))))
        else:
            await exchange.send(*parts)

    return script


def refusing(status, body=b"{}", *headers):
    async def script(exchange):
        await exchange.answer(status, body, "content-type: application/json", *headers)

    return script


WHOLE = (delta(TEXT[:5]), delta(TEXT[5:]), finish(), USAGE, DONE)


@pytest.mark.parametrize(
    "script",
    [
        sending(*WHOLE),
        sending(*WHOLE, by_byte=True),
        sending(*WHOLE[:-1]),
        sending(*WHOLE, DONE, DONE),
        sending(b"\xef\xbb\xbf: comment\r\n\r\n", *(p.replace(b"\n", b"\r\n") for p in WHOLE)),
    ],
    ids=["plain", "a byte a segment", "no DONE", "DONE thrice", "BOM, comment and CRLF"],
)
async def test_however_the_bytes_are_cut_the_answer_is_the_same(script):
    events = await events_of(script)
    assert text(events) == TEXT
    assert events[-2:] == [Usage(7, 3, 0), Finished("stop")]


async def test_texts_that_arrive_together_come_out_together():
    events = await events_of(sending(b"".join(WHOLE)))
    assert [type(event) for event in events] == [TextDelta, Usage, Finished]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (sending(delta("Oi")), ProviderDisconnected),
        (
            sending(delta("Oi"), b'data: {"error": {"code": "server_error"}}\n\n'),
            ProviderOverloaded,
        ),
        (sending(b"data: {not json\n\n"), ProviderMalformed),
        (sending(b"data: " + b"x" * 1_200_000), ProviderMalformed),
        (refusing("401 Unauthorized"), ProviderRefusedKey),
        (refusing("400 Bad", b'{"error":{"code":"context_length_exceeded"}}'), ContextTooLong),
        (refusing("500 Oops"), ProviderOverloaded),
        (refusing("529 Overloaded"), ProviderOverloaded),
        (refusing("200 OK", b"<html>"), ProviderMalformed),
    ],
    ids=str,
)
async def test_every_fault_has_its_kind_and_never_ends_as_done(script, kind):
    with pytest.raises(kind) as failure:
        await events_of(script)
    assert KEY not in str(failure.value)
    assert "127.0.0.1" not in str(failure.value)


async def test_a_reset_in_the_middle_is_a_disconnect():
    async def script(exchange):
        await exchange.send(STREAM_HEAD, delta("Oi"))
        await asyncio.sleep(0.05)
        exchange.reset()

    with pytest.raises(ProviderDisconnected):
        await events_of(script)


@pytest.mark.parametrize("parts", [(), (delta("Oi"),)], ids=["before the first", "after the first"])
async def test_silence_is_a_stall(parts):
    async def script(exchange):
        await exchange.send(STREAM_HEAD, *parts)
        await exchange.until_closed()

    with pytest.raises(ProviderStalled):
        await events_of(script)


async def test_a_limit_is_waited_for_and_tried_again():
    async with (
        completions_server(
            refusing("429 Slow", b"{}", "retry-after: 0"), sending(*WHOLE)
        ) as server,
        provider(server.url) as opened,
    ):
        assert text([event async for event in opened.stream(REQUEST)]) == TEXT
    assert len(server.requests) == 2


async def test_a_limit_that_stays_tells_when_to_come_back():
    with pytest.raises(ProviderRateLimited):
        await events_of(refusing("429 Slow", b"{}", "retry-after: 0"))


async def test_nobody_there_is_a_disconnect():
    async with provider("http://127.0.0.1:9/v1") as opened:
        with pytest.raises(ProviderDisconnected):
            await anext(opened.stream(REQUEST))


async def test_closing_the_stream_closes_the_connection_within_a_second():
    closed = asyncio.Event()

    async def script(exchange):
        await exchange.send(STREAM_HEAD, delta("Oi"))
        await exchange.until_closed()
        closed.set()

    async with completions_server(script) as server, provider(server.url) as opened:
        stream = opened.stream(REQUEST)
        await anext(stream)
        started = time.monotonic()
        await stream.aclose()
        await asyncio.wait_for(closed.wait(), 2)
        assert time.monotonic() - started < 1


async def test_without_a_key_it_is_not_configured_and_still_knows_its_models():
    async with PROVIDERS["openai"].open(Settings()) as opened:
        assert not opened.is_configured
        assert opened.recognises("gpt-4o-mini")
        assert not opened.recognises("claude-3")
