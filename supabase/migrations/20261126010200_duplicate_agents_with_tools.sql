-- A copy of an agent has copies of its tools, in one transaction.

create function public.agent_duplicate_v1(p_org uuid, p_agent jsonb, p_tools jsonb, p_actor text)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_result jsonb := public.agent_create_v1(p_org, p_agent, p_actor);
begin
  if v_result->>'outcome' = 'created' then
    insert into tools select (jsonb_populate_record(null::tools, tool || jsonb_build_object(
      'organization_id', p_org, 'agent_id', p_agent->'id', 'revision', 1,
      'created_at', now(), 'updated_at', now()))).*
      from jsonb_array_elements(p_tools) tool;
  end if;
  return v_result;
end $$;
comment on function public.agent_duplicate_v1(uuid, jsonb, jsonb, text) is
  'Stores an agent and its tools at once; refuses what agent_create_v1 refuses.';

do $$
begin
  perform agentes.lock_function('public.agent_duplicate_v1(uuid, jsonb, jsonb, text)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126010200');

notify pgrst, 'reload schema';
