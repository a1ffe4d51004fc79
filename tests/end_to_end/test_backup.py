"""Backups as README describes them bring everything back: a copied folder, a dump elsewhere."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.adapters.store.bundled.binaries import installed
from app.core.settings import child_environment
from tests.support.postgres_server import MAJOR, PostgresServer, postgres_server
from tests.support.service import ROOT, running_service
from tests.support.stories import a_taught_agent, asking, stream
from tests.support.tools import a_tool

pytestmark = [pytest.mark.anyio, pytest.mark.once]
KEY = "k" * 40
SECRET_TOOL = {
    "type": "http",
    "name": "estoque",
    "config": {
        "method": "GET",
        "url": "https://example.com/x",
        "headers": {"X-Token": "{secrets.token}"},
        "secrets": {"token": "um-segredo-1234"},
    },
}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # under root, PostgreSQL runs as another user
        yield Path(name)


async def lived_in(client: httpx2.AsyncClient) -> dict[str, Any]:
    """Something of every kind, and what a client reads of it."""
    agent = await a_taught_agent(client)
    await a_tool(client, agent["id"], **SECRET_TOOL)
    await stream(client, agent["id"], asking("Qual é o horário no sábado?"))
    lead = {"name": "Ana", "email": "ana@example.com"}
    assert (await client.post("/api/v2/leads", json=lead)).status_code == 201
    return await read(client)


async def read(client: httpx2.AsyncClient) -> dict[str, Any]:
    pages = {
        path: (await client.get(f"/api/v2/{path}")).json()["data"]
        for path in ("agents", "conversations", "knowledge/documents", "leads")
    }
    agent, document = pages["agents"][0]["id"], pages["knowledge/documents"][0]["id"]
    tools = await client.get(f"/api/v2/agents/{agent}/tools")
    content = await client.get(f"/api/v2/knowledge/documents/{document}/content")
    found = await client.post(
        "/api/v2/knowledge/search",
        json={
            "query": "horário no sábado",
            "knowledge_base_ids": pages["agents"][0]["knowledge_base_ids"],
        },
    )
    assert found.status_code == content.status_code == tools.status_code == 200
    hits = [hit["content"] for hit in found.json()["data"]]
    assert hits
    return pages | {"tools": tools.json()["data"], "content": content.text, "hits": hits}


async def goes_on(client: httpx2.AsyncClient, before: dict[str, Any]) -> None:
    """All of it is there, secrets can be used, and a conversation goes on."""
    assert await read(client) == before
    tool = before["tools"][0]
    assert tool["config"]["secrets"]["token"] == {"set": True, "last4": "1234"}
    path = f"/api/v2/agents/{tool['agent_id']}/tools/{tool['id']}/test"
    answer = await client.post(path, json={"arguments": {}})
    assert "secret_unreadable" not in answer.text
    conversation = before["conversations"][0]["id"]
    question = asking("E no domingo?", conversation_id=conversation)
    events = await stream(client, before["agents"][0]["id"], question)
    assert events[-1]["event"] == "done"


async def test_a_copy_of_the_data_folder_is_the_whole_service(folder):
    async with running_service(folder / "data") as service, service.client() as client:
        before = await lived_in(client)
    await asyncio.to_thread(_copied, folder / "data", folder / "copy")
    async with running_service(folder / "copy") as service, service.client() as client:
        await goes_on(client, before)


def _copied(source: Path, target: Path) -> None:
    """As `cp -a` does, which keeps owners."""
    shutil.copytree(source, target, symlinks=True)
    for here in (source, *source.rglob("*")):
        there = target / here.relative_to(source)
        status = here.lstat()
        os.chown(there, status.st_uid, status.st_gid, follow_symlinks=False)


async def test_a_dump_is_brought_back_into_another_cluster_as_readme_says(folder):
    programs, dump = installed(MAJOR).bin, folder / "agentes.dump"
    async with postgres_server(folder / "one") as one, postgres_server(folder / "other") as other:
        old, new = [await empty(server) for server in (one, other)]
        async with over(old, folder / "old") as client:
            before = await lived_in(client)
            await done(programs / "pg_dump", "--format=custom", f"--file={dump}", old)
        await done(sys.executable, "main.py", "migrate", DATABASE_URL=new)
        await done(programs / "pg_restore", "--clean", "--if-exists", f"--dbname={new}", dump)
        async with over(new, folder / "new") as client:
            client.headers["Authorization"] = (
                f"Bearer {(folder / 'old/api_key').read_text().strip()}"
            )
            await goes_on(client, before)


async def empty(server: PostgresServer) -> str:
    """The address of a database without anything."""
    await server.execute("postgres", "create database agentes")
    return f"postgresql://postgres@/agentes?host={Path(server.socket).parent}"


@asynccontextmanager
async def over(url: str, data: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        running_service(data, DATABASE_URL=url, ENCRYPTION_KEY=KEY) as service,
        service.client() as client,
    ):
        yield client


async def done(*command: Path | str, **variables: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=ROOT,
        env=child_environment(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()[-3000:]
