"""Files in the database, which every process shares already."""

import asyncio
import base64

from app.core.ids import OrganizationId
from app.ports.store import Database


class DatabaseFiles:
    """Files by key in the table `files`; a put is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, organization_id: OrganizationId, key: str, content: bytes) -> None:
        encoded = await asyncio.to_thread(lambda: base64.b64encode(content).decode())
        await self._database.scoped(organization_id).call(
            "file_put_v1", key=key, content_base64=encoded
        )

    async def get(self, organization_id: OrganizationId, key: str) -> bytes | None:
        encoded = await self._database.scoped(organization_id).call("file_get_v1", key=key)
        return None if encoded is None else await asyncio.to_thread(base64.b64decode, encoded)

    async def delete(self, organization_id: OrganizationId, key: str) -> None:
        await self._database.scoped(organization_id).call("file_delete_v1", key=key)
