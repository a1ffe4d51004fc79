-- A key may do no more than the person who made it may now, and ends with the key that made it if asked.

alter table agentes.api_keys
  add column maker_id uuid,
  add column maker_role text;
comment on column agentes.api_keys.maker_id is
  'The person from whom the key comes, directly or through other keys; null for one of ours.';
comment on column agentes.api_keys.maker_role is 'The role that gave the first of these keys its scopes.';
create index api_keys_by_maker on agentes.api_keys (organization_id, created_by);

with recursive line as (
  select k.id, substr(k.created_by, 6)::uuid as maker_id,
         -- Who has given what members may not give was none then.
         case when m.role = 'member' and k.scopes ?| array['*', 'analytics:write', 'keys:read', 'keys:write', 'models:write',
                                                           'privacy:write', 'settings:write', 'webhooks:write']
              then 'admin' else m.role end as maker_role
    from agentes.api_keys k left join agentes.memberships m
      on m.organization_id = k.organization_id and 'user:' || m.user_id = k.created_by
   where k.created_by like 'user:%'
  union all
  select k.id, l.maker_id, l.maker_role from line l join agentes.api_keys k on k.created_by = 'api_key:' || l.id
)
update agentes.api_keys k set maker_id = l.maker_id, maker_role = l.maker_role from line l where l.id = k.id;

create function agentes.note_maker() returns trigger
language plpgsql set search_path = pg_catalog, agentes as $$
begin
  if new.created_by like 'user:%' then
    new.maker_id := substr(new.created_by, 6)::uuid;
    new.maker_role := coalesce(new.maker_role, (
      select m.role from memberships m where m.organization_id = new.organization_id and m.user_id = new.maker_id));
  elsif new.created_by like 'api_key:%' then
    select k.maker_id, k.maker_role into new.maker_id, new.maker_role from api_keys k
     where k.organization_id = new.organization_id and k.id = substr(new.created_by, 9)::uuid;
  end if;
  return new;
end $$;
comment on function agentes.note_maker() is 'Keeps with a new key from whom it comes, and what role gave it its scopes.';
create trigger note_maker before insert on agentes.api_keys for each row execute function agentes.note_maker();

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
  select jsonb_build_object('role_then', p_key.maker_role, 'role', s.role,
                            'has_left', s.user_id is null or s.deleted_at is not null)
    from (select p_key.maker_id as id) m left join agentes.memberships s
      on s.organization_id = p_key.organization_id and s.user_id = m.id
   where m.id is not null
$$;
alter function agentes.maker_of(agentes.api_keys) set search_path = pg_catalog, agentes;
comment on function agentes.maker_of(agentes.api_keys) is
  '{role_then, role, has_left} of the person from whom a key comes; null without one.';

create function public.api_key_create_v1(p_org uuid, p_key jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if p_key->>'created_by' like 'api_key:%' then
    -- Whoever revokes that key waits for this one, and ends it too where it is asked to. In a queue: those who
    -- share a lock could keep whoever wants it alone waiting for ever.
    perform from api_keys k where k.organization_id = p_org and k.id = substr(p_key->>'created_by', 9)::uuid
       and k.revoked_at is null and coalesce(k.expires_at > now(), true) for no key update;
  elsif p_key->>'created_by' like 'user:%' then
    perform from memberships m where m.organization_id = p_org and m.user_id = substr(p_key->>'created_by', 6)::uuid
       and m.deleted_at is null;
  end if;
  if not found then
    return null;
  end if;
  return public.row_insert_v1(p_org, 'api_keys', p_key);
end $$;
comment on function public.api_key_create_v1(uuid, jsonb) is
  'A new key, without what is secret; null where whoever makes it has ended meanwhile.';

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
  v_line uuid[] := '{}';
  v_next uuid[] := array[p_id];
  v_ended jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  loop
    perform from api_keys k where k.organization_id = p_org and k.id = any (v_next) order by k.id for update;
    v_line := v_line || v_next;
    exit when not p_including_made;
    -- A statement of its own, which sees what was made until they were locked.
    v_next := array(
      select k.id from api_keys k where k.organization_id = p_org and not k.id = any (v_line)
         and k.created_by = any (array(select 'api_key:' || i from unnest(v_next) i)));
    exit when v_next = '{}';
  end loop;
  with ended as (
    update api_keys k set revoked_at = now(), updated_at = now()
     where k.organization_id = p_org and k.id = any (v_line) and k.revoked_at is null returning k.public_id
  )
  select coalesce(jsonb_agg(public_id), '[]') into v_ended from ended;
  return v_ended;
end $$;
comment on function public.api_key_revoke_v1(uuid, uuid, boolean) is
  'Revokes a key for good, and if asked all that come from it; the public ids of those that were not revoked yet.';

do $$
begin
  perform agentes.revoke_from_strangers('function agentes.note_maker()');
  perform agentes.revoke_from_strangers('function agentes.end_memberships()');
  perform agentes.lock_helper('agentes.maker_of(agentes.api_keys)');
  perform agentes.lock_function('public.api_key_find_v2(text)', 'agentes_system');
  perform agentes.lock_function('public.api_keys_find_v1(uuid, uuid, text, int, uuid)', 'agentes_tenant');
  perform agentes.lock_function('public.api_key_create_v1(uuid, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.api_key_revoke_v1(uuid, uuid, boolean)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261127230000');

notify pgrst, 'reload schema';
