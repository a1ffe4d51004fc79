-- A key may do no more than the person who made it may now, and ends with the key that made it if asked.

alter table agentes.api_keys add column maker_role text;
comment on column agentes.api_keys.maker_role is
  'The role of the person who made the key, at that time; null where a key made it, or we did.';

update agentes.api_keys k
   -- Nobody but an administrator has ever had all scopes to give.
   set maker_role = case when k.scopes ? '*' then 'admin' else m.role end
  from agentes.memberships m
 where m.organization_id = k.organization_id and k.created_by = 'user:' || m.user_id;

create function agentes.note_maker_role() returns trigger
language plpgsql set search_path = pg_catalog, agentes as $$
begin
  new.maker_role := (
    select m.role from memberships m
     where m.organization_id = new.organization_id and 'user:' || m.user_id = new.created_by);
  return new;
end $$;
comment on function agentes.note_maker_role() is 'Keeps with a new key what role its maker has.';
create trigger note_maker_role before insert on agentes.api_keys
  for each row when (new.created_by like 'user:%') execute function agentes.note_maker_role();

-- Memberships end with the person, so that keys need to look at nothing else.
create function agentes.end_memberships() returns trigger
language plpgsql set search_path = pg_catalog, agentes as $$
begin
  update memberships set deleted_at = new.deleted_at, updated_at = now()
   where user_id = new.id and deleted_at is null;
  return null;
end $$;
comment on function agentes.end_memberships() is 'Ends the memberships of a person who is deleted.';
create trigger end_memberships after update of deleted_at on agentes.users
  for each row when (new.deleted_at is not null and old.deleted_at is null)
  execute function agentes.end_memberships();
update agentes.memberships m set deleted_at = u.deleted_at
  from agentes.users u where u.id = m.user_id and u.deleted_at is not null and m.deleted_at is null;

create function agentes.maker_of(p_key agentes.api_keys) returns jsonb
language sql stable as $$
  -- Made by a key, it goes by that one's maker; made by us, it has none.
  with recursive makers as (
    select p_key.created_by, p_key.maker_role
    union
    select k.created_by, k.maker_role
      from makers m join agentes.api_keys k
        on k.organization_id = p_key.organization_id and 'api_key:' || k.id = m.created_by
  )
  select jsonb_build_object('role_then', m.maker_role, 'role', s.role,
                            'has_left', s.user_id is null or s.deleted_at is not null)
    from makers m left join agentes.memberships s
      on s.organization_id = p_key.organization_id and 'user:' || s.user_id = m.created_by
   where m.created_by like 'user:%'
$$;
alter function agentes.maker_of(agentes.api_keys) set search_path = pg_catalog, agentes;
comment on function agentes.maker_of(agentes.api_keys) is
  '{role_then, role, has_left} of the person from whom a key comes, directly or through other keys; null without one.';

create function public.api_key_find_v2(p_public_id text) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select to_jsonb(k) || jsonb_build_object('maker', m.maker)
    from api_keys k join organizations o on o.id = k.organization_id, lateral (select maker_of(k) as maker) m
   where k.public_id = p_public_id and o.deleted_at is null
     and not coalesce((m.maker->>'has_left')::boolean, false)
$$;
comment on function public.api_key_find_v2(text) is
  'The key of that public id with its maker (maker_of); none once its organization or the person who made it has left.';

create function public.api_keys_find_v1(
  p_org uuid, p_id uuid default null, p_created_by text default null, p_limit int default 20, p_after uuid default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (
    select coalesce(jsonb_agg(to_jsonb(k) - array['secret_sha256', 'previous_sha256']
                              || jsonb_build_object('maker', maker_of(k)) order by k.id desc), '[]')
      from (select * from api_keys
             where organization_id = p_org and (p_id is null or id = p_id)
               and (p_created_by is null or created_by = p_created_by) and (p_after is null or id < p_after)
             order by id desc limit least(greatest(p_limit, 0), 1001)) k);
end $$;
comment on function public.api_keys_find_v1(uuid, uuid, text, int, uuid) is
  'Keys with their makers (maker_of), newest first, without what is secret.';

create function public.api_key_revoke_v1(p_org uuid, p_id uuid, p_including_made boolean) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_ended jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  with recursive line as (
    select k.id from api_keys k where k.organization_id = p_org and k.id = p_id
       and (k.revoked_at is null or p_including_made)
    union
    select k.id from line l join api_keys k
        on k.organization_id = p_org and k.created_by = 'api_key:' || l.id and p_including_made
  ), ended as (
    update api_keys k set revoked_at = now(), updated_at = now() from line l
     where k.organization_id = p_org and k.id = l.id and k.revoked_at is null returning k.public_id
  )
  select coalesce(jsonb_agg(public_id), '[]') into v_ended from ended;
  return v_ended;
end $$;
comment on function public.api_key_revoke_v1(uuid, uuid, boolean) is
  'Revokes a key for good, and if asked all that come from it; the public ids of those that were not revoked yet.';

do $$
begin
  perform agentes.revoke_from_strangers('function agentes.note_maker_role()');
  perform agentes.revoke_from_strangers('function agentes.end_memberships()');
  perform agentes.lock_helper('agentes.maker_of(agentes.api_keys)');
  perform agentes.lock_function('public.api_key_find_v2(text)', 'agentes_system');
  perform agentes.lock_function('public.api_keys_find_v1(uuid, uuid, text, int, uuid)', 'agentes_tenant');
  perform agentes.lock_function('public.api_key_revoke_v1(uuid, uuid, boolean)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261127230000');

notify pgrst, 'reload schema';
