-- Gaps keep in which conversation a question was asked, so that it goes with the conversation.

create table agentes.knowledge_gap_questions (
  id uuid primary key,
  organization_id uuid not null,
  gap_id uuid not null references agentes.knowledge_gaps on delete cascade,
  conversation_id uuid not null references agentes.conversations on delete cascade,
  question text not null,
  created_at timestamptz not null default now()
);
comment on table agentes.knowledge_gap_questions is 'The newest wordings of each gap, and the conversations that asked them.';
create index knowledge_gap_questions_by_gap on agentes.knowledge_gap_questions (gap_id, id desc);
create index knowledge_gap_questions_by_conversation on agentes.knowledge_gap_questions (conversation_id);

-- Wordings of which nobody knows any more who asked them.
update agentes.knowledge_gaps set examples = '[]';

-- A gap shows what is left of its wordings, and is gone with the last one.
create function agentes.gap_shows_what_is_left() returns trigger
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  delete from knowledge_gaps g where g.id in (select gap_id from gone)
     and not exists (select from knowledge_gap_questions q where q.gap_id = g.id);
  update knowledge_gaps g set examples = l.examples, question = l.examples->>-1
    from (select q.gap_id, jsonb_agg(q.question order by q.id) as examples from knowledge_gap_questions q
           where q.gap_id in (select gap_id from gone) group by q.gap_id) l
   where g.id = l.gap_id and g.examples <> l.examples;
  return null;
end $$;
comment on function agentes.gap_shows_what_is_left() is 'Takes the wordings that are gone out of their gaps.';
create trigger gap_shows_what_is_left after delete on agentes.knowledge_gap_questions
  referencing old table as gone for each statement execute function agentes.gap_shows_what_is_left();

create function public.gap_record_v2(
  p_org uuid, p_id uuid, p_agent_id uuid, p_conversation_id uuid, p_base_ids jsonb, p_question text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  c_examples constant int := 5;
  v_base agentes.knowledge_bases;
  v_signature text;
  v_gap uuid;
begin
  perform set_config('app.org', p_org::text, true);
  select b.* into v_base from jsonb_array_elements_text(p_base_ids) with ordinality j(id, place)
    join knowledge_bases b on b.id = j.id::uuid and b.organization_id = p_org order by j.place limit 1;
  if not found then
    return 'false';
  end if;
  select string_agg(s.stem, ' ' order by s.stem) into v_signature
    from unnest(tsvector_to_array(text_vector(v_base.language, p_question))) s(stem)
   where not exists (select from query_noise n where s.stem = any (n.stems)
                        and n.language = split_part(lower(v_base.language), '-', 1));
  -- A greeting is no question. A conversation that was deleted meanwhile leaves nothing.
  if v_signature is null
     or not exists (select from conversations where organization_id = p_org and id = p_conversation_id for key share) then
    return 'false';
  end if;
  insert into knowledge_gaps as g (id, organization_id, agent_id, knowledge_base_id, signature, question, examples)
  values (p_id, p_org, p_agent_id, v_base.id, left(v_signature, 500), p_question, '[]')
  on conflict (organization_id, agent_id, signature) do update
     set count = g.count + 1, question = excluded.question, last_asked_at = now(), updated_at = now(),
         -- An answer that is not found is none; what was dismissed stays so.
         status = case when g.status = 'answered' then 'open' else g.status end
  returning g.id into v_gap;
  delete from knowledge_gap_questions where gap_id = v_gap and question = p_question and conversation_id = p_conversation_id;
  insert into knowledge_gap_questions (id, organization_id, gap_id, conversation_id, question)
  values (uuid_v7(), p_org, v_gap, p_conversation_id, p_question);
  delete from knowledge_gap_questions where gap_id = v_gap and id not in (
    select id from knowledge_gap_questions where gap_id = v_gap order by id desc limit c_examples);
  update knowledge_gaps g set examples = (
    select jsonb_agg(q.question order by q.id) from knowledge_gap_questions q where q.gap_id = v_gap)
   where g.id = v_gap;
  return 'true';
end $$;
comment on function public.gap_record_v2(uuid, uuid, uuid, uuid, jsonb, text) is
  'Counts a question that found nothing with those like it; false for what asks nothing.';

do $$
begin
  perform agentes.lock_table('agentes.knowledge_gap_questions');
  perform agentes.revoke_from_strangers('function agentes.gap_shows_what_is_left()');
  grant create on schema agentes to agentes_system;
  alter function agentes.gap_shows_what_is_left() owner to agentes_system;
  revoke create on schema agentes from agentes_system;
  perform agentes.lock_function('public.gap_record_v2(uuid, uuid, uuid, uuid, jsonb, text)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126210000');

notify pgrst, 'reload schema';
