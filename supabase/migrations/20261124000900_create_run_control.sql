-- Runs that can be joined, resumed and cancelled from any process, and flushed in one call a process.

alter table agentes.runs add column cancel_requested_at timestamptz;

create table agentes.run_frames (
  run_id uuid primary key references agentes.runs on delete cascade,
  organization_id uuid not null,
  frames bytea not null,
  ended_at timestamptz not null default now()
);
comment on table agentes.run_frames is
  'What a run has streamed, compressed: all of it once it has ended, for clients that come back within 15 minutes.';
-- Compressed already; trying again would only cost time.
alter table agentes.run_frames alter column frames set storage external;
create index run_frames_by_age on agentes.run_frames (ended_at);

create table agentes.idempotency_keys (
  organization_id uuid not null,
  key text not null,
  fingerprint text not null,
  run_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, key)
);
comment on table agentes.idempotency_keys is 'The run that the first request with a key has started; kept for 24 hours.';
create index idempotency_keys_by_age on agentes.idempotency_keys (created_at);

create function agentes.run_state(p_run agentes.runs) returns jsonb
language sql stable as $$
  select to_jsonb(p_run) || jsonb_build_object(
    'is_expired', coalesce(p_run.ended_at < now() - interval '15 minutes', false))
$$;
comment on function agentes.run_state(agentes.runs) is 'A run as the service reads it.';

-- Takes the key for the run, or gives the run that it belongs to: null when it is ours.
create function agentes.idempotency_key_take(p_org uuid, p_key text, p_fingerprint text, p_run_id uuid)
returns jsonb language plpgsql as $$
declare
  v_kept agentes.idempotency_keys;
begin
  -- A second request waits here until the first one's transaction has ended.
  insert into agentes.idempotency_keys as k (organization_id, key, fingerprint, run_id)
  values (p_org, p_key, p_fingerprint, p_run_id)
  on conflict (organization_id, key) do update
     set fingerprint = excluded.fingerprint, run_id = excluded.run_id, created_at = now()
   where k.created_at < now() - interval '24 hours';
  select * into v_kept from agentes.idempotency_keys
   where organization_id = p_org and key = p_key for update;
  -- In a statement of its own: the one above could not see a run that was committed meanwhile.
  if v_kept.run_id <> p_run_id and not exists (select from agentes.runs r where r.id = v_kept.run_id) then
    update agentes.idempotency_keys set fingerprint = p_fingerprint, run_id = p_run_id, created_at = now()
     where organization_id = p_org and key = p_key;
    return null;
  elsif v_kept.run_id = p_run_id then
    return null;
  elsif v_kept.fingerprint <> p_fingerprint then
    return jsonb_build_object('outcome', 'key_reused');
  end if;
  return jsonb_build_object('outcome', 'joined', 'run', (
    select agentes.run_state(r) from agentes.runs r where r.organization_id = p_org and r.id = v_kept.run_id));
end $$;
comment on function agentes.idempotency_key_take(uuid, text, text, uuid) is
  'Binds a key to a run once: null when it is bound to this one, else the run it was bound to before.';

