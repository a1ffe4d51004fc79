-- Credentials in the query of a webhook's address are sealed, as its headers are.

alter table agentes.webhooks add column url_sealed text;
comment on column agentes.webhooks.url_sealed is
  'The whole address, sealed, where its query holds credentials; url then has [hidden] in their place. Null otherwise.';

create or replace function public.webhook_create_v1(p_org uuid, p_webhook jsonb, p_max int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_webhook agentes.webhooks;
begin
  perform set_config('app.org', p_org::text, true);
  perform pg_advisory_xact_lock(hashtextextended('webhooks:' || p_org, 0));
  if (select count(*) from webhooks where organization_id = p_org) >= p_max then
    return jsonb_build_object('outcome', 'too_many');
  end if;
  if not webhook_agent_exists(p_org, p_webhook) then
    return jsonb_build_object('outcome', 'unknown_agent');
  end if;
  insert into webhooks (id, organization_id, name, url, events, agent_id, headers_sealed, secret_sealed, url_sealed,
                        is_active, retry_count, timeout, max_per_second)
  select w.id, p_org, w.name, w.url, w.events, w.agent_id, w.headers_sealed, w.secret_sealed, w.url_sealed,
         w.is_active, w.retry_count, w.timeout, w.max_per_second
    from jsonb_populate_record(null::webhooks, p_webhook) w
  returning * into v_webhook;
  insert into webhook_lanes (webhook_id, organization_id) values (v_webhook.id, p_org);
  return jsonb_build_object('outcome', 'created', 'webhook', webhook_shown(v_webhook));
end $$;

create or replace function public.webhook_update_v1(p_org uuid, p_id uuid, p_changes jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_before agentes.webhooks;
  v_after agentes.webhooks;
begin
  perform set_config('app.org', p_org::text, true);
  if not webhook_agent_exists(p_org, p_changes) then
    return jsonb_build_object('outcome', 'unknown_agent');
  end if;
  perform lanes_hold(array[p_id]);
  select * into v_before from webhooks where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  update webhooks w
     set (name, url, events, agent_id, headers_sealed, is_active, retry_count, timeout, max_per_second, url_sealed)
       = (select n.name, n.url, n.events, n.agent_id, n.headers_sealed, n.is_active, n.retry_count, n.timeout,
                 n.max_per_second,
                 -- Who does not know of the sealed address moves the webhook, or leaves it where it is.
                 case when p_changes ? 'url_sealed' or n.url = v_before.url then n.url_sealed end
            from jsonb_populate_record(v_before, p_changes) n),
         updated_at = now()
   where w.id = p_id returning * into v_after;
  if v_before.is_active and not v_after.is_active then
    -- At once, so that switched on again it sends none of it; of more than so many the rest follows soon.
    perform lane_skip(p_id, 20000);
  end if;
  if v_after.is_active and not v_before.is_active then
    -- Switched on anew: what happened meanwhile is not sent, and earlier failures are forgiven.
    update webhooks set active_since = now(), disabled_reason = null where id = p_id returning * into v_after;
  end if;
  if v_after.is_active and (not v_before.is_active or v_after.url <> v_before.url
                               or v_after.url_sealed is distinct from v_before.url_sealed) then
    update webhook_lanes set held_until = '-infinity', recent = '', is_tripped = false, trips = 0,
           failing_since = null, last_failed_at = null
     where webhook_id = p_id;
  end if;
  return jsonb_build_object('outcome', 'updated', 'webhook', webhook_shown(v_after));
end $$;

create or replace function public.webhook_update_v2(p_org uuid, p_id uuid, p_seen jsonb, p_changes jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_now agentes.webhooks;
  v_changed jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  perform lanes_hold(array[p_id]);
  select * into v_now from webhooks where organization_id = p_org and id = p_id for update;
  if found and ((v_now.url, v_now.headers_sealed, v_now.template, v_now.events)
                is distinct from (p_seen->>'url', p_seen->>'headers_sealed', p_seen->>'template', p_seen->'events')
                or p_seen ? 'url_sealed' and v_now.url_sealed is distinct from p_seen->>'url_sealed') then
    return jsonb_build_object('outcome', 'changed_meanwhile');
  end if;
  -- The agent may have been deleted since; whoever leaves it as it is changes nothing.
  v_changed := public.webhook_update_v1(p_org, p_id, case
    when p_changes->>'agent_id' = v_now.agent_id::text then p_changes - 'agent_id' else p_changes end);
  if v_changed->>'outcome' = 'updated' and p_changes ? 'template' then
    update webhooks set template = p_changes->>'template' where organization_id = p_org and id = p_id returning * into v_now;
    v_changed := v_changed || jsonb_build_object('webhook', webhook_shown(v_now));
  end if;
  return v_changed;
end $$;

create or replace function agentes.sealed_values()
returns table (place text, id text, sealed text, purpose text) language sql stable as $$
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

select agentes.migration_applied('20261127232000');

notify pgrst, 'reload schema';
