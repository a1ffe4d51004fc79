-- Embedding as a job that lives in its base's row: claimed with a lease, resumed where it stopped,
-- served once whole. New vectors are built beside those that are searched.

create function agentes.wanted_model(p_own text, p_default text) returns text
language sql immutable as $$ select nullif(coalesce(p_own, p_default), 'none') $$;
comment on function agentes.wanted_model(text, text) is 'The embedding model of a base: its own, or the service''s.';

create function public.embeddings_claim_v1(
  p_lease_id uuid, p_lease_s int, p_limit int, p_models jsonb, p_default text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_base agentes.knowledge_bases;
  v_wanted text;
  v_chunks jsonb;
  v_next int;
begin
  if to_regclass('agentes.chunk_vectors') is null then
    return null;
  end if;
  select b.* into v_base from knowledge_bases b join base_totals t on t.knowledge_base_id = b.id
   where (b.embedding_until is null or b.embedding_until < now())
     and split_part(wanted_model(b.embedding_model, p_default), '/', 1) in (select jsonb_array_elements_text(p_models))
     and (b.building_model is distinct from wanted_model(b.embedding_model, p_default)
          or b.embedded_to < t.next_number)
   order by b.embedding_until nulls first, b.id limit 1 for update of b skip locked;
  if not found then
    return null;
  end if;
  select next_number into v_next from base_totals where knowledge_base_id = v_base.id;
  v_wanted := wanted_model(v_base.embedding_model, p_default);
  if v_base.building_model is distinct from v_wanted then
    v_base.embedded_to := 0;
    v_base.building_space := null;
    v_base.embedding_failures := 0;
    v_base.embedding_progress := 0;
    delete from chunk_vectors v where v.knowledge_base_id = v_base.id
       and v.space_id is distinct from v_base.served_space;
  end if;
  update knowledge_bases b set building_model = v_wanted, embedded_to = v_base.embedded_to,
         building_space = v_base.building_space, embedding_failures = v_base.embedding_failures,
         embedding_progress = v_base.embedding_progress,
         embedding_lease = p_lease_id, embedding_until = now() + make_interval(secs => p_lease_s)
   where b.id = v_base.id;
  select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'number', c.number, 'text', c.text,
           'sha256', c.sha256, 'is_known', exists (select from cached_vectors k
              where k.organization_id = v_base.organization_id and k.model = v_wanted and k.sha256 = c.sha256))
           order by c.number), '[]') into v_chunks
    from (select x.id, x.number, x.text, encode(sha256(convert_to(x.text, 'UTF8')), 'hex') as sha256
            from (select c.id, c.number, concat_ws(E'\n', nullif(c.heading, ''), c.content) as text from chunks c
                   where c.knowledge_base_id = v_base.id and c.number >= v_base.embedded_to
                   order by c.number limit p_limit) x) c;
  return jsonb_build_object('id', v_base.id, 'organization_id', v_base.organization_id, 'model', v_wanted,
    'lease_id', p_lease_id, 'failures', v_base.embedding_failures, 'next_number', v_next, 'chunks', v_chunks);
end $$;
comment on function public.embeddings_claim_v1(uuid, int, int, jsonb, text) is
  'Leases a base whose chunks want vectors, with the next of them; null where there is none.';

