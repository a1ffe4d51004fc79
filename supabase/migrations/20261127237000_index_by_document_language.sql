-- A document may be in another language than the others of its base: it is indexed in its own, and a
-- question is looked up in all that its bases hold.

alter table agentes.documents add column language text;
comment on column agentes.documents.language is 'What it is written in; null for the language of its base.';
create index documents_by_language on agentes.documents (organization_id, knowledge_base_id, language) where language is not null;

-- As it was, but with the language.
create or replace function public.document_create_v2(p_org uuid, p_document jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_document agentes.documents;
begin
  perform set_config('app.org', p_org::text, true);
  if not exists (select from knowledge_bases where organization_id = p_org
                    and id = (p_document->>'knowledge_base_id')::uuid) then
    return jsonb_build_object('outcome', 'base_not_found');
  end if;
  insert into documents (id, organization_id, knowledge_base_id, name, content_type, size_bytes, sha256, metadata, language,
                         question, source_url, source_etag, source_modified, fetched_at)
  select d.id, p_org, d.knowledge_base_id, d.name, d.content_type, d.size_bytes, d.sha256, d.metadata, d.language,
         d.question, d.source_url, d.source_etag, d.source_modified, case when d.source_url is not null then now() end
    from jsonb_populate_record(null::documents, p_document) d
  on conflict do nothing returning * into v_document;
  if found then
    return jsonb_build_object('outcome', 'created', 'document', to_jsonb(v_document));
  end if;
  select * into v_document from documents
   where organization_id = p_org and knowledge_base_id = (p_document->>'knowledge_base_id')::uuid
     and (sha256 = p_document->>'sha256' or source_url = p_document->>'source_url')
   order by sha256 = p_document->>'sha256' desc limit 1;
  return jsonb_build_object('outcome', 'duplicate', 'document', to_jsonb(v_document));
end $$;

create or replace function agentes.stage_chunks(p_org uuid, p_document_id uuid, p_chunks jsonb) returns void
language sql as $$
  insert into agentes.staged_chunks (id, organization_id, knowledge_base_id, document_id, ordinal, content,
                                     heading, page, char_start, char_end, token_count, terms, term_count)
  select c.id, p_org, d.knowledge_base_id, d.id, c.ordinal, c.content, c.heading, c.page, c.char_start,
         c.char_end, c.token_count, v.terms, length(v.terms)
    from agentes.documents d join agentes.knowledge_bases b on b.id = d.knowledge_base_id
   cross join jsonb_to_recordset(p_chunks) c(id uuid, ordinal int, content text, heading text, page int,
                                             char_start int, char_end int, token_count int)
   -- Stems are made once: without the offset the planner pulls this up and makes them for each column.
   cross join lateral (select agentes.text_vector(coalesce(d.language, b.language), c.heading || E'\n' || c.content) as terms
                       offset 0) v
   where d.organization_id = p_org and d.id = p_document_id
  on conflict (document_id, ordinal) do update
    set (id, content, heading, page, char_start, char_end, token_count, terms, term_count)
      = (excluded.id, excluded.content, excluded.heading, excluded.page, excluded.char_start,
         excluded.char_end, excluded.token_count, excluded.terms, excluded.term_count)
$$;

-- As it was, but with the language.
create or replace function public.document_retry_v1(p_org uuid, p_id uuid, p_document jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_document agentes.documents;
begin
  perform set_config('app.org', p_org::text, true);
  -- The name is looked at where a format is told, so that the bytes may be of another format now.
  update documents d
     set status = 'queued', progress = 0, attempts = 0, error = null, updated_at = now(),
         name = p_document->>'name', content_type = p_document->>'content_type',
         metadata = p_document->'metadata', language = p_document->>'language'
   where d.organization_id = p_org and d.id = p_id and d.status = 'failed'
     and d.sha256 = p_document->>'sha256' returning * into v_document;
  return case when found then to_jsonb(v_document) end;
end $$;

create function agentes.languages_of(p_org uuid, p_bases uuid[]) returns setof text
language sql stable as $$
  -- Each one makes every word of a question longer to look up: those of the bases, and a few more.
  select min(l.language) from (
    select b.language, 0 as place from agentes.knowledge_bases b where b.organization_id = p_org and b.id = any (p_bases)
     union
    select d.language, 1 from agentes.documents d
     where d.organization_id = p_org and d.knowledge_base_id = any (p_bases) and d.language is not null
  ) l group by agentes.text_configuration(l.language) order by min(l.place), min(l.language) limit 5
$$;
comment on function agentes.languages_of(uuid, uuid[]) is 'The languages of bases and of their documents, five at most.';

-- As it was, but for words that several languages stem differently, or take for nothing.
create or replace function agentes.query_terms(p_org uuid, p_bases uuid[], p_query text)
returns table (stem text, place int, term text, is_kin boolean, chunk_count bigint, weight double precision,
               idf double precision)
language sql stable as $$
  with languages as (
    select l.language, count(*) over () as count from agentes.languages_of(p_org, p_bases) l(language)
  ), words as materialized (
    -- Word by word where there are several, so that each knows what the others make of it.
    select w.place, l.language, agentes.text_vector(l.language, w.word) as stems
      from languages l cross join regexp_split_to_table(left(p_query, 2000), '\s+') with ordinality w(word, place)
     where l.count > 1
  ), common as (
    -- What says nothing in one of the languages says nothing, unless it stands somewhere: "the" is no word of a
    -- Portuguese question, and "estado" is one although Spanish leaves it out.
    select w.place from words w group by w.place having bool_and(w.stems <> '')
  ), stemmed as (
    select l.language, s.lexeme, s.positions[1]::int as place
      from languages l cross join lateral unnest(agentes.text_vector(l.language, left(p_query, 2000))) s where l.count = 1
    union all
    -- A word may be several, each with a place of its own: no text has more than 2^14 places.
    select w.language, s.lexeme, (w.place * 16384 + s.positions[1])::int from words w cross join lateral unnest(w.stems) s
     where w.place in (select place from common) or not exists (select from common)
        or exists (select from agentes.terms t where t.organization_id = p_org and t.knowledge_base_id = any (p_bases)
                      and t.term = s.lexeme)
  ), asked as (
    select s.lexeme as stem, min(s.place) as place, bool_or(s.lexeme = any (coalesce(n.stems, '{}'))) as is_noise
      from stemmed s left join agentes.query_noise n on n.language = split_part(lower(s.language), '-', 1)
     group by s.lexeme
  ), chosen as (
    select a.stem, a.place from asked a where not a.is_noise or not exists (select from asked where not is_noise)
     order by a.place limit 32
  ), totals as (
    select coalesce(sum(t.chunk_count), 0)::double precision as chunks from agentes.base_totals t
     where t.organization_id = p_org and t.knowledge_base_id = any (p_bases)
  ), counted as (
    select c.stem, c.place, coalesce((select sum(t.chunk_count) from agentes.terms t
             where t.organization_id = p_org and t.knowledge_base_id = any (p_bases) and t.term = c.stem), 0) as count
      from chosen c
  ), found as (
    select c.stem, c.place, c.stem as term, c.count::bigint as chunk_count, 1.0 as share from counted c
     where c.count > 0
    union all
    -- What stands in very many chunks tells nothing of a word's family and takes long to read.
    select c.stem, c.place, r.term, r.chunk_count, 0.4
      from counted c, totals t, agentes.relatives(p_org, p_bases, c.stem) r
     where length(c.stem) >= 4 and c.stem !~ '^\d+$' and r.chunk_count < greatest(t.chunks / 20, 50)
    union all
    select c.stem, c.place, m.term, m.chunk_count, 0.7
      from (select * from counted where count = 0 and length(stem) between 4 and 40 and stem !~ '[\d%_\\]'
             order by place limit 4) c, agentes.misspelt(p_org, p_bases, c.stem) m
  ), best as (
    select distinct on (f.term, f.stem) f.* from found f order by f.term, f.stem, f.share desc
  )
  select c.stem, c.place, f.term, f.share < 0.5, coalesce(f.chunk_count, 0),
         -- A rare word of the family says no more than the word that was asked for.
         f.share * agentes.rarity(t.chunks, case when f.share < 0.5 then greatest(f.chunk_count, c.count)
                                                 else f.chunk_count end),
         agentes.rarity(t.chunks, coalesce(max(f.chunk_count) filter (where f.share > 0.5)
                                             over (partition by c.stem), 0))
    from totals t cross join counted c left join best f on f.stem = c.stem
$$;

create or replace function public.chunks_mark_v1(p_org uuid, p_ids jsonb, p_terms jsonb) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (
    select coalesce(jsonb_object_agg(c.id, marked(coalesce(d.language, b.language), c.content, t.terms)), '{}')
      from (select array(select jsonb_array_elements_text(p_terms)) as terms) t
     cross join jsonb_array_elements_text(p_ids) i(id)
      join chunks c on c.id = i.id::uuid and c.organization_id = p_org
      join documents d on d.id = c.document_id
      join knowledge_bases b on b.id = c.knowledge_base_id);
end $$;

do $$
begin
  perform agentes.lock_helper('agentes.languages_of(uuid, uuid[])');
end $$;

select agentes.migration_applied('20261127237000');

notify pgrst, 'reload schema';
