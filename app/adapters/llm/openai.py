"""OpenAI, or by `OPENAI_BASE_URL` any server that speaks its chat completions."""

import asyncio
import importlib
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2

from app.adapters.llm.chat_completions import Patience, message_parameters, stream_completion
from app.core.settings import Settings
from app.ports.llm import ChatEvent, ChatRequest, ProviderAdapter, ProviderNotConfigured

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NAME = "openai"
KEY_VARIABLE = "OPENAI_API_KEY"
BASE_URL_VARIABLE = "OPENAI_BASE_URL"
# Before the first byte of an answer only; a stream that has begun is never begun again.
MAX_RETRIES = 2
MAX_CONNECTIONS = 1000
DEFAULT_PATIENCE = Patience()
_OWN_NAMES = re.compile(r"(gpt-|chatgpt-)[a-z0-9.\-]+|o[1-9](-[a-z0-9.\-]+)?")
_REASONING = re.compile(r"o[1-9]|gpt-[5-9]")
# Tokens, by the beginning of the name; the longest beginning holds.
_WINDOWS = {
    "gpt-3.5": 16_385,
    "gpt-4": 8_192,
    "gpt-4-turbo": 128_000,
    "gpt-4o": 128_000,
    "gpt-4.1": 1_000_000,
    "gpt-5": 400_000,
    "gpt-": 128_000,
    "chatgpt-": 128_000,
    "o1": 200_000,
    "o3": 200_000,
    "o4": 200_000,
}
_UNKNOWN_WINDOW = 32_000


class OpenAIProvider:
    """Chat completions with one key."""

    name = NAME
    key_variable = KEY_VARIABLE

    def __init__(
        self, client: "AsyncOpenAI | None", *, is_openai: bool, patience: Patience
    ) -> None:
        self._client = client
        self._is_openai = is_openai
        self._patience = patience

    @property
    def is_configured(self) -> bool:
        return self._client is not None

    def recognises(self, model: str) -> bool:
        return _OWN_NAMES.fullmatch(model) is not None

    def context_window(self, model: str) -> int:
        known = [start for start in _WINDOWS if model.startswith(start)]
        return _WINDOWS[max(known, key=len)] if known else _UNKNOWN_WINDOW

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        if self._client is None:
            raise ProviderNotConfigured(f"Set {KEY_VARIABLE}.")
        parameters = message_parameters(request) | self._sampling(request)
        # A loop alone would leave the inner generator, and with it the socket, to the collector.
        async with aclosing(stream_completion(self._client, parameters, self._patience)) as events:
            async for event in events:
                yield event

    def _sampling(self, request: ChatRequest) -> dict[str, Any]:
        # OpenAI's reasoning models refuse `temperature`, `top_p` and the older name of the limit.
        if self._is_openai and _REASONING.match(request.model):
            chosen = {"max_completion_tokens": request.max_tokens}
        else:
            chosen = {
                "max_tokens": request.max_tokens,
                "temperature": request.temperature,
                "top_p": request.top_p,
            }
        return {name: value for name, value in chosen.items() if value is not None}


@asynccontextmanager
async def open_openai(
    settings: Settings, patience: Patience = DEFAULT_PATIENCE
) -> AsyncGenerator[OpenAIProvider]:
    """The provider with the key of the environment; without one nothing is imported or opened."""
    key = settings.provider_variable(KEY_VARIABLE)
    base_url = settings.provider_variable(BASE_URL_VARIABLE)
    if key is None:
        yield OpenAIProvider(None, is_openai=base_url is None, patience=patience)
        return
    # Off the loop and before the first request: the import takes half a second.
    sdk = await asyncio.to_thread(importlib.import_module, "openai")
    limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100)
    timeout = httpx2.Timeout(patience.first_token_s, connect=patience.connect_s)
    async with httpx2.AsyncClient(
        limits=limits, timeout=timeout, trust_env=False, follow_redirects=False
    ) as http:
        client: AsyncOpenAI = sdk.AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            http_client=http,
            max_retries=MAX_RETRIES,
            timeout=timeout,
        )
        yield OpenAIProvider(client, is_openai=base_url is None, patience=patience)


PROVIDER = ProviderAdapter(NAME, open_openai)
