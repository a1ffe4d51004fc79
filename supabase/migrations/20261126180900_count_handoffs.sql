-- Handoffs by their reason; and shares are the pass's alone: who erases a person deletes the conversations,
-- and the pass takes what those added out of the sums before it forgets them.

revoke all on agentes.analytics_shares, agentes.analytics_changes from agentes_tenant;

create or replace function agentes.share_begun(p_ids uuid[]) returns void
language sql set enable_seqscan = off as $$
  insert into agentes.analytics_shares (
    conversation_id, part, quarter, facet, organization_id, agent_id, visitor, outcome, handoff_reason, due_at, convert_bins,
    conversations, active, open, resolved, handed_off, abandoned, converted, paid, bounced, duration_s, spoken, convert_s)
  select c.id, 'begun', agentes.quarter_of(c.created_at),
         case when o.outcome = 'handed_off' then 'handoff:' || coalesce(c.handoff->>'reason', '') else '' end, c.organization_id, c.agent_id,
         agentes.visitor_of(c.organization_id, c.visitor_id, c.id), o.outcome, c.handoff->>'reason',
         case when o.outcome = 'open' then t.last_at + interval '30 minutes' end,
         case when sold.seconds is not null then array[agentes.latency_bin(sold.seconds)] end,
         1, (c.status = 'active')::int, (o.outcome = 'open')::int, (o.outcome = 'resolved')::int,
         (o.outcome = 'handed_off')::int, (o.outcome = 'abandoned')::int, (o.outcome = 'converted')::int,
         coalesce(sold.is_paid, false)::int, (said.questions <= 1 and sold.seconds is null)::int,
         extract(epoch from t.last_at - c.created_at)::bigint, said.messages, coalesce(sold.seconds, 0)
    from agentes.conversations c
    cross join lateral (
      select count(*) as messages, count(*) filter (where m.role = 'user') as questions, max(m.created_at) as last_at
        from agentes.messages m where m.conversation_id = c.id) said
    cross join lateral (
      select greatest(c.created_at, said.last_at, max(r.ended_at)) as last_at
        from agentes.runs r where r.conversation_id = c.id) t
    left join lateral (
      select m.role, m.status from agentes.messages m where m.conversation_id = c.id order by m.id desc limit 1) last on true
    cross join lateral (
      select min(e.seconds_to_convert) as seconds, bool_or(e.amount is not null) as is_paid
        from agentes.conversions e where e.conversation_id = c.id and agentes.conversion_holds(e)) sold
    cross join lateral (
      select agentes.conversation_outcome(c.status, c.handoff, sold.seconds is not null, last.role, last.status,
                                          now() - t.last_at) as outcome) o
   where c.id = any (p_ids)
$$;

create function agentes.handoffs_of(p_org uuid, p_agent uuid, p_from int, p_to int) returns jsonb
language sql stable as $$
  select coalesce(jsonb_agg(jsonb_build_object('reason', t.reason, 'count', t.count) order by t.count desc, t.reason), '[]')
    from (
      select nullif(substr(f.facet, 9), '') as reason, sum(r.handed_off) as count
        from agentes.analytics_facets f cross join agentes.pieces(p_from, p_to) p
        join agentes.analytics_rollups r on r.organization_id = p_org and r.agent_id = p_agent and r.facet = f.facet
         and r.grain = p.grain and r.bucket >= p.first and r.bucket < p.stop
       where f.organization_id = p_org and f.agent_id = p_agent and starts_with(f.facet, 'handoff:')
       group by f.facet having sum(r.handed_off) > 0) t
$$;
comment on function agentes.handoffs_of(uuid, uuid, int, int) is
  'Conversations of a range that were handed off, by the reason.';

create or replace function public.analytics_figures_v1(p_org uuid, p_range jsonb) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
declare
  v_agent uuid := coalesce((p_range->>'agent_id')::uuid, '00000000-0000-0000-0000-000000000000');
  v_from int := (p_range->>'from')::int;
  v_to int := (p_range->>'to')::int;
  v_figures jsonb;
begin
  v_figures := jsonb_build_object(
    'totals', figures_of(p_org, v_agent, v_from, v_to),
    'visitors', (select to_jsonb(v) from visitors_between(p_org, v_agent, v_from, v_to) v),
    'conversions', facets_of(p_org, v_agent, 'conversion', v_from, v_to),
    'handoffs', handoffs_of(p_org, v_agent, v_from, v_to),
    'models', facets_of(p_org, v_agent, 'model', v_from, v_to),
    'latencies', latencies_of(p_org, v_agent, v_from, v_to),
    'agents_count', (select count(*) from agents a where a.organization_id = p_org
                        and (p_range->>'agent_id' is null or a.id = v_agent)));
  if p_range->'bounds' is null or p_range->'bounds' = 'null' then
    return v_figures;
  end if;
  return v_figures || jsonb_build_object(
    'agents', agents_of(p_org, v_agent, v_from, v_to),
    'series', series_of(p_org, v_agent, array(select jsonb_array_elements_text(p_range->'bounds'))::int[]),
    'questions', questions_of(p_org, v_agent, v_from, v_to),
    'gaps', gaps_of(p_org, v_agent, v_from, v_to));
end $$;

do $$
begin
  perform agentes.lock_helper('agentes.handoffs_of(uuid, uuid, int, int)');
end $$;

-- Those that were counted without their reason.
insert into agentes.analytics_changes (organization_id, conversation_id)
select organization_id, conversation_id from agentes.analytics_shares where part = 'begun' and outcome = 'handed_off';

select agentes.migration_applied('20261126180900');

notify pgrst, 'reload schema';
