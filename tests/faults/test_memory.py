"""NW-4: the machine is short of memory while large documents are read."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.ids import new_id
from tests.support.fault_stack import Watch
from tests.support.lacking import lacking
from tests.support.load import load_on
from tests.support.stories import a_base, indexed

pytestmark = pytest.mark.anyio
GROUPS = Path("/sys/fs/cgroup")
MEGABYTE = 1024 * 1024
ALL_BYTES = 512 * MEGABYTE
# A tree of it takes many times as much memory as the text.
PAGE = b"<html><body>" + b"<p>a<b>b</b></p>" * (24 * MEGABYTE // 16) + b"</body></html>"


class Group:
    """A control group of the kernel's, whichever of its two forms there is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_first = (folder / "memory.limit_in_bytes").exists()

    def take(self, pid: int) -> None:
        (self._folder / "cgroup.procs").write_text(str(pid))

    def limit(self, size_bytes: int) -> None:
        name = "memory.limit_in_bytes" if self._is_first else "memory.max"
        (self._folder / name).write_text(str(size_bytes))

    @property
    def killed(self) -> int:
        """How many processes the kernel has killed in it for want of memory."""
        name = "memory.oom_control" if self._is_first else "memory.events"
        lines = (self._folder / name).read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])

    @property
    def processes(self) -> list[str]:
        return (self._folder / "cgroup.procs").read_text().split()


@pytest.fixture
def group() -> Iterator[Group]:
    above = GROUPS / "memory" if (GROUPS / "memory").is_dir() else GROUPS
    folder = above / f"agentes-{new_id()}"
    try:
        folder.mkdir()
        made = Group(folder)
        made.limit(1024 * MEGABYTE)
    except OSError:
        lacking("no memory can be set apart here (it takes root, and cgroups)")
        raise
    yield made
    for pid in made.processes:
        with suppress(OSError):
            (above / "cgroup.procs").write_text(pid)
    folder.rmdir()


async def test_nw4_readers_of_documents_die_first_and_the_service_lives(
    watched: Watch, group: Group
):
    client, pid = watched.stack.client, watched.process.pid
    base = await a_base(client)
    for one in (watched.process, *watched.process.children(recursive=True)):
        group.take(one.pid)
    # What the service has used before it was in the group is not counted there.
    group.limit(ALL_BYTES - watched.process.memory_info().rss)
    async with load_on(client, watched.stack.agent_id, chats=2, readers=2) as load:
        form = {"data": {"knowledge_base_id": base}}
        sent = await asyncio.gather(
            *(
                client.post(
                    "/api/v2/knowledge/upload",
                    files={"file": ("grande.html", PAGE + str(n).encode())},
                    **form,
                )
                for n in range(4)
            )
        )
        assert {answer.status_code for answer in sent} <= {202, 503}, [a.text for a in sent]
        async with asyncio.timeout(60):
            while not group.killed:
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
    assert watched.process.pid == pid
    assert str(pid) in group.processes
    assert watched.stack.service.process.returncode is None
    failed = [one for one in load.ledger.answered if one.status >= 500]
    assert failed == [], failed[:3]
    group.limit(1024 * MEGABYTE)
    body = {"knowledge_base_id": base, "name": "Trocas", "text": "Trocas em 30 dias."}
    made = await client.post("/api/v2/knowledge/documents", json=body)
    await indexed(client, made.json()["id"])
    assert (await client.delete(f"/api/v2/knowledge/bases/{base}")).status_code == 204
