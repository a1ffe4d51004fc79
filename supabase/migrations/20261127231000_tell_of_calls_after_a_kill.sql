-- A process that was killed may have made a call of which its message has not heard: it was noted before it was
-- made, and the message is told of it when the run is ended by another.

create function agentes.call_outcome(p_call agentes.tool_calls) returns jsonb
language sql stable set search_path = pg_catalog, agentes as $$
  select case p_call.status
    when 'succeeded' then '{"status": "succeeded"}'
    when 'failed' then jsonb_build_object('status', 'failed', 'error', coalesce(p_call.error,
      '{"code": "tool_broke", "detail": "The tool failed on our side."}'))
    else '{"status": "failed", "error": {"code": "outcome_unknown",
      "detail": "The answer ended before the call did; whether it took effect is not known."}}' end
$$;
comment on function agentes.call_outcome(agentes.tool_calls) is 'How a call ended, as its message tells it, once its run is over.';

create function agentes.calls_told(p_run_id uuid, p_shown jsonb) returns jsonb
language sql stable set search_path = pg_catalog, agentes as $$
  select coalesce(jsonb_agg(told.call order by told.place, told.id), '[]') from (
    select case when s.call->>'status' not in ('started', 'awaiting_approval') then s.call
                else s.call || call_outcome(c) end as call, s.place, null::uuid as id
      from jsonb_array_elements(p_shown) with ordinality as s (call, place)
      left join tool_calls c on c.run_id = p_run_id and c.id::text = s.call->>'id'
    union all
    select jsonb_build_object('id', c.id, 'name', c.name, 'type', c.type,
             -- As much as a message keeps of any call.
             'arguments', case when length(c.arguments::text) <= 8192 then c.arguments
                            else to_jsonb(left(c.arguments::text, 8191) || '…') end)
             || call_outcome(c), 1000000, c.id
      from tool_calls c
     where c.run_id = p_run_id and c.status in ('begun', 'unknown', 'succeeded', 'failed')
       and not exists (select from jsonb_array_elements(p_shown) s where s->>'id' = c.id::text)
  ) told
$$;
comment on function agentes.calls_told(uuid, jsonb) is
  'The calls of a run that others have ended, as its message tells them: those that it has shown, and those that were noted after that.';

-- Whoever asks an interrupted run's question again would have its calls made again.
create or replace function public.process_beat_v3(p_id uuid, p_silent_s int, p_live jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_ended jsonb;
  v_expired jsonb := '[]';
  v_run_id uuid;
begin
  insert into processes (id) values (p_id) on conflict (id) do update set seen_at = now();
  delete from processes where seen_at < now() - interval '1 day';
  with silent as (
    select r.id from runs r left join processes p on p.id = r.owner_id
     where r.status = 'running' and case
             -- Its start was committed, but its owner never learned of it; none takes so long.
             when r.owner_id = p_id then
               coalesce(r.taken_at, r.started_at) < now() - interval '15 seconds' and not p_live ? r.id::text
             else p.id is null or p.seen_at < now() - make_interval(secs => p_silent_s) end
     limit 500 for update of r skip locked
  ), ended as (
    -- 2,000,000,000 is the number reserved for the last event of a run that its owner did not end,
    -- so that a client that had read further than was kept still sees it.
    update runs r set status = 'failed', ended_at = now(), last_event_id = 2000000000,
           error = jsonb_build_object('code', 'run_interrupted',
             'title', 'The answer was ended from outside before it was whole.',
             'retryable', not exists (select from tool_calls c where c.run_id = r.id
                                         and c.status in ('begun', 'unknown', 'succeeded')))
      from silent where r.id = silent.id returning r.*
  ), unknown as (
    -- Nobody is left to tell how these ended, and none of them is ever made again.
    update tool_calls c set status = 'unknown', ended_at = now() from ended e
     where c.run_id = e.id and c.status = 'begun'
  ), noted as (
    update messages m set tool_calls = calls_told(e.id, m.tool_calls)
      from ended e
     where m.id = e.message_id and m.organization_id = e.organization_id
       and (m.tool_calls <> '[]' or exists (select from tool_calls c where c.run_id = e.id))
  ), told as (
    insert into outbox (id, organization_id, type, agent_id, data)
    select uuid_v7(), e.organization_id, 'message_completed', e.agent_id, jsonb_build_object(
             'conversation_id', e.conversation_id, 'message_id', e.message_id, 'run_id', e.id,
             'agent_id', e.agent_id, 'status', 'incomplete', 'finish_reason', 'error')
      from ended e
  )
  select coalesce(jsonb_agg(run_state(e)), '[]') into v_ended from ended e;
  for v_run_id in
    select r.id from run_suspensions s join runs r on r.id = s.run_id
     where s.expires_at <= now() and r.status = 'awaiting_approval'
     limit 20 for update of r skip locked
  loop
    update tool_calls set status = 'expired', ended_at = now()
     where run_id = v_run_id and status in ('awaiting_approval', 'approved', 'denied');
    v_expired := v_expired || run_take(v_run_id, p_id);
  end loop;
  return jsonb_build_object('ended', v_ended, 'expired', v_expired, 'cancelled', (
    select coalesce(jsonb_agg(r.id), '[]') from runs r
     where r.owner_id = p_id and r.status = 'running' and r.cancel_requested_at is not null));
end $$;
comment on function public.process_beat_v3(uuid, int, jsonb) is
  'Notes that a process lives, ends the runs of silent processes and those that it does not know to be its own, gives it those that awaited approval for too long, and lists its own that somebody wants cancelled.';

do $$
begin
  perform agentes.lock_helper('agentes.call_outcome(agentes.tool_calls)');
  perform agentes.lock_helper('agentes.calls_told(uuid, jsonb)');
end $$;

select agentes.migration_applied('20261127231000');

notify pgrst, 'reload schema';
