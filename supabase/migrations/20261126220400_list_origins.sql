-- Origins of pages: which may call for an organization, and the widget keys that have no list of their own.

create index settings_by_origin on agentes.settings using gin ((document->'allowed_origins'));
create index widget_keys_by_origin on agentes.widget_keys using gin (allowed_origins);

-- Spelled as its indexes are; the caller knows every spelling under which an origin may be listed.
create function public.origin_listed_v1(p_candidates jsonb, p_organization_id uuid) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select to_jsonb(
    exists (select from settings s
             where s.document->'allowed_origins' ?| array(select jsonb_array_elements_text(p_candidates))
               and (p_organization_id is null or s.organization_id = p_organization_id))
    or exists (select from widget_keys k
                where k.allowed_origins ?| array(select jsonb_array_elements_text(p_candidates))
                  and k.revoked_at is null
                  and (p_organization_id is null or k.organization_id = p_organization_id)))
$$;
comment on function public.origin_listed_v1(jsonb, uuid) is
  'Whether the settings or a widget key of an organization, or of any, list one of these origins.';

create or replace function public.widget_key_find_v1(p_public_key text) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select to_jsonb(k) || jsonb_build_object(
           'allowed_origins', case when k.allowed_origins = '[]'
             then coalesce((select s.document->'allowed_origins' from settings s
                             where s.organization_id = k.organization_id), '[]')
             else k.allowed_origins end,
           'agent', jsonb_build_object(
             'name', a.name, 'welcome_message', a.welcome_message, 'language', a.language,
             'suggested_questions', a.suggested_questions, 'interface_config', a.interface_config,
             'is_open', a.visibility = 'public' and a.is_active))
    from widget_keys k join agents a on a.id = k.agent_id join organizations o on o.id = k.organization_id
   where k.public_key = p_public_key and o.deleted_at is null
$$;

do $$
begin
  perform agentes.lock_function('public.origin_listed_v1(jsonb, uuid)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126220400');

notify pgrst, 'reload schema';
