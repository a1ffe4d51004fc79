-- What became of leased deliveries: compared with the lease, so that a worker that was frozen and
-- whose delivery has gone to another changes nothing.

create function agentes.lane_note(p_lane agentes.webhook_lanes, p_freed int, p_due timestamptz, p_outcomes text)
returns agentes.webhook_lanes language plpgsql stable as $$
declare
  v_recent text := right(p_lane.recent || p_outcomes, 10);
begin
  p_lane.in_flight := greatest(0, p_lane.in_flight - p_freed);
  p_lane.next_due_at := least(p_lane.next_due_at, p_due);
  if p_outcomes = '' then
    return p_lane;
  end if;
  p_lane.recent := v_recent;
  if right(v_recent, 1) = 's' then
    p_lane.failing_since := null;
    p_lane.trips := 0;
    if p_lane.is_tripped then
      p_lane.is_tripped := false;
      p_lane.held_until := '-infinity';
      p_lane.recent := 's';
    end if;
    return p_lane;
  end if;
  -- Failures that lie further apart than any two attempts of the schedule are not one row of them.
  if p_lane.failing_since is null or p_outcomes like '%s%' or p_lane.last_failed_at < now() - interval '30 hours' then
    p_lane.failing_since := now();
  end if;
  p_lane.last_failed_at := now();
  if p_lane.is_tripped or length(replace(v_recent, 's', '')) >= 7 then
    p_lane.is_tripped := true;
    p_lane.trips := least(p_lane.trips + 1, 6);
    p_lane.held_until := now() + make_interval(secs => least(600, 15 * 2 ^ p_lane.trips));
  end if;
  return p_lane;
end $$;
comment on function agentes.lane_note(agentes.webhook_lanes, int, timestamptz, text) is
  'A lane after some outcomes (s, f): seven failures of the last ten stop it for a while, then one delivery tries.';

create function agentes.webhook_disable(p_organization_id uuid, p_id uuid, p_reason text) returns void
language plpgsql as $$
declare
  v_name text;
begin
  update webhooks set is_active = false, disabled_reason = p_reason, updated_at = now()
   where organization_id = p_organization_id and id = p_id and is_active returning name into v_name;
  if found then
    perform lane_skip(p_id, 20000);
    perform announce(p_organization_id, jsonb_build_array(jsonb_build_object(
      'id', uuid_v7(), 'type', 'webhook_disabled', 'agent_id', null,
      'data', jsonb_build_object('webhook_id', p_id, 'name', v_name, 'reason', p_reason))));
  end if;
end $$;
comment on function agentes.webhook_disable(uuid, uuid, text) is
  'Switches an endpoint off and announces it, once.';

create function agentes.deliveries_settle(p_results jsonb) returns jsonb
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
           'result', case when h.outcome = 'released' or h.attempt_trigger in ('manual', 'test') then ''
                          when h.outcome = 'succeeded' then 's' else 'f' end) order by h.place), '[]')
    from held h
$$;
comment on function agentes.deliveries_settle(jsonb) is
  'Writes what became of those deliveries that their lease still holds, with the attempts; tells of these.';

create function public.deliveries_report_v1(p_results jsonb, p_disable_after_s int) returns jsonb
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
    if v_of.released and v_lane.recent = 'ssssssssss' then
      -- It takes longer than is leased ahead for: until it answers again, no more than it is sent at once.
      v_lane.recent := 'sssssssss';
    end if;
    update webhook_lanes
       set in_flight = v_lane.in_flight, is_asked = v_lane.is_asked or v_of.asked, next_due_at = v_lane.next_due_at, recent = v_lane.recent,
           is_tripped = v_lane.is_tripped, trips = v_lane.trips, held_until = v_lane.held_until,
           failing_since = v_lane.failing_since, last_failed_at = v_lane.last_failed_at
     where webhook_id = v_of.webhook_id;
    if v_of.gone or v_lane.failing_since <= now() - make_interval(secs => p_disable_after_s) then
      perform webhook_disable(v_of.organization_id, v_of.webhook_id, case when v_of.gone then 'gone' else 'failing' end);
      v_disabled := v_disabled + 1;
    end if;
  end loop;
  return jsonb_build_object('disabled', v_disabled,
    'settled', (select coalesce(jsonb_agg(s->'id'), '[]') from jsonb_array_elements(v_settled) s));
end $$;
comment on function public.deliveries_report_v1(jsonb, int) is
  'Settles [{id, webhook_id, lease_id, outcome, delay_s, attempt}]: those whose lease still holds; an endpoint that only failed for p_disable_after_s, or is gone, is switched off.';

do $$
begin
  perform agentes.lock_helper('agentes.lane_note(agentes.webhook_lanes, int, timestamptz, text)');
  perform agentes.lock_helper('agentes.webhook_disable(uuid, uuid, text)');
  perform agentes.lock_helper('agentes.deliveries_settle(jsonb)');
  perform agentes.lock_function('public.deliveries_report_v1(jsonb, int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126040300');

notify pgrst, 'reload schema';
