-- A list's weight is found once for the list: beside the opened array it was found for every entry.

create or replace function agentes.weights_in(
  p_org uuid, p_base uuid, p_terms text[], p_weights double precision[], p_numbers int[]
) returns table (number int, score double precision)
language plpgsql stable set enable_nestloop = off set enable_mergejoin = off set enable_sort = off
set enable_seqscan = off set enable_bitmapscan = off set work_mem = '16MB' set jit = off as $$
begin
  return query
  select x.number, sum(x.weight * (x.e & 255)) filter (where x.e >> 8 = x.number & 2047)
    from (select n.number, p.weight,
                 -- The last entry at or below the chunk's own: its own, if the list has one.
                 p.entries[width_bucket((n.number & 2047) << 8 | 255, p.entries)] as e
            from unnest(p_numbers) n(number) join (
              select p.block, p_weights[array_position(p_terms, p.term)] as weight, p.entries
                from agentes.postings p where p.knowledge_base_id = p_base and p.term = any (p_terms)
                 and p.organization_id = p_org offset 0) p on p.block = n.number >> 11 offset 0) x
   group by x.number;
end $$;
create or replace function agentes.rank_words(
  p_org uuid, p_base uuid, p_terms text[], p_weights double precision[], p_rare int, p_allowed int4multirange,
  p_limit int, p_least double precision, out numbers int[], out scores double precision[], out total bigint
) language plpgsql stable set enable_nestloop = off set enable_mergejoin = off set enable_sort = off
set enable_seqscan = off set enable_bitmapscan = off set work_mem = '16MB' set jit = off as $$
declare
  c_tried constant int := 2000;
begin
  -- Arrays are opened in the list of columns: as a function in FROM each would fill a buffer first.
  with rare as materialized (
    select x.start + (x.e >> 8) as number, sum(x.weight * (x.e & 255)) as score
      from (select p.start, p.weight, unnest(p.entries) as e
              from (select p.block << 11 as start, p_weights[array_position(p_terms, p.term)] as weight, p.entries
                      from agentes.postings p where p.knowledge_base_id = p_base and p.term = any (p_terms[:p_rare])
                       and p.organization_id = p_org offset 0) p) x
     where p_allowed is null or x.start + (x.e >> 8) <@ p_allowed
     group by 1
  ), tried as materialized (
    select r.number, r.score from rare r order by r.score desc, r.number limit c_tried
  ), summed as materialized (
    select t.number, t.score + coalesce(w.score, 0) as score
      from tried t left join agentes.weights_in(p_org, p_base, p_terms[p_rare + 1:], p_weights[p_rare + 1:],
                                                array(select number from tried)) w using (number)
  ), best as materialized (
    select s.number, s.score from summed s order by s.score desc, s.number limit p_limit
  )
  select array_agg(b.number), array_agg(b.score),
         case when p_least <= 0 then (select count(*) from rare)
              else greatest((select count(*) from rare r where r.score >= p_least),
                            (select count(*) from summed s where s.score >= p_least)) end
    into numbers, scores, total from best b;
end $$;

select agentes.migration_applied('20261126150200');

notify pgrst, 'reload schema';
