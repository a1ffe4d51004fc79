-- The search: what its words find and what its vector finds, with one score over all of it.

create function agentes.fused(
  p_lexical double precision, p_semantic double precision, p_best double precision,
  p_least double precision, p_nearest double precision
) returns double precision
language sql immutable parallel safe as $$
  -- A weighted sum of both, each as a share of what this question's best has: ranks alone would let
  -- the worse of the two spoil the better. The less of a question its words cover, the more vectors
  -- count. Scaled back, so that a question to which nothing fits has low scores.
  select case when p_nearest is null then p_lexical else
    ((1 - w.share) * coalesce(p_lexical / nullif(p_best, 0), 0)
     + w.share * coalesce((p_semantic - p_least) / nullif(p_nearest - p_least, 0),
                          case when p_semantic is null then 0 else 1 end))
    * greatest(least(p_best, 1), p_nearest, 0) end
  from (select case when coalesce(p_best, 0) = 0 then 1.0 else 0.05 + 0.5 * (1 - least(p_best, 1)) ^ 2 end as share) w
$$;
comment on function agentes.fused(double precision, double precision, double precision, double precision,
                                  double precision) is
  'One score from the share of the question that a chunk covers and from how near its vector is.';

create function agentes.felt_too(p_org uuid, p_bases uuid[], p_vectors jsonb, p_chunk_ids uuid[])
returns table (chunk_id uuid, likeness double precision)
language plpgsql stable as $$
begin
  if cardinality(p_chunk_ids) > 0 then
    return query select l.chunk_id, l.likeness
      from jsonb_to_recordset(p_vectors) v(model text, dimensions int, vector text)
      join agentes.embedding_spaces s on s.model = v.model and s.dimensions = v.dimensions
      join agentes.knowledge_bases b on b.served_space = s.id and b.id = any (p_bases) and b.organization_id = p_org
     cross join lateral agentes.likeness(b.id, s.id, p_chunk_ids, v.vector) l;
  end if;
end $$;
comment on function agentes.felt_too(uuid, uuid[], jsonb, uuid[]) is
  'How near the vectors of chunks are that were found by their words.';

create function public.knowledge_search_v2(
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
  -- Planning took as long as searching, and every question is served well by the same plan.
  perform set_config('plan_cache_mode', 'force_generic_plan', true);
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
  ), ranked as materialized (
    select b.id as base, r.number, r.score / v_total as score from bases b
     cross join lateral rank_lexically(p_org, b.id, v_terms, v_weights, v_rare, b.allowed) r
  ), near as materialized (
    select b.id as base, n.number, n.likeness from jsonb_to_recordset(p_vectors) v(model text, dimensions int, vector text)
      join embedding_spaces s on s.model = v.model and s.dimensions = v.dimensions
      join knowledge_bases k on k.served_space = s.id and k.id = any (v_bases)
      join bases b on b.id = k.id
     cross join lateral nearest(p_org, b.id, s.id, s.dimensions, v.vector, 100, b.allowed) n
  ), first as (
    select r.base, r.number, r.score from ranked r order by r.score desc, r.base, r.number limit c_reread
  ), pool as materialized (
    select base, number, n.likeness from first f full join near n using (base, number)
  ), reread as materialized (
    select c.id, p.base, p.likeness, coalesce(r.score, 0) + coalesce((
             select sum(least(v_idf[1 + (i - 1) / 3], v_idf[2 + (i - 1) / 3]) / (1 + (i - 1) % 3))
               from generate_subscripts(v_near, 1) i where c.terms @@ v_near[i]), 0) * 0.3 / coalesce(v_total, 1) as score
      from pool p join chunks c on c.knowledge_base_id = p.base and c.number = p.number
      left join ranked r on r.base = p.base and r.number = p.number
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
           'total_results', greatest((select count(*) from ranked r where least(r.score, 1) >= p_threshold),
                                     (select count(*) from kept)),
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
comment on function public.knowledge_search_v2(uuid, jsonb, text, int, double precision, jsonb, jsonb, text) is
  'Passages of some bases, best first, by words, by vectors of the bases'' spaces, or by both.';

do $$
begin
  perform agentes.lock_helper('agentes.felt_too(uuid, uuid[], jsonb, uuid[])');
  perform agentes.lock_helper(
    'agentes.fused(double precision, double precision, double precision, double precision, double precision)');
  perform agentes.lock_function(
    'public.knowledge_search_v2(uuid, jsonb, text, int, double precision, jsonb, jsonb, text)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126070500');

notify pgrst, 'reload schema';
