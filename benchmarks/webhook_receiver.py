"""A receiver that costs next to nothing: 204 to every POST; GET tells what came and when."""

import asyncio
import json
import time

import uvloop

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
ID = b"webhook-id: "
arrived: list[tuple[str, float]] = []


class Receiving(asyncio.Protocol):
    """Counts on each request lying in one packet or two, as ours do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        if head.startswith(b"GET"):
            told = json.dumps(arrived).encode()
            arrived.clear()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told)
            )
            self.buffer = b""
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.buffer = body[length:]
        arrived.append((head.partition(ID)[2].partition(b"\r\n")[0].decode(), time.time()))
        self.transport.write(ANSWER)


async def main() -> None:
    """Listen on a port of its own, which is printed."""
    server = await asyncio.get_running_loop().create_server(Receiving, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
