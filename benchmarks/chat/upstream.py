"""A model that costs nothing: chat completions whose tokens carry the time at which they were sent.

The model's name is its profile, `mock-<tokens>-<pause_ms>-<first_ms>`. Each token's text is
`t<CLOCK_MONOTONIC ns> `, so a client on the same machine knows how long each one took to reach it.
"""

import argparse
import asyncio
import re
import time

import uvloop

_MODEL = re.compile(rb'"model"\s*:\s*"mock-(\d+)-([\d.]+)-(\d+)"')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _event(delta: bytes, finish: bytes = b"null") -> bytes:
    return (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,'
        b'"model":"mock","choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}'
        b"\n\n" % (delta, finish)
    )


_LAST = (
    _chunk(_event(b"{}", b'"stop"'))
    + _chunk(b'data: {"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":64}}\n\n')
    + _chunk(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


class _Upstream(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        self._buffer = b""
        profile = _MODEL.search(body)
        assert profile is not None, "name the model mock-<tokens>-<pause_ms>-<first_ms>"
        self._left, self._pause_s = int(profile[1]), float(profile[2]) / 1000
        self._transport.write(_HEAD)
        self._due = asyncio.get_running_loop().time() + int(profile[3]) / 1000
        self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self._due, self._send)

    def _send(self) -> None:
        text = b'{"content":"t%d "}' % time.monotonic_ns()
        self._transport.write(_chunk(_event(text)))
        self._left -= 1
        if not self._left:
            self._transport.write(_LAST)
            return
        self._due += self._pause_s
        self._wait()


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(parser.parse_args().port))
