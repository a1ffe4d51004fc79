-- What is sealed of an address is opened by the worker that sends to it. A process of an earlier release
-- would send to the address as it is shown: it leases nothing that goes to a sealed one.

create function agentes.deliveries_lease(
  p_lease_id uuid, p_margin_s int, p_limit int, p_per_lane int, p_per_organization int, p_unseals boolean
) returns jsonb language plpgsql set search_path = pg_catalog, agentes as $$
declare
  v_lane agentes.webhook_lanes;
  v_webhook agentes.webhooks;
  v_tokens double precision;
  v_leased jsonb;
  v_count int;
  v_left int := p_limit;
  v_claimed jsonb := '[]';
  v_organizations jsonb := '{}';
  v_busy int;
begin
  -- A claim that a crash of the database takes back is a delivery that comes again, as after any crash;
  -- waiting for the disk would be most of its time.
  perform set_config('synchronous_commit', 'off', true);
  for v_lane in
    with busy as (
      select organization_id, sum(in_flight) as count from webhook_lanes where in_flight > 0 group by 1
    ), due as (
      select l.webhook_id, l.organization_id, l.served_at, coalesce(b.count, 0) as busy
        from webhook_lanes l left join busy b using (organization_id)
       where l.next_due_at <= now() and (l.is_asked or l.held_until <= now()) and lane_room(l, p_per_lane, null) > 0
         and coalesce(b.count, 0) < p_per_organization
         and (p_unseals or not exists (
           select from webhooks w where w.id = l.webhook_id and w.url_sealed is not null))
    ), turns as (
      -- Each organization in turn, the one with the fewest under way first; in it, each lane in turn.
      select webhook_id, served_at, busy + row_number() over (partition by organization_id order by served_at) as turn
        from due
    )
    select l.* from turns t join webhook_lanes l using (webhook_id)
     where l.next_due_at <= now() and (l.is_asked or l.held_until <= now())
     order by t.turn, t.served_at limit p_limit for update of l skip locked
  loop
    exit when v_left <= 0;
    select * into v_webhook from webhooks where id = v_lane.webhook_id and is_active
       and (p_unseals or url_sealed is null);
    continue when not found;
    v_busy := coalesce((v_organizations->>v_lane.organization_id::text)::int, (
      select coalesce(sum(in_flight), 0) from webhook_lanes
       where organization_id = v_lane.organization_id and in_flight > 0));
    v_tokens := lane_tokens(v_lane, v_webhook.max_per_second);
    -- A lane has half of what its organization has free at most, so that others of it still find room.
    v_count := least(lane_room(v_lane, p_per_lane, v_tokens), v_left, p_per_organization - v_busy,
      greatest((p_per_organization - v_busy) / 2 - v_lane.in_flight, (v_lane.in_flight = 0)::int));
    continue when v_count <= 0 and coalesce(v_tokens, 1) >= 1;
    v_leased := lane_lease(v_lane, p_lease_id, v_webhook.timeout + p_margin_s, greatest(v_count, 0));
    v_count := jsonb_array_length(v_leased);
    v_left := v_left - v_count;
    v_organizations := v_organizations || jsonb_build_object(v_lane.organization_id, v_busy + v_count);
    perform lane_serve(v_lane.webhook_id, v_count, v_tokens - v_count, v_webhook.max_per_second);
    if v_count > 0 then
      v_claimed := v_claimed || jsonb_build_object('webhook_id', v_webhook.id, 'organization_id', v_webhook.organization_id,
        'url', v_webhook.url, 'url_sealed', v_webhook.url_sealed, 'template', v_webhook.template,
        'timeout', v_webhook.timeout, 'retry_count', v_webhook.retry_count,
        'headers_sealed', v_webhook.headers_sealed, 'secrets_sealed', webhook_signers(v_webhook),
        'deliveries', v_leased);
    end if;
  end loop;
  return v_claimed;
end $$;
comment on function agentes.deliveries_lease(uuid, int, int, int, int, boolean) is
  'Leases due deliveries for the timeout of their endpoint and p_margin_s, each organization in its turn; to sealed addresses only where p_unseals.';

create or replace function public.deliveries_claim_v1(
  p_lease_id uuid, p_margin_s int, p_limit int, p_per_lane int, p_per_organization int
) returns jsonb language sql security definer set search_path = pg_catalog, agentes as $$
  select agentes.deliveries_lease(p_lease_id, p_margin_s, p_limit, p_per_lane, p_per_organization, false)
$$;

create or replace function public.deliveries_claim_v2(
  p_lease_id uuid, p_margin_s int, p_limit int, p_per_lane int, p_per_organization int
) returns jsonb language sql security definer set search_path = pg_catalog, agentes as $$
  select agentes.deliveries_lease(p_lease_id, p_margin_s, p_limit, p_per_lane, p_per_organization, false)
$$;

create function public.deliveries_claim_v3(
  p_lease_id uuid, p_margin_s int, p_limit int, p_per_lane int, p_per_organization int
) returns jsonb language sql security definer set search_path = pg_catalog, agentes as $$
  select agentes.deliveries_lease(p_lease_id, p_margin_s, p_limit, p_per_lane, p_per_organization, true)
$$;
comment on function public.deliveries_claim_v3(uuid, int, int, int, int) is
  'As deliveries_claim_v2, also to endpoints whose address is sealed.';

create function public.webhook_urls_page_v1(p_after uuid, p_limit int) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select coalesce(jsonb_agg(to_jsonb(w) order by w.id), '[]') from (
    select id, url from webhooks
     where url_sealed is null and url like '%?%' and (p_after is null or id > p_after) order by id limit p_limit) w
$$;
comment on function public.webhook_urls_page_v1(uuid, int) is
  'Endpoints whose address has a query of which nothing is sealed, after that one.';

create function public.webhook_url_seal_v1(p_id uuid, p_seen text, p_url text, p_url_sealed text, p_limit int)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_logged int;
begin
  perform from webhooks where id = p_id and url = p_seen and url_sealed is null for update;
  if not found then
    return 'false';
  end if;
  -- The log of what was sent there comes first: after an interruption it is begun again.
  update webhook_attempts set url = p_url where id in (
    select a.id from webhook_deliveries d join webhook_attempts a on a.delivery_id = d.id
     where d.organization_id = (select organization_id from webhooks where id = p_id) and d.webhook_id = p_id
       and a.url = p_seen limit p_limit);
  get diagnostics v_logged = row_count;
  if v_logged < p_limit then
    update webhooks set url = p_url, url_sealed = p_url_sealed where id = p_id;
  end if;
  return to_jsonb(v_logged = p_limit);
end $$;
comment on function public.webhook_url_seal_v1(uuid, text, text, text, int) is
  'Seals an address that an earlier release has kept in clear, if it still is p_seen, and hides it in the log of attempts before; whether more of the log is left.';

do $$
begin
  perform agentes.lock_helper('agentes.deliveries_lease(uuid, int, int, int, int, boolean)');
  perform agentes.lock_function('public.deliveries_claim_v3(uuid, int, int, int, int)', 'agentes_system');
  perform agentes.lock_function('public.webhook_urls_page_v1(uuid, int)', 'agentes_system');
  perform agentes.lock_function('public.webhook_url_seal_v1(uuid, text, text, text, int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261127232100');

notify pgrst, 'reload schema';
