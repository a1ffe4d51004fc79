"""Backups as README describes them bring everything back: a copied folder, a dump elsewhere."""

import asyncio
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.core.settings import child_environment
from tests.support.clone import a_clone, restoring, typed
from tests.support.postgres_server import TEMPLATE, PostgresServer, postgres_server
from tests.support.rights import rights, see_only_their_own
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


README = (ROOT / "README.md").read_text()


def test_both_readmes_restore_with_the_same_commands():
    texts = [README, (ROOT / "README.pt-BR.md").read_text()]
    english, portuguese = [re.sub(r" +#.*", "", restoring(text, "x")) for text in texts]
    assert english == portuguese


@pytest.mark.parametrize("attributes", ["superuser", "createrole"])
async def test_a_dump_is_brought_back_by_another_owner_as_readme_says(folder, attributes):
    dump = 'pg_dump --format=custom --file=agentes.dump "$DATABASE_URL"'
    assert dump in README.replace("\n  ", " ")
    place = a_clone(folder)
    async with postgres_server(folder / "one") as one, other_cluster(folder / "other") as other:
        await one.execute("postgres", "create database agentes")
        old, new = address(one, "postgres"), await owned_by_another(other, attributes)
        async with over(old, folder / "old") as client:
            before = await lived_in(client)
            await typed(dump, place, DATABASE_URL=old)
        await typed(restoring(README, new), place)
        assert await rights(other) == await rights(one)
        await see_only_their_own(other)
        key = (folder / "old/api_key").read_text().strip()
        async with over(new, folder / "new", key) as client:
            await goes_on(client, before)


async def test_a_start_hands_back_what_a_restore_without_owners_has_kept(folder):
    async with postgres_server(folder / "one") as one:
        await one.execute("postgres", "create database agentes")
        url = address(one, "postgres")
        async with over(url, folder / "data"):
            before = await rights(one)
        functions = await one.execute("agentes", "select function from agentes.function_roles")
        strayed = next(row["function"] for row in functions if "public." in row["function"])
        for function in (strayed, "agentes.audit()"):
            await one.execute("agentes", f"alter function {function} owner to postgres")
        assert await rights(one) != before
        async with over(url, folder / "data"):
            assert await rights(one) == before


async def test_the_embedded_database_moves_to_a_server_as_readme_says(folder):
    assert "`make dump FILE=agentes.dump`" in README
    place = a_clone(folder)
    async with other_cluster(folder / "other") as other:
        new = await owned_by_another(other, "createrole")
        async with running_service(place / ".data") as service, service.client() as client:
            before = await lived_in(client)
            await typed("make dump FILE=running.dump", place)
            held = stat.S_IMODE((place / "running.dump").stat().st_mode)
            assert held == 0o600  # it holds what people said
        told = await typed("make dump FILE=agentes.dump", place)
        assert "The embedded database is in agentes.dump" in told
        for dump in ("running.dump", "agentes.dump"):
            listed = await typed(f"pg_restore --list {dump}", place)
            assert "TABLE DATA agentes conversations" in listed
        assert "Sealed anew: 0." in await typed("make reseal", place)
        await typed(restoring(README, new), place)
        async with (
            running_service(place / ".data", DATABASE_URL=new) as service,
            service.client() as client,
        ):
            await goes_on(client, before)


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"DATABASE_URL": "postgresql://u:s3cret@/x"}, 2, "DATABASE_URL or SUPABASE_URL is set"),
        ({"DATA_DIR": "nothing-here"}, 1, "There is no embedded database in"),
    ],
)
async def test_what_cannot_be_dumped_is_told_in_one_line(tmp_path, variables, code, words):
    place = a_clone(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "main.py", "dump", "agentes.dump"),
        cwd=place,
        env=child_environment(**variables),
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    assert (process.returncode, told.decode().count("\n")) == (code, 1)
    assert words in told.decode()
    assert "s3cret" not in told.decode()
    assert not (place / "nothing-here").exists()
    assert not (place / "agentes.dump").exists()


async def test_a_dump_that_cannot_be_written_says_so_and_leaves_nothing(folder):
    place = a_clone(folder)
    async with running_service(place / ".data"):
        with pytest.raises(AssertionError, match="cannot be written: No such"):
            await typed("make dump FILE=none/agentes.dump", place)
        (place / "agentes.dump").mkdir()
        with pytest.raises(AssertionError, match="cannot be written: Is a dir"):
            await typed("make dump", place)
    assert not list(place.glob(".agentes.dump*"))


@asynccontextmanager
async def other_cluster(folder: Path) -> AsyncIterator[PostgresServer]:
    """A server on which nothing of the service has been, neither databases nor roles."""
    async with postgres_server(folder) as server:
        await server.execute("postgres", f"drop database {TEMPLATE}")
        await server.execute("postgres", "drop role agentes_tenant, agentes_system, agentes_app")
        yield server


async def owned_by_another(server: PostgresServer, attributes: str) -> str:
    """The address of a database without anything but `vector`, of an owner with these."""
    await server.execute("postgres", f"create role dona login {attributes}")
    await server.execute("postgres", "create database agentes owner dona")
    await server.execute("agentes", "create extension vector")
    return address(server, "dona")


def address(server: PostgresServer, user: str) -> str:
    return f"postgresql://{user}@/agentes?host={Path(server.socket).parent}"


@asynccontextmanager
async def over(url: str, data: Path, key: str | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        running_service(data, key=key, DATABASE_URL=url, ENCRYPTION_KEY=KEY) as service,
        service.client() as client,
    ):
        yield client
