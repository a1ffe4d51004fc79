"""Connections on which nothing comes, or too little, are cut, and nobody else notices."""

import asyncio
import json

import pytest

from tests.support.service import AS_MAKE_RUN_DOES, running_service

pytestmark = [pytest.mark.anyio, pytest.mark.once]
HEAD = b"POST /api/v2/agents HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
BODY = HEAD + b"Authorization: Bearer %b\r\nContent-Length: 1000\r\n\r\n{"
# What is sent at once, and what is then sent every half a second; how the server then answers.
SLOW = {
    "silent": (b"", b"", None),
    "half a head": (HEAD, b"", 408),
    "a head in drips": (HEAD + b"X-A: ", b"a", 408),
    "no body": (BODY, b"", 408),
    "a body in drips": (BODY, b" ", 408),
    "blank lines": (b"\r\n", b"\r\n", 408),
    "a body nobody reads": (
        b"GET /health/live HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n",
        b" ",
        200,
    ),
    "the next head in drips": (
        b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nX-A: ",
        b"a",
        200,
    ),
}
CLOSED_WITHIN_S = 45


async def until_cut(port: int, first: bytes, drip: bytes) -> bytes:
    """All that the server says on a connection before it closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def go_on() -> None:
        while drip:
            writer.write(drip)
            await asyncio.sleep(0.5)

    dripping = asyncio.ensure_future(go_on())
    said = b""
    try:
        writer.write(first)
        while piece := await reader.read(65536):
            said += piece
    except ConnectionResetError:
        pass  # a drip came after the server had closed it
    finally:
        dripping.cancel()
        writer.close()
    return said


async def test_slow_connections_are_cut_while_others_are_served(tmp_path):
    tmp_path.chmod(0o755)
    async with running_service(tmp_path / "data", AS_MAKE_RUN_DOES) as service:
        port = int(service.url.rpartition(":")[2])
        slow = {
            kind: [
                asyncio.ensure_future(
                    until_cut(port, first.replace(b"%b", service.key.encode()), drip)
                )
                for _ in range(50)
            ]
            for kind, (first, drip, _) in SLOW.items()
        }
        everyone = [one for kind in slow.values() for one in kind]
        async with asyncio.timeout(CLOSED_WITHIN_S), service.client() as client:
            while not all(one.done() for one in everyone):
                assert (await client.get("/api/v2/agents")).status_code == 200
                await asyncio.sleep(0.2)
            assert (await client.get("/api/v2/agents")).json()["data"] == []
        for kind, (_, _, status) in SLOW.items():
            for said in (one.result() for one in slow[kind]):
                check(kind, said, status)
        assert "Traceback" not in service.log.read_text()


def check(kind: str, said: bytes, status: int | None) -> None:
    if status is None:
        assert said == b"", kind
        return
    assert said.startswith(b"HTTP/1.1 %d " % status), (kind, said)
    head, _, body = said.partition(b"\r\n\r\n")
    if status == 408:
        assert b"application/problem+json" in head
        problem = json.loads(body)
        assert (problem["code"], problem["status"]) == ("request_too_slow", 408)


async def answered(port: int, request: bytes) -> bytes:
    return await asyncio.wait_for(until_cut(port, request, b""), 30)


# What a proxy before us could read as another request than we do (RFC 9112, 6.3 and 11.2).
UNCLEAR = {
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and more": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a length that is none": b"Content-Length: +2\r\n\r\n{}",
    "a length below none": b"Content-Length: -2\r\n\r\n{}",
    "a blank before the colon": b"Content-Length : 2\r\n\r\n{}",
    "a folded header": b"X-A: a\r\n b\r\nContent-Length : 2\r\n\r\n{}",
    "bare line feeds": b"Content-Length: 2\n\n{}",
    "no size of a chunk": b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
    "NUL in a header": b"X-A: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
}

GET = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
TOO_MUCH = {
    "many headers": GET + b"".join(b"X-%d: a\r\n" % n for n in range(101)) + b"\r\n",
    "a long header": GET + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n",
    "headers without end": GET + b"X-A: aaaa\r\n" * 200_000,
}


async def test_what_could_be_read_in_two_ways_is_refused(tmp_path):
    tmp_path.chmod(0o755)
    async with running_service(tmp_path / "data", AS_MAKE_RUN_DOES) as service:
        port = int(service.url.rpartition(":")[2])
        head = HEAD + b"Authorization: Bearer %b\r\n" % service.key.encode()
        for kind, rest in UNCLEAR.items():
            said = await answered(port, head + rest)
            assert said.startswith(b"HTTP/1.1 400 "), (kind, said)
            assert said.count(b"HTTP/1.1 4") == 1, (kind, said)
            assert b"application/problem+json" in said, (kind, said)
        for kind, request in TOO_MUCH.items():
            said = await answered(port, request)
            # Of what it did not read to the end, the client may learn by a reset connection only.
            is_told = said.startswith(b"HTTP/1.1 431 ") and b"headers_too_large" in said
            assert is_told or (not said and kind == "headers without end"), (kind, said[:200])
        async with service.client() as client:
            assert (await client.get("/api/v2/agents")).json()["data"] == []
