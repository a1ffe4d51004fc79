-- What a process does for all of its runs at once, now with the calls that they make and wait for.

create function public.runs_flush_v2(p_owner_id uuid, p_runs jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_states jsonb;
begin
  with given as (
    select * from jsonb_to_recordset(p_runs)
        as g (id uuid, organization_id uuid, message_id uuid, content text, sources jsonb,
              tool_calls jsonb, last_event_id bigint, frames_base64 text)
  ), held as (
    update runs r set last_event_id = g.last_event_id from given g
     where r.id = g.id and r.organization_id = g.organization_id and r.owner_id = p_owner_id
       and r.status = 'running'
    returning r.id, r.cancel_requested_at
  ), kept as (
    update messages m set content = g.content, sources = g.sources, tool_calls = g.tool_calls,
           updated_at = now()
      from given g join held h using (id)
     where m.id = g.message_id and m.organization_id = g.organization_id
  ), streamed as (
    insert into run_frames (run_id, organization_id, frames)
    select g.id, g.organization_id, decode(g.frames_base64, 'base64') from given g join held h using (id)
    on conflict (run_id) do update set frames = excluded.frames, ended_at = now()
  )
  select jsonb_object_agg(g.id, case
           when h.cancel_requested_at is not null then 'cancelled'
           when h.id is not null then 'running'
           when r.id is not null then 'ended' else 'gone' end)
    into v_states
    from given g left join held h using (id) left join runs r on r.id = g.id;
  return coalesce(v_states, '{}');
end $$;
comment on function public.runs_flush_v2(uuid, jsonb) is
  'Keeps what some runs of one process have written, called and streamed so far; tells of each whether it is still this process''s to write.';

create function public.process_beat_v3(p_id uuid, p_silent_s int, p_live jsonb) returns jsonb
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
             'title', 'The answer was ended from outside before it was whole.', 'retryable', true)
      from silent where r.id = silent.id returning r.*
  ), unknown as (
    -- Nobody is left to tell how these ended, and none of them is ever made again.
    update tool_calls c set status = 'unknown', ended_at = now() from ended e
     where c.run_id = e.id and c.status = 'begun'
  ), noted as (
    update messages m set tool_calls = (
             select jsonb_agg(case when c.call->>'status' not in ('started', 'awaiting_approval') then c.call
                      else c.call || '{"status": "failed", "error": {"code": "outcome_unknown",
                        "detail": "The answer ended before the call did; whether it took effect is not known."}}'
                      end order by c.place)
               from jsonb_array_elements(m.tool_calls) with ordinality as c (call, place))
      from ended e
     where m.id = e.message_id and m.organization_id = e.organization_id and m.tool_calls <> '[]'
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

create function public.runs_purge_v2() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_frames bigint;
  v_keys bigint;
begin
  delete from run_frames where run_id in (
    select f.run_id from run_frames f where f.ended_at < now() - interval '15 minutes'
       and not exists (select from runs r where r.id = f.run_id and r.status = 'awaiting_approval')
     limit 5000);
  get diagnostics v_frames = row_count;
  delete from idempotency_keys k using (
    select organization_id, key from idempotency_keys where created_at < now() - interval '24 hours' limit 5000) old
   where k.organization_id = old.organization_id and k.key = old.key;
  get diagnostics v_keys = row_count;
  return jsonb_build_object('frames', v_frames, 'keys', v_keys);
end $$;
comment on function public.runs_purge_v2() is
  'Forgets streams of runs that ended 15 minutes ago and idempotency keys of 24 hours; call it again while it finds 5,000.';

do $$
begin
  perform agentes.lock_function('public.runs_flush_v2(uuid, jsonb)', 'agentes_system');
  perform agentes.lock_function('public.process_beat_v3(uuid, int, jsonb)', 'agentes_system');
  perform agentes.lock_function('public.runs_purge_v2()', 'agentes_system');
end $$;

select agentes.migration_applied('20261126020200');

notify pgrst, 'reload schema';
