"""Calls with side effects in the database: noted before they are made, so that none is repeated."""

from typing import Any, Literal, Protocol

from app.core.ids import OrganizationId
from app.features.chat.records import RunIds
from app.ports.store import Database

Begun = Literal["begun", "repeated", "ended"]
"""Make the call; it was made or begun before; its run has been ended by somebody else."""
CallEnd = Literal["succeeded", "failed", "unknown"]


class Ledger(Protocol):
    """Where the calls of one run are noted."""

    async def begin(self, call: dict[str, Any]) -> Begun:
        """Note that the call `{id, tool_id, name, type, arguments}` is about to be made.

        Raises:
            StoreUnavailable: it must not be made.
        """
        ...

    async def end(
        self,
        call_id: str,
        status: CallEnd,
        *,
        result: Any = None,
        error: dict[str, str] | None = None,
        facts: list[dict[str, Any]],
    ) -> None:
        """Note how it ended, and announce the facts."""
        ...


class StoredLedger:
    """The calls of a run of this process."""

    def __init__(self, database: Database, ids: RunIds, owner_id: str) -> None:
        self._scope = database.scoped(OrganizationId(ids.organization_id))
        self._run_id, self._owner_id = ids.run_id, owner_id

    async def begin(self, call: dict[str, Any]) -> Begun:
        row = call | {"run_id": self._run_id}
        return await self._scope.call("tool_call_begin_v1", owner_id=self._owner_id, call=row)

    async def end(
        self,
        call_id: str,
        status: CallEnd,
        *,
        result: Any = None,
        error: dict[str, str] | None = None,
        facts: list[dict[str, Any]],
    ) -> None:
        row = {"id": call_id, "status": status, "result": result, "error": error}
        await self._scope.call("tool_call_end_v1", call=row, events=facts)
