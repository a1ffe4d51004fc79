-- One person's data without anybody else's: where others name them, the name alone is theirs. It is
-- taken out there, wherever it stands; the rest of that conversation is neither shown nor erased.

-- A pattern for the addresses and numbers, in the forms in which people write them.
create function agentes.written_forms(p_said text[]) returns text
language sql immutable as $$
  select string_agg(case
           when said like '%@%' then
             '(?<![A-Za-z0-9._%+-])' || replace(regexp_replace(said, '([^A-Za-z0-9@])', '\\\1', 'g'), '@', '(?:@|%40)')
               || '(?![A-Za-z0-9_-]|\.[A-Za-z0-9])'
           when said like '+%' then
             -- With or without the country's code, of which we know how long one is: Brazil's.
             '(?<![0-9A-Za-z])' || case when said like '+55%' then '(?:\+?55[ ().-]{0,3})?0?\(?' else '\+?' end
               || array_to_string(regexp_split_to_array(regexp_replace(said, '^\+(55)?', ''), ''), '[ ().-]{0,3}')
               || '(?![0-9A-Za-z])'
           else
             '(?<![0-9A-Za-z])'
               || array_to_string(regexp_split_to_array(regexp_replace(said, '[^0-9A-Za-z]', '', 'g'), ''), '[ ./-]{0,2}')
               || '(?![0-9A-Za-z])' end, '|')
    from unnest(p_said) said
$$;
comment on function agentes.written_forms(text[]) is
  'A pattern for e-mail addresses, telephone numbers (E.164) and documents as they may stand in a text; null for none.';

-- Most texts name nobody, which is seen at a fraction of the pattern's cost: by what comes before the @,
-- and by digits that everybody writes together.
create function agentes.name_hints(p_said text[]) returns text[]
language sql immutable as $$
  select array_agg(hint) from unnest(p_said) said, lateral (
    select '%' || regexp_replace(split_part(said, '@', 1), '([_%\\])', '\\\1', 'g') || sign.written || '%' as hint
      from (values ('@'), ('\%40')) sign (written) where said like '%@%'
     union all
    select '%' || case when said like '+55%' then right(said, 4) when said like '+%' then right(said, 2)
                       else substr(regexp_replace(said, '[^0-9A-Za-z]', '', 'g'), 7, 3) end || '%'
     where said not like '%@%') hints
$$;
comment on function agentes.name_hints(text[]) is 'What a text is like (ILIKE) in which one of the names stands, in whatever form.';

create function agentes.may_name(p_text text, p_hints text[]) returns boolean
language sql immutable as $$
  select p_text ilike any (p_hints)
$$;
comment on function agentes.may_name(text, text[]) is 'False for a text in which no pattern of these names finds anything.';

