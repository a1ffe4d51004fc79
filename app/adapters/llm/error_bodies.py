"""What a provider says where it sends no stream, read as far as it tells us something."""

import asyncio
import zlib

import httpx2
import orjson

MAX_BODY_BYTES = 64 * 1024
# What has not come by then is not worth waiting for: the status is known.
PATIENCE_S = 2.0
_ENCODINGS = ("gzip", "x-gzip", "deflate")


async def said(response: httpx2.Response) -> object:
    """The JSON of the body, or the beginning of its text; the rest is never read."""
    body = _decoded(await _beginning(response), response.headers.get("content-encoding", ""))
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")


async def _beginning(response: httpx2.Response) -> bytes:
    """The first bytes as they were sent, cut off or not."""
    read = response.extensions["body"].read
    came = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(came) < MAX_BODY_BYTES and (chunk := await read()):
                came += chunk
    except (TimeoutError, httpx2.HTTPError, OSError):
        pass
    return bytes(came[:MAX_BODY_BYTES])


def _decoded(body: bytes, encoding: str) -> bytes:
    """We ask for no encoding; who uses one nevertheless sends no more than others."""
    if not encoding or encoding.lower() == "identity":
        return body
    if encoding.lower() not in _ENCODINGS:
        return b""
    try:
        # With this window it tells gzip from zlib by itself.
        return zlib.decompressobj(wbits=47).decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        return b""
