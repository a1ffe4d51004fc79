-- The full-text index: for each base and stem the chunks that hold it, with the weight that it has in
-- each. A GIN index mixes all organizations and knows no weights, so that ranking had to read every
-- candidate; these lists are read alone, and their sum is the ranking.

alter table agentes.chunks add column number integer;
alter table agentes.staged_chunks add column number integer;
alter table agentes.documents add column first_number integer;
alter table agentes.base_totals add column next_number integer not null default 0;
alter table agentes.terms alter column term type text collate "C";
-- Checking the base for each of a document's thousands of stems took longer than storing them.
alter table agentes.terms drop constraint terms_knowledge_base_id_fkey;
alter table agentes.terms set (fillfactor = 70);
create index terms_by_end on agentes.terms (knowledge_base_id, reverse(term) collate "C");
drop index agentes.chunks_by_term;
drop index agentes.chunks_by_base;
-- Read again and again while ranking; kept in its page, uncompressed, it is at hand.
alter table agentes.chunks set (toast_tuple_target = 8160);
create unique index chunks_by_number on agentes.chunks (knowledge_base_id, number);
create index documents_by_metadata on agentes.documents using gin (metadata jsonb_path_ops);

create table agentes.postings (
  organization_id uuid not null,
  knowledge_base_id uuid not null,
  term text collate "C" not null,
  block integer not null,
  entries integer[] not null,
  primary key (knowledge_base_id, term, block)
) with (fillfactor = 80, toast_tuple_target = 8160);
comment on table agentes.postings is
  'Where each stem of a base stands: of 2,048 chunks, (number % 2048) * 256 + weight (1 to 255).';

create function agentes.term_weight(p_count int, p_length int, p_average double precision) returns int
language sql immutable parallel safe as $$
  -- BM25 with k1 = 1.2 and b = 0.6. At most 2.2, which becomes 255.
  select greatest(1, round(255 * p_count / (p_count + 1.2 * (0.4 + 0.6 * p_length / p_average))))::int
$$;
comment on function agentes.term_weight(int, int, double precision) is
  'How much a stem counts in a chunk: by how often it stands there and how long the chunk is.';

create function agentes.post_terms(p_org uuid, p_document_id uuid) returns void
language plpgsql as $$
declare
  v_base uuid := (select knowledge_base_id from agentes.documents
                  where organization_id = p_org and id = p_document_id);
  v_average double precision := (select greatest(t.term_count::double precision / nullif(t.chunk_count, 0), 1)
                                 from agentes.base_totals t where t.knowledge_base_id = v_base);
begin
  with fresh as materialized (
    select u.lexeme as term, c.number >> 11 as block,
           array_agg(((c.number & 2047) << 8)
                     + agentes.term_weight(cardinality(u.positions), c.term_count, v_average)) as entries
      from agentes.chunks c cross join lateral unnest(c.terms) u
     where c.organization_id = p_org and c.document_id = p_document_id
     group by u.lexeme, c.number >> 11
  ), posted as (
    insert into agentes.postings as p (organization_id, knowledge_base_id, term, block, entries)
    select p_org, v_base, f.term, f.block, f.entries from fresh f order by f.term, f.block
    on conflict (knowledge_base_id, term, block) do update set entries = p.entries || excluded.entries
  )
  insert into agentes.terms as t (organization_id, knowledge_base_id, term, chunk_count)
  select p_org, v_base, f.term, sum(cardinality(f.entries)) from fresh f group by f.term order by f.term
  on conflict (knowledge_base_id, term) do update set chunk_count = t.chunk_count + excluded.chunk_count;
end $$;
comment on function agentes.post_terms(uuid, uuid) is
  'Enters the stems of a document''s chunks; the caller holds the lock of the base.';

create or replace function agentes.remove_chunks(p_org uuid, p_document_id uuid) returns void
language plpgsql as $$
declare
  v_base uuid := (select knowledge_base_id from agentes.documents
                  where organization_id = p_org and id = p_document_id);
  v_first int;
  v_last int;
begin
  -- One writer of statistics a base at a time, so that upserts of many terms cannot deadlock.
  perform pg_advisory_xact_lock(hashtextextended('agentes.terms:' || v_base, 0));
  select min(c.number), max(c.number) into v_first, v_last from agentes.chunks c
   where c.organization_id = p_org and c.document_id = p_document_id;
  if v_first is null then
    return;
  end if;
  with gone as materialized (
    select term, count(*)::int as count from agentes.chunks c, unnest(tsvector_to_array(c.terms)) term
     where c.organization_id = p_org and c.document_id = p_document_id group by term
  ), emptied as (
    delete from agentes.postings p using gone g, generate_series(v_first >> 11, v_last >> 11) b
     where p.knowledge_base_id = v_base and p.term = g.term and p.block = b
       and not exists (select from unnest(p.entries) e
                       where (b << 11) + (e >> 8) not between v_first and v_last)
  ), thinned as (
    update agentes.postings p set entries = array(
             select e from unnest(p.entries) e where (b << 11) + (e >> 8) not between v_first and v_last)
      from gone g, generate_series(v_first >> 11, v_last >> 11) b
     where p.knowledge_base_id = v_base and p.term = g.term and p.block = b
       and exists (select from unnest(p.entries) e
                   where (b << 11) + (e >> 8) not between v_first and v_last)
  ), unknown as (
    delete from agentes.terms t using gone g
     where t.knowledge_base_id = v_base and t.term = g.term and t.chunk_count <= g.count
  )
  update agentes.terms t set chunk_count = t.chunk_count - g.count from gone g
   where t.knowledge_base_id = v_base and t.term = g.term and t.chunk_count > g.count;
  update agentes.base_totals t
     set chunk_count = t.chunk_count - gone.chunks, term_count = t.term_count - gone.length
    from (select count(*) as chunks, coalesce(sum(term_count), 0) as length from agentes.chunks
           where organization_id = p_org and document_id = p_document_id) gone
   where t.knowledge_base_id = v_base;
  delete from agentes.chunks where organization_id = p_org and document_id = p_document_id;
