-- The dashboard in one call, the rows behind each of its numbers, and which passages sell.

create index knowledge_gaps_by_time on agentes.knowledge_gaps (organization_id, last_asked_at);

create function agentes.gaps_of(p_org uuid, p_agent uuid, p_from int, p_to int) returns jsonb
language sql stable as $$
  with found as materialized (
    select g.id, g.question, g.count, g.last_asked_at from agentes.knowledge_gaps g
     where g.organization_id = p_org and g.status = 'open'
       and (p_agent = '00000000-0000-0000-0000-000000000000' or g.agent_id = p_agent)
       and g.last_asked_at >= agentes.moment_of(p_from) and g.last_asked_at < agentes.moment_of(p_to)
  )
  select jsonb_build_object('total', (select count(*) from found), 'questions', (
    select coalesce(jsonb_agg(jsonb_build_object('gap_id', t.id, 'question', t.question, 'count', t.count,
                              'last_asked_at', t.last_asked_at) order by t.count desc, t.id), '[]')
      from (select * from found order by count desc, id limit 10) t))
$$;
comment on function agentes.gaps_of(uuid, uuid, int, int) is 'Open questions without an answer that were last asked in a range.';

-- {agent_id?, from, to, bounds?}; with bounds all sections, without only what is compared.
create function public.analytics_figures_v1(p_org uuid, p_range jsonb) returns jsonb
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
comment on function public.analytics_figures_v1(uuid, jsonb) is
  'The figures of {agent_id?, from, to} in quarters of an hour; with bounds also its series, agents and questions.';

-- Behind a measure of conversations are those, behind one of messages the messages …: {id, conversation_id, agent_id, at, …}.
create function public.analytics_items_v1(
  p_org uuid, p_range jsonb, p_part text, p_measure text, p_limit int default 20, p_after text default null
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
declare
  v_source text := case p_part
    when 'begun' then 'select s.conversation_id as id, s.conversation_id, s.agent_id, c.created_at as at, s.outcome, s.handoff_reason
        from shares s join agentes.conversations c on c.id = s.conversation_id'
    when 'said' then 'select m.id, s.conversation_id, s.agent_id, m.created_at as at, m.role
        from shares s join agentes.messages m on m.conversation_id = s.conversation_id and agentes.quarter_of(m.created_at) = s.quarter'
    when 'rated' then 'select f.message_id as id, s.conversation_id, s.agent_id, f.created_at as at, f.rating
        from shares s join agentes.feedback f on f.conversation_id = s.conversation_id and agentes.quarter_of(f.created_at) = s.quarter'
    when 'ran' then 'select r.id, s.conversation_id, s.agent_id, r.started_at as at, r.status
        from (select distinct conversation_id, agent_id, quarter from shares) s
        join agentes.runs r on r.conversation_id = s.conversation_id and r.ended_at is not null
         and agentes.quarter_of(r.started_at) = s.quarter'
    -- The first conversation of each visitor in the range.
    when 'came' then 'select distinct on (s.visitor) s.conversation_id as id, s.conversation_id, s.agent_id, c.created_at as at, c.visitor_id
        from shares s join agentes.conversations c on c.id = s.conversation_id order by s.visitor, s.conversation_id' end;
  v_only text := case p_part || ':' || p_measure
    when 'rated:likes' then 'rating > 0' when 'rated:dislikes' then 'rating < 0' when 'said:questions' then 'role = ''user'''
    when 'ran:failures' then 'status = ''failed''' else 'true' end;
  v_rows jsonb;
begin
  execute format($q$
    with shares as (
      select * from agentes.analytics_shares s
       where s.organization_id = $1 and s.part = %L and s.quarter >= $2 and s.quarter < $3
         and ($4 is null or s.agent_id = $4) and s.%I > 0 %s
    ), item as (%s)
    select coalesce(jsonb_agg(to_jsonb(i) order by i.id desc), '[]')
      from (select * from item where ($5 is null or id < $5) and %s order by id desc limit $6) i$q$,
    case p_part when 'came' then 'said' else p_part end, p_measure,
    case when p_range->>'is_back' is not null then
      'and exists (select from agentes.analytics_visits v where v.organization_id = $1 and v.visitor = s.visitor
          and v.agent_id = coalesce($4, ''00000000-0000-0000-0000-000000000000'') and v.quarter < $2)' else '' end,
    v_source, v_only)
    into v_rows using p_org, (p_range->>'from')::int, (p_range->>'to')::int, (p_range->>'agent_id')::uuid, p_after::uuid,
      least(greatest(p_limit, 0), 1001);
  return v_rows;
end $$;
comment on function public.analytics_items_v1(uuid, jsonb, text, text, int, text) is
  'The rows that a measure has counted in a range, the latest first.';

create function public.analytics_passages_v1(p_org uuid, p_range jsonb, p_limit int) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  with sold as (
    select p.chunk_id, min(p.document_id::text)::uuid as document_id, min(p.knowledge_base_id::text)::uuid as knowledge_base_id,
           min(p.name) as name, count(*) as conversions, count(distinct c.conversation_id) as conversations
      from conversions c join conversion_passages p on p.organization_id = p_org and p.conversion_id = c.id
     where c.organization_id = p_org and conversion_holds(c)
       and c.occurred_at >= moment_of((p_range->>'from')::int) and c.occurred_at < moment_of((p_range->>'to')::int)
       and (p_range->>'agent_id' is null or c.agent_id = (p_range->>'agent_id')::uuid)
     group by p.chunk_id order by count(*) desc, p.chunk_id limit least(greatest(p_limit, 1), 100)
  )
  select coalesce(jsonb_agg(to_jsonb(s) || jsonb_build_object(
           'content', (select left(k.content, 500) from chunks k where k.organization_id = p_org and k.id = s.chunk_id),
           'revenue', (select coalesce(jsonb_agg(jsonb_build_object('currency', r.currency, 'gross', r.gross, 'refunded', r.refunded)
                                                 order by r.currency), '[]')
                         from (select c.currency, sum(c.amount) as gross, coalesce(sum(b.amount), 0) as refunded
                                 from conversion_passages p join conversions c on c.id = p.conversion_id
                                 left join lateral (select -sum(x.amount) as amount from conversions x
                                                     where x.organization_id = p_org and x.refunded_id = c.id) b on true
                                where p.organization_id = p_org and p.chunk_id = s.chunk_id and c.amount is not null
                                  and c.kind <> 'refund' and conversion_holds(c)
                                  and c.occurred_at >= moment_of((p_range->>'from')::int)
                                  and c.occurred_at < moment_of((p_range->>'to')::int)
                                  and (p_range->>'agent_id' is null or c.agent_id = (p_range->>'agent_id')::uuid)
                                group by c.currency) r))
           order by s.conversions desc, s.chunk_id), '[]')
    from sold s
$$;
comment on function public.analytics_passages_v1(uuid, jsonb, int) is
  'Passages that were cited before conversions of a range, with what those brought, those that sold most first.';

do $$
begin
  perform agentes.lock_helper('agentes.gaps_of(uuid, uuid, int, int)');
  perform agentes.lock_function('public.analytics_figures_v1(uuid, jsonb)', 'agentes_system');
  perform agentes.lock_function('public.analytics_items_v1(uuid, jsonb, text, text, int, text)', 'agentes_system');
  perform agentes.lock_function('public.analytics_passages_v1(uuid, jsonb, int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126180800');

notify pgrst, 'reload schema';
