"""A file read and cut, and nothing kept."""

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from app.core.schemas import Resource, example
from app.features.knowledge import examples
from app.features.knowledge.incoming import IncomingFile
from app.ports import Ports
from app.ports.parser import Cut

SHOWN = 200


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


async def preview_of(ports: Ports, file: IncomingFile, *, size: int, overlap: int) -> Preview:
    """The first chunks of a file, and how many there are.

    Raises:
        DocumentUnreadable: one of its kinds, as an upload of it would fail.
    """
    parser = next(one for one in ports.parsers.values() if one.content_type == file.content_type)
    chunks = await ports.sandbox.chunks(parser, file.content, Cut(size=size, overlap=overlap))
    return Preview(
        content_type=file.content_type,
        chunk_count=len(chunks),
        token_count=sum(chunk.token_count for chunk in chunks),
        data=[PreviewedChunk.model_validate(asdict(chunk)) for chunk in chunks[:SHOWN]],
    )
