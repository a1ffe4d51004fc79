"""Calls of an organization, made as whoever acts (`core/acting.py`)."""

from typing import Any

from app.core.acting import ACTING
from app.ports.store import Scope

FUNCTION = "acting_call_v1"


class ActingScope:
    """A scope that tells the database who acts, where somebody does."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def call(self, function: str, **arguments: Any) -> Any:
        acting = ACTING.get()
        if acting is None:
            return await self._scope.call(function, **arguments)
        described: dict[str, Any] = {
            "actor": acting.actor,
            "impersonator": acting.impersonator,
            "request_id": acting.request_id,
        }
        if acting.key is not None:
            described |= {"key": acting.key, "ordinal": acting.next_ordinal(function)}
        named = {f"p_{name}": value for name, value in arguments.items()}
        return await self._scope.call(FUNCTION, acting=described, name=function, values=named)
