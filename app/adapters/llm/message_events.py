"""Reads the events of Anthropic's Messages API. Does no I/O."""

from typing import Any

import orjson

from app.adapters.llm.answer import Answer, usage_of
from app.adapters.llm.failures import Faults
from app.adapters.llm.surrogates import whole
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
_KINDS = {"signature": "thinking"}
_THOUGHTS = ("thinking", "redacted_thinking")


class _Block:
    """A block of the content, put together from its pieces."""

    def __init__(self, begun: dict[str, Any]) -> None:
        self._begun = begun
        self._pieces: dict[str, list[str]] = {}

    def add(self, name: str, piece: str) -> None:
        """The next piece of what has that name."""
        self._pieces.setdefault(name, []).append(piece)

    @property
    def whole(self) -> dict[str, Any]:
        """The block as it came."""
        begun = self._begun
        grown = {name: [begun.get(name) or "", *p] for name, p in self._pieces.items()}
        return begun | {name: whole("".join(pieces)) for name, pieces in grown.items()}


class MessageEvents:
    """Takes one stream's events into its answer; events that nobody knows are passed over."""

    def __init__(self, answer: Answer, faults: Faults) -> None:
        self._answer = answer
        self._faults = faults
        self._usage: dict[str, Any] = {}
        # Text and thoughts since the last call, in their order.
        self._blocks: dict[int, _Block] = {}
        self._has_thoughts = False

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
        kind: str = delta.get("type") or ""
        name = _PIECES.get(kind)
        if name is None:
            return
        piece = _string(delta[name])
        if piece:
            self._answer.begin()
        if kind == "input_json_delta":
            self._answer.calls.add(index=index, arguments=piece)
            return
        if kind == "text_delta":
            self._answer.texts.append(piece)
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block({"type": _KINDS.get(name, name)})
        block.add(name, piece)

    def _read_end(self, event: dict[str, Any]) -> None:
        self._count(event.get("usage"))
        said = event["delta"].get("stop_reason")
        if said:
            self._answer.came()
            known = _REASONS.get(said)
            self._answer.reason = known or self._faults.unknown_reason(_string(said))

    def _begin_block(self, index: int, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if kind == "text":
            text = _string(block.get("text"))
            self._answer.texts.append(text)
            if text:
                self._answer.begin()
            self._blocks[index] = _Block(block)
        elif kind in _THOUGHTS:
            self._answer.begin()
            self._has_thoughts = True
            self._blocks[index] = _Block(block)
        elif kind == "tool_use":
            self._answer.begin()
            given = block.get("input")
            self._answer.calls.add(
                index=index,
                call_id=_string(block["id"]),
                name=_string(block["name"]),
                arguments=orjson.dumps(given).decode() if given else "",
                signature=self._signature(),
            )

    def _signature(self) -> str | None:
        """What came before the call, to go back as it came: thoughts are refused elsewhere."""
        came, self._blocks = [block.whole for block in self._blocks.values()], {}
        return orjson.dumps(came).decode() if came and self._has_thoughts else None

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
