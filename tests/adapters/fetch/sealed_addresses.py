"""What must never be called is refused, and no connection is so much as begun.

Run by `test_sealed.py` where no packet can leave and every address of the world leads back here:
a connection that is begun in error is both recorded and caught.
"""

import random
import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from app.core.errors import Problem
from app.ports.fetch import AddressRefused, FetchFailed, FetchUnreachable, Outgoing
from tests.adapters.fetch.attacks import EVERY, METADATA, OURSELVES, RESOLVING
from tests.adapters.fetch.conftest import PUBLIC
from tests.support.scripted_server import Conversation, scripted_server

pytestmark = pytest.mark.anyio
PORTS = (22, 25, 80, 443, 3128, 5432, 6379, 8000, 8080, 11211)


class Traps:
    """Listeners at the ports of every address there is."""

    def __init__(self) -> None:
        options = {"family": socket.AF_INET6, "dualstack_ipv6": True}
        self._listeners = [socket.create_server(("::", port), **options) for port in PORTS]
        for listener in self._listeners:
            listener.setblocking(False)

    def caught(self) -> list[str]:
        found = []
        for listener in self._listeners:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            found.append(str(connection.getsockname()))
            connection.close()
        return found

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()


@pytest.fixture
def traps() -> Iterator[Traps]:
    opened = Traps()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _names(names):
    names.answers.update(RESOLVING)


def test_the_traps_and_the_wire_catch_whoever_connects(traps, wire):
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", PUBLIC, "fd00::1", "2606:4700::1"):
        with socket.create_connection((address, 443), timeout=2):
            assert len(traps.caught()) == 1
    assert len(wire.connects) == 6


async def test_an_address_of_the_public_internet_is_called(strict, wire, names, authority):
    async def greet(heard: Conversation) -> None:
        await heard.answer(b"hello")

    tls = authority.server("example.com", PUBLIC)
    async with scripted_server(greet, host="0.0.0.0", port=443, tls=tls) as server:
        answer = await strict.send(Outgoing(url="https://example.com/a?b"))
        assert (answer.status, answer.content) == (200, b"hello")
        assert (await strict.send(Outgoing(url=f"https://{PUBLIC}/"))).content == b"hello"
        assert server.names == ["example.com", None]
    assert wire.connects == [(PUBLIC, 443)] * 2
    assert names.asked == ["example.com"]


@pytest.mark.parametrize("url", EVERY)
async def test_it_is_refused_and_never_connected(url, strict, traps, wire):
    with pytest.raises(AddressRefused) as refused:
        await strict.send(Outgoing(url=url, total_s=5))
    assert (wire.connects, traps.caught(), wire.look_ups) == ([], [], [])
    assert refused.value.status == 422
    assert "127.0.0.1" not in str(refused.value)


async def test_a_redirect_to_any_of_them_is_not_followed(strict, traps, wire, authority):
    # `127.0.0.1` alone is a path; a header holds no line break and is not led by spaces.
    leading = [url for url in EVERY if ":" in url and url.strip() == url and "\n" not in url]

    async def redirect(heard: Conversation) -> None:
        await heard.answer(status=302, Location=leading[int(heard.path[1:])])

    tls = authority.server("example.com")
    async with scripted_server(redirect, host="0.0.0.0", port=8443, tls=tls) as server:
        for number, url in enumerate(leading):
            request = Outgoing(url=f"https://example.com:8443/{number}", redirects=1, total_s=5)
            with pytest.raises((AddressRefused, FetchFailed)) as refused:
                await strict.send(request)
            assert not isinstance(refused.value, FetchUnreachable), url
            assert traps.caught() == [], url
    assert len(server.heard) == len(leading)
    assert set(wire.connects) == {(PUBLIC, 8443)}


@pytest.mark.parametrize("url", METADATA)
async def test_metadata_is_refused_whatever_an_operator_allows(url, opened, traps, wire):
    async with opened(outbound_allow_private_cidrs="0.0.0.0/0,::/0") as fetch:
        with pytest.raises((AddressRefused, FetchFailed)):
            await fetch.send(Outgoing(url=url, total_s=5))
    assert (wire.connects, traps.caught()) == ([], [])


@pytest.mark.parametrize("url", OURSELVES)
async def test_our_own_places_are_refused_whatever_an_operator_allows(url, opened, traps, wire):
    async with opened(
        outbound_allow_private_cidrs="10.0.0.0/8,127.0.0.0/8",
        outbound_allow_ports="8443",
        public_url="https://api.agentes.example",
        database_url="postgresql://u:p@db.agentes.example/agentes",
        redis_url="redis://cache.agentes.example",
    ) as fetch:
        with pytest.raises(AddressRefused, match="the service's own"):
            await fetch.send(Outgoing(url=url, total_s=5))
    assert (wire.connects, traps.caught()) == ([], [])


async def test_beside_our_own_places_an_allowed_network_is_called(opened, traps, wire):
    async with opened(
        outbound_allow_private_cidrs="10.0.0.0/8", redis_url="redis://10.1.2.3:6379"
    ) as fetch:
        with pytest.raises(FetchFailed):  # the trap says nothing
            await fetch.send(Outgoing(url="http://10.1.2.3:8080/", total_s=0.2))
        with pytest.raises(FetchFailed):
            await fetch.send(Outgoing(url="http://searxng:8080/", total_s=0.2))
        with pytest.raises(AddressRefused, match=r"must begin with https://"):
            await fetch.send(Outgoing(url="http://example.com/", total_s=0.2))
        with pytest.raises(AddressRefused, match=r"Port 8080 is not one"):
            await fetch.send(Outgoing(url="https://example.com:8080/", total_s=0.2))
        for url in ("http://127.0.0.1:8080/", "http://192.168.0.1/", "https://[fd00::1]/"):
            with pytest.raises(AddressRefused, match="not on the public internet"):
                await fetch.send(Outgoing(url=url, total_s=0.2))
    assert wire.connects == [("10.1.2.3", 8080), ("10.1.2.5", 8080)]


PIECES = (
    "https://", "http://", "https:/", "//", "/", "\\", "@", ":", "#", "?", "%", "%40", "%2e", ".",
    "[", "]", "::1", "::ffff:", "127.0.0.1", "127", "0x7f", "0177", "1", "example.com",
    "localhost", "ten", ".example", "both.example", "①", "。", "é", "xn--", "443", "80", " ",
    "\t", "\r\n", "\x00", "a",
    "169.254.169.254", "8.8.8.8", "2606:4700::1", "@example.com", "user", ":443", "10.0.0.1",
)  # fmt: skip


async def test_of_random_addresses_none_leads_inside(strict, wire):
    chance = random.Random(20261126)
    outcomes: dict[str, int] = {}
    for number in range(10_000):
        tail = "".join(chance.choices(PIECES, k=chance.randint(1, 6)))
        url = ("https://" if number % 4 else "") + tail
        try:
            outcome = strict.canonical(url)
            await strict.send(Outgoing(url=url, total_s=2))
        except Problem as problem:
            outcome = type(problem).__name__
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert outcomes["AddressRefused"] > 5_000
    assert outcomes["FetchUnreachable"] > 50, outcomes
    # By the standard library's verdict, not by the list that is under test.
    assert all(ip_address(address).is_global for address, _ in wire.connects)
    assert {port for _, port in wire.connects} == {443}
