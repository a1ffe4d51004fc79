-- Deliveries: one row for each event and endpoint that wants it. A pass follows the numbered events
-- under a lock and moves its cursor in the transaction that makes the rows, so that nothing is lost,
-- nothing is made twice and nothing is invented.

create table agentes.webhook_messages (
  id uuid primary key,
  organization_id uuid not null,
  type text not null,
  body text not null,
  created_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
comment on table agentes.webhook_messages is
  'What is sent, byte for byte, at each attempt and to each endpoint; the id is the event''s and the webhook-id.';

create table agentes.webhook_deliveries (
  id uuid primary key,
  organization_id uuid not null,
  webhook_id uuid not null,
  message_id uuid not null,
  event_type text not null,
  status text not null default 'pending',
  trigger text not null default 'schedule',
  attempts int not null default 0,
  tries int not null default 0,
  next_attempt_at timestamptz,
  lease_id uuid,
  lease_until timestamptz,
  back_to_status text,
  back_to_at timestamptz,
  last_status_code int,
  last_error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
comment on table agentes.webhook_deliveries is
  'tries counts this round of the schedule, attempts all; back_to_* is what a failed attempt by hand leaves behind.';
create index webhook_deliveries_listed on agentes.webhook_deliveries (organization_id, webhook_id, id);
create index webhook_deliveries_waiting on agentes.webhook_deliveries (webhook_id, next_attempt_at)
  where status = 'pending';
create index webhook_deliveries_leased on agentes.webhook_deliveries (lease_until) where status = 'sending';
create index webhook_deliveries_by_message on agentes.webhook_deliveries (message_id);
create index webhook_deliveries_sending on agentes.webhook_deliveries (webhook_id) where status = 'sending';

create table agentes.webhook_attempts (
  id uuid primary key,
  organization_id uuid not null,
  delivery_id uuid not null,
  number int not null,
  trigger text not null,
  url text not null,
  started_at timestamptz not null,
  latency_ms int not null,
  status_code int,
  error jsonb,
  request_headers jsonb not null,
  response_body text,
  created_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
comment on table agentes.webhook_attempts is 'Every attempt as it went; headers that are secrets are not told.';
create index webhook_attempts_by_delivery on agentes.webhook_attempts (delivery_id, number);

create table agentes.webhook_cursor (
  number bigint not null
);
comment on table agentes.webhook_cursor is
  'One row: the number of the last event that was turned into deliveries. History beyond it must be kept.';
insert into agentes.webhook_cursor select coalesce(max(number), 0) from agentes.events;

create function agentes.message_body(p_type text, p_at timestamptz, p_data jsonb) returns text
language sql stable as $$
  select '{"type":' || to_json(p_type)::text
      || ',"timestamp":"' || to_char(p_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
      || '","data":' || p_data::text || '}'
$$;
comment on function agentes.message_body(text, timestamptz, jsonb) is
  'The body of a webhook as Standard Webhooks has it.';

-- Whoever makes a delivery wait holds its lane first: a claim that finds the lane's queue empty
-- could otherwise miss it.
create function agentes.lanes_hold(p_webhook_ids uuid[]) returns void
language sql as $$
  select from agentes.webhook_lanes where webhook_id = any (p_webhook_ids) order by webhook_id for update
$$;
comment on function agentes.lanes_hold(uuid[]) is 'Locks lanes, always in the same order.';

create function agentes.lane_skip(p_webhook_id uuid, p_limit int) returns int
language plpgsql as $$
declare
  v_count int;
begin
  with waiting as (
    select id from webhook_deliveries where webhook_id = p_webhook_id and status = 'pending'
     limit p_limit for update
  ), skipped as (
    -- An attempt by hand that was not made leaves a delivery as it was.
    update webhook_deliveries d
       set status = case when d.back_to_status in ('succeeded', 'failed') then d.back_to_status else 'skipped' end,
           next_attempt_at = null, back_to_status = null, back_to_at = null,
           finished_at = coalesce(d.finished_at, now())
      from waiting w where d.id = w.id returning d.id
  )
  select count(*) into v_count from skipped;
  if v_count < p_limit then
    update webhook_lanes set next_due_at = null where webhook_id = p_webhook_id;
  end if;
  return v_count;
end $$;
comment on function agentes.lane_skip(uuid, int) is
  'Lets up to so many of what waits in a locked lane wait no longer; how many.';

create function public.webhook_events_follow_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_from bigint;
  v_last bigint;
  v_followed int;
  v_made int;
  v_events uuid[];
  v_webhooks uuid[];
begin
  -- Whoever cannot follow now need not: whoever does sees the same events.
  if not pg_try_advisory_xact_lock(hashtext('agentes.webhook_cursor')) then
    return jsonb_build_object('followed', 0, 'made', 0, 'is_busy', true);
  end if;
  select number into strict v_from from webhook_cursor;
  select max(e.number), count(*) into v_last, v_followed
    from (select number from events where number > v_from order by number limit p_limit) e;
  if v_followed = 0 then
    return jsonb_build_object('followed', 0, 'made', 0, 'is_busy', false);
  end if;
  select array_agg(e.id), array_agg(w.id) into v_events, v_webhooks
    from events e join webhooks w on w.organization_id = e.organization_id
   where e.number > v_from and e.number <= v_last and w.is_active
     and e.occurred_at >= w.active_since and (w.agent_id is null or w.agent_id = e.agent_id)
     -- Told to people only: an endpoint that fails would else be told of its failures without end.
     and e.type <> 'webhook_delivery_failed' and webhook_wants(w.events, e.type);
  perform lanes_hold(v_webhooks);
  insert into webhook_messages (id, organization_id, type, body)
  select e.id, e.organization_id, e.type, message_body(e.type, e.occurred_at, e.data)
    from events e where e.id = any (v_events);
  insert into webhook_deliveries (id, organization_id, webhook_id, message_id, event_type, next_attempt_at)
  select uuid_v7(), l.organization_id, l.webhook_id, e.id, e.type, now()
    from unnest(v_events, v_webhooks) m(event_id, webhook_id)
    join webhook_lanes l on l.webhook_id = m.webhook_id
    join events e on e.id = m.event_id
   order by e.number;
  get diagnostics v_made = row_count;
  update webhook_lanes set next_due_at = least(next_due_at, now())
   where webhook_id = any (v_webhooks) and (next_due_at is null or next_due_at > now());
  update webhook_cursor set number = v_last;
  return jsonb_build_object('followed', v_followed, 'made', v_made, 'is_busy', false);
end $$;
comment on function public.webhook_events_follow_v1(int) is
  'Turns the next numbered events into deliveries, one for each active endpoint that wants them.';

do $$
begin
  perform agentes.lock_table('agentes.webhook_messages');
  perform agentes.lock_table('agentes.webhook_deliveries');
  perform agentes.lock_table('agentes.webhook_attempts');
  perform agentes.revoke_from_strangers('table agentes.webhook_cursor');
  grant select, update on agentes.webhook_cursor to agentes_system;
  perform agentes.lock_helper('agentes.message_body(text, timestamptz, jsonb)');
  perform agentes.lock_helper('agentes.lanes_hold(uuid[])');
  perform agentes.lock_helper('agentes.lane_skip(uuid, int)');
  perform agentes.lock_function('public.webhook_events_follow_v1(int)', 'agentes_system');
  insert into agentes.catalogue (name, hidden) values
    ('webhook_deliveries', array['lease_id', 'lease_until', 'back_to_status', 'back_to_at', 'tries']);
end $$;

select agentes.migration_applied('20261126040100');

notify pgrst, 'reload schema';
