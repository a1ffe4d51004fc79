"""Runs whose process is gone, and a schema on the oldest bundled PostgreSQL."""

import os
import tempfile
from pathlib import Path

import asyncpg
import pytest

from app.adapters.store.bundled import running_cluster
from app.adapters.store.embedded import prepare_database
from app.adapters.store.migrations import migrate, read_migrations
from app.core.ids import new_id
from app.ports.run_buffers import RESERVED_TERMINAL_ID
from tests.conftest import connect
from tests.support.stories import an_agent, asking, stream
from tests.support.supabase_lite import make_template

pytestmark = pytest.mark.anyio


async def test_runs_of_a_silent_process_are_closed_once_and_told(client, connection):
    agent = await an_agent(client)
    done = (await stream(client, agent["id"], asking("Oi")))[-1]
    await connection.execute(
        "update agentes.runs set status = 'running', ended_at = null, owner_id = $1", new_id()
    )
    beat = "select jsonb_array_length(process_beat_v2($1, 30, '[]')->'ended')"
    assert await connection.fetchval(beat, new_id()) == 1
    assert await connection.fetchval(beat, new_id()) == 0
    run = await connection.fetchrow("select status, error, last_event_id from agentes.runs")
    assert (run["status"], run["last_event_id"]) == ("failed", RESERVED_TERMINAL_ID)
    assert "run_interrupted" in run["error"]
    states = await connection.fetchval(
        """select runs_flush_v1(owner_id, jsonb_build_array(to_jsonb(r) || '{"content": "late"}'))
             from agentes.runs r"""
    )
    assert "ended" in states, "the frozen owner must find itself fenced off"
    assert (
        await connection.fetchval("select count(*) from agentes.messages where content = 'late'")
        == 0
    )
    assert done["event"] == "done"


async def test_runs_of_a_live_process_are_left_alone(client, connection):
    agent = await an_agent(client)
    await stream(client, agent["id"], asking("Oi"))
    await connection.execute("update agentes.runs set status = 'running'")
    ended = "select process_beat_v2($1, 30, '[]')->'ended'"
    assert await connection.fetchval(ended, new_id()) == "[]"


async def test_the_schema_stands_on_postgresql_16_and_without_a_superuser():
    """The owner of a hosted Supabase project may make roles and is no superuser."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # under root, PostgreSQL runs as another user
        async with running_cluster(Path(folder, "data"), major_version=16, durable=False) as old:
            await make_template(old, "hosted", owner="hosted_owner")
            owner = await connect(old, "hosted", "hosted_owner")
            assert await migrate(owner, read_migrations())
            await owner.close()
            server = await connect(old, "hosted")
            await server.execute("set role service_role")
            assert await server.fetchval("select migrations_list_v1()")
            await server.execute("reset role; set role anon")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await server.fetchval("select migrations_list_v1()")
            await server.close()
            await prepare_database(old)
