"""A provider as the registry has it, over a server of its own wire protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pydantic import SecretStr

from app.adapters.llm import PROVIDERS
from app.core.settings import Settings
from app.ports.llm import (
    ChatEvent,
    ChatRequest,
    Conduct,
    Message,
    Provider,
    ProviderAdapter,
    TextDelta,
    ToolSpec,
    Wire,
)
from tests.support.completions_server import (
    STREAM_HEAD,
    CompletionsServer,
    Exchange,
    Script,
    completions_server,
)
from tests.support.wires import WIRES, WireFormat

KEY = "sk-canary-0123456789"
REQUEST = ChatRequest(
    model="test",
    messages=(Message("system", "Fale."), Message("user", "Oi")),
    question="Oi",
    max_tokens=50,
    tools=(ToolSpec("stock", "Looks up the stock", {"type": "object", "properties": {}}),),
)
PATIENT = Conduct(pause_s=0.001, tail_s=0.1)
# For servers of which nothing is expected.
IMPATIENT = Conduct(pause_s=0.001, first_token_s=0.2)


@dataclass(frozen=True)
class Upstream:
    """One provider that speaks HTTP, and the protocol of its servers."""

    adapter: ProviderAdapter
    reached: Wire
    wire: WireFormat

    @asynccontextmanager
    async def at(self, root: str, conduct: Conduct = PATIENT) -> AsyncIterator[Provider]:
        """The provider set up for a server there."""
        variables = {
            self.reached.key_variable: SecretStr(KEY),
            self.reached.base_url_variable: SecretStr(self.wire.base_url(root)),
        }
        async with self.adapter.open(Settings(provider_variables=variables), conduct) as provider:
            yield provider

    @asynccontextmanager
    async def over(
        self, *scripts: Script, conduct: Conduct = PATIENT
    ) -> AsyncIterator[tuple[CompletionsServer, Provider]]:
        """A server that follows the scripts, and the provider set up for it."""
        async with (
            completions_server(*scripts) as server,
            self.at(server.root, conduct) as provider,
        ):
            yield server, provider

    async def events(
        self, *scripts: Script, conduct: Conduct = PATIENT, request: ChatRequest = REQUEST
    ) -> list[ChatEvent]:
        """All events of one answer."""
        async with self.over(*scripts, conduct=conduct) as (_, provider):
            return [event async for event in provider.stream(request)]

    def whole(self, *texts: str) -> list[bytes]:
        """A whole answer with usage."""
        wire = self.wire
        said = [wire.text(text) for text in texts]
        return [wire.start, *said, wire.finish("stop"), wire.usage, wire.end]


UPSTREAMS = {
    name: Upstream(adapter, adapter.wire, WIRES[adapter.wire.dialect])
    for name, adapter in PROVIDERS.items()
    if adapter.wire is not None
}


def text_of(events: list[ChatEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def asked(*messages: Message, **changes: object) -> ChatRequest:
    return replace(REQUEST, messages=messages, **changes)


def sending(*parts: bytes) -> Script:
    """The parts, each in a segment of its own, and then the end of the connection."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(STREAM_HEAD, *parts)

    return script


def one_by_one(*parts: bytes) -> Script:
    """The parts, each when the one before has been read."""

    async def script(exchange: Exchange) -> None:
        for part in (STREAM_HEAD, *parts):
            await exchange.send(part)
            await asyncio.sleep(0.02)

    return script


def silent_after(*parts: bytes) -> Script:
    """The parts, and then nothing, with the connection open."""

    async def script(exchange: Exchange) -> None:
        await exchange.send(*parts)
        await exchange.until_closed()

    return script


def refusing(status: str, body: bytes = b"{}", *headers: str) -> Script:
    """An answer with an error status."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, body, "content-type: application/json", *headers)

    return script
