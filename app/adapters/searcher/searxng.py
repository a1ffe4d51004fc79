"""SearXNG, an engine that one runs oneself: docs.searxng.org."""

from urllib.parse import urlencode

from app.adapters.searcher.asking import MAX_BYTES, ask
from app.adapters.searcher.pages import pages
from app.ports.fetch import Fetch, Outgoing
from app.ports.searcher import (
    Access,
    Found,
    SafeSearch,
    Searcher,
    SearchFailed,
    SearchKeyRefused,
    WebQuery,
)

_SAFETY: dict[SafeSearch, str] = {"off": "0", "moderate": "1", "strict": "2"}


async def search(query: WebQuery, access: Access, fetch: Fetch) -> tuple[Found, ...]:
    """Ask the instance at `base_url`."""
    parameters = {
        "q": query.text,
        "format": "json",
        "language": query.language,
        "safesearch": _SAFETY[query.safe_search],
    }
    request = Outgoing(
        url=f"{(access.base_url or '').rstrip('/')}/search?{urlencode(parameters)}",
        headers={"Accept": "application/json"},
        total_s=query.total_s,
        max_bytes=MAX_BYTES,
    )
    try:
        answer = await ask(fetch, request)
    except SearchKeyRefused:  # there is no key; 403 is how it refuses a format
        raise SearchFailed(
            "The SearXNG instance refuses to answer in JSON: its settings.yml needs `json` in"
            " search.formats."
        ) from None
    # It gives a page of results, however many are asked for.
    return pages(
        answer.get("results"),
        title="title",
        url="url",
        snippet="content",
        max_results=query.max_results,
    )


SEARCHER = Searcher(name="searxng", needs=frozenset({"base_url"}), search=search)
