"""The head of a request: written once for all requests that differ in their body alone."""

from dataclasses import dataclass
from typing import NamedTuple

import httpx2


class Origin(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Head:
    """`lines` are all but the length of the body; None for `connect_s` waits for ever."""

    origin: Origin
    lines: bytes
    connect_s: float | None

    @classmethod
    def of(cls, request: httpx2.Request) -> "Head":
        """The head that requests like this one have.

        Raises:
            httpx2.LocalProtocolError: a header would end early and begin another one.
        """
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
        lines += [
            name + b": " + value
            for name, value in request.headers.raw
            if name.lower() != b"content-length"
        ]
        written = b"\r\n".join(lines)
        breaks = (written.count(b"\r"), written.count(b"\n"))
        if breaks != (len(lines) - 1, len(lines) - 1) or b"\0" in written:
            raise httpx2.LocalProtocolError("a header holds a line end", request=request)
        connect_s = request.extensions.get("timeout", {}).get("connect")
        return cls(_origin(request.url), written + b"\r\n", connect_s)

    def with_body(self, body: bytes) -> bytes:
        """The whole request."""
        return b"%bcontent-length: %d\r\n\r\n%b" % (self.lines, len(body), body)


def _origin(url: httpx2.URL) -> Origin:
    port = url.port or (443 if url.scheme == "https" else 80)
    return Origin(url.scheme, url.raw_host.decode("ascii"), port)
