-- What has taken effect, or may have, is told to who would ask again; what nobody named, to who approves.

-- Destinations among a call's arguments that neither the visitor nor the agent's owner has named.
alter table agentes.tool_calls add column unsaid_destinations jsonb not null default '[]';

create or replace function public.run_suspend_v1(
  p_org uuid, p_run jsonb, p_message jsonb, p_calls jsonb, p_state jsonb, p_frames_base64 text, p_events jsonb
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_id uuid := (p_run->>'id')::uuid;
  v_expires timestamptz := now() + make_interval(secs => (p_run->>'expires_in_s')::int);
  v_run agentes.runs;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_run from runs where organization_id = p_org and id = v_id for update;
  if not found then
    return '"gone"';
  elsif exists (select from tool_calls where run_id = v_id and id = (p_calls->0->>'id')::uuid) then
    return '"kept"'; -- kept before, and only the answer to that call was lost
  elsif v_run.status <> 'running' or v_run.owner_id <> (p_run->>'owner_id')::uuid then
    return '"ended"';
  elsif v_run.cancel_requested_at is not null then
    return '"cancelled"';
  end if;
  update runs set status = 'awaiting_approval', last_event_id = (p_run->>'last_event_id')::bigint where id = v_id;
  update messages set content = p_message->>'content', sources = p_message->'sources',
         tool_calls = p_message->'tool_calls', updated_at = now()
   where organization_id = p_org and id = v_run.message_id;
  insert into tool_calls (id, organization_id, run_id, tool_id, tool_revision, name, type, arguments, status,
                          expires_at, unsaid_destinations)
  select c.id, p_org, v_id, c.tool_id, c.tool_revision, c.name, c.type, c.arguments, 'awaiting_approval', v_expires,
         coalesce(c.unsaid_destinations, '[]')
    from jsonb_to_recordset(p_calls) as c (id uuid, tool_id uuid, tool_revision int, name text, type text, arguments jsonb,
                                           unsaid_destinations jsonb);
  insert into run_suspensions (run_id, organization_id, state, expires_at) values (v_id, p_org, p_state, v_expires);
  insert into run_frames (run_id, organization_id, frames) values (v_id, p_org, decode(p_frames_base64, 'base64'))
  on conflict (run_id) do update set frames = excluded.frames, ended_at = now();
  perform announce(p_org, p_events);
  return '"kept"';
end $$;
comment on function public.run_suspend_v1(uuid, jsonb, jsonb, jsonb, jsonb, text, jsonb) is
  'Puts a run of its owner down until its calls are decided: kept, or cancelled where somebody wants that, or ended by somebody else, or gone.';

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

select agentes.migration_applied('20261126120000');

notify pgrst, 'reload schema';
