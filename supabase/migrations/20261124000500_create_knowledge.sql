-- Knowledge bases, their documents and the original files. Indexing a document is a job that
-- lives in its row: claimed with a lease, fenced by it, taken over when the lease has run out.

create table agentes.knowledge_bases (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  name text not null,
  description text not null default '',
  language text not null,
  chunking jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.knowledge_bases is 'Collections of documents that agents answer from.';
create index knowledge_bases_by_organization on agentes.knowledge_bases (organization_id, id desc);

create table agentes.documents (
  id uuid primary key,
  organization_id uuid not null,
  knowledge_base_id uuid not null references agentes.knowledge_bases on delete cascade,
  name text not null,
  content_type text not null,
  size_bytes bigint not null,
  sha256 text not null,
  metadata jsonb not null default '{}',
  status text not null default 'queued',
  progress integer not null default 0,
  chunk_count integer not null default 0,
  error jsonb,
  attempts integer not null default 0,
  lease_id uuid,
  lease_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (knowledge_base_id, sha256)
);
comment on table agentes.documents is 'Documents and the state of their indexing.';
create index documents_by_base on agentes.documents (knowledge_base_id, id desc);
create index documents_by_organization on agentes.documents (organization_id, id desc);
create index documents_to_index on agentes.documents (id) where status in ('queued', 'processing');

create table agentes.files (
  organization_id uuid not null,
  key text not null,
  content bytea not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, key)
);
comment on table agentes.files is 'Original files, where no object storage is configured.';
-- They are compressed already or small; decompressing a slice costs more than it saves.
alter table agentes.files alter column content set storage external;

create function public.file_put_v1(p_org uuid, p_key text, p_content_base64 text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  insert into files (organization_id, key, content) values (p_org, p_key, decode(p_content_base64, 'base64'))
  on conflict (organization_id, key) do update set content = excluded.content, created_at = now();
  return 'true';
end $$;
comment on function public.file_put_v1(uuid, text, text) is 'Keeps a file under a key, replacing an earlier one.';

create function public.file_get_v1(p_org uuid, p_key text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select to_jsonb(encode(content, 'base64')) from files where organization_id = p_org and key = p_key);
end $$;
comment on function public.file_get_v1(uuid, text) is 'A file in base64, or null.';

create function public.file_delete_v1(p_org uuid, p_key text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  delete from files where organization_id = p_org and key = p_key;
  return to_jsonb(found);
end $$;
comment on function public.file_delete_v1(uuid, text) is 'Forgets a file; says whether there was one.';

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

create function public.knowledge_base_delete_v1(p_org uuid, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  delete from files f using documents d
   where f.organization_id = p_org and f.key = d.id::text
     and d.organization_id = p_org and d.knowledge_base_id = p_id;
  delete from knowledge_bases where organization_id = p_org and id = p_id;
  if not found then
    return 'false';
  end if;
  -- An agent that names a base that is gone would be refused at its next change.
  update agents set knowledge_base_ids = knowledge_base_ids - p_id::text
   where organization_id = p_org and knowledge_base_ids ? p_id::text;
  return 'true';
end $$;
comment on function public.knowledge_base_delete_v1(uuid, uuid) is
  'Deletes a base with its documents and files, and takes it out of the agents that used it.';

create function public.files_sweep_v1() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count bigint;
begin
  -- A file is stored before its document; a crash in between leaves a file that nothing names.
  delete from files f where f.created_at < now() - interval '1 hour'
     and not exists (select from documents d where d.organization_id = f.organization_id and d.id::text = f.key);
  get diagnostics v_count = row_count;
  return to_jsonb(v_count);
end $$;
comment on function public.files_sweep_v1() is 'Deletes files whose document was never made.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.knowledge_bases');
  perform agentes.lock_table('agentes.documents');
  perform agentes.lock_table('agentes.files');
  perform agentes.lock_helper('agentes.document_held(uuid, uuid, uuid)');
  foreach v_function in array array[
    'file_put_v1(uuid, text, text)', 'file_get_v1(uuid, text)', 'file_delete_v1(uuid, text)',
    'document_create_v1(uuid, jsonb)', 'document_stage_v1(uuid, uuid, uuid, int, jsonb, int)',
    'document_publish_v1(uuid, uuid, uuid, jsonb)', 'document_delete_v1(uuid, uuid)',
    'document_fail_v1(uuid, uuid, uuid, jsonb, boolean, jsonb)', 'knowledge_base_delete_v1(uuid, uuid)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  perform agentes.lock_function('public.documents_claim_v1(uuid, int, int)', 'agentes_system');
  perform agentes.lock_function('public.files_sweep_v1()', 'agentes_system');
  insert into agentes.catalogue (name, hidden, searchable) values
    ('knowledge_bases', '{}', '{name,description}'),
    ('documents', '{lease_id,lease_until,attempts}', '{name}');
end $$;

notify pgrst, 'reload schema';
