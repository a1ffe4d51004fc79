-- A budget's counter knows of every run of its period: also of those that began before the budget was set, or
-- while it was not. And a request that is longer than what is left is no used-up budget.

create function agentes.budget_is_among(p_counter agentes.budget_counters, p_rules jsonb) returns boolean
language sql stable parallel safe as $$
  select exists (select from jsonb_array_elements(p_rules) r
                  where r->>'name' = p_counter.name and r->>'subject' = p_counter.subject
                    and (r->>'starts_at')::timestamptz = p_counter.starts_at)
$$;
comment on function agentes.budget_is_among(agentes.budget_counters, jsonb) is 'Whether a counter is that of one of the rules.';

create or replace function agentes.budget_settle() returns trigger security definer set search_path = pg_catalog, agentes
language plpgsql as $$
declare
  v_usage jsonb := case when tg_op = 'UPDATE' and jsonb_typeof(new.usage) = 'object' then new.usage else '{}' end;
  v_used jsonb := jsonb_build_object('usd', coalesce((v_usage->>'cost_micro')::bigint, 0), 'tokens',
    coalesce((v_usage->>'input_tokens')::bigint, 0) + coalesce((v_usage->>'output_tokens')::bigint, 0));
  v_rules jsonb := coalesce(old.reservation->'rules', '[]');
  v_counter agentes.budget_counters;
begin
  -- Always in this order, so that two runs never wait for each other.
  for v_counter in
    select c.* from budget_counters c join (
      select r.name, r.subject, r.starts_at
        from jsonb_to_recordset(v_rules) as r (name text, subject text, starts_at timestamptz)
       union
      -- Those that would bound it if it began now; each is looked up by its key, as there may be very many.
      select k.name, k.subject, k.starts_at
        from (values ('organization_', ''), ('agent_', old.agent_id::text), ('visitor_', (
               select v.visitor_id from conversations v where v.id = old.conversation_id))) o (owner, subject),
             (values ('tokens_per_day'), ('tokens_per_month'), ('usd_per_day'), ('usd_per_month')) u (bounds),
             lateral (select b.name, b.subject, b.starts_at from budget_counters b
                       where tg_op = 'UPDATE' and b.organization_id = old.organization_id
                         and b.name = o.owner || u.bounds and b.subject = o.subject
                         and b.starts_at <= old.started_at and b.ends_at > old.started_at) k
    ) w on w.name = c.name and w.subject = c.subject and w.starts_at = c.starts_at
     where c.organization_id = old.organization_id
     order by c.name, c.subject, c.starts_at for update of c
  loop
    update budget_counters c
       set used = c.used + (v_used->>c.unit)::bigint,
           reserved = case when budget_is_among(c, v_rules)
             then greatest(0, c.reserved - (old.reservation->>c.unit)::bigint) else c.reserved end
     where c.organization_id = v_counter.organization_id and c.name = v_counter.name
       and c.subject = v_counter.subject and c.starts_at = v_counter.starts_at
    returning * into v_counter;
    if budget_is_among(v_counter, v_rules) then
      perform budget_tell(v_counter, false);
    end if;
  end loop;
  return null;
end $$;
comment on function agentes.budget_settle() is
  'Puts what a run has used in the place of what was set aside for it, and counts it where a budget has bounded before or does by now.';

drop trigger settle on agentes.runs;
create trigger settle after update on agentes.runs for each row
  when (old.status in ('running', 'awaiting_approval') and new.status not in ('running', 'awaiting_approval'))
  execute function agentes.budget_settle();

create or replace function agentes.budget_tell(p_counter agentes.budget_counters, p_is_spent boolean) returns void
language plpgsql as $$
declare
  v_type text := case
    when p_counter.exhausted_at is null and p_counter.used >= p_counter.ceiling then 'budget_exhausted'
    when p_counter.warned_at is null and p_counter.exhausted_at is null and (p_is_spent or p_counter.used * 5 >= p_counter.ceiling * 4)
      then 'budget_warning' end;
  v_scale numeric := case p_counter.unit when 'usd' then 1000000 else 1 end;
  v_agent uuid := case when p_counter.name like 'agent\_%' then p_counter.subject::uuid end;
