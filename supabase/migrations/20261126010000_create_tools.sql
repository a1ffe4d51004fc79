-- Tools: what an agent can do besides answering, each with its kind's configuration.

create table agentes.tools (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  agent_id uuid not null references agentes.agents on delete cascade,
  type text not null,
  name text not null,
  description text not null default '',
  -- As clients read it: a secret stands here as {"set", "last4"}.
  config jsonb not null,
  parameters jsonb not null,
  risk text not null,
  is_active boolean not null default true,
  timeout_s integer not null,
  -- What of parameters and risk was chosen by the client; the rest follows from the kind.
  chosen jsonb not null default '{}',
  -- The secrets of config, sealed by the service as one text.
  sealed text,
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (agent_id, name)
);
comment on table agentes.tools is 'What an agent can do; revision counts changes, so that none is lost.';
create index tools_by_agent on agentes.tools (organization_id, agent_id, id desc);

create function public.tool_create_v1(p_org uuid, p_tool jsonb, p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_tool agentes.tools := jsonb_populate_record(null::tools, p_tool || jsonb_build_object(
    'organization_id', p_org, 'revision', 1, 'created_at', now(), 'updated_at', now()));
begin
  perform set_config('app.org', p_org::text, true);
  -- Whoever adds a tool to this agent waits here, so that the limit holds.
  perform from agents where organization_id = p_org and id = v_tool.agent_id for no key update;
  if not found then
    return jsonb_build_object('outcome', 'agent_not_found');
  elsif exists (select from tools where agent_id = v_tool.agent_id and name = v_tool.name) then
    return jsonb_build_object('outcome', 'name_taken');
  elsif (select count(*) from tools where agent_id = v_tool.agent_id) >= p_limit then
    return jsonb_build_object('outcome', 'limit_reached');
  end if;
  insert into tools select v_tool.* returning * into v_tool;
  return jsonb_build_object('outcome', 'created', 'tool', to_jsonb(v_tool));
end $$;
comment on function public.tool_create_v1(uuid, jsonb, int) is
  'Stores a tool of an agent, where its name is free and the agent has fewer than the limit.';

create function public.tool_update_v1(p_org uuid, p_agent_id uuid, p_id uuid, p_changes jsonb, p_revision int)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_tool agentes.tools;
begin
  perform set_config('app.org', p_org::text, true);
  perform from agents where organization_id = p_org and id = p_agent_id for no key update;
  select * into v_tool from tools where organization_id = p_org and agent_id = p_agent_id and id = p_id;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  elsif v_tool.revision <> p_revision then
    return jsonb_build_object('outcome', 'changed');
  end if;
  v_tool := jsonb_populate_record(v_tool, p_changes);
  if exists (select from tools where agent_id = p_agent_id and name = v_tool.name and id <> p_id) then
    return jsonb_build_object('outcome', 'name_taken');
  end if;
  update tools set (name, description, config, parameters, risk, is_active, timeout_s, chosen, sealed,
                    revision, updated_at)
    = (v_tool.name, v_tool.description, v_tool.config, v_tool.parameters, v_tool.risk, v_tool.is_active,
       v_tool.timeout_s, v_tool.chosen, v_tool.sealed, p_revision + 1, now())
   where organization_id = p_org and id = p_id returning * into v_tool;
  return jsonb_build_object('outcome', 'updated', 'tool', to_jsonb(v_tool));
end $$;
comment on function public.tool_update_v1(uuid, uuid, uuid, jsonb, int) is
  'Changes a tool that still has this revision, where its name is free.';

create function public.tool_find_v1(p_org uuid, p_agent_id uuid, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select to_jsonb(t) from tools t
           where t.organization_id = p_org and t.agent_id = p_agent_id and t.id = p_id);
end $$;
comment on function public.tool_find_v1(uuid, uuid, uuid) is 'One tool of an agent, or null.';

create function public.tools_list_v1(
  p_org uuid, p_agent_id uuid, p_limit int, p_after uuid default null, p_active_only boolean default false
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if not exists (select from agents where organization_id = p_org and id = p_agent_id) then
    return null;
  end if;
  return (select coalesce(jsonb_agg(to_jsonb(t) order by t.id desc), '[]') from (
    select * from tools
     where organization_id = p_org and agent_id = p_agent_id and (is_active or not p_active_only)
       and (p_after is null or id < p_after)
     order by id desc limit p_limit) t);
end $$;
comment on function public.tools_list_v1(uuid, uuid, int, uuid, boolean) is
  'The tools of an agent, newest first, or null where there is no such agent.';

create function public.tool_delete_v1(p_org uuid, p_agent_id uuid, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  delete from tools where organization_id = p_org and agent_id = p_agent_id and id = p_id;
  return to_jsonb(found);
end $$;
comment on function public.tool_delete_v1(uuid, uuid, uuid) is
  'Deletes one tool of an agent; says whether there was one.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.tools');
  foreach v_function in array array[
    'tool_create_v1(uuid, jsonb, int)', 'tool_update_v1(uuid, uuid, uuid, jsonb, int)',
    'tool_find_v1(uuid, uuid, uuid)', 'tools_list_v1(uuid, uuid, int, uuid, boolean)',
    'tool_delete_v1(uuid, uuid, uuid)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
end $$;

select agentes.migration_applied('20261126010000');

notify pgrst, 'reload schema';
