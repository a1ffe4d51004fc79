"""How a file would be cut, over HTTP."""

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace

import httpx2
import pytest
from fastapi import UploadFile

from app.container import open_ports
from app.core.ids import OrganizationId
from app.features.knowledge.errors import TooManyPreviews
from app.features.knowledge.previewing import PER_ORGANIZATION, Previews
from app.ports.parser import Cut, Parser, TextChunk
from tests.conftest import serving
from tests.support.clerk import running_clerk
from tests.support.loopback_only import PLAIN_HTTP
from tests.support.stories import POLICY, a_base, a_document

pytestmark = pytest.mark.anyio
MARKDOWN = POLICY.encode()
PREVIEW = "/api/v2/knowledge/preview"


async def preview(client, content=MARKDOWN, name="a.md", **fields):
    return await client.post(PREVIEW, files={"file": (name, content)}, data=fields)


async def test_a_preview_shows_the_chunks_with_their_sections_and_keeps_nothing(client):
    answer = await preview(client, size="50")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["content_type"] == "text/markdown"
    assert found["chunk_count"] == len(found["data"]) > 1
    assert [chunk["heading"] for chunk in found["data"]] == [
        "Loja Teste · Entrega",
        "Loja Teste > Trocas e devoluções · Horário",
    ]
    assert max(chunk["token_count"] for chunk in found["data"]) <= 50
    assert (await client.get("/api/v2/knowledge/documents")).json()["data"] == []


async def test_a_preview_is_cut_as_the_base_cuts(client):
    base = await a_base(client, chunking={"size": 60, "overlap": 0})
    found = (await preview(client, knowledge_base_id=base)).json()
    assert found["chunk_count"] > 1
    assert (await preview(client)).json()["chunk_count"] == 1


@pytest.mark.once
async def test_what_could_not_be_uploaded_cannot_be_previewed(client):
    assert (await preview(client, b"\x89PNG\r\n\x1a\n")).status_code == 415
    assert (await preview(client, b"")).status_code == 422
    assert (await preview(client, b"%PDF-1.4 nonsense", "a.pdf")).status_code == 422
    assert (await preview(client, size="60", overlap="60")).status_code == 422


class HeldSandbox:
    """Reads no file before it is let go."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []
        self.go = asyncio.Event()

    async def chunks(self, parser: Parser, content: bytes, cut: Cut) -> tuple[TextChunk, ...]:
        self.contents.append(content)
        await self.go.wait()
        return (
            TextChunk(ordinal=0, content="Oi", heading="", char_start=0, char_end=2, token_count=1),
        )

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.contents) < count:
                await asyncio.sleep(0.01)


@pytest.fixture
async def two(settings) -> AsyncIterator[tuple[list[httpx2.AsyncClient], HeldSandbox]]:
    """Clients of two organizations, and where their previews stay."""
    sandbox = HeldSandbox()

    @asynccontextmanager
    async def opened(chosen):
        async with open_ports(chosen) as ports:
            yield replace(ports, preview_sandbox=sandbox)

    async with AsyncExitStack() as stack:
        clerk = await stack.enter_async_context(running_clerk())
        chosen = settings.model_copy(update={"clerk_issuer": clerk.issuer})
        url = await stack.enter_async_context(serving(chosen, open_ports=opened))
        clients = []
        for number in (1, 2):
            claims = {"sub": f"user_{number}", "o": {"id": f"org_{number}", "rol": "admin"}}
            token = clerk.token(**claims, exp=int(time.time()) + 3600)
            client = httpx2.AsyncClient(
                verify=PLAIN_HTTP,
                base_url=url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=20,
            )
            clients.append(await stack.enter_async_context(client))
        yield clients, sandbox


@pytest.mark.once
async def test_previews_hold_up_neither_indexing_nor_another_organizations(two):
    (client, other), sandbox = two
    base = await a_base(client)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(preview(client)) for _ in range(12)]
        await sandbox.holds(1)
        theirs = tasks.create_task(preview(other))
        await sandbox.holds(2)
        assert (await a_document(client, base))["status"] == "ready"
        assert len(sandbox.contents) == 2
        refused = [one for one in asked if one.done()]
        assert len(refused) == len(asked) - PER_ORGANIZATION
        sandbox.go.set()
    assert {one.result().status_code for one in refused} == {429}
    assert refused[0].result().json()["code"] == "too_many_previews"
    assert int(refused[0].result().headers["retry-after"]) > 0
    answered = [one.result().status_code for one in asked if one not in refused]
    assert [*answered, theirs.result().status_code] == [200] * (PER_ORGANIZATION + 1)


@pytest.mark.once
async def test_of_a_preview_too_many_not_a_byte_is_read(two):
    (client, _), sandbox = two
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(preview(client)) for _ in range(PER_ORGANIZATION + 1)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
        writer.write(
            f"POST {PREVIEW} HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n"
            f"Authorization: {client.headers['authorization']}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
        )
        async with asyncio.timeout(5):
            assert (await reader.readline()).split()[1] == b"429"
        writer.close()
        sandbox.go.set()


class CountedFile(UploadFile):
    """Says how often it was read."""

    reads = 0

    async def read(self, size: int = -1) -> bytes:
        self.reads += 1
        return await super().read(size)


async def test_a_preview_that_waits_is_not_in_memory_and_none_is_looked_at_on_the_loop():
    threads: list[int] = []

    def claims(_content: bytes, _name: str) -> bool:
        threads.append(threading.get_ident())
        return True

    sandbox = HeldSandbox()
    parsers = {"x": Parser("x", "text/x", (), claims, lambda _: pytest.fail("not here"))}
    ports = SimpleNamespace(parsers=parsers, preview_sandbox=sandbox)
    previews = Previews(ports, wait_s=0.2)
    us, cut = OrganizationId("a"), Cut(size=300, overlap=0)
    first, second = (CountedFile(io.BytesIO(b"oi"), filename="a.x") for _ in range(2))
    async with previews.admitted(us), previews.admitted(us), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(previews.preview(us, first, cut))
        await sandbox.holds(1)
        with pytest.raises(TooManyPreviews) as late:
            await previews.preview(us, second, cut)
        sandbox.go.set()
        assert (await reading).chunk_count == 1
    assert late.value.headers["Retry-After"]
    assert (first.reads, second.reads) == (1, 0)
    assert threading.get_ident() not in threads
