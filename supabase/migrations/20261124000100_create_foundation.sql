-- The ground that every later migration stands on: the private schema, the two locks, ids.
-- Runs on PostgreSQL 15 to 18 and needs no extension here.

create schema agentes;

-- Lock two. Functions run as a role that owns no table and cannot bypass row-level security:
--   agentes_tenant  sees the rows of the organization in app.org, and nothing else;
--   agentes_system  sees every row: searches and aggregates, which filter by p_org themselves,
--                   and work that has no organization (see Store.system).
--   agentes_app     is who the service is: it may call functions and read nothing itself.
-- Roles belong to the whole cluster, so another database may have made them already.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['agentes_tenant', 'agentes_system', 'agentes_app'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin nobypassrls', v_role);
      exception when duplicate_object or unique_violation then
        null; -- another database of this cluster was quicker
      end;
    end if;
    -- Without membership a migration role that is no superuser could not hand functions over.
    if not pg_has_role(current_user, v_role, 'usage') then
      execute format('grant %I to %I', v_role, current_user);
    end if;
  end loop;
end $$;

revoke all on schema agentes from public;
grant usage on schema agentes to agentes_tenant, agentes_system;

create function agentes.revoke_from_strangers(p_object text) returns void
language plpgsql as $$
declare
  v_role text;
begin
  execute format('revoke all on %s from public', p_object);
  for v_role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
    execute format('revoke all on %s from %I', p_object, v_role);
  end loop;
end $$;
comment on function agentes.revoke_from_strangers(text) is
  'Takes every right on an object from public and from the roles that hosted Supabase gives to browsers.';

create function agentes.lock_table(p_table regclass, p_tenant_column text default 'organization_id')
returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', p_table);
  execute format('alter table %s force row level security', p_table);
  -- The sub-select makes it one evaluation a statement instead of one a row.
  execute format(
    'create policy tenant on %s to agentes_tenant
       using (%2$I = (select nullif(current_setting(''app.org'', true), '''')::uuid))
       with check (%2$I = (select nullif(current_setting(''app.org'', true), '''')::uuid))',
    p_table, p_tenant_column);
  execute format('create policy system on %s to agentes_system using (true) with check (true)', p_table);
  perform agentes.revoke_from_strangers('table ' || p_table::text);
  execute format('grant select, insert, update, delete on %s to agentes_tenant, agentes_system', p_table);
end $$;
comment on function agentes.lock_table(regclass, text) is
  'Forces row-level security on a tenant table and gives it to the two function roles only.';

create function agentes.lock_function(p_function regprocedure, p_role text) returns void
language plpgsql as $$
declare
  v_schema text := (select n.nspname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                    where p.oid = p_function);
begin
  -- ALTER OWNER asks the new owner for CREATE on the schema; it has it only for this moment.
  execute format('grant create on schema %I to %I', v_schema, p_role);
  execute format('alter function %s owner to %I', p_function, p_role);
  execute format('revoke create on schema %I from %I', v_schema, p_role);
  perform agentes.revoke_from_strangers('function ' || p_function::text);
  execute format('grant execute on function %s to agentes_app', p_function);
  if exists (select from pg_roles where rolname = 'service_role') then
    execute format('grant execute on function %s to service_role', p_function);
  end if;
end $$;
comment on function agentes.lock_function(regprocedure, text) is
  'Hands a public function to agentes_tenant or agentes_system and lets only the service call it.';

create function agentes.lock_helper(p_function regprocedure) returns void
language plpgsql as $$
begin
  perform agentes.revoke_from_strangers('function ' || p_function::text);
  execute format('grant execute on function %s to agentes_tenant, agentes_system', p_function);
end $$;
comment on function agentes.lock_helper(regprocedure) is
  'Lets only the two function roles call an internal function of the schema agentes.';

-- RFC 9562, section 5.7: 48 bits of milliseconds, then random. PostgreSQL has uuidv7() from 18 on only.
create function agentes.uuid_v7() returns uuid
language sql volatile parallel safe as $$
  select encode(
    set_byte(
      overlay(uuid_send(gen_random_uuid())
              placing substring(int8send(floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
              from 1 for 6),
      6, (b'0111' || get_byte(uuid_send(gen_random_uuid()), 6)::bit(4))::bit(8)::int),
    'hex')::uuid
$$;
comment on function agentes.uuid_v7() is 'A time-ordered identifier (RFC 9562), to the millisecond.';

do $$
begin
  perform agentes.revoke_from_strangers('function agentes.revoke_from_strangers(text)');
  perform agentes.revoke_from_strangers('function agentes.lock_table(regclass, text)');
  perform agentes.revoke_from_strangers('function agentes.lock_function(regprocedure, text)');
  perform agentes.revoke_from_strangers('function agentes.lock_helper(regprocedure)');
  perform agentes.lock_helper('agentes.uuid_v7()');
end $$;

notify pgrst, 'reload schema';
