"""Who may do what in a database of the service, as its catalogue has it."""

import re

import asyncpg
import pytest

from tests.support.postgres_server import PostgresServer

RIGHTS = """
with owned (what, owner, acl, more) as (
  select 'function ' || p.oid::regprocedure, p.proowner,
         coalesce(p.proacl, acldefault('f', p.proowner)),
         p.prosecdef || coalesce(p.proconfig::text, '')
    from pg_proc p where p.pronamespace in ('agentes'::regnamespace, 'public'::regnamespace)
     and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
  union all
  select 'relation ' || c.oid::regclass, c.relowner,
         coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char",
                                       c.relowner)),
         c.relrowsecurity::text || c.relforcerowsecurity
    from pg_class c where c.relkind in ('r', 'p', 'v', 'S')
     and c.relnamespace in ('agentes'::regnamespace, 'public'::regnamespace)
  union all
  select 'schema ' || nspname, nspowner, coalesce(nspacl, acldefault('n', nspowner)), ''
    from pg_namespace where nspname in ('agentes', 'public', 'supabase_migrations')
)
select concat_ws(' ', what, owner::regrole, more,
         (select string_agg(distinct case grantee when 0 then 'all' else grantee::regrole::text end
                            || ':' || privilege_type, ',') from aclexplode(acl)))
  from owned
union all
select concat_ws(' ', 'policy', polname, polrelid::regclass, polroles::regrole[]::text,
         pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) from pg_policy
union all
select concat_ws(' ', 'role', rolname, rolsuper, rolbypassrls)
  from pg_roles where rolname like 'agentes%'
"""


async def rights(server: PostgresServer) -> list[str]:
    """Who owns each thing and who may do what with it; the owner of all by another name."""
    owner = await server.execute(
        "agentes", "select nspowner::regrole::text from pg_namespace where nspname = 'agentes'"
    )
    rows = await server.execute("agentes", RIGHTS)
    assert len(rows) > 500
    return sorted(re.sub(rf"\b{owner[0][0]}\b", "OWNER", row[0]) for row in rows)


async def see_only_their_own(server: PostgresServer) -> None:
    """Nobody's rows are shown to a caller of another organization, and none to the service."""
    nobody = "00000000-0000-7000-8000-000000000001"
    connection = await server.connect("agentes")
    try:
        await connection.execute(f"set role agentes_tenant; set app.org = '{nobody}'")
        assert await connection.fetchval("select count(*) from agentes.agents") == 0
        await connection.execute("reset role; set role agentes_app")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("select count(*) from agentes.agents")
    finally:
        await connection.close()
