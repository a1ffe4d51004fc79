-- Ranking by words in two steps that no plan can make slow. What the rarest words weigh is summed over
-- their lists; what the others weigh is looked up for the best of those, in lists that are in order.
-- No two long lists are joined: with statistics of before a large upload the planner chose nested loops.

create function agentes.weights_in(
  p_org uuid, p_base uuid, p_terms text[], p_weights double precision[], p_numbers int[]
) returns table (number int, score double precision)
language plpgsql stable set enable_nestloop = off set enable_mergejoin = off set enable_sort = off
set enable_seqscan = off set enable_bitmapscan = off set work_mem = '16MB' set jit = off as $$
begin
  return query
  select x.number, sum(x.weight * (x.e & 255)) filter (where x.e >> 8 = x.number & 2047)
    from (select n.number, p_weights[array_position(p_terms, p.term)] as weight,
                 -- The last entry at or below the chunk's own: its own, if the list has one.
                 p.entries[width_bucket((n.number & 2047) << 8 | 255, p.entries)] as e
            from unnest(p_numbers) n(number) join agentes.postings p on p.block = n.number >> 11
           where p.knowledge_base_id = p_base and p.term = any (p_terms) and p.organization_id = p_org offset 0) x
   group by x.number;
end $$;
comment on function agentes.weights_in(uuid, uuid, text[], double precision[], int[]) is
  'The sum of the weights that terms have in each of some chunks of a base; null where they have none.';

