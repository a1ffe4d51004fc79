-- Reading figures between two quarters of an hour: as many whole days as lie within, then hours, then quarters.

create function agentes.pieces(p_from int, p_to int) returns table (grain int, first int, stop int)
language sql immutable parallel safe as $$
  with day as (
    select (p_from + 95) / 96 as first, p_to / 96 as stop
  ), side as (
    select p_from as first, case when d.first < d.stop then d.first * 96 else p_to end as stop from day d
     union all select d.stop * 96, p_to from day d where d.first < d.stop
  ), hour as (
    select s.first as side_first, s.stop as side_stop, (s.first + 3) / 4 as first, s.stop / 4 as stop from side s
  )
  select 96, first, stop from day where first < stop
   union all select 4, first, stop from hour where first < stop
   union all select 1, side_first, case when first < stop then first * 4 else side_stop end from hour
   union all select 1, stop * 4, side_stop from hour where first < stop
$$;
comment on function agentes.pieces(int, int) is
  'Ranges of rollups that together are a range of quarters of an hour: grain, first bucket, and the bucket to stop before.';

create function agentes.figures_of(p_org uuid, p_agent uuid, p_from int, p_to int) returns jsonb
language plpgsql stable as $$
declare
  v_totals jsonb;
begin
  execute format($q$
    select to_jsonb(t) from (
      select %s from agentes.pieces($3, $4) p
        left join agentes.analytics_rollups r on r.organization_id = $1 and r.agent_id = $2 and r.facet = ''
         and r.grain = p.grain and r.bucket >= p.first and r.bucket < p.stop) t$q$,
    agentes.measures('coalesce(sum(r.%1$I), 0) as %1$I')) into v_totals using p_org, p_agent, p_from, p_to;
  return v_totals;
end $$;
comment on function agentes.figures_of(uuid, uuid, int, int) is 'Every measure of a range, of one agent or of all.';

create function agentes.facets_of(p_org uuid, p_agent uuid, p_kind text, p_from int, p_to int) returns jsonb
language sql stable as $$
  select coalesce(jsonb_agg(to_jsonb(t) order by t.facet), '[]') from (
    select substr(f.facet, length(p_kind) + 2) as facet, sum(r.answers) as answers, sum(r.failures) as failures,
           sum(r.input_tokens) as input_tokens, sum(r.output_tokens) as output_tokens, sum(r.cached_tokens) as cached_tokens,
           sum(r.cost_micros) as cost_micros, sum(r.unpriced) as unpriced, sum(r.response_ms) as response_ms,
           sum(r.timed) as timed, sum(r.leads + r.forms + r.customs) as conversions, sum(r.refunds) as refunds,
           sum(r.gross) as gross, sum(r.refunded) as refunded
      from agentes.analytics_facets f cross join agentes.pieces(p_from, p_to) p
      join agentes.analytics_rollups r on r.organization_id = p_org and r.agent_id = p_agent and r.facet = f.facet
       and r.grain = p.grain and r.bucket >= p.first and r.bucket < p.stop
     where f.organization_id = p_org and f.agent_id = p_agent and starts_with(f.facet, p_kind || ':')
     group by f.facet having sum(r.answers) + sum(r.leads + r.forms + r.customs) + sum(r.refunds) > 0) t
$$;
comment on function agentes.facets_of(uuid, uuid, text, int, int) is
  'Measures of a range by model, or by type and currency of conversion.';

create function agentes.agents_of(p_org uuid, p_agent uuid, p_from int, p_to int) returns jsonb
language sql stable as $$
  select coalesce(jsonb_agg(to_jsonb(t) order by t.conversations desc, t.agent_id), '[]') from (
    select f.agent_id, a.name, sum(r.conversations) as conversations, sum(r.messages) as messages, sum(r.resolved) as resolved,
           sum(r.converted) as converted, sum(r.open) as open, sum(r.answers) as answers, sum(r.input_tokens) as input_tokens,
           sum(r.output_tokens) as output_tokens, sum(r.cost_micros) as cost_micros, sum(r.unpriced) as unpriced
      from agentes.analytics_facets f cross join agentes.pieces(p_from, p_to) p
      join agentes.analytics_rollups r on r.organization_id = p_org and r.agent_id = f.agent_id and r.facet = ''
       and r.grain = p.grain and r.bucket >= p.first and r.bucket < p.stop
      left join agentes.agents a on a.organization_id = p_org and a.id = f.agent_id
     where f.organization_id = p_org and f.facet = '' and case
             when p_agent = '00000000-0000-0000-0000-000000000000' then f.agent_id <> p_agent else f.agent_id = p_agent end
     group by f.agent_id, a.name having sum(r.conversations) + sum(r.messages) + sum(r.answers) > 0
     order by sum(r.conversations) desc, f.agent_id limit 100) t
