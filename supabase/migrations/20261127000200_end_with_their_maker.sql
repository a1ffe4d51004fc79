-- An API key ends with the person who made it, and two changes of one webhook never lose a header.

create or replace function public.api_key_find_v1(p_public_id text) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  -- Made by a key, it goes on as long as that one's maker does; made by us, it has none.
  with recursive makers as (
    select k.organization_id, k.created_by from api_keys k where k.public_id = p_public_id
    union
    select k.organization_id, k.created_by
      from makers m join api_keys k
        on k.organization_id = m.organization_id and 'api_key:' || k.id = m.created_by
  )
  select to_jsonb(k) from api_keys k join organizations o on o.id = k.organization_id
   where k.public_id = p_public_id and o.deleted_at is null
     and not exists (
       select from makers m join users u on 'user:' || u.id = m.created_by
         left join memberships s on s.organization_id = m.organization_id and s.user_id = u.id
        where u.deleted_at is not null or s.deleted_at is not null)
$$;
comment on function public.api_key_find_v1(text) is
  'The key of that public id; none once its organization or the person who made it has left.';

create function public.webhook_update_v2(p_org uuid, p_id uuid, p_seen jsonb, p_changes jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_now agentes.webhooks;
begin
  perform set_config('app.org', p_org::text, true);
  perform lanes_hold(array[p_id]);
  select * into v_now from webhooks where organization_id = p_org and id = p_id for update;
  if found and (v_now.url, v_now.headers_sealed)
               is distinct from (p_seen->>'url', p_seen->>'headers_sealed') then
    return jsonb_build_object('outcome', 'changed_meanwhile');
  end if;
  return public.webhook_update_v1(p_org, p_id, p_changes);
end $$;
comment on function public.webhook_update_v2(uuid, uuid, jsonb, jsonb) is
  'As webhook_update_v1, unless its address or its headers are no longer those of p_seen.';

do $$
begin
  perform agentes.lock_function('public.webhook_update_v2(uuid, uuid, jsonb, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261127000200');

notify pgrst, 'reload schema';
