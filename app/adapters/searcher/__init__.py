"""The engines that search the web."""

from app.core.registry import Registry, load
from app.ports.searcher import Searcher

SEARCHERS: Registry[Searcher] = Registry(
    "searcher",
    load(
        __name__,
        "SEARCHER",
        (
            "brave",
            "duckduckgo",
            "searxng",
            "serper",
            "tavily",
        ),
    ),
)
