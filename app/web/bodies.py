"""Bodies of requests: how much of one is taken, and how slowly it may come."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from app.core.errors import PayloadTooLarge, RequestTooSlow, ServiceUnavailable

MAX_JSON_BYTES = 1024 * 1024
MAX_UPLOAD_BYTES = 100 * 1024 * 1024
# One file of 25 MiB, and its form.
MAX_PREVIEW_BYTES = 26 * 1024 * 1024
# Where files come; elsewhere no content type makes room for more.
_MAX_BYTES = {
    "/api/v2/knowledge/upload": MAX_UPLOAD_BYTES,
    "/api/v2/knowledge/preview": MAX_PREVIEW_BYTES,
}
# As Apache's mod_reqtimeout counts: some time for all, and more for what has come already. Whoever
# drips a byte now and then would hold a connection for ever.
PATIENCE_S = 20.0
MIN_BYTES_PER_S = 8 * 1024


class NoRoomForUpload(ServiceUnavailable):
    """This server has no room for the upload at the moment."""


def no_room(error: BaseException | None) -> NoRoomForUpload | None:
    """What to answer where a file that came could not be put aside; None for other failures.

    Files beyond a megabyte wait in the folder for temporary ones, which may be full, or gone.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return None
    return NoRoomForUpload("Send it again later.", headers={"Retry-After": "10"})


def bounded(scope: Scope, receive: Receive) -> Receive:
    """The body up to the limit, whatever length it announces, as long as it keeps coming.

    Raises:
        PayloadTooLarge: it announces more than that, or brings more.
        RequestTooSlow: from reading it; less has come than 8 KiB a second, after the first 20 s.
    """
    headers = Headers(scope=scope)
    limit = _MAX_BYTES.get(scope["path"], MAX_JSON_BYTES)
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length[:15]) > limit:
        raise _too_large(limit)
    return _Body(receive, limit).receive


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"Send at most {limit // (1024 * 1024)} MiB.")


class _Body:
    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit = receive, limit
        self._came = 0
        self._ends_s: float | None = None
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:  # what comes now is that the client leaves, whenever it does
            return await self._receive()
        if self._ends_s is None:
            self._ends_s = asyncio.get_running_loop().time() + PATIENCE_S
        patience = asyncio.timeout_at(self._ends_s + self._came / MIN_BYTES_PER_S)
        try:
            async with patience:
                message = await self._receive()
        except TimeoutError:
            if not patience.expired():
                raise
            raise RequestTooSlow(
                "Send the whole body at once, or over a faster connection.",
                headers={"Connection": "close"},
            ) from None
        self._came += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._came > self._limit:
            raise _too_large(self._limit)
        return message
