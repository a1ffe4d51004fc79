"""Reads the events of Anthropic's Messages API. Does no I/O."""

from typing import Any

import orjson

from app.adapters.llm.answer import Answer, usage_of
from app.adapters.llm.failures import Faults
from app.ports.llm import FinishReason

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
# Where the pieces of the blocks are.
_PIECES = {
    "text_delta": "text",
    "input_json_delta": "partial_json",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
}
_THOUGHTS = ("thinking", "redacted_thinking")


class MessageEvents:
    """Takes one stream's events into its answer; events that nobody knows are passed over."""

    def __init__(self, answer: Answer, faults: Faults) -> None:
        self._answer = answer
        self._faults = faults
        self._usage: dict[str, Any] = {}
        self._thoughts: dict[int, dict[str, Any]] = {}
        self._has_calls = False

    def read(self, event: dict[str, Any]) -> None:
        """The next event."""
        match event.get("type"):
            case "content_block_delta":
                self._read_delta(event["index"], event["delta"])
            case "content_block_start":
                self._begin_block(event["index"], event["content_block"])
            case "message_start":
                self._count(event["message"].get("usage"))
            case "message_delta":
                self._read_end(event)
            case "message_stop":
                self._answer.has_end_mark = True
            case "error":
                raise self._faults.of_error(event.get("error"))
            case _:
                pass  # `ping`, and what is not known: signs of life, not of an answer

    def _read_delta(self, index: int, delta: dict[str, Any]) -> None:
        kind = delta.get("type")
        name = _PIECES.get(kind or "")
        if name is None:
            return
        piece = _string(delta[name])
        if piece:
            self._answer.begin()
        if kind == "text_delta":
            self._answer.texts.append(piece)
        elif kind == "input_json_delta":
            self._answer.calls.add(index=index, arguments=piece)
        else:
            self._think(index, name, piece)

    def _read_end(self, event: dict[str, Any]) -> None:
        said = event["delta"].get("stop_reason")
        if said:
            self._answer.came()
            reason = _REASONS.get(said)
            if reason is None:
                raise self._faults.of_reason(_string(said))
            self._answer.reason = reason
        self._count(event.get("usage"))

    def _begin_block(self, index: int, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if kind == "text":
            text = _string(block.get("text"))
            self._answer.texts.append(text)
            if text:
                self._answer.begin()
        elif kind in _THOUGHTS:
            self._answer.begin()
            self._thoughts[index] = dict(block)
        elif kind == "tool_use":
            self._answer.begin()
            given = block.get("input")
            self._answer.calls.add(
                index=index,
                call_id=_string(block["id"]),
                name=_string(block["name"]),
                arguments=orjson.dumps(given).decode() if given else "",
                # The thoughts go back once, before the first call.
                signature=None if self._has_calls else self._signature(),
            )
            self._has_calls = True

    def _think(self, index: int, name: str, piece: str) -> None:
        thought = self._thoughts.get(index)
        if thought is not None:
            thought[name] = (thought.get(name) or "") + piece

    def _signature(self) -> str | None:
        thoughts = list(self._thoughts.values())
        return orjson.dumps(thoughts).decode() if thoughts else None

    def _count(self, reported: dict[str, Any] | None) -> None:
        """Reports are cumulative, and the last one may leave out what the first one said."""
        self._usage.update({k: v for k, v in (reported or {}).items() if v is not None})
        usage = self._usage
        if usage:
            cached = usage.get("cache_read_input_tokens", 0)
            read = (
                usage.get("input_tokens", 0) + usage.get("cache_creation_input_tokens", 0) + cached
            )
            self._answer.count(usage_of(read, usage.get("output_tokens"), cached))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
