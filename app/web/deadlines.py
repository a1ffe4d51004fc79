"""How long an answer may take to begin, where the route sets no time of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import DeadlineExceeded

Handler = TypeVar("Handler", bound=Callable[..., Any])
_OWN_PACE: set[Callable[..., Any]] = set()


def at_its_own_pace(handler: Handler) -> Handler:
    """Mark what sets a time of its own: uploads, answers of models, calls of tools."""
    _OWN_PACE.add(handler)
    return handler


def has_own_pace(handler: Callable[..., Any]) -> bool:
    """Whether the service's deadline is not the handler's."""
    return handler in _OWN_PACE


async def in_time(request: Request, answer: Coroutine[Any, Any, Response]) -> Response:
    """The answer, unless it takes longer than `REQUEST_TIMEOUT_SECONDS`.

    Raises:
        DeadlineExceeded: it does; whatever it waits for is given up.
    """
    seconds = request.app.state.settings.request_timeout_seconds
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await answer
    except TimeoutError:
        if not deadline.expired():
            raise
        raise DeadlineExceeded(
            f"It took longer than {seconds} s, and may be done or not: look before you send it"
            " again. With an Idempotency-Key, send it again with the same key, a minute later."
        ) from None
