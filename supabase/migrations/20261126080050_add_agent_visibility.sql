-- Who may talk to an agent: a private one is reached with the organization's own credentials only.

alter table agentes.agents add column visibility text not null default 'private';

-- As it was, and the new field with the others.
create or replace function public.agent_update_v1(
  p_org uuid, p_id uuid, p_changes jsonb, p_actor text, p_expected_versions jsonb default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_unknown jsonb;
  v_old agentes.agents;
  v_new agentes.agents;
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
  elsif agent_settings(v_old) || p_changes = agent_settings(v_old) then
    return jsonb_build_object('outcome', 'updated', 'agent', to_jsonb(v_old));
  end if;
  v_new := jsonb_populate_record(v_old, p_changes || jsonb_build_object('version', v_old.version + 1));
  update agents set (name, description, system_prompt, model_id, temperature, max_tokens, top_p,
                     knowledge_base_ids, retrieval, welcome_message, suggested_questions, language,
                     interface_config, guardrails, is_active, visibility, version, updated_at)
    = (v_new.name, v_new.description, v_new.system_prompt, v_new.model_id, v_new.temperature,
       v_new.max_tokens, v_new.top_p, v_new.knowledge_base_ids, v_new.retrieval, v_new.welcome_message,
       v_new.suggested_questions, v_new.language, v_new.interface_config, v_new.guardrails,
       v_new.is_active, v_new.visibility, v_new.version, now())
   where organization_id = p_org and id = p_id returning * into v_new;
  perform agent_keep_version(v_new, agent_settings(v_old), p_actor);
  return jsonb_build_object('outcome', 'updated', 'agent', to_jsonb(v_new));
end $$;

select agentes.migration_applied('20261126080050');

notify pgrst, 'reload schema';
