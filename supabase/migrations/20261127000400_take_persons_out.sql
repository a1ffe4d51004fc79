-- Export and erasure of one person, of whom others may have spoken.

create function public.person_export_v3(p_org uuid, p_person jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_export jsonb := public.person_export_v2(p_org, p_person);
  v_found jsonb := person_find(p_org, p_person);
  v_conversations uuid[] := ids_in(v_found->'conversations');
begin
  return v_export || jsonb_build_object(
    'named_elsewhere', named_elsewhere(p_org, v_found),
    -- What others have given beside the lead is theirs.
    'events', (select coalesce(jsonb_agg(e.value order by e.place), '[]')
      from jsonb_array_elements(v_export->'events') with ordinality e(value, place)
     where coalesce((e.value#>>'{data,conversation_id}')::uuid = any (v_conversations), true)),
    'leads', (select coalesce(jsonb_agg(l.value || jsonb_build_object('contacts', (
                select coalesce(jsonb_agg(c.value order by c.place), '[]')
                  from jsonb_array_elements(l.value->'contacts') with ordinality c(value, place)
                 where (c.value->>'conversation_id')::uuid = any (v_conversations))) order by l.place), '[]')
      from jsonb_array_elements(v_export->'leads') with ordinality l(value, place)));
end $$;
comment on function public.person_export_v3(uuid, jsonb) is
  'Everything that is kept of one person, and where others name them: [{conversation_id, visitor_id}].';

create function public.person_erase_v3(p_org uuid, p_person jsonb, p_receipt jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_acting text := current_setting('app.acting', true);
  v_found jsonb;
  v_pattern text;
  v_erased jsonb;
  v_masked bigint := 0;
  v_count bigint;
  v_told record;
  v_events uuid[];
begin
  perform set_config('app.org', p_org::text, true);
  -- Nobody is just turning what is erased here into messages.
  perform pg_advisory_xact_lock(hashtext('agentes.webhook_cursor'));
  v_found := person_find(p_org, p_person);
  v_pattern := v_found->>'pattern';
  v_events := events_about(p_org, ids_in(v_found->'conversations'), ids_in(v_found->'leads'));
  v_erased := public.person_erase_v2(p_org, p_person, p_receipt);
  -- What was delivered to an inbox meanwhile has held up the end of its message until now.
  delete from webhook_inbox_messages i where i.organization_id = p_org and i.headers->>'webhook-id' = any (v_events::text[]);
  if v_pattern is not null then
    -- The erasure is in the audit log; what it changes on its way need not be, with what was there before.
    perform set_config('app.acting', '', true);
    for v_told in
      select relation, string_agg(case when is_json
               then format('%1$I = without_names(%1$I, $2)', field)
               else format('%1$I = regexp_replace(%1$I, $2, ''***'', ''gi'')', field) end, ', ') as changes,
             string_agg(format('may_name(%1$I::text, $3) and %1$I::text ~* $2', field), ' or ') as condition
        from columns_told() group by relation order by relation = 'audit_log', relation
    loop
      execute format('update agentes.%I set %s where organization_id = $1 and (%s)', v_told.relation, v_told.changes, v_told.condition)
        using p_org, v_pattern, array(select jsonb_array_elements_text(v_found->'hints'));
      get diagnostics v_count = row_count;
      v_masked := v_masked + v_count;
    end loop;
    perform set_config('app.acting', coalesce(v_acting, ''), true);
  end if;
  delete from budget_counters c using jsonb_array_elements_text(v_found->'visitors') v
   where c.organization_id = p_org
     and (c.name like 'visitor%' and c.subject = v.value
          or c.name like 'widget_visitor%' and right(c.subject, length(v.value) + 1) = ':' || v.value);
  if v_erased is null and v_masked = 0 then
    return null;
  elsif v_erased is null then
    insert into erasures select (jsonb_populate_record(null::erasures, p_receipt || jsonb_build_object(
      'organization_id', p_org, 'removed', '{}'::jsonb, 'created_at', now(), 'updated_at', now(),
      'removed_ids', '{"conversations": [], "leads": []}'::jsonb))).*;
    v_erased := jsonb_build_object('run_ids', '[]'::jsonb);
  end if;
  perform set_config('app.acting', '', true);
  update erasures set removed = removed || jsonb_build_object('mentions', v_masked)
   where organization_id = p_org and id = (p_receipt->>'id')::uuid;
  perform set_config('app.acting', coalesce(v_acting, ''), true);
  return v_erased || jsonb_build_object(
    'pattern', v_pattern,
    'receipt', (select to_jsonb(e) from erasures e where e.organization_id = p_org and e.id = (p_receipt->>'id')::uuid));
end $$;
comment on function public.person_erase_v3(uuid, jsonb, jsonb) is
  'As person_erase_v2; then their addresses and numbers are taken out of whatever others have said.';

create function public.inbox_receive_v2(
  p_org uuid, p_inbox_id uuid, p_message jsonb, p_max_count int, p_max_bytes int, p_delivered uuid default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if p_delivered is not null then
    perform from webhook_messages where organization_id = p_org and id = p_delivered for key share;
    if not found then
      return 'true';  -- erased since it was sent
    end if;
  end if;
  return public.inbox_receive_v1(p_org, p_inbox_id, p_message, p_max_count, p_max_bytes);
end $$;
comment on function public.inbox_receive_v2(uuid, uuid, jsonb, int, int, uuid) is
  'As inbox_receive_v1; of our own deliveries those only whose message is still there.';

do $$
begin
  perform agentes.lock_function('public.inbox_receive_v2(uuid, uuid, jsonb, int, int, uuid)', 'agentes_tenant');
  perform agentes.lock_function('public.person_export_v3(uuid, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.person_erase_v3(uuid, jsonb, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261127000400');

notify pgrst, 'reload schema';
