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
        self._rest = b""
        self._is_first = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Payloads that are whole now.

        Raises:
            LineTooLong: the stream is not what it says it is.
        """
        data = self._rest + chunk
        if self._is_first and data:
            if len(data) < len(BOM) and BOM.startswith(data):
                self._rest = data
                return
            data, self._is_first = data.removeprefix(BOM), False
        # A CR at the very end may be half of a CRLF.
        held = b"\r" if data.endswith(b"\r") else b""
        if held:
            data = data[:-1]
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = data.split(b"\n")
        self._rest = rest + held
        if len(self._rest) > MAX_LINE_BYTES:
            raise LineTooLong
        for line in lines:
            payload = _payload(line)
            if payload:
                yield payload

    def end(self) -> Iterator[bytes]:
        """What a stream without a last line end still holds."""
        payload = _payload(self._rest.rstrip(b"\r"))
        self._rest = b""
        if payload:
            yield payload


def _payload(line: bytes) -> bytes:
    return line[5:].strip() if line.startswith(b"data:") else b""
