-- Attempts by hand prove that an endpoint works and never that it fails; an event that a test made up is never
-- delivered as a true one; and an endpoint that names a time to wait is sent nothing else meanwhile.

alter table agentes.webhook_deliveries add column is_made_up boolean not null default false;
comment on column agentes.webhook_deliveries.is_made_up is 'Of a test: its event has not happened.';
do $$
begin
  set local role agentes_system;
  update agentes.webhook_deliveries d set is_made_up = true
   where d.trigger = 'test' or d.event_type = 'webhook_test' or exists (
     select from agentes.webhook_attempts a where a.delivery_id = d.id and a.trigger = 'test');
  reset role;
end $$;

create or replace function agentes.deliveries_settle(p_results jsonb) returns jsonb
language sql as $$
  with given as (
    select * from jsonb_to_recordset(p_results)
        as g (place int, id uuid, webhook_id uuid, lease_id uuid, trigger text, outcome text, delay_s float8, attempt jsonb)
  ), held as (
    update agentes.webhook_deliveries d
       set status = case
             when g.outcome = 'released' then 'pending'
             when g.outcome = 'succeeded' then 'succeeded'
             when d.back_to_status is not null then d.back_to_status
             when g.outcome = 'retry' then 'pending'
             else 'failed' end,
           next_attempt_at = case
             when g.outcome = 'released' then now()
             when g.outcome = 'succeeded' then null
             when d.back_to_status is not null then d.back_to_at
             when g.outcome = 'retry' then now() + make_interval(secs => g.delay_s) end,
           attempts = d.attempts + (g.outcome <> 'released')::int,
           tries = d.tries + (g.outcome <> 'released' and g.trigger <> 'manual')::int,
           trigger = case when d.back_to_status = 'pending' and g.outcome not in ('released', 'succeeded')
                          then 'schedule' else d.trigger end,
           back_to_status = case when g.outcome = 'released' then d.back_to_status end,
           back_to_at = case when g.outcome = 'released' then d.back_to_at end,
           last_status_code = case when g.outcome = 'released' then d.last_status_code
                                   else (g.attempt->>'status_code')::int end,
           last_error = case when g.outcome = 'released' then d.last_error else g.attempt->'error'->>'code' end,
           finished_at = case when g.outcome = 'succeeded' or g.outcome in ('failed', 'gone') and d.back_to_status is null
                              then now()
                              when g.outcome <> 'released' and d.back_to_status in ('succeeded', 'failed', 'skipped')
                              then now() else d.finished_at end,
           lease_id = null, lease_until = null
      from given g
     where d.id = g.id and d.status = 'sending' and d.lease_id = g.lease_id
    returning g.place, g.outcome, g.attempt, g.trigger as attempt_trigger, d.*
  ), logged as (
    insert into agentes.webhook_attempts (id, organization_id, delivery_id, number, trigger, url, started_at,
                                          latency_ms, status_code, error, request_headers, response_body)
    select agentes.uuid_v7(), h.organization_id, h.id, h.attempts, h.attempt_trigger, h.attempt->>'url',
           (h.attempt->>'started_at')::timestamptz, (h.attempt->>'latency_ms')::int,
           (h.attempt->>'status_code')::int, nullif(h.attempt->'error', 'null'), h.attempt->'request_headers',
           h.attempt->>'response_body'
      from held h where h.outcome <> 'released'
  ), exhausted as (
    insert into agentes.outbox (id, organization_id, type, data)
    select agentes.uuid_v7(), h.organization_id, 'webhook_delivery_failed', jsonb_build_object(
             'delivery_id', h.id, 'webhook_id', h.webhook_id, 'event_type', h.event_type,
             'attempts', h.attempts, 'error', h.last_error)
      from held h
     where h.outcome in ('failed', 'gone') and h.status = 'failed' and h.attempt_trigger in ('schedule', 'recover')
  )
  select coalesce(jsonb_agg(jsonb_build_object(
           'id', h.id, 'organization_id', h.organization_id, 'webhook_id', h.webhook_id,
           'due', case when h.status = 'pending' then h.next_attempt_at end, 'gone', h.outcome = 'gone', 'released', h.outcome = 'released',
           'asked', h.outcome = 'released' and h.attempt_trigger in ('manual', 'test'),
           'result', case when h.outcome = 'released' then ''
                          -- However it came about, it proves that the endpoint works.
                          when h.outcome = 'succeeded' then 's'
                          when h.attempt_trigger in ('manual', 'test') then '' else 'f' end) order by h.place), '[]')
    from held h
