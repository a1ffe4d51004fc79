"""The indexing worker with a sandbox passed in: leases, retries, fair shares."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from app.container import open_ports
from app.core.ids import OrganizationId, new_id
from app.features.identity.repository import IdentityRepository
from app.features.knowledge.incoming import IncomingFile
from app.features.knowledge.indexing import IndexingQueue, LeaseLost
from app.features.knowledge.repository import KnowledgeRepository
from app.features.knowledge.worker import BATCH, MAX_ATTEMPTS, IndexingWorker
from app.ports import Ports
from app.ports.parser import Cut, Parser, ParsingUnavailable, TextChunk

pytestmark = pytest.mark.anyio
CHUNK = TextChunk(
    ordinal=0, content="Olá", heading="", char_start=0, char_end=3, token_count=1, page=7
)


class ScriptedSandbox:
    """Reads every file by calling what the test gave."""

    def __init__(self, read: Callable[[bytes], Awaitable[None]]) -> None:
        self._read = read
        self.contents: list[bytes] = []
        self.result: tuple[TextChunk, ...] = (CHUNK,)

    async def chunks(self, parser: Parser, content: bytes, cut: Cut) -> tuple[TextChunk, ...]:
        self.contents.append(content)
        await self._read(content)
        return self.result


class Shelf:
    """Organizations with documents that wait."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports

    async def document(self, slug: str, content: bytes, content_type: str = "text/plain"):
        organization = await IdentityRepository(self.ports.database).ensure_organization(slug, slug)
        knowledge = KnowledgeRepository(self.ports.database, OrganizationId(organization))
        base = await knowledge.create_base(
            {
                "name": slug,
                "description": "",
                "language": "pt-BR",
                "chunking": {"size": 300, "overlap": 0},
            }
        )
        file = IncomingFile("x.txt", content, content_type)
        key = new_id()
        await self.ports.files.put(OrganizationId(organization), key, content)
        document = await knowledge.create_document(file.fields(base.id, {}) | {"id": key})

        async def read():
            return await knowledge.find_document(document.id)

        return read


@asynccontextmanager
async def shelf(settings, read: Callable[[bytes], Awaitable[None]]) -> AsyncIterator[Shelf]:
    async with open_ports(settings) as ports:
        yield Shelf(replace(ports, sandbox=ScriptedSandbox(read)))


@asynccontextmanager
async def working(ports: Ports, **options: int) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(IndexingWorker(ports, **options).run())
        yield
        worker.cancel()


async def settled(read, *statuses: str):
    async with asyncio.timeout(20):
        while (document := await read()).status not in (statuses or ("ready", "failed")):
            await asyncio.sleep(0.05)
    return document


async def test_the_lease_is_kept_while_a_document_takes_longer_than_it(settings):
    async def read(_: bytes) -> None:
        await asyncio.sleep(3)

    async with shelf(settings, read) as stock:
        document = await stock.document("a", b"lento")
        async with working(stock.ports, lease_s=1), working(stock.ports, lease_s=1):
            assert (await settled(document)).status == "ready"
        assert stock.ports.sandbox.contents == [b"lento"]


async def test_a_file_that_nobody_read_is_taken_up_again_when_its_lease_has_run_out(settings):
    failures = iter([True, False])

    async def read(_: bytes) -> None:
        if next(failures):
            raise ParsingUnavailable("No process could be started.")

    async with shelf(settings, read) as stock:
        document = await stock.document("a", b"texto")
        async with working(stock.ports, lease_s=1):
            assert (await settled(document)).status == "ready"
        assert len(stock.ports.sandbox.contents) == 2


@pytest.mark.parametrize("staged", [0, 2, 3], ids=["nothing", "a part", "all but the end"])
async def test_what_a_dead_worker_had_staged_is_neither_seen_nor_there_twice(settings, staged):
    async def read(_: bytes) -> None:
        pass

    three = [replace(CHUNK, ordinal=number, content=f"Olá {number}") for number in range(3)]
    async with shelf(settings, read) as stock:
        document = await stock.document("a", b"texto")
        stock.ports.sandbox.result = tuple(three)
        dead = IndexingQueue(stock.ports.database, lease_s=1)
        (claimed,) = await dead.claim(new_id(), limit=1, per_organization=1)
        await dead.stage(claimed, three[:staged], progress=50)
        organization = stock.ports.database.scoped(claimed.organization_id)
        where = {"table": "chunks", "where": {"document_id": claimed.id}}
        assert await organization.call("rows_find_v1", **where) == []
        async with working(stock.ports):
            assert (await settled(document)).chunk_count == 3
        rows = await organization.call("rows_find_v1", **where)
        assert sorted(row["ordinal"] for row in rows) == [0, 1, 2]
        with pytest.raises(LeaseLost):
            await dead.publish(claimed, chunk_count=3)


