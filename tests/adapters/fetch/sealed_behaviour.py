"""What hostile name servers and hostile servers do, and what comes of it.

Run by `test_sealed.py` where no packet can leave and every address of the world leads back here.
"""

import asyncio
import contextlib
import gzip
import os
import resource
import socket
import time
import zlib
from ipaddress import ip_address
from threading import Event

import pytest

from app.adapters.fetch.connection import dial
from app.adapters.fetch.reach import Reach
from app.adapters.fetch.urls import read_url
from app.ports.fetch import (
    AddressRefused,
    AnswerBroken,
    CertificateInvalid,
    FetchTimedOut,
    FetchUnreachable,
    HeadersRefused,
    HostUnknown,
    Outgoing,
    RedirectRefused,
    ResponseTooLarge,
)
from tests.adapters.fetch.conftest import PUBLIC
from tests.support.scripted_server import Conversation, scripted_server
from tests.support.sealed import add_to_loopback

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\n"
LOOPS = {"asyncio": False, "uvloop": True}


@pytest.fixture(scope="module", params=LOOPS)
def anyio_backend(request):
    """Under both loops: the service runs on uvloop where there is one."""
    return ("asyncio", {"use_uvloop": LOOPS[request.param]})


MB = 1_048_576


async def greet(heard: Conversation) -> None:
    await heard.answer(b"hello")


@pytest.fixture
async def world(authority):
    """A server with a good certificate at every address of the world, port 443."""
    tls = authority.server("rebound.example", "example.com", "other.example")
    async with scripted_server(greet, host="0.0.0.0", port=443, tls=tls) as server:
        yield server


async def test_a_name_is_looked_up_once_and_the_checked_address_is_called(
    strict, names, wire, world
):
    names.answers["rebound.example"] = lambda time: [PUBLIC] if time == 1 else ["127.0.0.1"]
    assert (await strict.send(Outgoing(url="https://rebound.example/"))).content == b"hello"
    assert (names.asked, wire.connects) == (["rebound.example"], [(PUBLIC, 443)])


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1"])
async def test_an_address_is_checked_at_the_moment_of_connecting(address, authority, wire):
    """Even if whoever dials has not checked it: the second of two locks."""
    target = read_url("https://example.com/")
    with pytest.raises(AddressRefused):
        await dial(target, [ip_address(address)], check=Reach().check, trust=authority.trust)
    assert wire.connects == []


@pytest.mark.parametrize("turn", [2, 3, 7])
async def test_a_name_that_turns_inside_is_refused_though_a_connection_is_open(
    turn, opened, names, wire, world
):
    names.answers["rebound.example"] = lambda time: [PUBLIC] if time < turn else ["127.0.0.1"]
    async with opened(kept_s=0) as fetch:
        for _ in range(turn - 1):
            await fetch.send(Outgoing(url="https://rebound.example/"))
        with pytest.raises(AddressRefused):
            await fetch.send(Outgoing(url="https://rebound.example/"))
    assert wire.connects == [(PUBLIC, 443)]
    assert len(world.heard) == turn - 1


async def test_a_redirect_to_a_name_that_has_turned_inside_is_refused(strict, names, authority):
    async def redirect(heard: Conversation) -> None:
        await heard.answer(status=307, Location="https://inner.example/")

    names.answers["inner.example"] = ["10.0.0.1"]
    tls = authority.server("example.com")
    async with scripted_server(redirect, host="0.0.0.0", port=443, tls=tls) as server:
        with pytest.raises(AddressRefused):
            await strict.send(Outgoing(url="https://example.com/", redirects=3))
    assert server.connections == 1


async def test_the_next_address_is_tried_where_one_takes_no_connections(
    strict, names, wire, authority
):
    names.answers["example.com"] = ["93.184.216.35", "2606:4700::1", PUBLIC]
    tls = authority.server("example.com")
    async with scripted_server(greet, host=PUBLIC, port=443, tls=tls):
        assert (await strict.send(Outgoing(url="https://example.com/"))).status == 200
    tried = [("93.184.216.35", 443), ("2606:4700::1", 443), (PUBLIC, 443)]
    assert wire.connects == tried


async def test_a_name_that_is_not_known_is_told(strict, names):
    names.answers["none.example"] = []
    with pytest.raises(HostUnknown):
        await strict.send(Outgoing(url="https://none.example/"))


