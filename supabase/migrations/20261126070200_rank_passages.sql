-- Ranking by words: chunks that hold the rarest ones, then one sum over all words for each of them.

create function agentes.numbers_of(p_org uuid, p_base uuid, p_filters jsonb) returns int4multirange
language sql stable as $$
  select coalesce(range_agg(int4range(d.first_number, d.first_number + d.chunk_count)), '{}')
    from agentes.documents d
   where d.organization_id = p_org and d.knowledge_base_id = p_base and d.metadata @> p_filters
     and d.first_number is not null
$$;
comment on function agentes.numbers_of(uuid, uuid, jsonb) is
  'The chunks of the documents of a base that a filter lets through.';

create function agentes.near_pairs(p_stems text[]) returns tsquery[]
language sql immutable as $$
  select coalesce(array_agg(tsquery_phrase(a.query, b.query, g) || tsquery_phrase(b.query, a.query, g)
                            order by a.place, g), '{}')
    from (select stem, place, quote_literal(replace(stem, '\', '\\'))::tsquery as query
            from unnest(p_stems) with ordinality s(stem, place)) a
    join (select stem, place, quote_literal(replace(stem, '\', '\\'))::tsquery as query
            from unnest(p_stems) with ordinality s(stem, place)) b on b.place = a.place + 1
   cross join generate_series(1, 3) g
$$;
comment on function agentes.near_pairs(text[]) is
  'For each two neighbours of a question, three queries: they stand one, two or three words apart.';

create function agentes.rank_lexically(
  p_org uuid, p_base uuid, p_terms text[], p_weights double precision[], p_rare int, p_allowed int4multirange
) returns table (number int, score double precision)
language sql stable as $$
  -- Arrays are opened in the list of columns: as a function in FROM each would fill a buffer first.
  with rare as materialized (
    select x.start + (x.e >> 8) as number, sum(x.weight * (x.e & 255)) as score
      from (select p.block << 11 as start, t.weight, unnest(p.entries) as e
              from unnest(p_terms[:p_rare], p_weights[:p_rare]) t(term, weight)
              join agentes.postings p on p.knowledge_base_id = p_base and p.term = t.term
             where p.organization_id = p_org) x
     where p_allowed is null or x.start + (x.e >> 8) <@ p_allowed
     group by 1
  ), common as (
    select r.number, sum(x.weight * (x.e & 255)) as score
      from (select p.block << 11 as start, t.weight, unnest(p.entries) as e
              from unnest(p_terms[p_rare + 1:], p_weights[p_rare + 1:]) t(term, weight)
              join agentes.postings p on p.knowledge_base_id = p_base and p.term = t.term
             where p.organization_id = p_org) x
      join rare r on r.number = x.start + (x.e >> 8)
     group by r.number
  )
  select r.number, r.score + coalesce(c.score, 0) from rare r left join common c on c.number = r.number
$$;
comment on function agentes.rank_lexically(uuid, uuid, text[], double precision[], int, int4multirange) is
  'Chunks of a base that hold one of the first terms, with the sum of the weights of all.';

create function agentes.candidate_cap() returns int language sql immutable as 'select 8000';
comment on function agentes.candidate_cap() is
  'How many entries of the rarest words make candidates; more would cost time and find little.';

create function agentes.rare_enough(p_counts bigint[], p_weights double precision[], p_cap int) returns int
language sql immutable as $$
  select coalesce(max(x.place) filter (where x.place = 1 or x.entries <= p_cap
                                         or (x.before < 0.6 * x.total and x.entries <= 5 * p_cap)), 1)::int
    from (select t.place, sum(t.count) over w as entries, sum(t.weight) over w - t.weight as before,
                 sum(t.weight) over () as total
            from unnest(p_counts, p_weights) with ordinality t(count, weight, place)
          window w as (order by t.place)) x
$$;
comment on function agentes.rare_enough(bigint[], double precision[], int) is
  'How many of the terms, rarest first, make candidates: few entries, or too little of the question.';

do $$
begin
  perform agentes.lock_helper('agentes.numbers_of(uuid, uuid, jsonb)');
  perform agentes.lock_helper('agentes.near_pairs(text[])');
  perform agentes.lock_helper('agentes.candidate_cap()');
  perform agentes.lock_helper('agentes.rare_enough(bigint[], double precision[], int)');
  perform agentes.lock_helper(
    'agentes.rank_lexically(uuid, uuid, text[], double precision[], int, int4multirange)');
end $$;

select agentes.migration_applied('20261126070200');

notify pgrst, 'reload schema';
