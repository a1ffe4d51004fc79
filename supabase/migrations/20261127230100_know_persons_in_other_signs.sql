-- The same person in other signs, wherever anybody has named them; and receipts that name nobody.

create function agentes.digits_between(p_said text, p_between text) returns text
language sql immutable as $$
  select string_agg('[' || s.sign || translate(s.sign, '0123456789', U&'\FF10\FF11\FF12\FF13\FF14\FF15\FF16\FF17\FF18\FF19') || ']',
                    p_between order by s.place)
    from regexp_split_to_table(p_said, '') with ordinality s (sign, place)
$$;
alter function agentes.digits_between(text, text) set search_path = pg_catalog, agentes;
comment on function agentes.digits_between(text, text) is 'A pattern of these digits, each in half or full width, with so much between them.';

-- Telephones and pages write digits in full width, and keep addresses from being collected.
create or replace function agentes.written_forms(p_said text[]) returns text
language sql immutable as $$
  select string_agg(case
           when said like '%@%' then
             '(?<![A-Za-z0-9._%+@-])'
               || replace(regexp_replace(said, '([^A-Za-z0-9@])', '\\\1', 'g'), '@',
                          '(?:[ ]{0,2}(?:@|\uff20|%40|&#0{0,4}64;|&#x0{0,4}40;|&commat;)[ ]{0,2}|[ ]{1,2}(?:at|arroba)[ ]{1,2}|[ ]{0,2}[(\[][ ]?(?:at|arroba)[ ]?[)\]][ ]{0,2})')
               || '(?![A-Za-z0-9_-]|\.[A-Za-z0-9])'
           when said like '+%' then
             -- With or without the country's code, of which we know how long one is: Brazil's.
             '(?<![0-9A-Za-z\uff10-\uff19])' || case when said like '+55%'
                 then '(?:[+\uff0b]?[5\uff15][5\uff15][ ()./\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212\u3000\uff08\uff09\uff0d\uff0e-]{0,3})?[0\uff10]?(?:xx)?[ ]?[(\uff08]?'
                 else '[+\uff0b]?' end
               || agentes.digits_between(regexp_replace(said, '^\+(55)?', ''), '[ ()./\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212\u3000\uff08\uff09\uff0d\uff0e-]{0,3}')
               || '(?![0-9A-Za-z\uff10-\uff19])'
           else
             '(?<![0-9A-Za-z\uff10-\uff19])'
               || agentes.digits_between(regexp_replace(said, '[^0-9A-Za-z]', '', 'g'), '[ ./\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212\u3000\uff08\uff09\uff0d\uff0e-]{0,2}')
               || '(?![0-9A-Za-z\uff10-\uff19])' end, '|')
    from unnest(p_said) said
$$;

create or replace function agentes.name_hints(p_said text[]) returns text[]
language sql immutable as $$
  select array_agg('%' || hint.written || '%') from unnest(p_said) said, lateral (
    select regexp_replace(split_part(said, '@', 1), '([_%\\])', '\\\1', 'g') where said like '%@%'
     union all
    select case when alone.sign then short.digits
                else translate(short.digits, '0123456789', U&'\FF10\FF11\FF12\FF13\FF14\FF15\FF16\FF17\FF18\FF19') end
      from (values (true), (false)) alone (sign), lateral (
        select case when said like '+55%' then right(said, 4) when said like '+%' then right(said, 2)
                    else substr(regexp_replace(said, '[^0-9A-Za-z]', '', 'g'), 7, 3) end) short (digits)
     where said not like '%@%') hint (written)
$$;

create or replace function agentes.named_elsewhere(p_org uuid, p_found jsonb) returns jsonb
language plpgsql stable as $$
declare
  v_pattern text := p_found->>'pattern';
  v_hints text[] := array(select jsonb_array_elements_text(p_found->'hints'));
  v_told record;
  v_ids uuid[];
  v_conversations uuid[] := '{}';
  v_leads uuid[] := '{}';