async def test_a_silent_name_server_is_not_waited_for(opened, names):
    asked = Event()
    names.answers["silent.example"] = lambda _: asked.wait(20) and [PUBLIC]
    began = time.monotonic()
    async with opened(look_up_s=0.3) as fetch:
        calls = [fetch.send(Outgoing(url="https://silent.example/")) for _ in range(20)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {FetchTimedOut}
        assert time.monotonic() - began < 10
        assert names.asked == ["silent.example"], "one look-up serves all that wait"
        asked.set()


async def test_the_look_up_counts_into_the_total(opened, names):
    asked = Event()
    names.answers["silent.example"] = lambda _: asked.wait(20) and [PUBLIC]
    began = time.monotonic()
    async with opened(look_up_s=5) as fetch:
        with pytest.raises(FetchTimedOut):
            await fetch.send(Outgoing(url="https://silent.example/", total_s=0.2))
    assert time.monotonic() - began < 4
    asked.set()


async def test_a_certificate_holds_for_the_name_and_not_for_the_address(
    strict, names, authority, tmp_path
):
    cases = {
        "another name": authority.server("other.example"),
        "the address": authority.server(PUBLIC),
        "expired": authority.server("example.com", is_expired=True),
        "nobody's": type(authority)(tmp_path).server("example.com"),
    }
    for case, tls in cases.items():
        async with scripted_server(greet, host="0.0.0.0", port=443, tls=tls) as server:
            with pytest.raises(CertificateInvalid):
                await strict.send(Outgoing(url="https://example.com/"))
            assert server.heard == [], case


async def test_a_server_without_tls_is_told(strict):
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "0.0.0.0", 443):
        with pytest.raises(FetchUnreachable):
            await strict.send(Outgoing(url="https://example.com/"))


async def test_nothing_is_left_open_by_calls_that_fail(strict, names):
    names.answers["closed.example"] = ["93.184.216.35"]

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(be_silent, PUBLIC, 443):
        before = len(os.listdir("/proc/self/fd"))
        urls = ["https://closed.example/", "https://example.com/"] * 50
        calls = [strict.send(Outgoing(url=url, total_s=0.3)) for url in urls]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {FetchUnreachable, FetchTimedOut}
        async with asyncio.timeout(5):
            while len(os.listdir("/proc/self/fd")) > before:
                await asyncio.sleep(0.01)


async def test_a_host_with_nothing_but_a_public_ipv6_address_is_called(
    strict, names, wire, authority
):
    names.answers["example.com"] = ["2606:4700::1111"]
    tls = authority.server("example.com")
    async with scripted_server(greet, host="::", port=443, tls=tls):
        assert (await strict.send(Outgoing(url="https://example.com/"))).status == 200
    assert wire.connects == [("2606:4700::1111", 443)]


async def test_an_address_of_this_machine_is_refused_though_it_is_public(strict, names, wire):
    names.answers["us.example"] = ["93.184.216.99"]
    add_to_loopback("93.184.216.99")
    with pytest.raises(AddressRefused, match="the service's own"):
        await strict.send(Outgoing(url="https://us.example/"))
    assert wire.connects == []


async def test_two_hosts_at_one_address_share_no_connection(strict, world):
    for _ in range(2):
        for host in ("example.com", "other.example"):
            await strict.send(Outgoing(url=f"https://{host}/"))
    assert world.connections == 2
    assert world.names == ["example.com", "other.example"]
    hosts = [heard.headers["host"] for heard in world.heard]
    assert hosts == ["example.com", "other.example"] * 2


async def test_proxies_of_the_environment_are_not_used(strict, wire, world):
    await strict.send(Outgoing(url="https://example.com/"))
    assert wire.connects == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "127.0.0.1"),
        ("hOST", "127.0.0.1"),
        ("Connection", "keep-alive"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Expect", "100-continue"),
        ("Accept-Encoding", "gzip"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Metadata-Flavor", "Google"),
        ("Metadata", "true"),
        ("X-aws-ec2-metadata-token", "x"),
        ("X-Aws-Ec2-Metadata-Token-TTL-Seconds", "60"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("x-forwarded-host", "admin.example"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-A", "b\r\nX-B: c"),
        ("X-A", "b\nX-B: c"),
        ("X-A", "b\rX-B: c"),
        ("X-A", "b\x00"),
        ("X-A", "b\x7f"),
        ("X-A", "é"),
        ("X-A\r\nX-B", "c"),
        ("X-A:", "c"),
        ("X A", "c"),
        ("", "c"),
        ("X-É", "c"),
        ("X-A", "b" * 8193),
        ("X" * 257, "b"),
    ],
)
async def test_a_header_that_is_not_the_callers_is_refused_unsent(name, value, strict, wire):
    with pytest.raises(HeadersRefused):
        strict.check_headers({name: value})
    with pytest.raises(HeadersRefused) as refused:
        await strict.send(Outgoing(url="https://example.com/", headers={name: value}))
    assert wire.connects == []
    assert len(value) < 3 or value not in str(refused.value)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "GET /x HTTP/1.1\r\nX:", "", "FOO"])
