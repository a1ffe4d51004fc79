"""HTTP/1.1 beneath the SDKs, on both event loops: bodies, faults, connections that serve again."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.adapters.llm.transport import dialling
from app.adapters.llm.transport.head import Head
from app.adapters.llm.transport.incoming import MAX_WAITING_BYTES
from app.adapters.llm.transport.pool import Transport
from tests.support.completions_server import Exchange, completions_server
from tests.support.service import free_port

pytestmark = pytest.mark.anyio
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
UNBOUNDED = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request):
    return "asyncio", {"use_uvloop": request.param}


@asynccontextmanager
async def transport(trust: ssl.SSLContext | None = None, **limits: int) -> AsyncIterator[Transport]:
    made = Transport(
        trust or ssl.create_default_context(), **{"max_connections": 10, "kept": 5, **limits}
    )
    try:
        yield made
    finally:
        await made.aclose()


async def asked(over: Transport, url: str, timeout_s: float = 5) -> httpx2.Response:
    extensions = {"timeout": {"connect": timeout_s}}
    head = Head.of(httpx2.Request("POST", url, extensions=extensions))
    async with asyncio.timeout(5):
        return await over.post(head, b"{}")


async def read(over: Transport, url: str) -> bytes:
    response = await asked(over, url)
    try:
        return await response.aread()
    finally:
        await response.aclose()


def sending(*parts: bytes) -> Callable[[Exchange], Awaitable[None]]:
    async def script(exchange: Exchange) -> None:
        await exchange.send(*parts)

    return script


def cut(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        CHUNKED + b"2\r\nhe\r\n3;name=value\r\nllo\r\n0\r\ntrailer: x\r\n\r\n",
        UNBOUNDED + b"hello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n"
        + UNBOUNDED
        + b"hello",
        b"HTTP/1.0 200 Fine\r\nx-a: 1\r\n\r\nhello",
    ],
    ids=["length", "chunks", "until the end", "informed before", "an old server"],
)
async def test_a_body_is_whole_however_it_is_framed_and_cut(answer):
    scripts = (sending(answer), sending(*cut(answer)))
    async with completions_server(*scripts) as server, transport() as over:
        assert await read(over, server.url) == b"hello"
        await asyncio.sleep(0.02)  # it closes without having said so
        assert await read(over, server.url) == b"hello"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\nwhat\r\n",
    ],
    ids=["a length that is not reached", "no last chunk", "no chunk"],
)
async def test_what_came_before_a_fault_is_given_before_the_fault(answer):
    async with completions_server(sending(answer)) as server, transport() as over:
        body = (await asked(over, server.url)).extensions["body"]
        assert await body.read() == b"hello"
        with pytest.raises(httpx2.RemoteProtocolError):
            await body.read()
        await body.aclose()


async def test_text_that_comes_together_with_a_reset_is_given_first():
    async def script(exchange: Exchange) -> None:
        exchange.writer.write(UNBOUNDED + b"hello")
        await asyncio.sleep(0)
        exchange.reset()

    async with completions_server(script) as server, transport() as over:
        body = (await asked(over, server.url)).extensions["body"]
        assert await body.read() == b"hello"
        with pytest.raises(httpx2.ReadError):
            await body.read()


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 101 Go\r\nupgrade: x\r\n\r\n"],
    ids=["nothing", "half a line", "another protocol", "another protocol from now on"],
)
async def test_an_answer_without_a_head_is_a_failure(answer):
    async with completions_server(sending(answer)) as server, transport() as over:
        with pytest.raises(httpx2.TransportError):
            await asked(over, server.url)


async def test_a_head_without_end_is_given_up():
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not await exchange.is_closed_within(0.001):
            await exchange.send(b"x-more: " + b"y" * 8000 + b"\r\n")

    async with completions_server(script) as server, transport() as over:
        with pytest.raises(httpx2.RemoteProtocolError):
            await asked(over, server.url)


async def test_a_connection_serves_again_until_somebody_closes_it():
    async def kept(exchange: Exchange) -> None:
        await exchange.send_chunked(b"hello")

    async def closing(exchange: Exchange) -> None:
        await kept(exchange)
        exchange.stays_open = False  # without having said so

    async with completions_server(kept, closing, kept) as server, transport() as over:
        for connections in (1, 1, 2, 2):
            assert await read(over, server.url) == b"hello"
            assert server.connections == connections
            await asyncio.sleep(0.05)


async def test_a_connection_serves_nobody_after_an_answer_that_was_left_or_said_too_much():
    async def long(exchange: Exchange) -> None:
        await exchange.send(CHUNKED + b"5\r\nhello\r\n")
        assert await exchange.is_closed_within(1)

    async def too_much(exchange: Exchange) -> None:
        await exchange.send(CHUNKED + b"0\r\n\r\n" + UNBOUNDED + b"another's answer")
        assert await exchange.is_closed_within(1)

    async def last(exchange: Exchange) -> None:
        await exchange.send_chunked(b"mine")

    async with completions_server(long, too_much, last) as server, transport() as over:
        await (await asked(over, server.url)).aclose()
        assert await read(over, server.url) == b""
        await asyncio.sleep(0.05)
        assert await read(over, server.url) == b"mine"
        assert server.connections == 3


async def test_who_reads_slowly_is_sent_no_more_than_fits():
    sent = 0

    async def script(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(UNBOUNDED)
        for _ in range(1000):
            exchange.writer.write(b"x" * 65536)
            await exchange.writer.drain()
            sent += 65536

    async with completions_server(script) as server, transport() as over:
        response = await asked(over, server.url)
        await asyncio.sleep(0.3)
        held = sent
        assert held < 1000 * 65536 / 2
        assert len(await response.extensions["body"].read()) < MAX_WAITING_BYTES + 1024 * 1024
        assert len(await response.aread()) + MAX_WAITING_BYTES > 1000 * 65536 - 2 * 1024 * 1024


async def test_who_leaves_amid_a_flood_leaves_a_connection_that_reads_on():
    # Its end comes with what is too much.
    flood = b"x" * (MAX_WAITING_BYTES + 20_000)

    async def flooding(exchange: Exchange) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(flood)
        await exchange.send(head + flood)
        exchange.stays_open = True

    async with completions_server(flooding, flooding) as server, transport() as over:
        response = await asked(over, server.url)
        body = response.extensions["body"]
        taken: list[bytes] = []
        async with asyncio.timeout(5):
            while not body.is_whole:  # all of it has come, and more waits than fits
                await asyncio.sleep(0.01)
        assert await body.pour(lambda part: taken.append(part) is not None)
        assert len(flood) - len(taken[0]) > MAX_WAITING_BYTES
        await response.aclose()
        async with asyncio.timeout(5):
            assert await read(over, server.url) == flood
        assert server.connections == 1


async def test_beyond_the_limit_requests_wait_for_a_place():
    async def script(exchange: Exchange) -> None:
        await exchange.send_chunked(b"hello")

    async with completions_server(script) as server, transport(max_connections=1) as over:
        first = await asked(over, server.url)
        second = asyncio.ensure_future(read(over, server.url))
        await asyncio.sleep(0.05)
        assert not second.done()
        await first.aclose()
        assert await second == b"hello"


async def test_closing_ends_what_is_under_way():
    async def script(exchange: Exchange) -> None:
        await exchange.send(UNBOUNDED)
        await exchange.until_closed()

    async with completions_server(script) as server, transport() as over:
        body = (await asked(over, server.url)).extensions["body"]
        reading = asyncio.ensure_future(body.read())
        await asyncio.sleep(0.01)
        await over.aclose()
        with pytest.raises(httpx2.ReadError):
            await asyncio.wait_for(reading, 1)


async def test_nobody_there_and_nobody_who_answers_are_told_apart():
    async with transport() as over:
        with pytest.raises(httpx2.ConnectError):
            await asked(over, f"http://127.0.0.1:{free_port()}")
        with pytest.raises(httpx2.ConnectError):
            await asked(over, "http://no-such-host.invalid")
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            port = deaf.getsockname()[1]
            with pytest.raises(httpx2.ConnectTimeout):
                await asked(over, f"https://127.0.0.1:{port}", timeout_s=0.2)


async def test_an_address_that_leads_nowhere_is_passed_over():
    kind = (socket.AF_INET, socket.SOCK_STREAM, 0)
    with socket.create_server(("127.0.0.1", 0)) as there:
        nowhere, there_at = ("127.0.0.1", free_port()), there.getsockname()
        reached = await dialling.first_of([(*kind, nowhere), (*kind, there_at)])
        with reached:
            assert reached.getpeername() == there_at
    with pytest.raises(OSError, match=r".+"):
        await dialling.first_of([(*kind, nowhere), (*kind, nowhere)])


def test_a_header_cannot_begin_another_one():
    request = httpx2.Request("POST", "http://127.0.0.1:1", headers={"x-key": "a\r\nhost: b"})
    with pytest.raises(httpx2.LocalProtocolError):
        Head.of(request)


def certificate(folder) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


async def test_tls_serves_again_and_trusts_only_whom_it_should(tmp_path):
    server_side, trusting = certificate(tmp_path)
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while (await reader.read(1024)).endswith(b"{}"):
            writer.write(CHUNKED)
            for piece in cut(b"hello"):
                writer.write(b"1\r\n" + piece + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side) as listener:
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with transport(trusting) as over:
            assert [await read(over, url) for _ in range(3)] == [b"hello"] * 3
        assert connections == 1
        async with transport() as over:
            with pytest.raises(httpx2.ConnectError):
                await asked(over, url)
