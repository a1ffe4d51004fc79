-- The search itself: candidates from the rarest stems, then one score over all of them.

create function agentes.query_stems(p_org uuid, p_bases uuid[], p_query text)
returns table (stem text, query tsquery, chunk_count bigint, idf double precision)
language sql stable as $$
  with bases as (
    select b.id, split_part(lower(b.language), '-', 1) as language, b.language as tag
      from agentes.knowledge_bases b where b.organization_id = p_org and b.id = any (p_bases)
  ), asked as (
    select distinct s.stem, s.stem = any (coalesce(n.stems, '{}')) as is_noise
      from (select distinct language, tag from bases) l
      left join agentes.query_noise n on n.language = l.language
     cross join lateral unnest(tsvector_to_array(agentes.text_vector(l.tag, left(p_query, 2000)))) s(stem)
  ), chosen as (
    select a.stem from asked a where not a.is_noise or not exists (select from asked where not is_noise)
     limit 64
  ), totals as (
    select coalesce(sum(t.chunk_count), 0)::double precision as chunks from agentes.base_totals t
     where t.organization_id = p_org and t.knowledge_base_id = any (p_bases)
  ), counted as (
    select c.stem, coalesce((select sum(t.chunk_count) from agentes.terms t
                              where t.organization_id = p_org and t.knowledge_base_id = any (p_bases)
                                and t.term = c.stem), 0)::bigint as chunk_count
      from chosen c
  )
  select c.stem, ('''' || replace(replace(c.stem, '\', '\\'), '''', '''''') || '''')::tsquery, c.chunk_count,
         ln(1 + (greatest(t.chunks - c.chunk_count, 0) + 0.5) / (c.chunk_count + 0.5))
    from counted c, totals t
$$;
comment on function agentes.query_stems(uuid, uuid[], text) is
  'The stems of a question that say something, with the weight that their rarity gives them (BM25''s idf).';

create function agentes.excerpts(p_language text, p_content text, p_query tsquery) returns jsonb
language sql stable as $$
  select coalesce(jsonb_agg(left(s.sentence, 200) order by s.place), '[]') from (
    select trim(sentence) as sentence, place
      from regexp_split_to_table(left(p_content, 4000), '(?<=[.!?])\s+|\n+') with ordinality t(sentence, place)
     where agentes.text_vector(p_language, sentence) @@ p_query
     order by place limit 3) s
$$;
comment on function agentes.excerpts(text, text, tsquery) is 'Up to three sentences in which a stem of the question stands.';

create function public.knowledge_search_v1(
  p_org uuid, p_base_ids jsonb, p_query text, p_limit int,
  p_threshold double precision default 0, p_filters jsonb default '{}'
) returns jsonb language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
declare
  -- BM25's length normalisation (b), and how fast a repeated stem stops counting. ts_rank of one
  -- stem is 0.1 * 6/pi^2 * (1 + 1/4 + 1/9 ...), which saturates by itself.
  c_length constant double precision := 0.6;
  c_saturation constant double precision := 0.25;
  c_candidates constant int := 3000;
  v_bases uuid[] := array(select value::uuid from jsonb_array_elements_text(p_base_ids));
  v_queries tsquery[];
  v_idf double precision[];
  v_idf_total double precision;
  v_any tsquery;
  v_rare tsquery;
  v_average double precision;
  v_result jsonb;
begin
  select array_agg(s.query order by s.stem) filter (where s.chunk_count > 0),
         array_agg(s.idf order by s.stem) filter (where s.chunk_count > 0), sum(s.idf)
    into v_queries, v_idf, v_idf_total from query_stems(p_org, v_bases, p_query) s;
  if v_queries is null or v_idf_total <= 0 then
    return jsonb_build_object('data', '[]'::jsonb, 'total_results', 0);
  end if;
  -- Stems from the rarest on, as long as they bring no more than the cap; at least the rarest one.
  select string_agg(r.query::text, ' | ')::tsquery into v_rare from (
    select s.query, s.chunk_count, sum(s.chunk_count) over (order by s.chunk_count, s.stem) as so_far,
           row_number() over (order by s.chunk_count, s.stem) as place
      from query_stems(p_org, v_bases, p_query) s where s.chunk_count > 0) r
   where r.so_far <= c_candidates or r.place = 1;
  select string_agg(q::text, ' | ')::tsquery into v_any from unnest(v_queries) q;
  select greatest(sum(t.term_count)::double precision / nullif(sum(t.chunk_count), 0), 1) into v_average
    from base_totals t where t.organization_id = p_org and t.knowledge_base_id = any (v_bases);
  with candidates as (
    select c.id, c.document_id, c.terms, c.term_count from chunks c
     where c.terms @@ v_rare and c.organization_id = p_org and c.knowledge_base_id = any (v_bases)
       and (p_filters = '{}' or exists (select from documents d
                                        where d.id = c.document_id and d.metadata @> p_filters))
     limit c_candidates
  ), scored as (
    select c.id, (select sum(v_idf[i] * hit.r / (hit.r + c_saturation
                             * (1 - c_length + c_length * c.term_count / v_average)))
                    from generate_subscripts(v_queries, 1) i
                   cross join lateral (select ts_rank(c.terms, v_queries[i]) * 10 as r) hit
                   where hit.r > 0) * (1 + c_saturation) / v_idf_total as score
      from candidates c
  ), kept as (
    select s.id, least(s.score, 1) as score, count(*) over () as total from scored s
     where s.score >= p_threshold order by s.score desc, s.id limit least(greatest(p_limit, 1), 50)
  )
  select jsonb_build_object('total_results', coalesce(max(k.total), 0), 'data', coalesce(jsonb_agg(
           jsonb_build_object(
             'id', c.id, 'document_id', c.document_id, 'knowledge_base_id', c.knowledge_base_id,
             'name', d.name, 'content', c.content, 'heading', c.heading, 'page', c.page,
             'ordinal', c.ordinal, 'char_start', c.char_start, 'char_end', c.char_end,
             'metadata', d.metadata, 'score', round(k.score::numeric, 4),
             'scores', jsonb_build_object('lexical', round(k.score::numeric, 4), 'semantic', null),
             'highlights', excerpts(b.language, c.content, v_any)) order by k.score desc, k.id), '[]'))
    into v_result
    from kept k join chunks c on c.id = k.id join documents d on d.id = c.document_id
    join knowledge_bases b on b.id = c.knowledge_base_id;
  return v_result;
end $$;
comment on function public.knowledge_search_v1(uuid, jsonb, text, int, double precision, jsonb) is
  'Passages of some bases, best first. A score is the share of the question''s weight that a passage covers.';

do $$
declare
  v_function text;
begin
  foreach v_function in array array['chunks', 'staged_chunks', 'terms', 'base_totals'] loop
    perform agentes.lock_table(('agentes.' || v_function)::regclass);
  end loop;
  perform agentes.revoke_from_strangers('table agentes.query_noise');
  grant select on agentes.query_noise to agentes_system;
  foreach v_function in array array[
    'text_configuration(text)', 'portuguese_endings(text)', 'text_vector(text, text)',
    'stage_chunks(uuid, uuid, jsonb)', 'discard_staged(uuid, uuid)', 'remove_chunks(uuid, uuid)',
    'publish_chunks(uuid, uuid)', 'query_stems(uuid, uuid[], text)', 'excerpts(text, text, tsquery)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_function)::regprocedure);
  end loop;
  perform agentes.lock_function(
    'public.knowledge_search_v1(uuid, jsonb, text, int, double precision, jsonb)', 'agentes_system');
  insert into agentes.catalogue (name, hidden) values ('chunks', '{terms,term_count}');
end $$;

notify pgrst, 'reload schema';
