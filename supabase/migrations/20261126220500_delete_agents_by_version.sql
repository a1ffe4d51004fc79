-- A deletion bound to a version (`If-Match`), as changes are.
create function public.agent_delete_v1(p_org uuid, p_id uuid, p_expected_versions jsonb default null)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_version int;
begin
  perform set_config('app.org', p_org::text, true);
  select version into v_version from agents where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  elsif p_expected_versions is not null and not p_expected_versions @> to_jsonb(v_version) then
    return jsonb_build_object('outcome', 'version_mismatch', 'version', v_version);
  end if;
  delete from agents where organization_id = p_org and id = p_id;
  return jsonb_build_object('outcome', 'deleted');
end $$;
comment on function public.agent_delete_v1(uuid, uuid, jsonb) is
  'Deletes an agent, where its version is one of those expected.';

do $$
begin
  perform agentes.lock_function('public.agent_delete_v1(uuid, uuid, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126220500');

notify pgrst, 'reload schema';
