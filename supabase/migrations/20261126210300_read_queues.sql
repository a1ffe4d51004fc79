-- What waits, and for how long, over all organizations: for monitoring.

create function public.queues_read_v1() returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  with waiting(queue, length, since) as (
    select 'documents', count(*), min(updated_at) from documents where status in ('queued', 'processing')
    union all
    select 'deliveries', count(*), min(next_attempt_at) from webhook_deliveries
     where status = 'pending' and next_attempt_at <= now()
    union all
    select 'events', count(*), min(occurred_at) from outbox
    union all
    select 'approvals', count(*), min(created_at) from tool_calls where status = 'awaiting_approval')
  select jsonb_build_object(
    'queues', (select jsonb_object_agg(queue, jsonb_build_object(
                 'length', length, 'age_s', coalesce(greatest(extract(epoch from now() - since), 0), 0))) from waiting),
    'active', jsonb_build_object(
      'runs', (select count(*) from runs where status = 'running'),
      'event_streams', (select coalesce(sum(count), 0) from event_streams),
      'processes', (select count(*) from processes where seen_at > now() - interval '30 seconds')))
$$;
comment on function public.queues_read_v1() is
  'Lengths and ages of what waits, and how much is under way, over all organizations.';

do $$
begin
  perform agentes.lock_function('public.queues_read_v1()', 'agentes_system');
end $$;

select agentes.migration_applied('20261126210300');

notify pgrst, 'reload schema';
