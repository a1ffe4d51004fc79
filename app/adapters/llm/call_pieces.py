"""Puts tool calls together from the pieces in which they arrive. Does no I/O."""

from dataclasses import dataclass, field

import orjson

from app.adapters.llm.surrogates import whole
from app.core.ids import new_id
from app.ports.llm import ProviderMalformed, ToolCall

# The chat bounds the arguments of a single call; this only keeps memory.
MAX_CHARS = 4 * 1024 * 1024
CALL_CHARS = 64
# Ids go back with every request; honest ones are a tenth as long.
MAX_ID_CHARS = 500
# Arguments longer than this are not looked at for their end.
MAX_SEEN_CHARS = 64 * 1024


@dataclass(slots=True)
class _Growing:
    id: str
    name: str
    pieces: list[str] = field(default_factory=list)
    signature: str | None = None
    chars: int = 0
    # A name that came when the arguments were whole: another call begins with the next of them.
    next_name: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are an object that has ended."""
        if self.chars > MAX_SEEN_CHARS or not (self.pieces and self.pieces[-1].endswith("}")):
            return False
        try:
            orjson.loads("".join(self.pieces))
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            return False
        return True


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
        if name or call.next_name:
            call = self._or_next(call, index, call_id, name, arguments)
        call.id = call.id or call_id
        call.name = call.name or name
        call.signature = signature or call.signature
        if arguments:
            call.pieces.append(arguments)
            call.chars += len(arguments)
            self._chars += len(arguments)
        if self._chars + CALL_CHARS * len(self._calls) > MAX_CHARS:
            raise ProviderMalformed("The provider sent tool calls without end.")

    def __bool__(self) -> bool:
        return bool(self._calls)

    def sign(self, signature: str | None) -> None:
        """What the provider wants back with all of them goes with the first."""
        if self._calls:
            self._calls[0].signature = signature

    def whole(self) -> list[ToolCall]:
        """All calls, in the order in which the model began them.

        Raises:
            ProviderMalformed: a call names no tool.
        """
        if any(not call.name for call in self._calls):
            raise ProviderMalformed("The provider sent a tool call without a name.")
        return [
            ToolCall(
                _fit(call.id) or f"call_{new_id()}",
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
            known = (call for call in reversed(self._calls) if call.id == call_id)
            return next(known, None) or self._begin(call_id, name)
        if name or not self._calls:
            return self._begin(call_id, name)
        return self._calls[-1]

    def _or_next(
        self, call: _Growing, index: int | None, call_id: str, name: str, arguments: str
    ) -> _Growing:
        """The call, or the one that begins after it: some servers give all of them one number."""
        if not call.is_whole:
            return call
        call.next_name = name or call.next_name
        if not arguments.strip():
            return call
        begun = self._begin(call_id, call.next_name)
        if index is not None:
            self._by_index[index] = begun
        call.next_name = ""
        return begun

    def _begin(self, call_id: str, name: str) -> _Growing:
        call = _Growing(call_id, name)
        self._calls.append(call)
        return call


def _fit(call_id: str) -> str:
    """The id as any database and any server can hold it."""
    return whole(call_id).replace("\x00", "")[:MAX_ID_CHARS]
