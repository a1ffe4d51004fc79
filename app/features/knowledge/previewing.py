"""A file read and cut, and nothing kept: a few at a time, apart from what is indexed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Annotated

from fastapi import UploadFile
from pydantic import Field

from app.core.ids import OrganizationId
from app.core.schemas import Resource, example
from app.features.knowledge import examples
from app.features.knowledge.errors import TooManyPreviews
from app.features.knowledge.incoming import received
from app.ports import Ports
from app.ports.parser import Cut
from app.web.routing import FeatureContext

SHOWN = 200
AT_ONCE = 2
# Those of an organization that are under way: one is read, the others come in or wait.
PER_ORGANIZATION = 4
# As long as one may take: whoever is next gets its place by then.
WAIT_S = 15.0
RETRY_AFTER_S = 5


class PreviewedChunk(Resource):
    """A chunk that an upload would make."""

    ordinal: int
    content: str
    heading: str
    page: int | None
    char_start: int
    char_end: int
    token_count: int


class Preview(Resource):
    """How a file would be cut."""

    model_config = example(
        content_type="text/markdown",
        chunk_count=1,
        token_count=examples.CHUNK["token_count"],
        data=[{key: examples.CHUNK[key] for key in PreviewedChunk.model_fields} | {"page": 1}],
    )

    content_type: str
    chunk_count: int
    token_count: Annotated[int, Field(description="Of all chunks.")]
    data: list[PreviewedChunk]


@dataclass(slots=True)
class _Line:
    """The previews of one organization."""

    count: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Previews:
    """The previews of this process: one of an organization at a time, in the order they came."""

    def __init__(self, ports: Ports, *, wait_s: float = WAIT_S) -> None:
        self._ports, self._wait_s = ports, wait_s
        self._places = asyncio.Semaphore(AT_ONCE)
        self._lines: dict[OrganizationId, _Line] = {}

    @asynccontextmanager
    async def admitted(self, organization_id: OrganizationId) -> AsyncGenerator[None]:
        """Count one more, before its file is taken in.

        Raises:
            TooManyPreviews: as many of the organization's are under way as may be.
        """
        line = self._lines.setdefault(organization_id, _Line())
        if line.count >= PER_ORGANIZATION:
            raise _too_many(f"At most {PER_ORGANIZATION} of an organization may be under way;")
        line.count += 1
        try:
            yield
        finally:
            line.count -= 1
            if not line.count:
                del self._lines[organization_id]

    async def preview(self, organization_id: OrganizationId, file: UploadFile, cut: Cut) -> Preview:
        """The first chunks of a file that was admitted, and how many there are.

        It is in memory only while it has a place.

        Raises:
            TooManyPreviews: no place became free in time.
            InvalidUpload, PayloadTooLarge, FormatNotSupported: as for an upload.
            DocumentUnreadable: one of its kinds, as an upload of it would fail.
        """
        async with self._place(organization_id):
            incoming = await received(file, self._ports.parsers)
            parsers = self._ports.parsers.values()
            parser = next(one for one in parsers if one.content_type == incoming.content_type)
            chunks = await self._ports.preview_sandbox.chunks(parser, incoming.content, cut)
        return Preview(
            content_type=incoming.content_type,
            chunk_count=len(chunks),
            token_count=sum(chunk.token_count for chunk in chunks),
            data=[PreviewedChunk.model_validate(asdict(chunk)) for chunk in chunks[:SHOWN]],
        )

    @asynccontextmanager
    async def _place(self, organization_id: OrganizationId) -> AsyncGenerator[None]:
        # The organization's turn first: of each only one waits for what all share.
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._wait_s):
                    await held.enter_async_context(self._lines[organization_id].turn)
                    await held.enter_async_context(self._places)
            except TimeoutError:
                raise _too_many(f"No place was free within {self._wait_s:.0f} s;") from None
            yield


def _too_many(why: str) -> TooManyPreviews:
    return TooManyPreviews(
        f"{why} send it again in {RETRY_AFTER_S} s.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


@asynccontextmanager
async def open_previews(ports: Ports) -> FeatureContext:
    """The previews for as long as the service runs."""
    yield Previews(ports)
