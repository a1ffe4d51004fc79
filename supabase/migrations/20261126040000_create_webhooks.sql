-- Endpoints that are told of events. What changes with every delivery is kept beside the endpoint,
-- in its lane, so that the endpoint's own row stays still.

create table agentes.webhooks (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  name text not null,
  url text not null,
  events jsonb not null,
  agent_id uuid,
  headers_sealed text,
  secret_sealed text not null,
  previous_secrets jsonb not null default '[]',
  is_active boolean not null default true,
  active_since timestamptz not null default now(),
  disabled_reason text,
  retry_count int not null,
  timeout int not null,
  max_per_second int,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.webhooks is
  'Endpoints; previous_secrets [{sealed, until}] sign beside the newest; nothing older than active_since is sent.';
create index webhooks_by_organization on agentes.webhooks (organization_id, id);

create table agentes.webhook_lanes (
  webhook_id uuid primary key,
  organization_id uuid not null,
  next_due_at timestamptz,
  held_until timestamptz not null default '-infinity',
  in_flight int not null default 0,
  is_asked boolean not null default false,
  served_at timestamptz not null default '-infinity',
  recent text not null default '',
  is_tripped boolean not null default false,
  trips int not null default 0,
  failing_since timestamptz,
  last_failed_at timestamptz,
  tokens double precision not null default 1,
  refilled_at timestamptz not null default now()
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200);
comment on table agentes.webhook_lanes is
  'The queue before one endpoint. next_due_at is never later than its first waiting delivery; in_flight counts its leases; is_asked while somebody waits for a test or an attempt by hand, which a hold does not stop; recent holds the last ten outcomes (s, f). It outlives its endpoint until its queue is swept.';
create index webhook_lanes_due on agentes.webhook_lanes (next_due_at) where next_due_at is not null;
create index webhook_lanes_busy on agentes.webhook_lanes (organization_id) where in_flight > 0;

create function agentes.webhook_wants(p_events jsonb, p_type text) returns boolean
language sql immutable parallel safe as $$
  select exists (select from jsonb_array_elements_text(p_events) p
                  where p = p_type or (right(p, 1) = '*' and starts_with(p_type, left(p, -1))))
$$;
comment on function agentes.webhook_wants(jsonb, text) is
  'Whether a list of names, of which some may end with a star, covers a type of event.';

create function public.webhook_create_v1(p_org uuid, p_webhook jsonb, p_max int) returns jsonb
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
  insert into webhooks (id, organization_id, name, url, events, agent_id, headers_sealed, secret_sealed,
                        is_active, retry_count, timeout, max_per_second)
  select w.id, p_org, w.name, w.url, w.events, w.agent_id, w.headers_sealed, w.secret_sealed,
         w.is_active, w.retry_count, w.timeout, w.max_per_second
    from jsonb_populate_record(null::webhooks, p_webhook) w
  returning * into v_webhook;
  insert into webhook_lanes (webhook_id, organization_id) values (v_webhook.id, p_org);
  return jsonb_build_object('outcome', 'created', 'webhook', webhook_shown(v_webhook));
end $$;
comment on function public.webhook_create_v1(uuid, jsonb, int) is
  'Creates an endpoint with its empty queue, up to p_max in an organization.';

create function agentes.webhook_agent_exists(p_org uuid, p_fields jsonb) returns boolean
language sql stable as $$
  select p_fields->>'agent_id' is null
      or exists (select from agentes.agents where organization_id = p_org and id = (p_fields->>'agent_id')::uuid)
$$;
comment on function agentes.webhook_agent_exists(uuid, jsonb) is
  'Whether the agent that an endpoint is narrowed to exists, if it is.';

create function agentes.webhook_shown(p_webhook agentes.webhooks) returns jsonb
language sql stable as $$
  select to_jsonb(p_webhook) - array['secret_sealed', 'previous_secrets', 'active_since']
$$;
comment on function agentes.webhook_shown(agentes.webhooks) is 'An endpoint without its secrets.';

create function public.webhook_update_v1(p_org uuid, p_id uuid, p_changes jsonb) returns jsonb
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
     set (name, url, events, agent_id, headers_sealed, is_active, retry_count, timeout, max_per_second)
       = (select n.name, n.url, n.events, n.agent_id, n.headers_sealed, n.is_active, n.retry_count, n.timeout,
                 n.max_per_second from jsonb_populate_record(v_before, p_changes) n),
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
  if v_after.is_active and (not v_before.is_active or v_after.url <> v_before.url) then
    update webhook_lanes set held_until = '-infinity', recent = '', is_tripped = false, trips = 0,
           failing_since = null, last_failed_at = null
     where webhook_id = p_id;
  end if;
  return jsonb_build_object('outcome', 'updated', 'webhook', webhook_shown(v_after));
end $$;
comment on function public.webhook_update_v1(uuid, uuid, jsonb) is
  'Changes an endpoint; one that is switched on again, or moves, begins without its old failures.';

create function public.webhook_rotate_v1(
  p_org uuid, p_id uuid, p_secret_sealed text, p_overlap_s int, p_max int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_webhook agentes.webhooks;
  v_live jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_webhook from webhooks where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  select coalesce(jsonb_agg(s order by place), '[]') into v_live
    from jsonb_array_elements(v_webhook.previous_secrets) with ordinality p(s, place)
   where (s->>'until')::timestamptz > now();
  if jsonb_array_length(v_live) >= p_max then
    return jsonb_build_object('outcome', 'too_many');
  end if;
  update webhooks set secret_sealed = p_secret_sealed, updated_at = now(),
         previous_secrets = jsonb_build_array(jsonb_build_object(
           'sealed', v_webhook.secret_sealed, 'until', now() + make_interval(secs => p_overlap_s))) || v_live
   where id = p_id returning * into v_webhook;
  return jsonb_build_object('outcome', 'rotated', 'webhook', webhook_shown(v_webhook));
end $$;
comment on function public.webhook_rotate_v1(uuid, uuid, text, int, int) is
  'Gives an endpoint a new secret; the one before goes on signing for p_overlap_s, of up to p_max such.';

do $$
begin
  perform agentes.lock_table('agentes.webhooks');
  perform agentes.lock_table('agentes.webhook_lanes');
  perform agentes.lock_helper('agentes.webhook_wants(jsonb, text)');
  perform agentes.lock_helper('agentes.webhook_agent_exists(uuid, jsonb)');
  perform agentes.lock_helper('agentes.webhook_shown(agentes.webhooks)');
  perform agentes.lock_function('public.webhook_create_v1(uuid, jsonb, int)', 'agentes_tenant');
  perform agentes.lock_function('public.webhook_update_v1(uuid, uuid, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.webhook_rotate_v1(uuid, uuid, text, int, int)', 'agentes_tenant');
  insert into agentes.catalogue (name, hidden)
  values ('webhooks', array['secret_sealed', 'previous_secrets', 'active_since']);
end $$;

select agentes.migration_applied('20261126040000');

notify pgrst, 'reload schema';
