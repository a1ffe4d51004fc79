-- Agents and their versions: every change makes a numbered, immutable snapshot.

create table agentes.agents (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  created_by text not null,
  name text not null,
  description text not null default '',
  system_prompt text not null default '',
  model_id text not null,
  temperature double precision not null,
  max_tokens integer not null,
  top_p double precision,
  knowledge_base_ids jsonb not null default '[]',
  retrieval jsonb not null,
  welcome_message text not null default '',
  suggested_questions jsonb not null default '[]',
  language text not null,
  interface_config jsonb not null default '{}',
  guardrails jsonb not null,
  is_active boolean not null default true,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.agents is 'The newest version of each agent.';
create index agents_by_organization on agentes.agents (organization_id, id desc);

create table agentes.agent_versions (
  organization_id uuid not null,
  agent_id uuid not null references agentes.agents on delete cascade,
  version integer not null,
  snapshot jsonb not null,
  changes jsonb not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  primary key (agent_id, version)
);
comment on table agentes.agent_versions is 'What each version of an agent was, and what it changed.';

-- What a version is made of: everything but identity, dates and the number itself.
create function agentes.agent_settings(p_agent agentes.agents) returns jsonb
language sql immutable as $$
  select to_jsonb(p_agent) - array['id', 'organization_id', 'created_by', 'version', 'created_at', 'updated_at']
$$;
comment on function agentes.agent_settings(agentes.agents) is 'The part of an agent that versions keep.';

create function agentes.agent_keep_version(p_agent agentes.agents, p_before jsonb, p_actor text) returns void
language sql as $$
  insert into agentes.agent_versions (organization_id, agent_id, version, snapshot, changes, created_by)
  select p_agent.organization_id, p_agent.id, p_agent.version, after.settings,
         (select coalesce(jsonb_object_agg(key, jsonb_build_object('from', p_before->key, 'to', value)), '{}')
            from jsonb_each(after.settings) where p_before is not null and p_before->key is distinct from value),
         p_actor
    from (select agentes.agent_settings(p_agent) as settings) after
$$;
comment on function agentes.agent_keep_version(agentes.agents, jsonb, text) is
  'Writes the snapshot of the version that an agent has now.';

create function agentes.unknown_knowledge_bases(p_org uuid, p_ids jsonb) returns jsonb
language sql stable as $$
  select coalesce(jsonb_agg(wanted), '[]') from jsonb_array_elements_text(p_ids) wanted
   where not exists (select from agentes.knowledge_bases b
                     where b.organization_id = p_org and b.id = wanted::uuid)
$$;

comment on function agentes.unknown_knowledge_bases(uuid, jsonb) is
  'Those of the ids that name no knowledge base of the organization.';

create function public.agent_create_v1(p_org uuid, p_agent jsonb, p_actor text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_unknown jsonb;
  v_agent agentes.agents;
begin
  perform set_config('app.org', p_org::text, true);
  v_unknown := unknown_knowledge_bases(p_org, p_agent->'knowledge_base_ids');
  if v_unknown <> '[]' then
    return jsonb_build_object('outcome', 'unknown_knowledge_bases', 'ids', v_unknown);
  end if;
  insert into agents select * from jsonb_populate_record(null::agents, p_agent || jsonb_build_object(
    'organization_id', p_org, 'created_by', p_actor, 'version', 1, 'created_at', now(), 'updated_at', now()))
  returning * into v_agent;
  perform agent_keep_version(v_agent, null, p_actor);
  return jsonb_build_object('outcome', 'created', 'agent', to_jsonb(v_agent));
end $$;
comment on function public.agent_create_v1(uuid, jsonb, text) is
  'Stores an agent and its version 1; refuses knowledge bases that the organization does not have.';

create function public.agent_update_v1(
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
                     interface_config, guardrails, is_active, version, updated_at)
    = (v_new.name, v_new.description, v_new.system_prompt, v_new.model_id, v_new.temperature,
       v_new.max_tokens, v_new.top_p, v_new.knowledge_base_ids, v_new.retrieval, v_new.welcome_message,
       v_new.suggested_questions, v_new.language, v_new.interface_config, v_new.guardrails,
       v_new.is_active, v_new.version, now())
   where organization_id = p_org and id = p_id returning * into v_new;
  perform agent_keep_version(v_new, agent_settings(v_old), p_actor);
  return jsonb_build_object('outcome', 'updated', 'agent', to_jsonb(v_new));
end $$;
comment on function public.agent_update_v1(uuid, uuid, jsonb, text, jsonb) is
  'Changes an agent and keeps the new version, where its version is one of those expected.';

create function public.agent_versions_list_v1(p_org uuid, p_id uuid, p_limit int, p_before int default null)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if not exists (select from agents where organization_id = p_org and id = p_id) then
    return null;
  end if;
  return (select coalesce(jsonb_agg(to_jsonb(v)), '[]') from (
    select version, created_at, created_by, changes from agent_versions
     where organization_id = p_org and agent_id = p_id and (p_before is null or version < p_before)
     order by version desc limit p_limit) v);
end $$;
comment on function public.agent_versions_list_v1(uuid, uuid, int, int) is
  'The versions of an agent, newest first, or null where there is no such agent.';

create function public.agent_version_restore_v1(p_org uuid, p_id uuid, p_version int, p_actor text)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_snapshot jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  if not exists (select from agents where organization_id = p_org and id = p_id) then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  select snapshot into v_snapshot from agent_versions
   where organization_id = p_org and agent_id = p_id and version = p_version;
  if not found then
    return jsonb_build_object('outcome', 'version_not_found');
  end if;
  -- Bases that were deleted since then cannot come back with the version.
  v_snapshot := jsonb_set(v_snapshot, '{knowledge_base_ids}', (
    select coalesce(jsonb_agg(id), '[]') from jsonb_array_elements_text(v_snapshot->'knowledge_base_ids') id
     where exists (select from knowledge_bases b where b.organization_id = p_org and b.id = id::uuid)));
  return public.agent_update_v1(p_org, p_id, v_snapshot, p_actor);
end $$;
comment on function public.agent_version_restore_v1(uuid, uuid, int, text) is
  'Makes an earlier version the newest one, under a new number.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.agents');
  perform agentes.lock_table('agentes.agent_versions');
  perform agentes.lock_helper('agentes.agent_settings(agentes.agents)');
  perform agentes.lock_helper('agentes.agent_keep_version(agentes.agents, jsonb, text)');
  perform agentes.lock_helper('agentes.unknown_knowledge_bases(uuid, jsonb)');
  foreach v_function in array array[
    'agent_create_v1(uuid, jsonb, text)', 'agent_update_v1(uuid, uuid, jsonb, text, jsonb)',
    'agent_versions_list_v1(uuid, uuid, int, int)', 'agent_version_restore_v1(uuid, uuid, int, text)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  insert into agentes.catalogue (name, searchable) values ('agents', '{name,description}');
end $$;

notify pgrst, 'reload schema';
