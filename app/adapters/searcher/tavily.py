"""Tavily: docs.tavily.com."""

from dataclasses import dataclass

from app.adapters.searcher.asking import ask, posted
from app.adapters.searcher.pages import pages
from app.ports.fetch import Fetch
from app.ports.searcher import Access, Found, Searcher, WebQuery

ADDRESS = "https://api.tavily.com/search"
MAX_CHARS = 400


@dataclass(frozen=True, slots=True)
class Tavily:
    """Asks the endpoint at `address`. It has no safe search for everyone, so none is asked for."""

    address: str = ADDRESS

    async def search(self, query: WebQuery, access: Access, fetch: Fetch) -> tuple[Found, ...]:
        body = {
            "query": query.text[:MAX_CHARS],
            "max_results": query.max_results,
            "search_depth": "basic",
            "include_answer": False,
            "include_raw_content": False,
            "include_images": False,
        }
        key = f"Bearer {access.api_key}"
        request = posted(self.address, body, total_s=query.total_s, Authorization=key)
        answer = await ask(fetch, request)
        return pages(
            answer.get("results"),
            title="title",
            url="url",
            snippet="content",
            max_results=query.max_results,
        )


SEARCHER = Searcher(name="tavily", needs=frozenset({"api_key"}), search=Tavily().search)
