"""Every engine against a server that speaks as it does, and one that does not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest

from app.adapters.fetch.guarded import open_fetch
from app.adapters.searcher import SEARCHERS
from app.adapters.searcher.brave import Brave
from app.adapters.searcher.duckduckgo import DuckDuckGo
from app.adapters.searcher.serper import Serper
from app.adapters.searcher.tavily import Tavily
from app.core.settings import Settings
from app.features.tools.kinds.search import Engine
from app.ports.fetch import Fetch, FetchTimedOut, ResponseTooLarge
from app.ports.searcher import (
    Access,
    Found,
    SearchEngineMissing,
    SearchFailed,
    SearchKeyRefused,
    SearchLimited,
    WebQuery,
)
from tests.support.scripted_server import Conversation, scripted_server

pytestmark = [pytest.mark.anyio, pytest.mark.once]
KEY = "k-0123456789"
PAGE = Found("Loja Aurora", "https://aurora.example/", "Aberta até as 18 h.")


@dataclass(frozen=True)
class Engined:
    """An engine over HTTP: how it is asked at an address, and its answers in its own form."""

    search: Callable[[str], Callable[..., Awaitable[tuple[Found, ...]]]]
    answer: Callable[[list[dict[str, str]]], dict[str, Any]]
    nothing: dict[str, Any]
    names: tuple[str, str, str]

    def rows(self, *rows: tuple[object, object, object]) -> list[dict[str, Any]]:
        return [dict(zip(self.names, row, strict=True)) for row in rows]


ENGINES = {
    "brave": Engined(
        lambda url: Brave(f"{url}/res/v1/web/search").search,
        lambda rows: {"type": "search", "query": {}, "web": {"type": "search", "results": rows}},
        {"type": "search", "query": {"original": "x"}, "mixed": {}},
        ("title", "url", "description"),
    ),
    "searxng": Engined(
        lambda url: (
            lambda query, access, fetch: SEARCHERS["searxng"].search(
                query, Access(base_url=f"{url}/sub/"), fetch
            )
        ),
        lambda rows: {"query": "x", "number_of_results": 0, "results": rows, "answers": []},
        {"query": "x", "number_of_results": 0, "results": [], "unresponsive_engines": []},
        ("title", "url", "content"),
    ),
    "serper": Engined(
        lambda url: Serper(f"{url}/search").search,
        lambda rows: {"searchParameters": {"q": "x"}, "organic": rows, "credits": 1},
        {"searchParameters": {"q": "x"}, "credits": 1},
        ("title", "link", "snippet"),
    ),
    "tavily": Engined(
        lambda url: Tavily(f"{url}/search").search,
        lambda rows: {"query": "x", "images": [], "results": rows, "response_time": 0.5},
        {"query": "x", "images": [], "results": [], "response_time": 0.5},
        ("title", "url", "content"),
    ),
}


@pytest.fixture(params=ENGINES)
def engine(request) -> Engined:
    return ENGINES[request.param]


@pytest.fixture
async def fetch() -> AsyncIterator[Fetch]:
    async with open_fetch(Settings(outbound_allow_private_cidrs="127.0.0.0/8")) as opened:
        yield opened


def a_query(text: str = "loja aurora", **fields: Any) -> WebQuery:
    given = {"max_results": 5, "safe_search": "moderate", "language": "pt-BR", "total_s": 5.0}
    return WebQuery(text=text, **{**given, **fields})


async def asked(engine: Engined, fetch: Fetch, answer: Any, query: WebQuery | None = None):
    """What the engine finds, and the request that it made, where a server answers so."""

    async def script(heard: Conversation) -> None:
        if callable(answer):
            await answer(heard)
        else:
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            await heard.answer(body, Content_Type="application/json")

    async with scripted_server(script) as server:
        search = engine.search(f"http://127.0.0.1:{server.port}")
        found = await search(query or a_query(), Access(api_key=KEY), fetch)
    return found, server.heard[-1]


async def test_pages_are_found(engine, fetch):
    rows = engine.rows((PAGE.title, PAGE.url, PAGE.snippet))
    found, _ = await asked(engine, fetch, engine.answer(rows))
    assert found == (PAGE,)


async def test_nothing_found_is_no_failure(engine, fetch):
    assert (await asked(engine, fetch, engine.nothing))[0] == ()
    assert (await asked(engine, fetch, engine.answer([])))[0] == ()


async def test_what_is_found_is_plain_bounded_and_followable(engine, fetch):
    rows = engine.rows(
        ("<b>Preço</b> &amp; prazo", "https://a.example/?q=1#x", "<em>1</em> &lt; 2 &quot;x&quot;"),
        (
            "&lt;script&gt;alert(1)&lt;/script&gt;Oi",
            "http://b.example",
            "a\u202eb\U000e0041c\x00\n d",
        ),
        ("", "https://c.example/" + "p" * 500, None),
        ("x" * 9000, "https://d.example/", "y" * 9000),
        ("repeated", "https://a.example/?q=1#x", ""),
        ("no", "javascript:alert(1)", ""),
        ("no", "ftp://e.example/", ""),
        ("no", "https://user:pass@e.example/", ""),
        ("no", "https://e.example/ x", ""),
        ("no", "//e.example/", ""),
        ("no", "https://e.example/" + "p" * 3000, ""),
        ("no", None, ""),
        ("no", 7, ""),
        ({}, "https://f.example/", []),
    )
    found, _ = await asked(
        engine, fetch, engine.answer([*rows, "no record", None]), a_query(max_results=20)
    )
    assert [page.url for page in found] == [
        "https://a.example/?q=1#x",
        "http://b.example",
        "https://c.example/" + "p" * 500,
        "https://d.example/",
        "https://f.example/",
    ]
    assert (found[0].title, found[0].snippet) == ("Preço & prazo", '1 < 2 "x"')
    assert (found[1].title, found[1].snippet) == ("alert(1)Oi", "abc d")
    assert found[2].title == found[2].url[:300]
    assert (len(found[3].title), len(found[3].snippet)) == (300, 1000)


async def test_no_more_are_given_than_were_asked_for(engine, fetch):
    rows = engine.rows(*((f"{n}", f"https://{n}.example/", "") for n in range(30)))
    found, _ = await asked(engine, fetch, engine.answer(rows), a_query(max_results=3))
    assert [page.title for page in found] == ["0", "1", "2"]


def saying(status: int, body: bytes = b"{}") -> Callable[[Conversation], Awaitable[None]]:
    return lambda heard: heard.answer(body, status=status)


async def pour(heard: Conversation) -> None:
    await heard.say(b"HTTP/1.1 200 OK\r\n\r\n{")
    while True:
        await heard.say(b'"a":' * 10_000)


async def hang(_heard: Conversation) -> None:
    await asyncio.sleep(20)


FAULTS = {
    "an error of its own": (saying(500, b"<html>oops</html>"), SearchFailed),
    "an overload": (saying(429), SearchLimited),
    "a used up plan": (saying(402), SearchLimited),
    "a page": (b"<!doctype html><title>Just a moment...</title>", SearchFailed),
    "half an answer": (b'{"web": {"results": [', SearchFailed),
    "a list": ([], SearchFailed),
    "nothing": (b"", SearchFailed),
    "bytes": (b"\xff\xfe\x00", SearchFailed),
    "nesting": (b'{"a":' * 5000, SearchFailed),
    "other names": ({"pages": []}, SearchFailed),
    "other shapes": ({"web": [], "results": {}, "organic": "none"}, SearchFailed),
    "a redirect": (saying(302), SearchFailed),
    "a flood": (pour, ResponseTooLarge),
    "silence": (hang, FetchTimedOut),
}


@pytest.mark.parametrize(("answer", "failure"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_of_the_engine_is_a_named_failure(answer, failure, engine, fetch):
    with pytest.raises(failure) as failed:
        await asked(engine, fetch, answer, a_query(total_s=0.5 if answer is hang else 5))
    assert KEY not in str(failed.value)
    assert "oops" not in str(failed.value)


BRAVE_REFUSAL = {
    "type": "ErrorResponse",
    "error": {"code": "SUBSCRIPTION_TOKEN_INVALID", "status": 422},
    "time": 1663072993,
}
KEYS_REFUSED = {
    "brave": (422, BRAVE_REFUSAL),
    "serper": (403, {"message": "Unauthorized.", "statusCode": 403}),
    "tavily": (401, {"detail": {"error": "Unauthorized: missing or invalid API key."}}),
}


@pytest.mark.parametrize("name", KEYS_REFUSED)
async def test_a_refused_key_is_told_as_that(name, fetch):
    status, body = KEYS_REFUSED[name]
    with pytest.raises(SearchKeyRefused):
        await asked(ENGINES[name], fetch, saying(status, json.dumps(body).encode()))


async def test_a_question_that_brave_does_not_take_is_not_told_as_a_refused_key(fetch):
    with pytest.raises(SearchFailed) as failed:
        await asked(ENGINES["brave"], fetch, saying(422, b'{"error": {"code": "VALIDATION"}}'))
    assert not isinstance(failed.value, SearchKeyRefused)


async def test_a_searxng_that_serves_no_json_says_what_to_change(fetch):
    with pytest.raises(SearchFailed, match=r"needs `json` in search\.formats"):
        await asked(ENGINES["searxng"], fetch, saying(403, b"<h1>Forbidden</h1>"))


@pytest.mark.parametrize("status", [432, 433])
async def test_a_used_up_plan_of_tavily_is_told_as_that(status, fetch):
    with pytest.raises(SearchLimited):
        await asked(ENGINES["tavily"], fetch, saying(status))


async def test_brave_is_asked_as_its_pages_say(fetch):
    query = a_query("a b " * 200, safe_search="strict", max_results=20)
    _, heard = await asked(ENGINES["brave"], fetch, ENGINES["brave"].nothing, query)
    parts = urlsplit(heard.path)
    assert parts.path == "/res/v1/web/search"
    assert {name: values[0] for name, values in parse_qs(parts.query).items()} == {
        "q": " ".join(["a b"] * 25),
        "count": "20",
        "safesearch": "strict",
        "text_decorations": "false",
        "result_filter": "web",
        "search_lang": "pt-br",
    }
    assert heard.headers["x-subscription-token"] == KEY


@pytest.mark.parametrize(
    ("safe_search", "sent"), [("off", "0"), ("moderate", "1"), ("strict", "2")]
)
async def test_searxng_is_asked_as_its_pages_say(safe_search, sent, fetch):
    query = a_query("preço & prazo", safe_search=safe_search)
    _, heard = await asked(ENGINES["searxng"], fetch, ENGINES["searxng"].nothing, query)
    parts = urlsplit(heard.path)
    assert parts.path == "/sub/search"
    assert parse_qs(parts.query) == {
        "q": ["preço & prazo"],
        "format": ["json"],
        "language": ["pt-BR"],
        "safesearch": [sent],
    }
    assert KEY not in heard.head


@pytest.mark.parametrize(("safe_search", "sent"), [("off", "off"), ("strict", "active")])
async def test_serper_is_asked_as_its_users_do(safe_search, sent, fetch):
    query = a_query(safe_search=safe_search)
    _, heard = await asked(ENGINES["serper"], fetch, ENGINES["serper"].nothing, query)
    assert heard.head.startswith("POST /search ")
    body = {"q": "loja aurora", "num": 5, "hl": "pt-br", "gl": "br", "safe": sent}
    assert json.loads(heard.body) == body
    assert heard.headers["x-api-key"] == KEY
    assert heard.headers["content-type"] == "application/json"


async def test_tavily_is_asked_as_its_pages_say(fetch):
    query = a_query("é" * 500)
    _, heard = await asked(ENGINES["tavily"], fetch, ENGINES["tavily"].nothing, query)
    assert json.loads(heard.body) == {
        "query": "é" * 400,
        "max_results": 5,
        "search_depth": "basic",
        "include_answer": False,
        "include_raw_content": False,
        "include_images": False,
    }
    assert heard.headers["authorization"] == f"Bearer {KEY}"


class Package:
    """Stands for `ddgs`: its class, its exceptions, its records."""

    class RatelimitException(Exception):
        """As the package names it."""

    def __init__(self, outcome: Any) -> None:
        self.outcome, self.asked = outcome, []

    def DDGS(self, **options: Any) -> "Package":
        self.asked.append(options)
        return self

    def text(self, query: str, **options: Any) -> list[dict[str, str]]:
        self.asked.append({"query": query, **options})
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def by_package(package: Any, **fields: Any) -> tuple[Found, ...]:
    return await DuckDuckGo(lambda: package).search(a_query(**fields), Access(), None)


async def test_duckduckgo_is_searched_by_its_package():
    package = Package([{"title": PAGE.title, "href": PAGE.url, "body": PAGE.snippet}])
    assert await by_package(package, total_s=4.5) == (PAGE,)
    question = {"region": "br-pt", "max_results": 5, "backend": "duckduckgo"}
    assert package.asked == [{"timeout": 5}, {"query": "loja aurora", **question}]


@pytest.mark.parametrize(
    ("raised", "failure"),
    [
        (Package.RatelimitException("202"), SearchLimited),
        (RuntimeError("error sending request"), SearchFailed),
        (ValueError("a bug"), SearchFailed),
    ],
)
async def test_what_the_package_raises_is_a_named_failure(raised, failure):
    with pytest.raises(failure) as failed:
        await by_package(Package(raised))
    assert str(raised) not in str(failed.value)


async def test_without_the_package_it_says_how_to_install_it():
    with pytest.raises(SearchEngineMissing, match=r"pip install ddgs==9\.16\.1") as missing:
        await SEARCHERS["duckduckgo"].search(a_query(), Access(), None)
    assert missing.value.status == 409


async def test_a_search_that_finds_nothing_has_not_failed():
    assert await by_package(Package(RuntimeError("No results found."))) == ()


async def test_a_package_that_hangs_is_not_waited_for():
    package = Package([])
    package.text = lambda *_, **__: __import__("time").sleep(0.5)
    with pytest.raises(SearchFailed, match="took too long"):
        await by_package(package, total_s=0.1)


def test_the_tool_offers_the_engines_that_there_are():
    assert set(get_args(Engine)) == set(SEARCHERS), "list the engine in kinds/search.py too"


def test_every_engine_over_http_is_tested_above():
    assert set(ENGINES) == set(SEARCHERS) - {"duckduckgo"}, "say how the new engine answers"
