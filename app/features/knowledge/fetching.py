"""What an address gives, taken in as any file of a stranger; unchanged, it is not sent again."""

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from app.features.knowledge.errors import SourceFailed
from app.features.knowledge.incoming import MAX_FILE_BYTES, IncomingFile, Source, receive
from app.ports.fetch import Fetch, Outgoing
from app.ports.parser import Parser

FETCH_S = 30.0
REDIRECTS = 5
NOT_MODIFIED = 304
_ACCEPT = "text/html, application/pdf, text/markdown, text/plain, application/json, */*;q=0.8"
# What may be sent back as it came.
_MARK = re.compile(r"[\x20-\x7e]{1,200}")


async def fetch_source(
    fetch: Fetch,
    parsers: Mapping[str, Parser],
    url: str,
    *,
    name: str | None = None,
    known: Source | None = None,
) -> IncomingFile | None:
    """The file at an address; None where the other server says that it is what is known.

    Raises:
        AddressRefused, FetchFailed: as from the port.
        SourceFailed: the answer is none that could be a document.
        FormatNotSupported: no parser takes its bytes.
    """
    answered = await fetch.send(
        Outgoing(
            url=url,
            headers={"Accept": _ACCEPT, **(_conditions(known) if known else {})},
            total_s=FETCH_S,
            max_bytes=MAX_FILE_BYTES,
            redirects=REDIRECTS,
        )
    )
    if answered.status == NOT_MODIFIED and known:
        return None
    if answered.status != 200:
        raise SourceFailed(f"The address answered with status {answered.status}.")
    if not answered.content:
        raise SourceFailed("The address answered with nothing.")
    source = Source(
        source_url=url,
        source_etag=_mark(answered.headers.get("etag")),
        source_modified=_mark(answered.headers.get("last-modified")),
    )
    return await asyncio.to_thread(receive, name or name_of(url), answered.content, parsers, source)


def name_of(url: str) -> str:
    """The last part of the path, or the host where there is none."""
    parts = urlsplit(url)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.hostname or url


def _conditions(known: Source) -> dict[str, str]:
    if known.source_etag:
        return {"If-None-Match": known.source_etag}
    return {"If-Modified-Since": known.source_modified} if known.source_modified else {}


def _mark(value: str | None) -> str | None:
    return value if value and _MARK.fullmatch(value) else None