$$;
comment on function agentes.agents_of(uuid, uuid, int, int) is 'Measures of a range by agent, those with most conversations first.';

create function agentes.latencies_of(p_org uuid, p_agent uuid, p_from int, p_to int) returns jsonb
language sql stable as $$
  select coalesce(jsonb_agg(jsonb_build_array(t.measure, t.bin, t.count) order by t.measure, t.bin), '[]') from (
    select l.measure, l.bin, sum(l.count) as count from agentes.pieces(p_from, p_to) p
      join agentes.analytics_latencies l on l.organization_id = p_org and l.agent_id = p_agent
       and l.grain = p.grain and l.bucket >= p.first and l.bucket < p.stop
     group by l.measure, l.bin having sum(l.count) > 0) t
$$;
comment on function agentes.latencies_of(uuid, uuid, int, int) is 'The histograms of a range: [measure, bin, count].';

create function agentes.series_of(p_org uuid, p_agent uuid, p_bounds int[]) returns jsonb
language sql stable as $$
  select jsonb_agg(to_jsonb(t) - 'place' order by t.place) from (
    select b.place, b.first as quarter, coalesce(sum(r.conversations), 0) as conversations,
           coalesce(sum(r.messages), 0) as messages, coalesce(sum(r.answers), 0) as answers,
           coalesce(sum(r.failures), 0) as failures, coalesce(sum(r.leads), 0) as leads, coalesce(sum(r.forms), 0) as forms,
           coalesce(sum(r.customs), 0) as custom, coalesce(sum(r.converted), 0) as converted,
           coalesce(sum(r.input_tokens), 0) as input_tokens, coalesce(sum(r.output_tokens), 0) as output_tokens,
           coalesce(sum(r.cost_micros), 0) as cost_micros, coalesce(sum(r.unpriced), 0) as unpriced,
           coalesce(sum(r.response_ms), 0) as response_ms, coalesce(sum(r.timed), 0) as timed
      from (select u.place, u.first, p_bounds[u.place + 1] as stop from unnest(p_bounds) with ordinality u(first, place)
             where u.place < cardinality(p_bounds)) b
      cross join lateral agentes.pieces(b.first, b.stop) p
      left join agentes.analytics_rollups r on r.organization_id = p_org and r.agent_id = p_agent and r.facet = ''
       and r.grain = p.grain and r.bucket >= p.first and r.bucket < p.stop
     group by b.place, b.first) t
$$;
comment on function agentes.series_of(uuid, uuid, int[]) is
  'Measures between each bound and the next, of which none is left out.';

create function agentes.questions_of(p_org uuid, p_agent uuid, p_from int, p_to int) returns jsonb
language sql stable as $$
  with latest as materialized (
    select s.conversation_id, s.quarter, s.question_keys from agentes.analytics_shares s
     where s.organization_id = p_org and s.part = 'said' and s.quarter >= p_from and s.quarter < p_to and s.questions > 0
       and (p_agent = '00000000-0000-0000-0000-000000000000' or s.agent_id = p_agent)
     order by s.quarter desc, s.conversation_id limit 1000
  ), top as (
    select k.key, count(*) as count, (array_agg(l.conversation_id order by l.quarter desc, l.conversation_id))[1] as conversation_id
      from latest l cross join lateral unnest(l.question_keys) k(key)
     group by k.key order by count(*) desc, k.key limit 10
  )
  select coalesce(jsonb_agg(jsonb_build_object('question', m.content, 'count', t.count) order by t.count desc, t.key), '[]')
    from top t cross join lateral (
      select left(m.content, 500) as content from agentes.messages m
       where m.conversation_id = t.conversation_id and m.role = 'user' and agentes.question_key(m.content) = t.key
       order by m.id desc limit 1) m
$$;
comment on function agentes.questions_of(uuid, uuid, int, int) is
  'What was asked most in the latest 1,000 stretches of conversations of a range.';

do $$
declare
  v_name text;
begin
  foreach v_name in array array[
    'pieces(int, int)', 'figures_of(uuid, uuid, int, int)', 'facets_of(uuid, uuid, text, int, int)',
    'agents_of(uuid, uuid, int, int)', 'latencies_of(uuid, uuid, int, int)', 'series_of(uuid, uuid, int[])',
    'questions_of(uuid, uuid, int, int)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_name)::regprocedure);
  end loop;
end $$;

select agentes.migration_applied('20261126180700');

notify pgrst, 'reload schema';
