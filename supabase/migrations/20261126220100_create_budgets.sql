-- Budgets before spend: what a run may use is set aside in the transaction that begins it, and what it has
-- used takes its place in the one that ends it. A budget is a rule {name, subject, of, starts_at, ends_at,
-- unit, ceiling, is_told}, which the service makes from an organization's settings or a widget's key; its
-- counter is a row here. USD are whole micro-USD.

alter table agentes.runs add column reservation jsonb;
comment on column agentes.runs.reservation is
  'What was set aside for a run that budgets bound: {rules, tokens, usd}; released when it ends.';
-- What runs have cost is kept beside what they have used, and known of those before this.
do $$
begin
  set local role agentes_system;
  update agentes.runs r
     set usage = r.usage || jsonb_build_object('cost_micro', round((m.metadata->>'cost_usd')::numeric * 1000000))
    from agentes.messages m
   where m.id = r.message_id and jsonb_typeof(r.usage) = 'object' and not r.usage ? 'cost_micro'
     and r.started_at >= now() - interval '40 days';
  reset role;
end $$;
create index runs_by_time on agentes.runs (organization_id, started_at);

create table agentes.budget_counters (
  organization_id uuid not null references agentes.organizations on delete cascade,
  name text not null,
  subject text not null,
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  unit text not null,
  ceiling bigint not null,
  is_told boolean not null,
  used bigint not null default 0,
  reserved bigint not null default 0,
  warned_at timestamptz,
  exhausted_at timestamptz,
  primary key (organization_id, name, subject, starts_at)
) with (fillfactor = 50);
comment on table agentes.budget_counters is
  'What was used of each budget in a period, and what is set aside for runs under way; made when the first run asks.';
create index budget_counters_by_end on agentes.budget_counters (ends_at);

-- A budget that is set within its period begins with what was used before. Those of widgets begin at nothing.
create function agentes.budget_used_before(p_org uuid, p_of text, p_subject text, p_unit text, p_starts_at timestamptz)
returns bigint language sql stable as $$
  select coalesce(sum(case when p_unit = 'usd' then (r.usage->>'cost_micro')::bigint
                      else (r.usage->>'input_tokens')::bigint + (r.usage->>'output_tokens')::bigint end), 0)::bigint
    from agentes.runs r
   where r.organization_id = p_org and r.started_at >= p_starts_at and jsonb_typeof(r.usage) = 'object'
     and case p_of when 'organization' then true
              when 'agent' then r.agent_id::text = p_subject
              when 'visitor' then exists (select from agentes.conversations c
                                           where c.id = r.conversation_id and c.visitor_id = p_subject)
              else false end
$$;
comment on function agentes.budget_used_before(uuid, text, text, text, timestamptz) is
  'What ended runs have used of a budget since its period began.';

create function agentes.budget_tell(p_counter agentes.budget_counters, p_is_spent boolean) returns void
language plpgsql as $$
declare
  v_type text := case
    when p_counter.exhausted_at is null and (p_is_spent or p_counter.used >= p_counter.ceiling) then 'budget_exhausted'
    when p_counter.warned_at is null and p_counter.exhausted_at is null and p_counter.used * 5 >= p_counter.ceiling * 4
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
comment on function agentes.budget_tell(agentes.budget_counters, boolean) is
  'Announces, once a period and ceiling, that a budget is used to 80 % or is used up.';

-- p_need: for each unit {amount, entry}. The entry has to fit into what is left, and there has to be something
-- left; the rest of the amount, the longest answer, is what the last one may be over.
create function agentes.budget_take(p_org uuid, p_rules jsonb, p_need jsonb) returns void
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
        || jsonb_build_object('used', v_counter.used, 'is_spent',
                              v_counter.used >= v_rule.ceiling or v_counter.used + v_entry > v_rule.ceiling))::text;
    end if;
    update agentes.budget_counters c
       set reserved = c.reserved + (p_need->v_rule.unit->>'amount')::bigint, ceiling = v_rule.ceiling,
           warned_at = case when c.ceiling = v_rule.ceiling then c.warned_at end,
           exhausted_at = case when c.ceiling = v_rule.ceiling then c.exhausted_at end
     where c.organization_id = p_org and c.name = v_rule.name and c.subject = v_rule.subject
       and c.starts_at = v_rule.starts_at;
  end loop;
end $$;
comment on function agentes.budget_take(uuid, jsonb, jsonb) is
  'Sets amounts aside under every rule, or fails with AB402, which its callers catch, and changes nothing.';

select agentes.migration_applied('20261126220100');

notify pgrst, 'reload schema';
