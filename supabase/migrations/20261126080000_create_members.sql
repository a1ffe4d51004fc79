-- Who signs in: Clerk's users and organizations, each with an id of our own, and who is in which.
-- Rows are made at the first valid token or by Clerk's webhooks, whichever comes first.

alter table agentes.organizations
  add column clerk_id text unique,
  add column clerk_updated_at timestamptz,
  add column deleted_at timestamptz;

create table agentes.users (
  id uuid primary key,
  clerk_id text not null unique,
  email text,
  name text,
  clerk_updated_at timestamptz,
  deleted_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.users is 'People who sign in; they belong to no single organization.';

create table agentes.memberships (
  organization_id uuid not null references agentes.organizations on delete cascade,
  user_id uuid not null references agentes.users on delete cascade,
  role text not null,
  clerk_updated_at timestamptz,
  deleted_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, user_id)
);
comment on table agentes.memberships is 'Who is in which organization; an ended one stays, so that older tokens are known to be.';

create table agentes.clerk_messages (
  id text primary key,
  received_at timestamptz not null default now()
);
comment on table agentes.clerk_messages is 'Ids of Clerk''s webhook messages that have been applied.';

create function agentes.organization_of_clerk(p_clerk_id text, p_new_id uuid) returns agentes.organizations
language plpgsql as $$
declare
  v_row agentes.organizations;
begin
  select * into v_row from agentes.organizations where clerk_id = p_clerk_id;
  if not found then
    insert into agentes.organizations (id, slug, name, clerk_id) values (p_new_id, p_clerk_id, p_clerk_id, p_clerk_id)
    on conflict (clerk_id) do nothing;
    select * into strict v_row from agentes.organizations where clerk_id = p_clerk_id;
  end if;
  return v_row;
end $$;
comment on function agentes.organization_of_clerk(text, uuid) is 'The organization with that id of Clerk''s, made where it is missing.';

create function agentes.user_of_clerk(p_clerk_id text, p_new_id uuid) returns agentes.users
language plpgsql as $$
declare
  v_row agentes.users;
begin
  select * into v_row from agentes.users where clerk_id = p_clerk_id;
  if not found then
    insert into agentes.users (id, clerk_id) values (p_new_id, p_clerk_id) on conflict (clerk_id) do nothing;
    select * into strict v_row from agentes.users where clerk_id = p_clerk_id;
  end if;
  return v_row;
end $$;
comment on function agentes.user_of_clerk(text, uuid) is 'The user with that id of Clerk''s, made where it is missing.';

