-- API keys that are made, rotated and revoked over the API, and the publishable keys of widgets.

alter table agentes.api_keys
  add column created_by text,
  add column previous_sha256 text,
  add column previous_until timestamptz,
  add column last_used_at timestamptz,
  add column last_used_address text;

create table agentes.widget_keys (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  agent_id uuid not null references agentes.agents on delete cascade,
  public_key text not null unique,
  name text not null,
  allowed_origins jsonb not null,
  daily_tokens bigint not null,
  daily_tokens_per_visitor bigint not null,
  daily_tokens_per_address bigint not null,
  revoked_at timestamptz,
  created_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.widget_keys is
  'Publishable keys: what a page shows to anyone, so they allow one agent and a budget, and nothing else.';
create index widget_keys_by_organization on agentes.widget_keys (organization_id);
create index widget_keys_by_agent on agentes.widget_keys (agent_id);

insert into agentes.catalogue (name, hidden) values
  ('api_keys', array['secret_sha256', 'previous_sha256']),
  ('widget_keys', '{}');

create function public.api_key_rotate_v1(p_org uuid, p_id uuid, p_secret_sha256 text, p_overlap_s int)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_row agentes.api_keys;
begin
  perform set_config('app.org', p_org::text, true);
  update api_keys set previous_sha256 = secret_sha256, secret_sha256 = p_secret_sha256, updated_at = now(),
         previous_until = now() + make_interval(secs => p_overlap_s)
   where organization_id = p_org and id = p_id and revoked_at is null
     and (expires_at is null or expires_at > now()) returning * into v_row;
  return case when v_row.id is null then null
              else to_jsonb(v_row) - array['secret_sha256', 'previous_sha256'] end;
end $$;
comment on function public.api_key_rotate_v1(uuid, uuid, text, int) is
  'Gives a valid key a new secret; the one before it, and no older one, is taken for a while longer.';

create function public.key_revoke_v1(p_org uuid, p_table text, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_row jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  if p_table = 'api_keys' then
    update api_keys k set revoked_at = now(), updated_at = now()
     where k.organization_id = p_org and k.id = p_id and k.revoked_at is null returning to_jsonb(k) into v_row;
  else
    update widget_keys k set revoked_at = now(), updated_at = now()
     where k.organization_id = p_org and k.id = p_id and k.revoked_at is null returning to_jsonb(k) into v_row;
  end if;
  return v_row - array['secret_sha256', 'previous_sha256'];
end $$;
comment on function public.key_revoke_v1(uuid, text, uuid) is
  'Revokes an API key or a widget key for good; null where there is none that is not revoked yet.';

create function public.api_keys_touch_v1(p_uses jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  update api_keys k set last_used_at = greatest(k.last_used_at, u.at), last_used_address = u.address
    from jsonb_to_recordset(p_uses) u(id uuid, at timestamptz, address text)
   where k.id = u.id;
  return 'null';
end $$;
comment on function public.api_keys_touch_v1(jsonb) is 'Notes when and from where keys [{id, at, address}] were last used.';

create function public.widget_key_find_v1(p_public_key text) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select to_jsonb(k) || jsonb_build_object('agent', jsonb_build_object(
           'name', a.name, 'welcome_message', a.welcome_message, 'language', a.language,
           'suggested_questions', a.suggested_questions, 'interface_config', a.interface_config,
           'is_open', a.visibility = 'public' and a.is_active))
    from widget_keys k join agents a on a.id = k.agent_id where k.public_key = p_public_key
$$;
comment on function public.widget_key_find_v1(text) is
  'A widget''s key in any organization, with what its agent shows to visitors, or null; the caller checks the rest.';

do $$
begin
  perform agentes.lock_table('agentes.widget_keys');
  perform agentes.lock_function('public.api_key_rotate_v1(uuid, uuid, text, int)', 'agentes_tenant');
  perform agentes.lock_function('public.key_revoke_v1(uuid, text, uuid)', 'agentes_tenant');
  perform agentes.lock_function('public.api_keys_touch_v1(jsonb)', 'agentes_system');
  perform agentes.lock_function('public.widget_key_find_v1(text)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126080100');

notify pgrst, 'reload schema';
