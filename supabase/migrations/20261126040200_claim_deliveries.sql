-- Deliveries are leased a lane at a time: the lane's lock makes its limits (places, rate, breaker)
-- hold between processes, and whoever finds a lane locked takes another one.

create function agentes.lane_room(p_lane agentes.webhook_lanes, p_per_lane int, p_tokens double precision)
returns int language sql stable as $$
  select greatest(0, least(floor(coalesce(p_tokens, p_per_lane))::int, case
    when p_lane.is_tripped then 1 - p_lane.in_flight                     -- one tries whether it is back
    when right(p_lane.recent, 1) = 'f' then 2 - p_lane.in_flight         -- no more than a few can hang
    when p_lane.recent = 'ssssssssss' then p_per_lane - p_lane.in_flight
    else least(10, p_per_lane) - p_lane.in_flight end))
$$;
comment on function agentes.lane_room(agentes.webhook_lanes, int, double precision) is
  'How many more deliveries of a lane may be leased: many where all went well lately, few after a failure.';

create function agentes.lane_tokens(p_lane agentes.webhook_lanes, p_per_second int) returns double precision
language sql stable as $$
  select case when p_per_second is not null then least(greatest(1.0, p_per_second / 2.0),
    p_lane.tokens + p_per_second * greatest(0, extract(epoch from clock_timestamp() - p_lane.refilled_at))) end
$$;
comment on function agentes.lane_tokens(agentes.webhook_lanes, int) is
  'How many deliveries the endpoint''s rate allows at this moment; null without a rate.';

create function agentes.lane_lease(
  p_lane agentes.webhook_lanes, p_lease_id uuid, p_lease_s int, p_take int
) returns jsonb language plpgsql as $$
declare
  v_leased jsonb;
begin
  with next as (
    -- From next_due_at on, so that what has been taken and not vacuumed yet is not walked over.
    select d.id from webhook_deliveries d
     where d.webhook_id = p_lane.webhook_id and d.status = 'pending'
       and d.next_attempt_at >= p_lane.next_due_at and d.next_attempt_at <= now()
       and (p_lane.held_until <= now() or d.trigger in ('manual', 'test'))
     order by d.next_attempt_at limit p_take for update skip locked
  ), leased as (
    update webhook_deliveries d
       set status = 'sending', lease_id = p_lease_id, lease_until = now() + make_interval(secs => p_lease_s)
      from next where d.id = next.id
    returning d.id, d.message_id, d.event_type, d.trigger, d.attempts, d.tries
  )
  select coalesce(jsonb_agg(to_jsonb(l) || jsonb_build_object('body', m.body)), '[]')
    into v_leased from leased l left join webhook_messages m on m.id = l.message_id;
  return v_leased;
end $$;
comment on function agentes.lane_lease(agentes.webhook_lanes, uuid, int, int) is
  'Leases the deliveries of a locked lane that have been due for longest.';

create function public.deliveries_claim_v1(
  p_lease_id uuid, p_margin_s int, p_limit int, p_per_lane int, p_per_organization int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
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
    select * into v_webhook from webhooks where id = v_lane.webhook_id and is_active;
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
        'url', v_webhook.url, 'timeout', v_webhook.timeout, 'retry_count', v_webhook.retry_count,
        'headers_sealed', v_webhook.headers_sealed, 'secrets_sealed', webhook_signers(v_webhook),
        'deliveries', v_leased);
    end if;
  end loop;
  return v_claimed;
end $$;
comment on function public.deliveries_claim_v1(uuid, int, int, int, int) is
  'Leases due deliveries for the timeout of their endpoint and p_margin_s, each organization in its turn.';

create function agentes.webhook_signers(p_webhook agentes.webhooks) returns jsonb
language sql stable as $$
  select jsonb_build_array(p_webhook.secret_sealed) || coalesce((
    select jsonb_agg(s->'sealed' order by place)
      from jsonb_array_elements(p_webhook.previous_secrets) with ordinality p(s, place)
     where (s->>'until')::timestamptz > now()), '[]')
$$;
comment on function agentes.webhook_signers(agentes.webhooks) is
  'The sealed secrets that sign at this moment, the newest first.';

create function agentes.lane_serve(p_webhook_id uuid, p_count int, p_tokens double precision, p_per_second int)
returns void language sql as $$
  update agentes.webhook_lanes l
     set in_flight = in_flight + p_count, served_at = clock_timestamp(),
         is_asked = l.is_asked and exists (
           select from agentes.webhook_deliveries d
            where d.webhook_id = p_webhook_id and d.status = 'pending' and d.next_attempt_at >= l.next_due_at
              and d.next_attempt_at <= now() and d.trigger in ('manual', 'test')),
         tokens = coalesce(p_tokens, tokens), refilled_at = clock_timestamp(),
         held_until = case when p_tokens < 1 then greatest(held_until,
           clock_timestamp() + make_interval(secs => (1 - p_tokens) / p_per_second)) else held_until end,
         next_due_at = (select d.next_attempt_at from agentes.webhook_deliveries d
                         where d.webhook_id = p_webhook_id and d.status = 'pending'
                           and d.next_attempt_at >= l.next_due_at
                         order by d.next_attempt_at limit 1)
   where l.webhook_id = p_webhook_id
$$;
comment on function agentes.lane_serve(uuid, int, double precision, int) is
  'Notes what was leased of a locked lane, and when its next delivery is due.';

create function public.deliveries_release_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_ids uuid[];
  v_webhooks uuid[];
  v_count int;
begin
  select array_agg(d.id), array_agg(distinct d.webhook_id) into v_ids, v_webhooks
    from (select id, webhook_id from webhook_deliveries
           where status = 'sending' and lease_until < now() order by lease_until limit p_limit) d;
  if v_ids is null then
    return '0';
  end if;
  perform lanes_hold(v_webhooks);
  with freed as (
    update webhook_deliveries set status = 'pending', lease_id = null, lease_until = null, next_attempt_at = now()
     where id = any (v_ids) and status = 'sending' and lease_until < now() returning webhook_id
  ), lanes as (
    update webhook_lanes l set in_flight = greatest(0, l.in_flight - f.count), next_due_at = least(l.next_due_at, now())
      from (select webhook_id, count(*)::int as count from freed group by webhook_id) f
     where l.webhook_id = f.webhook_id returning f.count
  )
  select coalesce(sum(count), 0) into v_count from lanes;
  return to_jsonb(v_count);
end $$;
comment on function public.deliveries_release_v1(int) is
  'Lets deliveries whose lease has run out wait again, at the attempt at which they were; how many.';

do $$
begin
  perform agentes.lock_helper('agentes.lane_room(agentes.webhook_lanes, int, double precision)');
  perform agentes.lock_helper('agentes.lane_tokens(agentes.webhook_lanes, int)');
  perform agentes.lock_helper('agentes.lane_lease(agentes.webhook_lanes, uuid, int, int)');
  perform agentes.lock_helper('agentes.lane_serve(uuid, int, double precision, int)');
  perform agentes.lock_helper('agentes.webhook_signers(agentes.webhooks)');
  perform agentes.lock_function('public.deliveries_claim_v1(uuid, int, int, int, int)', 'agentes_system');
  perform agentes.lock_function('public.deliveries_release_v1(int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126040200');

notify pgrst, 'reload schema';
