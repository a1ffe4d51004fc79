-- A lead as a conversation gives it: a piece a turn, whole at some point, one for each conversation.

create function agentes.lead_missing(p_draft agentes.lead_drafts, p_call jsonb) returns jsonb
language sql immutable as $$
  select (select coalesce(jsonb_agg(r.name order by r.place), '[]')
            from jsonb_array_elements_text(p_call->'required') with ordinality r(name, place)
           where not p_draft.given ? r.name)
      || case when p_call->>'consent_text' is null then '[]'
              when p_draft.consent->>'text' = p_call->>'consent_text' and not p_draft.consent ? 'withdrawn_at' then '[]'
              else '["consent"]' end::jsonb
$$;
comment on function agentes.lead_missing(agentes.lead_drafts, jsonb) is
  'What a conversation has still to give of a lead; consent counts for the text that was agreed to.';

create function agentes.lead_draft(p_org uuid, p_call jsonb) returns agentes.lead_drafts
language plpgsql as $$
declare
  v_draft agentes.lead_drafts;
begin
  select * into v_draft from agentes.lead_drafts
   where organization_id = p_org and conversation_id = (p_call->>'conversation_id')::uuid;
  v_draft.organization_id := p_org;
  v_draft.conversation_id := (p_call->>'conversation_id')::uuid;
  v_draft.given := coalesce(v_draft.given, '{}') || (p_call->'given');
  v_draft.is_ignored := coalesce(v_draft.is_ignored, false);
  if p_call->>'refused_at' is not null and v_draft.consent is not null then
    v_draft.consent := v_draft.consent || jsonb_build_object('withdrawn_at', p_call->'refused_at');
  elsif jsonb_typeof(p_call->'consent') = 'object' and agentes.lead_missing(v_draft, p_call) ? 'consent'
        and v_draft.told->>'text' = p_call->>'consent_text'
        and (p_call->>'run_id' is null or v_draft.told->>'run_id' is distinct from p_call->>'run_id') then
    v_draft.consent := p_call->'consent';
  end if;
  if (p_call->>'tells_consent')::boolean and agentes.lead_missing(v_draft, p_call) ? 'consent'
     and v_draft.told->>'text' is distinct from p_call->>'consent_text' then
    v_draft.told := jsonb_build_object('text', p_call->'consent_text', 'run_id', p_call->'run_id');
  end if;
  return v_draft;
end $$;
comment on function agentes.lead_draft(uuid, jsonb) is
  'What a conversation has given of a lead, with what this call adds; consent counts once its text was told in an earlier run.';

create function agentes.lead_correct(p_id uuid, p_given jsonb, p_draft agentes.lead_drafts, p_call jsonb, p_is_complete boolean)
returns agentes.leads language plpgsql as $$
declare
  v_row jsonb := agentes.lead_row(p_given);
  v_lead agentes.leads;
begin
  update agentes.leads l set
         name = coalesce(v_row->>'name', l.name), email = coalesce(v_row->>'email', l.email),
         phone = coalesce(v_row->>'phone', l.phone), document = coalesce(v_row->>'document', l.document),
         company = coalesce(v_row->>'company', l.company), fields = l.fields || (v_row->'fields'),
         consent = coalesce(p_draft.consent, l.consent), is_complete = l.is_complete or p_is_complete,
         agent_id = (p_call->>'agent_id')::uuid, visitor_id = coalesce(p_call->>'visitor_id', l.visitor_id),
         updated_at = now()
   where l.organization_id = p_draft.organization_id and l.id = p_id
  returning * into v_lead;
  return v_lead;
end $$;
comment on function agentes.lead_correct(uuid, jsonb, agentes.lead_drafts, jsonb, boolean) is
  'Writes values over those of a lead that the same conversation has begun.';

-- Who names somebody's e-mail, telephone or document need not be that person.
create function agentes.lead_add(p_id uuid, p_draft agentes.lead_drafts, p_call jsonb, p_events jsonb) returns void
language plpgsql as $$
declare
  v_row jsonb := agentes.lead_row(p_draft.given);
  v_lead agentes.leads;
  v_held jsonb;
  v_before jsonb;
  v_contact jsonb;
  v_added jsonb;
