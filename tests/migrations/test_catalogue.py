"""The schema's own rules, read from the catalogue of a fresh database."""

import asyncio
import json

import asyncpg
import pytest

from app.adapters.store.migrations import Migration, MigrationFailed, migrate, read_migrations
from app.adapters.store.schema import FIRST_RECORDED
from tests.conftest import connect

pytestmark = pytest.mark.anyio
# Functions without p_org: work that belongs to no organization.
SYSTEM_FUNCTIONS = {
    "analytics_count_v1",
    "api_key_find_v1",
    "api_key_find_v2",
    "api_key_register_first_v1",
    "api_key_register_v1",
    "deliveries_claim_v1",
    "deliveries_claim_v2",
    "deliveries_claim_v3",
    "deliveries_purge_v1",
    "deliveries_purge_v2",
    "deliveries_release_v1",
    "deliveries_report_v1",
    "deliveries_skip_v1",
    "api_keys_touch_v1",
    "clerk_message_apply_v1",
    "conversations_expire_v1",
    "audit_expire_v1",
    "leads_expire_v1",
    "document_release_v1",
    "documents_claim_v1",
    "cached_vectors_sweep_v1",
    "documents_claim_v2",
    "embeddings_claim_v1",
    "embeddings_release_v1",
    "event_streams_beat_v1",
    "event_ticket_take_v1",
    "events_follow_v1",
    "events_number_v1",
    "events_number_v2",
    "events_purge_v1",
    "file_removals_claim_v1",
    "file_removals_done_v1",
    "files_sweep_v1",
    "files_sweep_v2",
    "functions_strayed_v1",
    "idempotency_purge_v1",
    "inboxes_purge_v1",
    "lanes_mend_v1",
    "lasting_key_keep_v1",
    "lasting_key_read_v1",
    "migrations_list_v1",
    "organization_ensure_v1",
    "origin_listed_v1",
    "organizations_purge_v1",
    "sealed_value_replace_v1",
    "sealed_values_page_v1",
    "process_beat_v1",
    "process_beat_v2",
    "process_beat_v3",
    "process_leave_v1",
    "queues_read_v1",
    "recoveries_step_v1",
    "runs_flush_v1",
    "runs_flush_v2",
    "runs_purge_v1",
    "webhook_events_follow_v1",
    "webhook_url_seal_v1",
    "webhook_urls_page_v1",
    "system_figures_v1",
    "runs_purge_v2",
    "runs_purge_v3",
    "session_resolve_v1",
    "widget_key_find_v1",
}
# Not a tenant's: configuration of the schema itself and the heartbeat of processes.
UNTENANTED = {
    "analytics_cursor",
    "catalogue",
    "event_hubs",
    "function_roles",
    "lasting_key",
    "migrations",
    "embedding_spaces",
    "query_noise",
    "processes",
    "webhook_cursor",
}


async def test_every_table_of_a_tenant_forces_row_level_security(connection):
    rows = await connection.fetch(
        """select relname, relrowsecurity and relforcerowsecurity as locked from pg_class
            where relnamespace = 'agentes'::regnamespace and relkind = 'r'"""
    )
    assert {row["relname"] for row in rows if not row["locked"]} == UNTENANTED


async def test_nobody_but_the_function_roles_may_touch_a_table(connection):
    rows = await connection.fetch(
        """select c.relname, a.grantee::regrole::text as grantee from pg_class c,
                  aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
            where c.relnamespace = 'agentes'::regnamespace and c.relkind = 'r'"""
    )
    allowed = {"agentes_tenant", "agentes_system", "postgres"}
    assert {row["grantee"] for row in rows} <= allowed


async def test_every_public_function_is_locked(connection):
    rows = await connection.fetch(
        """select p.proname, p.prosecdef, p.proowner::regrole::text as owner, p.proconfig,
                  has_function_privilege('agentes_app', p.oid, 'execute') as callable,
                  has_function_privilege('service_role', p.oid, 'execute') as served,
                  has_function_privilege('anon', p.oid, 'execute')
                    or has_function_privilege('authenticated', p.oid, 'execute') as for_browsers,
                  exists (select from aclexplode(p.proacl) a where a.grantee = 0) as for_all,
                  obj_description(p.oid) as comment, p.proargnames[1] as first_argument
             from pg_proc p where p.pronamespace = 'public'::regnamespace
              and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"""
    )
    assert rows
    for row in rows:
        name = row["proname"]
        assert row["prosecdef"], name
        assert row["owner"] in {"agentes_tenant", "agentes_system"}, name
        assert row["callable"], name
        assert row["served"], name
        assert not row["for_all"], name
        assert not row["for_browsers"], name
        assert row["comment"], f"{name}: add `comment on function`"
        assert name.rpartition("_v")[2].isdigit(), f"{name}: name it noun_verb_vN"
        assert row["proconfig"] == ["search_path=pg_catalog, agentes"], name
    without_org = {row["proname"] for row in rows if row["first_argument"] != "p_org"}
    assert without_org == SYSTEM_FUNCTIONS


async def test_the_database_knows_which_migrations_it_has(connection):
    recorded = json.loads(await connection.fetchval("select migrations_list_v1()"))
    versions = [migration.version for migration in read_migrations()]
    assert recorded == [version for version in versions if version >= FIRST_RECORDED]


async def test_the_function_roles_own_no_table_and_bypass_nothing(connection):
    rows = await connection.fetch(
        """select rolname, rolbypassrls or rolsuper as strong,
                  exists (select from pg_class where relowner = r.oid and relkind = 'r') as owns
             from pg_roles r where rolname like 'agentes\\_%'"""
    )
    assert len(rows) == 3
    assert not any(row["strong"] or row["owns"] for row in rows)


async def test_the_services_own_role_reads_no_table(connection, cluster, database_name):
    service = await connect(cluster, database_name, "agentes_app")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.fetch("select * from agentes.api_keys")
    finally:
        await service.close()


async def test_processes_that_start_together_migrate_once(cluster, database_name, connection):
    await connection.execute(
        "drop schema agentes cascade; drop schema supabase_migrations cascade;"
        "drop schema public cascade; create schema public"
    )
    several = [await connect(cluster, database_name) for _ in range(4)]
    try:
        applied = await asyncio.gather(*(migrate(one, read_migrations()) for one in several))
    finally:
        for one in several:
            await one.close()
    assert sorted(len(versions) for versions in applied) == [0, 0, 0, len(read_migrations())]


async def test_a_migration_that_fails_changes_nothing(connection):
    bad = Migration("99990101000000", "bad", "create table public.half (); select nonsense")
    with pytest.raises(MigrationFailed, match="99990101000000_bad"):
        await migrate(connection, [bad])
    assert await connection.fetchval("select to_regclass('public.half')") is None


async def test_facts_that_commit_late_are_numbered_too(cluster, database_name, connection):
    late = await connect(cluster, database_name)
    insert = (
        "insert into agentes.outbox (id, organization_id, type, data) values ($1, $1, 't', '{}')"
    )
    ids = [f"00000000-0000-7000-8000-00000000000{n}" for n in range(3)]
    transaction = late.transaction()
    await transaction.start()
    await late.execute(insert, ids[0])
    await connection.execute(insert, ids[1])
    await connection.fetchval("select events_number_v1()")
    await transaction.commit()
    await connection.execute(insert, ids[2])
    await connection.fetchval("select events_number_v1()")
    await late.close()
    rows = await connection.fetch("select id::text, number from agentes.events order by number")
    assert [row["id"] for row in rows] == [ids[1], ids[0], ids[2]]
    assert await connection.fetchval("select count(*) from agentes.outbox") == 0
