"""What workers hold when their service drains: given back at once, and never published as well."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from app.core.ids import new_id
from app.features.knowledge.indexing import IndexingQueue, LeaseLost
from app.features.knowledge.worker import IndexingWorker
from app.ports import Ports
from tests.features.test_embeddings import a_shop, embedding_service, served
from tests.features.test_indexing import CHUNK, settled, shelf, working
from tests.support.embeddings import silent, until

pytestmark = pytest.mark.anyio
THREE = tuple(replace(CHUNK, ordinal=number, content=f"Olá {number}") for number in range(3))
STATE = (
    "select d.status, d.progress, d.attempts, d.lease_id is not null as is_held,"
    " (select count(*) from agentes.chunks) as chunks,"
    " (select count(*) from agentes.staged_chunks) as staged from agentes.documents d"
)
WAITING_FOR_LOCK = (
    "select count(*) from pg_stat_activity"
    " where datname = current_database() and wait_event_type = 'Lock'"
)
QUEUED = {
    "status": "queued",
    "progress": 0,
    "attempts": 0,
    "is_held": False,
    "chunks": 0,
    "staged": 0,
}
PUBLISHED = QUEUED | {"status": "ready", "progress": 100, "attempts": 1, "chunks": 3}


async def state(connection) -> dict[str, object]:
    return dict(await connection.fetchrow(STATE))


async def at_once(_: bytes) -> None:
    pass


async def never(_: bytes) -> None:
    await asyncio.Event().wait()


def another(ports: Ports) -> Ports:
    """Those of a replica that does not drain."""
    return replace(ports, draining=asyncio.Event())


@asynccontextmanager
async def drained(ports: Ports, **options: float) -> AsyncIterator[None]:
    """A worker that has ended by itself when this has, because its service drains."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(IndexingWorker(ports, **options).run())
        yield
        ports.draining.set()


async def held_up(connection):
    """Return when some call waits for a lock of the test's."""

    async def check():
        # Inside a transaction the figures of others stand still.
        await connection.execute("select pg_stat_clear_snapshot()")
        return await connection.fetchval(WAITING_FOR_LOCK)

    await until(check)


async def test_only_the_lease_that_holds_a_document_gives_it_back(settings, connection):
    async with shelf(settings, at_once) as stock:
        await stock.document("a", b"texto")
        silent_one = IndexingQueue(stock.ports.database, lease_s=0)
        (lost,) = await silent_one.claim(new_id(), limit=1, per_organization=1)
        queue = IndexingQueue(stock.ports.database, lease_s=60)
        (claimed,) = await queue.claim(new_id(), limit=1, per_organization=1)
        await queue.stage(claimed, THREE[:2], progress=50)
        before = await state(connection)
        assert (before["attempts"], before["staged"]) == (2, 2)
        assert not await silent_one.release(lost)
        assert await state(connection) == before

        assert await queue.release(claimed)
        assert await state(connection) == QUEUED | {"attempts": 1}
        assert not await queue.release(claimed)
        assert await state(connection) == QUEUED | {"attempts": 1}
        with pytest.raises(LeaseLost):
            await queue.publish(claimed, chunk_count=2)

        (again,) = await queue.claim(new_id(), limit=1, per_organization=1)
        await queue.stage(again, THREE, progress=99)
        await queue.publish(again, chunk_count=3)
        assert not await queue.release(again)
        assert await state(connection) == PUBLISHED | {"attempts": 2}


async def test_a_document_being_read_goes_to_another_replica_at_once(settings, connection):
    async with shelf(settings, never) as stock:
        document = await stock.document("a", b"texto")
        async with drained(stock.ports):
            await settled(document, "processing")
            await until(lambda: asyncio.sleep(0, stock.ports.sandbox.contents))
        assert await state(connection) == QUEUED
        other = another(stock.ports)
        reading = replace(other, sandbox=type(stock.ports.sandbox)(at_once))
        reading.sandbox.result = THREE
        async with working(reading):  # the lease that was given back was of 60 s
            await settled(document)
        assert await state(connection) == PUBLISHED


async def test_nothing_is_claimed_while_the_service_drains(settings, connection):
    async with shelf(settings, at_once) as stock:
        await stock.document("a", b"texto")
        stock.ports.draining.set()
        async with drained(stock.ports):
            pass
        assert stock.ports.sandbox.contents == []
        assert await state(connection) == QUEUED


