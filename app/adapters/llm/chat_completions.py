"""The chat-completions dialect: OpenAI's own and what compatible servers speak."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
import orjson

from app.adapters.llm.event_lines import DataLines, LineTooLong
from app.adapters.llm.failures import from_error_object, translated_failures
from app.ports.llm import (
    ChatEvent,
    ChatRequest,
    Finished,
    FinishReason,
    ProviderDisconnected,
    ProviderMalformed,
    ProviderStalled,
    TextDelta,
    Usage,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DONE = b"[DONE]"
_NO_PART = "The provider sent JSON that is no part of an answer."
_REASONS: dict[str, FinishReason] = {"length": "length", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a provider may be silent, in seconds."""

    connect_s: float = 5.0
    first_token_s: float = 30.0
    idle_s: float = 30.0


def message_parameters(request: ChatRequest) -> dict[str, Any]:
    """The parameters that every server of this dialect takes."""
    return {
        "model": request.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def stream_completion(
    client: "AsyncOpenAI", parameters: dict[str, Any], patience: Patience
) -> AsyncGenerator[ChatEvent]:
    """One completion, by the SDK's request path and our own parser.

    The SDK's typed chunks cost eight times as much as these bytes (9,000 against 76,000 a second).
    Closing the generator closes the connection.

    Raises:
        ProviderFailed: one of its kinds.
    """
    answer = _Answer()
    with translated_failures():
        create = client.chat.completions.with_streaming_response.create
        async with create(**parameters) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise ProviderMalformed("The provider answered with something other than a stream.")
            async with aclosing(_patiently(response.iter_bytes(), patience, answer)) as chunks:
                async for chunk in chunks:
                    for event in answer.read(chunk):
                        yield event
            for event in answer.end():
                yield event


async def _patiently(
    chunks: AsyncIterator[bytes], patience: Patience, answer: "_Answer"
) -> AsyncGenerator[bytes]:
    limit_s = patience.first_token_s
    while not answer.is_done:
        try:
            async with asyncio.timeout(limit_s):
                chunk = await anext(chunks, None)
        except TimeoutError:
            if answer.is_whole:
                return
            raise ProviderStalled(f"Nothing came for {limit_s:g} s.") from None
        except (httpx2.HTTPError, OSError):
            # Some servers cut the connection instead of ending it; nothing of the answer is lost.
            if answer.is_whole:
                return
            raise
        if chunk is None:
            return
        limit_s = patience.idle_s
        yield chunk


class _Answer:
    """Reads chunks; texts that arrive together come out together."""

    def __init__(self) -> None:
        self._lines = DataLines()
        self._reason: FinishReason | None = None
        self._has_end_mark = False

    @property
    def is_whole(self) -> bool:
        """Whether the model has said that it is finished; usage may still follow."""
        return self._reason is not None

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come, even if the server keeps the connection open."""
        return self.is_whole and self._has_end_mark

    def read(self, chunk: bytes) -> Iterator[ChatEvent]:
        try:
            yield from self._events(self._lines.feed(chunk))
        except LineTooLong:
            raise ProviderMalformed("The provider sent a line without end.") from None

    def end(self) -> Iterator[ChatEvent]:
        yield from self._events(self._lines.end())
        if self._reason is None:
            raise ProviderDisconnected("The stream ended before the answer did.")
        yield Finished(self._reason)

    def _events(self, payloads: Iterator[bytes]) -> Iterator[ChatEvent]:
        texts: list[str] = []
        usage: Usage | None = None
        for payload in payloads:
            if payload == DONE:
                self._has_end_mark = True
                continue
            part = _object(payload)
            try:
                texts.append(self._text(part))
                usage = _usage(part) or usage
            except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
                raise ProviderMalformed(_NO_PART) from None
        # PostgreSQL's text cannot hold NUL, and no reader misses it.
        text = "".join(texts).replace("\x00", "")
        if text:
            yield TextDelta(text)
        if usage is not None:
            yield usage

    def _text(self, part: dict[str, Any]) -> str:
        choices = part.get("choices") or [{}]
        reason = choices[0].get("finish_reason")
        if reason:
            self._reason = _REASONS.get(reason, "stop")
        delta = choices[0].get("delta") or {}
        text = delta.get("content")
        return text if isinstance(text, str) else ""


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise ProviderMalformed("The provider sent something that is not JSON.") from None
    if not isinstance(value, dict):
        raise ProviderMalformed(_NO_PART)
    part: dict[str, Any] = value
    if part.get("error"):
        raise from_error_object(part["error"])
    return part


def _usage(part: dict[str, Any]) -> Usage | None:
    counted = part.get("usage")
    if not isinstance(counted, dict):
        return None
    usage: dict[str, Any] = counted
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        int(usage.get("prompt_tokens") or 0),
        int(usage.get("completion_tokens") or 0),
        int(details.get("cached_tokens") or 0),
    )