async def test_a_method_that_is_none_is_refused_unsent(method, strict, wire):
    with pytest.raises(HeadersRefused):
        await strict.send(Outgoing(url="https://example.com/", method=method))
    assert wire.connects == []


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def drip(heard: Conversation, begin: bytes, piece: bytes) -> None:
    await heard.say(begin)
    while True:
        await asyncio.sleep(0.1)
        await heard.say(piece)


async def pour(heard: Conversation, begin: bytes, piece: bytes) -> None:
    await heard.say(begin)
    while True:
        await heard.say(piece)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "a silent server": (drip, b"", b"", FetchTimedOut),
    "a head that drips": (drip, OK, b"X: 1\r\n", FetchTimedOut),
    "a body that drips": (drip, OK + b"Content-Length: 99\r\n\r\n", b"x", FetchTimedOut),
    "chunks that drip": (drip, CHUNKED, chunk(b"x"), FetchTimedOut),
    "a body without an end": (pour, OK + b"\r\n", b"x" * 65536, ResponseTooLarge),
    "chunks without an end": (pour, CHUNKED, chunk(b"x" * 65536), ResponseTooLarge),
    "chunks of one byte": (pour, CHUNKED, chunk(b"x") * 10_000, AnswerBroken),
    "a chunk's size without an end": (pour, CHUNKED, b"0" * 65536, AnswerBroken),
    "chunk extensions": (pour, CHUNKED + b"1;", b"a" * 65536, AnswerBroken),
    "trailers": (pour, CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000, ResponseTooLarge),
    "a trailer without an end": (pour, CHUNKED + b"0\r\nX: ", b"y" * 65536, AnswerBroken),
    "a header without an end": (pour, OK + b"X: ", b"y" * 65536, ResponseTooLarge),
    "a header of a megabyte": (drip, OK + b"X: " + b"y" * MB, b"\r\n", ResponseTooLarge),
    "headers without an end": (pour, OK, b"X: y\r\n" * 1000, ResponseTooLarge),
    "provisional answers": (pour, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, ResponseTooLarge),
    "early hints": (pour, b"", b"HTTP/1.1 103 E\r\nX: y\r\n\r\n" * 1000, ResponseTooLarge),
    "ten gigabytes": (
        drip,
        OK + b"Content-Length: 10000000000\r\n\r\n" + b"x" * 2 * MB,
        b"x",
        ResponseTooLarge,
    ),
}


@pytest.mark.parametrize(("how", "begin", "piece", "failure"), FLOODS.values(), ids=FLOODS)
async def test_a_flood_is_cut(how, begin, piece, failure, local):
    total_s = 0.5 if failure is FetchTimedOut else 10
    async with scripted_server(lambda heard: how(heard, begin, piece)) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.monotonic()
        with pytest.raises(failure):
            await local.send(Outgoing(url=f"http://127.0.0.1:{server.port}/", total_s=total_s))
        assert time.monotonic() - began < 5
        # KiB; the server's own buffers are in this process too.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


async def test_a_flood_is_cut_and_given_where_that_was_asked_for(local):
    async with scripted_server(lambda heard: pour(heard, OK + b"\r\n", b"x" * 65536)) as server:
        request = Outgoing(url=f"http://127.0.0.1:{server.port}/", max_bytes=1000, cuts_body=True)
        answer = await local.send(request)
    assert (answer.status, answer.content, answer.was_cut) == (200, b"x" * 1000, True)


async def test_a_compressed_bomb_is_never_unpacked(local):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(MB)) for _ in range(100)) + packer.flush()

    async def send_bomb(heard: Conversation) -> None:
        await heard.answer(bomb, Content_Encoding="gzip")

    async with scripted_server(send_bomb) as server:
        url = f"http://127.0.0.1:{server.port}/"
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ResponseTooLarge):
            await local.send(Outgoing(url=url))
        answer = await local.send(Outgoing(url=url, max_bytes=100, cuts_body=True))
        assert (len(answer.content), answer.was_cut) == (100, True)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000
        assert "accept-encoding: identity" in server.heard[0].head.lower()


