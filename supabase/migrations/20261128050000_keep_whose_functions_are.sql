-- A backup that is restored without owners, as it has to be where the old owner's name is unknown, leaves
-- every function with whoever restored it: a superuser's functions would see past row-level security. So
-- the database itself keeps which function runs as which role, and each migration hands back what strayed.

create table agentes.function_roles (
  function text primary key,
  role text not null
);
comment on table agentes.function_roles is 'Which functions run as agentes_tenant or agentes_system.';

-- As it was; what later migrations lock, by whatever statement, is kept too. Functions that are somebody
-- else's at the moment stay as they are kept.
create or replace function agentes.migration_applied(p_version text) returns void
language sql set search_path = pg_catalog as $$
  delete from agentes.function_roles where to_regprocedure(function) is null;
  insert into agentes.function_roles (function, role)
  select p.oid::regprocedure::text, r.rolname from pg_proc p join pg_roles r on r.oid = p.proowner
   where r.rolname in ('agentes_tenant', 'agentes_system')
     and p.pronamespace in ('agentes'::regnamespace, 'public'::regnamespace)
  on conflict (function) do update set role = excluded.role where function_roles.role <> excluded.role;
  insert into agentes.migrations (version) values (p_version) on conflict (version) do nothing;
$$;

create function agentes.functions_hand_back() returns integer
language plpgsql set search_path = pg_catalog as $$
declare
  v_strayed record;
  v_count integer := 0;
begin
  for v_strayed in
    select p.oid::regprocedure as function, k.role, p.pronamespace::regnamespace as namespace
      from agentes.function_roles k
      join pg_proc p on p.oid = to_regprocedure(k.function)
      join pg_roles r on r.oid = p.proowner
     where r.rolname <> k.role
  loop
    -- ALTER OWNER asks the new owner for CREATE on the schema; it has it only for this moment.
    execute format('grant create on schema %s to %I', v_strayed.namespace, v_strayed.role);
    execute format('alter function %s owner to %I', v_strayed.function, v_strayed.role);
    execute format('revoke create on schema %s from %I', v_strayed.namespace, v_strayed.role);
    v_count := v_count + 1;
  end loop;
  return v_count;
end $$;
comment on function agentes.functions_hand_back() is
  'Gives functions that a restored backup has left with its restorer back to their roles; says how many.';

do $$
begin
  perform agentes.revoke_from_strangers('table agentes.function_roles');
  perform agentes.revoke_from_strangers('function agentes.functions_hand_back()');
end $$;

select agentes.migration_applied('20261128050000');

notify pgrst, 'reload schema';
