-- Everything that is sealed for longer than an hour, so that it can be sealed anew under another key.

create function agentes.sealed_values()
returns table (place text, id text, sealed text, purpose text) language sql stable as $$
  select 'tool', t.id::text, t.sealed, format('tool:%s:%s', t.organization_id, t.id)
    from agentes.tools t where t.sealed is not null
  union all
  select 'webhook_headers', w.id::text, w.headers_sealed, 'webhook_headers:' || w.id
    from agentes.webhooks w where w.headers_sealed is not null
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
comment on function agentes.sealed_values() is
  'Every sealed value that outlives an hour: its place, its id there, and what it was sealed for.';

create function public.sealed_values_page_v1(p_after jsonb, p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  return (select coalesce(jsonb_agg(to_jsonb(v) order by v.place, v.id, v.sealed), '[]') from (
    select * from sealed_values() s
     where p_after is null or (s.place, s.id, s.sealed) > (p_after->>'place', p_after->>'id', p_after->>'sealed')
     order by s.place, s.id, s.sealed limit p_limit) v);
end $$;
comment on function public.sealed_values_page_v1(jsonb, int) is
  'Sealed values after this one, in a fixed order.';

create function public.sealed_value_replace_v1(p_place text, p_id text, p_old text, p_new text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_owner uuid := nullif(split_part(p_id, ':', 1), '')::uuid;
  v_name text := substr(p_id, 38);
begin
  case p_place
    when 'tool' then
      update tools set sealed = p_new where id = v_owner and sealed = p_old;
    when 'webhook_headers' then
      update webhooks set headers_sealed = p_new where id = v_owner and headers_sealed = p_old;
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
comment on function public.sealed_value_replace_v1(text, text, text, text) is
  'Puts a value in the place of the same one under another key; false where it has changed meanwhile.';

do $$
begin
  perform agentes.lock_helper('agentes.sealed_values()');
  perform agentes.lock_function('public.sealed_values_page_v1(jsonb, int)', 'agentes_system');
  perform agentes.lock_function('public.sealed_value_replace_v1(text, text, text, text)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126130200');

notify pgrst, 'reload schema';
