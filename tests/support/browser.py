"""A real browser on a page of ours: headless Chromium as Debian packages it, without a driver.

The page says what it has seen by posting it to the small server that it came from.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it refuses to run as root with one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
)


@dataclass
class Page:
    """A page that is open in the browser, and what it has posted so far."""

    html: str = ""
    origin: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request: the page, or something that it has seen."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # browsers open connections that they do not need
            writer.close()
            return
        body = b""
        if head.startswith(b"POST /seen"):
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            self.seen.append(json.loads(await reader.readexactly(length)))
            self.news.set()
        elif head.startswith(b"GET / "):
            body = self.html.encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        writer.close()

    async def saw(self, count: int) -> list[dict[str, Any]]:
        """Wait until it has posted so much."""
        async with asyncio.timeout(60):
            while len(self.seen) < count:
                self.news.clear()
                await self.news.wait()
        return self.seen


@asynccontextmanager
async def page_server() -> AsyncIterator[Page]:
    """An origin of its own; give the page its text before a browser comes."""
    page = Page()
    async with await asyncio.start_server(page.serve, "127.0.0.1", 0) as listener:
        page.origin = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield page


@asynccontextmanager
async def browsing(binary: str, url: str, profile: Path) -> AsyncIterator[None]:
    """A browser at that address, for as long as the context is open."""
    process = await asyncio.create_subprocess_exec(
        *(binary, *OPTIONS, f"--user-data-dir={profile}", url),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
