-- Handing a conversation over to a person and back: while a person is asked, the agent is silent.

-- When the agent hands over; null is what every agent begins with.
alter table agentes.agents add column handoff jsonb;

-- Every field that is sent, so that a new one needs no new body.
create or replace function public.agent_update_v1(
  p_org uuid, p_id uuid, p_changes jsonb, p_actor text, p_expected_versions jsonb default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_unknown jsonb;
  v_old agentes.agents;
  v_new agentes.agents;
  v_changes jsonb := p_changes - array['id', 'organization_id', 'created_by', 'version', 'created_at', 'updated_at'];
  v_assignments text := (select string_agg(format('%1$I = n.%1$I, ', key), '') from jsonb_object_keys(v_changes) key);
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_old from agents where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  elsif p_expected_versions is not null and not p_expected_versions @> to_jsonb(v_old.version) then
    return jsonb_build_object('outcome', 'version_mismatch', 'version', v_old.version);
  end if;
  v_unknown := unknown_knowledge_bases(p_org, coalesce(p_changes->'knowledge_base_ids', '[]'));
  if v_unknown <> '[]' then
    return jsonb_build_object('outcome', 'unknown_knowledge_bases', 'ids', v_unknown);
  elsif agent_settings(v_old) || v_changes = agent_settings(v_old) then
    return jsonb_build_object('outcome', 'updated', 'agent', to_jsonb(v_old));
  end if;
  execute format('update agentes.agents a set %s version = a.version + 1, updated_at = now()
                    from jsonb_populate_record(null::agentes.agents, $1) n
                   where a.organization_id = $2 and a.id = $3 returning a.*', v_assignments)
    into v_new using v_changes, p_org, p_id;
  perform agent_keep_version(v_new, agent_settings(v_old), p_actor);
  return jsonb_build_object('outcome', 'updated', 'agent', to_jsonb(v_new));
end $$;

create function agentes.last_messages(p_org uuid, p_conversation_id uuid) returns text
language sql stable as $$
  select string_agg(said, E'\n' order by id) from (
    select id, role || ': ' || left(regexp_replace(content, '\s+', ' ', 'g'), 300) as said
      from agentes.messages
     where organization_id = p_org and conversation_id = p_conversation_id and content <> ''
     order by id desc limit 6) m
$$;
comment on function agentes.last_messages(uuid, uuid) is 'The end of a conversation in short, for whoever takes it over.';

-- Gives the conversation as it is then; null where there is none.
create function agentes.handoff_begin(p_org uuid, p_conversation_id uuid, p_handoff jsonb, p_events jsonb)
returns agentes.conversations language plpgsql as $$
declare
  v_row agentes.conversations;
  v_handoff jsonb := jsonb_strip_nulls(p_handoff) || jsonb_build_object('requested_at', now());
begin
  select * into v_row from agentes.conversations
   where organization_id = p_org and id = p_conversation_id for update;
  if not found then
    return null;
  elsif v_row.status = 'human_requested' then
    return v_row;
  end if;
  if coalesce(v_handoff->>'summary', '') = '' then
    v_handoff := v_handoff || jsonb_build_object('summary_source', 'last_messages',
      'summary', coalesce(agentes.last_messages(p_org, p_conversation_id), ''));
  end if;
  update agentes.conversations set status = 'human_requested', handoff = v_handoff, updated_at = now()
   where organization_id = p_org and id = p_conversation_id returning * into v_row;
  perform agentes.announce(p_org, (
    select jsonb_agg(e || jsonb_build_object('data', e->'data' || jsonb_build_object(
             'visitor_id', v_row.visitor_id, 'summary', v_handoff->'summary', 'summary_source', v_handoff->'summary_source')))
      from jsonb_array_elements(p_events) e where e->>'type' = 'human_requested'));
  return v_row;
end $$;
comment on function agentes.handoff_begin(uuid, uuid, jsonb, jsonb) is
  'Has a person asked for, once; where nobody has summed the conversation up, its last messages stand for that.';

create function public.conversation_hand_over_v1(
  p_org uuid, p_id uuid, p_handoff jsonb, p_by_visitor boolean, p_events jsonb
) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_row agentes.conversations;
begin
  perform set_config('app.org', p_org::text, true);
  if p_by_visitor and exists (
       select from conversations c join agents a on a.organization_id = p_org and a.id = c.agent_id
        where c.organization_id = p_org and c.id = p_id and not coalesce((a.handoff->>'by_visitor')::boolean, true)) then
    return jsonb_build_object('outcome', 'refused');
  end if;
  v_row := handoff_begin(p_org, p_id, p_handoff, p_events);
  if v_row.id is null then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  return jsonb_build_object('outcome', 'done', 'conversation', to_jsonb(v_row));
end $$;
comment on function public.conversation_hand_over_v1(uuid, uuid, jsonb, boolean, jsonb) is
  'Asks for a person in a conversation, unless one is asked for already; refused to visitors where their agent says so.';

create function public.conversation_take_v1(p_org uuid, p_id uuid, p_operator text, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_row agentes.conversations;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_row from conversations where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  elsif v_row.status <> 'human_requested' then
    return jsonb_build_object('outcome', 'no_handoff');
  elsif v_row.handoff->>'taken_by' <> p_operator then
    return jsonb_build_object('outcome', 'taken', 'taken_by', v_row.handoff->'taken_by');
  elsif v_row.handoff->>'taken_by' is null then
    update conversations set updated_at = now(),
           handoff = handoff || jsonb_build_object('taken_by', p_operator, 'taken_at', now())
     where organization_id = p_org and id = p_id returning * into v_row;
    perform announce(p_org, p_events);
  end if;
  return jsonb_build_object('outcome', 'done', 'conversation', to_jsonb(v_row));
end $$;
comment on function public.conversation_take_v1(uuid, uuid, text, jsonb) is
  'Says who answers a conversation that was handed over; only the first who takes it does.';

create function public.conversation_return_v1(p_org uuid, p_id uuid, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_row agentes.conversations;
begin
  perform set_config('app.org', p_org::text, true);
  update conversations set status = 'active', updated_at = now(),
         handoff = coalesce(handoff, '{}') || jsonb_build_object('returned_at', now())
   where organization_id = p_org and id = p_id and status = 'human_requested' returning * into v_row;
  if found then
    perform announce(p_org, p_events);
    return jsonb_build_object('outcome', 'done', 'conversation', to_jsonb(v_row));
  end if;
  return jsonb_build_object('outcome', case when exists (
    select from conversations where organization_id = p_org and id = p_id) then 'no_handoff' else 'not_found' end);
end $$;
comment on function public.conversation_return_v1(uuid, uuid, jsonb) is
  'Gives a conversation that was handed over back to its agent.';

create function public.conversation_reply_v1(p_org uuid, p_id uuid, p_message jsonb, p_operator text, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_before agentes.conversations;
  v_row jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_before from conversations where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  insert into messages (id, organization_id, conversation_id, role, content, metadata)
  values ((p_message->>'id')::uuid, p_org, p_id, 'operator', p_message->>'content', p_message->'metadata')
  returning to_jsonb(messages) into v_row;
  if v_before.status = 'human_requested' and v_before.handoff->>'taken_by' is null then
    perform public.conversation_take_v1(p_org, p_id, p_operator, (
      select jsonb_agg(e) from jsonb_array_elements(p_events) e where e->>'type' = 'handoff_taken'));
  else
    update conversations set updated_at = now() where organization_id = p_org and id = p_id;
  end if;
  perform announce(p_org, (
    select jsonb_agg(e) from jsonb_array_elements(p_events) e where e->>'type' = 'operator_replied'));
  return jsonb_build_object('outcome', 'done', 'message', v_row);
end $$;
comment on function public.conversation_reply_v1(uuid, uuid, jsonb, text, jsonb) is
  'Keeps what a person has written to the visitor; whoever replies to what nobody has taken takes it.';

-- As it was; a person is also asked for, or not any more, by the status.
create or replace function public.conversation_update_v2(
  p_org uuid, p_id uuid, p_changes jsonb, p_expected_versions jsonb, p_events jsonb
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_before agentes.conversations;
  v_changes jsonb := p_changes - 'handoff';
  v_status text := p_changes->>'status';
  v_row jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_before from conversations where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  elsif p_expected_versions is not null and not p_expected_versions @> to_jsonb(v_before.version) then
    return jsonb_build_object('outcome', 'version_mismatch', 'version', v_before.version);
  end if;
  if v_status = 'human_requested' then
    v_changes := v_changes - 'status';
  elsif v_before.status = 'human_requested' and v_status is not null then
    v_changes := v_changes || jsonb_build_object(
      'handoff', coalesce(v_before.handoff, '{}') || jsonb_build_object('returned_at', now()));
  end if;
  v_row := public.row_update_v1(p_org, 'conversations', p_id, v_changes);
  if v_status = 'human_requested' then
    v_row := to_jsonb(handoff_begin(p_org, p_id, p_changes->'handoff', p_events));
  end if;
  perform announce(p_org, (
    select jsonb_agg(e) from jsonb_array_elements(p_events) e
     where e->>'type' = 'conversation_resolved' and v_status = 'resolved' and v_before.status <> 'resolved'
        or e->>'type' = 'handoff_returned' and v_status = 'active' and v_before.status = 'human_requested'));
  return jsonb_build_object('outcome', 'updated', 'conversation', v_row);
end $$;

do $$
declare
  v_function text;
begin
  perform agentes.lock_helper('agentes.last_messages(uuid, uuid)');
  perform agentes.lock_helper('agentes.handoff_begin(uuid, uuid, jsonb, jsonb)');
  foreach v_function in array array[
    'conversation_hand_over_v1(uuid, uuid, jsonb, boolean, jsonb)', 'conversation_take_v1(uuid, uuid, text, jsonb)',
    'conversation_return_v1(uuid, uuid, jsonb)', 'conversation_reply_v1(uuid, uuid, jsonb, text, jsonb)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
end $$;

select agentes.migration_applied('20261126160100');

notify pgrst, 'reload schema';
