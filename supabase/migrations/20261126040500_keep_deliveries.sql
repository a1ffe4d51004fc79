-- Housekeeping of deliveries, in batches that other work does not feel.

create function public.deliveries_skip_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_lane record;
  v_count int;
begin
  select l.webhook_id, w.id is null as is_deleted into v_lane
    from webhook_lanes l left join webhooks w on w.id = l.webhook_id
   where w.id is null and l.in_flight = 0 or l.next_due_at is not null and not w.is_active
   limit 1 for update of l skip locked;
  if not found then
    return '0';
  end if;
  v_count := lane_skip(v_lane.webhook_id, p_limit);
  if v_count < p_limit and v_lane.is_deleted then
    delete from webhook_lanes where webhook_id = v_lane.webhook_id;
  end if;
  return to_jsonb(v_count + 1);
end $$;
comment on function public.deliveries_skip_v1(int) is
  'Lets what waits for an endpoint that is switched off or deleted wait no longer; 0 when there is no such endpoint.';

create function public.lanes_mend_v1() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_id uuid;
  v_due timestamptz;
  v_leased int;
  v_mended int := 0;
begin
  for v_id in select webhook_id from webhook_lanes order by webhook_id loop
    continue when not exists (select from webhook_lanes where webhook_id = v_id for update skip locked);
    -- Statements of their own, which see what was committed before the lane was locked.
    v_due := (select min(next_attempt_at) from webhook_deliveries where webhook_id = v_id and status = 'pending');
    v_leased := (select count(*) from webhook_deliveries where webhook_id = v_id and status = 'sending');
    update webhook_lanes set in_flight = v_leased, next_due_at = v_due
     where webhook_id = v_id and (in_flight <> v_leased or next_due_at > v_due or next_due_at is null and v_due is not null);
    v_mended := v_mended + (case when found then 1 else 0 end);
  end loop;
  return to_jsonb(v_mended);
end $$;
comment on function public.lanes_mend_v1() is
  'Compares every queue with its deliveries and mends what a hand or a mistake has set wrong; of how many.';

create function agentes.uuid_at(p_at timestamptz) returns uuid
language sql immutable strict parallel safe as $$
  select encode(substring(int8send(floor(extract(epoch from p_at) * 1000)::bigint) from 3) || '\x70000000000000000000', 'hex')::uuid
$$;
comment on function agentes.uuid_at(timestamptz) is 'The least UUIDv7 of a moment: what was made before it has lesser ids.';

create function public.deliveries_purge_v1(p_days int, p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  -- An organization may keep them for less; only where one does, younger ones are looked at.
  v_before uuid := uuid_at(now() - make_interval(days => least(p_days, (
    select min((document->'retention_days'->>'deliveries')::int) from settings))));
  v_count int;
  v_messages int;
begin
  with old as (
    select d.id from webhook_deliveries d left join settings s on s.organization_id = d.organization_id
     where d.id < v_before and d.status not in ('pending', 'sending')
       and d.id < uuid_at(now() - make_interval(days => least(
             p_days, (s.document->'retention_days'->>'deliveries')::int)))
     order by d.id limit p_limit for update of d skip locked
  ), attempts as (
    delete from webhook_attempts where delivery_id in (select id from old)
  ), gone as (
    delete from webhook_deliveries where id in (select id from old) returning id
  )
  select count(*) into v_count from gone;
  -- Five days more than any of its deliveries may wait for another attempt.
  with old as (
    select m.id from webhook_messages m where m.id < uuid_at(now() - make_interval(days => p_days + 5))
     order by m.id limit p_limit for update skip locked
  ), gone as (
    delete from webhook_messages where id in (select id from old) returning id
  )
  select count(*) into v_messages from gone;
  return to_jsonb(v_count + v_messages);
end $$;
comment on function public.deliveries_purge_v1(int, int) is
  'Deletes a batch of deliveries, attempts and messages that wait for nothing and are older than p_days, or than their organization keeps them; how many.';

do $$
begin
  perform agentes.lock_helper('agentes.uuid_at(timestamptz)');
  perform agentes.lock_function('public.deliveries_skip_v1(int)', 'agentes_system');
  perform agentes.lock_function('public.lanes_mend_v1()', 'agentes_system');
  perform agentes.lock_function('public.deliveries_purge_v1(int, int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126040500');

notify pgrst, 'reload schema';