TEXT = gzip.compress(b"hello ") + gzip.compress(b"world")
ANSWERS = {
    "compressed": (
        OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(TEXT) + TEXT,
        b"hello world",
    ),
    "compressed, cut short": (
        OK + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + TEXT[:20],
        AnswerBroken,
    ),
    "not compressed though it says so": (
        OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        AnswerBroken,
    ),
    "compressed as nobody asked": (
        OK + b"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello",
        AnswerBroken,
    ),
    "chunked": (CHUNKED + chunk(b"hello ") + chunk(b"world") + b"0\r\n\r\n", b"hello world"),
    "after a provisional answer": (
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
        b"hello",
    ),
    "without a body": (b"HTTP/1.1 204 No\r\n\r\n", b""),
    "of HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "without a length": (OK + b"Connection: close\r\n\r\nhello", b"hello"),
    "cut short": (OK + b"Content-Length: 9\r\n\r\nhello", AnswerBroken),
    "cut short in chunks": (CHUNKED + b"9\r\nhello", AnswerBroken),
    "cut short in its head": (OK + b"Content-Le", AnswerBroken),
    "nothing": (b"", AnswerBroken),
    "no HTTP": (b"220 mail.example ESMTP\r\n", AnswerBroken),
    "of HTTP/2": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", AnswerBroken),
    "an upgrade": (
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello",
        AnswerBroken,
    ),
    "two lengths": (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", AnswerBroken),
    "length and chunks": (
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        AnswerBroken,
    ),
    "a negative length": (OK + b"Content-Length: -5\r\n\r\nhello", AnswerBroken),
    "folded headers": (OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", AnswerBroken),
}


@pytest.mark.parametrize(("said", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_is_read_or_refused(said, expected, local):
    async def say(heard: Conversation) -> None:
        await heard.say(said)
        heard.writer.close()

    async with scripted_server(say) as server:
        request = Outgoing(url=f"http://127.0.0.1:{server.port}/", total_s=2)
        if isinstance(expected, bytes):
            assert (await local.send(request)).content == expected
        else:
            with pytest.raises(expected):
                await local.send(request)


async def test_a_connection_that_breaks_is_told(local):
    async def break_off(heard: Conversation) -> None:
        await heard.say(OK + b"Content-Length: 9\r\n\r\nhello")
        await asyncio.sleep(0.05)
        heard.hang_up()

    async with scripted_server(break_off) as server:
        with pytest.raises(AnswerBroken):
            await local.send(Outgoing(url=f"http://127.0.0.1:{server.port}/"))


async def test_a_port_that_nobody_serves_is_told(local):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchUnreachable):
        await local.send(Outgoing(url=f"http://127.0.0.1:{port}/"))


async def test_a_cancelled_request_closes_its_connection(local):
    opened, closed = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        opened.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        closed.set()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        request = Outgoing(url=f"http://127.0.0.1:{port}/", total_s=60)
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(local.send(request))
            await opened.wait()
            call.cancel()
        await asyncio.wait_for(closed.wait(), 2)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_head_has_no_body_and_its_connection_is_not_kept(method, local):
    async def announce(heard: Conversation) -> None:
        body = b"" if heard.head.startswith("HEAD") else b"hello"
        await heard.say(OK + b"Content-Length: 5\r\n\r\n" + body)

    async with scripted_server(announce) as server:
        request = Outgoing(url=f"http://127.0.0.1:{server.port}/", method=method)
        for _ in range(2):
            answer = await local.send(request)
            assert answer.headers["content-length"] == "5"
            assert answer.content == (b"" if method == "HEAD" else b"hello")
        assert server.connections == (2 if method == "HEAD" else 1)


async def test_what_is_said_without_being_asked_ends_the_connection(local):
    async def say_more(heard: Conversation) -> None:
        await heard.say(OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 4\r\n\r\nevil")

    async with scripted_server(say_more) as server:
        for _ in range(3):
            answer = await local.send(Outgoing(url=f"http://127.0.0.1:{server.port}/"))
            assert answer.content == b"ok"
        assert server.connections == 3


@pytest.mark.parametrize(
    ("method", "connections"), [("GET", 2), ("POST", 1), ("PUT", 1), ("DELETE", 1)]
)
async def test_only_what_may_be_repeated_is_sent_again_on_a_new_connection(
    method, connections, local
):
    async def answer_once(heard: Conversation) -> None:
        if len(server.heard) == 2:  # the second request meets a server that goes away
            heard.hang_up()
        else:
            await heard.answer(b"ok")

    async with scripted_server(answer_once) as server:
        request = Outgoing(url=f"http://127.0.0.1:{server.port}/", method=method)
        await local.send(request)
        if method == "GET":
            assert (await local.send(request)).content == b"ok"
        else:
            with pytest.raises(AnswerBroken):
                await local.send(request)
        assert server.connections == connections


SECRETS = {"Authorization": "Bearer s", "Cookie": "a=b", "X-Api-Key": "s", "Accept": "text/html"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_unless_that_was_asked_for(status, local):
    async def redirect(heard: Conversation) -> None:
        await heard.answer(status=status, Location="/next")

    async with scripted_server(redirect) as server:
        answer = await local.send(Outgoing(url=f"http://127.0.0.1:{server.port}/"))
        assert (answer.status, answer.headers["location"]) == (status, "/next")
        assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"),
     (308, "PUT", "PUT"), (302, "HEAD", "HEAD"), (301, "GET", "GET")],
)  # fmt: skip
async def test_a_redirect_within_a_host_keeps_what_it_should(status, method, then, local):
    async def redirect(heard: Conversation) -> None:
        if heard.path == "/a":
            await heard.answer(status=status, Location="b?c")
        else:
            await heard.answer()

    async with scripted_server(redirect) as server:
        url = f"http://127.0.0.1:{server.port}"
        content = b"{}" if method in ("POST", "PUT") else b""
        request = Outgoing(
            url=f"{url}/a", method=method, content=content, headers=SECRETS, redirects=1
        )
        assert (await local.send(request)).url == f"{url}/b?c"
    last = server.heard[-1]
    assert last.head.split(" ")[0] == then
    assert last.body == (content if then == method else b"")
    assert last.headers["authorization"] == "Bearer s"


async def test_a_redirect_to_another_host_takes_no_secret_along(local):
    async with scripted_server(greet) as other:

        async def redirect(heard: Conversation) -> None:
            await heard.answer(status=302, Location=f"http://127.0.0.1:{other.port}/")

        async with scripted_server(redirect) as server:
            request = Outgoing(
                url=f"http://127.0.0.1:{server.port}/",
                headers=SECRETS,
                redirects=1,
                method="POST",
                content=b"secret",
            )
            await local.send(request)
    heard = other.heard[0]
    assert heard.headers["accept"] == "text/html"
    assert not heard.headers.keys() & {"authorization", "cookie", "x-api-key", "content-type"}
    assert (heard.head.split(" ")[0], heard.body) == ("GET", b"")


async def test_a_redirect_would_not_take_a_body_to_another_host(local):
    async with scripted_server(greet) as other:

        async def redirect(heard: Conversation) -> None:
            await heard.answer(status=307, Location=f"//127.0.0.1:{other.port}/")

        async with scripted_server(redirect) as server:
            url = f"http://127.0.0.1:{server.port}/"
            request = Outgoing(url=url, redirects=1, method="POST", content=b"secret")
            with pytest.raises(RedirectRefused):
                await local.send(request)
    assert other.connections == 0


async def test_a_redirect_never_leads_from_https_to_http(opened, authority):
    async def redirect(heard: Conversation) -> None:
        await heard.answer(status=302, Location="http://10.0.0.9:8080/")

    tls = authority.server("10.0.0.9")
    async with (
        scripted_server(redirect, host="0.0.0.0", port=8443, tls=tls),
        scripted_server(greet, host="0.0.0.0", port=8080) as plain,
        opened(outbound_allow_private_cidrs="10.0.0.0/8") as fetch,
    ):
        with pytest.raises(RedirectRefused):
            await fetch.send(Outgoing(url="https://10.0.0.9:8443/", redirects=1))
    assert plain.connections == 0


async def test_redirects_are_counted(local):
    async def redirect(heard: Conversation) -> None:
        await heard.answer(status=302, Location=heard.path)

    async with scripted_server(redirect) as server:
        with pytest.raises(RedirectRefused):
            await local.send(Outgoing(url=f"http://127.0.0.1:{server.port}/", redirects=3))
        assert len(server.heard) == 4


async def test_the_answer_of_an_inner_place_tells_nothing(strict):
    """An open port and a closed one are refused in the same words, as neither is tried."""
    said = set()
    async with scripted_server(greet, port=8443):
        for port in (8443, 443):
            with pytest.raises(AddressRefused) as refused:
                await strict.send(Outgoing(url=f"https://127.0.0.1:{port}/"))
            said.add(str(refused.value))
    assert len(said) == 1
