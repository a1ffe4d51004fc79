"""The service in this process over models whose every answer is scripted."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
from pydantic import SecretStr

from app.adapters.llm import PROVIDERS
from app.container import open_ports
from app.core.clock import SystemClock
from app.core.ids import new_id
from app.core.settings import Settings
from app.ports.llm import Conduct, Models, Provider
from tests.conftest import serving
from tests.support.completions_server import Exchange, Script, completions_server
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.stories import an_agent, asking, text_of

OWN_TASKS = 20

KEY = "sk-canary-0123456789"
Opener = Callable[[str], AbstractAsyncContextManager[Provider]]


@dataclass
class Told:
    """What a client was told, what the provider was asked, and what is kept."""

    events: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    kept: dict[str, Any]
    took_s: float
    keep_alives: int

    @property
    def text(self) -> str:
        return text_of(self.events)

    @property
    def end(self) -> dict[str, Any]:
        """The terminal event; there is exactly one, and it is the last."""
        terminal = [event for event in self.events if event["event"] in ("done", "error")]
        assert terminal == self.events[-1:], self.events
        return self.events[-1]

    @property
    def code(self) -> str | None:
        """The error's code; None when it was done."""
        return self.end["data"].get("code")


@dataclass
class Bench:
    """Asks agents whose models answer by scripts, each from a provider of its own."""

    client: httpx2.AsyncClient
    open_provider: Opener
    providers: dict[str, Provider] = field(default_factory=dict)

    async def ask(
        self,
        *scripts: Script,
        agent: dict[str, Any] | None = None,
        url: str | None = None,
        **body: Any,
    ) -> Told:
        """One chat; its first request is answered by the first script, the last goes on.

        With `url` the provider is looked for there, in vain.
        """
        name = f"scripted-{new_id()}"

        async def play(exchange: Exchange) -> None:
            assert KEY in exchange.headers
            await scripts[min(len(model.requests), len(scripts)) - 1](exchange)

        async with (
            completions_server(play) as model,
            self.open_provider(url or model.url) as provider,
        ):
            await provider.prepare()  # as the service does right after its start
            self.providers[name] = provider
            who = await an_agent(self.client, model_id=f"{name}/model", **(agent or {}))
            started_s = time.monotonic()
            path = f"/api/v2/agents/{who['id']}/chat/stream"
            async with self.client.stream("POST", path, json=asking("Oi") | body) as answer:
                lines = [line async for line in answer.aiter_lines()]
            took_s = time.monotonic() - started_s
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        path = f"/api/v2/conversations/{events[-1]['conversation_id']}/messages?limit=100"
        kept = (await self.client.get(path)).json()["data"]
        keep_alives = sum(line.startswith(":") for line in lines)
        return Told(events, model.requests, kept[-1], took_s, keep_alives)


@asynccontextmanager
async def model_bench(settings: Settings, *, silence_s: float) -> AsyncIterator[Bench]:
    """A service whose patience with models is `silence_s`; all else is as it always is."""
    providers: dict[str, Provider] = {}

    def open_provider(url: str) -> AbstractAsyncContextManager[Provider]:
        variables = {"OPENAI_API_KEY": SecretStr(KEY), "OPENAI_BASE_URL": SecretStr(url)}
        chosen = settings.model_copy(update={"provider_variables": variables})
        conduct = Conduct(clock=SystemClock(), first_token_s=silence_s, idle_s=silence_s)
        return PROVIDERS["openai"].open(chosen, conduct)

    @asynccontextmanager
    async def scripted_ports(chosen: Settings):
        async with open_ports(chosen) as ports, PROVIDERS["local"].open(chosen, Conduct()) as local:
            # The bench adds a provider for every chat; the default model has to be there at start.
            providers["local"] = local
            yield replace(ports, models=Models(providers))

    async with serving(settings, open_ports=scripted_ports) as url:
        key = (settings.data_dir / "api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx2.AsyncClient(
            verify=PLAIN_HTTP, base_url=url, headers=headers, timeout=150
        ) as client:
            yield Bench(client, open_provider, providers)


async def as_few_tasks_as(before: int) -> None:
    """Return when hardly more tasks run in this loop than did before: fewer than half of the chats.

    Some of the service's own come and go; a chat that is left behind leaves one of its own.
    """
    try:
        async with asyncio.timeout(20):
            while len(asyncio.all_tasks()) > before + OWN_TASKS:
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"more than {before}: {asyncio.all_tasks()}") from None
