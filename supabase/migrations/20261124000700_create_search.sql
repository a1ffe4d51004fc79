-- Chunks and their full-text search: Portuguese first, accents and plurals folded, in two stages.

create function agentes.text_configuration(p_language text) returns regconfig
language sql immutable parallel safe as $$
  select case split_part(lower(p_language), '-', 1)
    when 'pt' then 'pg_catalog.portuguese'::regconfig when 'en' then 'pg_catalog.english'::regconfig
    when 'es' then 'pg_catalog.spanish'::regconfig when 'fr' then 'pg_catalog.french'::regconfig
    when 'de' then 'pg_catalog.german'::regconfig when 'it' then 'pg_catalog.italian'::regconfig
    when 'nl' then 'pg_catalog.dutch'::regconfig else 'pg_catalog.simple'::regconfig end
$$;
comment on function agentes.text_configuration(text) is 'The stemmer of a language; simple where there is none.';

-- The snowball stemmer expects accents in the endings that it knows: folded, "informação" and
-- "informações" would part. So plurals are made singular first and "-cao" gets its accents back.
create function agentes.portuguese_endings(p_folded text) returns text
language sql immutable strict parallel safe as $$
  select regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
    p_folded, '[ao]es\M', 'ao', 'g'), 'ais\M', 'al', 'g'), '(e|o)is\M', '\1l', 'g'),
    '([aiu])cao\M', '\1ção', 'g'), 'ns\M', 'm', 'g'), '(\d)h(\d\d)?\M', '\1 \2', 'g')
$$;
comment on function agentes.portuguese_endings(text) is
  'Folded Portuguese with singular endings, in the spelling that the stemmer knows; "9h30" as "9 30".';

