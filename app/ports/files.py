"""Original files as they were uploaded."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from app.core.ids import OrganizationId


class Files(Protocol):
    """Bytes by key, kept apart for each organization. What `put` returned from is durable."""

    def room(self, size_bytes: int) -> AbstractAsyncContextManager[object]:
        """Entered while a whole file is taken in or out: of large ones few are at a time."""
        ...

    async def put(self, organization_id: OrganizationId, key: str, content: bytes) -> None:
        """Keep the bytes; the same key again replaces them."""
        ...

    async def get(self, organization_id: OrganizationId, key: str) -> bytes | None:
        """The bytes, or None where there are none."""
        ...

    async def delete(self, organization_id: OrganizationId, key: str) -> None:
        """Forget them; harmless where there are none."""
        ...