end $$;

create or replace function agentes.publish_chunks(p_org uuid, p_document_id uuid) returns int
language plpgsql as $$
declare
  v_base uuid := (select knowledge_base_id from agentes.documents
                  where organization_id = p_org and id = p_document_id);
  v_next int;
  v_count int;
begin
  perform agentes.remove_chunks(p_org, p_document_id);
  -- Numbers are not used again: what is removed leaves a gap.
  insert into agentes.base_totals as t (knowledge_base_id, organization_id, chunk_count, term_count, next_number)
  select v_base, p_org, count(*), coalesce(sum(term_count), 0), count(*) from agentes.staged_chunks
   where organization_id = p_org and document_id = p_document_id
  on conflict (knowledge_base_id) do update set chunk_count = t.chunk_count + excluded.chunk_count,
    term_count = t.term_count + excluded.term_count, next_number = t.next_number + excluded.next_number
  returning t.next_number into v_next;
  insert into agentes.chunks (id, organization_id, knowledge_base_id, document_id, ordinal, content, heading,
                              page, char_start, char_end, token_count, terms, term_count, created_at, number)
  select s.id, s.organization_id, s.knowledge_base_id, s.document_id, s.ordinal, s.content, s.heading, s.page,
         s.char_start, s.char_end, s.token_count, s.terms, s.term_count, s.created_at,
         v_next - (count(*) over ())::int - 1 + (row_number() over (order by s.ordinal))::int
    from agentes.staged_chunks s where s.organization_id = p_org and s.document_id = p_document_id;
  get diagnostics v_count = row_count;
  update agentes.documents set first_number = v_next - v_count where organization_id = p_org and id = p_document_id;
  perform agentes.post_terms(p_org, p_document_id);
  perform agentes.discard_staged(p_org, p_document_id);
  return v_count;
end $$;

create function agentes.forget_terms() returns trigger
language plpgsql as $$
begin
  delete from agentes.postings where knowledge_base_id = old.id;
  delete from agentes.terms where knowledge_base_id = old.id;
  return old;
end $$;
comment on function agentes.forget_terms() is 'Deletes the index of a base that is deleted.';
create trigger forget_terms after delete on agentes.knowledge_bases
  for each row execute function agentes.forget_terms();

do $$
declare
  v_document record;
  v_table text;
  c_touched constant text[] := array['chunks', 'documents', 'base_totals', 'terms', 'postings'];
begin
  perform agentes.lock_table('agentes.postings');
  perform agentes.lock_helper('agentes.term_weight(int, int, double precision)');
  perform agentes.lock_helper('agentes.post_terms(uuid, uuid)');
  perform agentes.revoke_from_strangers('function agentes.forget_terms()');
  update agentes.catalogue set hidden = '{terms,term_count,number}' where name = 'chunks';
  update agentes.catalogue set hidden = hidden || '{first_number}' where name = 'documents';
  -- What an earlier version has indexed is numbered and entered anew, by the tables' owner, who may
  -- be bound by row-level security as everyone is.
  foreach v_table in array c_touched loop
    execute format('alter table agentes.%I no force row level security', v_table);
  end loop;
  update agentes.chunks c set number = n.number from (
    select id, (row_number() over (partition by knowledge_base_id order by document_id, ordinal))::int - 1 as number
      from agentes.chunks) n where n.id = c.id;
  update agentes.documents d set first_number = (select min(number) from agentes.chunks where document_id = d.id);
  update agentes.base_totals t set next_number = coalesce(
    (select max(number) + 1 from agentes.chunks where knowledge_base_id = t.knowledge_base_id), 0);
  delete from agentes.terms;
  for v_document in select id, organization_id from agentes.documents where first_number is not null loop
    perform agentes.post_terms(v_document.organization_id, v_document.id);
  end loop;
  foreach v_table in array c_touched loop
    execute format('alter table agentes.%I force row level security', v_table);
  end loop;
end $$;

alter table agentes.chunks alter column number set not null;

select agentes.migration_applied('20261126070000');

notify pgrst, 'reload schema';
