"""Reads one answer from bytes, bounded in its head, its framing and its body."""

from dataclasses import dataclass, field

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.adapters.fetch.body import Body
from app.ports.fetch import AnswerBroken, FetchFailed, ResponseTooLarge

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200
_SLICE = 16_384
# Each chunk costs a call of ours: a large body in chunks of one byte, six on the wire, is refused.
_WIRE_PER_BYTE = 4
_MAX_FRAMING = 524_288


@dataclass(slots=True)
class _Head:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    count: int = 0


class AnswerReader:
    """One answer. `is_done` says that it is whole, or cut where it was to be cut."""

    def __init__(self, method: str, *, max_bytes: int, cuts_body: bool) -> None:
        self._parser = HttpResponseParser(self)
        self._has_body = method != "HEAD"
        self._max_bytes = max_bytes
        self._cuts_body = cuts_body
        self._head = _Head()
        self._body: Body | None = None
        self._failure: FetchFailed | None = None
        self._head_bytes = self._wire_bytes = self._body_bytes = 0
        self._is_whole = self._has_more = self._keeps_alive = False
        self.has_begun = self.is_done = False

    @property
    def status(self) -> int:
        return self._head.status

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case names; several of one name are joined by commas."""
        return self._head.headers

    @property
    def content(self) -> bytes:
        return self._body.whole() if self._body else b""

    @property
    def has_head(self) -> bool:
        """Whether status and headers are known."""
        return self._body is not None

    @property
    def was_cut(self) -> bool:
        return self._body is not None and self._body.was_cut

    @property
    def leaves_connection_usable(self) -> bool:
        """Whether another request may follow on the same connection."""
        return self._is_whole and self._keeps_alive and not self._has_more

    def feed(self, data: bytes) -> None:
        """Take what arrived.

        Raises:
            FetchFailed: it is no answer, or a larger one than is taken.
        """
        self.has_begun = True
        view = memoryview(data)
        # In slices, so that a head without an end is not kept beyond its limit.
        while view and not self.is_done:
            has_head = self._body is not None
            piece = view if has_head else view[:_SLICE]
            if not has_head:
                self._count_head(len(piece))
            self._parse(piece)
            if has_head and not self.is_done:
                self._count_body(len(piece))
            view = view[len(piece) :]
        self._has_more = self._has_more or bool(view)

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES + _SLICE:
            raise ResponseTooLarge("The head of the answer is too large.")

    def _count_body(self, size: int) -> None:
        self._wire_bytes += size
        if self._wire_bytes > _MAX_FRAMING + self._body_bytes * _WIRE_PER_BYTE:
            raise AnswerBroken("The answer has far more framing than content.")

    def _parse(self, piece: memoryview) -> None:
        try:
            self._parser.feed_data(piece)
        except (HttpParserError, HttpParserUpgrade):
            if self._is_whole:  # what followed was none of ours
                self._has_more = True
            elif self._failure is None:
                raise AnswerBroken("The answer is not HTTP.") from None
        if self._failure:
            raise self._failure
        self.is_done = self._is_whole or self.was_cut

    def cut(self) -> None:
        """No more is waited for: what has come of the body is kept as the beginning of it."""
        if self._body is not None:
            self._body.was_cut = self.is_done = True

    def end(self) -> None:
        """The server has closed the connection.

        Raises:
            FetchFailed: the answer was not whole.
        """
        # A body without a length ends with the connection.
        has_length = "content-length" in self.headers or "transfer-encoding" in self.headers
        if self._body is None or has_length:
            raise AnswerBroken("The connection was closed before the answer was whole.")
        self.is_done = True

    def on_message_begin(self) -> None:
        self._has_more = self._is_whole

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.count += 1
        if self._head.count > MAX_HEADERS:
            self._fail(ResponseTooLarge("The answer has too many headers."))
        elif self._body is None:  # later ones are trailers, which nobody asked for
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
            earlier = self.headers.get(key)
            self.headers[key] = text if earlier is None else f"{earlier}, {text}"

    def on_headers_complete(self) -> None:
        if self._is_whole:
            return
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                self._fail(AnswerBroken("The server changed the protocol."))
            # A provisional answer: the true one follows, within the same limit of bytes.
            self._head = _Head(count=self._head.count)
            return
        self._head.status = status
        try:
            encoding = self.headers.get("content-encoding", "") if self._has_body else ""
            self._body = Body(encoding, max_bytes=self._max_bytes, cuts=self._cuts_body)
        except FetchFailed as failure:
            self._fail(failure)
        # The parser would wait for the body that the head announces.
        self._is_whole = not self._has_body

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body is None or self._failure or self._is_whole:
            return
        try:
            self._body.take(data)
        except FetchFailed as failure:
            self._fail(failure)

    def on_message_complete(self) -> None:
        if self._body is not None and not self._is_whole:
            self._is_whole = True
            self._keeps_alive = self._parser.should_keep_alive()  # told only here

    def _fail(self, failure: FetchFailed) -> None:
        # What comes after a whole answer is none of ours; what is wrong with it, neither.
        if not self._is_whole:
            self._failure = self._failure or failure
