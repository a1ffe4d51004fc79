-- Who calls: organizations and their API keys.

create table agentes.organizations (
  id uuid primary key,
  slug text not null unique,
  name text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.organizations is 'The tenants.';

create table agentes.api_keys (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  public_id text not null unique,
  name text not null,
  secret_sha256 text not null,
  scopes jsonb not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.api_keys is
  'Keys by their public id; the secret is 256 random bits, so a plain SHA-256 keeps it.';
create index api_keys_by_organization on agentes.api_keys (organization_id);

create function public.organization_ensure_v1(p_id uuid, p_slug text, p_name text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_row agentes.organizations;
begin
  insert into organizations (id, slug, name) values (p_id, p_slug, p_name) on conflict (slug) do nothing;
  select * into strict v_row from organizations where slug = p_slug;
  return to_jsonb(v_row);
end $$;
comment on function public.organization_ensure_v1(uuid, text, text) is
  'The organization with this slug, made where it is missing.';

create function public.api_key_register_v1(
  p_id uuid, p_organization_id uuid, p_public_id text, p_name text, p_secret_sha256 text, p_scopes jsonb
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  insert into api_keys (id, organization_id, public_id, name, secret_sha256, scopes)
  values (p_id, p_organization_id, p_public_id, p_name, p_secret_sha256, p_scopes)
  on conflict (public_id) do nothing;
  return (select to_jsonb(k) from api_keys k where k.public_id = p_public_id);
end $$;
comment on function public.api_key_register_v1(uuid, uuid, text, text, text, jsonb) is
  'Stores a key of an organization; one that is there already is left as it is.';

create function public.api_key_find_v1(p_public_id text) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select to_jsonb(k) from api_keys k where k.public_id = p_public_id
$$;
comment on function public.api_key_find_v1(text) is
  'The key with this public id in any organization, with its hash, or null; the caller checks the rest.';

do $$
begin
  perform agentes.lock_table('agentes.organizations', 'id');
  perform agentes.lock_table('agentes.api_keys');
  perform agentes.lock_function('public.organization_ensure_v1(uuid, text, text)', 'agentes_system');
  perform agentes.lock_function(
    'public.api_key_register_v1(uuid, uuid, text, text, text, jsonb)', 'agentes_system');
  perform agentes.lock_function('public.api_key_find_v1(text)', 'agentes_system');
end $$;

notify pgrst, 'reload schema';
