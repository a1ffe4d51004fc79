"""Splits bytes of server-sent events into the payloads of their `data:` lines. Does no I/O."""

MAX_LINE_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"


class DataLines:
    """Feed it what the network brings; it gives whole payloads, however the bytes were cut.

    Lines end in LF, CRLF or CR; comments and other fields are passed over. Each `data:` line is one
    payload: the vendors that are read here never spread one over several lines.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_first = True
        # Whether a line came that is longer than any honest one: the stream is no stream.
        self.is_too_long = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Payloads that are whole now; after `is_too_long` nothing more can be read."""
        # As vendors send it, a chunk is some whole lines.
        if not self._rest and chunk.endswith(b"\n") and b"\r" not in chunk:
            return self._payloads(chunk.split(b"\n"))
        self._rest += chunk
        lines: list[bytes] = []
        # Only the new chunk is searched: a long line that drips in stays linear.
        if b"\n" in chunk or b"\r" in chunk:
            # Bytes are split at LF, CRLF and CR alone. A CRLF that was cut in two ends a line
            # twice, and the empty one means nothing.
            whole = bytes(self._rest).splitlines(keepends=True)
            is_cut = not whole[-1].endswith((b"\n", b"\r"))
            self._rest = bytearray(whole.pop() if is_cut else b"")
            lines = whole
        payloads = self._payloads(lines)
        self.is_too_long = self.is_too_long or len(self._rest) > MAX_LINE_BYTES
        return payloads

    def end(self) -> list[bytes]:
        """What a stream without a last line end still holds."""
        line, self._rest = bytes(self._rest), bytearray()
        return self._payloads([line])

    def _payloads(self, lines: list[bytes]) -> list[bytes]:
        payloads: list[bytes] = []
        for given in lines:
            line = given
            if self._is_first:
                line, self._is_first = line.removeprefix(BOM), False
            if len(line) > MAX_LINE_BYTES:
                self.is_too_long = True
                break
            if line.startswith(b"data:"):
                payload = line[5:].strip()
                if payload:
                    payloads.append(payload)
        return payloads
