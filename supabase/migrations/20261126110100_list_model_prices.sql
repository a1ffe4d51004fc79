-- The history of what a model costs an organization.

create function public.model_price_set_v1(p_org uuid, p_model_id text, p_price jsonb, p_at_most int default 1000)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if (select count(*) >= p_at_most from model_prices where organization_id = p_org and model_id = p_model_id) then
    return jsonb_build_object('outcome', 'too_many');
  end if;
  return jsonb_build_object('outcome', 'set', 'price', model_price_put(p_org, p_model_id, p_price));
end $$;
comment on function public.model_price_set_v1(uuid, text, jsonb, int) is
  'What a model costs from a moment on; it replaces a price that holds from the same moment.';

create function public.model_prices_list_v1(p_org uuid, p_model_id text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select coalesce(jsonb_agg(to_jsonb(p) order by p.valid_from desc nulls last), '[]')
            from model_prices p where p.organization_id = p_org and p.model_id = p_model_id);
end $$;
comment on function public.model_prices_list_v1(uuid, text) is
  'A model''s prices for the organization, the latest first.';

create function public.model_price_delete_v1(p_org uuid, p_model_id text, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  delete from model_prices where organization_id = p_org and model_id = p_model_id and id = p_id;
  return to_jsonb(found);
end $$;
comment on function public.model_price_delete_v1(uuid, text, uuid) is
  'Deletes one of a model''s prices; the one before it holds again.';

do $$
begin
  perform agentes.lock_function('public.model_price_set_v1(uuid, text, jsonb, int)', 'agentes_tenant');
  perform agentes.lock_function('public.model_prices_list_v1(uuid, text)', 'agentes_tenant');
  perform agentes.lock_function('public.model_price_delete_v1(uuid, text, uuid)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126110100');

notify pgrst, 'reload schema';
