-- Which migrations a database has, told by the database itself. The Supabase CLI, `main.py migrate`
-- and a paste into an SQL editor keep different records or none; this one is written by the
-- migration, so it is true whoever applied it. Each later migration ends with
--   select agentes.migration_applied('<its version>');

create table agentes.migrations (
  version text primary key,
  applied_at timestamptz not null default now()
);
comment on table agentes.migrations is
  'Versions that this database has, from 20261124001100 on; that one stands for all before it.';

create function agentes.migration_applied(p_version text) returns void
language sql as $$
  insert into agentes.migrations (version) values (p_version) on conflict (version) do nothing
$$;
comment on function agentes.migration_applied(text) is
  'The last statement of each migration, so that a service can tell whether the schema is new enough.';

create function public.migrations_list_v1() returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select coalesce(jsonb_agg(m.version order by m.version), '[]') from migrations m
$$;
comment on function public.migrations_list_v1() is
  'The versions of the migrations that this database has, oldest first.';

do $$
begin
  perform agentes.revoke_from_strangers('table agentes.migrations');
  grant select on agentes.migrations to agentes_system;
  perform agentes.revoke_from_strangers('function agentes.migration_applied(text)');
  perform agentes.lock_function('public.migrations_list_v1()', 'agentes_system');
end $$;

select agentes.migration_applied('20261124001100');

notify pgrst, 'reload schema';
