"""Brave Search: api-dashboard.search.brave.com."""

from dataclasses import dataclass
from urllib.parse import urlencode

from app.adapters.searcher.asking import MAX_BYTES, read, refusal
from app.adapters.searcher.pages import pages
from app.ports.fetch import Answered, Fetch, Outgoing
from app.ports.searcher import (
    Access,
    Found,
    Searcher,
    SearchFailed,
    SearchKeyRefused,
    WebQuery,
)

ADDRESS = "https://api.search.brave.com/res/v1/web/search"
MAX_COUNT = 20
MAX_CHARS = 400
MAX_WORDS = 50
# Its codes of languages are a closed list: another is 422, so only these are sent.
_LANGUAGES = {"pt-BR": "pt-br", "pt-PT": "pt-pt", "en": "en", "en-GB": "en-gb", "es": "es"}


@dataclass(frozen=True, slots=True)
class Brave:
    """Asks the endpoint at `address`."""

    address: str = ADDRESS

    async def search(self, query: WebQuery, access: Access, fetch: Fetch) -> tuple[Found, ...]:
        parameters = {
            "q": " ".join(query.text[:MAX_CHARS].split()[:MAX_WORDS]),
            "count": str(min(query.max_results, MAX_COUNT)),
            "safesearch": query.safe_search,
            "text_decorations": "false",
            "result_filter": "web",
        }
        language = _LANGUAGES.get(query.language) or _LANGUAGES.get(query.language[:2])
        if language:
            parameters["search_lang"] = language
        request = Outgoing(
            url=f"{self.address}?{urlencode(parameters)}",
            headers={"Accept": "application/json", "X-Subscription-Token": access.api_key or ""},
            total_s=query.total_s,
            max_bytes=MAX_BYTES,
        )
        answer = await fetch.send(request)
        if answer.status != 200:
            raise _refusal(answer)
        return _found(answer, query.max_results)


def _refusal(answer: Answered) -> SearchFailed:
    # A key that it does not know is 422 there, as is a question that it does not understand.
    if answer.status == 422 and b"SUBSCRIPTION_TOKEN" in answer.content:
        return SearchKeyRefused()
    return refusal(answer.status)


def _found(answer: Answered, max_results: int) -> tuple[Found, ...]:
    whole = read(answer)
    web = whole.get("web")
    if web is None and whole.get("type") == "search":  # nothing was found
        return ()
    rows = web.get("results") if isinstance(web, dict) else None
    return pages(rows, title="title", url="url", snippet="description", max_results=max_results)


SEARCHER = Searcher(name="brave", needs=frozenset({"api_key"}), search=Brave().search)
