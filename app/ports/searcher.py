"""Searches of the web, by whichever engine an organization uses."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from app.core.errors import Conflict, Problem
from app.ports.fetch import Fetch

SafeSearch = Literal["off", "moderate", "strict"]
Need = Literal["api_key", "base_url"]


class SearchFailed(Problem):
    """The search engine did not answer as it should."""

    status = 502


class SearchKeyRefused(SearchFailed):
    """The search engine does not take the key."""


class SearchLimited(SearchFailed):
    """The search engine takes no more searches for now."""

    status = 503
    retryable = True


class SearchEngineMissing(Conflict):
    """This search engine is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebQuery:
    """What is looked for. `total_s` bounds the whole search, `language` is like `pt-BR`."""

    text: str
    max_results: int
    safe_search: SafeSearch
    language: str
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How an engine is reached: what it needs of these, and nothing else."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page: plain text without markup, an http or https address, all bounded."""

    title: str
    url: str
    snippet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """One engine as the registry lists it.

    `search` gives at most `max_results` pages, best first, each once; it raises SearchFailed or
    one of its kinds, SearchEngineMissing, or what `fetch` raises.
    """

    name: str
    needs: frozenset[Need]
    search: Callable[[WebQuery, Access, Fetch], Awaitable[tuple[Found, ...]]]
