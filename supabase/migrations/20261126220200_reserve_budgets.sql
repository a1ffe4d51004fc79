-- Runs under budgets: begun, extended and ended.

-- Whoever was refused although nothing else is under way has used the budget up: told once, in the
-- transaction whose other work was undone. The counter may have been undone with it.
create function agentes.budget_refused(p_org uuid, p_rule jsonb) returns jsonb
language plpgsql as $$
declare
  v_counter agentes.budget_counters := jsonb_populate_record(null::agentes.budget_counters,
    p_rule || jsonb_build_object('organization_id', p_org, 'reserved', 0));
begin
  if (p_rule->>'is_spent')::boolean and v_counter.is_told then
    insert into agentes.budget_counters select v_counter.* on conflict do nothing;
    select * into v_counter from agentes.budget_counters c
     where c.organization_id = p_org and c.name = v_counter.name and c.subject = v_counter.subject
       and c.starts_at = v_counter.starts_at for update;
    if v_counter.ceiling <> (p_rule->>'ceiling')::bigint then
      v_counter.ceiling := (p_rule->>'ceiling')::bigint;
      v_counter.exhausted_at := null;
      update agentes.budget_counters c set ceiling = v_counter.ceiling
       where c.organization_id = p_org and c.name = v_counter.name and c.subject = v_counter.subject
         and c.starts_at = v_counter.starts_at;
    end if;
    perform agentes.budget_tell(v_counter, true);
  end if;
  return jsonb_build_object(
    'outcome', 'budget_exceeded', 'budget', p_rule->'name', 'resets_at', p_rule->'ends_at', 'is_spent', p_rule->'is_spent',
    -- What is set aside for answers under way is soon free again.
    'retry_after_s', case when (p_rule->>'is_spent')::boolean
      then greatest(1, ceil(extract(epoch from (p_rule->>'ends_at')::timestamptz - now())))::int else 5 end);
end $$;
comment on function agentes.budget_refused(uuid, jsonb) is
  'What the service is told of a budget that does not allow a call; a budget that is used up is announced.';

create function agentes.budget_cost(p_tokens bigint, p_rate bigint) returns bigint
language sql immutable as $$ select ceil(coalesce(p_tokens, 0)::numeric * coalesce(p_rate, 0) / 1000000)::bigint $$;
comment on function agentes.budget_cost(bigint, bigint) is 'Micro-USD for tokens at a rate of micro-USD for a million.';

