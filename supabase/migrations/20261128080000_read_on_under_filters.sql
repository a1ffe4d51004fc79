-- Under filters, entries of chunks that are not let through were counted as read, and so few of the best were found:
-- of the best ten, 0.90 where a tenth of 100,000 chunks is let through. The cap is on what is let through.
create function agentes.read_so_far(p_bases uuid[], p_allowed int4multirange[]) returns int
language sql stable as $$
  select least(agentes.candidate_cap() * greatest(1, sum(t.chunk_count) / nullif(sum(a.count), 0)),
               16 * agentes.candidate_cap())::int
    from unnest(p_bases, p_allowed) b(id, allowed)
    join agentes.base_totals t on t.knowledge_base_id = b.id
   cross join lateral (select case when b.allowed is null then t.chunk_count else
                                coalesce((select sum(upper(r) - lower(r)) from unnest(b.allowed) r), 0) end as count) a
$$;
comment on function agentes.read_so_far(uuid[], int4multirange[]) is
  'How many entries of rare words are read, of all bases together: the more, the fewer are let through.';

-- As it was, but that blocks in which nothing is let through are not read.
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
                       and p.organization_id = p_org
                       and (p_allowed is null or p_allowed && int4range(p.block << 11, (p.block + 1) << 11)) offset 0) p) x
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

-- As it was, but that what is let through is known before it is decided how far to read.
create or replace function public.knowledge_search_v2(
  p_org uuid, p_base_ids jsonb, p_query text, p_limit int, p_threshold double precision default 0,
  p_filters jsonb default '{}', p_vectors jsonb default '[]', p_mode text default 'hybrid'
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
declare
  v_reread int := greatest(50, least(p_limit, 500));
  v_bases uuid[] := array(select b.id from jsonb_array_elements_text(p_base_ids) j
                            join knowledge_bases b on b.id = j.value::uuid and b.organization_id = p_org);
  v_terms text[];
  v_weights double precision[];
  v_rare int;
  v_total double precision;
  v_stems text[];
  v_idf double precision[];
  v_near tsquery[];
  v_allowed int4multirange[];
  v_result jsonb;
begin
  -- Planning took as long as searching, and every question is served well by the same plan; one that
  -- was made while tables were empty stays as it is when they are full.
  perform set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true),
          set_config('jit', 'off', true);
  v_allowed := array(select case when p_filters <> '{}' then numbers_of(p_org, b.id, p_filters) end
                       from unnest(v_bases) with ordinality b(id, place) order by b.place);
  if p_mode <> 'semantic' then
    with terms as materialized (select * from query_terms(p_org, v_bases, p_query)),
    -- Of a word that several languages stem differently, the stem that stands in most chunks.
    stems as (
      select distinct on (t.place) t.stem, t.place, t.idf from terms t
       order by t.place, (t.term is not null and not t.is_kin) desc, t.chunk_count desc, t.stem),
    wanted as (
      select t.term, sum(t.weight) * 2.2 / 255 as weight, max(t.chunk_count) as count,
             coalesce(sum(t.weight) filter (where not t.is_kin), 0) as share
        from terms t where t.term is not null group by t.term)
    select array_agg(w.term order by w.count, w.term), array_agg(w.weight order by w.count, w.term),
           rare_enough(array_agg(w.count order by w.count, w.term), array_agg(w.share order by w.count, w.term),
                       read_so_far(v_bases, v_allowed)), (select nullif(sum(s.idf), 0) from stems s),
           (select array_agg(s.stem order by s.place) from stems s),
           (select array_agg(s.idf order by s.place) from stems s)
      into v_terms, v_weights, v_rare, v_total, v_stems, v_idf from wanted w;
    v_near := near_pairs(v_stems);
  end if;
  with bases as materialized (
    select b.id, b.allowed from unnest(v_bases, v_allowed) b(id, allowed)
  ), near as materialized (
    select b.id as base, n.number, n.likeness from jsonb_to_recordset(p_vectors) v(model text, dimensions int, vector text)
      join embedding_spaces s on s.model = v.model and s.dimensions = v.dimensions
      join knowledge_bases k on k.served_space = s.id and k.id = any (v_bases)
      join bases b on b.id = k.id
     cross join lateral nearest(p_org, b.id, s.id, s.dimensions, v.vector, greatest(100, v_reread), b.allowed) n
  ), words as materialized (
    select b.id as base, r.numbers, r.scores, r.total from bases b cross join lateral rank_words(
      p_org, b.id, v_terms, v_weights, v_rare, b.allowed, v_reread, p_threshold * v_total) r
  ), first as (
    select w.base, r.number, r.score from words w cross join lateral unnest(w.numbers, w.scores) r(number, score)
     order by r.score desc, w.base, r.number limit v_reread
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
       and not (c.content like '#%' and is_lone_title(c.document_id, c.ordinal, c.heading, c.content))
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
     order by x.score desc, x.id limit least(greatest(p_limit, 1), 500)
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

do $$
begin
  perform agentes.lock_helper('agentes.read_so_far(uuid[], int4multirange[])');
end $$;

select agentes.migration_applied('20261128080000');

notify pgrst, 'reload schema';
