-- Reading history: a client's stream from where it stopped, the list, and every stream of a process.

create function agentes.event_row(e agentes.events) returns jsonb
language sql stable as $$
  select jsonb_build_object('number', e.position, 'id', e.id, 'type', e.type, 'agent_id', e.agent_id,
                            'data', e.data, 'timestamp', e.occurred_at)
$$;
comment on function agentes.event_row(agentes.events) is
  'An event as clients see it: its number is the one in its organization.';

create function public.events_replay_v1(
  p_org uuid, p_after bigint default null, p_types jsonb default null, p_agent_id uuid default null,
  p_limit int default 200
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_limit int := least(greatest(p_limit, 1), 1000);
  v_page jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  -- One statement, so that nothing is numbered or purged between its parts.
  with head as (
    select coalesce(max(position), 0) as position, coalesce(max(purged_position), 0) as purged
      from event_heads where organization_id = p_org
  ), bounds as (
    -- Positions have no holes, so a filter that nothing passes costs no more than 5,000 rows a page.
    select s.start, least(s.start + 5000, h.position) as stop, h.position as head from head h,
           lateral (select least(greatest(coalesce(p_after, h.position), h.purged), h.position) as start) s
  ), found as (
    select e.position, event_row(e) as event from events e
     where e.organization_id = p_org
       and e.position > (select start from bounds) and e.position <= (select stop from bounds)
       and (p_types is null or p_types ? e.type) and (p_agent_id is null or e.agent_id = p_agent_id)
     order by e.position limit v_limit
  ), page as (
    select count(*) as size, max(position) as last, jsonb_agg(event order by position) as events from found
  )
  select jsonb_build_object('events', coalesce(p.events, '[]'), 'start', b.start, 'head', b.head,
                            'last', case when p.size >= v_limit then p.last else b.stop end)
    into v_page from bounds b, page p;
  return v_page;
end $$;
comment on function public.events_replay_v1(uuid, bigint, jsonb, uuid, int) is
  'Events after a number, oldest first, and how far that reaches; start is another number than asked for where history does not reach back so far or has no such number. Without a number: where history ends.';

create function public.events_list_v1(
  p_org uuid, p_after bigint default null, p_before bigint default null, p_types jsonb default null,
  p_agent_id uuid default null, p_from text default null, p_to text default null,
  p_limit int default 20
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_events jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  execute format(
    'select jsonb_agg(event) from (
       select event_row(e) as event from events e
        where organization_id = $1 and ($2 is null or position > $2) and ($3 is null or position < $3)
          and ($4 is null or $4 ? type) and ($5 is null or agent_id = $5)
          and ($6 is null or occurred_at >= $6::timestamptz) and ($7 is null or occurred_at < $7::timestamptz)
        order by position %s limit $8) found', case when p_after is null then 'desc' else 'asc' end)
    into v_events
    using p_org, p_after, p_before, p_types, p_agent_id, p_from, p_to, least(greatest(p_limit, 0), 1001);
  return jsonb_build_object('events', coalesce(v_events, '[]'), 'purged', coalesce(
    (select purged_position from event_heads where organization_id = p_org), 0));
end $$;
comment on function public.events_list_v1(uuid, bigint, bigint, jsonb, uuid, text, text, int) is
  'History, newest first; after a number, oldest first. purged is the number up to which it is gone.';

create function public.events_follow_v1(p_after bigint, p_organizations jsonb, p_limit int) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  -- One statement, so one view of the table: whatever it does not see has a greater number.
  with found as (
    select e.number, e.organization_id, event_row(e) as event from events e
     where e.number > p_after
       and e.organization_id = any (array(select jsonb_array_elements_text(p_organizations))::uuid[])
     order by e.number limit least(greatest(p_limit, 1), 1000)
  ), page as (
    select count(*) as size, max(number) as last, coalesce(jsonb_agg(
             event || jsonb_build_object('organization_id', organization_id) order by number), '[]') as events
      from found
  )
  select jsonb_build_object('events', page.events, 'last', case
           when page.size >= least(greatest(p_limit, 1), 1000) then page.last
           else greatest(p_after, coalesce((select max(number) from events), 0)) end)
    from page
$$;
comment on function public.events_follow_v1(bigint, jsonb, int) is
  'Events of some organizations after a number of the service, and the number to go on from; without a number, only that.';

do $$
begin
  perform agentes.lock_helper('agentes.event_row(agentes.events)');
  perform agentes.lock_function('public.events_replay_v1(uuid, bigint, jsonb, uuid, int)', 'agentes_tenant');
  perform agentes.lock_function(
    'public.events_list_v1(uuid, bigint, bigint, jsonb, uuid, text, text, int)', 'agentes_tenant');
  perform agentes.lock_function('public.events_follow_v1(bigint, jsonb, int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126050100');

notify pgrst, 'reload schema';
