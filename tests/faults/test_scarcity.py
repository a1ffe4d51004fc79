"""DK-1, NW-3: the disk is full, or there are no file descriptors left, for a while."""

import asyncio
import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from io import RawIOBase
from pathlib import Path

import httpx2
import psutil
import pytest

from app.core.ids import new_id
from tests.support.completions_server import completions_server
from tests.support.fault_stack import MODEL, Watch, ready_again
from tests.support.invariants import check_streams
from tests.support.lacking import lacking
from tests.support.load import echoing, load_on
from tests.support.service import running_service
from tests.support.stories import an_agent, asking, stream

pytestmark = pytest.mark.anyio
BLOCK = bytes(1024 * 1024)
FREE_FDS = 30
CLIENTS = 120
REFUSED = {"store_unavailable"}


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, of 320 MB; below it is the data folder."""
    place = folder / f"disk-{new_id()}"
    place.mkdir()
    mounting = ("mount", "-t", "tmpfs", "-o", "size=320m,mode=755", "tmpfs", str(place))
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        lacking("a file system cannot be mounted here (it takes root)")
    yield place
    subprocess.run(("umount", "--lazy", str(place)), check=True)


def fill(path: Path) -> None:
    """Take all that is left."""
    with path.open("wb", buffering=0) as file:
        while _taken(file):
            pass


def _taken(file: RawIOBase) -> bool:
    try:
        return file.write(BLOCK) is not None
    except OSError as error:
        assert error.errno == errno.ENOSPC, error  # noqa: PT017 it is what is waited for
        return False


async def test_dk1_a_full_disk_refuses_writes_for_a_while_and_loses_none(small_disk: Path):
    filler = small_disk / "filler"
    async with (
        completions_server(echoing) as model,
        running_service(
            small_disk / "data", OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=model.url
        ) as service,
        service.client() as client,
    ):
        agent = await an_agent(client, **MODEL)
        async with load_on(client, agent["id"], chats=2, readers=2, writers=2) as load:
            await asyncio.sleep(1)
            for _ in range(2):
                await asyncio.to_thread(fill, filler)
                await _until_refused(client)
                await asyncio.sleep(2)
                filler.unlink()
                await ready_again(client, within_s=15)
                await asyncio.sleep(1)
        names = await _bases(client)
        events = await stream(client, agent["id"], asking("Tudo certo?"))
        assert service.process.returncode is None
        assert "Traceback" not in service.log.read_text(), service.log.read_text()[-6000:]
    assert events[-1]["event"] == "done", events
    assert set(load.ledger.bases) <= names
    assert load.ledger.broken == []
    for answer in load.ledger.answered:
        assert answer.status in (200, 201, 503), answer
        assert answer.retry_after or answer.status != 503, answer
        assert answer.status == 200 or not answer.what.endswith("/live"), answer
    check_streams(load.ledger.acknowledged)


async def _until_refused(client: httpx2.AsyncClient) -> None:
    """Writes are refused as passing, once what the database had in hand is used up."""
    async with asyncio.timeout(20):
        while True:
            agent = {"name": "Ana", "system_prompt": new_id() * 200}
            answer = await client.post("/api/v2/agents", json=agent)
            if answer.status_code == 503:
                assert answer.json()["code"] in REFUSED
                return
            assert answer.status_code == 201, answer.text


async def _bases(client: httpx2.AsyncClient) -> set[str]:
    names: set[str] = set()
    page = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        query = {"limit": 100, **({"cursor": page["next_cursor"]} if page["next_cursor"] else {})}
        page = (await client.get("/api/v2/knowledge/bases", params=query)).json()
        names |= {base["name"] for base in page["data"]}
    return names


async def test_nw3_without_descriptors_the_process_lives_and_serves_again(watched: Watch):
    pid, stack = watched.process.pid, watched.stack
    usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    scarce = watched.process.num_fds() + FREE_FDS
    port = int(stack.service.url.rsplit(":", 1)[1])
    async with AsyncExitStack() as exits:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (scarce, usual[1]))
        exits.callback(resource.prlimit, pid, resource.RLIMIT_NOFILE, usual)
        for _ in range(CLIENTS):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                exits.callback(writer.close)
        await asyncio.sleep(1)
        assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        assert watched.process.num_fds() <= scarce
    await ready_again(stack.client, within_s=10)
    events = await stream(stack.client, stack.agent_id, asking("Tudo certo?"))
    assert events[-1]["event"] == "done", events
    assert stack.service.process.returncode is None
    os.kill(pid, 0)
