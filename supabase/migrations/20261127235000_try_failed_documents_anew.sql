-- The bytes of a document that has failed, sent again: it is tried anew, as it is sent now.

create function public.document_retry_v1(p_org uuid, p_id uuid, p_document jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_document agentes.documents;
begin
  perform set_config('app.org', p_org::text, true);
  -- The name is looked at where a format is told, so that the bytes may be of another format now.
  update documents d
     set status = 'queued', progress = 0, attempts = 0, error = null, updated_at = now(),
         name = p_document->>'name', content_type = p_document->>'content_type',
         metadata = p_document->'metadata'
   where d.organization_id = p_org and d.id = p_id and d.status = 'failed'
     and d.sha256 = p_document->>'sha256' returning * into v_document;
  return case when found then to_jsonb(v_document) end;
end $$;
comment on function public.document_retry_v1(uuid, uuid, jsonb) is
  'Queues a document that has failed anew, under the name and with the metadata sent now; null if it has not failed.';

do $$
begin
  perform agentes.lock_function('public.document_retry_v1(uuid, uuid, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261127235000');

notify pgrst, 'reload schema';
