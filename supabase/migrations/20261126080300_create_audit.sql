-- Who changed what. Changes that callers make are made through one function, which tells the
-- transaction who acts; triggers then write the audit log in the same transaction, so neither is
-- there without the other. The same function remembers the results of calls that were made under an
-- idempotency key: the request, begun again after its process died, gets them instead of effects.

create table agentes.audit_log (
  id uuid primary key default agentes.uuid_v7(),
  organization_id uuid not null,
  actor text not null,
  impersonator text,
  request_id text,
  action text not null,
  resource text not null,
  resource_id text not null,
  before jsonb,
  after jsonb,
  created_at timestamptz not null default now()
);
comment on table agentes.audit_log is 'Changes by callers, with the columns that changed; secrets are never in it.';
create index audit_log_by_organization on agentes.audit_log (organization_id, id desc);
create index audit_log_by_resource on agentes.audit_log (organization_id, resource, resource_id, id desc);

create table agentes.idempotent_calls (
  organization_id uuid not null,
  key text not null,
  ordinal int not null,
  function text not null,
  result jsonb not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, key, ordinal)
);
comment on table agentes.idempotent_calls is 'Results of a keyed request''s calls in their order, committed with their effects.';

alter table agentes.idempotency_keys
  alter column run_id drop not null,
  add column response text,
  add column locked_until timestamptz;

-- A secret, also a sealed one, and what is a person's own is told as changed and never shown.
create function agentes.audited(p_row jsonb, p_is_personal boolean) returns jsonb
language sql immutable as $$
  select jsonb_object_agg(key, case
           when value = 'null' then value
           when key ~ '(secret|sha256|sealed|password|token_hash)' then '"***"'::jsonb
           when p_is_personal and key not in ('id', 'status', 'agent_id', 'conversation_id', 'is_complete') then '"***"'
           else value end)
    from jsonb_each(p_row) where key not in ('updated_at', 'organization_id')
$$;
comment on function agentes.audited(jsonb, boolean) is 'A row as the audit log keeps it.';

-- Arguments: the resource's name, and `personal` where its values are a person's.
create function agentes.audit() returns trigger language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_acting jsonb := nullif(current_setting('app.acting', true), '')::jsonb;
  v_before jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  v_after jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  v_row jsonb := coalesce(v_after, v_before);
begin
  if v_acting is null then
    return null;  -- the service's own upkeep
  end if;
  if tg_op = 'UPDATE' then
    select jsonb_object_agg(b.key, b.value), jsonb_object_agg(b.key, a.value) into v_before, v_after
      from jsonb_each(v_before) b join jsonb_each(v_after) a using (key)
     where b.value is distinct from a.value and b.key not in ('updated_at');
    if v_before is null then
      return null;
    end if;
  end if;
  insert into audit_log (organization_id, actor, impersonator, request_id, action, resource, resource_id, before, after)
  values ((v_row->>'organization_id')::uuid, v_acting->>'actor', v_acting->>'impersonator', v_acting->>'request_id',
          tg_argv[0] || case tg_op when 'INSERT' then '.created' when 'UPDATE' then '.updated' else '.deleted' end,
          tg_argv[0], coalesce(v_row->>'id', v_row->>'organization_id'),
          audited(v_before, tg_argv[1] = 'personal'), audited(v_after, tg_argv[1] = 'personal'));
  return null;
end $$;
comment on function agentes.audit() is 'Writes what a caller changed into the audit log, within the change''s own transaction.';

