-- Moments are compared as they are shown, to the millisecond; ratings are listed each, however many an answer
-- has; and what answers used, cost and sold is kept by the model as the organization knows it.

create or replace function agentes.conversion_earlier(p_entry agentes.conversions, p_given_at timestamptz) returns jsonb
language sql stable as $$
  select jsonb_build_object('conversion', agentes.conversion_shown(c), 'outcome', case
           when (c.conversation_id, c.kind, c.type, c.amount, c.currency, c.refunded_id, c.is_refundable)
                is not distinct from (p_entry.conversation_id, p_entry.kind, p_entry.type, p_entry.amount,
                                      p_entry.currency, p_entry.refunded_id, p_entry.is_refundable)
                and (p_given_at is null or p_given_at = date_trunc('milliseconds', c.occurred_at))
           then 'repeated' else 'differs' end)
    from agentes.conversions c
   where c.organization_id = p_entry.organization_id and c.external_id = p_entry.external_id
$$;

create or replace function public.conversion_record_v1(p_org uuid, p_conversion jsonb, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_entry agentes.conversions := jsonb_populate_record(null::conversions, p_conversion);
  v_start timestamptz;
  v_earlier jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  v_entry.organization_id := p_org;
  v_entry.kind := 'custom';
  v_entry.occurred_at := date_trunc('milliseconds', v_entry.occurred_at);
  perform conversions_one_at_a_time(p_org, v_entry.external_id);
  select created_at into v_start from conversations
   where organization_id = p_org and id = v_entry.conversation_id for key share;
  if not found then
    return jsonb_build_object('outcome', 'conversation_not_found');
  end if;
  v_earlier := conversion_earlier(v_entry, v_entry.occurred_at);
  if v_earlier is not null then
    return v_earlier;
  end if;
  v_entry.occurred_at := coalesce(v_entry.occurred_at, date_trunc('milliseconds', now()));
  if v_entry.occurred_at < date_trunc('milliseconds', v_start) then
    return jsonb_build_object('outcome', 'too_early', 'earliest', v_start);
  end if;
  v_entry.created_at := now();
  v_entry.updated_at := now();
  v_entry := conversion_attribute(v_entry);
  insert into conversions select v_entry.*;
  perform conversion_cite(v_entry);
  perform conversion_announce(v_entry, p_events);
  return jsonb_build_object('outcome', 'recorded', 'conversion', conversion_shown(v_entry));
end $$;

create or replace function public.conversion_refund_v1(p_org uuid, p_id uuid, p_refund jsonb, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_given agentes.conversions := jsonb_populate_record(null::conversions, p_refund);
  v_entry agentes.conversions;
  v_sold agentes.conversions;
  v_left bigint;
  v_refunds bigint;
  v_earlier jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  perform conversions_one_at_a_time(p_org, v_given.external_id);
  select * into v_sold from conversions where organization_id = p_org and id = p_id for no key update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  select v_sold.amount + coalesce(sum(amount), 0), count(*) into v_left, v_refunds
    from conversions where organization_id = p_org and refunded_id = p_id;
  v_entry := v_sold;
  v_entry.id := v_given.id;
  v_entry.kind := 'refund';
  v_entry.refunded_id := p_id;
  v_entry.is_refundable := false;
  v_entry.subject_id := null;
  v_entry.external_id := v_given.external_id;
  v_given.occurred_at := date_trunc('milliseconds', v_given.occurred_at);
  v_entry.occurred_at := v_given.occurred_at;
  v_earlier := conversion_earlier(v_entry, v_given.occurred_at);
  if v_earlier is not null then
    -- What is left by now says nothing of what was asked then: only a value that was given can differ.
    v_entry.amount := coalesce(-v_given.amount, ((v_earlier#>>'{conversion,value}')::numeric * 1000000)::bigint);
    return conversion_earlier(v_entry, v_given.occurred_at);
  elsif v_sold.kind <> 'custom' or not v_sold.is_refundable then
    return jsonb_build_object('outcome', 'not_refundable');
  elsif coalesce(v_given.amount, 1) > coalesce(v_left, 0) and v_sold.amount is not null
        or v_sold.amount is null and (v_refunds > 0 or v_given.amount is not null) then
    return jsonb_build_object('outcome', 'exceeds', 'left', trim_scale(v_left / 1000000.0));
  end if;
  v_entry.amount := -coalesce(v_given.amount, v_left);
  v_entry.occurred_at := coalesce(v_given.occurred_at, date_trunc('milliseconds', now()));
  if v_entry.occurred_at < date_trunc('milliseconds', v_sold.occurred_at) then
    return jsonb_build_object('outcome', 'too_early', 'earliest', v_sold.occurred_at);
  end if;
  v_entry.created_at := now();
  v_entry.updated_at := now();
  insert into conversions select v_entry.*;
  perform conversion_announce(v_entry, p_events);
  return jsonb_build_object('outcome', 'recorded', 'conversion', conversion_shown(v_entry));
end $$;

create or replace function agentes.conversion_attribute(p_entry agentes.conversions) returns agentes.conversions
language plpgsql stable as $$
declare
  v_entry agentes.conversions := p_entry;
  v_start timestamptz;
begin
  select c.agent_id, c.created_at into v_entry.agent_id, v_start from agentes.conversations c
   where c.organization_id = p_entry.organization_id and c.id = p_entry.conversation_id;
  v_entry.seconds_to_convert := greatest(0, extract(epoch from p_entry.occurred_at - v_start))::int;
  select r.agent_id, r.agent_version, r.model_id
    into v_entry.agent_id, v_entry.agent_version, v_entry.model_id
    from agentes.runs r
   where r.organization_id = p_entry.organization_id and r.conversation_id = p_entry.conversation_id
     and r.started_at <= p_entry.occurred_at
   order by r.started_at desc, r.id desc limit 1;
  if not found then
    v_entry.agent_id := (select c.agent_id from agentes.conversations c where c.id = p_entry.conversation_id
                            and c.organization_id = p_entry.organization_id);
  end if;
  v_entry.tools := (
    select coalesce(jsonb_agg(distinct t.call->>'name'), '[]')
      from agentes.messages m, jsonb_array_elements(m.tool_calls) t(call)
     where m.organization_id = p_entry.organization_id and m.conversation_id = p_entry.conversation_id
       and m.created_at <= p_entry.occurred_at and t.call->>'status' = 'succeeded');
  return v_entry;
end $$;

create or replace function agentes.share_ran(p_ids uuid[]) returns void
language sql set enable_seqscan = off as $$
  insert into agentes.analytics_shares (
    conversation_id, part, quarter, facet, organization_id, agent_id, visitor, first_bins, response_bins,
    answers, failures, input_tokens, output_tokens, cached_tokens, cost_micros, unpriced, response_ms, timed)
  select r.conversation_id, 'ran', agentes.quarter_of(r.started_at), 'model:' || r.model_id,
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

create or replace function public.analytics_items_v1(
  p_org uuid, p_range jsonb, p_part text, p_measure text, p_limit int default 20, p_after text default null
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
declare
  v_source text := case p_part
    when 'begun' then 'select s.conversation_id as id, s.conversation_id, s.agent_id, c.created_at as at, s.outcome, s.handoff_reason
        from shares s join agentes.conversations c on c.id = s.conversation_id'
    when 'said' then 'select m.id, s.conversation_id, s.agent_id, m.created_at as at, m.role
        from shares s join agentes.messages m on m.conversation_id = s.conversation_id and agentes.quarter_of(m.created_at) = s.quarter'
    when 'rated' then 'select f.id, f.message_id, s.conversation_id, s.agent_id, f.created_at as at, f.rating
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

select agentes.migration_applied('20261127001000');

notify pgrst, 'reload schema';
