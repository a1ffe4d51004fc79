-- Runs that wait for a person: written down whole, and gone on with by whichever process takes them.

-- When a process took a run over from another.
alter table agentes.runs add column taken_at timestamptz;

create table agentes.run_suspensions (
  run_id uuid primary key references agentes.runs on delete cascade,
  organization_id uuid not null,
  state jsonb not null,
  expires_at timestamptz not null
);
comment on table agentes.run_suspensions is
  'What a process needs to go on with a run that awaits approval: plain, as the messages are.';
create index run_suspensions_by_expiry on agentes.run_suspensions (expires_at);

create function public.run_suspend_v1(
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
                          expires_at)
  select c.id, p_org, v_id, c.tool_id, c.tool_revision, c.name, c.type, c.arguments, 'awaiting_approval', v_expires
    from jsonb_to_recordset(p_calls) as c (id uuid, tool_id uuid, tool_revision int, name text, type text, arguments jsonb);
  insert into run_suspensions (run_id, organization_id, state, expires_at) values (v_id, p_org, p_state, v_expires);
  insert into run_frames (run_id, organization_id, frames) values (v_id, p_org, decode(p_frames_base64, 'base64'))
  on conflict (run_id) do update set frames = excluded.frames, ended_at = now();
  perform announce(p_org, p_events);
  return '"kept"';
end $$;
comment on function public.run_suspend_v1(uuid, jsonb, jsonb, jsonb, jsonb, text, jsonb) is
  'Puts a run of its owner down until its calls are decided: kept, or cancelled where somebody wants that, or ended by somebody else, or gone.';

-- Makes the process the owner of a waiting run that the caller holds locked, and gives it what it needs.
create function agentes.run_take(p_run_id uuid, p_owner_id uuid) returns jsonb
language plpgsql as $$
declare
  v_run agentes.runs;
  v_state jsonb;
begin
  update agentes.runs set status = 'running', owner_id = p_owner_id, taken_at = now()
   where id = p_run_id returning * into v_run;
  delete from agentes.run_suspensions where run_id = p_run_id returning state into v_state;
  return jsonb_build_object(
    'run', agentes.run_state(v_run),
    'state', v_state,
    'frames_base64', (select encode(f.frames, 'base64') from agentes.run_frames f where f.run_id = p_run_id),
    'calls', (select coalesce(jsonb_agg(to_jsonb(c)), '[]') from agentes.tool_calls c where c.run_id = p_run_id));
end $$;
comment on function agentes.run_take(uuid, uuid) is
  'Gives a waiting run to a process, which goes on with it from what is returned.';

create function public.approval_decide_v1(
  p_org uuid, p_agent_id uuid, p_run_id uuid, p_call_id uuid, p_decision text, p_arguments jsonb,
  p_actor text, p_owner_id uuid
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs;
  v_call agentes.tool_calls;
begin
  perform set_config('app.org', p_org::text, true);
  -- Decisions on one run come one after the other, and only the first on each call counts.
  select * into v_run from runs where organization_id = p_org and id = p_run_id and agent_id = p_agent_id for update;
  if not found then
    return jsonb_build_object('outcome', 'run_not_found');
  end if;
  select * into v_call from tool_calls where organization_id = p_org and run_id = p_run_id and id = p_call_id;
  if not found then
    return jsonb_build_object('outcome', 'call_not_found');
  elsif v_call.status = 'awaiting_approval' and v_call.expires_at <= now() then
    return jsonb_build_object('outcome', 'expired');
  elsif v_call.status <> 'awaiting_approval' or v_run.status <> 'awaiting_approval' then
    return jsonb_build_object('outcome', 'decided', 'status', v_call.status);
  end if;
  update tool_calls set status = p_decision, arguments = coalesce(p_arguments, arguments),
         decided_by = p_actor, decided_at = now()
   where id = p_call_id;
  if exists (select from tool_calls where run_id = p_run_id and status = 'awaiting_approval') then
    return jsonb_build_object('outcome', 'noted');
  end if;
  return jsonb_build_object('outcome', 'taken') || run_take(p_run_id, p_owner_id);
end $$;
comment on function public.approval_decide_v1(uuid, uuid, uuid, uuid, text, jsonb, text, uuid) is
  'Decides a call once, approved or denied; with the last decision of a run the process that brought it takes the run.';

create function public.run_cancel_v2(p_org uuid, p_run_id uuid, p_owner_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_status text;
begin
  perform set_config('app.org', p_org::text, true);
  select status into v_status from runs where organization_id = p_org and id = p_run_id for update;
  if v_status = 'running' then
    update runs set cancel_requested_at = coalesce(cancel_requested_at, now()) where id = p_run_id;
    return jsonb_build_object('outcome', 'asked');
  elsif v_status is distinct from 'awaiting_approval' then
    return jsonb_build_object('outcome', 'ended');
  end if;
  update tool_calls set status = 'cancelled', ended_at = now()
   where run_id = p_run_id and status in ('awaiting_approval', 'approved', 'denied');
  return jsonb_build_object('outcome', 'taken') || run_take(p_run_id, p_owner_id);
end $$;
comment on function public.run_cancel_v2(uuid, uuid, uuid) is
  'Asks a run''s owner to stop it; a run that awaits approval has none, and goes to the process that asks, to be ended.';

do $$
begin
  perform agentes.lock_table('agentes.run_suspensions');
  perform agentes.lock_helper('agentes.run_take(uuid, uuid)');
  perform agentes.lock_function(
    'public.run_suspend_v1(uuid, jsonb, jsonb, jsonb, jsonb, text, jsonb)', 'agentes_tenant');
  perform agentes.lock_function(
    'public.approval_decide_v1(uuid, uuid, uuid, uuid, text, jsonb, text, uuid)', 'agentes_tenant');
  perform agentes.lock_function('public.run_cancel_v2(uuid, uuid, uuid)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126020100');

notify pgrst, 'reload schema';
