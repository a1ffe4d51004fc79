-- One person's data, whole and no other's. Who names somebody's e-mail need not be that person: from
-- a lead the way leads to the conversations in which it was named, and never back to another's lead.

-- {visitors, conversations, leads}. A person is named by one of {lead_id, visitor_id, email, phone, document}.
create or replace function agentes.person_find(p_org uuid, p_person jsonb) returns jsonb
language plpgsql stable as $$
declare
  v_said text := coalesce(lower(p_person->>'email'), p_person->>'phone', p_person->>'document');
  v_leads uuid[] := array(
    select id from agentes.leads l where l.organization_id = p_org
       and (l.id = (p_person->>'lead_id')::uuid or l.visitor_id = p_person->>'visitor_id'
            or l.email_key = lower(p_person->>'email') or l.phone = p_person->>'phone'
            or l.document = p_person->>'document'));
  -- Who chats as the same visitor is the same person.
  v_visitors text[] := array(
    select p_person->>'visitor_id' where p_person->>'visitor_id' is not null
     union select visitor_id from agentes.leads where organization_id = p_org and id = any (v_leads) and visitor_id is not null);
  v_own uuid[] := array(
    select id from agentes.conversations where organization_id = p_org and visitor_id = any (v_visitors)
     union select conversation_id from agentes.leads
            where organization_id = p_org and id = any (v_leads) and conversation_id is not null);
  v_named uuid[];