async def test_batches_come_in_any_order_while_the_lease_is_held_and_not_after(settings):
    async def read(_: bytes) -> None:
        pass

    three = [replace(CHUNK, ordinal=number, content=f"Olá {number}") for number in range(3)]
    async with shelf(settings, read) as stock:
        document = await stock.document("a", b"texto")
        queue = IndexingQueue(stock.ports.database, lease_s=0)
        (claimed,) = await queue.claim(new_id(), limit=1, per_organization=1)
        await queue.stage(claimed, three[2:], progress=60)
        await queue.stage(claimed, three[:1], progress=30)
        assert (await document()).progress == 60
        (taken_over,) = await queue.claim(new_id(), limit=1, per_organization=1)
        with pytest.raises(LeaseLost):
            await queue.stage(claimed, three[1:2], progress=90)
        await queue.publish(taken_over, chunk_count=2)
        scope = stock.ports.database.scoped(claimed.organization_id)
        where = {"document_id": claimed.id}
        rows = await scope.call("rows_find_v1", table="chunks", where=where)
        assert sorted(row["ordinal"] for row in rows) == [0, 2]
        assert (await document()).chunk_count == 2


@pytest.mark.once
async def test_batches_of_one_document_are_staged_side_by_side(settings, connection):
    async def read(_: bytes) -> None:
        pass

    count = 3 * BATCH + 1
    waiting = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock'"
    )
    async with shelf(settings, read) as stock:
        document = await stock.document("a", b"texto")
        stock.ports.sandbox.result = tuple(
            replace(CHUNK, ordinal=number, content=f"Olá {number}") for number in range(count)
        )
        async with working(stock.ports):
            async with connection.transaction(), asyncio.timeout(20):
                await connection.execute("lock table agentes.staged_chunks in share mode")
                # One waits for the table, and the other one for the first.
                while await connection.fetchval(waiting) < 2:
                    await connection.execute("select pg_stat_clear_snapshot()")
                    await asyncio.sleep(0.02)
            assert (await settled(document)).chunk_count == count
        ordinals = "select array_agg(ordinal order by number) from agentes.chunks"
        assert await connection.fetchval(ordinals) == list(range(count))


async def test_a_file_that_takes_its_service_with_it_is_given_up(settings):
    async def read(_: bytes) -> None:
        raise AssertionError("it must not be read again")

    async with shelf(settings, read) as stock:
        document = await stock.document("a", b"veneno")
        queue = IndexingQueue(stock.ports.database, lease_s=0)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            (claimed,) = await queue.claim(new_id(), limit=1, per_organization=1)
            assert claimed.attempts == attempt
        async with working(stock.ports):
            failed = await settled(document)
        assert (failed.status, failed.error.code) == ("failed", "indexing_failed")
        assert stock.ports.sandbox.contents == []


async def test_a_fault_of_ours_is_retried_but_not_for_ever(settings):
    async def read(_: bytes) -> None:
        raise ZeroDivisionError

    async with shelf(settings, read) as stock:
        document = await stock.document("a", b"texto")
        async with working(stock.ports):
            failed = await settled(document)
        assert failed.error.code == "indexing_failed"
        assert len(stock.ports.sandbox.contents) == MAX_ATTEMPTS


async def test_one_organization_takes_half_of_the_places_however_much_it_uploads(settings):
    gate = asyncio.Event()

    async def read(content: bytes) -> None:
        if content != b"vizinho":
            await gate.wait()

    async with shelf(settings, read) as stock:
        greedy = [await stock.document("a", b"muito %d" % number) for number in range(6)]
        neighbour = await stock.document("b", b"vizinho")
        async with working(stock.ports):
            assert (await settled(neighbour)).status == "ready"
            await asyncio.sleep(0.5)
            assert [(await read()).status for read in greedy].count("processing") == 2
            gate.set()
            assert {(await settled(read)).status for read in greedy} == {"ready"}


async def test_a_format_that_is_read_no_more_fails_plainly(settings):
    async def read(_: bytes) -> None:
        raise AssertionError("there is no parser for it")

    async with shelf(settings, read) as stock:
        document = await stock.document("a", b"x", "application/x-forgotten")
        async with working(stock.ports):
            failed = await settled(document)
        assert failed.error.code == "format_forgotten"


@pytest.mark.once
async def test_pieces_of_a_file_that_never_arrived_are_swept_after_an_hour(settings, connection):
    async with open_ports(settings) as ports:
        organization = await IdentityRepository(ports.database).ensure_organization("a", "a")
        scope = ports.database.scoped(OrganizationId(organization))
        for upload_id in (old := new_id(), young := new_id()):
            await scope.call(
                "file_piece_put_v1", upload_id=upload_id, piece=0, content_base64="AAAA"
            )
        await connection.execute(
            "update agentes.file_pieces set created_at = now() - interval '2 hours'"
            " where upload_id = $1",
            old,
        )
        await IndexingQueue(ports.database, lease_s=1).sweep()
        rows = await connection.fetch("select upload_id from agentes.file_pieces")
        assert [str(row["upload_id"]) for row in rows] == [young]
