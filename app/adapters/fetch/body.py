"""Collects a body up to a limit, decoded if it came compressed though nobody asked for that."""

import zlib

from app.ports.fetch import AnswerBroken, ResponseTooLarge

_GZIP = 16 + zlib.MAX_WBITS


class Body:
    """Holds at most `max_bytes`, however many a compressed one would become."""

    def __init__(self, encoding: str, *, max_bytes: int, cuts: bool) -> None:
        """`encoding` is the value of `Content-Encoding`, or nothing.

        Raises:
            AnswerBroken: an encoding that nobody asked for and that is not read.
        """
        if encoding.strip().lower() not in ("", "identity", "gzip", "x-gzip"):
            raise AnswerBroken("The answer is encoded in a way that was not asked for.")
        self._is_gzip = encoding.strip().lower() in ("gzip", "x-gzip")
        self._gzip = zlib.decompressobj(_GZIP)
        self._has_begun = False
        self._max_bytes = max_bytes
        self._cuts = cuts
        self._pieces: list[bytes] = []
        self._size = 0
        self.was_cut = False

    def take(self, data: bytes) -> None:
        """Add what arrived; after a cut nothing more is taken.

        Raises:
            ResponseTooLarge: there is more than is taken, and it is not to be cut.
            AnswerBroken: it cannot be decoded.
        """
        if self.was_cut:
            return
        if self._is_gzip:
            self._inflate(data)
        else:
            self._add(data)

    def _inflate(self, data: bytes) -> None:
        try:
            while data and not self.was_cut:
                self._has_begun = True
                # One byte more than fits tells that there is more.
                self._add(self._gzip.decompress(data, self._max_bytes - self._size + 1))
                data = self._gzip.unconsumed_tail or self._gzip.unused_data
                if self._gzip.eof:
                    self._gzip = zlib.decompressobj(_GZIP)
                    self._has_begun = False
        except zlib.error:
            raise AnswerBroken("The answer cannot be decompressed.") from None

    def _add(self, data: bytes) -> None:
        room = self._max_bytes - self._size
        if len(data) > room:
            if not self._cuts:
                raise ResponseTooLarge(f"The answer has more than {self._max_bytes} bytes.")
            self.was_cut = True
            data = data[:room]
        self._size += len(data)
        self._pieces.append(data)

    def whole(self) -> bytes:
        """The body.

        Raises:
            AnswerBroken: a compressed body ended too early.
        """
        if self._has_begun and not self.was_cut:
            raise AnswerBroken("The answer ended in the middle of compressed data.")
        return b"".join(self._pieces)
