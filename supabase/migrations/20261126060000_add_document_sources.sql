-- Where a document came from: an address that can be asked again, or a question with its answer; and
-- indexing anew what is there.

alter table agentes.documents
  add column question text,
  add column source_url text,
  add column source_etag text,
  add column source_modified text,
  add column fetched_at timestamptz;
create unique index documents_by_source on agentes.documents (knowledge_base_id, source_url)
  where source_url is not null;

create function public.document_create_v2(p_org uuid, p_document jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_document agentes.documents;
begin
  perform set_config('app.org', p_org::text, true);
  if not exists (select from knowledge_bases where organization_id = p_org
                    and id = (p_document->>'knowledge_base_id')::uuid) then
    return jsonb_build_object('outcome', 'base_not_found');
  end if;
  insert into documents (id, organization_id, knowledge_base_id, name, content_type, size_bytes, sha256, metadata,
                         question, source_url, source_etag, source_modified, fetched_at)
  select d.id, p_org, d.knowledge_base_id, d.name, d.content_type, d.size_bytes, d.sha256, d.metadata,
         d.question, d.source_url, d.source_etag, d.source_modified, case when d.source_url is not null then now() end
    from jsonb_populate_record(null::documents, p_document) d
  on conflict do nothing returning * into v_document;
  if found then
    return jsonb_build_object('outcome', 'created', 'document', to_jsonb(v_document));
  end if;
  select * into v_document from documents
   where organization_id = p_org and knowledge_base_id = (p_document->>'knowledge_base_id')::uuid
     and (sha256 = p_document->>'sha256' or source_url = p_document->>'source_url')
   order by sha256 = p_document->>'sha256' desc limit 1;
  return jsonb_build_object('outcome', 'duplicate', 'document', to_jsonb(v_document));
end $$;
comment on function public.document_create_v2(uuid, jsonb) is
  'Queues a document for indexing; the same bytes or address in the same base give the document that is there.';

create function public.document_reindex_v1(p_org uuid, p_id uuid, p_source jsonb default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_document agentes.documents;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_document from documents where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  if exists (select from documents where organization_id = p_org and id <> p_id
                and knowledge_base_id = v_document.knowledge_base_id and sha256 = p_source->>'sha256') then
    return jsonb_build_object('outcome', 'duplicate');
  end if;
  -- Whoever is at work on it loses the lease, and with it what was staged: of the earlier bytes, or
  -- cut in other sizes.
  perform discard_staged(p_org, p_id);
  update documents d
     set status = 'queued', progress = 0, attempts = 0, error = null, lease_id = null, lease_until = null,
         updated_at = now(), content_type = coalesce(p_source->>'content_type', d.content_type),
         size_bytes = coalesce((p_source->>'size_bytes')::bigint, d.size_bytes),
         sha256 = coalesce(p_source->>'sha256', d.sha256),
         source_etag = case when p_source ? 'sha256' then p_source->>'source_etag' else d.source_etag end,
         source_modified = case when p_source ? 'sha256' then p_source->>'source_modified' else d.source_modified end,
         fetched_at = case when p_source is null then d.fetched_at else now() end
   where d.organization_id = p_org and d.id = p_id returning * into v_document;
  return jsonb_build_object('outcome', 'queued', 'document', to_jsonb(v_document));
end $$;
comment on function public.document_reindex_v1(uuid, uuid, jsonb) is
  'Queues a document anew, with what was fetched if that has changed; it is searched as it was until it is whole again.';

do $$
begin
  perform agentes.lock_function('public.document_create_v2(uuid, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.document_reindex_v1(uuid, uuid, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261126060000');

notify pgrst, 'reload schema';
