-- Posting lists in the order of their chunks, so that what a chunk has in a list is found by halving.

-- As it was, but for the order.
create or replace function agentes.post_terms(p_org uuid, p_document_id uuid) returns void
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
                     + agentes.term_weight(cardinality(u.positions), c.term_count, v_average)
                     order by c.number) as entries
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

do $$
begin
  -- The tables' owner may be bound by row-level security as everyone is.
  alter table agentes.postings no force row level security;
  update agentes.postings p set entries = s.entries
    from (select o.knowledge_base_id, o.term, o.block, array(select e from unnest(o.entries) e order by e) as entries
            from agentes.postings o where cardinality(o.entries) > 1) s
   where (p.knowledge_base_id, p.term, p.block) = (s.knowledge_base_id, s.term, s.block) and p.entries <> s.entries;
  alter table agentes.postings force row level security;
end $$;

comment on table agentes.postings is
  'Where each stem of a base stands: of 2,048 chunks, (number % 2048) * 256 + weight (1 to 255), ascending.';

select agentes.migration_applied('20261126150000');

notify pgrst, 'reload schema';
