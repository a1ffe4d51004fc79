-- As it was, but that vectors are compared before they are put in order: in order first, all of a table
-- were sorted with their vectors, on disk, before a filter let a part of them through.

create or replace function agentes.nearest(
  p_org uuid, p_base uuid, p_space int, p_dimensions int, p_vector text, p_limit int, p_allowed int4multirange
) returns table (number int, likeness double precision)
language plpgsql stable set search_path = pg_catalog, agentes
set enable_sort = off set enable_seqscan = off as $$
declare
  v_count double precision := (select t.chunk_count from base_totals t where t.knowledge_base_id = p_base);
  v_wanted double precision := case when p_allowed is null then v_count else
    (select coalesce(sum(upper(r) - lower(r)), 0) from unnest(p_allowed) r) end;
  v_graph double precision := greatest(v_count, (select c.reltuples from pg_class c
                                                  where c.oid = to_regclass('agentes.chunk_vectors_near_' || p_space)));
begin
  -- A hundred are found after about a hundred times graph / wanted steps; a step costs some five
  -- comparisons. Up to 5,000 are compared in any case: it is exact.
  if v_wanted <= greatest(5000, sqrt(500 * v_graph)) then
    return query execute
      'select x.number, 1 - x.distance from (
         select v.number, v.vector <=> (select $4::halfvec) as distance
           from unnest(coalesce($5, ''{(,)}'')) r join chunk_vectors v
             on v.number >= coalesce(lower(r), 0) and v.number < coalesce(upper(r), 2147483647)
          where v.knowledge_base_id = $2 and v.space_id = $3 and v.organization_id = $1 offset 0) x
        order by x.distance limit $6'
      using p_org, p_base, p_space, p_vector, p_allowed, p_limit;
    return;
  end if;
  perform set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '100', true),
          set_config('hnsw.max_scan_tuples', '40000', true);
  return query execute format(
    'select v.number, 1 - (v.vector::halfvec(%1$s) <=> $3::halfvec(%1$s)) from chunk_vectors v
      where v.space_id = %2$s and v.knowledge_base_id = $2 and v.organization_id = $1
        and ($4 is null or v.number <@ $4) order by v.vector::halfvec(%1$s) <=> $3::halfvec(%1$s) limit $5',
    p_dimensions, p_space) using p_org, p_base, p_vector, p_allowed, p_limit;
end $$;

do $$
declare
  v_schema text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
                     where e.extname = 'vector');
begin
  if to_regclass('agentes.chunk_vectors') is not null then
    execute format('alter function agentes.nearest(uuid, uuid, int, int, text, int, int4multirange)
      set search_path = pg_catalog, agentes, %I', v_schema);
  end if;
end $$;

select agentes.migration_applied('20261126220700');

notify pgrst, 'reload schema';
