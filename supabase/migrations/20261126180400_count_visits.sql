-- Visitors are counted without being looked through: a visit knows the one before, and whoever came
-- between A and B is counted once by those visits whose visit before lies before A.

create type agentes.visit_change as (organization_id uuid, agent_id uuid, visitor bigint, quarter int, count bigint);
create type agentes.visit_day as (organization_id uuid, agent_id uuid, day int, previous_day int, count bigint);

create function agentes.visits_changed(p_old agentes.analytics_shares[], p_new agentes.analytics_shares[])
returns agentes.visit_change[] language sql stable as $$
  select array(
    select row(s.organization_id, a.agent_id, s.visitor, s.quarter, sum(s.sign))::agentes.visit_change
      from (select -1 as sign, o.* from unnest(p_old) o union all select 1, n.* from unnest(p_new) n) s
      cross join lateral (values (s.agent_id), ('00000000-0000-0000-0000-000000000000'::uuid)) a(agent_id)
     where s.part = 'said' and s.questions > 0
     group by s.organization_id, a.agent_id, s.visitor, s.quarter having sum(s.sign) <> 0)
$$;
comment on function agentes.visits_changed(agentes.analytics_shares[], agentes.analytics_shares[]) is
  'Quarters of an hour in which visitors asked something by new shares and not by old, and the other way round.';

-- From the first changed visit of each visitor on.
create function agentes.visit_days_of(p_changes agentes.visit_change[]) returns agentes.visit_day[]
language sql stable set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
  select array(
    select row(v.organization_id, v.agent_id, v.quarter / 96, coalesce(v.previous / 96, -1), count(*))::agentes.visit_day
      from (select organization_id, agent_id, visitor, min(quarter) as first from unnest(p_changes) group by 1, 2, 3) c
      join agentes.analytics_visits v using (organization_id, agent_id, visitor)
     where v.quarter >= c.first
     group by v.organization_id, v.agent_id, v.quarter / 96, coalesce(v.previous / 96, -1))
$$;
comment on function agentes.visit_days_of(agentes.visit_change[]) is 'The visits of changed visitors, by day and day before.';

-- By index and nothing else: while a table is new, the planner takes it for empty and reads it whole.
create function agentes.visits_add(p_changes agentes.visit_change[]) returns void
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  v_before agentes.visit_day[] := agentes.visit_days_of(p_changes);
begin
  insert into agentes.analytics_visits as v (organization_id, agent_id, visitor, quarter, count)
  select c.organization_id, c.agent_id, c.visitor, c.quarter, c.count from unnest(p_changes) c order by 1, 2, 3, 4
  on conflict (organization_id, agent_id, visitor, quarter) do update set count = v.count + excluded.count;
  delete from agentes.analytics_visits v using unnest(p_changes) c
   where c.count < 0 and v.count <= 0 and v.organization_id = c.organization_id and v.agent_id = c.agent_id
     and v.visitor = c.visitor and v.quarter = c.quarter;
  with changed as (
    select organization_id, agent_id, visitor, min(quarter) as first from unnest(p_changes) group by 1, 2, 3
  ), chain as (
    select v.organization_id, v.agent_id, v.visitor, v.quarter, c.first, v.previous as told, lag(v.quarter) over (
             partition by v.organization_id, v.agent_id, v.visitor order by v.quarter) as previous
      from changed c join agentes.analytics_visits v using (organization_id, agent_id, visitor)
     where v.quarter >= coalesce((
             select max(w.quarter) from agentes.analytics_visits w
              where w.organization_id = c.organization_id and w.agent_id = c.agent_id and w.visitor = c.visitor
                and w.quarter < c.first), c.first)
  )
  update agentes.analytics_visits v set previous = l.previous from chain l
   where l.quarter >= l.first and l.told is distinct from l.previous
     and v.organization_id = l.organization_id and v.agent_id = l.agent_id and v.visitor = l.visitor
     and v.quarter = l.quarter;
  insert into agentes.analytics_visit_days as d (organization_id, agent_id, day, previous_day, count)
  select organization_id, agent_id, day, previous_day, sum(count)
    from (select organization_id, agent_id, day, previous_day, -count as count from unnest(v_before)
           union all
          select organization_id, agent_id, day, previous_day, count
            from unnest(agentes.visit_days_of(p_changes))) x
   group by 1, 2, 3, 4 having sum(count) <> 0 order by 1, 2, 3, 4
  on conflict (organization_id, agent_id, day, previous_day) do update set count = d.count + excluded.count;
end $$;
comment on function agentes.visits_add(agentes.visit_change[]) is
  'Puts visits in and takes them out, in any order, and keeps each with the one before it.';

-- What lies within whole days of UTC is read by day; at both ends, of one day each, by visit.
create function agentes.visitors_between(p_org uuid, p_agent uuid, p_from int, p_to int)
returns table (visitors bigint, returning_visitors bigint) language sql stable as $$
  with bound as (
    select least((p_from + 95) / 96 * 96, p_to) as start, greatest(p_to / 96 * 96, least((p_from + 95) / 96 * 96, p_to)) as stop,
           hashtextextended(p_org::text || p_agent::text, 0) as line
  ), found as (
    select d.count, d.previous_day >= 0 as is_back
      from bound b, agentes.analytics_visit_days d
     where d.organization_id = p_org and d.agent_id = p_agent
       and d.day >= (b.start + 95) / 96 and d.day < b.stop / 96 and d.previous_day < p_from / 96
    union all
    select 1, true from bound b, agentes.analytics_visits v
     where v.line = b.line
       and v.previous >= p_from / 96 * 96 and v.previous < p_from and v.quarter >= b.start and v.quarter < b.stop
    union all
    select 1, v.previous is not null from bound b, agentes.analytics_visits v
     where v.line = b.line
       and v.quarter >= p_from and v.quarter < b.start and coalesce(v.previous, -1) < p_from
    union all
    select 1, v.previous is not null from bound b, agentes.analytics_visits v
     where v.line = b.line
       and v.quarter >= b.stop and v.quarter < p_to and coalesce(v.previous, -1) < p_from
  )
  select coalesce(sum(count), 0)::bigint, coalesce(sum(count) filter (where is_back), 0)::bigint from found
$$;
comment on function agentes.visitors_between(uuid, uuid, int, int) is
  'How many visitors asked something between two quarters of an hour, and how many of them had before.';

do $$
declare
  v_name text;
begin
  foreach v_name in array array[
    'visits_changed(agentes.analytics_shares[], agentes.analytics_shares[])', 'visit_days_of(agentes.visit_change[])',
    'visits_add(agentes.visit_change[])', 'visitors_between(uuid, uuid, int, int)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_name)::regprocedure);
  end loop;
end $$;

select agentes.migration_applied('20261126180400');

notify pgrst, 'reload schema';