begin
  select * into v_lead from agentes.leads where organization_id = p_draft.organization_id and id = p_id;
  v_held := v_lead.fields || jsonb_strip_nulls(jsonb_build_object('name', v_lead.name, 'email', v_lead.email,
    'phone', v_lead.phone, 'document', v_lead.document, 'company', v_lead.company));
  v_added := (select coalesce(jsonb_agg(key order by key), '[]') from jsonb_each(p_draft.given) where not v_held ? key);
  v_contact := jsonb_build_object('conversation_id', p_draft.conversation_id, 'visitor_id', p_call->'visitor_id',
    'consent', p_draft.consent, 'alternatives', (
      select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each_text(p_draft.given)
       where v_held ? key and lower(v_held->>key) <> lower(value)));
  v_before := (select c from jsonb_array_elements(v_lead.contacts) c
                where c->>'conversation_id' = p_draft.conversation_id::text);
  if v_added = '[]' and v_before - 'given_at' = v_contact then
    return;
  end if;
  update agentes.leads l set
         name = coalesce(l.name, v_row->>'name'), email = coalesce(l.email, v_row->>'email'),
         phone = coalesce(l.phone, v_row->>'phone'), document = coalesce(l.document, v_row->>'document'),
         company = coalesce(l.company, v_row->>'company'), fields = (v_row->'fields') || l.fields,
         consent = case when l.consent is null or l.consent->>'conversation_id' = p_draft.conversation_id::text
                        then coalesce(p_draft.consent, l.consent) else l.consent end,
         contacts = (select jsonb_agg(n.c order by n.at) from (
           select o.c, o.at from jsonb_array_elements(l.contacts) with ordinality o(c, at)
            where o.c->>'conversation_id' <> p_draft.conversation_id::text
           union all select v_contact || jsonb_build_object('given_at', now()), 1000 order by at desc limit 20) n),
         updated_at = now()
   where l.organization_id = p_draft.organization_id and l.id = p_id;
  perform agentes.announce(p_draft.organization_id, (
    select jsonb_agg(e || jsonb_build_object('agent_id', p_call->'agent_id', 'data', e->'data' || jsonb_build_object(
             'lead_id', p_id, 'agent_id', p_call->'agent_id', 'conversation_id', p_draft.conversation_id,
             'visitor_id', p_call->'visitor_id', 'added', v_added, 'alternatives', v_contact->'alternatives')))
      from jsonb_array_elements(p_events) e where e->>'type' = 'lead_updated'));
end $$;
comment on function agentes.lead_add(uuid, agentes.lead_drafts, jsonb, jsonb) is
  'Adds to a lead what another conversation gave: fills what is empty, keeps what differs beside it, and announces it.';

create function agentes.lead_begin(p_draft agentes.lead_drafts, p_call jsonb, p_is_complete boolean)
returns agentes.leads language plpgsql as $$
declare
  v_row jsonb := agentes.lead_row(p_draft.given);
  v_lead agentes.leads;
begin
  insert into agentes.leads (id, organization_id, agent_id, conversation_id, visitor_id, source, name, email, phone,
                             document, company, fields, consent, is_complete)
  values ((p_call->>'id')::uuid, p_draft.organization_id, (p_call->>'agent_id')::uuid, p_draft.conversation_id,
          p_call->>'visitor_id', 'chat', v_row->>'name', v_row->>'email', v_row->>'phone', v_row->>'document',
          v_row->>'company', v_row->'fields', p_draft.consent, p_is_complete)
  returning * into v_lead;
  return v_lead;
end $$;
comment on function agentes.lead_begin(agentes.lead_drafts, jsonb, boolean) is
  'A new lead of what a conversation has given.';

create function agentes.lead_keep(p_draft agentes.lead_drafts, p_call jsonb, p_events jsonb, p_is_complete boolean)
returns jsonb language plpgsql as $$
declare
  v_own agentes.leads;
  v_lead agentes.leads;
  v_same uuid;
  v_draft agentes.lead_drafts := p_draft;
