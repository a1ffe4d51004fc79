-- Events that organizations name themselves, told by their agents' tools.

create function public.event_announce_once_v1(p_org uuid, p_event jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_id uuid := (p_event->>'id')::uuid;
begin
  perform set_config('app.org', p_org::text, true);
  -- Two calls with one id at the same moment: the second waits, and finds it.
  perform pg_advisory_xact_lock(hashtextextended(v_id::text, 0));
  if exists (select from outbox where organization_id = p_org and id = v_id)
     or exists (select from events where organization_id = p_org and id = v_id) then
    return jsonb_build_object('outcome', 'announced_before');
  end if;
  perform announce(p_org, jsonb_build_array(p_event));
  return jsonb_build_object('outcome', 'announced');
end $$;
comment on function public.event_announce_once_v1(uuid, jsonb) is
  'Announces an event, unless one with its id has been announced and is remembered still.';

do $$
begin
  perform agentes.lock_function('public.event_announce_once_v1(uuid, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126010100');

notify pgrst, 'reload schema';
