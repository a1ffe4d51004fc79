-- What exports read beside the lists: messages of many conversations, and what each answer has cost.

create index if not exists runs_by_organization on agentes.runs (organization_id, id);

create function public.messages_export_v1(p_org uuid, p_conversations jsonb, p_limit int, p_after jsonb default null)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_ids uuid[] := ids_in(p_conversations);
  v_rows jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select jsonb_agg(to_jsonb(m) || jsonb_build_object(
           'agent_id', c.agent_id, 'visitor_id', c.visitor_id, 'feedback', (
             select to_jsonb(f) from feedback f where f.organization_id = p_org and f.message_id = m.id
              order by f.updated_at desc, f.id desc limit 1)) order by m.conversation_id, m.id)
    into v_rows
    from (select * from messages
           where organization_id = p_org and conversation_id = any (v_ids)
             and (p_after is null or (conversation_id, id) > ((p_after->>'conversation_id')::uuid, (p_after->>'id')::uuid))
           order by conversation_id, id limit least(greatest(p_limit, 0), 1001)) m
    join conversations c on c.organization_id = p_org and c.id = m.conversation_id;
  return coalesce(v_rows, '[]');
end $$;
comment on function public.messages_export_v1(uuid, jsonb, int, jsonb) is
  'Messages of these conversations after one of them, in the order of both ids, with whose they are.';

create function public.usage_export_v1(p_org uuid, p_where jsonb, p_limit int, p_after uuid default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_rows jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  -- Sorted before it is joined: the plan must not depend on how many runs there are.
  select jsonb_agg(jsonb_build_object(
           'run_id', r.id, 'started_at', r.started_at, 'ended_at', r.ended_at, 'status', r.status,
           'agent_id', r.agent_id, 'agent_version', r.agent_version, 'conversation_id', r.conversation_id,
           'message_id', r.message_id, 'model', coalesce(m.metadata->>'model', r.model_id),
           'provider', m.metadata->'provider', 'input_tokens', r.usage->'input_tokens',
           'output_tokens', r.usage->'output_tokens', 'cached_tokens', r.usage->'cached_tokens',
           'is_estimated', coalesce((r.usage->>'estimated')::boolean, false),
           'cost_usd', m.metadata->'cost_usd') order by r.id)
    into v_rows
    from (select * from runs
           where organization_id = p_org and (p_after is null or id > p_after)
             and (p_where->>'agent_id' is null or agent_id = (p_where->>'agent_id')::uuid)
             and (p_where->>'from' is null or started_at >= (p_where->>'from')::timestamptz)
             and (p_where->>'to' is null or started_at < (p_where->>'to')::timestamptz)
           order by id limit least(greatest(p_limit, 0), 1001)) r
    left join messages m on m.organization_id = p_org and m.id = r.message_id and m.role = 'assistant';
  return coalesce(v_rows, '[]');
end $$;
comment on function public.usage_export_v1(uuid, jsonb, int, uuid) is
  'What answers have used, by run, after one of them; what is not known, or was never asked of a model, is null.';

do $$
begin
  perform agentes.lock_function('public.messages_export_v1(uuid, jsonb, int, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.usage_export_v1(uuid, jsonb, int, uuid)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126160300');

notify pgrst, 'reload schema';
