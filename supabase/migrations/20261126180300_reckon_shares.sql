-- A conversation's shares from its rows, and the difference that they make to the rollups.

create function agentes.conversion_holds(p_entry agentes.conversions) returns boolean
language sql stable as $$
  select case when p_entry.kind = 'refund' then false
              when p_entry.amount is null then count(*) = 0
              else p_entry.amount + coalesce(sum(r.amount), 0) > 0 end
    from agentes.conversions r where r.refunded_id = p_entry.id
$$;
comment on function agentes.conversion_holds(agentes.conversions) is
  'Whether a conversion was not taken back, or in part only.';

create function agentes.visitor_of(p_org uuid, p_visitor_id text, p_conversation_id uuid) returns bigint
language sql immutable parallel safe as $$
  select hashtextextended(coalesce('v:' || p_visitor_id, 'c:' || p_conversation_id), hashtextextended(p_org::text, 0))
$$;
comment on function agentes.visitor_of(uuid, text, uuid) is
  'A visitor as a number that names nobody; a conversation without one has a visitor of its own.';

create function agentes.share_begun(p_ids uuid[]) returns void
language sql set enable_seqscan = off as $$
  insert into agentes.analytics_shares (
    conversation_id, part, quarter, organization_id, agent_id, visitor, outcome, handoff_reason, due_at, convert_bins,
    conversations, active, open, resolved, handed_off, abandoned, converted, paid, bounced, duration_s, spoken, convert_s)
  select c.id, 'begun', agentes.quarter_of(c.created_at), c.organization_id, c.agent_id,
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
comment on function agentes.share_begun(uuid[]) is 'What conversations add where they began: one each, and how it went.';

create function agentes.question_key(p_text text) returns bigint
language sql immutable parallel safe as $$
  select hashtextextended(trim(regexp_replace(agentes.fold(left(p_text, 500)), '[^[:alnum:]]+', ' ', 'g')), 0)
$$;
comment on function agentes.question_key(text) is
  'A number for a question: the same whatever its case, accents, punctuation and spaces.';

create function agentes.share_said(p_ids uuid[]) returns void
language sql set enable_seqscan = off as $$
  insert into agentes.analytics_shares (
    conversation_id, part, quarter, organization_id, agent_id, visitor, messages, questions, question_keys)
  select c.id, 'said', agentes.quarter_of(m.created_at), c.organization_id, c.agent_id,
         agentes.visitor_of(c.organization_id, c.visitor_id, c.id), count(*), count(*) filter (where m.role = 'user'),
         array_agg(agentes.question_key(m.content) order by m.id) filter (where m.role = 'user')
    from agentes.conversations c join agentes.messages m on m.conversation_id = c.id
   where c.id = any (p_ids) group by c.id, 3;
  insert into agentes.analytics_shares (
    conversation_id, part, quarter, organization_id, agent_id, visitor, likes, dislikes)
  select c.id, 'rated', agentes.quarter_of(f.created_at), c.organization_id, c.agent_id,
         agentes.visitor_of(c.organization_id, c.visitor_id, c.id),
         count(*) filter (where f.rating > 0), count(*) filter (where f.rating < 0)
    from agentes.conversations c join agentes.feedback f on f.conversation_id = c.id
   where c.id = any (p_ids) group by c.id, 3
$$;
comment on function agentes.share_said(uuid[]) is 'Messages and ratings of conversations by when they came.';

-- A run counts from when it has ended, where it was begun.
create function agentes.share_ran(p_ids uuid[]) returns void
language sql set enable_seqscan = off as $$
  insert into agentes.analytics_shares (
    conversation_id, part, quarter, facet, organization_id, agent_id, visitor, first_bins, response_bins,
    answers, failures, input_tokens, output_tokens, cached_tokens, cost_micros, unpriced, response_ms, timed)
  select r.conversation_id, 'ran', agentes.quarter_of(r.started_at), 'model:' || coalesce(m.metadata->>'model', r.model_id),
         c.organization_id, c.agent_id, agentes.visitor_of(c.organization_id, c.visitor_id, c.id),
         array_agg(agentes.latency_bin(t.first_ms) order by r.id) filter (where t.first_ms is not null),
         array_agg(agentes.latency_bin(t.whole_ms) order by r.id) filter (where t.whole_ms is not null),
         count(*), count(*) filter (where r.status = 'failed'),
         coalesce(sum((r.usage->>'input_tokens')::bigint), 0), coalesce(sum((r.usage->>'output_tokens')::bigint), 0),
         coalesce(sum((r.usage->>'cached_tokens')::bigint), 0),
         coalesce(sum(round((m.metadata->>'cost_usd')::numeric * 1000000)), 0),
         count(*) filter (where jsonb_typeof(r.usage) = 'object' and m.metadata->>'cost_usd' is null),
         coalesce(sum(t.whole_ms), 0), count(t.whole_ms)
    from agentes.conversations c join agentes.runs r on r.conversation_id = c.id
    left join agentes.messages m on m.id = r.message_id and m.conversation_id = c.id
    cross join lateral (select (m.metadata->>'time_to_first_token_ms')::numeric as first_ms,
                               (m.metadata->>'processing_time')::numeric as whole_ms) t
   where c.id = any (p_ids) and r.ended_at is not null
   group by r.conversation_id, 3, 4, c.organization_id, c.agent_id, c.visitor_id, c.id
