-- The pass that keeps figures up to date, and reckoning them anew from the rows.

create function agentes.conversations_count(p_ids uuid[]) returns void
language plpgsql set enable_seqscan = off as $$
declare
  v_old agentes.analytics_shares[];
  v_new agentes.analytics_shares[];
begin
  select coalesce(array_agg(s), '{}') into v_old from agentes.analytics_shares s where s.conversation_id = any (p_ids);
  delete from agentes.analytics_shares where conversation_id = any (p_ids);
  perform agentes.share_begun(p_ids);
  perform agentes.share_said(p_ids);
  perform agentes.share_ran(p_ids);
  perform agentes.share_sold(p_ids);
  select coalesce(array_agg(s), '{}') into v_new from agentes.analytics_shares s where s.conversation_id = any (p_ids);
  -- What is as it was moves nothing.
  perform agentes.rollups_add(array(select row(x.*)::agentes.analytics_shares from (select * from unnest(v_old) except all select * from unnest(v_new)) x), -1);
  perform agentes.rollups_add(array(select row(x.*)::agentes.analytics_shares from (select * from unnest(v_new) except all select * from unnest(v_old)) x), 1);
  perform agentes.visits_add(agentes.visits_changed(v_old, v_new));
end $$;
comment on function agentes.conversations_count(uuid[]) is
  'Reckons the shares of conversations from their rows as they are now, and moves the rollups by the difference.';

-- Whatever began with an event is a conversion once, by the lead or the submission that it tells of.
create function agentes.conversion_take(p_org uuid, p_kind text, p_subject_id uuid, p_conversation_id uuid, p_at timestamptz)
returns void language plpgsql as $$
declare
  v_entry agentes.conversions;
begin
  perform from agentes.conversations where organization_id = p_org and id = p_conversation_id for key share;
  if not found or exists (select from agentes.conversions c where c.organization_id = p_org and c.kind = p_kind
                             and c.subject_id = p_subject_id) then
    return;
  end if;
  v_entry.id := agentes.uuid_v7();
  v_entry.organization_id := p_org;
  v_entry.conversation_id := p_conversation_id;
  v_entry.kind := p_kind;
  v_entry.type := p_kind;
  v_entry.subject_id := p_subject_id;
  v_entry.is_refundable := false;
  v_entry.occurred_at := p_at;
  v_entry.created_at := now();
  v_entry.updated_at := now();
  v_entry := agentes.conversion_attribute(v_entry);
  insert into agentes.conversions select v_entry.*;
  perform agentes.conversion_cite(v_entry);
end $$;
comment on function agentes.conversion_take(uuid, text, uuid, uuid, timestamptz) is
  'Enters a complete lead or a sent form of a conversation into the ledger, once.';

create function public.analytics_count_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_limit int := least(greatest(p_limit, 1), 5000);
  v_after bigint;
  v_last bigint;
  v_seen int;
  v_ids uuid[];
  v_changed uuid[];
  v_event record;
begin
  if not pg_try_advisory_xact_lock(hashtext('agentes.analytics')) then
    return jsonb_build_object('conversations', 0, 'is_done', true);
  end if;
  select number into v_after from analytics_cursor;
  select max(e.number), count(*), array_agg(distinct (e.data->>'conversation_id')::uuid)
           filter (where e.data->>'conversation_id' ~ '^[0-9a-f-]{36}$')
    into v_last, v_seen, v_ids
    from (select * from events where number > v_after order by number limit v_limit) e;
  for v_event in
    select e.organization_id, e.type, e.data, e.occurred_at from events e
     where e.number > v_after and e.number <= v_last and e.type in ('lead_captured', 'form_submitted')
       and e.data->>'conversation_id' is not null order by e.number
  loop
    perform conversion_take(v_event.organization_id, case v_event.type when 'lead_captured' then 'lead' else 'form' end,
      coalesce(v_event.data->>'lead_id', v_event.data->>'submission_id')::uuid,
      (v_event.data->>'conversation_id')::uuid, v_event.occurred_at);
  end loop;
  with taken as (
    delete from analytics_changes where id in (select id from analytics_changes order by id limit v_limit) returning conversation_id
  )
  select array_agg(conversation_id) into v_changed from taken;
  v_ids := array(
    select unnest(v_ids) union select unnest(v_changed)
    union (select conversation_id from analytics_shares where due_at <= now() order by due_at limit v_limit));
  if cardinality(v_ids) > 0 then
    perform conversations_count(v_ids);
  end if;
  update analytics_cursor set number = v_last where number < v_last;
  return jsonb_build_object('conversations', cardinality(v_ids), 'is_done',
    v_seen < v_limit and coalesce(cardinality(v_changed), 0) < v_limit);
end $$;
comment on function public.analytics_count_v1(int) is
  'Counts what was announced or changed since the last time, and conversations that have fallen silent; is_done when that was all. One at a time.';

-- From the first day of UTC of which every row is still there, or from the beginning.
create function public.analytics_rebuild_v1(p_org uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  c_at_once constant int := 2000;
  v_days int;
  v_from int := 0;
  v_after uuid;
  v_ids uuid[];
  v_kept agentes.analytics_shares[];
  v_count bigint := 0;
begin
  perform set_config('app.org', p_org::text, true);
  perform pg_advisory_xact_lock(hashtext('agentes.analytics'));
  select (document->'retention_days'->>'conversations')::int into v_days from settings where organization_id = p_org;
  if v_days > 0 then
    v_from := (quarter_of(now() - make_interval(days => v_days)) / 96 + 1) * 96;
  end if;
  delete from analytics_rollups where organization_id = p_org and bucket * grain::int >= v_from;
  delete from analytics_latencies where organization_id = p_org and bucket * grain::int >= v_from;
  delete from analytics_visits where organization_id = p_org and quarter >= v_from;
  delete from analytics_visit_days where organization_id = p_org and day >= v_from / 96;
  delete from analytics_shares where organization_id = p_org and quarter >= v_from;
  loop
    v_ids := array(select id from conversations where organization_id = p_org and (v_after is null or id > v_after)
                    order by id limit c_at_once);
    exit when v_ids = '{}';
    v_after := v_ids[cardinality(v_ids)];
    -- What conversations said before that moment stays as it was counted.
    select coalesce(array_agg(s), '{}') into v_kept from analytics_shares s where s.conversation_id = any (v_ids);
    delete from analytics_shares where conversation_id = any (v_ids);
    perform share_begun(v_ids);
    perform share_said(v_ids);
    perform share_ran(v_ids);
    perform share_sold(v_ids);
    delete from analytics_shares where conversation_id = any (v_ids) and quarter < v_from;
    perform rollups_add(array(select s from analytics_shares s where s.conversation_id = any (v_ids)), 1);
    perform visits_add(visits_changed('{}', array(select s from analytics_shares s where s.conversation_id = any (v_ids))));
    insert into analytics_shares select * from unnest(v_kept);
    v_count := v_count + cardinality(v_ids);
  end loop;
  return jsonb_build_object('conversations', v_count, 'from', moment_of(v_from));
end $$;
comment on function public.analytics_rebuild_v1(uuid) is
  'Reckons an organization''s figures anew from its rows, as far back as those are kept; the result is the same as counting gave.';

do $$
begin
  perform agentes.lock_helper('agentes.conversations_count(uuid[])');
  perform agentes.lock_helper('agentes.conversion_take(uuid, text, uuid, uuid, timestamptz)');
  perform agentes.lock_function('public.analytics_count_v1(int)', 'agentes_system');
  perform agentes.lock_function('public.analytics_rebuild_v1(uuid)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126180500');

notify pgrst, 'reload schema';
