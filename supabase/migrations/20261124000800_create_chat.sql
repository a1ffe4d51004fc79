-- Conversations, their messages, and the runs that answer them.

create table agentes.conversations (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  -- No reference: the history outlives its agent.
  agent_id uuid not null,
  visitor_id text,
  title text not null,
  status text not null default 'active',
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.conversations is 'Threads between a visitor and an agent.';
create index conversations_by_organization on agentes.conversations (organization_id, id desc);
create index conversations_by_agent on agentes.conversations (organization_id, agent_id, id desc);

create table agentes.messages (
  id uuid primary key,
  organization_id uuid not null,
  conversation_id uuid not null references agentes.conversations on delete cascade,
  run_id uuid,
  role text not null,
  content text not null,
  status text not null default 'complete',
  sources jsonb not null default '[]',
  tool_calls jsonb not null default '[]',
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.messages is 'What was said, in order of id.';
create index messages_by_conversation on agentes.messages (conversation_id, id);

create table agentes.processes (
  id uuid primary key,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
);
comment on table agentes.processes is 'Live processes of the service by their heartbeat.';

create table agentes.runs (
  id uuid primary key,
  organization_id uuid not null,
  agent_id uuid not null,
  agent_version integer not null,
  conversation_id uuid not null references agentes.conversations on delete cascade,
  message_id uuid not null,
  owner_id uuid not null,
  model_id text not null,
  status text not null default 'running',
  last_event_id bigint not null default 0,
  error jsonb,
  usage jsonb,
  started_at timestamptz not null default now(),
  ended_at timestamptz
);
comment on table agentes.runs is 'Answers under way and done; each belongs to one process at a time.';
create index runs_by_conversation on agentes.runs (conversation_id);
create index runs_under_way on agentes.runs (owner_id) where status = 'running';

create function public.run_start_v1(p_org uuid, p_run jsonb, p_messages jsonb, p_history_limit int, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs := jsonb_populate_record(null::runs, p_run);
  v_history jsonb := '[]';
begin
  perform set_config('app.org', p_org::text, true);
  perform from agents where organization_id = p_org and id = v_run.agent_id;
  if not found then
    return jsonb_build_object('outcome', 'agent_not_found');
  end if;
  if (p_run->>'is_new_conversation')::boolean then
    insert into conversations (id, organization_id, agent_id, visitor_id, title)
    values (v_run.conversation_id, p_org, v_run.agent_id, p_run->>'visitor_id', p_run->>'title');
  else
    update conversations set updated_at = now(), status = 'active'
     where organization_id = p_org and id = v_run.conversation_id and agent_id = v_run.agent_id
       and (p_run->>'visitor_id' is null or visitor_id is not distinct from p_run->>'visitor_id');
    if not found then
      return jsonb_build_object('outcome', 'conversation_not_found');
    end if;
    select coalesce(jsonb_agg(jsonb_build_object('role', h.role, 'content', h.content) order by h.id), '[]')
      into v_history
      from (select id, role, content from messages
             where conversation_id = v_run.conversation_id and organization_id = p_org and content <> ''
             order by id desc limit p_history_limit) h;
  end if;
  insert into messages (id, organization_id, conversation_id, run_id, role, content, status)
  select (m->>'id')::uuid, p_org, v_run.conversation_id, v_run.id, m->>'role', m->>'content', m->>'status'
    from jsonb_array_elements(p_messages) m;
  insert into runs (id, organization_id, agent_id, agent_version, conversation_id, message_id, owner_id, model_id)
  values (v_run.id, p_org, v_run.agent_id, v_run.agent_version, v_run.conversation_id, v_run.message_id,
          v_run.owner_id, v_run.model_id);
  perform announce(p_org, p_events);
  return jsonb_build_object('outcome', 'started', 'history', v_history);
end $$;
comment on function public.run_start_v1(uuid, jsonb, jsonb, int, jsonb) is
  'Commits the new messages, the run and its events, and returns the history before them, oldest first.';

create function public.run_flush_v1(p_org uuid, p_run_id uuid, p_message_id uuid, p_content text, p_last_event_id bigint)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  update runs set last_event_id = p_last_event_id
   where organization_id = p_org and id = p_run_id and status = 'running';
  if not found then
    return 'false';
  end if;
  update messages set content = p_content, updated_at = now() where organization_id = p_org and id = p_message_id;
  return 'true';
end $$;
comment on function public.run_flush_v1(uuid, uuid, uuid, text, bigint) is
  'Keeps what a run has written so far; false when the run was ended by somebody else.';

create function public.run_finish_v1(p_org uuid, p_run jsonb, p_message jsonb, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs := jsonb_populate_record(null::runs, p_run);
  v_message agentes.messages := jsonb_populate_record(null::messages, p_message);
begin
  perform set_config('app.org', p_org::text, true);
  update runs set status = v_run.status, last_event_id = v_run.last_event_id, error = v_run.error,
         usage = v_run.usage, ended_at = now()
   where organization_id = p_org and id = v_run.id and status = 'running';
  if not found then
    return 'false';
  end if;
  update messages set content = v_message.content, status = v_message.status, sources = v_message.sources,
         metadata = v_message.metadata, updated_at = now()
   where organization_id = p_org and id = v_message.id;
  perform announce(p_org, p_events);
  return 'true';
end $$;
comment on function public.run_finish_v1(uuid, jsonb, jsonb, jsonb) is
  'Ends a run once: its answer, usage and events; false when it had ended already.';

create function public.process_beat_v1(p_id uuid, p_silent_s int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_ended bigint;
begin
  insert into processes (id) values (p_id) on conflict (id) do update set seen_at = now();
  delete from processes where seen_at < now() - interval '1 day';
  with silent as (
    select r.id from runs r left join processes p on p.id = r.owner_id
     where r.status = 'running' and (p.id is null or p.seen_at < now() - make_interval(secs => p_silent_s))
     limit 500 for update of r skip locked
  ), ended as (
    update runs r set status = 'failed', ended_at = now(), error = jsonb_build_object(
             'code', 'run_interrupted', 'title', 'The process that wrote this answer stopped.', 'retryable', true)
      from silent where r.id = silent.id returning r.*
  ), told as (
    insert into outbox (id, organization_id, type, agent_id, data)
    select uuid_v7(), e.organization_id, 'message_completed', e.agent_id, jsonb_build_object(
             'conversation_id', e.conversation_id, 'message_id', e.message_id, 'run_id', e.id,
             'agent_id', e.agent_id, 'status', 'incomplete', 'finish_reason', 'error')
      from ended e
  )
  select count(*) into v_ended from ended;
  return jsonb_build_object('ended_runs', v_ended);
end $$;
comment on function public.process_beat_v1(uuid, int) is
  'Notes that a process lives, and ends the runs of processes that have been silent for too long.';

create function public.process_leave_v1(p_id uuid) returns jsonb
language sql security definer set search_path = pg_catalog, agentes as $$
  delete from processes where id = p_id returning 'true'::jsonb
$$;
comment on function public.process_leave_v1(uuid) is 'A process that stops in good order takes its heartbeat away.';

create function public.conversation_update_v1(p_org uuid, p_id uuid, p_changes jsonb, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_before text;
  v_row jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select status into v_before from conversations where organization_id = p_org and id = p_id for update;
  v_row := public.row_update_v1(p_org, 'conversations', p_id, p_changes);
  if v_before is distinct from 'resolved' and v_row->>'status' = 'resolved' then
    perform announce(p_org, (select jsonb_agg(e || jsonb_build_object('agent_id', v_row->'agent_id', 'data',
        e->'data' || jsonb_build_object('agent_id', v_row->'agent_id', 'visitor_id', v_row->'visitor_id')))
      from jsonb_array_elements(p_events) e));
  end if;
  return v_row;
end $$;
comment on function public.conversation_update_v1(uuid, uuid, jsonb, jsonb) is
  'Changes a conversation; the events are announced when this resolves it.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.conversations');
  perform agentes.lock_table('agentes.messages');
  perform agentes.lock_table('agentes.runs');
  perform agentes.revoke_from_strangers('table agentes.processes');
  grant select, insert, update, delete on agentes.processes to agentes_system;
  foreach v_function in array array[
    'run_start_v1(uuid, jsonb, jsonb, int, jsonb)', 'run_flush_v1(uuid, uuid, uuid, text, bigint)',
    'run_finish_v1(uuid, jsonb, jsonb, jsonb)', 'conversation_update_v1(uuid, uuid, jsonb, jsonb)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  perform agentes.lock_function('public.process_beat_v1(uuid, int)', 'agentes_system');
  perform agentes.lock_function('public.process_leave_v1(uuid)', 'agentes_system');
  insert into agentes.catalogue (name, hidden, searchable) values
    ('conversations', '{}', '{title}'),
    ('messages', '{}', '{}'),
    ('runs', '{owner_id}', '{}');
end $$;

notify pgrst, 'reload schema';
