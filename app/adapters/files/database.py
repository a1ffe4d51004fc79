"""Files in the database, which every process shares already."""

import asyncio
import base64
from contextlib import AbstractAsyncContextManager, nullcontext
from io import BytesIO

from app.core.ids import OrganizationId, new_id
from app.ports.store import Database

# A piece is in memory some five times over on its way to the database or from there.
PIECE_BYTES = 2 * 1024 * 1024
AT_ONCE = 1
SMALL_BYTES = 1024 * 1024


class DatabaseFiles:
    """Files by key in the table `files`; large ones pass in pieces, and appear whole or not."""

    def __init__(self, database: Database, *, at_once: int = AT_ONCE) -> None:
        self._database = database
        self._room = asyncio.Semaphore(at_once)

    def room(self, size_bytes: int) -> AbstractAsyncContextManager[object]:
        return self._room if size_bytes > SMALL_BYTES else nullcontext()

    async def put(self, organization_id: OrganizationId, key: str, content: bytes) -> None:
        scope = self._database.scoped(organization_id)
        if len(content) <= PIECE_BYTES:
            await scope.call("file_put_v1", key=key, content_base64=await _encoded(content))
            return
        upload_id = new_id()
        for piece, start in enumerate(range(0, len(content), PIECE_BYTES)):
            await scope.call(
                "file_piece_put_v1",
                upload_id=upload_id,
                piece=piece,
                content_base64=await _encoded(content[start : start + PIECE_BYTES]),
            )
        await scope.call("file_assemble_v1", upload_id=upload_id, key=key)

    async def get(self, organization_id: OrganizationId, key: str) -> bytes | None:
        scope = self._database.scoped(organization_id)
        # It gives its buffer away whole: bytes made of a bytearray would be there twice.
        content, version = BytesIO(), None
        while True:
            start = content.tell()
            part = await scope.call("file_read_v1", key=key, start=start, length=PIECE_BYTES)
            if part is None:
                return None
            if version not in (None, part["version"]):  # replaced meanwhile
                content, version = BytesIO(), None
                continue
            version = part["version"]
            read = await asyncio.to_thread(base64.b64decode, part["content"])
            content.write(read)
            if len(read) < PIECE_BYTES:
                return content.getvalue()

    async def delete(self, organization_id: OrganizationId, key: str) -> None:
        await self._database.scoped(organization_id).call("file_delete_v1", key=key)


async def _encoded(content: bytes) -> str:
    return await asyncio.to_thread(lambda: base64.b64encode(content).decode())
