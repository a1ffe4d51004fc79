-- A webhook may forward events in the form that somebody else's interface wants.

alter table agentes.webhooks add column template text;
comment on column agentes.webhooks.template is 'The name of the template that makes the body; null for the event as it is.';

create function public.webhook_create_v2(p_org uuid, p_webhook jsonb, p_max int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_created jsonb := public.webhook_create_v1(p_org, p_webhook, p_max);
  v_webhook agentes.webhooks;
begin
  if v_created->>'outcome' <> 'created' or p_webhook->>'template' is null then
    return v_created;
  end if;
  update webhooks set template = p_webhook->>'template'
   where organization_id = p_org and id = (p_webhook->>'id')::uuid returning * into v_webhook;
  return v_created || jsonb_build_object('webhook', webhook_shown(v_webhook));
end $$;
comment on function public.webhook_create_v2(uuid, jsonb, int) is 'As webhook_create_v1, with a template.';

create or replace function public.webhook_update_v2(p_org uuid, p_id uuid, p_seen jsonb, p_changes jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_now agentes.webhooks;
  v_changed jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  perform lanes_hold(array[p_id]);
  select * into v_now from webhooks where organization_id = p_org and id = p_id for update;
  if found and (v_now.url, v_now.headers_sealed, v_now.template, v_now.events)
               is distinct from (p_seen->>'url', p_seen->>'headers_sealed', p_seen->>'template', p_seen->'events') then
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
comment on function public.webhook_update_v2(uuid, uuid, jsonb, jsonb) is
  'As webhook_update_v1 and with a template, unless what p_seen tells of the webhook is no longer so.';

create function public.deliveries_claim_v2(
  p_lease_id uuid, p_margin_s int, p_limit int, p_per_lane int, p_per_organization int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_claimed jsonb := public.deliveries_claim_v1(p_lease_id, p_margin_s, p_limit, p_per_lane, p_per_organization);
begin
  return (select coalesce(jsonb_agg(c.value || jsonb_build_object('template', w.template) order by c.place), '[]')
            from jsonb_array_elements(v_claimed) with ordinality c(value, place)
            left join webhooks w on w.id = (c.value->>'webhook_id')::uuid);
end $$;
comment on function public.deliveries_claim_v2(uuid, int, int, int, int) is
  'As deliveries_claim_v1, with each endpoint''s template.';

do $$
begin
  perform agentes.lock_function('public.webhook_create_v2(uuid, jsonb, int)', 'agentes_tenant');
  perform agentes.lock_function('public.deliveries_claim_v2(uuid, int, int, int, int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261127000700');

notify pgrst, 'reload schema';
