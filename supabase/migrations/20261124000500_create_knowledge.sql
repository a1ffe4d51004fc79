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
begin
  perform agentes.lock_table('agentes.knowledge_bases');
  perform agentes.lock_table('agentes.documents');
  perform agentes.lock_table('agentes.files');
  perform agentes.lock_function('public.file_put_v1(uuid, text, text)', 'agentes_tenant');
  perform agentes.lock_function('public.file_get_v1(uuid, text)', 'agentes_tenant');
  perform agentes.lock_function('public.file_delete_v1(uuid, text)', 'agentes_tenant');
  perform agentes.lock_function('public.knowledge_base_delete_v1(uuid, uuid)', 'agentes_tenant');
  perform agentes.lock_function('public.files_sweep_v1()', 'agentes_system');
  insert into agentes.catalogue (name, hidden, searchable) values
    ('knowledge_bases', '{}', '{name,description}'),
    ('documents', '{lease_id,lease_until,attempts}', '{name}');
end $$;

notify pgrst, 'reload schema';