create function public.session_resolve_v1(
  p_clerk_organization text, p_clerk_user text, p_role text, p_issued_at_s bigint,
  p_new_organization_id uuid, p_new_user_id uuid
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_user agentes.users := user_of_clerk(p_clerk_user, p_new_user_id);
  v_organization agentes.organizations;
  v_membership agentes.memberships;
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
  elsif not found or v_membership.role <> p_role or v_membership.deleted_at is not null then
    insert into memberships as m (organization_id, user_id, role) values (v_organization.id, v_user.id, p_role)
    on conflict (organization_id, user_id) do update
       set role = excluded.role, deleted_at = null, updated_at = now();
  end if;
  return jsonb_build_object('outcome', 'member', 'organization_id', v_organization.id, 'user_id', v_user.id);
end $$;
comment on function public.session_resolve_v1(text, text, text, bigint, uuid, uuid) is
  'Our ids of a session''s user and organization; refused where either is deleted or the membership ended after the token was issued.';

-- What Clerk sends may come twice, late and in any order: an id counts once, an older state never
-- overwrites a newer one, and what is deleted stays deleted.
create function public.clerk_message_apply_v1(p_message_id text, p_type text, p_at_ms bigint, p_data jsonb,
                                              p_new_organization_id uuid, p_new_user_id uuid)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_user agentes.users;
  v_organization agentes.organizations;
  v_is_end boolean := p_type like '%.deleted';
  v_at timestamptz := to_timestamp(p_at_ms / 1000.0);
begin
  insert into clerk_messages (id) values (p_message_id) on conflict (id) do nothing;
  if not found then
    return jsonb_build_object('outcome', 'repeated');
  end if;
  if p_data->>'user' is not null then
    v_user := user_of_clerk(p_data->>'user', p_new_user_id);
  end if;
  if p_data->>'organization' is not null then
    v_organization := organization_of_clerk(p_data->>'organization', p_new_organization_id);
  end if;
  if p_type like 'user.%' then
    update users set deleted_at = case when v_is_end then coalesce(deleted_at, v_at) else deleted_at end,
           email = case when v_is_end then null else coalesce(p_data->>'email', email) end,
           name = case when v_is_end then null else coalesce(p_data->>'name', name) end,
           clerk_updated_at = v_at, updated_at = now()
     where id = v_user.id and (v_is_end or (deleted_at is null and coalesce(clerk_updated_at, '-infinity') <= v_at));
  elsif p_type like 'organization.%' then
    update organizations set deleted_at = case when v_is_end then coalesce(deleted_at, v_at) else deleted_at end,
           name = coalesce(p_data->>'name', name), clerk_updated_at = v_at, updated_at = now()
     where id = v_organization.id
       and (v_is_end or (deleted_at is null and coalesce(clerk_updated_at, '-infinity') <= v_at));
  else
    insert into memberships as m (organization_id, user_id, role, clerk_updated_at, deleted_at)
    values (v_organization.id, v_user.id, coalesce(p_data->>'role', ''), v_at, case when v_is_end then v_at end)
    on conflict (organization_id, user_id) do update
       set role = case when v_is_end then m.role else excluded.role end,
           clerk_updated_at = v_at, deleted_at = excluded.deleted_at, updated_at = now()
     where coalesce(m.clerk_updated_at, '-infinity') <= v_at;
  end if;
  return jsonb_build_object('outcome', 'applied', 'organization_id', v_organization.id, 'user_id', v_user.id);
end $$;
comment on function public.clerk_message_apply_v1(text, text, bigint, jsonb, uuid, uuid) is
  'Applies one message of Clerk''s about a user, an organization or a membership, once and never out of order.';

-- An organization that has ended leaves nothing behind, whatever tables there are by then.
create function public.organizations_purge_v1(p_older_than_s int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_id uuid;
  v_table text;
  v_count int := 0;
begin
  for v_id in select id from organizations
               where deleted_at < now() - make_interval(secs => p_older_than_s) limit 10 for update skip locked loop
    for v_table in
      select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
       where c.relnamespace = 'agentes'::regnamespace and c.relkind = 'r'
         and a.attname = 'organization_id' and not a.attisdropped
       -- Newer tables refer to older ones.
       order by c.oid desc
    loop
      execute format('delete from agentes.%I where organization_id = $1', v_table) using v_id;
    end loop;
    -- The row stays, without a name: a token that is still valid must not make it anew.
    update organizations set name = '', slug = id::text, updated_at = now(), deleted_at = 'infinity' where id = v_id;
    v_count := v_count + 1;
  end loop;
  delete from clerk_messages where received_at < now() - interval '30 days';
  return to_jsonb(v_count);
end $$;
comment on function public.organizations_purge_v1(int) is
  'Deletes every row of organizations that ended that long ago; says of how many.';

do $$
declare
  v_table text;
begin
  perform agentes.lock_table('agentes.memberships');
  -- No tenant's: only the functions of the system see them.
  foreach v_table in array array['users', 'clerk_messages'] loop
    execute format('alter table agentes.%I enable row level security', v_table);
    execute format('alter table agentes.%I force row level security', v_table);
    execute format('create policy system on agentes.%I to agentes_system using (true) with check (true)', v_table);
    perform agentes.revoke_from_strangers('table agentes.' || v_table);
    execute format('grant select, insert, update, delete on agentes.%I to agentes_system', v_table);
  end loop;
  perform agentes.lock_helper('agentes.organization_of_clerk(text, uuid)');
  perform agentes.lock_helper('agentes.user_of_clerk(text, uuid)');
  perform agentes.lock_function('public.session_resolve_v1(text, text, text, bigint, uuid, uuid)', 'agentes_system');
  perform agentes.lock_function(
    'public.clerk_message_apply_v1(text, text, bigint, jsonb, uuid, uuid)', 'agentes_system');
  perform agentes.lock_function('public.organizations_purge_v1(int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126080000');

notify pgrst, 'reload schema';
