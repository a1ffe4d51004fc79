-- As it was, but that words of a family weigh at most what the word that was asked for does: by their
-- own rarity, those that stood in few chunks outweighed it.
create or replace function agentes.query_terms(p_org uuid, p_bases uuid[], p_query text)
returns table (stem text, place int, term text, is_kin boolean, chunk_count bigint, weight double precision,
               idf double precision)
language sql stable as $$
  with languages as (
    select distinct b.language from agentes.knowledge_bases b
     where b.organization_id = p_org and b.id = any (p_bases)
  ), asked as (
    select s.lexeme as stem, min(s.positions[1])::int as place,
           bool_or(s.lexeme = any (coalesce(n.stems, '{}'))) as is_noise
      from languages l cross join lateral unnest(agentes.text_vector(l.language, left(p_query, 2000))) s
      left join agentes.query_noise n on n.language = split_part(lower(l.language), '-', 1)
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

select agentes.migration_applied('20261126220600');

notify pgrst, 'reload schema';