$$;
comment on function agentes.share_ran(uuid[]) is 'What answers took, used and cost, by model; an unknown cost is counted and not summed.';

create function agentes.share_sold(p_ids uuid[]) returns void
language sql set enable_seqscan = off as $$
  insert into agentes.analytics_shares (
    conversation_id, part, quarter, facet, organization_id, agent_id, visitor, leads, forms, customs, refunds, gross, refunded)
  select c.id, 'sold', agentes.quarter_of(e.occurred_at), format('conversion:%s:%s', e.type, coalesce(e.currency, '')),
         c.organization_id, c.agent_id, agentes.visitor_of(c.organization_id, c.visitor_id, c.id),
         count(*) filter (where e.kind = 'lead'), count(*) filter (where e.kind = 'form'),
         count(*) filter (where e.kind = 'custom'), count(*) filter (where e.kind = 'refund'),
         coalesce(sum(e.amount) filter (where e.kind <> 'refund'), 0),
         coalesce(-sum(e.amount) filter (where e.kind = 'refund'), 0)
    from agentes.conversations c join agentes.conversions e on e.conversation_id = c.id
   where c.id = any (p_ids) group by c.id, 3, 4
$$;
comment on function agentes.share_sold(uuid[]) is 'What conversations brought, by type and currency, and what was taken back, each at its own time.';

-- One currency is never added to another: amounts stay with their facet.
create function agentes.rollups_add(p_shares agentes.analytics_shares[], p_sign int) returns void
language plpgsql as $$
begin
  execute format($q$
    insert into agentes.analytics_rollups as r (organization_id, agent_id, facet, grain, bucket, %s)
    select s.organization_id, a.agent_id, f.facet, g.grain, s.quarter / g.grain, %s
      from unnest($1) s
      cross join lateral (values (s.agent_id), ('00000000-0000-0000-0000-000000000000'::uuid)) a(agent_id)
      cross join lateral (select '' union select s.facet) f(facet)
      cross join (values (1), (4), (96)) g(grain)
     group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
    on conflict (organization_id, agent_id, facet, grain, bucket) do update set %s$q$,
    agentes.measures('%I'),
    agentes.measures('$2 * coalesce(sum(s.%1$I) filter (where %1$L not in (''gross'', ''refunded'') or f.facet <> ''''), 0)'),
    agentes.measures('%1$I = r.%1$I + excluded.%1$I')) using p_shares, p_sign;
  insert into agentes.analytics_facets (organization_id, agent_id, facet)
  select distinct s.organization_id, a.agent_id, f.facet from unnest(p_shares) s
    cross join lateral (values (s.agent_id), ('00000000-0000-0000-0000-000000000000'::uuid)) a(agent_id)
    cross join lateral (select '' union select s.facet) f(facet)
  on conflict do nothing;
  insert into agentes.analytics_latencies as l (organization_id, agent_id, grain, bucket, measure, bin, count)
  select s.organization_id, a.agent_id, g.grain, s.quarter / g.grain, b.measure, b.bin, p_sign * count(*)
    from unnest(p_shares) s
    cross join lateral (values (s.agent_id), ('00000000-0000-0000-0000-000000000000'::uuid)) a(agent_id)
    cross join lateral (select 1, unnest(s.first_bins) union all select 2, unnest(s.response_bins)
                         union all select 3, unnest(s.convert_bins)) b(measure, bin)
    cross join (values (1), (4), (96)) g(grain)
   group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
  on conflict (organization_id, agent_id, grain, bucket, measure, bin) do update set count = l.count + excluded.count;
end $$;
comment on function agentes.rollups_add(agentes.analytics_shares[], int) is
  'Adds shares to the rollups and histograms, or takes them out with -1.';

do $$
declare
  v_name text;
begin
  foreach v_name in array array[
    'conversion_holds(agentes.conversions)', 'share_begun(uuid[])', 'share_said(uuid[])', 'share_ran(uuid[])',
    'share_sold(uuid[])', 'question_key(text)', 'visitor_of(uuid, text, uuid)', 'rollups_add(agentes.analytics_shares[], int)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_name)::regprocedure);
  end loop;
end $$;

select agentes.migration_applied('20261126180300');

notify pgrst, 'reload schema';