create function agentes.text_vector(p_language text, p_text text) returns tsvector
language sql immutable parallel safe as $$
  select to_tsvector(agentes.text_configuration(p_language),
    case when lower(p_language) like 'pt%' then agentes.portuguese_endings(t.folded) else t.folded end)
  from (select translate(agentes.fold(p_text), '-./@:_''’|\', '          ') as folded) t
$$;
comment on function agentes.text_vector(text, text) is
  'Stems with their places; the same for what is indexed and for what is asked.';

create table agentes.query_noise (language text primary key, stems text[] not null);
comment on table agentes.query_noise is 'Words that ask or greet: they say nothing of what is looked for.';
insert into agentes.query_noise
select language, tsvector_to_array(agentes.text_vector(language, words)) from (values
  ('pt', 'qual quais como quando quanto quantos quanta quantas onde quem que porque por quê não você vocês
          são está estão até também já só mais será olá oi bom boa dia tarde noite obrigado obrigada favor
          gostaria queria quero posso pode podem poderia tem têm ter saber dizer me meu minha informar ajuda
          preciso é isso esse essa este esta isto algum alguma há existe fazer faz faço feito ser foi era
          durante qualquer nome tipo'),
  ('en', 'what which how when much many where who why hello hi good morning please would like want can could
          do does did have has know tell me my need help thanks is are'),
  ('es', 'qué cuál cuáles cómo cuándo cuánto cuántos dónde quién hola buenos días tardes gracias favor
          quisiera quiero puedo puede pueden tiene tienen saber decir necesito hay ser es son')
) w(language, words);

create table agentes.chunks (
  id uuid primary key,
  organization_id uuid not null,
  knowledge_base_id uuid not null references agentes.knowledge_bases on delete cascade,
  document_id uuid not null references agentes.documents on delete cascade,
  ordinal integer not null,
  content text not null,
  heading text not null,
  page integer,
  char_start integer not null,
  char_end integer not null,
  token_count integer not null,
  terms tsvector not null,
  term_count integer not null,
  created_at timestamptz not null default now(),
  unique (document_id, ordinal)
);
comment on table agentes.chunks is 'Pieces of published documents; all of a document or none.';
create index chunks_by_base on agentes.chunks (knowledge_base_id);
create index chunks_by_term on agentes.chunks using gin (terms);

create table agentes.staged_chunks (like agentes.chunks including defaults, primary key (document_id, ordinal),
  foreign key (document_id) references agentes.documents on delete cascade);
comment on table agentes.staged_chunks is 'Chunks of documents that are being indexed, out of sight.';

create table agentes.terms (
  organization_id uuid not null,
  knowledge_base_id uuid not null references agentes.knowledge_bases on delete cascade,
  term text not null,
  chunk_count integer not null,
  primary key (knowledge_base_id, term)
);
comment on table agentes.terms is 'In how many chunks of a base each stem stands.';

create table agentes.base_totals (
  knowledge_base_id uuid primary key references agentes.knowledge_bases on delete cascade,
  organization_id uuid not null,
  chunk_count bigint not null default 0,
  term_count bigint not null default 0
);
comment on table agentes.base_totals is 'How many chunks a base has and how long they are in all.';

create function agentes.stage_chunks(p_org uuid, p_document_id uuid, p_chunks jsonb) returns void
language sql as $$
  insert into agentes.staged_chunks (id, organization_id, knowledge_base_id, document_id, ordinal, content,
                                     heading, page, char_start, char_end, token_count, terms, term_count)
  select c.id, p_org, d.knowledge_base_id, d.id, c.ordinal, c.content, c.heading, c.page, c.char_start,
         c.char_end, c.token_count, v.terms, length(v.terms)
    from agentes.documents d join agentes.knowledge_bases b on b.id = d.knowledge_base_id
   cross join jsonb_to_recordset(p_chunks) c(id uuid, ordinal int, content text, heading text, page int,
                                             char_start int, char_end int, token_count int)
   cross join lateral (select agentes.text_vector(b.language, c.heading || E'\n' || c.content) as terms) v
   where d.organization_id = p_org and d.id = p_document_id
  on conflict (document_id, ordinal) do update
    set (id, content, heading, page, char_start, char_end, token_count, terms, term_count)
      = (excluded.id, excluded.content, excluded.heading, excluded.page, excluded.char_start,
         excluded.char_end, excluded.token_count, excluded.terms, excluded.term_count)
$$;
comment on function agentes.stage_chunks(uuid, uuid, jsonb) is
  'Adds a batch of a document''s chunks out of sight; a batch that comes again replaces itself.';

create function agentes.discard_staged(p_org uuid, p_document_id uuid) returns void
language sql as $$
  delete from agentes.staged_chunks where organization_id = p_org and document_id = p_document_id
$$;
comment on function agentes.discard_staged(uuid, uuid) is 'Forgets what was staged for a document.';

create function agentes.remove_chunks(p_org uuid, p_document_id uuid) returns void
language plpgsql as $$
declare
  v_base uuid := (select knowledge_base_id from agentes.documents
                  where organization_id = p_org and id = p_document_id);
begin
  -- One writer of statistics a base at a time, so that upserts of many terms cannot deadlock.
  perform pg_advisory_xact_lock(hashtextextended('agentes.terms:' || v_base, 0));
  update agentes.terms t set chunk_count = t.chunk_count - gone.count
    from (select term, count(*)::int as count from agentes.chunks c, unnest(tsvector_to_array(c.terms)) term
           where c.organization_id = p_org and c.document_id = p_document_id group by term) gone
   where t.knowledge_base_id = v_base and t.term = gone.term;
  delete from agentes.terms where knowledge_base_id = v_base and chunk_count <= 0;
  update agentes.base_totals t
     set chunk_count = t.chunk_count - gone.chunks, term_count = t.term_count - gone.length
    from (select count(*) as chunks, coalesce(sum(term_count), 0) as length from agentes.chunks
           where organization_id = p_org and document_id = p_document_id) gone
   where t.knowledge_base_id = v_base;
  delete from agentes.chunks where organization_id = p_org and document_id = p_document_id;
end $$;
comment on function agentes.remove_chunks(uuid, uuid) is
  'Takes a document''s chunks out of the search and out of the statistics.';

create function agentes.publish_chunks(p_org uuid, p_document_id uuid) returns int
language plpgsql as $$
declare
  v_base uuid := (select knowledge_base_id from agentes.documents
                  where organization_id = p_org and id = p_document_id);
  v_count int;
begin
  perform agentes.remove_chunks(p_org, p_document_id);
  insert into agentes.chunks select * from agentes.staged_chunks
   where organization_id = p_org and document_id = p_document_id order by ordinal;
  get diagnostics v_count = row_count;
  insert into agentes.terms (organization_id, knowledge_base_id, term, chunk_count)
  select p_org, v_base, term, count(*) from agentes.staged_chunks c, unnest(tsvector_to_array(c.terms)) term
   where c.organization_id = p_org and c.document_id = p_document_id group by term
  on conflict (knowledge_base_id, term) do update set chunk_count = terms.chunk_count + excluded.chunk_count;
  insert into agentes.base_totals (knowledge_base_id, organization_id, chunk_count, term_count)
  select v_base, p_org, count(*), coalesce(sum(term_count), 0) from agentes.staged_chunks
   where organization_id = p_org and document_id = p_document_id
  on conflict (knowledge_base_id) do update set chunk_count = base_totals.chunk_count + excluded.chunk_count,
                                                term_count = base_totals.term_count + excluded.term_count;
  perform agentes.discard_staged(p_org, p_document_id);
  return v_count;
end $$;
comment on function agentes.publish_chunks(uuid, uuid) is
  'Makes what was staged the document''s chunks, in the place of earlier ones, and counts them.';

notify pgrst, 'reload schema';