begin
  select * into v_own from agentes.leads
   where organization_id = p_draft.organization_id and id = p_draft.lead_id;
  if p_is_complete and not coalesce(v_own.is_complete, false) then
    v_same := agentes.lead_same(p_draft.organization_id, agentes.lead_row(p_draft.given), v_own.id);
  end if;
  if v_same is not null and p_call->>'on_duplicate' = 'ignore' then
    v_draft.lead_id := v_same;
    v_draft.is_ignored := true;
  elsif v_same is not null then
    v_draft.lead_id := v_same;
    perform agentes.lead_add(v_same, p_draft, p_call, p_events);
  elsif v_own.conversation_id is distinct from p_draft.conversation_id and v_own.id is not null then
    perform agentes.lead_add(v_own.id, p_draft, p_call, p_events);
  elsif v_own.id is not null then
    v_lead := agentes.lead_correct(v_own.id, p_call->'given', p_draft, p_call, p_is_complete);
  else
    v_lead := agentes.lead_begin(p_draft, p_call, p_is_complete);
    v_draft.lead_id := v_lead.id;
  end if;
  insert into agentes.lead_drafts as d (conversation_id, organization_id, lead_id, given, consent, told, is_ignored)
  values (v_draft.conversation_id, v_draft.organization_id, v_draft.lead_id, v_draft.given, v_draft.consent,
          v_draft.told, v_draft.is_ignored)
  on conflict (conversation_id) do update set lead_id = excluded.lead_id, given = excluded.given,
     consent = excluded.consent, told = excluded.told, is_ignored = excluded.is_ignored, updated_at = now();
  if v_same is not null and v_own.id is not null then
    delete from agentes.leads where organization_id = p_draft.organization_id and id = v_own.id;
  end if;
  if v_lead.is_complete and not coalesce(v_own.is_complete, false) then
    perform agentes.lead_announce(v_lead, jsonb_path_query_array(p_events, '$[*] ? (@.type == "lead_captured")'));
  end if;
  return jsonb_build_object('lead_id', v_draft.lead_id, 'duplicate', case
    when v_same is null then null when v_draft.is_ignored then 'ignored' else 'updated' end);
end $$;
comment on function agentes.lead_keep(agentes.lead_drafts, jsonb, jsonb, boolean) is
  'Writes what a conversation has given to its lead or to a new one, or adds it to the same person''s earlier one.';

create function public.lead_capture_v1(p_org uuid, p_call jsonb, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_result jsonb;
  v_draft agentes.lead_drafts;
  v_missing jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  perform leads_one_at_a_time(p_org);
  select result into v_result from lead_calls where organization_id = p_org and key = p_call->>'key';
  if found then
    return v_result;
  end if;
  perform from conversations where organization_id = p_org and id = (p_call->>'conversation_id')::uuid for share;
  if not found then
    return jsonb_build_object('outcome', 'conversation_not_found');
  end if;
  v_draft := lead_draft(p_org, p_call);
  v_missing := lead_missing(v_draft, p_call);
  if v_draft.is_ignored then
    update lead_drafts set given = v_draft.given, consent = v_draft.consent, told = v_draft.told, updated_at = now()
     where organization_id = p_org and conversation_id = v_draft.conversation_id;
    v_result := jsonb_build_object('lead_id', v_draft.lead_id, 'duplicate', 'ignored');
  else
    v_result := lead_keep(v_draft, p_call, p_events, v_missing = '[]');
  end if;
  v_result := v_result || jsonb_build_object('outcome', 'kept', 'missing', v_missing, 'known', (
    select coalesce(jsonb_agg(name), '[]') from jsonb_object_keys(v_draft.given) name));
  insert into lead_calls (organization_id, key, result) values (p_org, p_call->>'key', v_result);
  delete from lead_calls where organization_id = p_org and created_at < now() - interval '7 days';
  return v_result;
end $$;
comment on function public.lead_capture_v1(uuid, jsonb, jsonb) is
  'Adds to the lead of a conversation once for each key, and says what is missing; announces when it becomes complete or is added to.';

do $$
declare
  v_function text;
begin
  foreach v_function in array array[
    'lead_missing(agentes.lead_drafts, jsonb)', 'lead_draft(uuid, jsonb)',
    'lead_correct(uuid, jsonb, agentes.lead_drafts, jsonb, boolean)',
    'lead_add(uuid, agentes.lead_drafts, jsonb, jsonb)',
    'lead_begin(agentes.lead_drafts, jsonb, boolean)', 'lead_keep(agentes.lead_drafts, jsonb, jsonb, boolean)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_function)::regprocedure);
  end loop;
  perform agentes.lock_function('public.lead_capture_v1(uuid, jsonb, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126030100');

notify pgrst, 'reload schema';
