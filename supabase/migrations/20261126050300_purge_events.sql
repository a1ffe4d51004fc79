-- What is older than the retention goes, a little at a time, always from the old end.

-- The one place of this setting.
create function agentes.event_retention(p_org uuid) returns interval
language plpgsql stable as $$
declare
  v_days int;
begin
  -- Settings come with a later migration.
  if to_regclass('agentes.settings') is not null then
    select (document->'retention_days'->>'events')::int into v_days
      from agentes.settings where organization_id = p_org;
  end if;
  return make_interval(days => coalesce(v_days, 7));
end $$;
comment on function agentes.event_retention(uuid) is
  'How long an organization''s events are kept: as it has set, else 7 days.';

create function agentes.purge_events_of(p_org uuid, p_limit int) returns bigint
language plpgsql as $$
declare
  v_before timestamptz := now() - event_retention(p_org);
  v_head agentes.event_heads;
  v_to bigint;
begin
  select * into v_head from event_heads where organization_id = p_org for update;
  -- The first that stays bounds what goes, so that what is gone is always a beginning.
  select coalesce(min(position) filter (where occurred_at >= v_before) - 1, max(position), v_head.purged_position)
    into v_to from (
      select position, occurred_at from events
       where organization_id = p_org and position > v_head.purged_position
         -- What webhooks have not been told of yet stays, however old: nobody may have been there to tell.
         and (number <= (select c.number from webhook_cursor c)
              or not exists (select from webhooks w where w.organization_id = p_org))
       order by position limit p_limit) oldest;
  delete from events
   where organization_id = p_org and position > v_head.purged_position and position <= v_to;
  update event_heads
     set purged_position = v_to, purge_at = case
           when v_to - v_head.purged_position >= p_limit then now() else now() + interval '10 minutes' end
   where organization_id = p_org;
  return v_to - v_head.purged_position;
end $$;
comment on function agentes.purge_events_of(uuid, int) is
  'Deletes up to so many of an organization''s oldest events, if they are past its retention.';

create function public.events_purge_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_left int := p_limit;
  v_org uuid;
begin
  if not pg_try_advisory_xact_lock(hashtext('agentes.events_purge')) then
    return jsonb_build_object('purged', 0, 'is_done', true);
  end if;
  delete from event_tickets where secret_sha256 in (
    select secret_sha256 from event_tickets where expires_at < now() limit 1000);
  for v_org in
    -- In the order in which numbering locks the same rows, so that neither waits for the other in turn.
    select organization_id from (
      select organization_id from event_heads where purge_at <= now() order by purge_at limit 50) due
     order by organization_id
  loop
    v_left := v_left - purge_events_of(v_org, v_left);
    exit when v_left <= 0;
  end loop;
  return jsonb_build_object('purged', p_limit - v_left, 'is_done', not exists (
    select from event_heads where purge_at <= now()));
end $$;
comment on function public.events_purge_v1(int) is
  'Deletes up to so many events past their retention, and tickets; is_done when none is left for now.';

do $$
begin
  perform agentes.lock_helper('agentes.event_retention(uuid)');
  perform agentes.lock_helper('agentes.purge_events_of(uuid, int)');
  perform agentes.lock_function('public.events_purge_v1(int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126050300');

notify pgrst, 'reload schema';
