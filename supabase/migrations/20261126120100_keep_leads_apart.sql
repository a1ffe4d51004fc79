-- A lead holds what its own conversation gave; consent counts for a text that the visitor was shown.

create function agentes.words_of(p_text text) returns text
language sql immutable parallel safe as $$
  select ' ' || btrim(regexp_replace(lower(p_text), '[^[:alnum:]]+', ' ', 'g')) || ' '
$$;
comment on function agentes.words_of(text) is
  'The words of a text, whatever marks and line breaks stand between them.';

create function agentes.consent_shown(p_org uuid, p_conversation uuid, p_text text) returns uuid
language sql stable as $$
  select m.id from agentes.messages m
   where m.organization_id = p_org and m.conversation_id = p_conversation
     and (position(p_text in m.content) > 0 or agentes.words_of(p_text) <> '  '
          and position(agentes.words_of(p_text) in agentes.words_of(m.content)) > 0)
     and case
           -- What has been said since is the answer to it.
           when m.role in ('assistant', 'operator') then exists (
             select from agentes.messages a
              where a.organization_id = p_org and a.conversation_id = p_conversation and a.role = 'user' and a.id > m.id)
           -- A box of a form with the text beside it, and ticked.
           when m.role = 'user' then m.metadata ? 'form_submission_id' and exists (
             select from unnest(array['sim', 'yes', 'sí']) w (yes)
              where position(agentes.words_of(p_text || ' ' || w.yes) in agentes.words_of(m.content)) > 0)
           else false end
   order by m.id desc limit 1
$$;
comment on function agentes.consent_shown(uuid, uuid, text) is
  'The message that showed a conversation''s visitor a text to agree to, if an answer of theirs came after it or with it.';

comment on column agentes.lead_drafts.told is
  '{text, message_id}: the text that was agreed to and the message that showed it.';

create or replace function agentes.lead_draft(p_org uuid, p_call jsonb) returns agentes.lead_drafts
language plpgsql as $$
declare
  v_draft agentes.lead_drafts;
  v_shown uuid;
begin
  select * into v_draft from agentes.lead_drafts
   where organization_id = p_org and conversation_id = (p_call->>'conversation_id')::uuid;
  v_draft.organization_id := p_org;
  v_draft.conversation_id := (p_call->>'conversation_id')::uuid;
  v_draft.given := coalesce(v_draft.given, '{}') || (p_call->'given');
  v_draft.is_ignored := coalesce(v_draft.is_ignored, false);
  if p_call->>'refused_at' is not null and v_draft.consent is not null then
    v_draft.consent := v_draft.consent || jsonb_build_object('withdrawn_at', p_call->'refused_at');
  elsif jsonb_typeof(p_call->'consent') = 'object' and agentes.lead_missing(v_draft, p_call) ? 'consent' then
    v_shown := agentes.consent_shown(p_org, v_draft.conversation_id, p_call->>'consent_text');
    if v_shown is not null then
      v_draft.consent := p_call->'consent';
      v_draft.told := jsonb_build_object('text', p_call->'consent_text', 'message_id', v_shown);
    end if;
  end if;
  return v_draft;
end $$;
comment on function agentes.lead_draft(uuid, jsonb) is
  'What a conversation has given of a lead, with what this call adds; consent counts once its text was shown and answered.';

-- Who names somebody's e-mail, telephone or document need not be that person.
create or replace function agentes.lead_add(p_id uuid, p_draft agentes.lead_drafts, p_call jsonb, p_events jsonb) returns void
language plpgsql as $$
declare
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
       where lower(v_held->>key) is distinct from lower(value)));
  v_before := (select c from jsonb_array_elements(v_lead.contacts) c
                where c->>'conversation_id' = p_draft.conversation_id::text);
  if v_before - 'given_at' = v_contact then
    return;
  end if;
  update agentes.leads l set
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
  'Keeps beside a lead what another conversation gave for the same person, without a change to the lead, and announces it.';

do $$
begin
  perform agentes.lock_helper('agentes.words_of(text)'::regprocedure);
  perform agentes.lock_helper('agentes.consent_shown(uuid, uuid, text)'::regprocedure);
end $$;

select agentes.migration_applied('20261126120100');

notify pgrst, 'reload schema';
