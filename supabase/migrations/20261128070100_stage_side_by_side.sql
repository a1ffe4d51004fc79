-- Batches of one document are staged side by side: their stems are made, which is nearly all of the work,
-- before the document is locked.

-- Of each tuple a part was compressed, and unpacked again to be published.
alter table agentes.staged_chunks set (toast_tuple_target = 8160);

create function agentes.stems_of(p_org uuid, p_document_id uuid, p_chunks jsonb) returns tsvector[]
language plpgsql stable as $$
declare
  v_language text := (select coalesce(d.language, b.language)
                        from agentes.documents d join agentes.knowledge_bases b on b.id = d.knowledge_base_id
                       where d.organization_id = p_org and d.id = p_document_id);
begin
  return array(select agentes.text_vector(v_language, (c.chunk->>'heading') || E'\n' || (c.chunk->>'content'))
                 from jsonb_array_elements(p_chunks) with ordinality c(chunk, place) order by c.place);
end $$;
comment on function agentes.stems_of(uuid, uuid, jsonb) is 'The stems of chunks in the language of their document.';

create function agentes.stage_stemmed(p_org uuid, p_document_id uuid, p_chunks jsonb, p_stems tsvector[]) returns void
language sql as $$
  insert into agentes.staged_chunks (id, organization_id, knowledge_base_id, document_id, ordinal, content,
                                     heading, page, char_start, char_end, token_count, terms, term_count)
  select c.id, p_org, d.knowledge_base_id, d.id, c.ordinal, c.content, c.heading, c.page, c.char_start,
         c.char_end, c.token_count, c.terms, length(c.terms)
    from agentes.documents d
   cross join rows from (
     jsonb_to_recordset(p_chunks) as (id uuid, ordinal int, content text, heading text, page int, char_start int,
                                      char_end int, token_count int),
     unnest(p_stems)) c(id, ordinal, content, heading, page, char_start, char_end, token_count, terms)
   where d.organization_id = p_org and d.id = p_document_id
  on conflict (document_id, ordinal) do update
    set (id, content, heading, page, char_start, char_end, token_count, terms, term_count)
      = (excluded.id, excluded.content, excluded.heading, excluded.page, excluded.char_start,
         excluded.char_end, excluded.token_count, excluded.terms, excluded.term_count)
$$;
comment on function agentes.stage_stemmed(uuid, uuid, jsonb, tsvector[]) is
  'Adds a batch of a document''s chunks with their stems, in the same order, out of sight; again replaces it.';

-- As it was: for processes of an earlier version.
create or replace function agentes.stage_chunks(p_org uuid, p_document_id uuid, p_chunks jsonb) returns void
language sql as $$
  select agentes.stage_stemmed(p_org, p_document_id, p_chunks, agentes.stems_of(p_org, p_document_id, p_chunks))
$$;

create function public.document_stage_v2(
  p_org uuid, p_id uuid, p_lease_id uuid, p_lease_s int, p_chunks jsonb, p_progress int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_stems tsvector[];
begin
  perform set_config('app.org', p_org::text, true);
  v_stems := stems_of(p_org, p_id, p_chunks);
  -- Asked from here on and not before: who has lost the lease meanwhile adds nothing.
  if not document_held(p_org, p_id, p_lease_id) then
    return 'false';
  end if;
  if p_chunks <> '[]' then
    perform stage_stemmed(p_org, p_id, p_chunks, v_stems);
  end if;
  update documents set progress = greatest(progress, p_progress), updated_at = now(),
         lease_until = now() + make_interval(secs => p_lease_s)
   where organization_id = p_org and id = p_id;
  return 'true';
end $$;
comment on function public.document_stage_v2(uuid, uuid, uuid, int, jsonb, int) is
  'Adds a batch of chunks out of sight, in any order and side by side, reports progress and renews the lease; '
  'false when it was lost.';

do $$
begin
  perform agentes.lock_helper('agentes.stems_of(uuid, uuid, jsonb)');
  perform agentes.lock_helper('agentes.stage_stemmed(uuid, uuid, jsonb, tsvector[])');
  perform agentes.lock_function('public.document_stage_v2(uuid, uuid, uuid, int, jsonb, int)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261128070100');

notify pgrst, 'reload schema';