begin
  v_leads := array(select id from agentes.leads l where l.organization_id = p_org
    and (l.id = any (v_leads) or l.visitor_id = any (v_visitors) or l.conversation_id = any (v_own)));
  -- Where others, or the same person as somebody else, have named them.
  if p_person->>'visitor_id' is null then
    v_named := array(
      select d.conversation_id from agentes.lead_drafts d where d.organization_id = p_org and d.lead_id = any (v_leads)
       union select (o->>'conversation_id')::uuid from agentes.leads l, jsonb_array_elements(l.contacts) o
              where l.organization_id = p_org
                and (l.id = any (v_leads)
                     or v_said in (lower(o#>>'{alternatives,email}'), o#>>'{alternatives,phone}', o#>>'{alternatives,document}'))
       union select s.conversation_id from agentes.form_submissions s
              where s.organization_id = p_org and v_said is not null
                and exists (select from jsonb_path_query(s."values", '$.**') v where lower(v #>> '{}') = v_said));
  end if;
  return jsonb_build_object('visitors', to_jsonb(v_visitors), 'leads', to_jsonb(v_leads), 'conversations', (
    select coalesce(jsonb_agg(c.id), '[]') from agentes.conversations c
     where c.organization_id = p_org and c.id = any (v_own || v_named)));
end $$;

-- Everything that hangs on a conversation: whatever table has the two columns.
create function agentes.tables_of_conversations() returns setof name language sql stable as $$
  select c.relname from pg_class c
   where c.relnamespace = 'agentes'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
     and c.relname <> all (array['leads', 'messages'])
     and has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'delete')
     and 2 = (select count(*) from pg_attribute a where a.attrelid = c.oid and not a.attisdropped
                 and a.attname in ('organization_id', 'conversation_id'))
   order by c.relname
$$;
comment on function agentes.tables_of_conversations() is
  'Tables whose rows belong to a conversation, beside messages; leads may outlive theirs.';

-- The events about them: already numbered, or not yet.
create function agentes.events_about(p_org uuid, p_conversations uuid[], p_leads uuid[]) returns uuid[]
language sql stable as $$
  select array(
    select id from agentes.events where organization_id = p_org
       and (data->>'conversation_id' = any (p_conversations::text[]) or data->>'lead_id' = any (p_leads::text[]))
     union select id from agentes.outbox where organization_id = p_org
       and (data->>'conversation_id' = any (p_conversations::text[]) or data->>'lead_id' = any (p_leads::text[])))
$$;
comment on function agentes.events_about(uuid, uuid[], uuid[]) is 'The ids of the facts about these conversations and leads.';

create function public.person_export_v2(p_org uuid, p_person jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_found jsonb;
  v_conversations uuid[];
  v_leads uuid[];
  v_events uuid[];
  v_records jsonb := '{}';
  v_rows jsonb;
  v_table name;
begin
  perform set_config('app.org', p_org::text, true);
  v_found := person_find(p_org, p_person);
  v_conversations := ids_in(v_found->'conversations');
  v_leads := ids_in(v_found->'leads');
  perform audit_export(p_org, (select jsonb_object_keys(p_person) limit 1), v_found);
  v_events := events_about(p_org, v_conversations, v_leads);
  for v_table in select * from tables_of_conversations() loop
    execute format('select jsonb_agg(to_jsonb(r) - array[''organization_id'', ''owner_id'', ''call_keys''])
                      from agentes.%I r where r.organization_id = $1 and r.conversation_id = any ($2)', v_table)
      into v_rows using p_org, v_conversations;
    if v_rows is not null then
      v_records := v_records || jsonb_build_object(v_table, v_rows);
    end if;
  end loop;
  return jsonb_build_object(
    'visitor_ids', v_found->'visitors',
    'leads', (select coalesce(jsonb_agg(to_jsonb(l) - array['email_key', 'has_consent', 'organization_id'] order by l.id), '[]')
                from leads l where l.organization_id = p_org and l.id = any (v_leads)),
    'conversations', (select coalesce(jsonb_agg(to_jsonb(c) - 'organization_id' || jsonb_build_object('messages', (
        select coalesce(jsonb_agg(to_jsonb(m) - array['organization_id', 'conversation_id'] order by m.id), '[]')
          from messages m where m.organization_id = p_org and m.conversation_id = c.id)) order by c.id), '[]')
      from conversations c where c.organization_id = p_org and c.id = any (v_conversations)),
    'form_submissions', coalesce(v_records->'form_submissions', '[]'),
    'records', v_records - 'form_submissions' || jsonb_strip_nulls(jsonb_build_object('tool_calls', (
      select jsonb_agg(to_jsonb(t) - 'organization_id' order by t.id) from tool_calls t join runs r on r.id = t.run_id
       where t.organization_id = p_org and r.conversation_id = any (v_conversations)),
      -- What was said in these conversations beside a lead that is another's.
      'lead_contacts', (select jsonb_agg(c) from leads l, jsonb_array_elements(l.contacts) c
        where l.organization_id = p_org and not l.id = any (v_leads) and (c->>'conversation_id')::uuid = any (v_conversations)))),
    'events', (select coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'type', e.type, 'data', e.data,
                                                           'occurred_at', e.occurred_at) order by e.id), '[]')
      from (select id, type, data, occurred_at from events where organization_id = p_org and id = any (v_events)
             union all select id, type, data, occurred_at from outbox where organization_id = p_org and id = any (v_events)) e),
    'webhook_deliveries', (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'webhook_id', d.webhook_id, 'event_id', d.message_id)
                                                     order by d.id), '[]')
      from webhook_deliveries d where d.organization_id = p_org and d.message_id = any (v_events)));
end $$;
comment on function public.person_export_v2(uuid, jsonb) is 'Everything that is kept of one person.';

create function public.person_erase_v2(p_org uuid, p_person jsonb, p_receipt jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_found jsonb;
  v_conversations uuid[];
  v_leads uuid[];
  v_runs jsonb;
  v_events uuid[];
  v_removed jsonb := '{}';
  v_count bigint;
  v_table name;
  v_row agentes.erasures;
begin
  perform set_config('app.org', p_org::text, true);
  v_found := person_find(p_org, p_person);
  v_conversations := ids_in(v_found->'conversations');
  v_leads := ids_in(v_found->'leads');
  if v_conversations = '{}' and v_leads = '{}' then
    return null;
  end if;
  v_events := events_about(p_org, v_conversations, v_leads);
  delete from webhook_inbox_messages i where i.organization_id = p_org
     and i.headers->>'webhook-id' = any (v_events::text[]);
  delete from webhook_attempts a using webhook_deliveries d
   where a.organization_id = p_org and d.organization_id = p_org and a.delivery_id = d.id and d.message_id = any (v_events);
  delete from webhook_deliveries where organization_id = p_org and message_id = any (v_events);
  get diagnostics v_count = row_count;
  v_removed := v_removed || jsonb_build_object('webhook_deliveries', v_count);
  delete from webhook_messages where organization_id = p_org and id = any (v_events);
  delete from outbox where organization_id = p_org and id = any (v_events);
  delete from events where organization_id = p_org and id = any (v_events);
  v_removed := v_removed || jsonb_build_object('events', cardinality(v_events));
  -- What was answered to calls and requests that could be repeated.
  delete from lead_calls c where c.organization_id = p_org
     and exists (select from unnest(v_leads) l where c.result::text like '%' || l || '%');
  delete from idempotent_calls c where c.organization_id = p_org
     and exists (select from unnest(v_leads || v_conversations) i where c.result::text like '%' || i || '%');
  v_runs := (select coalesce(jsonb_agg(id), '[]') from runs where organization_id = p_org and conversation_id = any (v_conversations));
  select count(*) into v_count from messages where organization_id = p_org and conversation_id = any (v_conversations);
  v_removed := v_removed || jsonb_build_object('messages', v_count);
  for v_table in select * from tables_of_conversations() loop
    execute format('select count(*) from agentes.%I where organization_id = $1 and conversation_id = any ($2)', v_table)
      into v_count using p_org, v_conversations;
    v_removed := v_removed || jsonb_build_object(v_table, v_count);
  end loop;
  delete from form_submissions where organization_id = p_org and conversation_id = any (v_conversations);
  delete from leads where organization_id = p_org and id = any (v_leads);
  get diagnostics v_count = row_count;
  v_removed := v_removed || jsonb_build_object('leads', v_count);
  -- Other persons' leads that a conversation of this one has added to.
  update leads l set contacts = (select coalesce(jsonb_agg(o.c order by o.at), '[]')
           from jsonb_array_elements(l.contacts) with ordinality o(c, at)
          where not (o.c->>'conversation_id')::uuid = any (v_conversations))
   where l.organization_id = p_org
     and exists (select from jsonb_array_elements(l.contacts) c where (c->>'conversation_id')::uuid = any (v_conversations));
  delete from conversations where organization_id = p_org and id = any (v_conversations);
  get diagnostics v_count = row_count;
  v_removed := v_removed || jsonb_build_object('conversations', v_count);
  -- What hangs on a conversation by its id alone.
  for v_table in select * from tables_of_conversations() loop
    execute format('delete from agentes.%I where organization_id = $1 and conversation_id = any ($2)', v_table)
      using p_org, v_conversations;
  end loop;
  update audit_log set actor = 'visitor:***' where organization_id = p_org
     and actor in (select 'visitor:' || v from jsonb_array_elements_text(v_found->'visitors') v);
  v_row := jsonb_populate_record(null::erasures, p_receipt || jsonb_build_object(
    'organization_id', p_org, 'removed', v_removed, 'created_at', now(), 'updated_at', now(),
    'removed_ids', jsonb_build_object('conversations', v_found->'conversations', 'leads', v_found->'leads')));
  insert into erasures select v_row.*;
  return jsonb_build_object('receipt', to_jsonb(v_row), 'run_ids', v_runs);
end $$;
comment on function public.person_erase_v2(uuid, jsonb, jsonb) is
  'Removes everything that is kept of one person, for good; the receipt, and the runs whose streams are still buffered.';

-- Responses are sealed: the service opens them to see which ones show an erased person.
create function public.idempotency_responses_v1(p_org uuid, p_after text, p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select coalesce(jsonb_agg(jsonb_build_object('key', k.key, 'response', k.response) order by k.key), '[]') from (
    select key, response from idempotency_keys
     where organization_id = p_org and response is not null and (p_after is null or key > p_after)
     order by key limit p_limit) k);
end $$;
comment on function public.idempotency_responses_v1(uuid, text, int) is 'Sealed responses of keyed requests, in the order of their keys.';

create function public.idempotency_forget_v1(p_org uuid, p_keys jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  -- The key stays taken, by no request there is: a late repeat must not make the person anew.
  update idempotency_keys set response = null, fingerprint = 'erased'
   where organization_id = p_org and key in (select jsonb_array_elements_text(p_keys));
  return 'null';
end $$;
comment on function public.idempotency_forget_v1(uuid, jsonb) is 'Forgets responses; a repeat of their requests is refused.';

do $$
begin
  perform agentes.lock_helper('agentes.tables_of_conversations()');
  perform agentes.lock_helper('agentes.events_about(uuid, uuid[], uuid[])');
  perform agentes.lock_function('public.person_export_v2(uuid, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.person_erase_v2(uuid, jsonb, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.idempotency_responses_v1(uuid, text, int)', 'agentes_tenant');
  perform agentes.lock_function('public.idempotency_forget_v1(uuid, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126210100');

notify pgrst, 'reload schema';
