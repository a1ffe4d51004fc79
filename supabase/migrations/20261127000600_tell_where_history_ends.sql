-- Who asks for what came after a number that nothing has had yet is told so.

create function public.events_list_v2(
  p_org uuid, p_after bigint default null, p_before bigint default null, p_types jsonb default null,
  p_agent_id uuid default null, p_from text default null, p_to text default null,
  p_limit int default 20
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return public.events_list_v1(p_org, p_after, p_before, p_types, p_agent_id, p_from, p_to, p_limit)
    || jsonb_build_object('head', coalesce((select position from event_heads where organization_id = p_org), 0));
end $$;
comment on function public.events_list_v2(uuid, bigint, bigint, jsonb, uuid, text, text, int) is
  'As events_list_v1; head is the greatest number that there is.';

do $$
begin
  perform agentes.lock_function(
    'public.events_list_v2(uuid, bigint, bigint, jsonb, uuid, text, text, int)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261127000600');

notify pgrst, 'reload schema';
