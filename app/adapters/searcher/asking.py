"""Asks an engine over the guarded client, and reads its answer as JSON."""

from collections.abc import Mapping
from typing import Any, cast

import orjson

from app.ports.fetch import Answered, Fetch, Outgoing
from app.ports.searcher import SearchFailed, SearchKeyRefused, SearchLimited

MAX_BYTES = 2_097_152
_KEY_REFUSED = (401, 403)
# 432 and 433 are Tavily's own: the plan's or the payer's limit.
_LIMITED = (402, 429, 432, 433)


async def ask(fetch: Fetch, request: Outgoing) -> Mapping[str, Any]:
    """The engine's answer.

    Raises:
        SearchFailed: or one of its kinds; what the engine says about it is not repeated, as it
            could hold the key.
        FetchFailed, AddressRefused: it could not be asked.
    """
    answer = await fetch.send(request)
    if answer.status != 200:
        raise refusal(answer.status)
    return read(answer)


def refusal(status: int) -> SearchFailed:
    """What a status other than 200 means."""
    if status in _KEY_REFUSED:
        return SearchKeyRefused()
    if status in _LIMITED:
        return SearchLimited(f"The search engine answered with status {status}.")
    return SearchFailed(f"The search engine answered with status {status}.")


def read(answer: Answered) -> Mapping[str, Any]:
    """The JSON object of an answer.

    Raises:
        SearchFailed: it holds none.
    """
    try:
        value: object = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise SearchFailed("The search engine's answer is not JSON.") from None
    if not isinstance(value, dict):
        raise SearchFailed("The search engine's answer is not a JSON object.")
    return cast("dict[str, Any]", value)


def posted(url: str, body: Mapping[str, Any], *, total_s: float, **headers: str) -> Outgoing:
    """A question as JSON; underscores in the names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Outgoing(
        url=url,
        method="POST",
        headers={"Content-Type": "application/json", "Accept": "application/json", **named},
        content=orjson.dumps(body),
        total_s=total_s,
        max_bytes=MAX_BYTES,
    )
