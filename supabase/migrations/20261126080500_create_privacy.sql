-- The rights of one person (LGPD, articles 18 and 16): to be given what is kept of them, and to have
-- it erased, with a receipt that says what was removed and holds nothing of theirs.

create table agentes.erasures (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  requested_by text not null,
  reason text,
  named_by text not null,
  removed jsonb not null,
  removed_ids jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.erasures is 'Receipts of erasures: by what the person was named, and how many rows of what were removed.';
create index erasures_by_organization on agentes.erasures (organization_id, id desc);
insert into agentes.catalogue (name) values ('erasures');

-- Everything that is one person's: {visitors, conversations, leads}. A person is named by one of
-- {lead_id, visitor_id, email, phone, document}; who chatted as the same visitor is the same person.
create function agentes.person_find(p_org uuid, p_person jsonb) returns jsonb
language plpgsql stable as $$
declare
  v_leads uuid[] := array(
    select id from agentes.leads l where l.organization_id = p_org
       and (l.id = (p_person->>'lead_id')::uuid or l.visitor_id = p_person->>'visitor_id'
            or l.email_key = lower(p_person->>'email') or l.phone = p_person->>'phone'
            or l.document = p_person->>'document'
            or l.id in (select d.lead_id from agentes.lead_drafts d join agentes.conversations c on c.id = d.conversation_id
                         where d.organization_id = p_org and c.visitor_id = p_person->>'visitor_id')
            or exists (select from jsonb_array_elements(l.contacts) o
                        where lower(o#>>'{alternatives,email}') = lower(p_person->>'email')
                           or o#>>'{alternatives,phone}' = p_person->>'phone'
                           or o#>>'{alternatives,document}' = p_person->>'document')));
  v_visitors text[] := array(
    select p_person->>'visitor_id' where p_person->>'visitor_id' is not null
     union select visitor_id from agentes.leads where organization_id = p_org and id = any (v_leads) and visitor_id is not null
     union select c.visitor_id from agentes.lead_drafts d join agentes.conversations c on c.id = d.conversation_id
            where d.organization_id = p_org and d.lead_id = any (v_leads) and c.visitor_id is not null);
  v_conversations uuid[] := array(
    select id from agentes.conversations where organization_id = p_org and visitor_id = any (v_visitors)
     union select conversation_id from agentes.leads
            where organization_id = p_org and id = any (v_leads) and conversation_id is not null
     union select conversation_id from agentes.lead_drafts where organization_id = p_org and lead_id = any (v_leads));
begin
  v_leads := array(select id from agentes.leads l where l.organization_id = p_org
    and (l.id = any (v_leads) or l.visitor_id = any (v_visitors) or l.conversation_id = any (v_conversations)
         or l.id in (select lead_id from agentes.lead_drafts
                      where organization_id = p_org and conversation_id = any (v_conversations))));
  return jsonb_build_object('visitors', to_jsonb(v_visitors), 'conversations', to_jsonb(v_conversations),
                            'leads', to_jsonb(v_leads));
end $$;
comment on function agentes.person_find(uuid, jsonb) is 'The visitors, conversations and leads that are one person''s.';

create function agentes.ids_in(p_list jsonb) returns uuid[]
language sql immutable as $$ select array(select jsonb_array_elements_text(p_list)::uuid) $$;
comment on function agentes.ids_in(jsonb) is 'A list of ids as an array.';

create function public.person_export_v1(p_org uuid, p_person jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_found jsonb;
  v_conversations uuid[];
  v_leads uuid[];
begin
  perform set_config('app.org', p_org::text, true);
  v_found := person_find(p_org, p_person);
  v_conversations := ids_in(v_found->'conversations');
  v_leads := ids_in(v_found->'leads');
  return jsonb_build_object(
    'visitor_ids', v_found->'visitors',
    'leads', (select coalesce(jsonb_agg(to_jsonb(l) - array['email_key', 'has_consent', 'organization_id'] order by l.id), '[]')
                from leads l where l.organization_id = p_org and l.id = any (v_leads)),
    'conversations', (select coalesce(jsonb_agg(to_jsonb(c) - 'organization_id' || jsonb_build_object('messages', (
        select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'role', m.role, 'content', m.content,
                                                     'created_at', m.created_at) order by m.id), '[]')
          from messages m where m.organization_id = p_org and m.conversation_id = c.id)) order by c.id), '[]')
      from conversations c where c.organization_id = p_org and c.id = any (v_conversations)),
    'form_submissions', (select coalesce(jsonb_agg(to_jsonb(s) - 'organization_id' order by s.id), '[]')
      from form_submissions s where s.organization_id = p_org and s.conversation_id = any (v_conversations)));
end $$;
comment on function public.person_export_v1(uuid, jsonb) is 'Everything that is kept of one person.';

create function public.person_erase_v1(p_org uuid, p_person jsonb, p_receipt jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_found jsonb;
  v_conversations uuid[];
  v_leads uuid[];
  v_events uuid[];
  v_removed jsonb := '{}';
  v_count bigint;
  v_table text;
  v_row agentes.erasures;
begin
  perform set_config('app.org', p_org::text, true);
  v_found := person_find(p_org, p_person);
  v_conversations := ids_in(v_found->'conversations');
  v_leads := ids_in(v_found->'leads');
  if v_conversations = '{}' and v_leads = '{}' then
    return null;
  end if;
  -- Facts about them, and what was sent of those to webhooks and test inboxes.
  v_events := array(
    select id from events where organization_id = p_org
       and (data->>'conversation_id' = any (v_conversations::text[]) or data->>'lead_id' = any (v_leads::text[]))
     union select id from outbox where organization_id = p_org
       and (data->>'conversation_id' = any (v_conversations::text[]) or data->>'lead_id' = any (v_leads::text[])));
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
  delete from lead_calls c where c.organization_id = p_org
     and exists (select from unnest(v_leads) l where c.result::text like '%' || l || '%');
  foreach v_table in array array['messages', 'runs', 'form_submissions', 'forms'] loop
    execute format('select count(*) from agentes.%I where organization_id = $1 and conversation_id = any ($2)', v_table)
      into v_count using p_org, v_conversations;
    v_removed := v_removed || jsonb_build_object(v_table, v_count);
  end loop;
  delete from form_submissions where organization_id = p_org and conversation_id = any (v_conversations);
  delete from leads where organization_id = p_org and id = any (v_leads);
  get diagnostics v_count = row_count;
  v_removed := v_removed || jsonb_build_object('leads', v_count);
  delete from conversations where organization_id = p_org and id = any (v_conversations);
  get diagnostics v_count = row_count;
  v_removed := v_removed || jsonb_build_object('conversations', v_count);
  v_row := jsonb_populate_record(null::erasures, p_receipt || jsonb_build_object(
    'organization_id', p_org, 'removed', v_removed, 'created_at', now(), 'updated_at', now(),
    'removed_ids', jsonb_build_object('conversations', v_found->'conversations', 'leads', v_found->'leads')));
  insert into erasures select v_row.*;
  return to_jsonb(v_row);
end $$;
comment on function public.person_erase_v1(uuid, jsonb, jsonb) is
  'Removes everything that is kept of one person, for good, and leaves the receipt; null where there is nothing.';

-- What an organization keeps for a limited time: conversations that have rested for longer, with all that hangs on them.
create function public.conversations_expire_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count bigint;
begin
  delete from conversations c where c.id in (
    select o.id from settings s join conversations o on o.organization_id = s.organization_id
     where (s.document->'retention_days'->>'conversations')::int > 0
       and o.updated_at < now() - make_interval(days => (s.document->'retention_days'->>'conversations')::int)
     limit p_limit);
  get diagnostics v_count = row_count;
  return to_jsonb(v_count);
end $$;
comment on function public.conversations_expire_v1(int) is
  'Deletes conversations that have rested for longer than their organization keeps them; call it again while it finds as many as it may.';

do $$
begin
  perform agentes.lock_table('agentes.erasures');
  perform agentes.lock_helper('agentes.person_find(uuid, jsonb)');
  perform agentes.lock_helper('agentes.ids_in(jsonb)');
  perform agentes.lock_function('public.person_export_v1(uuid, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.person_erase_v1(uuid, jsonb, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.conversations_expire_v1(int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126080500');

notify pgrst, 'reload schema';
