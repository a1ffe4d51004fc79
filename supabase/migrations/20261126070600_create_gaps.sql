-- Gaps: questions that found nothing, those with the same stems as one.

create table agentes.knowledge_gaps (
  id uuid primary key,
  organization_id uuid not null,
  agent_id uuid not null references agentes.agents on delete cascade,
  knowledge_base_id uuid not null references agentes.knowledge_bases on delete cascade,
  signature text not null,
  question text not null,
  examples jsonb not null,
  count integer not null default 1,
  status text not null default 'open',
  document_id uuid references agentes.documents on delete set null,
  last_asked_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, agent_id, signature)
);
comment on table agentes.knowledge_gaps is 'Questions of chats to which the knowledge bases had no passage.';
create index knowledge_gaps_by_organization on agentes.knowledge_gaps (organization_id, id desc);

create function public.gap_record_v1(
  p_org uuid, p_id uuid, p_agent_id uuid, p_base_ids jsonb, p_question text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  c_examples constant int := 5;
  v_base agentes.knowledge_bases;
  v_signature text;
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
  -- A greeting is no question.
  if v_signature is null then
    return 'false';
  end if;
  insert into knowledge_gaps as g (id, organization_id, agent_id, knowledge_base_id, signature, question, examples)
  values (p_id, p_org, p_agent_id, v_base.id, left(v_signature, 500), p_question, jsonb_build_array(p_question))
  on conflict (organization_id, agent_id, signature) do update
     set count = g.count + 1, question = excluded.question, last_asked_at = now(), updated_at = now(),
         -- An answer that is not found is none; what was dismissed stays so.
         status = case when g.status = 'answered' then 'open' else g.status end,
         examples = case when g.examples @> excluded.examples or jsonb_array_length(g.examples) >= c_examples
                         then g.examples else g.examples || excluded.examples end;
  return 'true';
end $$;
comment on function public.gap_record_v1(uuid, uuid, uuid, jsonb, text) is
  'Counts a question that found nothing with those like it; false for what asks nothing.';

do $$
begin
  perform agentes.lock_table('agentes.knowledge_gaps');
  perform agentes.revoke_from_strangers('table agentes.query_noise');
  grant select on agentes.query_noise to agentes_tenant;
  perform agentes.lock_function('public.gap_record_v1(uuid, uuid, uuid, jsonb, text)', 'agentes_tenant');
  insert into agentes.catalogue (name, hidden, searchable) values ('knowledge_gaps', '{signature}', '{question}');
end $$;

select agentes.migration_applied('20261126070600');

notify pgrst, 'reload schema';
