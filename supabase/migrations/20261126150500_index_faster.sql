-- As it was, but that lists are gathered by hashing and put in order one by one: asked for in order,
-- all words of all chunks were sorted at once, on disk, which took most of the time of publishing.
create or replace function agentes.post_terms(p_org uuid, p_document_id uuid) returns void
language plpgsql set enable_sort = off set work_mem = '32MB' set jit = off as $$
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
    select p_org, v_base, f.term, f.block,
           case when cardinality(f.entries) = 1 then f.entries
                else array(select e from unnest(f.entries) e order by e) end
      from fresh f order by f.term, f.block
    on conflict (knowledge_base_id, term, block) do update set entries = p.entries || excluded.entries
  )
  insert into agentes.terms as t (organization_id, knowledge_base_id, term, chunk_count)
  select p_org, v_base, f.term, sum(cardinality(f.entries)) from fresh f group by f.term order by f.term
  on conflict (knowledge_base_id, term) do update set chunk_count = t.chunk_count + excluded.chunk_count;
end $$;

-- As it was, but that a document's part of a list is found by halving.
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
  ), own as materialized (
    -- A document's numbers follow each other, so that its entries are one part of each list.
    select p.term, p.block, cardinality(p.entries) as count,
           width_bucket(greatest(v_first - (p.block << 11), 0) * 256 - 1, p.entries) as before,
           width_bucket(least(v_last - (p.block << 11), 2047) * 256 + 255, p.entries) as upto
      from gone g cross join generate_series(v_first >> 11, v_last >> 11) b
      join agentes.postings p on p.knowledge_base_id = v_base and p.term = g.term and p.block = b
  ), emptied as (
    delete from agentes.postings p using own o
     where p.knowledge_base_id = v_base and p.term = o.term and p.block = o.block
       and o.before = 0 and o.upto = o.count
  ), thinned as (
    update agentes.postings p set entries = p.entries[:o.before] || p.entries[o.upto + 1:] from own o
     where p.knowledge_base_id = v_base and p.term = o.term and p.block = o.block
       and (o.before > 0 or o.upto < o.count)
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

select agentes.migration_applied('20261126150500');

notify pgrst, 'reload schema';