$$;

create or replace function public.deliveries_report_v1(p_results jsonb, p_disable_after_s int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_settled jsonb;
  v_lane agentes.webhook_lanes;
  v_of record;
  v_disabled int := 0;
begin
  perform lanes_hold(array(select distinct (r->>'webhook_id')::uuid from jsonb_array_elements(p_results) r));
  v_settled := deliveries_settle(p_results);
  for v_of in
    select s.webhook_id, s.organization_id, count(*)::int as freed, min(s.due) as due, bool_or(s.gone) as gone,
           coalesce(string_agg(s.result, '' order by s.place), '') as outcomes, bool_or(s.released) as released,
           bool_or(s.asked) as asked
      from rows from (jsonb_to_recordset(v_settled) as (
             webhook_id uuid, organization_id uuid, due timestamptz, gone boolean, released boolean, asked boolean, result text))
             with ordinality s(webhook_id, organization_id, due, gone, released, asked, result, place)
     group by s.webhook_id, s.organization_id
  loop
    select n.* into v_lane from webhook_lanes l, lane_note(l, v_of.freed, v_of.due, v_of.outcomes) n
     where l.webhook_id = v_of.webhook_id;
    continue when not found;
    v_lane.held_until := greatest(v_lane.held_until, (
      select now() + make_interval(secs => max((r->>'hold_s')::float8)) from jsonb_array_elements(p_results) r
       where r->>'webhook_id' = v_of.webhook_id::text));
    if v_of.released and v_lane.recent = 'ssssssssss' then
      -- It takes longer than is leased ahead for: until it answers again, no more than it is sent at once.
      v_lane.recent := 'sssssssss';
    end if;
    update webhook_lanes
       set in_flight = v_lane.in_flight, is_asked = v_lane.is_asked or v_of.asked, next_due_at = v_lane.next_due_at, recent = v_lane.recent,
           is_tripped = v_lane.is_tripped, trips = v_lane.trips, held_until = v_lane.held_until,
           failing_since = v_lane.failing_since, last_failed_at = v_lane.last_failed_at
     where webhook_id = v_of.webhook_id;
    if v_of.gone or right(v_of.outcomes, 1) = 'f' and v_lane.failing_since <= now() - make_interval(secs => p_disable_after_s) then
      perform webhook_disable(v_of.organization_id, v_of.webhook_id, case when v_of.gone then 'gone' else 'failing' end);
      v_disabled := v_disabled + 1;
    end if;
  end loop;
  return jsonb_build_object('disabled', v_disabled,
    'settled', (select coalesce(jsonb_agg(s->'id'), '[]') from jsonb_array_elements(v_settled) s));
end $$;

create or replace function public.delivery_retry_v1(p_org uuid, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_webhook_id uuid;
  v_delivery agentes.webhook_deliveries;
begin
  perform set_config('app.org', p_org::text, true);
  select webhook_id into v_webhook_id from webhook_deliveries where organization_id = p_org and id = p_id;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if not exists (select from webhooks where organization_id = p_org and id = v_webhook_id and is_active) then
    return jsonb_build_object('outcome', 'inactive');
  end if;
  perform lanes_hold(array[v_webhook_id]);
  -- A day early, so that it goes before what waits.
  update webhook_deliveries
     set status = 'pending', trigger = 'manual', next_attempt_at = now() - interval '1 day',
         finished_at = null, back_to_status = coalesce(back_to_status, status),
         back_to_at = case when back_to_status is null then next_attempt_at else back_to_at end
   where organization_id = p_org and id = p_id and status <> 'sending' returning * into v_delivery;
  if not found then
    return jsonb_build_object('outcome', 'under_way');
  end if;
  update webhook_lanes set next_due_at = least(next_due_at, v_delivery.next_attempt_at), is_asked = true
   where webhook_id = v_webhook_id;
  return jsonb_build_object('outcome', 'requeued', 'delivery', to_jsonb(v_delivery));
end $$;

create or replace function public.webhook_test_v1(p_org uuid, p_webhook_id uuid, p_message_id uuid, p_type text, p_data jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_delivery agentes.webhook_deliveries;
begin
  perform set_config('app.org', p_org::text, true);
  if not exists (select from webhooks where organization_id = p_org and id = p_webhook_id) then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if not exists (select from webhooks where organization_id = p_org and id = p_webhook_id and is_active) then
    return jsonb_build_object('outcome', 'inactive');
  end if;
  perform lanes_hold(array[p_webhook_id]);
  insert into webhook_messages (id, organization_id, type, body)
  values (p_message_id, p_org, p_type, message_body(p_type, now(), p_data));
  insert into webhook_deliveries (id, organization_id, webhook_id, message_id, event_type, trigger, is_made_up, next_attempt_at)
  values (uuid_v7(), p_org, p_webhook_id, p_message_id, p_type, 'test', true, now() - interval '1 day')
  returning * into v_delivery;
  update webhook_lanes set next_due_at = least(next_due_at, v_delivery.next_attempt_at), is_asked = true
   where webhook_id = p_webhook_id;
  return jsonb_build_object('outcome', 'queued', 'delivery', to_jsonb(v_delivery));
end $$;

create or replace function public.recoveries_step_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_recovery agentes.webhook_recoveries;
  v_ids uuid[];
  v_count int;
  v_missed jsonb := '{}';
begin
  select r.* into v_recovery from webhook_recoveries r where r.status = 'running'
   order by r.updated_at limit 1 for update skip locked;
  if not found then
    return '0';
  end if;
  perform lanes_hold(array[v_recovery.webhook_id]);
  select array_agg(d.id), count(*) into v_ids, v_count from (
    select id from webhook_deliveries
     where organization_id = v_recovery.organization_id and webhook_id = v_recovery.webhook_id
       and id > coalesce(v_recovery.after_id, '00000000-0000-0000-0000-000000000000')
       and created_at >= v_recovery.since and created_at < v_recovery.until
       and status in ('failed', 'skipped') and not is_made_up
     order by id limit p_limit) d;
  update webhook_deliveries set status = 'pending', trigger = 'recover', tries = 0, next_attempt_at = now(), finished_at = null
   where id = any (v_ids);
  if v_count < p_limit then
    v_missed := recovery_missed(v_recovery, p_limit);
  end if;
  update webhook_lanes set next_due_at = least(next_due_at, now())
   where webhook_id = v_recovery.webhook_id and v_count + coalesce((v_missed->>'made')::int, 0) > 0;
  update webhook_recoveries
     set requeued = requeued + v_count + coalesce((v_missed->>'made')::int, 0),
         after_id = coalesce(v_ids[v_count], after_id), updated_at = clock_timestamp(),
         after_position = coalesce((v_missed->>'last')::bigint, after_position),
         status = case when (v_missed->>'seen')::int < p_limit then 'completed' else 'running' end
   where id = v_recovery.id;
  return to_jsonb(v_count + 1);
end $$;

update agentes.catalogue set hidden = hidden || array['is_made_up'] where name = 'webhook_deliveries';

select agentes.migration_applied('20261127001100');

notify pgrst, 'reload schema';