begin
  if v_pattern is null then
    return '[]';
  end if;
  -- Wherever an erasure would take the person out, if it is known in which conversation it was said.
  for v_told in
    select t.relation, string_agg(format('may_name(r.%1$I::text, $3) and r.%1$I::text ~* $2', t.field), ' or ') as condition,
           case when t.relation in ('conversations', 'leads') then 'r.id'
                when t.relation in (select * from tables_of_conversations()) or t.relation = 'messages' then 'r.conversation_id'
                else '(select u.conversation_id from agentes.runs u where u.organization_id = $1 and u.id = r.run_id)' end as place
      from columns_told() t
     where t.relation in ('conversations', 'leads', 'messages', 'tool_calls') or t.relation in (select * from tables_of_conversations())
     group by t.relation
  loop
    execute format('select array(select distinct %s from agentes.%I r where r.organization_id = $1 and (%s))',
                   v_told.place, v_told.relation, v_told.condition)
      into v_ids using p_org, v_pattern, v_hints;
    if v_told.relation = 'leads' then
      v_leads := v_ids;
    else
      v_conversations := v_conversations || v_ids;
    end if;
  end loop;
  return (
    select coalesce(jsonb_agg(to_jsonb(e) order by e.conversation_id, e.lead_id), '[]') from (
      select c.id as conversation_id, c.visitor_id, null::uuid as lead_id from agentes.conversations c
       where c.organization_id = p_org and c.id = any (v_conversations) and not c.id = any (ids_in(p_found->'conversations'))
       union all
      select l.conversation_id, l.visitor_id, l.id from agentes.leads l
       where l.organization_id = p_org and l.id = any (v_leads) and not l.id = any (ids_in(p_found->'leads'))) e);
end $$;
alter function agentes.named_elsewhere(uuid, jsonb) set search_path = pg_catalog, agentes;
comment on function agentes.named_elsewhere(uuid, jsonb) is
  '[{conversation_id, visitor_id, lead_id}] of conversations and leads that are not the person''s own and hold one of its addresses or numbers.';

create or replace function public.person_erase_v3(p_org uuid, p_person jsonb, p_receipt jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_acting text := current_setting('app.acting', true);
  v_found jsonb;
  v_pattern text;
  v_receipt jsonb := p_receipt;
  v_named text;
  v_lanes uuid[];
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
  -- The receipt stays for good, and with it what somebody has typed as the reason.
  v_named := nullif(concat_ws('|', v_pattern, (
    select string_agg('(?<!\w)' || regexp_replace(n.word, '(\W)', '\\\1', 'g') || '(?!\w)', '|')
      from (select w from leads l, regexp_split_to_table(l.name, '[^[:alnum:]]+') w
             where l.organization_id = p_org and l.id = any (ids_in(v_found->'leads')) and length(w) > 2
             union select v from jsonb_array_elements_text(v_found->'visitors') v where length(v) > 2) n (word))), '');
  if v_named is not null and p_receipt->>'reason' is not null then
    v_receipt := p_receipt || jsonb_build_object('reason', regexp_replace(p_receipt->>'reason', v_named, '***', 'gi'));
  end if;
  -- Queues forget what is deleted of them; held before, as whoever claims holds them first.
  v_lanes := array(select distinct d.webhook_id from webhook_deliveries d
                    where d.organization_id = p_org and d.message_id = any (v_events) and d.status in ('pending', 'sending'));
  perform lanes_hold(v_lanes);
  v_erased := public.person_erase_v2(p_org, p_person, v_receipt);
  update webhook_lanes l
     set in_flight = (select count(*) from webhook_deliveries d where d.webhook_id = l.webhook_id and d.status = 'sending'),
         next_due_at = (select min(d.next_attempt_at) from webhook_deliveries d where d.webhook_id = l.webhook_id and d.status = 'pending')
   where l.organization_id = p_org and l.webhook_id = any (v_lanes);
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
    insert into erasures select (jsonb_populate_record(null::erasures, v_receipt || jsonb_build_object(
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

do $$
begin
  perform agentes.lock_helper('agentes.digits_between(text, text)');
end $$;

select agentes.migration_applied('20261127230100');

notify pgrst, 'reload schema';
