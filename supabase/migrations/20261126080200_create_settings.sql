-- What an organization has set for itself; everything that it has not set has a default in the service.

create table agentes.settings (
  organization_id uuid primary key references agentes.organizations on delete cascade,
  document jsonb not null default '{}',
  version int not null default 1,
  updated_at timestamptz not null default now()
);
comment on table agentes.settings is 'One document for each organization that has changed a setting.';

create function public.settings_read_v1(p_org uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return coalesce((select document || jsonb_build_object('version', version) from settings where organization_id = p_org),
                  '{"version": 0}');
end $$;
comment on function public.settings_read_v1(uuid) is 'What the organization has set, with the version of that.';

-- Objects within the document are merged a level deep: {"rate_limits": {"chats_per_minute": 10}} leaves the
-- other limits as they are, and null takes a value away, so that its default holds again.
create function public.settings_update_v1(p_org uuid, p_changes jsonb, p_expected_versions jsonb default null)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_old agentes.settings;
  v_new jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  insert into settings (organization_id, version) values (p_org, 0) on conflict (organization_id) do nothing;
  select * into strict v_old from settings where organization_id = p_org for update;
  if p_expected_versions is not null and not p_expected_versions @> to_jsonb(v_old.version) then
    return jsonb_build_object('outcome', 'version_mismatch', 'version', v_old.version);
  end if;
  select coalesce(jsonb_object_agg(key, value), '{}') into v_new from (
    select coalesce(o.key, c.key) as key,
           case when jsonb_typeof(c.value) = 'object' and jsonb_typeof(coalesce(o.value, '{}')) = 'object'
                then jsonb_strip_nulls(coalesce(o.value, '{}') || c.value)
                else coalesce(c.value, o.value) end as value
      from jsonb_each(v_old.document) o full join jsonb_each(p_changes) c on c.key = o.key) merged
   where jsonb_typeof(value) <> 'null';
  if v_new = v_old.document then
    return jsonb_build_object('outcome', 'updated', 'settings', v_new || jsonb_build_object('version', v_old.version));
  end if;
  update settings set document = v_new, version = v_old.version + 1, updated_at = now() where organization_id = p_org;
  return jsonb_build_object('outcome', 'updated', 'settings', v_new || jsonb_build_object('version', v_old.version + 1));
end $$;
comment on function public.settings_update_v1(uuid, jsonb, jsonb) is
  'Merges changes into what the organization has set, where its version is one of those expected.';

do $$
begin
  perform agentes.lock_table('agentes.settings');
  perform agentes.lock_function('public.settings_read_v1(uuid)', 'agentes_tenant');
  perform agentes.lock_function('public.settings_update_v1(uuid, jsonb, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126080200');

notify pgrst, 'reload schema';