create function agentes.without_names(p_value jsonb, p_pattern text) returns jsonb
language plpgsql immutable as $$
begin
  if p_value::text !~* p_pattern then
    return p_value;
  end if;
  return case jsonb_typeof(p_value)
    when 'object' then (select jsonb_object_agg(regexp_replace(key, p_pattern, '***', 'gi'), without_names(value, p_pattern))
                          from jsonb_each(p_value))
    when 'array' then (select jsonb_agg(without_names(value, p_pattern) order by place)
                         from jsonb_array_elements(p_value) with ordinality e(value, place))
    else to_jsonb(regexp_replace(p_value #>> '{}', p_pattern, '***', 'gi')) end;
end $$;
alter function agentes.without_names(jsonb, text) set search_path = pg_catalog, agentes;
comment on function agentes.without_names(jsonb, text) is 'The value with everything that the pattern finds replaced by ***.';

-- {visitors, conversations, leads, pattern, hints}. A person is named by one of {lead_id, visitor_id, email, phone, document}.
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
    select conversation_id from agentes.leads
     where organization_id = p_org and id = any (v_leads) and conversation_id is not null);
  v_names text[];
  v_first agentes.conversations;
begin
  if v_leads = '{}' and v_said is not null then
    -- Who gave an address first is taken to be its owner. Where that made no lead, it was in a form or
    -- beside the lead of another.
    select c.* into v_first from agentes.conversations c
     where c.organization_id = p_org and c.id in (
       select s.conversation_id from agentes.form_submissions s
        where s.organization_id = p_org
          and exists (select from jsonb_path_query(s."values", '$.**') v where lower(v #>> '{}') = v_said)
        union
       select (o->>'conversation_id')::uuid from agentes.leads l, jsonb_array_elements(l.contacts) o
        where l.organization_id = p_org
          and v_said in (lower(o#>>'{alternatives,email}'), o#>>'{alternatives,phone}', o#>>'{alternatives,document}'))
     order by c.id limit 1;
    if found then
      v_own := v_own || v_first.id;
      v_visitors := v_visitors || array_remove(array[v_first.visitor_id], null);
    end if;
  end if;
  v_own := v_own || array(
    select id from agentes.conversations where organization_id = p_org and visitor_id = any (v_visitors));
  v_leads := array(select id from agentes.leads l where l.organization_id = p_org
    and (l.id = any (v_leads) or l.visitor_id = any (v_visitors) or l.conversation_id = any (v_own)));
  -- What else the person is known by, unless another lead is known by it as well.
  v_names := array(
    select v_said where v_said is not null
     union
    select n.name from agentes.leads l, unnest(array[l.email_key, l.phone, l.document]) n(name)
     where l.organization_id = p_org and l.id = any (v_leads) and n.name is not null
       and not exists (select from agentes.leads o where o.organization_id = p_org and not o.id = any (v_leads)
                          and n.name in (o.email_key, o.phone, o.document)));
  return jsonb_build_object(
    'visitors', to_jsonb(v_visitors), 'leads', to_jsonb(v_leads), 'pattern', written_forms(v_names), 'hints', coalesce(to_jsonb(name_hints(v_names)), '[]'),
    'conversations', (select coalesce(jsonb_agg(c.id order by c.id), '[]') from agentes.conversations c
                       where c.organization_id = p_org and c.id = any (v_own)));
end $$;
alter function agentes.person_find(uuid, jsonb) set search_path = pg_catalog, agentes;

-- What was told in conversations, in whatever table: text and JSON, except for keys.
create function agentes.columns_told() returns table (relation name, field name, is_json boolean)
language sql stable as $$
  select c.relname, a.attname, a.atttypid = 'jsonb'::regtype
    from pg_class c join pg_attribute a on a.attrelid = c.oid
   where c.relnamespace = 'agentes'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
     and (c.relname in (select * from agentes.tables_of_conversations())
          or c.relname in ('messages', 'conversations', 'tool_calls', 'run_suspensions', 'leads', 'lead_calls', 'idempotent_calls',
                           'knowledge_gaps', 'outbox', 'events', 'webhook_messages', 'webhook_attempts',
                           'webhook_inbox_messages', 'audit_log'))
     and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.atttypid in ('jsonb'::regtype, 'text'::regtype)
     and a.attname not in ('visitor_id', 'signature')
     and not exists (select from pg_index i where i.indrelid = c.oid and i.indisunique and a.attnum = any (i.indkey))
     and has_table_privilege(c.oid, 'update')
   -- Last, as it may note what the others change.
   order by c.relname = 'audit_log', c.relname, a.attnum
$$;
comment on function agentes.columns_told() is 'Columns in which something stands that people have said of themselves or of others.';

-- Conversations of others, in which the person is named.
create function agentes.named_elsewhere(p_org uuid, p_found jsonb) returns jsonb
language plpgsql stable as $$
declare
  v_pattern text := p_found->>'pattern';
  v_hints text[] := array(select jsonb_array_elements_text(p_found->'hints'));
  v_own uuid[] := ids_in(p_found->'conversations');
begin
  if v_pattern is null then
    return '[]';
  end if;
  return (
    select coalesce(jsonb_agg(jsonb_build_object('conversation_id', c.id, 'visitor_id', c.visitor_id) order by c.id), '[]')
      from agentes.conversations c
     where c.organization_id = p_org and not c.id = any (v_own) and (
           may_name(c.title, v_hints) and c.title ~* v_pattern
        or c.id in (select m.conversation_id from agentes.messages m
                     where m.organization_id = p_org and may_name(m.content, v_hints) and m.content ~* v_pattern)
        or c.id in (select d.conversation_id from agentes.lead_drafts d
                     where d.organization_id = p_org and may_name(d.given::text, v_hints) and d.given::text ~* v_pattern)
        or c.id in (select s.conversation_id from agentes.form_submissions s
                     where s.organization_id = p_org and may_name(s."values"::text, v_hints) and s."values"::text ~* v_pattern)
        or c.id in (select r.conversation_id from agentes.tool_calls t join agentes.runs r on r.id = t.run_id
                     where t.organization_id = p_org
                       and (may_name(t.arguments::text, v_hints) and t.arguments::text ~* v_pattern
                            or may_name(t.result::text, v_hints) and t.result::text ~* v_pattern))));
end $$;
alter function agentes.named_elsewhere(uuid, jsonb) set search_path = pg_catalog, agentes;
comment on function agentes.named_elsewhere(uuid, jsonb) is
  '[{conversation_id, visitor_id}] of conversations that are not the person''s own and hold one of its addresses or numbers.';

-- Messages outlive the events that they tell of.
create or replace function agentes.events_about(p_org uuid, p_conversations uuid[], p_leads uuid[]) returns uuid[]
language sql stable as $$
  select array(
    select id from agentes.events where organization_id = p_org
       and (data->>'conversation_id' = any (p_conversations::text[]) or data->>'lead_id' = any (p_leads::text[]))
     union select id from agentes.outbox where organization_id = p_org
       and (data->>'conversation_id' = any (p_conversations::text[]) or data->>'lead_id' = any (p_leads::text[]))
     union select m.id from agentes.webhook_messages m, lateral (select m.body::jsonb->'data' as data) b
     where m.organization_id = p_org
       and (b.data->>'conversation_id' = any (p_conversations::text[]) or b.data->>'lead_id' = any (p_leads::text[])))
$$;

do $$
begin
  perform agentes.lock_helper('agentes.written_forms(text[])');
  perform agentes.lock_helper('agentes.name_hints(text[])');
  perform agentes.lock_helper('agentes.may_name(text, text[])');
  perform agentes.lock_helper('agentes.without_names(jsonb, text)');
  perform agentes.lock_helper('agentes.columns_told()');
  perform agentes.lock_helper('agentes.named_elsewhere(uuid, jsonb)');
end $$;

select agentes.migration_applied('20261127000300');

notify pgrst, 'reload schema';
