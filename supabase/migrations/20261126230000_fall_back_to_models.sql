-- Models that an agent falls back to where its own fails before its first word.

-- Null is what agents of before have: none.
alter table agentes.agents add column fallback_model_ids jsonb;

create or replace function public.model_delete_v1(p_org uuid, p_id text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_agents jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select jsonb_agg(id order by id) into v_agents from (
    select id from agents
     where organization_id = p_org and (model_id = p_id or fallback_model_ids ? p_id) order by id limit 20) used;
  if v_agents is not null then
    return jsonb_build_object('outcome', 'in_use', 'agent_ids', v_agents);
  end if;
  delete from models where organization_id = p_org and id = p_id;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  delete from model_prices where organization_id = p_org and model_id = p_id;
  return jsonb_build_object('outcome', 'deleted');
end $$;

select agentes.migration_applied('20261126230000');

notify pgrst, 'reload schema';
