"""Searches the web with the engine of the organization's choice."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from app.core.addresses import origin_of, web_address
from app.core.schemas import Body
from app.features.tools.errors import ToolConfigInvalid
from app.features.tools.kinds.kind import (
    CallContext,
    SecretText,
    ToolKind,
    ToolResult,
    WebPage,
)
from app.ports import Ports
from app.ports.fetch import AddressRefused
from app.ports.meter import noted
from app.ports.searcher import Access, SafeSearch, SearchEngineMissing, WebQuery

MAX_QUERY_CHARS = 400
# Kept back from the tool's time, so that a slow engine is told as one and not as a slow tool.
SPARED_S = 0.5

# The registry of engines lies where this file may not look; a test holds the two together, and
# the form of a front end needs the list.
Engine = Literal["brave", "duckduckgo", "searxng", "serper", "tavily"]


class SearchConfig(Body):
    """Which engine is asked, and for how much."""

    engine: Annotated[
        Engine,
        Field(
            description="`searxng` is asked at `base_url`; `brave`, `serper` and `tavily` need an"
            " `api_key`; `duckduckgo` needs no key and an extra package on the server."
        ),
    ]
    base_url: (
        Annotated[str, StringConstraints(max_length=500), AfterValidator(web_address)] | None
    ) = Field(
        default=None,
        description="Of a SearXNG instance whose search.formats hold `json`.",
        examples=["https://searx.example.com"],
    )
    api_key: SecretText | None = None
    max_results: Annotated[int, Field(ge=1, le=20)] = 5
    safe_search: SafeSearch = Field(
        default="moderate",
        description="Kept by brave and searxng; serper knows on and off; tavily and duckduckgo"
        " filter as they like.",
    )


def _check(config: SearchConfig, ports: Ports) -> None:
    needs = ports.searchers[config.engine].needs
    for name in ("api_key", "base_url"):
        is_given = getattr(config, name) is not None
        if is_given != (name in needs):
            verb = "takes no" if is_given else "needs"
            detail = f"{config.engine} {verb} {name}"
            pointer = f"/config/{name}"
            raise ToolConfigInvalid(detail, errors=[{"pointer": pointer, "detail": detail}])
    if config.api_key is not None:
        ports.fetch.check_headers({"X-Key": config.api_key.get_secret_value()})
    if config.base_url is not None:
        ports.fetch.canonical(config.base_url)


def _parameters(_config: SearchConfig) -> dict[str, Any]:
    query = {
        "type": "string",
        "description": "What to look for on the web, as one would type it into a search engine.",
        "minLength": 1,
        "maxLength": MAX_QUERY_CHARS,
    }
    return {
        "type": "object",
        "properties": {"query": query},
        "required": ["query"],
        "additionalProperties": False,
    }


async def _call(
    config: SearchConfig, arguments: dict[str, Any], context: CallContext
) -> ToolResult:
    query = WebQuery(
        text=arguments["query"],
        max_results=config.max_results,
        safe_search=config.safe_search,
        language=context.language,
        total_s=max(context.timeout_s - SPARED_S, SPARED_S),
    )
    key = config.api_key.get_secret_value() if config.api_key else None
    access = Access(api_key=key, base_url=config.base_url)
    searcher = context.ports.searchers[config.engine]
    nobody_called = (SearchEngineMissing, AddressRefused)
    with noted(context.ports.meter, "searcher", searcher.name, unless=nobody_called):
        found = await searcher.search(query, access, context.ports.fetch)
    results = [{"title": each.title, "url": each.url, "snippet": each.snippet} for each in found]
    return ToolResult(
        content={"results": results},
        is_untrusted=True,
        pages=tuple(WebPage(each.title, each.url, each.snippet) for each in found),
        trace={"engine": config.engine, "query": query.text, "results": results},
    )


KIND = ToolKind(
    name="search",
    title="Web search",
    description="Searches the web and gives the titles, addresses and excerpts of pages.",
    config=SearchConfig,
    example={"engine": "brave", "api_key": "BSAexampleexample", "max_results": 5},
    risk="read",
    has_side_effects=lambda _config: False,
    parameters=_parameters,
    call=_call,
    secret_fields=("api_key",),
    check=_check,
    secrets_go_to=lambda config: f"{config.get('engine')} {origin_of(config.get('base_url'))}",
)
