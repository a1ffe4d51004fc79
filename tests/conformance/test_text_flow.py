"""Texts that are taken within the call that brings them, from every provider over a wire."""

import asyncio

import pytest

from app.ports.llm import Finished, ProviderDisconnected, TextDelta, Usage
from tests.support.upstream import REQUEST, UPSTREAMS, Upstream, one_by_one, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=UPSTREAMS.values(), ids=UPSTREAMS)
def upstream(request) -> Upstream:
    return request.param


async def taken(provider, take) -> list:
    """The events of an answer whose texts go to `take`, all but the first."""
    events = []
    async for event in provider.stream(REQUEST):
        events.append(event)
        if isinstance(event, TextDelta) and event.flow is not None:
            event.flow(take)
    return events


async def test_texts_go_to_whoever_takes_them_and_all_else_stays_an_event(upstream):
    texts: list[str] = []
    async with upstream.over(one_by_one(*upstream.whole("Um ", "dois ", "três."))) as (_, provider):
        events = await taken(provider, texts.append)
    assert sum(isinstance(event, TextDelta) for event in events) == 1
    assert text_of(events) + "".join(texts) == "Um dois três."
    assert [event for event in events if isinstance(event, Usage)][-1] == upstream.wire.usage_value
    assert events[-1] == Finished("stop")


async def test_what_is_raised_while_a_text_is_taken_is_raised_where_events_are_read(upstream):
    def refuse(text: str) -> None:
        raise LookupError(text)

    async with upstream.over(one_by_one(*upstream.whole("Um ", "dois."))) as (_, provider):
        with pytest.raises(RuntimeError) as raised:
            await taken(provider, refuse)
    assert repr(raised.value.__cause__) == "LookupError('dois.')"


async def test_who_takes_a_text_and_fails_is_not_taken_for_the_provider(upstream):
    def refuse(text: str) -> None:
        raise BrokenPipeError(text)

    start, *rest = upstream.whole("dois.")
    script = one_by_one(start, upstream.wire.text("Um "), b"".join(rest))
    async with upstream.over(script) as (_, provider):
        with pytest.raises(RuntimeError) as raised:
            await taken(provider, refuse)
    assert isinstance(raised.value.__cause__, BrokenPipeError)


async def test_a_stream_that_is_cut_fails_after_its_texts_were_taken(upstream):
    texts: list[str] = []
    wire = upstream.wire
    script = one_by_one(wire.start, wire.text("Um "), wire.text("dois "))
    async with upstream.over(script) as (_, provider):
        with pytest.raises(ProviderDisconnected):
            await taken(provider, texts.append)
    assert "".join(texts) == "dois "


async def test_who_takes_a_text_may_end_the_task_that_waits(upstream):
    failures: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))

    def leave(_: str) -> None:
        reading.cancel()

    start, *rest = upstream.whole("dois.")
    script = one_by_one(start, upstream.wire.text("Um "), b"".join(rest))
    async with upstream.over(script) as (_, provider):
        reading = asyncio.ensure_future(taken(provider, leave))
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert failures == []


async def test_nothing_is_taken_for_a_task_that_was_cancelled(upstream):
    texts: list[str] = []

    def take(text: str) -> None:
        texts.append(text)
        reading.cancel()

    script = one_by_one(*upstream.whole("Um ", "dois ", "três."))
    async with upstream.over(script) as (_, provider):
        reading = asyncio.ensure_future(taken(provider, take))
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert texts == ["dois "]
