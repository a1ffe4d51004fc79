-- Writing to the ledger of conversions, once for each external id, and reading it.

-- The entry that has this external id already, with how it compares: null where there is none.
create function agentes.conversion_earlier(p_entry agentes.conversions, p_given_at timestamptz) returns jsonb
language sql stable as $$
  select jsonb_build_object('conversion', agentes.conversion_shown(c), 'outcome', case
           when (c.conversation_id, c.kind, c.type, c.amount, c.currency, c.refunded_id, c.is_refundable)
                is not distinct from (p_entry.conversation_id, p_entry.kind, p_entry.type, p_entry.amount,
                                      p_entry.currency, p_entry.refunded_id, p_entry.is_refundable)
                and (p_given_at is null or p_given_at = c.occurred_at)
           then 'repeated' else 'differs' end)
    from agentes.conversions c
   where c.organization_id = p_entry.organization_id and c.external_id = p_entry.external_id
$$;
comment on function agentes.conversion_earlier(agentes.conversions, timestamptz) is
  'The entry with the same external id and whether it is the same; null where there is none.';

create function agentes.conversions_one_at_a_time(p_org uuid, p_external_id text) returns void
language sql as $$
  select pg_advisory_xact_lock(hashtextextended('agentes.conversions:' || p_org || ':' || p_external_id, 0))
   where p_external_id is not null
$$;
comment on function agentes.conversions_one_at_a_time(uuid, text) is
  'Holds other writers of the same external id back until this transaction has ended.';

create function public.conversion_record_v1(p_org uuid, p_conversion jsonb, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_entry agentes.conversions := jsonb_populate_record(null::conversions, p_conversion);
  v_start timestamptz;
  v_earlier jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  v_entry.organization_id := p_org;
  v_entry.kind := 'custom';
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
  v_entry.occurred_at := coalesce(v_entry.occurred_at, now());
  if v_entry.occurred_at < v_start then
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
comment on function public.conversion_record_v1(uuid, jsonb, jsonb) is
  'Adds a conversion to the ledger with what had a part in it, once for each external id, and announces it.';

create function public.conversion_refund_v1(p_org uuid, p_id uuid, p_refund jsonb, p_events jsonb) returns jsonb
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
  v_entry.occurred_at := coalesce(v_given.occurred_at, now());
  if v_entry.occurred_at < v_sold.occurred_at then
    return jsonb_build_object('outcome', 'too_early', 'earliest', v_sold.occurred_at);
  end if;
  v_entry.created_at := now();
  v_entry.updated_at := now();
  insert into conversions select v_entry.*;
  perform conversion_announce(v_entry, p_events);
  return jsonb_build_object('outcome', 'recorded', 'conversion', conversion_shown(v_entry));
end $$;
comment on function public.conversion_refund_v1(uuid, uuid, jsonb, jsonb) is
  'Takes a conversion back, in whole or in part, by an entry of its own, and announces that.';

create function public.conversions_list_v1(
  p_org uuid, p_where jsonb, p_from text default null, p_to text default null, p_limit int default 20, p_after text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select coalesce(jsonb_agg(conversion_shown(l) order by l.id desc), '[]') from (
    select c.* from conversions c
     where c.organization_id = p_org and (p_after is null or c.id < p_after::uuid)
       and (p_where->>'id' is null or c.id = (p_where->>'id')::uuid)
       and (p_where->>'agent_id' is null or c.agent_id = (p_where->>'agent_id')::uuid)
       and (p_where->>'conversation_id' is null or c.conversation_id = (p_where->>'conversation_id')::uuid)
       and (p_where->>'kind' is null or c.kind = p_where->>'kind')
       and (p_where->>'type' is null or c.type = p_where->>'type')
       and (p_where->>'currency' is null or c.currency = p_where->>'currency')
       and (p_where->>'external_id' is null or c.external_id = p_where->>'external_id')
       and (p_where->>'chunk_id' is null or exists (select from conversion_passages p
             where p.organization_id = p_org and p.conversion_id = c.id and p.chunk_id = (p_where->>'chunk_id')::uuid))
       and (p_from is null or c.occurred_at >= p_from::timestamptz)
       and (p_to is null or c.occurred_at < p_to::timestamptz)
     order by c.id desc limit least(greatest(p_limit, 0), 1001)) l);
end $$;
comment on function public.conversions_list_v1(uuid, jsonb, text, text, int, text) is
  'Entries of the ledger by equality and the time of what they tell, the latest recorded first.';

do $$
begin
  perform agentes.lock_helper('agentes.conversion_earlier(agentes.conversions, timestamptz)');
  perform agentes.lock_helper('agentes.conversions_one_at_a_time(uuid, text)');
  perform agentes.lock_function('public.conversion_record_v1(uuid, jsonb, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.conversion_refund_v1(uuid, uuid, jsonb, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.conversions_list_v1(uuid, jsonb, text, text, int, text)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126180100');

notify pgrst, 'reload schema';
