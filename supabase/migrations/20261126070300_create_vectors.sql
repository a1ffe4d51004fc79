-- Vectors of chunks, where pgvector is installed. A space is a model and the length of its vectors:
-- vectors of two spaces are never compared. Without pgvector all bases are searched lexically.

alter table agentes.knowledge_bases
  add column embedding_model text,
  add column served_embedding_model text,
  add column embedding_progress integer not null default 0,
  add column embedding_error text,
  add column served_space integer,
  add column building_model text,
  add column building_space integer,
  add column embedded_to integer not null default 0,
  add column embedding_lease uuid,
  add column embedding_until timestamptz,
  add column embedding_failures integer not null default 0;
comment on column agentes.knowledge_bases.embedded_to is
  'Chunks below this number have vectors in the space that is being built; numbers only grow.';

create table agentes.embedding_spaces (
  id integer generated always as identity primary key,
  model text not null,
  dimensions integer not null check (dimensions between 1 and 4000),
  unique (model, dimensions)
);
comment on table agentes.embedding_spaces is 'Embedding models and the length of their vectors.';

create function agentes.note_growth() returns trigger
language plpgsql as $$
begin
  update agentes.knowledge_bases set embedding_progress = 100::bigint * embedded_to / new.next_number
   where id = new.knowledge_base_id and building_model is not null and embedded_to < new.next_number;
  return new;
end $$;
comment on function agentes.note_growth() is 'Lets a base that grows tell that some of it has no vectors yet.';
create trigger note_growth after update of next_number on agentes.base_totals
  for each row execute function agentes.note_growth();

create function agentes.enable_vectors() returns boolean
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
      vector %I.halfvec not null, primary key (chunk_id, space_id))', v_schema);
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
comment on function agentes.enable_vectors() is
  'Makes what vectors need; run it as the owner of the schema once pgvector is installed later than this.';

-- Runs as the owner of the tables, who alone may make an index. All that reaches the statement is numbers.
create function agentes.open_space(p_model text, p_dimensions int) returns int
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_id int;
begin
  select id into v_id from embedding_spaces where model = p_model and dimensions = p_dimensions;
  if found then
    return v_id;
  end if;
  insert into embedding_spaces (model, dimensions) values (p_model, p_dimensions)
  on conflict (model, dimensions) do update set model = excluded.model returning id into v_id;
  execute format('create index if not exists chunk_vectors_near_%1$s on agentes.chunk_vectors
    using hnsw ((vector::halfvec(%2$s)) halfvec_cosine_ops) where space_id = %1$s', v_id, p_dimensions);
  return v_id;
end $$;
comment on function agentes.open_space(text, int) is 'The space of a model''s vectors, with an index of its own.';

create function agentes.nearest(
  p_org uuid, p_base uuid, p_space int, p_dimensions int, p_vector text, p_limit int, p_allowed int4multirange
) returns table (number int, likeness double precision)
language plpgsql stable set search_path = pg_catalog, agentes as $$
declare
  v_count bigint := (select t.chunk_count from base_totals t where t.knowledge_base_id = p_base);
begin
  -- A small base is compared whole, which is exact and quick; the index holds those of everyone.
  if v_count <= 5000 then
    return query execute
      'select v.number, 1 - (v.vector <=> $4::halfvec) from chunk_vectors v
        where v.knowledge_base_id = $2 and v.space_id = $3 and v.organization_id = $1
          and ($5 is null or v.number <@ $5) order by v.vector <=> $4::halfvec limit $6'
      using p_org, p_base, p_space, p_vector, p_allowed, p_limit;
    return;
  end if;
  perform set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '100', true);
  return query execute format(
    'select v.number, 1 - (v.vector::halfvec(%1$s) <=> $3::halfvec(%1$s)) from chunk_vectors v
      where v.space_id = %2$s and v.knowledge_base_id = $2 and v.organization_id = $1
        and ($4 is null or v.number <@ $4) order by v.vector::halfvec(%1$s) <=> $3::halfvec(%1$s) limit $5',
    p_dimensions, p_space) using p_org, p_base, p_vector, p_allowed, p_limit;
end $$;
comment on function agentes.nearest(uuid, uuid, int, int, text, int, int4multirange) is
  'The chunks of a base whose vectors point most nearly where this one does; 1 is the same direction.';

create function agentes.likeness(p_base uuid, p_space int, p_chunk_ids uuid[], p_vector text)
returns table (chunk_id uuid, likeness double precision)
language plpgsql stable set search_path = pg_catalog, agentes as $$
begin
  return query execute 'select v.chunk_id, 1 - (v.vector <=> $3::halfvec) from chunk_vectors v
                         where v.chunk_id = any ($2) and v.space_id = $1 and v.knowledge_base_id = $4'
    using p_space, p_chunk_ids, p_vector, p_base;
end $$;
comment on function agentes.likeness(uuid, int, uuid[], text) is 'How nearly the vectors of these chunks point where this one does.';

create function agentes.keep_vectors(p_org uuid, p_base uuid, p_space int, p_rows jsonb) returns int
language plpgsql set search_path = pg_catalog, agentes as $$
declare
  v_count int;
  v_model text := (select model from embedding_spaces where id = p_space);
begin
  insert into cached_vectors as k (organization_id, model, sha256, vector)
  select distinct on (r.sha256) p_org, v_model, r.sha256, r.vector::halfvec
    from jsonb_to_recordset(p_rows) r(sha256 text, vector text) where r.vector is not null
  on conflict (organization_id, model, sha256) do update set used_at = now();
  insert into chunk_vectors (organization_id, knowledge_base_id, space_id, number, chunk_id, vector)
  select p_org, p_base, p_space, c.number, c.id, k.vector
    from jsonb_to_recordset(p_rows) r(id uuid, sha256 text)
    join chunks c on c.id = r.id and c.organization_id = p_org and c.knowledge_base_id = p_base
    join cached_vectors k on k.organization_id = p_org and k.model = v_model and k.sha256 = r.sha256
  on conflict (chunk_id, space_id) do nothing;
  get diagnostics v_count = row_count;
  return v_count;
end $$;
comment on function agentes.keep_vectors(uuid, uuid, int, jsonb) is
  'Keeps vectors, those that came and those that were known; chunks that are gone meanwhile are passed over.';

do $$
declare
  v_function text;
begin
  perform agentes.revoke_from_strangers('table agentes.embedding_spaces');
  perform agentes.revoke_from_strangers('function agentes.enable_vectors()');
  perform agentes.revoke_from_strangers('function agentes.note_growth()');
  grant select on agentes.embedding_spaces to agentes_tenant, agentes_system;
  foreach v_function in array array[
    'open_space(text, int)', 'nearest(uuid, uuid, int, int, text, int, int4multirange)',
    'likeness(uuid, int, uuid[], text)', 'keep_vectors(uuid, uuid, int, jsonb)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_function)::regprocedure);
  end loop;
  perform agentes.enable_vectors();
  update agentes.catalogue set hidden = hidden || '{served_space,building_model,building_space,embedded_to,
    embedding_lease,embedding_until,embedding_failures}' where name = 'knowledge_bases';
end $$;

select agentes.migration_applied('20261126070300');

notify pgrst, 'reload schema';
