-- One key for all that is sealed outside the database (visitors' tokens, addresses of inboxes), kept
-- sealed under ENCRYPTION_KEY. As each start opens it, it also shows that a process has the right keys.

create table agentes.lasting_key (
  is_only boolean primary key default true check (is_only),
  sealed text not null,
  made_at timestamptz not null default now()
);
comment on table agentes.lasting_key is
  'At most one row: the key of what is sealed outside the database, itself sealed under ENCRYPTION_KEY.';

create function public.lasting_key_read_v1() returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
begin
  return (select to_jsonb(sealed) from lasting_key);
end $$;
comment on function public.lasting_key_read_v1() is 'The lasting key, sealed; null before the first start.';

create function public.lasting_key_keep_v1(p_present text, p_fresh text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  -- Where somebody may hold a token already, it goes on with the key that those were sealed with.
  insert into lasting_key (sealed)
  values (case when exists (select from organizations) then p_present else p_fresh end)
  on conflict do nothing;
  return (select to_jsonb(sealed) from lasting_key);
end $$;
comment on function public.lasting_key_keep_v1(text, text) is
  'Keeps a lasting key unless there is one: the present one of a database in use. Returns what is kept.';

create or replace function agentes.sealed_values()
returns table (place text, id text, sealed text, purpose text) language sql stable as $$
  select 'lasting_key', '', l.sealed, 'lasting_key' from agentes.lasting_key l
  union all
  select 'tool', t.id::text, t.sealed, format('tool:%s:%s', t.organization_id, t.id)
    from agentes.tools t where t.sealed is not null
  union all
  select 'webhook_headers', w.id::text, w.headers_sealed, 'webhook_headers:' || w.id
    from agentes.webhooks w where w.headers_sealed is not null
  union all
  select 'webhook_url', w.id::text, w.url_sealed, 'webhook_url:' || w.id
    from agentes.webhooks w where w.url_sealed is not null
  union all
  select 'webhook_secret', w.id::text, w.secret_sealed, 'webhook_secret:' || w.id
    from agentes.webhooks w
  union all
  select 'webhook_previous_secret', w.id::text, p->>'sealed', 'webhook_secret:' || w.id
    from agentes.webhooks w, jsonb_array_elements(w.previous_secrets) p
  union all
  select 'provider_key', format('%s:%s', s.organization_id, k.name), k.kept->>'sealed',
         format('provider_key:%s:%s', s.organization_id, k.name)
    from agentes.settings s, jsonb_each(s.document->'provider_keys') k(name, kept)
   where k.kept->>'sealed' is not null
  union all
  select 'idempotency', format('%s:%s', i.organization_id, i.key), i.response,
         format('idempotency:%s:%s', i.organization_id, i.key)
    from agentes.idempotency_keys i where i.response is not null
$$;

create or replace function public.sealed_value_replace_v1(p_place text, p_id text, p_old text, p_new text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_owner uuid := nullif(split_part(p_id, ':', 1), '')::uuid;
  v_name text := substr(p_id, 38);
begin
  case p_place
    when 'lasting_key' then
      update lasting_key set sealed = p_new where sealed = p_old;
    when 'tool' then
      update tools set sealed = p_new where id = v_owner and sealed = p_old;
    when 'webhook_headers' then
      update webhooks set headers_sealed = p_new where id = v_owner and headers_sealed = p_old;
    when 'webhook_url' then
      update webhooks set url_sealed = p_new where id = v_owner and url_sealed = p_old;
    when 'webhook_secret' then
      update webhooks set secret_sealed = p_new where id = v_owner and secret_sealed = p_old;
    when 'webhook_previous_secret' then
      update webhooks set previous_secrets = (
        select jsonb_agg(case when s->>'sealed' = p_old then s || jsonb_build_object('sealed', p_new) else s end
                         order by place)
          from jsonb_array_elements(previous_secrets) with ordinality p(s, place))
       where id = v_owner and previous_secrets @> jsonb_build_array(jsonb_build_object('sealed', p_old));
    when 'provider_key' then
      update settings set document = jsonb_set(document, array['provider_keys', v_name, 'sealed'], to_jsonb(p_new))
       where organization_id = v_owner and document #>> array['provider_keys', v_name, 'sealed'] = p_old;
    when 'idempotency' then
      update idempotency_keys set response = p_new
       where organization_id = v_owner and key = v_name and response = p_old;
  end case;
  return to_jsonb(found);
end $$;

do $$
begin
  perform agentes.revoke_from_strangers('table agentes.lasting_key');
  grant select, insert, update on agentes.lasting_key to agentes_system;
  perform agentes.lock_function('public.lasting_key_read_v1()', 'agentes_system');
  perform agentes.lock_function('public.lasting_key_keep_v1(text, text)', 'agentes_system');
end $$;

select agentes.migration_applied('20261128040000');

notify pgrst, 'reload schema';