create function public.embeddings_keep_v1(
  p_org uuid, p_id uuid, p_lease_id uuid, p_dimensions int, p_rows jsonb, p_done_to int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_base agentes.knowledge_bases;
  v_space int;
  v_next int := coalesce((select next_number from base_totals where organization_id = p_org
                             and knowledge_base_id = p_id), 0);
begin
  select * into v_base from knowledge_bases where organization_id = p_org and id = p_id
     and embedding_lease = p_lease_id for update;
  if not found then
    return '"lost"';
  end if;
  v_space := coalesce(v_base.building_space, case when p_dimensions is null
    then (select max(s.id) from embedding_spaces s where s.model = v_base.building_model)
    else open_space(v_base.building_model, p_dimensions) end);
  if p_dimensions is not null and v_space <> open_space(v_base.building_model, p_dimensions) then
    -- The model behind the name has changed: nothing that was built fits what comes now.
    update knowledge_bases set building_model = null, embedding_lease = null, embedding_until = null where id = p_id;
    delete from cached_vectors where organization_id = p_org and model = v_base.building_model;
    return '"changed"';
  end if;
  if v_space is not null then
    perform keep_vectors(p_org, p_id, v_space, p_rows);
  end if;
  update knowledge_bases b
     set building_space = v_space, embedded_to = p_done_to, embedding_failures = 0, embedding_error = null,
         embedding_lease = null, embedding_until = null,
         embedding_progress = case when p_done_to >= v_next then 100 else 100 * p_done_to / v_next end,
         served_space = case when p_done_to >= v_next then v_space else b.served_space end,
         served_embedding_model = case when p_done_to >= v_next then b.building_model
                                       else b.served_embedding_model end
   where b.id = p_id;
  if p_done_to >= v_next and v_base.served_space is distinct from v_space then
    delete from chunk_vectors where knowledge_base_id = p_id and space_id is distinct from v_space;
  end if;
  return '"kept"';
end $$;
comment on function public.embeddings_keep_v1(uuid, uuid, uuid, int, jsonb, int) is
  'Keeps the vectors of a batch; with the last one the base is searched by them. Says "lost" or "changed".';

create function public.embeddings_postpone_v1(
  p_org uuid, p_id uuid, p_lease_id uuid, p_pause_s int, p_error text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  update knowledge_bases set embedding_lease = null, embedding_error = p_error,
         embedding_failures = embedding_failures + 1, embedding_until = now() + make_interval(secs => p_pause_s)
   where organization_id = p_org and id = p_id and embedding_lease = p_lease_id;
  return to_jsonb(found);
end $$;
comment on function public.embeddings_postpone_v1(uuid, uuid, uuid, int, text) is
  'Gives a batch back until after a pause, with what went wrong.';

create function public.knowledge_base_reindex_v1(p_org uuid, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count bigint;
begin
  perform set_config('app.org', p_org::text, true);
  update documents set status = 'queued', progress = 0, attempts = 0, error = null, updated_at = now()
   where organization_id = p_org and knowledge_base_id = p_id and status in ('ready', 'failed');
  get diagnostics v_count = row_count;
  return to_jsonb(v_count);
end $$;
comment on function public.knowledge_base_reindex_v1(uuid, uuid) is
  'Queues all documents of a base anew; each is searched as it was until it is whole again. Tells how many.';

create function public.cached_vectors_sweep_v1() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count bigint := 0;
begin
  if to_regclass('agentes.cached_vectors') is not null then
    delete from cached_vectors where used_at < now() - interval '30 days';
    get diagnostics v_count = row_count;
  end if;
  return to_jsonb(v_count);
end $$;
comment on function public.cached_vectors_sweep_v1() is 'Forgets vectors that no text has wanted for a month.';

do $$
begin
  perform agentes.lock_helper('agentes.wanted_model(text, text)');
  perform agentes.lock_function('public.embeddings_claim_v1(uuid, int, int, jsonb, text)', 'agentes_system');
  perform agentes.lock_function('public.embeddings_keep_v1(uuid, uuid, uuid, int, jsonb, int)', 'agentes_system');
  perform agentes.lock_function('public.embeddings_postpone_v1(uuid, uuid, uuid, int, text)', 'agentes_system');
  perform agentes.lock_function('public.knowledge_base_reindex_v1(uuid, uuid)', 'agentes_tenant');
  perform agentes.lock_function('public.cached_vectors_sweep_v1()', 'agentes_system');
end $$;

select agentes.migration_applied('20261126070400');

notify pgrst, 'reload schema';