create function public.run_start_v2(p_org uuid, p_run jsonb, p_messages jsonb, p_history_limit int, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs := jsonb_populate_record(null::runs, p_run);
  v_version int;
  v_taken jsonb;
  v_history jsonb := '[]';
begin
  perform set_config('app.org', p_org::text, true);
  select version into v_version from agents where organization_id = p_org and id = v_run.agent_id;
  if v_version is null then
    return jsonb_build_object('outcome', 'agent_not_found');
  elsif v_version <> v_run.agent_version then
    return jsonb_build_object('outcome', 'agent_changed');
  end if;
  if p_run->>'idempotency_key' is not null then
    v_taken := idempotency_key_take(p_org, p_run->>'idempotency_key', p_run->>'fingerprint', v_run.id);
    if v_taken is not null then
      return v_taken;
    end if;
  end if;
  if (p_run->>'is_new_conversation')::boolean then
    insert into conversations (id, organization_id, agent_id, visitor_id, title)
    values (v_run.conversation_id, p_org, v_run.agent_id, p_run->>'visitor_id', p_run->>'title');
  else
    update conversations set updated_at = now(), status = 'active'
     where organization_id = p_org and id = v_run.conversation_id and agent_id = v_run.agent_id
       and (p_run->>'visitor_id' is null or visitor_id is not distinct from p_run->>'visitor_id');
    if not found then
      delete from idempotency_keys where organization_id = p_org and run_id = v_run.id
                                     and key = p_run->>'idempotency_key';
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
comment on function public.run_start_v2(uuid, jsonb, jsonb, int, jsonb) is
  'Commits the new messages, the run and its events and returns the history before them; or the run that the key began.';

create function public.run_finish_v2(p_org uuid, p_run jsonb, p_message jsonb, p_frames_base64 text, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs := jsonb_populate_record(null::runs, p_run);
  v_message agentes.messages := jsonb_populate_record(null::messages, p_message);
  v_kept agentes.runs;
begin
  perform set_config('app.org', p_org::text, true);
  update runs set status = v_run.status, last_event_id = v_run.last_event_id, error = v_run.error,
         usage = v_run.usage, ended_at = now()
   where organization_id = p_org and id = v_run.id and status = 'running';
  if not found then
    select * into v_kept from runs where organization_id = p_org and id = v_run.id;
    return case
      when not found then '"gone"'
      -- The same end again: it was kept, and only the answer to this call was lost.
      when v_kept.status = v_run.status and v_kept.last_event_id = v_run.last_event_id then '"kept"'
      else '"ended"' end;
  end if;
  update messages set content = v_message.content, status = v_message.status, sources = v_message.sources,
         metadata = v_message.metadata, updated_at = now()
   where organization_id = p_org and id = v_message.id;
  insert into run_frames (run_id, organization_id, frames)
  values (v_run.id, p_org, decode(p_frames_base64, 'base64'))
  on conflict (run_id) do update set frames = excluded.frames, ended_at = now();
  perform announce(p_org, p_events);
  return '"kept"';
end $$;
comment on function public.run_finish_v2(uuid, jsonb, jsonb, text, jsonb) is
  'Ends a run once, with its answer, usage, stream and events: kept, or ended by somebody else, or gone with its conversation.';

create function public.run_read_v1(p_org uuid, p_agent_id uuid, p_run_id uuid, p_with_answer boolean)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_run from runs where organization_id = p_org and id = p_run_id and agent_id = p_agent_id;
  if not found then
    return null;
  elsif not p_with_answer then
    return run_state(v_run);
  end if;
  return run_state(v_run) || jsonb_build_object(
    'frames_base64', (select encode(f.frames, 'base64') from run_frames f
                       where f.organization_id = p_org and f.run_id = p_run_id),
    'message', (select to_jsonb(m) from messages m where m.organization_id = p_org and m.id = v_run.message_id));
end $$;
comment on function public.run_read_v1(uuid, uuid, uuid, boolean) is
  'A run of an agent, if asked for with its answer and what it has streamed; null where there is none.';

create function public.run_cancel_v1(p_org uuid, p_run_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  update runs set cancel_requested_at = coalesce(cancel_requested_at, now())
   where organization_id = p_org and id = p_run_id and status = 'running';
  return to_jsonb(found);
end $$;
comment on function public.run_cancel_v1(uuid, uuid) is
  'Asks a run''s owner to stop it, which it learns at its next flush or heartbeat; says whether the run was under way.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.run_frames');
  perform agentes.lock_table('agentes.idempotency_keys');
  perform agentes.lock_helper('agentes.run_state(agentes.runs)');
  perform agentes.lock_helper('agentes.idempotency_key_take(uuid, text, text, uuid)');
  foreach v_function in array array[
    'run_start_v2(uuid, jsonb, jsonb, int, jsonb)', 'run_finish_v2(uuid, jsonb, jsonb, text, jsonb)',
    'run_read_v1(uuid, uuid, uuid, boolean)', 'run_cancel_v1(uuid, uuid)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
end $$;

notify pgrst, 'reload schema';
