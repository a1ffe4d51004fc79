-- Who asks for what came after a number that nothing has had yet is told so; of streams that are opened
-- at once no more are let in than may be.

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

-- Of streams that are opened at once the calls come in any order: a smaller count is an older one. What
-- has been closed since is told with the next beat.
create or replace function public.event_stream_admit_v1(
  p_org uuid, p_process_id uuid, p_actor text, p_own_of_actor int, p_own int,
  p_per_caller int, p_per_organization int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  perform pg_advisory_xact_lock(hashtext('agentes.event_streams'), hashtext(p_org::text));
  if streams_elsewhere(p_org, p_process_id, p_actor) + p_own_of_actor > p_per_caller
     or streams_elsewhere(p_org, p_process_id) + p_own > p_per_organization then
    return 'false';
  end if;
  perform hub_seen(p_process_id);
  insert into event_streams as s (process_id, organization_id, actor, count)
  values (p_process_id, p_org, p_actor, p_own_of_actor)
  on conflict (organization_id, actor, process_id) do update set count = greatest(s.count, excluded.count);
  return 'true';
end $$;

do $$
begin
  perform agentes.lock_function(
    'public.events_list_v2(uuid, bigint, bigint, jsonb, uuid, text, text, int)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261127000600');

notify pgrst, 'reload schema';
