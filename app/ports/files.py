"""Original files as they were uploaded."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from app.core.errors import Problem, ServiceUnavailable
from app.core.ids import OrganizationId


class FilesUnavailable(ServiceUnavailable):
    """Where files are kept does not answer at the moment."""


class FilesRefused(Problem):
    """Where files are kept refused an operation that should have worked."""


class Files(Protocol):
    """Bytes by key, kept apart for each organization. What `put` returned from is durable.

    Each method raises `FilesUnavailable` (or the database's own) where it may succeed later.
    """

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
