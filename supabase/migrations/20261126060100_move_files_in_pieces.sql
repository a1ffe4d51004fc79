-- Large files pass in pieces: whole, one is in the service's memory some five times over on its way.

create table agentes.file_pieces (
  organization_id uuid not null,
  upload_id uuid not null,
  piece integer not null,
  content bytea not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, upload_id, piece)
);
comment on table agentes.file_pieces is 'Files that are arriving; each is assembled once all of it is there.';
alter table agentes.file_pieces alter column content set storage external;

create function public.file_piece_put_v1(p_org uuid, p_upload_id uuid, p_piece int, p_content_base64 text)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  insert into file_pieces (organization_id, upload_id, piece, content)
  values (p_org, p_upload_id, p_piece, decode(p_content_base64, 'base64'))
  on conflict (organization_id, upload_id, piece) do update set content = excluded.content;
  return 'true';
end $$;
comment on function public.file_piece_put_v1(uuid, uuid, int, text) is 'Keeps a piece of a file that is arriving.';

create function public.file_assemble_v1(p_org uuid, p_upload_id uuid, p_key text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  insert into files (organization_id, key, content)
  select p_org, p_key, string_agg(content, ''::bytea order by piece) from file_pieces
   where organization_id = p_org and upload_id = p_upload_id having count(*) > 0
  on conflict (organization_id, key) do update set content = excluded.content, created_at = now();
  if not found then
    return 'false';
  end if;
  delete from file_pieces where organization_id = p_org and upload_id = p_upload_id;
  return 'true';
end $$;
comment on function public.file_assemble_v1(uuid, uuid, text) is
  'Makes a file of its pieces, replacing an earlier one under the key; false where there are none.';

create function public.file_read_v1(p_org uuid, p_key text, p_start int, p_length int) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select jsonb_build_object(
            'content', encode(substring(content from p_start + 1 for p_length), 'base64'),
            'version', created_at)
            from files where organization_id = p_org and key = p_key);
end $$;
comment on function public.file_read_v1(uuid, text, int, int) is
  'A part of a file in base64 with the version that it is of, or null where there is no file.';

create function public.files_sweep_v2() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  delete from file_pieces where created_at < now() - interval '1 hour';
  return public.files_sweep_v1();
end $$;
comment on function public.files_sweep_v2() is 'Deletes files whose document was never made, and pieces of none.';

do $$
begin
  perform agentes.lock_table('agentes.file_pieces');
  perform agentes.lock_function('public.file_piece_put_v1(uuid, uuid, int, text)', 'agentes_tenant');
  perform agentes.lock_function('public.file_assemble_v1(uuid, uuid, text)', 'agentes_tenant');
  perform agentes.lock_function('public.file_read_v1(uuid, text, int, int)', 'agentes_tenant');
  perform agentes.lock_function('public.files_sweep_v2()', 'agentes_system');
end $$;

select agentes.migration_applied('20261126060100');

notify pgrst, 'reload schema';
