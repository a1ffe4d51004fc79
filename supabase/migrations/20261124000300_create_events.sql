-- Facts. A fact is written to the outbox in the transaction that makes it true; a pass under one
-- advisory lock moves committed facts to the history and numbers them. A sequence taken at write
-- time would skip rows that commit late; numbering after commit cannot.

create table agentes.outbox (
  id uuid primary key,
  organization_id uuid not null,
  type text not null,
  agent_id uuid,
  data jsonb not null,
  occurred_at timestamptz not null default now()
);
comment on table agentes.outbox is 'Committed facts that have no number yet; empty when the pass has run.';

create table agentes.events (
  number bigint primary key,
  id uuid not null unique,
  organization_id uuid not null,
  type text not null,
  agent_id uuid,
  data jsonb not null,
  occurred_at timestamptz not null
);
comment on table agentes.events is 'The history of facts, in the one order that every reader follows.';
create index events_by_organization on agentes.events (organization_id, number);

create sequence agentes.event_number;
grant usage on sequence agentes.event_number to agentes_system;

create function agentes.announce(p_org uuid, p_events jsonb) returns void
language sql as $$
  insert into agentes.outbox (id, organization_id, type, agent_id, data)
  select (e->>'id')::uuid, p_org, e->>'type', (e->>'agent_id')::uuid, e->'data'
    from jsonb_array_elements(p_events) e
$$;
comment on function agentes.announce(uuid, jsonb) is
  'Writes facts [{id, type, agent_id, data}] to the outbox of the running transaction.';

create function public.events_number_v1() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count bigint;
begin
  -- Held until this transaction has committed, so numbers become visible in their own order.
  if not pg_try_advisory_xact_lock(hashtext('agentes.events_number')) then
    return jsonb_build_object('numbered', 0);
  end if;
  with taken as (
    delete from outbox where id in (select id from outbox order by id limit 1000) returning *
  )
  insert into events (number, id, organization_id, type, agent_id, data, occurred_at)
  select nextval('agentes.event_number'), t.id, t.organization_id, t.type, t.agent_id, t.data, t.occurred_at
    from (select * from taken order by id) t;
  get diagnostics v_count = row_count;
  return jsonb_build_object('numbered', v_count);
end $$;
comment on function public.events_number_v1() is
  'Numbers up to 1,000 committed facts in one pass; 0 when there are none or another pass is under way.';

do $$
begin
  perform agentes.lock_table('agentes.outbox');
  perform agentes.lock_table('agentes.events');
  perform agentes.lock_helper('agentes.announce(uuid, jsonb)');
  perform agentes.lock_function('public.events_number_v1()', 'agentes_system');
  insert into agentes.catalogue (name) values ('events');
end $$;

notify pgrst, 'reload schema';
