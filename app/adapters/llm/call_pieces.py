"""Puts tool calls together from the pieces in which they arrive. Does no I/O."""

from dataclasses import dataclass, field

from app.core.ids import new_id
from app.ports.llm import ProviderMalformed, ToolCall

# The chat bounds the arguments of a single call; this only keeps memory.
MAX_CHARS = 4 * 1024 * 1024
CALL_CHARS = 64


@dataclass(slots=True)
class _Growing:
    id: str
    name: str
    pieces: list[str] = field(default_factory=list)
    signature: str | None = None


class CallPieces:
    """Takes pieces in any order and with or without their number; gives whole calls."""

    def __init__(self) -> None:
        self._calls: list[_Growing] = []
        self._by_index: dict[int, _Growing] = {}
        self._chars = 0

    def add(
        self,
        *,
        index: int | None = None,
        call_id: str = "",
        name: str = "",
        arguments: str = "",
        signature: str | None = None,
    ) -> None:
        """The next piece of one of the calls; what is known already is left empty.

        Raises:
            ProviderMalformed: all calls together are longer than any honest ones.
        """
        call = self._find(index, call_id, name)
        call.id = call.id or call_id
        call.name = call.name or name
        call.signature = signature or call.signature
        if arguments:
            call.pieces.append(arguments)
            self._chars += len(arguments)
        if self._chars + CALL_CHARS * len(self._calls) > MAX_CHARS:
            raise ProviderMalformed("The provider sent tool calls without end.")

    def whole(self) -> list[ToolCall]:
        """All calls, in the order in which the model began them.

        Raises:
            ProviderMalformed: a call names no tool.
        """
        if any(not call.name for call in self._calls):
            raise ProviderMalformed("The provider sent a tool call without a name.")
        return [
            ToolCall(
                call.id or f"call_{new_id()}",
                call.name,
                "".join(call.pieces).strip() or "{}",
                call.signature,
            )
            for call in self._calls
        ]

    def _find(self, index: int | None, call_id: str, name: str) -> _Growing:
        if index is not None:
            call = self._by_index.get(index)
            # Some servers give all parallel calls the number 0, each with an id of its own.
            if call is None or (name and call_id and call.id and call_id != call.id):
                call = self._by_index[index] = self._begin(call_id, name)
            return call
        if call_id:
            known = (call for call in self._calls if call.id == call_id)
            return next(known, None) or self._begin(call_id, name)
        if name or not self._calls:
            return self._begin(call_id, name)
        return self._calls[-1]

    def _begin(self, call_id: str, name: str) -> _Growing:
        call = _Growing(call_id, name)
        self._calls.append(call)
        return call
