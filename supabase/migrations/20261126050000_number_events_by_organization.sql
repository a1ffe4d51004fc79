-- Numbers that clients see. The number of the whole service would tell everyone how much others do,
-- so each organization's events are counted for themselves, 1, 2, 3 …, in the same order. Whoever
-- holds 41 and is given 43 knows that 42 is missing.

create table agentes.event_heads (
  organization_id uuid primary key,
  position bigint not null default 0,
  purged_position bigint not null default 0,
  purge_at timestamptz not null default now()
) with (fillfactor = 50);
comment on table agentes.event_heads is
  'How far each organization''s events are counted and up to where they are gone; purge_at: when to look for old ones again.';
create index event_heads_by_purge on agentes.event_heads (purge_at);

alter table agentes.events add column position bigint;
update agentes.events e set position = c.position
  from (select number, row_number() over (partition by organization_id order by number) as position
          from agentes.events) c
 where c.number = e.number;
alter table agentes.events alter column position set not null;
insert into agentes.event_heads (organization_id, position)
select organization_id, max(position) from agentes.events group by organization_id;

drop index agentes.events_by_organization;
create unique index events_by_organization on agentes.events (organization_id, position);
-- The outbox is filled and emptied all the time, and history is purged at its old end: vacuum
-- follows the number of rows that went, not a share of what is there.
alter table agentes.outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
alter table agentes.events set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000);

create function agentes.number_events(p_limit int) returns jsonb
language plpgsql as $$
declare
  v_numbered jsonb;
begin
  -- Held until this transaction has committed, so numbers become visible in their own order.
  if not pg_try_advisory_xact_lock(hashtext('agentes.events_number')) then
    return jsonb_build_object('numbered', 0, 'last', null, 'is_busy', true);
  end if;
  with taken as (
    delete from outbox where id in (select id from outbox order by id limit p_limit) returning *
  ), counted as (
    select t.*, row_number() over (partition by t.organization_id order by t.id) as place from taken t
     -- A fact that was announced again after it had been numbered would stop all numbering.
     where not exists (select from events e where e.id = t.id)
  ), heads as (
    insert into event_heads as h (organization_id, position)
    select organization_id, max(place) from counted group by organization_id order by organization_id
    on conflict (organization_id) do update set position = h.position + excluded.position
    returning h.organization_id, h.position
  ), numbered as (
    insert into events (number, position, id, organization_id, type, agent_id, data, occurred_at)
    select nextval('agentes.event_number'), o.*
      from (select h.position - max(c.place) over (partition by c.organization_id) + c.place as position,
                   c.id, c.organization_id, c.type, c.agent_id, c.data, c.occurred_at
              from counted c join heads h using (organization_id) order by c.id) o
    returning number
  )
  select jsonb_build_object('numbered', count(*), 'last', max(number), 'is_busy', false)
    into v_numbered from numbered;
  return v_numbered;
end $$;
comment on function agentes.number_events(int) is
  'Moves committed facts from the outbox to the history, in one order for the service and one for each organization.';

create or replace function public.events_number_v1() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  return number_events(1000);
end $$;

create function public.events_number_v2(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  return number_events(least(greatest(p_limit, 1), 1000));
end $$;
comment on function public.events_number_v2(int) is
  'Numbers committed facts: how many, the highest number, and is_busy while another process is at it.';

do $$
begin
  perform agentes.lock_table('agentes.event_heads');
  perform agentes.lock_helper('agentes.number_events(int)');
  perform agentes.lock_function('public.events_number_v2(int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126050000');

notify pgrst, 'reload schema';
