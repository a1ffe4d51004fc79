"""The wire protocols of the providers' servers, as bytes: one class a dialect, all alike."""

import json
from typing import Any

from app.ports.llm import DialectName, FinishReason, Usage
from tests.support import completions_server as server

Piece = dict[str, Any]


def _event(value: object) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


class CompletionsWire:
    """What OpenAI and its like send."""

    start = _event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
    sign_of_life = b": PROCESSING\n\n"
    usage = server.USAGE
    usage_value = Usage(7, 3, 0)
    end = server.DONE
    overloaded = _event({"error": {"type": "server_error", "message": "Overloaded, sk-canary"}})
    unknown = _event({"object": "something.new", "choices": []})
    nobody_knows = "because"

    def base_url(self, root: str) -> str:
        return f"{root}/v1"

    def text(self, text: str) -> bytes:
        return server.delta(text)

    def thought(self, text: str) -> bytes:
        return _event({"choices": [{"index": 0, "delta": {"reasoning_content": text}}]})

    def half(self, escape: str) -> bytes:
        """A text of one JSON escape, as written."""
        return b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % escape.encode()

    def call(self, index: int, call_id: str, name: str) -> bytes:
        function = {"name": name, "arguments": ""}
        return self._calls({"index": index, "id": call_id, "function": function})

    def arguments(self, index: int, piece: str) -> bytes:
        return self._calls({"index": index, "function": {"arguments": piece}})

    def whole_call(self, call_id: str, name: str, arguments: str) -> bytes:
        """A call in one piece and without a number, as Google sends it."""
        function = {"name": name, "arguments": arguments}
        return self._calls({"id": call_id, "type": "function", "function": function})

    def _calls(self, call: Piece) -> bytes:
        return _event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})

    def finish(self, reason: FinishReason | str) -> bytes:
        return server.finish(reason)

    def refusal(self, text: str) -> list[bytes]:
        return [_event({"choices": [{"delta": {"refusal": text}}]}), self.finish("stop")]

    def error_body(self, kind: str, message: str = "") -> bytes:
        return json.dumps({"error": {"type": kind, "code": kind, "message": message}}).encode()


class MessagesWire:
    """What Anthropic sends."""

    start = _event(
        {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}
    )
    sign_of_life = b'event: ping\ndata: {"type": "ping"}\n\n'
    usage = _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": None},
            "usage": {"output_tokens": 3, "cache_read_input_tokens": 2},
        }
    )
    usage_value = Usage(7, 3, 2)
    end = _event({"type": "message_stop"})
    overloaded = b"event: error\n" + _event(
        {"type": "error", "error": {"type": "overloaded_error", "message": "Busy, sk-canary"}}
    )
    unknown = _event({"type": "something_new", "index": 0})
    nobody_knows = "because"

    def base_url(self, root: str) -> str:
        return root

    def text(self, text: str) -> bytes:
        return self._delta(0, {"type": "text_delta", "text": text})

    def thought(self, text: str) -> bytes:
        return self._delta(0, {"type": "thinking_delta", "thinking": text})

    def half(self, escape: str) -> bytes:
        return (
            b'data: {"type":"content_block_delta","index":0,'
            b'"delta":{"type":"text_delta","text":"%b"}}\n\n' % escape.encode()
        )

    def call(self, index: int, call_id: str, name: str) -> bytes:
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        return _event({"type": "content_block_start", "index": index + 1, "content_block": block})

    def arguments(self, index: int, piece: str) -> bytes:
        return self._delta(index + 1, {"type": "input_json_delta", "partial_json": piece})

    def whole_call(self, call_id: str, name: str, arguments: str) -> bytes:
        block = {"type": "tool_use", "id": call_id, "name": name, "input": json.loads(arguments)}
        index = sum(call_id.encode())
        return _event({"type": "content_block_start", "index": index, "content_block": block})

    def _delta(self, index: int, delta: Piece) -> bytes:
        return b"event: content_block_delta\n" + _event(
            {"type": "content_block_delta", "index": index, "delta": delta}
        )

    def finish(self, reason: FinishReason | str) -> bytes:
        names = {
            "stop": "end_turn",
            "length": "max_tokens",
            "content_filter": "refusal",
            "tool_calls": "tool_use",
        }
        delta = {"stop_reason": names.get(reason, reason)}
        return _event({"type": "message_delta", "delta": delta})

    def refusal(self, text: str) -> list[bytes]:
        return [self.text(text), self.finish("content_filter")]

    def error_body(self, kind: str, message: str = "") -> bytes:
        error = {"type": kind, "message": message}
        return json.dumps({"type": "error", "error": error}).encode()


WireFormat = CompletionsWire | MessagesWire
WIRES: dict[DialectName, WireFormat] = {
    "chat_completions": CompletionsWire(),
    "messages": MessagesWire(),
}
