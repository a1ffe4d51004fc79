"""A database that tells when facts were committed, so that numbering need not poll for them."""

import asyncio
from typing import Any

from app.core.ids import OrganizationId
from app.ports.store import Database, Scope

# By convention the argument in which a function takes the facts that it makes true.
FACTS = "events"


class AnnouncingScope:
    """The calls of a scope; those that carried facts are told of."""

    def __init__(self, scope: Scope, announced: asyncio.Event) -> None:
        self._scope = scope
        self._announced = announced

    async def call(self, function: str, **arguments: Any) -> Any:
        if FACTS not in arguments:
            return await self._scope.call(function, **arguments)
        try:
            return await self._scope.call(function, **arguments)
        finally:
            # Also when it failed: it may have been committed all the same.
            self._announced.set()


class AnnouncingDatabase:
    """Another database, whose scopes set `announced` after each call that carried facts."""

    def __init__(self, database: Database, announced: asyncio.Event) -> None:
        self._database = database
        self._announced = announced

    @property
    def is_exclusive(self) -> bool:
        return self._database.is_exclusive

    def scoped(self, organization_id: OrganizationId) -> Scope:
        return AnnouncingScope(self._database.scoped(organization_id), self._announced)

    def system(self) -> Scope:
        return AnnouncingScope(self._database.system(), self._announced)

    def connections(self) -> dict[str, int]:
        return self._database.connections()

    async def ping(self) -> None:
        await self._database.ping()
