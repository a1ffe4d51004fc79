-- Consent does not count where the visitor's answer to its text was a no.

create function agentes.says_yes(p_text text) returns boolean
language sql immutable parallel safe as $$
  select agentes.words_of(p_text) ~ ' (sim|claro|ok|okay|aceito|aceitamos|concordo|autorizo|permito|pode|podem|yes|yeah|sure|agree|agreed|accept|sí|acepto|acuerdo) '
$$;
comment on function agentes.says_yes(text) is 'Whether a text has a word of agreement.';

create function agentes.says_no(p_text text) returns boolean
language sql immutable parallel safe as $$
  -- `no` is a no in English and Spanish, and `in the` in Portuguese.
  select w.words ~ ' (n[aã]o|nunca|jamais|not|not want to|don t|no) (\w+ )?(aceito|aceitamos|concordo|autorizo|permito|agree|accept|consent|acepto) '
      or w.words ~ ' n[aã]o (quero|gostaria|desejo) ((de|que|ser|me|nenhum|mais) )*(contat|receb|lig|entr)'
      or w.words ~ ' (recuso|discordo|decline|refuse|rechazo) '
      or w.words ~ '^ ((n[aã]o|nope|nunca|jamais|negativo|never) |no $|no (thanks|thank you|gracias|i) )' and not agentes.says_yes(p_text)
    from (select agentes.words_of(p_text)) w (words)
$$;
comment on function agentes.says_no(text) is
  'Whether a text refuses: in so many words, or by beginning with a no and agreeing to nothing.';

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

do $$
begin
  perform agentes.lock_helper('agentes.says_yes(text)'::regprocedure);
  perform agentes.lock_helper('agentes.says_no(text)'::regprocedure);
end $$;

select agentes.migration_applied('20261127000800');

notify pgrst, 'reload schema';
