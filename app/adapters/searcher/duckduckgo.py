"""DuckDuckGo by the `ddgs` package, for those who install it: no key, and no promise.

The package reads DuckDuckGo's pages for people, in the guise of a browser, over connections of its
own to its own fixed hosts: no address of a user's reaches it. It knows no safe search there.
"""

import asyncio
import importlib
from collections.abc import Callable
from math import ceil
from typing import Any

from app.adapters.searcher.pages import pages
from app.ports.fetch import Fetch
from app.ports.searcher import (
    Access,
    Found,
    SearchEngineMissing,
    Searcher,
    SearchFailed,
    SearchLimited,
    WebQuery,
)

VERSION = "9.16.1"
HOW_TO_INSTALL = (
    f"DuckDuckGo is searched by a package that is not installed: pip install ddgs=={VERSION}, then"
    " start the service again."
)
# It takes a thread of the loop's few for as long as a search lasts.
AT_ONCE = 4
# What the package raises where no engine failed, and none had anything.
FOUND_NOTHING = "No results found."
_REGIONS = {"pt-BR": "br-pt", "pt-PT": "pt-pt", "en": "us-en", "es": "es-es"}


def _load() -> Any:
    return importlib.import_module("ddgs")


class DuckDuckGo:
    """Searches by the package that `load` imports, at the first search."""

    def __init__(self, load: Callable[[], Any] = _load) -> None:
        self._load = load
        self._free = asyncio.Semaphore(AT_ONCE)

    async def search(self, query: WebQuery, access: Access, fetch: Fetch) -> tuple[Found, ...]:
        try:
            async with asyncio.timeout(query.total_s):
                await self._free.acquire()
                asked = asyncio.get_running_loop().run_in_executor(None, self._ask, query)
                # Whoever waits may leave; the thread is taken until the package comes back.
                asked.add_done_callback(self._came_back)
                rows = await asyncio.shield(asked)
        except TimeoutError:
            raise SearchFailed("DuckDuckGo took too long to answer.") from None
        return pages(rows, title="title", url="href", snippet="body", max_results=query.max_results)

    def _came_back(self, asked: "asyncio.Future[list[dict[str, Any]]]") -> None:
        self._free.release()
        if not asked.cancelled():
            asked.exception()  # read, for when nobody waits any more

    def _ask(self, query: WebQuery) -> list[dict[str, Any]]:
        try:
            package = self._load()
            client = package.DDGS(timeout=ceil(query.total_s))
        except ImportError:
            raise SearchEngineMissing(HOW_TO_INSTALL) from None
        language = query.language
        try:
            return client.text(
                query.text,
                region=_REGIONS.get(language) or _REGIONS.get(language[:2], "wt-wt"),
                max_results=query.max_results,
                backend="duckduckgo",
            )
        except Exception as error:
            if str(error) == FOUND_NOTHING:
                return []
            raise _translated(error) from error


def _translated(error: Exception) -> SearchFailed:
    # By name: without the package its exceptions cannot be imported.
    if type(error).__name__ == "RatelimitException":
        return SearchLimited("DuckDuckGo takes no more searches for now.")
    return SearchFailed("DuckDuckGo did not answer.")


SEARCHER = Searcher(name="duckduckgo", needs=frozenset(), search=DuckDuckGo().search)
