-- What a question looks for: its stems, words of the same family, and, in the place of a stem that no
-- chunk has, those that one typing error makes of it.

create function agentes.rarity(p_chunks double precision, p_count double precision) returns double precision
language sql immutable parallel safe as $$
  select ln(1 + (greatest(p_chunks - p_count, 0) + 0.5) / (p_count + 0.5))
$$;
comment on function agentes.rarity(double precision, double precision) is
  'BM25''s idf: what a stem says that stands in so many of so many chunks.';

-- The shorter half of a word with one error is whole, so one range of an index holds what it may be.
create function agentes.one_error(p_stem text) returns text[]
language sql immutable parallel safe as $$
  select array_agg(distinct v.pattern) from generate_series(1, length(p_stem) + 1) i
   cross join lateral (values
     (overlay(p_stem placing '_' from i for 1)), (overlay(p_stem placing '_' from i for 0)),
     (overlay(p_stem placing '' from i for 1)),
     (overlay(p_stem placing reverse(substr(p_stem, i, 2)) from i for 2))) v(pattern)
$$;
comment on function agentes.one_error(text) is
  'Patterns of LIKE for a stem with one letter more, less, changed, or two that stand crosswise.';

create function agentes.openings(p_stem text) returns text[]
language sql immutable parallel safe as $$
  select coalesce(array_agg(left(p_stem, n)), '{}')
    from generate_series(greatest(4, length(p_stem) - 4), length(p_stem) - 1) n
$$;
comment on function agentes.openings(text) is 'A stem without its last one to four letters.';

create function agentes.misspelt(p_org uuid, p_bases uuid[], p_stem text)
returns table (term text, chunk_count bigint)
language sql stable as $$
  (select t.term, sum(t.chunk_count) from agentes.terms t,
         (select agentes.one_error(p_stem) as patterns, left(p_stem, length(p_stem) / 2) as opening,
                 reverse(right(p_stem, length(p_stem) / 2)) as ending offset 0) e
   where t.organization_id = p_org and t.knowledge_base_id = any (p_bases)
     and ((t.term >= e.opening and t.term < e.opening || U&'\+10FFFF')
          or (reverse(t.term) collate "C" >= e.ending and reverse(t.term) collate "C" < e.ending || U&'\+10FFFF'))
     and length(t.term) between length(p_stem) - 1 and length(p_stem) + 1 and t.term like any (e.patterns)
   group by t.term order by sum(t.chunk_count) desc, t.term limit 2)
  union all
  -- The error may have kept the stemmer from seeing an ending: "devolusão" gives "devolusa".
  (select t.term, sum(t.chunk_count) from agentes.terms t
    where t.organization_id = p_org and t.knowledge_base_id = any (p_bases)
      and t.term = any (agentes.openings(p_stem))
    group by t.term order by length(t.term) desc limit 1)
$$;
comment on function agentes.misspelt(uuid, uuid[], text) is
  'What a stem that no chunk has may be with one typing error less.';

create function agentes.relatives(p_org uuid, p_bases uuid[], p_stem text)
returns table (term text, chunk_count bigint)
language sql stable as $$
  (select t.term, sum(t.chunk_count) from agentes.terms t,
          (select left(p_stem, greatest(4, length(p_stem) - 2)) as trunk offset 0) s
    where t.organization_id = p_org and t.knowledge_base_id = any (p_bases)
      and t.term >= s.trunk and t.term < s.trunk || U&'\+10FFFF'
      and t.term <> p_stem and length(t.term) <= length(p_stem) + 3
    group by t.term order by sum(t.chunk_count) desc, t.term limit 4)
  union all
  select t.term, sum(t.chunk_count) from agentes.terms t
   where t.organization_id = p_org and t.knowledge_base_id = any (p_bases)
     and t.term = any (agentes.openings(p_stem))
   group by t.term
$$;
comment on function agentes.relatives(uuid, uuid[], text) is
  'Stems of some bases with the same trunk: "universidad", "universitári".';

create function agentes.query_terms(p_org uuid, p_bases uuid[], p_query text)
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
  select c.stem, c.place, f.term, f.share < 0.5, coalesce(f.chunk_count, 0), f.share * agentes.rarity(t.chunks, f.chunk_count),
         agentes.rarity(t.chunks, coalesce(max(f.chunk_count) filter (where f.share > 0.5)
                                             over (partition by c.stem), 0))
    from totals t cross join counted c left join best f on f.stem = c.stem
$$;
comment on function agentes.query_terms(uuid, uuid[], text) is
  'The stems of a question that say something, with what to look for in their place and its weight; idf is the stem''s own.';

do $$
declare
  v_function text;
begin
  foreach v_function in array array[
    'rarity(double precision, double precision)', 'one_error(text)', 'openings(text)', 'misspelt(uuid, uuid[], text)',
    'relatives(uuid, uuid[], text)', 'query_terms(uuid, uuid[], text)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_function)::regprocedure);
  end loop;
end $$;

select agentes.migration_applied('20261126070100');

notify pgrst, 'reload schema';
