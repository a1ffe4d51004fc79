-- Calls that take effect outside: noted before they are made and after, so that none is made twice.

create table agentes.tool_calls (
  id uuid primary key,
  organization_id uuid not null,
  run_id uuid not null references agentes.runs on delete cascade,
  -- No reference: what was done outlives the tool that did it.
  tool_id uuid not null,
  -- As it was when a person was asked: an approval is of that configuration only.
  tool_revision integer,
  name text not null,
  type text not null,
  arguments jsonb not null,
  status text not null,
  result jsonb,
  error jsonb,
  expires_at timestamptz,
  decided_at timestamptz,
  decided_by text,
  begun_at timestamptz,
  ended_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table agentes.tool_calls is
  'Calls with side effects: awaiting_approval, approved or denied where a person decides; begun; then succeeded, failed, or unknown where nobody lived to tell.';
create index tool_calls_by_run on agentes.tool_calls (run_id);

create function public.tool_call_begin_v1(p_org uuid, p_owner_id uuid, p_call jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_call agentes.tool_calls := jsonb_populate_record(null::tool_calls, p_call);
begin
  perform set_config('app.org', p_org::text, true);
  -- Held against whoever would end the run: no call begins after its run was declared dead.
  perform from runs where organization_id = p_org and id = v_call.run_id and owner_id = p_owner_id
                      and status = 'running' for share;
  if not found then
    return '"ended"';
  end if;
  insert into tool_calls as c (id, organization_id, run_id, tool_id, name, type, arguments, status, begun_at)
  values (v_call.id, p_org, v_call.run_id, v_call.tool_id, v_call.name, v_call.type, v_call.arguments, 'begun', now())
  on conflict (id) do update set status = 'begun', begun_at = now()
   where c.organization_id = p_org and c.run_id = v_call.run_id and c.status = 'approved';
  return case when found then '"begun"' else '"repeated"' end;
end $$;
comment on function public.tool_call_begin_v1(uuid, uuid, jsonb) is
  'Notes that a call is about to be made: begun, or repeated where it was before, or ended where the run is not its caller''s any more; only what has begun may be made.';

create function public.tool_call_end_v1(p_org uuid, p_call jsonb, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  update tool_calls set status = p_call->>'status', result = nullif(p_call->'result', 'null'),
         error = nullif(p_call->'error', 'null'), ended_at = now()
   where organization_id = p_org and id = (p_call->>'id')::uuid and status = 'begun';
  if not found then
    return 'false';
  end if;
  perform announce(p_org, p_events);
  return 'true';
end $$;
comment on function public.tool_call_end_v1(uuid, jsonb, jsonb) is
  'Notes once how a call that has begun ended, and announces the events.';

create function public.run_start_v3(p_org uuid, p_run jsonb, p_messages jsonb, p_history_limit int, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_result jsonb := public.run_start_v2(p_org, p_run, p_messages, p_history_limit, p_events);
begin
  if v_result->>'outcome' <> 'started' or (p_run->>'is_new_conversation')::boolean then
    return v_result;
  end if;
  return v_result || jsonb_build_object('tool_calls', (
    select coalesce(jsonb_agg(h.tool_calls order by h.id), '[]')
      from (select id, tool_calls from messages
             where organization_id = p_org and conversation_id = (p_run->>'conversation_id')::uuid
             order by id desc limit 20) h
     where h.tool_calls <> '[]'));
end $$;
comment on function public.run_start_v3(uuid, jsonb, jsonb, int, jsonb) is
  'As version 2; a conversation that goes on also gives the calls that its last messages made, a list a message.';

create function public.run_finish_v3(p_org uuid, p_run jsonb, p_message jsonb, p_frames_base64 text, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs := jsonb_populate_record(null::runs, p_run);
  v_message agentes.messages := jsonb_populate_record(null::messages, p_message);
  v_kept agentes.runs;
begin
  perform set_config('app.org', p_org::text, true);
  update runs set status = v_run.status, last_event_id = v_run.last_event_id, error = v_run.error,
         usage = v_run.usage, ended_at = now()
   where organization_id = p_org and id = v_run.id and status = 'running' and owner_id = v_run.owner_id;
  if not found then
    select * into v_kept from runs where organization_id = p_org and id = v_run.id;
    return case
      when not found then '"gone"'
      -- The same end again: it was kept, and only the answer to this call was lost.
      when v_kept.owner_id = v_run.owner_id and v_kept.status = v_run.status
           and v_kept.last_event_id = v_run.last_event_id then '"kept"'
      else '"ended"' end;
  end if;
  update messages set content = v_message.content, status = v_message.status, sources = v_message.sources,
         tool_calls = v_message.tool_calls, metadata = v_message.metadata, updated_at = now()
   where organization_id = p_org and id = v_message.id;
  if v_message.tool_calls <> '[]' then
    update tool_calls set status = 'unknown', ended_at = now()
     where organization_id = p_org and run_id = v_run.id and status = 'begun';
  end if;
  insert into run_frames (run_id, organization_id, frames)
  values (v_run.id, p_org, decode(p_frames_base64, 'base64'))
  on conflict (run_id) do update set frames = excluded.frames, ended_at = now();
  perform announce(p_org, p_events);
  return '"kept"';
end $$;
comment on function public.run_finish_v3(uuid, jsonb, jsonb, text, jsonb) is
  'Ends a run of its owner once, with its answer, calls, usage, stream and events: kept, or ended by somebody else, or gone with its conversation.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.tool_calls');
  foreach v_function in array array[
    'tool_call_begin_v1(uuid, uuid, jsonb)', 'tool_call_end_v1(uuid, jsonb, jsonb)',
    'run_start_v3(uuid, jsonb, jsonb, int, jsonb)', 'run_finish_v3(uuid, jsonb, jsonb, text, jsonb)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  insert into agentes.catalogue (name) values ('tool_calls');
end $$;

select agentes.migration_applied('20261126020000');

notify pgrst, 'reload schema';
