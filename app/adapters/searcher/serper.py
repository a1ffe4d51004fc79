"""Serper, Google's results as JSON: serper.dev."""

from dataclasses import dataclass
from typing import Any

from app.adapters.searcher.asking import ask, posted
from app.adapters.searcher.pages import pages
from app.ports.fetch import Fetch
from app.ports.searcher import Access, Found, Searcher, WebQuery

ADDRESS = "https://google.serper.dev/search"


@dataclass(frozen=True, slots=True)
class Serper:
    """Asks the endpoint at `address`."""

    address: str = ADDRESS

    async def search(self, query: WebQuery, access: Access, fetch: Fetch) -> tuple[Found, ...]:
        language, _, country = query.language.partition("-")
        body: dict[str, Any] = {
            "q": query.text,
            "num": query.max_results,
            "hl": query.language.lower() if language == "pt" else language,
            "safe": "off" if query.safe_search == "off" else "active",
        }
        if country:
            body["gl"] = country.lower()
        answer = await ask(
            fetch,
            posted(self.address, body, total_s=query.total_s, X_API_KEY=access.api_key or ""),
        )
        rows = answer.get("organic")
        if rows is None and "searchParameters" in answer:  # nothing was found
            return ()
        return pages(
            rows, title="title", url="link", snippet="snippet", max_results=query.max_results
        )


SEARCHER = Searcher(name="serper", needs=frozenset({"api_key"}), search=Serper().search)