begin
  if v_type is null or not p_counter.is_told then
    return;
  end if;
  update agentes.budget_counters c
     set warned_at = coalesce(c.warned_at, now()), exhausted_at = case v_type when 'budget_exhausted' then now() end
   where c.organization_id = p_counter.organization_id and c.name = p_counter.name
     and c.subject = p_counter.subject and c.starts_at = p_counter.starts_at;
  insert into agentes.outbox (id, organization_id, type, agent_id, data)
  values (agentes.uuid_v7(), p_counter.organization_id, v_type, v_agent, jsonb_build_object(
    'budget', p_counter.name, 'agent_id', v_agent,
    'widget_key_id', case when p_counter.name like 'widget\_%' then p_counter.subject end,
    'unit', p_counter.unit, 'limit', round(p_counter.ceiling / v_scale, 6), 'used', round(p_counter.used / v_scale, 6),
    'resets_at', to_char(p_counter.ends_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
end $$;

create or replace function agentes.budget_take(p_org uuid, p_rules jsonb, p_need jsonb) returns void
language plpgsql as $$
declare
  v_rule record;
  v_counter agentes.budget_counters;
  v_entry bigint;
begin
  -- Always in this order, so that two runs never wait for each other.
  for v_rule in
    select r.* from jsonb_to_recordset(p_rules) as r (name text, subject text, "of" text, starts_at timestamptz,
             ends_at timestamptz, unit text, ceiling bigint, is_told boolean)
     where (p_need->r.unit->>'amount')::bigint > 0
     order by r.name, r.subject, r.starts_at
  loop
    select * into v_counter from agentes.budget_counters c
     where c.organization_id = p_org and c.name = v_rule.name and c.subject = v_rule.subject
       and c.starts_at = v_rule.starts_at for update;
    if not found then
      insert into agentes.budget_counters (organization_id, name, subject, starts_at, ends_at, unit, ceiling, is_told, used)
      values (p_org, v_rule.name, v_rule.subject, v_rule.starts_at, v_rule.ends_at, v_rule.unit, v_rule.ceiling,
              v_rule.is_told,
              agentes.budget_used_before(p_org, v_rule.of, v_rule.subject, v_rule.unit, v_rule.starts_at))
      on conflict do nothing;
      select * into v_counter from agentes.budget_counters c
       where c.organization_id = p_org and c.name = v_rule.name and c.subject = v_rule.subject
         and c.starts_at = v_rule.starts_at for update;
    end if;
    v_entry := (p_need->v_rule.unit->>'entry')::bigint;
    if v_counter.used + v_counter.reserved >= v_rule.ceiling
       or v_counter.used + v_counter.reserved + v_entry > v_rule.ceiling then
      raise exception using errcode = 'AB402', message = 'budget exceeded', detail = (to_jsonb(v_rule)
        || jsonb_build_object('used', v_counter.used, 'is_spent', v_counter.used >= v_rule.ceiling,
                              'is_too_long', v_counter.used + v_entry > v_rule.ceiling))::text;
    end if;
    update agentes.budget_counters c
       set reserved = c.reserved + (p_need->v_rule.unit->>'amount')::bigint, ceiling = v_rule.ceiling,
           warned_at = case when c.ceiling = v_rule.ceiling then c.warned_at end,
           exhausted_at = case when c.ceiling = v_rule.ceiling then c.exhausted_at end
     where c.organization_id = p_org and c.name = v_rule.name and c.subject = v_rule.subject
       and c.starts_at = v_rule.starts_at;
  end loop;
end $$;

create or replace function agentes.budget_refused(p_org uuid, p_rule jsonb) returns jsonb
language plpgsql as $$
declare
  v_counter agentes.budget_counters := jsonb_populate_record(null::agentes.budget_counters,
    p_rule || jsonb_build_object('organization_id', p_org, 'reserved', 0));
  -- Whatever is under way: it will not fit.
  v_is_for_good boolean := (p_rule->>'is_spent')::boolean or (p_rule->>'is_too_long')::boolean;
begin
  if v_is_for_good and v_counter.is_told then
    insert into agentes.budget_counters select v_counter.* on conflict do nothing;
    select * into v_counter from agentes.budget_counters c
     where c.organization_id = p_org and c.name = v_counter.name and c.subject = v_counter.subject
       and c.starts_at = v_counter.starts_at for update;
    if v_counter.ceiling <> (p_rule->>'ceiling')::bigint then
      v_counter.ceiling := (p_rule->>'ceiling')::bigint;
      v_counter.exhausted_at := null;
      v_counter.warned_at := null;
      update agentes.budget_counters c set ceiling = v_counter.ceiling
       where c.organization_id = p_org and c.name = v_counter.name and c.subject = v_counter.subject
         and c.starts_at = v_counter.starts_at;
    end if;
    perform agentes.budget_tell(v_counter, true);
  end if;
  return jsonb_build_object(
    'outcome', 'budget_exceeded', 'budget', p_rule->'name', 'resets_at', p_rule->'ends_at', 'is_spent', p_rule->'is_spent', 'is_too_long', p_rule->'is_too_long',
    -- What is set aside for answers under way is soon free again.
    'retry_after_s', case when v_is_for_good
      then greatest(1, ceil(extract(epoch from (p_rule->>'ends_at')::timestamptz - now())))::int else 5 end);
end $$;

-- Counters of before this may lack what was used while their budget was not set.
do $$
begin
  set local role agentes_system;
  update agentes.budget_counters c
     set used = greatest(c.used, agentes.budget_used_before(c.organization_id, split_part(c.name, '_', 1), c.subject, c.unit, c.starts_at))
   where c.ends_at > now() and c.name not like 'widget\_%';
  reset role;
end $$;

do $$
begin
  perform agentes.lock_helper('agentes.budget_is_among(agentes.budget_counters, jsonb)');
end $$;

select agentes.migration_applied('20261127000900');

notify pgrst, 'reload schema';
