-- Indexing: a job that lives in its document's row, claimed with a lease that fences every step.

create function public.document_create_v1(p_org uuid, p_document jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_document agentes.documents;
begin
  perform set_config('app.org', p_org::text, true);
  if not exists (select from knowledge_bases where organization_id = p_org
                    and id = (p_document->>'knowledge_base_id')::uuid) then
    return jsonb_build_object('outcome', 'base_not_found');
  end if;
  insert into documents (id, organization_id, knowledge_base_id, name, content_type, size_bytes, sha256, metadata)
  select d.id, p_org, d.knowledge_base_id, d.name, d.content_type, d.size_bytes, d.sha256, d.metadata
    from jsonb_populate_record(null::documents, p_document) d
  on conflict (knowledge_base_id, sha256) do nothing returning * into v_document;
  if found then
    return jsonb_build_object('outcome', 'created', 'document', to_jsonb(v_document));
  end if;
  select * into v_document from documents
   where organization_id = p_org and knowledge_base_id = (p_document->>'knowledge_base_id')::uuid
     and sha256 = p_document->>'sha256';
  return jsonb_build_object('outcome', 'duplicate', 'document', to_jsonb(v_document));
end $$;
comment on function public.document_create_v1(uuid, jsonb) is
  'Queues a document for indexing; the same bytes in the same base give the document that is there.';

create function public.documents_claim_v1(p_lease_id uuid, p_lease_s int, p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_claimed jsonb;
begin
  with next as (
    select d.id from documents d
     where d.status = 'queued' or (d.status = 'processing' and d.lease_until < now())
     order by (select count(*) from documents busy where busy.organization_id = d.organization_id
                and busy.status = 'processing' and busy.lease_until >= now()), d.id
     limit p_limit for update skip locked
  ), claimed as (
    update documents d
       set status = 'processing', progress = 0, lease_id = p_lease_id, attempts = attempts + 1,
           lease_until = now() + make_interval(secs => p_lease_s), updated_at = now()
      from next where d.id = next.id returning d.*
  )
  select coalesce(jsonb_agg(to_jsonb(c) || jsonb_build_object('language', b.language, 'chunking', b.chunking)), '[]')
    into v_claimed from claimed c join knowledge_bases b on b.id = c.knowledge_base_id;
  return v_claimed;
end $$;
comment on function public.documents_claim_v1(uuid, int, int) is
  'Leases documents that wait or whose worker went silent, those of the least busy organization first.';

create function agentes.document_held(p_org uuid, p_id uuid, p_lease_id uuid) returns boolean
language sql volatile as $$
  select exists (select from agentes.documents where organization_id = p_org and id = p_id
                    and status = 'processing' and lease_id = p_lease_id for update)
$$;
comment on function agentes.document_held(uuid, uuid, uuid) is
  'Locks a document and says whether this lease still holds it; a worker that lost it is fenced off.';

create function public.document_stage_v1(
  p_org uuid, p_id uuid, p_lease_id uuid, p_lease_s int, p_chunks jsonb, p_progress int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if not document_held(p_org, p_id, p_lease_id) then
    return 'false';
  end if;
  perform stage_chunks(p_org, p_id, p_chunks);
  update documents set progress = p_progress, updated_at = now(),
         lease_until = now() + make_interval(secs => p_lease_s)
   where organization_id = p_org and id = p_id;
  return 'true';
end $$;
comment on function public.document_stage_v1(uuid, uuid, uuid, int, jsonb, int) is
  'Adds a batch of chunks out of sight, reports progress and renews the lease; false when it was lost.';

create function public.document_publish_v1(p_org uuid, p_id uuid, p_lease_id uuid, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count int;
begin
  perform set_config('app.org', p_org::text, true);
  if not document_held(p_org, p_id, p_lease_id) then
    return 'false';
  end if;
  v_count := publish_chunks(p_org, p_id);
  update documents set status = 'ready', progress = 100, chunk_count = v_count, error = null,
         lease_id = null, lease_until = null, updated_at = now()
   where organization_id = p_org and id = p_id;
  perform announce(p_org, p_events);
  return 'true';
end $$;
comment on function public.document_publish_v1(uuid, uuid, uuid, jsonb) is
  'Makes all staged chunks of a document searchable at once; false when the lease was lost.';

create function public.document_fail_v1(
  p_org uuid, p_id uuid, p_lease_id uuid, p_error jsonb, p_retry boolean, p_events jsonb
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if not document_held(p_org, p_id, p_lease_id) then
    return 'false';
  end if;
  perform discard_staged(p_org, p_id);
  update documents set status = case when p_retry then 'queued' else 'failed' end, progress = 0,
         error = p_error, lease_id = null, lease_until = null, updated_at = now()
   where organization_id = p_org and id = p_id;
  if not p_retry then
    perform announce(p_org, p_events);
  end if;
  return 'true';
end $$;
comment on function public.document_fail_v1(uuid, uuid, uuid, jsonb, boolean, jsonb) is
  'Gives a document up with the reason, or back to the queue; false when the lease was lost.';

create function public.document_delete_v1(p_org uuid, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  perform from documents where organization_id = p_org and id = p_id for update;
  if not found then
    return 'false';
  end if;
  perform discard_staged(p_org, p_id);
  perform remove_chunks(p_org, p_id);
  delete from documents where organization_id = p_org and id = p_id;
  delete from files where organization_id = p_org and key = p_id::text;
  return 'true';
end $$;
comment on function public.document_delete_v1(uuid, uuid) is
  'Deletes a document with its chunks and its file; says whether there was one.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_helper('agentes.document_held(uuid, uuid, uuid)');
  foreach v_function in array array[
    'document_create_v1(uuid, jsonb)', 'document_stage_v1(uuid, uuid, uuid, int, jsonb, int)',
    'document_publish_v1(uuid, uuid, uuid, jsonb)', 'document_delete_v1(uuid, uuid)',
    'document_fail_v1(uuid, uuid, uuid, jsonb, boolean, jsonb)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  perform agentes.lock_function('public.documents_claim_v1(uuid, int, int)', 'agentes_system');
end $$;

notify pgrst, 'reload schema';
