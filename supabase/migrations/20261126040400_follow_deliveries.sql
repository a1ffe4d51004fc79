-- What people ask of deliveries: one with all its attempts, another attempt, a test, everything that
-- failed once more.

create table agentes.webhook_recoveries (
  id uuid primary key,
  organization_id uuid not null,
  webhook_id uuid not null references agentes.webhooks on delete cascade,
  since timestamptz not null,
  until timestamptz not null default now(),
  status text not null default 'running',
  requeued int not null default 0,
  after_id uuid,
  after_position bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.webhook_recoveries is
  'Orders to deliver once more what failed between two moments; after_id is how far one has come with deliveries, then after_position with events of which none was made.';
create index webhook_recoveries_running on agentes.webhook_recoveries (id) where status = 'running';
create index webhook_recoveries_by_webhook on agentes.webhook_recoveries (webhook_id);

create function public.delivery_get_v1(p_org uuid, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (
    select to_jsonb(d) || jsonb_build_object('body', m.body, 'attempt_log', (
             select coalesce(jsonb_agg(to_jsonb(a) order by a.number), '[]') from webhook_attempts a
              where a.organization_id = p_org and a.delivery_id = d.id))
      from webhook_deliveries d left join webhook_messages m on m.organization_id = p_org and m.id = d.message_id
     where d.organization_id = p_org and d.id = p_id);
end $$;
comment on function public.delivery_get_v1(uuid, uuid) is 'One delivery with its body and all its attempts, or null.';

create function public.delivery_retry_v1(p_org uuid, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_webhook_id uuid;
  v_delivery agentes.webhook_deliveries;
begin
  perform set_config('app.org', p_org::text, true);
  select webhook_id into v_webhook_id from webhook_deliveries where organization_id = p_org and id = p_id;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if not exists (select from webhooks where organization_id = p_org and id = v_webhook_id and is_active) then
    return jsonb_build_object('outcome', 'inactive');
  end if;
  perform lanes_hold(array[v_webhook_id]);
  -- A day early, so that it goes before what waits.
  update webhook_deliveries
     set status = 'pending', trigger = 'manual', next_attempt_at = now() - interval '1 day',
         back_to_status = coalesce(back_to_status, status),
         back_to_at = case when back_to_status is null then next_attempt_at else back_to_at end
   where organization_id = p_org and id = p_id and status <> 'sending' returning * into v_delivery;
  if not found then
    return jsonb_build_object('outcome', 'under_way');
  end if;
  update webhook_lanes set next_due_at = least(next_due_at, v_delivery.next_attempt_at), is_asked = true
   where webhook_id = v_webhook_id;
  return jsonb_build_object('outcome', 'requeued', 'delivery', to_jsonb(v_delivery));
end $$;
comment on function public.delivery_retry_v1(uuid, uuid) is
  'Has a delivery attempted once more at once, whatever became of it; a failure leaves it as it was.';

create function public.webhook_test_v1(p_org uuid, p_webhook_id uuid, p_message_id uuid, p_type text, p_data jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_delivery agentes.webhook_deliveries;
begin
  perform set_config('app.org', p_org::text, true);
  if not exists (select from webhooks where organization_id = p_org and id = p_webhook_id) then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if not exists (select from webhooks where organization_id = p_org and id = p_webhook_id and is_active) then
    return jsonb_build_object('outcome', 'inactive');
  end if;
  perform lanes_hold(array[p_webhook_id]);
  insert into webhook_messages (id, organization_id, type, body)
  values (p_message_id, p_org, p_type, message_body(p_type, now(), p_data));
  insert into webhook_deliveries (id, organization_id, webhook_id, message_id, event_type, trigger, next_attempt_at)
  values (uuid_v7(), p_org, p_webhook_id, p_message_id, p_type, 'test', now() - interval '1 day')
  returning * into v_delivery;
  update webhook_lanes set next_due_at = least(next_due_at, v_delivery.next_attempt_at), is_asked = true
   where webhook_id = p_webhook_id;
  return jsonb_build_object('outcome', 'queued', 'delivery', to_jsonb(v_delivery));
end $$;
comment on function public.webhook_test_v1(uuid, uuid, uuid, text, jsonb) is
  'Queues a made-up event for one endpoint, before everything that waits; it is tried once.';

create function public.webhook_recover_v1(p_org uuid, p_webhook_id uuid, p_id uuid, p_since text)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_recovery agentes.webhook_recoveries;
begin
  perform set_config('app.org', p_org::text, true);
  perform from webhooks where organization_id = p_org and id = p_webhook_id and is_active for update;
  if not found then
    return jsonb_build_object('outcome', case when exists (
      select from webhooks where organization_id = p_org and id = p_webhook_id) then 'inactive' else 'not_found' end);
  end if;
  -- While one is under way, a second one would only follow it.
  if exists (select from webhook_recoveries where organization_id = p_org and webhook_id = p_webhook_id
                and status = 'running') then
    return jsonb_build_object('outcome', 'under_way');
  end if;
  insert into webhook_recoveries (id, organization_id, webhook_id, since)
  values (p_id, p_org, p_webhook_id, p_since::timestamptz) returning * into v_recovery;
  return jsonb_build_object('outcome', 'begun', 'recovery', to_jsonb(v_recovery));
end $$;
comment on function public.webhook_recover_v1(uuid, uuid, uuid, text) is
  'Orders that everything of an endpoint that failed since then be delivered once more.';

create function agentes.recovery_missed(p_recovery agentes.webhook_recoveries, p_limit int) returns jsonb
language plpgsql as $$
declare
  v_cursor bigint := (select number from webhook_cursor);
  v_kept_since timestamptz := now() - make_interval(days => least(30, (
    select (document->'retention_days'->>'deliveries')::int from settings
     where organization_id = p_recovery.organization_id)));
  v_seen int;
  v_last bigint;
  v_events uuid[];
  v_made int;
begin
  -- What has not been followed yet is not missed; nor is what had a delivery that may be deleted by now.
  select count(*), max(s.position), array_agg(s.id) filter (where is_wanted and not exists (
           select from webhook_deliveries d where d.message_id = s.id and d.webhook_id = p_recovery.webhook_id))
    into v_seen, v_last, v_events
    from (select e.position, e.id, (w.agent_id is null or w.agent_id = e.agent_id) and webhook_wants(w.events, e.type)
                 and e.type <> 'webhook_delivery_failed' and e.occurred_at >= w.created_at as is_wanted
            from events e join webhooks w on w.id = p_recovery.webhook_id and w.is_active
           where e.organization_id = p_recovery.organization_id and e.position > p_recovery.after_position
             and e.number <= v_cursor and e.occurred_at >= greatest(p_recovery.since, v_kept_since)
             and e.occurred_at < p_recovery.until
           order by e.position limit p_limit) s;
  insert into webhook_messages (id, organization_id, type, body)
  select e.id, e.organization_id, e.type, message_body(e.type, e.occurred_at, e.data)
    from events e where e.id = any (v_events)
  on conflict (id) do nothing;
  insert into webhook_deliveries (id, organization_id, webhook_id, message_id, event_type, trigger, next_attempt_at)
  select uuid_v7(), e.organization_id, p_recovery.webhook_id, e.id, e.type, 'recover', now()
    from events e where e.id = any (v_events) order by e.position;
  get diagnostics v_made = row_count;
  return jsonb_build_object('seen', v_seen, 'made', v_made, 'last', v_last);
end $$;
comment on function agentes.recovery_missed(agentes.webhook_recoveries, int) is
  'Makes the deliveries of the next events that an endpoint would have been told of, had it been on.';

create function public.recoveries_step_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_recovery agentes.webhook_recoveries;
  v_ids uuid[];
  v_count int;
  v_missed jsonb := '{}';
begin
  select r.* into v_recovery from webhook_recoveries r where r.status = 'running'
   order by r.updated_at limit 1 for update skip locked;
  if not found then
    return '0';
  end if;
  perform lanes_hold(array[v_recovery.webhook_id]);
  select array_agg(d.id), count(*) into v_ids, v_count from (
    select id from webhook_deliveries
     where organization_id = v_recovery.organization_id and webhook_id = v_recovery.webhook_id
       and id > coalesce(v_recovery.after_id, '00000000-0000-0000-0000-000000000000')
       and created_at >= v_recovery.since and created_at < v_recovery.until
       and status in ('failed', 'skipped') and event_type <> 'webhook_test'
     order by id limit p_limit) d;
  update webhook_deliveries set status = 'pending', trigger = 'recover', tries = 0, next_attempt_at = now()
   where id = any (v_ids);
  if v_count < p_limit then
    v_missed := recovery_missed(v_recovery, p_limit);
  end if;
  update webhook_lanes set next_due_at = least(next_due_at, now())
   where webhook_id = v_recovery.webhook_id and v_count + coalesce((v_missed->>'made')::int, 0) > 0;
  update webhook_recoveries
     set requeued = requeued + v_count + coalesce((v_missed->>'made')::int, 0),
         after_id = coalesce(v_ids[v_count], after_id), updated_at = clock_timestamp(),
         after_position = coalesce((v_missed->>'last')::bigint, after_position),
         status = case when (v_missed->>'seen')::int < p_limit then 'completed' else 'running' end
   where id = v_recovery.id;
  return to_jsonb(v_count + 1);
end $$;
comment on function public.recoveries_step_v1(int) is
  'Takes one recovery a batch further; 0 when none is under way.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.webhook_recoveries');
  perform agentes.lock_helper('agentes.recovery_missed(agentes.webhook_recoveries, int)');
  foreach v_function in array array[
    'delivery_get_v1(uuid, uuid)', 'delivery_retry_v1(uuid, uuid)', 'webhook_test_v1(uuid, uuid, uuid, text, jsonb)',
    'webhook_recover_v1(uuid, uuid, uuid, text)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  perform agentes.lock_function('public.recoveries_step_v1(int)', 'agentes_system');
  insert into agentes.catalogue (name, hidden) values ('webhook_recoveries', array['after_id', 'after_position']);
end $$;

select agentes.migration_applied('20261126040400');

notify pgrst, 'reload schema';
