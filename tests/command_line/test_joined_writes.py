"""The head of a response and the beginning of its body leave together, and nothing is kept back."""

import asyncio

import pytest

from app.command_line.joined_writes import HeldWrites

pytestmark = pytest.mark.anyio


class Wire:
    """Notes what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True

    def get_write_buffer_size(self) -> int:
        return 7


def held_over(wire: Wire) -> HeldWrites:
    held = HeldWrites(wire, asyncio.get_running_loop())
    held.hold()
    return held


async def test_a_head_leaves_with_the_beginning_of_the_body():
    wire = Wire()
    transport = held_over(wire)
    for part in (b"head", b"one", b"two"):
        transport.write(part)
    await asyncio.sleep(0)
    assert wire.written == [b"headone", b"two"]


async def test_a_head_that_nothing_follows_leaves_by_itself():
    wire = Wire()
    transport = held_over(wire)
    transport.write(b"head")
    await asyncio.sleep(0)
    assert wire.written == [b"head"]
    transport.write(b"one")
    assert wire.written == [b"head", b"one"]


async def test_every_response_of_a_connection_is_joined():
    wire = Wire()
    transport = held_over(wire)
    for part in (b"head", b"body"):
        transport.write(part)
    transport.hold()
    for part in (b"HEAD", b"BODY"):
        transport.write(part)
    assert wire.written == [b"headbody", b"HEADBODY"]


async def test_what_is_held_leaves_before_the_connection_closes():
    wire = Wire()
    transport = held_over(wire)
    transport.write(b"head")
    transport.close()
    await asyncio.sleep(0)
    assert (wire.written, wire.is_closed) == ([b"head"], True)


async def test_everything_else_is_the_transports_own():
    assert held_over(Wire()).get_write_buffer_size() == 7