create function agentes.audit_table(p_table regclass, p_resource text, p_kind text default 'plain') returns void
language plpgsql as $$
begin
  execute format('create trigger audit after insert or update or delete on %s
                    for each row execute function agentes.audit(%L, %L)', p_table, p_resource, p_kind);
end $$;
comment on function agentes.audit_table(regclass, text, text) is
  'Has callers'' changes of a table written into the audit log, under the name of the resource.';

create function public.acting_call_v1(p_org uuid, p_acting jsonb, p_name text, p_values jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_key text := p_acting->>'key';
  v_ordinal int := (p_acting->>'ordinal')::int;
  v_values text;
  v_result jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  perform set_config('app.acting', (p_acting - array['key', 'ordinal'])::text, true);
  if v_key is not null then
    select result into v_result from idempotent_calls
     where organization_id = p_org and key = v_key and ordinal = v_ordinal and function = p_name;
    if found then
      return v_result;
    end if;
  end if;
  select string_agg(
           case when format_type(t.type, null) = 'jsonb' then format('%I => nullif($2->%L, ''null'')', a.name, a.name)
                else format('%I => ($2->>%L)::%s', a.name, a.name, format_type(t.type, null)) end, ', ')
    into v_values
    from pg_proc p, unnest(p.proargnames) with ordinality a(name, place),
         unnest(p.proargtypes::oid[]) with ordinality t(type, place)
   where p.pronamespace = 'public'::regnamespace and p.proname = p_name and p.proargnames[1] = 'p_org'
     and t.place = a.place and p_values ? a.name;
  execute format('select public.%I(%s)', p_name, concat_ws(', ', 'p_org => $1', v_values))
    into v_result using p_org, p_values;
  if v_key is not null then
    insert into idempotent_calls (organization_id, key, ordinal, function, result)
    values (p_org, v_key, v_ordinal, p_name, coalesce(v_result, 'null'));
  end if;
  return v_result;
end $$;
comment on function public.acting_call_v1(uuid, jsonb, text, jsonb) is
  'Calls a function of an organization as {actor, impersonator, request_id}; under a {key, ordinal} its effect comes once.';

create function public.audit_log_page_v1(p_org uuid, p_where jsonb, p_from text, p_to text, p_limit int, p_after text)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select coalesce(jsonb_agg(to_jsonb(l) order by l.id desc), '[]') from (
    select * from audit_log a
     where a.organization_id = p_org and (p_after is null or a.id < p_after::uuid)
       and (p_where->>'actor' is null or a.actor = p_where->>'actor')
       and (p_where->>'action' is null or a.action = p_where->>'action')
       and (p_where->>'resource' is null or a.resource = p_where->>'resource')
       and (p_where->>'resource_id' is null or a.resource_id = p_where->>'resource_id')
       and (p_from is null or a.created_at >= p_from::timestamptz)
       and (p_to is null or a.created_at < p_to::timestamptz)
     order by a.id desc limit p_limit) l);
end $$;
comment on function public.audit_log_page_v1(uuid, jsonb, text, text, int, text) is
  'Changes by callers, newest first, by equality and time.';

do $$
declare
  v_function regprocedure;
begin
  perform agentes.lock_table('agentes.audit_log');
  perform agentes.lock_table('agentes.idempotent_calls');
  perform agentes.lock_helper('agentes.audited(jsonb, boolean)');
  perform agentes.revoke_from_strangers('function agentes.audit()');
  perform agentes.revoke_from_strangers('function agentes.audit_table(regclass, text, text)');
  grant create on schema agentes to agentes_system;
  alter function agentes.audit() owner to agentes_system;
  revoke create on schema agentes from agentes_system;
  perform agentes.audit_table('agentes.agents', 'agent');
  perform agentes.audit_table('agentes.tools', 'tool');
  perform agentes.audit_table('agentes.knowledge_bases', 'knowledge_base');
  perform agentes.audit_table('agentes.webhooks', 'webhook');
  perform agentes.audit_table('agentes.api_keys', 'api_key');
  perform agentes.audit_table('agentes.widget_keys', 'widget_key');
  perform agentes.audit_table('agentes.settings', 'settings');
  perform agentes.audit_table('agentes.leads', 'lead', 'personal');
  perform agentes.lock_function('public.acting_call_v1(uuid, jsonb, text, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.audit_log_page_v1(uuid, jsonb, text, text, int, text)', 'agentes_tenant');
  -- Searches and aggregates are the system's functions; a caller's call of one passes acting_call too.
  for v_function in select p.oid::regprocedure from pg_proc p
                     where p.pronamespace = 'public'::regnamespace and p.proargnames[1] = 'p_org'
                       and p.proowner = 'agentes_system'::regrole loop
    execute format('grant execute on function %s to agentes_tenant', v_function);
  end loop;
end $$;

-- As it was; functions of an organization that belong to the system may be called by acting_call, too.
create or replace function agentes.lock_function(p_function regprocedure, p_role text) returns void
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
  if p_role = 'agentes_system' and (select proargnames[1] from pg_proc where oid = p_function) = 'p_org' then
    execute format('grant execute on function %s to agentes_tenant', p_function);
  end if;
  if exists (select from pg_roles where rolname = 'service_role') then
    execute format('grant execute on function %s to service_role', p_function);
  end if;
end $$;

select agentes.migration_applied('20261126080300');

notify pgrst, 'reload schema';