async def test_what_was_being_claimed_as_the_drain_began_is_given_back(settings, connection):
    async with shelf(settings, never) as stock:
        await stock.document("a", b"texto")
        async with connection.transaction():
            await connection.execute("lock table agentes.documents in exclusive mode")
            async with asyncio.TaskGroup() as tasks:
                worker = tasks.create_task(IndexingWorker(stock.ports).run())
                await held_up(connection)
                stock.ports.draining.set()
                await connection.execute("commit; begin")
                async with asyncio.timeout(20):
                    await worker
        assert await state(connection) == QUEUED


async def test_a_document_that_is_being_published_is_published(settings, connection):
    async with shelf(settings, at_once) as stock:
        stock.ports.sandbox.result = THREE
        await stock.document("a", b"texto")
        await connection.execute(HELD_UP_AT_THE_END)
        await connection.execute("select pg_advisory_lock(1)")
        async with drained(stock.ports):
            await held_up(connection)
            stock.ports.draining.set()
            await connection.execute("select pg_advisory_unlock(1)")
        assert await state(connection) == PUBLISHED


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_document_is_published_or_given_back_and_never_both(settings, connection, is_first):
    """The worker lets go of its call; the database has it still, and the release waits for it."""
    async with shelf(settings, at_once) as stock:
        stock.ports.sandbox.result = THREE
        await stock.document("a", b"texto")
        await connection.execute(HELD_UP_AT_THE_END)
        await connection.execute("select pg_advisory_lock(1)")
        async with drained(stock.ports, publish_s=0):
            await held_up(connection)
            pid = await connection.fetchval(PUBLISHING)
            stock.ports.draining.set()
            await until(lambda: connection.fetchval(f"select 2 = ({WAITING_FOR_LOCK})"))
            if not is_first:
                await connection.execute("select pg_terminate_backend($1)", pid)
            await connection.execute("select pg_advisory_unlock(1)")
        assert await state(connection) == (PUBLISHED if is_first else QUEUED)


PUBLISHING = (
    "select pid from pg_stat_activity where datname = current_database()"
    " and wait_event = 'advisory'"
)
# Publishing takes as long as the test wants: nothing else adds chunks.
HELD_UP_AT_THE_END = """
create function agentes.held_up() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(1);
  return new;
end $$;
create trigger held_up before insert on agentes.chunks
  for each statement execute function agentes.held_up();
grant execute on function agentes.held_up() to public;
"""


async def test_a_release_that_the_database_does_not_take_is_forgotten(settings, connection):
    async with shelf(settings, never) as stock:
        document = await stock.document("a", b"texto")
        async with drained(stock.ports):
            await settled(document, "processing")
            await connection.execute("drop function public.document_release_v1(uuid, uuid)")
        assert (await state(connection))["is_held"]


async def test_a_batch_that_waits_for_its_vectors_is_given_back_at_the_end(settings, connection):
    async with embedding_service(settings, silent) as (client, switch):
        base = await a_shop(client)
        await until(lambda: asyncio.sleep(0, switch.server.requests))
        lease = "select embedding_lease from agentes.knowledge_bases"
        assert await connection.fetchval(lease) is not None
    row = await connection.fetchrow(
        "select embedding_lease, embedding_until, embedding_failures from agentes.knowledge_bases"
    )
    assert tuple(row) == (None, None, 0)
    async with embedding_service(settings) as (client, _):
        await served(client, base)  # the lease that was given back was of 120 s


async def test_only_the_lease_that_holds_a_batch_gives_it_back(settings, connection):
    async with shelf(settings, at_once) as stock:
        await stock.document("a", b"texto")
        base, lease = await connection.fetchval("select id from agentes.knowledge_bases"), new_id()
        await connection.execute(
            "update agentes.knowledge_bases set embedding_lease = $1, embedding_until = now()"
            " + interval '1 hour'",
            lease,
        )
        release = "select embeddings_release_v1($1, $2)"
        held = "select embedding_lease = $1 from agentes.knowledge_bases"
        assert not json.loads(await connection.fetchval(release, base, new_id()))
        assert await connection.fetchval(held, lease)
        assert json.loads(await connection.fetchval(release, base, lease))
        assert not await connection.fetchval(held, lease)
