-- Runs and handoffs: the agent is silent while a person is asked for, and a run may end by asking.

-- As it was, but where a person is asked for: then the message is kept, and nobody answers it here.
create or replace function public.run_start_v2(p_org uuid, p_run jsonb, p_messages jsonb, p_history_limit int, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs := jsonb_populate_record(null::runs, p_run);
  v_version int;
  v_taken jsonb;
  v_history jsonb := '[]';
  v_is_silent boolean := false;
  v_unanswered jsonb;
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
    update conversations set updated_at = now(),
           status = case status when 'human_requested' then status else 'active' end
     where organization_id = p_org and id = v_run.conversation_id and agent_id = v_run.agent_id
       and (p_run->>'visitor_id' is null or visitor_id is not distinct from p_run->>'visitor_id')
    returning status = 'human_requested' into v_is_silent;
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
    if (p_run->>'counts_unanswered')::boolean then
      v_unanswered := to_jsonb(unanswered_in_a_row(p_org, v_run.conversation_id));
    end if;
  end if;
  insert into messages (id, organization_id, conversation_id, run_id, role, content, status)
  select (m->>'id')::uuid, p_org, v_run.conversation_id, v_run.id, m->>'role', m->>'content', m->>'status'
    from jsonb_array_elements(p_messages) m where not (v_is_silent and (m->>'id')::uuid = v_run.message_id);
  if v_is_silent then
    return run_keep_silent(p_org, v_run, p_events);
  end if;
  insert into runs (id, organization_id, agent_id, agent_version, conversation_id, message_id, owner_id, model_id)
  values (v_run.id, p_org, v_run.agent_id, v_run.agent_version, v_run.conversation_id, v_run.message_id,
          v_run.owner_id, v_run.model_id);
  perform announce(p_org, p_events);
  return jsonb_build_object('outcome', 'started', 'history', v_history, 'unanswered', v_unanswered);
end $$;

create function agentes.unanswered_in_a_row(p_org uuid, p_conversation_id uuid) returns bigint
language sql stable as $$
  select count(*) from agentes.messages m
   where m.organization_id = p_org and m.conversation_id = p_conversation_id
     and m.role = 'assistant' and m.content <> '' and m.sources = '[]'
     and not exists (select from agentes.messages later
                      where later.organization_id = p_org and later.conversation_id = p_conversation_id
                        and later.id > m.id and (later.role = 'operator' or later.sources <> '[]'))
$$;
comment on function agentes.unanswered_in_a_row(uuid, uuid) is
  'How many of the last answers had no source, one after the other; a person''s reply begins anew.';

-- It is over when it begins: its message is the visitor's, and it has streamed nothing that is kept.
create function agentes.run_keep_silent(p_org uuid, p_run agentes.runs, p_events jsonb) returns jsonb
language plpgsql as $$
declare
  v_kept agentes.runs;
begin
  insert into agentes.runs (id, organization_id, agent_id, agent_version, conversation_id, message_id, owner_id,
                            model_id, status, last_event_id, ended_at)
  values (p_run.id, p_org, p_run.agent_id, p_run.agent_version, p_run.conversation_id,
          (select m.id from agentes.messages m where m.organization_id = p_org and m.run_id = p_run.id
            order by m.id desc limit 1),
          p_run.owner_id, p_run.model_id, 'completed', 3, now())
  returning * into v_kept;
  perform agentes.announce(p_org, p_events);
  return jsonb_build_object('outcome', 'silent', 'run', agentes.run_state(v_kept));
end $$;
comment on function agentes.run_keep_silent(uuid, agentes.runs, jsonb) is
  'Notes a message that the agent does not answer, as a person is asked for, as a run that has ended.';

create function public.run_hand_over_v1(
  p_org uuid, p_run jsonb, p_message jsonb, p_frames_base64 text, p_events jsonb, p_handoff jsonb, p_handoff_events jsonb
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_outcome jsonb := public.run_finish_v3(p_org, p_run, p_message, p_frames_base64, p_events);
begin
  if v_outcome = '"kept"' then
    perform handoff_begin(p_org, r.conversation_id, p_handoff, p_handoff_events)
       from runs r where r.organization_id = p_org and r.id = (p_run->>'id')::uuid;
  end if;
  return v_outcome;
end $$;
comment on function public.run_hand_over_v1(uuid, jsonb, jsonb, text, jsonb, jsonb, jsonb) is
  'As run_finish_v3, and with the end of the run a person is asked for.';

do $$
begin
  perform agentes.lock_helper('agentes.unanswered_in_a_row(uuid, uuid)');
  perform agentes.lock_helper('agentes.run_keep_silent(uuid, agentes.runs, jsonb)');
  perform agentes.lock_function(
    'public.run_hand_over_v1(uuid, jsonb, jsonb, text, jsonb, jsonb, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126160200');

notify pgrst, 'reload schema';
