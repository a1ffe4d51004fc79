-- Vectors are compared one by one where that is quicker than walking the graph, which holds those of
-- every organization: the smaller a base's share of it, the more of others' the walk passes on its way.

create or replace function agentes.nearest(
  p_org uuid, p_base uuid, p_space int, p_dimensions int, p_vector text, p_limit int, p_allowed int4multirange
) returns table (number int, likeness double precision)
language plpgsql stable set search_path = pg_catalog, agentes set enable_sort = off as $$
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
      'select v.number, 1 - (v.vector <=> $4::halfvec)
         from unnest(coalesce($5, ''{(,)}'')) r join chunk_vectors v
           on v.number >= coalesce(lower(r), 0) and v.number < coalesce(upper(r), 2147483647)
        where v.knowledge_base_id = $2 and v.space_id = $3 and v.organization_id = $1
        order by v.vector <=> $4::halfvec limit $6'
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

-- As it was, but that vectors lie in their rows: they are read again and again while they are compared,
-- and beside its row each would be looked up first.
create or replace function agentes.enable_vectors() returns boolean
language plpgsql as $$
declare
  v_schema text;
begin
  if to_regclass('agentes.chunk_vectors') is not null then
    return true;
  end if;
  begin
    if exists (select from pg_namespace where nspname = 'extensions') then
      create extension if not exists vector with schema extensions;
    else
      create extension if not exists vector;
    end if;
    select n.nspname into strict v_schema from pg_extension e join pg_namespace n on n.oid = e.extnamespace
     where e.extname = 'vector';
    execute format('create table agentes.chunk_vectors (
      organization_id uuid not null, knowledge_base_id uuid not null, space_id integer not null,
      number integer not null, chunk_id uuid not null references agentes.chunks on delete cascade,
      vector %I.halfvec not null, primary key (chunk_id, space_id))
      with (toast_tuple_target = 8160)', v_schema);
  exception when others then
    raise notice 'without vectors: %', sqlerrm;
    return false;
  end;
  comment on table agentes.chunk_vectors is 'What chunks mean, as vectors of one or two spaces.';
  create index chunk_vectors_by_number on agentes.chunk_vectors (knowledge_base_id, space_id, number);
  execute format('create table agentes.cached_vectors (
    organization_id uuid not null, model text not null, sha256 text not null, vector %I.halfvec not null,
    used_at timestamptz not null default now(), primary key (organization_id, model, sha256))', v_schema);
  comment on table agentes.cached_vectors is 'Vectors of texts that were embedded lately, by content.';
  perform agentes.lock_table('agentes.chunk_vectors');
  perform agentes.lock_table('agentes.cached_vectors');
  execute format('alter function agentes.nearest(uuid, uuid, int, int, text, int, int4multirange)
    set search_path = pg_catalog, agentes, %I', v_schema);
  execute format('alter function agentes.likeness(uuid, int, uuid[], text) set search_path = pg_catalog, agentes, %I', v_schema);
  execute format('alter function agentes.keep_vectors(uuid, uuid, int, jsonb)
    set search_path = pg_catalog, agentes, %I', v_schema);
  execute format('alter function agentes.open_space(text, int) set search_path = pg_catalog, agentes, %I', v_schema);
  return true;
end $$;

do $$
declare
  v_schema text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
                     where e.extname = 'vector');
begin
  if to_regclass('agentes.chunk_vectors') is not null then
    execute format('alter function agentes.nearest(uuid, uuid, int, int, text, int, int4multirange)
      set search_path = pg_catalog, agentes, %I', v_schema);
    alter table agentes.chunk_vectors set (toast_tuple_target = 8160);
  end if;
end $$;

select agentes.migration_applied('20261126150300');

notify pgrst, 'reload schema';
