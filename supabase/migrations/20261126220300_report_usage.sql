-- What an organization has used, from the rows of its runs, and how its budgets stand.

create function public.usage_report_v1(p_org uuid, p_days jsonb, p_to text, p_rules jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_days timestamptz[] := array(select d::timestamptz from jsonb_array_elements_text(p_days) d);
  v_groups jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select jsonb_agg(to_jsonb(g)) into v_groups from (
    select grouping(r.day, r.model_id, r.agent_id) as kind, r.day, r.model_id, r.agent_id,
           (select a.name from agents a where a.organization_id = p_org and a.id = r.agent_id) as agent_name,
           count(*) as runs, sum(r.input_tokens) as input_tokens, sum(r.output_tokens) as output_tokens,
           sum(r.cached_tokens) as cached_tokens, sum(r.cost_micro) as cost_micro,
           count(*) filter (where r.cost_micro is null) as unpriced_runs
      from (select width_bucket(started_at, v_days) as day, model_id, agent_id,
                   (usage->>'input_tokens')::bigint as input_tokens, (usage->>'output_tokens')::bigint as output_tokens,
                   (usage->>'cached_tokens')::bigint as cached_tokens, (usage->>'cost_micro')::bigint as cost_micro
              from runs
             where organization_id = p_org and started_at >= v_days[1] and started_at < p_to::timestamptz
               and jsonb_typeof(usage) = 'object') r
     group by grouping sets ((), (r.day), (r.model_id), (r.agent_id))) g;
  return jsonb_build_object(
    'groups', coalesce(v_groups, '[]'),
    'reserved', (
      select jsonb_build_object('runs', count(*), 'tokens', coalesce(sum((reservation->>'tokens')::bigint), 0),
                                'micro_usd', coalesce(sum((reservation->>'usd')::bigint), 0))
        from runs where organization_id = p_org and status in ('running', 'awaiting_approval')
         and reservation is not null and started_at > now() - interval '1 hour'),
    'budgets', (
      select coalesce(jsonb_agg(jsonb_build_object(
               'budget', w.name, 'unit', w.unit, 'limit', w.ceiling, 'resets_at', w.ends_at,
               'used', coalesce(c.used, budget_used_before(p_org, 'organization', '', w.unit, w.starts_at)),
               'reserved', coalesce(c.reserved, 0)) order by w.name), '[]')
        from jsonb_to_recordset(p_rules) as w (name text, unit text, ceiling bigint, starts_at timestamptz, ends_at timestamptz)
        left join budget_counters c on c.organization_id = p_org and c.name = w.name and c.subject = ''
                                   and c.starts_at = w.starts_at));
end $$;
comment on function public.usage_report_v1(uuid, jsonb, text, jsonb) is
  'What ended runs have used since the first of the days, in all, by day, model and agent; what is set aside; and the budgets of the rules.';

do $$
begin
  perform agentes.lock_function('public.usage_report_v1(uuid, jsonb, text, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126220300');

notify pgrst, 'reload schema';