create function agentes.rank_words(
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
      from (select p.block << 11 as start, p_weights[array_position(p_terms, p.term)] as weight,
                   unnest(p.entries) as e
              from agentes.postings p
             where p.knowledge_base_id = p_base and p.term = any (p_terms[:p_rare]) and p.organization_id = p_org) x
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
comment on function agentes.rank_words(uuid, uuid, text[], double precision[], int, int4multirange, int, double precision) is
  'The best chunks of a base by the weights of all terms, among those that hold one of the first; how many are found in all.';

create or replace function agentes.candidate_cap() returns int language sql immutable as 'select 10000';

create or replace function agentes.rare_enough(p_counts bigint[], p_weights double precision[], p_cap int) returns int
language sql immutable as $$
  select coalesce(max(x.place) filter (where x.place = 1 or x.entries <= p_cap
                                         or (x.before < 0.5 * x.total and x.entries <= 4::bigint * p_cap)), 1)::int
    from (select t.place, sum(t.count) over w as entries, sum(t.weight) over w - t.weight as before,
                 sum(t.weight) over () as total
            from unnest(p_counts, p_weights) with ordinality t(count, weight, place)
          window w as (order by t.place)) x
$$;

-- As it was, but for the ranking.
create or replace function public.knowledge_search_v2(
  p_org uuid, p_base_ids jsonb, p_query text, p_limit int, p_threshold double precision default 0,
  p_filters jsonb default '{}', p_vectors jsonb default '[]', p_mode text default 'hybrid'
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
declare
  c_reread constant int := 50;
  v_bases uuid[] := array(select b.id from jsonb_array_elements_text(p_base_ids) j
                            join knowledge_bases b on b.id = j.value::uuid and b.organization_id = p_org);
  v_terms text[];
  v_weights double precision[];
  v_rare int;
  v_total double precision;
  v_stems text[];
  v_idf double precision[];
  v_near tsquery[];
  v_result jsonb;
begin
  -- Planning took as long as searching, and every question is served well by the same plan; one that
  -- was made while tables were empty stays as it is when they are full.
  perform set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
          set_config('jit', 'off', true);
  if p_mode <> 'semantic' then
    with terms as materialized (select * from query_terms(p_org, v_bases, p_query)),
    stems as (select t.stem, t.place, max(t.idf) as idf from terms t group by t.stem, t.place),
    wanted as (
      select t.term, sum(t.weight) * 2.2 / 255 as weight, max(t.chunk_count) as count,
             coalesce(sum(t.weight) filter (where not t.is_kin), 0) as share
        from terms t where t.term is not null group by t.term)
    select array_agg(w.term order by w.count, w.term), array_agg(w.weight order by w.count, w.term),
           rare_enough(array_agg(w.count order by w.count, w.term), array_agg(w.share order by w.count, w.term),
                       candidate_cap()), (select nullif(sum(s.idf), 0) from stems s),
           (select array_agg(s.stem order by s.place) from stems s),
           (select array_agg(s.idf order by s.place) from stems s)
      into v_terms, v_weights, v_rare, v_total, v_stems, v_idf from wanted w;
    v_near := near_pairs(v_stems);
  end if;
  with bases as materialized (
    select id, case when p_filters <> '{}' then numbers_of(p_org, id, p_filters) end as allowed
      from unnest(v_bases) b(id)
  ), near as materialized (
    select b.id as base, n.number, n.likeness from jsonb_to_recordset(p_vectors) v(model text, dimensions int, vector text)
      join embedding_spaces s on s.model = v.model and s.dimensions = v.dimensions
      join knowledge_bases k on k.served_space = s.id and k.id = any (v_bases)
      join bases b on b.id = k.id
     cross join lateral nearest(p_org, b.id, s.id, s.dimensions, v.vector, 100, b.allowed) n
  ), words as materialized (
    select b.id as base, r.numbers, r.scores, r.total from bases b cross join lateral rank_words(
      p_org, b.id, v_terms, v_weights, v_rare, b.allowed, c_reread, p_threshold * v_total) r
  ), first as (
    select w.base, r.number, r.score from words w cross join lateral unnest(w.numbers, w.scores) r(number, score)
     order by r.score desc, w.base, r.number limit c_reread
  ), near_words as materialized (
    select b.id as base, w.number, w.score from bases b cross join lateral weights_in(
      p_org, b.id, v_terms, v_weights, array(select n.number from near n where n.base = b.id)) w
  ), pool as materialized (
    select base, number, n.likeness, coalesce(f.score, w.score, 0) / coalesce(v_total, 1) as score
      from first f full join near n using (base, number) left join near_words w using (base, number)
  ), reread as materialized (
    select c.id, p.likeness, p.score + coalesce((
             select sum(least(v_idf[1 + (i - 1) / 3], v_idf[2 + (i - 1) / 3]) / (1 + (i - 1) % 3))
               from generate_subscripts(v_near, 1) i where c.terms @@ v_near[i]), 0) * 0.3 / coalesce(v_total, 1) as score
      from pool p join chunks c on c.knowledge_base_id = p.base and c.number = p.number
     where c.organization_id = p_org
  ), felt as materialized (
    select * from felt_too(p_org, v_bases, p_vectors,
                           array(select r.id from reread r where r.likeness is null and p_vectors <> '[]'))
  ), weighed as (
    select r.id, r.score as lexical, coalesce(r.likeness, f.likeness) as semantic
      from reread r left join felt f on f.chunk_id = r.id
  ), kept as (
    select x.* from (select w.*, fused(w.lexical, w.semantic, max(w.lexical) over (), min(w.semantic) over (),
                                       max(w.semantic) over ()) as score from weighed w) x
     where least(x.score, 1) >= p_threshold
     order by x.score desc, x.id limit least(greatest(p_limit, 1), 100)
  )
  select jsonb_build_object('terms', to_jsonb(coalesce(v_terms, '{}')),
           'total_results', greatest((select sum(w.total) from words w), (select count(*) from kept)),
           'data', coalesce(jsonb_agg(jsonb_build_object(
             'id', c.id, 'document_id', c.document_id, 'knowledge_base_id', c.knowledge_base_id,
             'name', d.name, 'content', c.content, 'heading', c.heading, 'page', c.page,
             'ordinal', c.ordinal, 'char_start', c.char_start, 'char_end', c.char_end,
             'metadata', d.metadata, 'score', round(least(k.score, 1)::numeric, 4),
             'scores', jsonb_build_object('lexical', case when p_mode <> 'semantic' then
                                                       round(least(k.lexical, 1)::numeric, 4) end,
                                          'semantic', round(k.semantic::numeric, 4))
           ) order by k.score desc, k.id), '[]'))
    into v_result
    from kept k join chunks c on c.id = k.id join documents d on d.id = c.document_id;
  return v_result;
end $$;

drop function agentes.rank_lexically(uuid, uuid, text[], double precision[], int, int4multirange);

do $$
begin
  perform agentes.lock_helper('agentes.weights_in(uuid, uuid, text[], double precision[], int[])');
  perform agentes.lock_helper(
    'agentes.rank_words(uuid, uuid, text[], double precision[], int, int4multirange, int, double precision)');
end $$;

select agentes.migration_applied('20261126150100');

notify pgrst, 'reload schema';
