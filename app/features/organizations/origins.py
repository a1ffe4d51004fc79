"""Which pages' origins organizations have listed, as this process knows it."""

from typing import Any

from app.core.errors import Problem
from app.ports import Ports
from app.web.origins import listings

CACHE_S = 5.0


class KnownOrigins:
    """Origins in settings and of widget keys; a change is known everywhere within 5 s."""

    def __init__(self, ports: Ports) -> None:
        self._cache, self._system = ports.cache, ports.database.system()

    async def is_listed(self, origin: str, organization_id: str | None) -> bool:
        """Whether this organization, or where none is named anybody, has listed the origin.

        While the database cannot be asked, nobody has.
        """
        wanted = listings(origin)
        if not wanted:
            return False

        async def load() -> Any:
            return await self._system.call(
                "origin_listed_v1", candidates=wanted, organization_id=organization_id
            )

        key = f"origin:{organization_id or '*'}:{origin}"
        try:
            return bool(await self._cache.fetch(key, load, ttl_s=CACHE_S))
        except Problem:
            return False
