"""A body that is poured arrives whole and in order, and leaves others their turn."""

import asyncio

import httpx2
import pytest

from app.adapters.llm.transport.incoming import MAX_POURED_BYTES, MAX_WAITING_BYTES, Incoming

pytestmark = pytest.mark.anyio
UNBOUNDED = b"HTTP/1.1 200 OK\r\n\r\n"
BODY = bytes(range(256)) * 4096


def coming(told: list[str] | None = None) -> Incoming:
    went_on = [] if told is None else told
    return Incoming(asyncio.get_running_loop(), lambda: went_on.append("go on"))


@pytest.mark.parametrize("step", [1000, MAX_POURED_BYTES, 64 * 1024, len(BODY)])
async def test_much_at_once_is_poured_in_parts_with_turns_between(step):
    incoming, taken, turns = coming(), [], 0

    def take(chunk: bytes) -> bool:
        taken.append((turns, chunk))
        return True

    pouring = asyncio.ensure_future(incoming.pour(take))
    await asyncio.sleep(0)
    incoming.feed(UNBOUNDED)
    for place in range(0, len(BODY), step):
        incoming.feed(BODY[place : place + step])
    incoming.end(None)
    while not pouring.done():
        turns += 1
        await asyncio.sleep(0)
    assert await pouring is False
    assert b"".join(chunk for _, chunk in taken) == BODY
    by_turn: dict[int, int] = {}
    for turn, chunk in taken:
        by_turn[turn] = by_turn.get(turn, 0) + len(chunk)
    assert max(by_turn.values()) <= MAX_POURED_BYTES


async def test_what_is_poured_no_more_is_read_from_there_on():
    incoming, taken = coming(), []

    def take(chunk: bytes) -> bool:
        taken.append(chunk)
        return len(taken) < 3

    incoming.feed(UNBOUNDED + BODY)
    assert await incoming.pour(take) is True
    incoming.end(None)
    rest = await incoming.read()
    assert b"".join(taken) + rest == BODY
    assert await incoming.read() == b""


async def test_a_fault_comes_after_all_that_was_to_be_poured():
    incoming, taken = coming(), []

    def take(chunk: bytes) -> bool:
        taken.append(chunk)
        return True

    incoming.feed(UNBOUNDED + BODY)
    incoming.end(ConnectionResetError())
    with pytest.raises(httpx2.ReadError):
        await incoming.pour(take)
    assert b"".join(taken) == BODY


async def test_more_is_read_as_soon_as_what_waits_is_below_the_limit():
    told: list[str] = []
    incoming = coming(told)
    seen: list[int] = []

    def take(chunk: bytes) -> bool:
        seen.append(len(told))
        return True

    incoming.feed(UNBOUNDED + BODY)
    assert incoming.has_too_much
    incoming.end(None)
    await incoming.pour(take)
    assert told == ["go on"]
    above = (len(BODY) - MAX_WAITING_BYTES) // MAX_POURED_BYTES
    assert seen[above - 2] == 0
    assert seen[above] == 1
