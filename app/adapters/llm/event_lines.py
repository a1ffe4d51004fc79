"""Splits bytes of server-sent events into the payloads of their `data:` lines. Does no I/O."""

from collections.abc import Iterator

MAX_LINE_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"


class LineTooLong(ValueError):
    """A line is longer than any honest one."""


class DataLines:
    """Feed it what the network brings; it gives whole payloads, however the bytes were cut.

    Lines end in LF, CRLF or CR; comments and other fields are passed over. Each `data:` line is one
    payload: the vendors that are read here never spread one over several lines.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_first = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Payloads that are whole now.

        Raises:
            LineTooLong: the stream is not what it says it is.
        """
        self._rest += chunk
        # Only the new chunk is searched: a long line that drips in stays linear.
        if b"\n" in chunk or b"\r" in chunk:
            # Bytes are split at LF, CRLF and CR alone. A CRLF that was cut in two ends a line
            # twice, and the empty one means nothing.
            lines = bytes(self._rest).splitlines(keepends=True)
            self._rest = (
                bytearray() if lines[-1].endswith((b"\n", b"\r")) else bytearray(lines.pop())
            )
            for line in lines:
                yield from self._payload(line)
        _check_length(self._rest)

    def end(self) -> Iterator[bytes]:
        """What a stream without a last line end still holds."""
        line, self._rest = bytes(self._rest), bytearray()
        yield from self._payload(line)

    def _payload(self, line: bytes) -> Iterator[bytes]:
        _check_length(line)
        if self._is_first:
            line, self._is_first = line.removeprefix(BOM), False
        payload = line[5:].strip() if line.startswith(b"data:") else b""
        if payload:
            yield payload


def _check_length(line: bytes | bytearray) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise LineTooLong
