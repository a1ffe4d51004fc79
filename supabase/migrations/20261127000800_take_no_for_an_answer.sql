-- Consent does not count where the visitor's answer to its text was a no, and is no lead by itself.

create function agentes.says_yes(p_text text) returns boolean
language sql immutable parallel safe as $$
  select agentes.words_of(p_text) ~ ' (sim|claro|ok|okay|aceito|aceitamos|concordo|autorizo|permito|pode|podem|yes|yeah|sure|agree|agreed|accept|sí|acepto|acuerdo) '
$$;
comment on function agentes.says_yes(text) is 'Whether a text has a word of agreement.';

-- Whoever is asked once too often says yes again; so every word of refusal counts but in turns that refuse nothing.
create function agentes.says_no(p_text text) returns boolean
language sql immutable parallel safe as $$
  select w.words ~ (' (n[aã]o|nunca|jamais|nem|negativo|recuso|discordo|nope|not|never|dont|don t|doesn t|cant|can t|cannot|wont|won t'
                    '|disagree|decline|refuse|rechazo) ')
      -- `no` is a no in English and Spanish, and `in the` in Portuguese.
      or w.words ~ (' no $|^ no (thanks|thank|gracias|way|i|sir|me|yo|claro) '
                    '| no (quiero|acepto|estoy|puede|pueden|autorizo|deseo) | de jeito nenhum ')
    from (select regexp_replace(agentes.words_of(p_text),
      ' (por qu[eê]|porqu[eê]|pq|como|why) (n[aã]o|not)(?= )'
      '| n[aã]o (tenho|tem|h[aá]|vejo|teria) (nenhum |nenhuma |d[uú]vidas?|problemas?|obje[cç][aã]o|nada contra)+'
      '| n[aã]o (precisa|demora|se preocupe|me importo|me incomodo)(?= )| not a problem| no problem', ' ', 'g')) w (words)
$$;
comment on function agentes.says_no(text) is
  'Whether a text holds a word of refusal, but for turns such as "por que não?".';

create or replace function agentes.consent_shown(p_org uuid, p_conversation uuid, p_text text) returns uuid
language sql stable as $$
  select m.id from agentes.messages m
   where m.organization_id = p_org and m.conversation_id = p_conversation
     and (position(p_text in m.content) > 0 or agentes.words_of(p_text) <> '  '
          and position(agentes.words_of(p_text) in agentes.words_of(m.content)) > 0)
     and case
           -- What has been said since is the answer to it; after a no, only a yes is.
           when m.role in ('assistant', 'operator') then (
             select count(*) > 0 and (max(a.id::text) filter (where agentes.says_no(a.content)) is null
                 or max(a.id::text) filter (where agentes.says_yes(a.content) and not agentes.says_no(a.content))
                    > max(a.id::text) filter (where agentes.says_no(a.content)))
               from agentes.messages a
              where a.organization_id = p_org and a.conversation_id = p_conversation and a.role = 'user' and a.id > m.id)
           -- A box of a form with the text beside it, and ticked.
           when m.role = 'user' then m.metadata ? 'form_submission_id' and exists (
             select from unnest(array['sim', 'yes', 'sí']) w (yes)
              where position(agentes.words_of(p_text || ' ' || w.yes) in agentes.words_of(m.content)) > 0)
           else false end
   order by m.id desc limit 1
$$;
comment on function agentes.consent_shown(uuid, uuid, text) is
  'The message that showed a conversation''s visitor a text to agree to, if they answered it, and not with a no.';

-- Consent alone makes no lead yet: it waits in the draft for the first detail.
alter table agentes.lead_drafts alter column lead_id drop not null;
create or replace function agentes.lead_keep(p_draft agentes.lead_drafts, p_call jsonb, p_events jsonb, p_is_complete boolean)
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
  elsif p_draft.given <> '{}' then
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

do $$
begin
  perform agentes.lock_helper('agentes.says_yes(text)'::regprocedure);
  perform agentes.lock_helper('agentes.says_no(text)'::regprocedure);
end $$;

select agentes.migration_applied('20261127000800');

notify pgrst, 'reload schema';
