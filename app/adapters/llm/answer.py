"""Reads the bytes of one answer, in whatever dialect, into the port's events. Does no I/O."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from app.adapters.llm.call_pieces import CallPieces
from app.adapters.llm.event_lines import DataLines
from app.adapters.llm.surrogates import HalfCharacters, whole
from app.ports.llm import (
    ChatEvent,
    EmptyAnswer,
    Finished,
    FinishReason,
    ProviderDeclined,
    ProviderDisconnected,
    ProviderFailed,
    ProviderMalformed,
    TakeText,
    TextDelta,
    ToolCall,
    Usage,
)

DONE = b"[DONE]"
MAX_TOKENS = 2**31
_NO_PART = "The provider sent JSON that is no part of an answer."


class Answer:
    """What has been read of one answer; a dialect fills it, `AnswerReader` empties it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls = CallPieces()
        self.usage: Usage | None = None
        self.reason: FinishReason | None = None
        self.has_end_mark = False
        self.is_refusal = False
        # Whether a token has come, be it of text, of a thought or of a call.
        self.has_begun = False
        # Whether anything but a sign of life has come.
        self.has_progressed = False

    def came(self) -> None:
        """More than a sign of life has come."""
        self.has_progressed = True

    def begin(self) -> None:
        """A token has come."""
        self.has_begun = self.has_progressed = True

    def count(self, usage: Usage | None) -> None:
        """What is reported as used; the same once more is a sign of life."""
        if usage is not None and usage != self.usage:
            self.usage, self.has_progressed = usage, True


# Takes one JSON value of the stream into the answer.
Take = Callable[[Any], None]


class AnswerReader:
    """Feed it what the network brings; texts that arrive together come out together."""

    def __init__(self, begin: Callable[[Answer], Take]) -> None:
        self._answer = Answer()
        self._take = begin(self._answer)
        self._lines = DataLines()
        self._halves = HalfCharacters()
        self._has_halves = False
        self._has_said = False
        self._shown_usage: Usage | None = None
        self._take_text: TakeText | None = None
        self._events: list[ChatEvent] = []
        self._failure: ProviderFailed | None = None
        self._not_taken: Exception | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the model or its server has said that it is finished; usage may still follow."""
        return self._answer.reason is not None or self._answer.has_end_mark

    @property
    def has_begun(self) -> bool:
        """Whether the model has written anything, shown or not: it has to be paid."""
        return self._answer.has_begun

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come, even if the server keeps the connection open."""
        return self._answer.has_end_mark

    def has_progressed(self) -> bool:
        """Whether more than signs of life has come since this was last asked."""
        progressed, self._answer.has_progressed = self._answer.has_progressed, False
        return progressed

    def feed(self, chunk: bytes) -> bool:
        """Read the chunk; whether it held no more than texts that were taken."""
        self._read(self._lines.feed(chunk))
        is_news = self._events or self._failure or self._not_taken
        return not (is_news or self._answer.has_end_mark)

    def events(self) -> Iterator[ChatEvent]:
        """What was read since the last call; what came before a fault is given first.

        Raises:
            ProviderFailed: the stream holds a fault, or tells of one, before the answer is whole.
            RuntimeError: whoever takes the texts has failed.
        """
        if self._not_taken is not None:
            raise RuntimeError("A text could not be taken.") from self._not_taken
        events, self._events = self._events, []
        yield from events
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def end(self) -> Iterator[ChatEvent]:
        """What remains when the stream has ended.

        Raises:
            ProviderDisconnected: the answer has no end, or none that makes its calls whole.
            EmptyAnswer, ProviderDeclined: it holds nothing to show.
        """
        if not self.is_done:
            self._read(self._lines.end())
            yield from self.events()
        if not self.is_whole:
            raise ProviderDisconnected("The stream ended before the answer did.")
        reason, calls = self._outcome()
        if not self._has_said and not calls:
            raise _nothing(reason)
        yield from calls
        yield Finished(reason)

    def _read(self, payloads: list[bytes]) -> None:
        failure = self._failure_in(payloads)
        self._take_news()
        if failure is not None and not self.is_whole:
            self._failure = failure

    def _failure_in(self, payloads: list[bytes]) -> ProviderFailed | None:
        """Take the payloads in, up to one that cannot be."""
        answer = self._answer
        try:
            for payload in payloads:
                if payload == DONE:
                    answer.has_end_mark = True
                else:
                    self._take(self._value(payload))
                if answer.has_end_mark:
                    return None
        except ProviderFailed as error:
            return error
        except (AttributeError, LookupError, TypeError, ValueError, OverflowError):
            return ProviderMalformed(_NO_PART)
        if self._lines.is_too_long:
            return ProviderMalformed("The provider sent a line without end.")
        return None

    def _take_news(self) -> None:
        answer = self._answer
        if answer.texts:
            # PostgreSQL's text cannot hold NUL, and no reader misses it.
            text = "".join(answer.texts).replace("\x00", "")
            answer.texts.clear()
            if self._has_halves:
                text = self._halves.join(text)
            if text:
                self._has_said = self._has_said or not text.isspace()
                self._pass_on(text)
        if answer.usage is not None and answer.usage != self._shown_usage:
            self._shown_usage = answer.usage
            self._events.append(answer.usage)

    def _pass_on(self, text: str) -> None:
        # Not before what came earlier has been heard.
        if self._take_text is None or self._events:
            self._events.append(TextDelta(text, self._flow_to))
        else:
            try:
                self._take_text(text)
            except Exception as error:  # for whoever reads the events: the provider did nothing
                self._not_taken = error

    def _flow_to(self, take: TakeText) -> None:
        self._take_text = take

    def _value(self, payload: bytes) -> Any:
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError:
            if b"\\u" not in payload:
                raise ProviderMalformed("The provider sent something that is not JSON.") from None
        # orjson refuses the escape of half a character; its other half is in the next chunk.
        try:
            value = json.loads(payload)
        except (ValueError, RecursionError):
            raise ProviderMalformed("The provider sent something that is not JSON.") from None
        self._has_halves = True
        return value

    def _outcome(self) -> tuple[FinishReason, list[ToolCall]]:
        told = self._answer.reason
        if told is None and self._answer.calls:
            # Some servers send their end mark after a fault too, and a call cannot be taken back.
            raise ProviderDisconnected("The answer ended without a reason, amid its calls.")
        reason = told or "stop"
        if reason in ("length", "content_filter", "unknown"):
            return reason, []  # what the model was writing when it was stopped may be a call
        calls = self._answer.calls.whole()
        if self._has_halves:
            calls = [
                ToolCall(c.id, whole(c.name), whole(c.arguments), _whole(c.signature))
                for c in calls
            ]
        if calls:
            return "tool_calls", calls
        return "content_filter" if self._answer.is_refusal else "stop", []


def _nothing(reason: FinishReason) -> ProviderFailed:
    if reason == "content_filter":
        return ProviderDeclined("Ask in other words, or use another model.")
    if reason == "length":
        return EmptyAnswer(
            "The model used all of its tokens before it wrote a word. Raise max_tokens."
        )
    return EmptyAnswer("Ask again, or in other words.")


def _whole(signature: str | None) -> str | None:
    return None if signature is None else whole(signature)


def usage_of(read: object, written: object, cached: object) -> Usage | None:
    """Usage from the numbers of a report; None where it does not tell what was used."""
    counts = [_tokens(read), _tokens(written), _tokens(cached)]
    if counts[0] is None and counts[1] is None:
        return None
    return Usage(*(count or 0 for count in counts))


def _tokens(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and 0 <= value < MAX_TOKENS else None
