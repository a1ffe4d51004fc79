-- Keys end with their organization, a token does not overrule what Clerk has told since it was issued,
-- and a keyed request that was refused leaves nothing behind.

create or replace function public.api_key_find_v1(p_public_id text) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select to_jsonb(k) from api_keys k join organizations o on o.id = k.organization_id
   where k.public_id = p_public_id and o.deleted_at is null
$$;

create or replace function public.widget_key_find_v1(p_public_key text) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select to_jsonb(k) || jsonb_build_object('agent', jsonb_build_object(
           'name', a.name, 'welcome_message', a.welcome_message, 'language', a.language,
           'suggested_questions', a.suggested_questions, 'interface_config', a.interface_config,
           'is_open', a.visibility = 'public' and a.is_active))
    from widget_keys k join agents a on a.id = k.agent_id join organizations o on o.id = k.organization_id
   where k.public_key = p_public_key and o.deleted_at is null
$$;

create or replace function public.session_resolve_v1(
  p_clerk_organization text, p_clerk_user text, p_role text, p_issued_at_s bigint,
  p_new_organization_id uuid, p_new_user_id uuid
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_user agentes.users := user_of_clerk(p_clerk_user, p_new_user_id);
  v_organization agentes.organizations;
  v_membership agentes.memberships;
  v_role text := p_role;
begin
  if v_user.deleted_at is not null then
    return jsonb_build_object('outcome', 'user_deleted');
  end if;
  v_organization := organization_of_clerk(p_clerk_organization, p_new_organization_id);
  if v_organization.deleted_at is not null then
    return jsonb_build_object('outcome', 'organization_deleted');
  end if;
  select * into v_membership from memberships m
   where m.organization_id = v_organization.id and m.user_id = v_user.id;
  if v_membership.deleted_at >= to_timestamp(p_issued_at_s) then
    return jsonb_build_object('outcome', 'membership_ended');
  elsif v_membership.deleted_at is null and v_membership.role <> ''
        and v_membership.clerk_updated_at > to_timestamp(p_issued_at_s) then
    v_role := v_membership.role;
  elsif not found or v_membership.role <> p_role or v_membership.deleted_at is not null then
    -- Whatever is written meanwhile by a newer message stays.
    insert into memberships as m (organization_id, user_id, role) values (v_organization.id, v_user.id, p_role)
    on conflict (organization_id, user_id) do update
       set role = excluded.role, deleted_at = null, updated_at = now()
     where coalesce(m.clerk_updated_at, '-infinity') <= to_timestamp(p_issued_at_s);
  end if;
  return jsonb_build_object('outcome', 'member', 'organization_id', v_organization.id, 'user_id', v_user.id,
                            'role', v_role);
end $$;
comment on function public.session_resolve_v1(text, text, text, bigint, uuid, uuid) is
  'Our ids of a session''s user and organization, and the role by whichever is newer, the token or Clerk''s messages; refused where either is deleted or the membership ended after the token was issued.';

-- The same moment for every try of one request, and another one when the key is used anew.
create function public.idempotent_request_begin_v2(p_org uuid, p_key text, p_fingerprint text, p_lease_s int)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_begun jsonb := public.idempotent_request_begin_v1(p_org, p_key, p_fingerprint, p_lease_s);
begin
  -- In a statement of its own: the one above could not see the row that it makes.
  return v_begun || jsonb_build_object('first_at', (
    select created_at from idempotency_keys where organization_id = p_org and key = p_key));
end $$;
comment on function public.idempotent_request_begin_v2(uuid, text, text, int) is
  'As idempotent_request_begin_v1, and when the request was first begun.';

create function public.idempotent_request_end_v2(p_org uuid, p_key text, p_response text, p_is_refused boolean)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if p_response is not null then
    update idempotency_keys set response = p_response where organization_id = p_org and key = p_key;
    delete from idempotent_calls where organization_id = p_org and key = p_key;
  elsif p_is_refused then
    -- What it had read on the way to the refusal may be otherwise by the next try.
    delete from idempotent_calls where organization_id = p_org and key = p_key;
    delete from idempotency_keys where organization_id = p_org and key = p_key;
  else
    update idempotency_keys set locked_until = 'epoch' where organization_id = p_org and key = p_key;
    delete from idempotency_keys k where k.organization_id = p_org and k.key = p_key
       and not exists (select from idempotent_calls c where c.organization_id = p_org and c.key = p_key);
  end if;
  return 'null';
end $$;
comment on function public.idempotent_request_end_v2(uuid, text, text, boolean) is
  'Keeps the response of a keyed request; null where there is none: a refused one is forgotten, one that failed goes on at the next try from what it had done.';

do $$
begin
  perform agentes.lock_function('public.idempotent_request_begin_v2(uuid, text, text, int)', 'agentes_tenant');
  perform agentes.lock_function('public.idempotent_request_end_v2(uuid, text, text, boolean)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126190000');

notify pgrst, 'reload schema';