-- p_budget: {rules, input_tokens, window_tokens, max_tokens, input_rate, output_rate}; null where nothing bounds the run.
create function public.run_start_v4(
  p_org uuid, p_run jsonb, p_messages jsonb, p_history_limit int, p_events jsonb, p_budget jsonb default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_result jsonb;
  v_input bigint;
  v_max bigint := (p_budget->>'max_tokens')::bigint;
  v_need jsonb;
  v_refusal text;
begin
  if p_budget is null then
    return public.run_start_v3(p_org, p_run, p_messages, p_history_limit, p_events);
  end if;
  perform set_config('app.org', p_org::text, true);
  begin
    v_result := public.run_start_v3(p_org, p_run, p_messages, p_history_limit, p_events);
    if v_result->>'outcome' <> 'started' then
      return v_result;
    end if;
    -- The history is known here only; three characters a token, as the service reckons.
    select least((p_budget->>'window_tokens')::bigint,
                 (p_budget->>'input_tokens')::bigint + coalesce(sum(length(h->>'content') / 3 + 4), 0))
      into v_input from jsonb_array_elements(v_result->'history') h;
    v_need := jsonb_build_object(
      'tokens', jsonb_build_object('entry', v_input, 'amount', v_input + v_max),
      'usd', jsonb_build_object(
        'entry', budget_cost(v_input, (p_budget->>'input_rate')::bigint),
        'amount', budget_cost(v_input, (p_budget->>'input_rate')::bigint)
                  + budget_cost(v_max, (p_budget->>'output_rate')::bigint)));
    perform budget_take(p_org, p_budget->'rules', v_need);
    update runs set reservation = jsonb_build_object('rules', p_budget->'rules',
             'tokens', v_need->'tokens'->'amount', 'usd', v_need->'usd'->'amount')
     where organization_id = p_org and id = (p_run->>'id')::uuid;
    return v_result || jsonb_build_object('reserved', jsonb_build_object(
             'tokens', v_need->'tokens'->'amount', 'usd', v_need->'usd'->'amount'));
  exception when sqlstate 'AB402' then
    get stacked diagnostics v_refusal = pg_exception_detail;
  end;
  return budget_refused(p_org, v_refusal::jsonb);
end $$;
comment on function public.run_start_v4(uuid, jsonb, jsonb, int, jsonb, jsonb) is
  'As version 3; what the first answer may use is set aside under every budget, or nothing is begun and the budget is told.';

create function public.run_budget_extend_v1(p_org uuid, p_run_id uuid, p_owner_id uuid, p_need jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_held jsonb;
  v_refusal text;
begin
  perform set_config('app.org', p_org::text, true);
  select reservation into v_held from runs
   where organization_id = p_org and id = p_run_id and owner_id = p_owner_id and status = 'running' for update;
  if not found then
    return jsonb_build_object('outcome', 'ended');
  elsif v_held is null then
    return jsonb_build_object('outcome', 'reserved');
  end if;
  begin
    perform budget_take(p_org, v_held->'rules', p_need);
    update runs set reservation = v_held || jsonb_build_object(
             'tokens', (v_held->>'tokens')::bigint + (p_need->'tokens'->>'amount')::bigint,
             'usd', (v_held->>'usd')::bigint + (p_need->'usd'->>'amount')::bigint)
     where organization_id = p_org and id = p_run_id;
    return jsonb_build_object('outcome', 'reserved');
  exception when sqlstate 'AB402' then
    get stacked diagnostics v_refusal = pg_exception_detail;
  end;
  return budget_refused(p_org, v_refusal::jsonb);
end $$;
comment on function public.run_budget_extend_v1(uuid, uuid, uuid, jsonb) is
  'Sets more aside for a run of its owner, {tokens, usd: {entry, amount}}; or says which budget does not allow it.';

-- Whoever ends a run, its owner, another process or the deletion of its conversation, settles it.
create function agentes.budget_settle() returns trigger security definer set search_path = pg_catalog, agentes
language plpgsql as $$
declare
  v_usage jsonb := case when tg_op = 'UPDATE' and jsonb_typeof(new.usage) = 'object' then new.usage else '{}' end;
  v_used jsonb := jsonb_build_object('usd', coalesce((v_usage->>'cost_micro')::bigint, 0), 'tokens',
    coalesce((v_usage->>'input_tokens')::bigint, 0) + coalesce((v_usage->>'output_tokens')::bigint, 0));
  v_rule record;
  v_counter agentes.budget_counters;
begin
  for v_rule in
    select r.* from jsonb_to_recordset(old.reservation->'rules')
             as r (name text, subject text, starts_at timestamptz, unit text)
     order by r.name, r.subject, r.starts_at
  loop
    update budget_counters c
       set reserved = greatest(0, c.reserved - (old.reservation->>v_rule.unit)::bigint),
           used = c.used + (v_used->>v_rule.unit)::bigint
     where c.organization_id = old.organization_id and c.name = v_rule.name and c.subject = v_rule.subject
       and c.starts_at = v_rule.starts_at
    returning * into v_counter;
    if found then
      perform budget_tell(v_counter, false);
    end if;
  end loop;
  return null;
end $$;
comment on function agentes.budget_settle() is
  'Puts what a run has used in the place of what was set aside for it.';

create trigger settle after update on agentes.runs for each row
  when (old.reservation is not null and old.status in ('running', 'awaiting_approval')
        and new.status not in ('running', 'awaiting_approval'))
  execute function agentes.budget_settle();
create trigger release after delete on agentes.runs for each row
  when (old.reservation is not null and old.status in ('running', 'awaiting_approval'))
  execute function agentes.budget_settle();

create function public.runs_purge_v3() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  delete from budget_counters where ends_at < now() - interval '1 day';
  return public.runs_purge_v2();
end $$;
comment on function public.runs_purge_v3() is 'As version 2; counters of budgets whose period is over are forgotten, too.';

do $$
begin
  perform agentes.lock_table('agentes.budget_counters');
  perform agentes.lock_helper('agentes.budget_used_before(uuid, text, text, text, timestamptz)');
  perform agentes.lock_helper('agentes.budget_tell(agentes.budget_counters, boolean)');
  perform agentes.lock_helper('agentes.budget_take(uuid, jsonb, jsonb)');
  perform agentes.lock_helper('agentes.budget_refused(uuid, jsonb)');
  perform agentes.lock_helper('agentes.budget_cost(bigint, bigint)');
  perform agentes.revoke_from_strangers('function agentes.budget_settle()');
  grant create on schema agentes to agentes_system;
  alter function agentes.budget_settle() owner to agentes_system;
  revoke create on schema agentes from agentes_system;
  perform agentes.lock_function('public.run_start_v4(uuid, jsonb, jsonb, int, jsonb, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.run_budget_extend_v1(uuid, uuid, uuid, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.runs_purge_v3()', 'agentes_system');
end $$;

select agentes.migration_applied('20261126220200');

notify pgrst, 'reload schema';
