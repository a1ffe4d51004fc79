-- Original files may lie in a bucket of Supabase Storage. Two systems share no transaction: an object is
-- noted for removal before it is sent, and the note goes in the transaction that makes it a file.

alter table agentes.files alter column content drop not null;
alter table agentes.files add column object text;
alter table agentes.files add constraint files_lie_in_one_place check ((content is null) <> (object is null));
comment on table agentes.files is 'Original files: their bytes, or the name of the object in the bucket that has them.';

create table agentes.file_removals (
  organization_id uuid not null,
  object text not null,
  due_at timestamptz not null default now(),
  claimed boolean not null default false,
  primary key (organization_id, object)
);
comment on table agentes.file_removals is 'Objects in the bucket that are no file, and from when on they may be removed.';
create index file_removals_due on agentes.file_removals (due_at);

create function agentes.note_removal() returns trigger
language plpgsql set search_path = pg_catalog, agentes as $$
begin
  insert into file_removals (organization_id, object) values (old.organization_id, old.object)
  on conflict (organization_id, object) do update set due_at = now();
  return null;
end $$;
comment on function agentes.note_removal() is 'What is no file any more is removed from the bucket, whatever deleted it.';
create trigger file_deleted after delete on agentes.files
  for each row when (old.object is not null) execute function agentes.note_removal();
create trigger file_replaced after update of object on agentes.files
  for each row when (old.object is distinct from new.object and old.object is not null)
  execute function agentes.note_removal();

-- What is put into the table replaces what lies in the bucket.
create or replace function public.file_put_v1(p_org uuid, p_key text, p_content_base64 text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  insert into files (organization_id, key, content) values (p_org, p_key, decode(p_content_base64, 'base64'))
  on conflict (organization_id, key) do update
    set content = excluded.content, object = null, created_at = now();
  return 'true';
end $$;

create or replace function public.file_assemble_v1(p_org uuid, p_upload_id uuid, p_key text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  insert into files (organization_id, key, content)
  select p_org, p_key, string_agg(content, ''::bytea order by piece) from file_pieces
   where organization_id = p_org and upload_id = p_upload_id having count(*) > 0
  on conflict (organization_id, key) do update
    set content = excluded.content, object = null, created_at = now();
  if not found then
    return 'false';
  end if;
  delete from file_pieces where organization_id = p_org and upload_id = p_upload_id;
  return 'true';
end $$;

create or replace function public.file_read_v1(p_org uuid, p_key text, p_start int, p_length int) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select jsonb_build_object(
            'content', encode(substring(content from p_start + 1 for p_length), 'base64'),
            'version', created_at)
            from files where organization_id = p_org and key = p_key and content is not null);
end $$;

create function public.file_object_announce_v1(p_org uuid, p_object text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  insert into file_removals (organization_id, object, due_at) values (p_org, p_object, now() + interval '1 hour');
  return 'true';
end $$;
comment on function public.file_object_announce_v1(uuid, text) is
  'Before an object is sent: within an hour it is a file, or it is removed.';

create function public.file_object_put_v1(p_org uuid, p_key text, p_object text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  delete from file_removals where organization_id = p_org and object = p_object and not claimed;
  if not found then
    return 'false';
  end if;
  insert into files (organization_id, key, object) values (p_org, p_key, p_object)
  on conflict (organization_id, key) do update
    set content = null, object = excluded.object, created_at = now();
  return 'true';
end $$;
comment on function public.file_object_put_v1(uuid, text, text) is
  'Makes an announced object a file, replacing an earlier one under the key; false where it came too late.';

create function public.file_object_v1(p_org uuid, p_key text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select to_jsonb(object) from files where organization_id = p_org and key = p_key and object is not null);
end $$;
comment on function public.file_object_v1(uuid, text) is 'The object that has a file''s bytes; null where none has.';

create function public.file_removals_claim_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_objects jsonb;
begin
  with due as (
    select organization_id, object from file_removals where due_at <= now()
     order by due_at limit p_limit for update skip locked
  ), claimed as (
    update file_removals r set due_at = now() + interval '10 minutes', claimed = true from due
     where r.organization_id = due.organization_id and r.object = due.object
    returning r.object
  )
  select coalesce(jsonb_agg(object), '[]') into v_objects from claimed;
  return v_objects;
end $$;
comment on function public.file_removals_claim_v1(int) is
  'Objects that are to be removed now; those that are not reported come again after ten minutes.';

create function public.file_removals_done_v1(p_objects jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  delete from file_removals where object in (select jsonb_array_elements_text(p_objects));
  return 'true';
end $$;
comment on function public.file_removals_done_v1(jsonb) is 'Forgets objects that are no longer in the bucket.';

do $$
begin
  perform agentes.lock_table('agentes.file_removals');
  perform agentes.lock_helper('agentes.note_removal()');
  perform agentes.lock_function('public.file_object_announce_v1(uuid, text)', 'agentes_tenant');
  perform agentes.lock_function('public.file_object_put_v1(uuid, text, text)', 'agentes_tenant');
  perform agentes.lock_function('public.file_object_v1(uuid, text)', 'agentes_tenant');
  perform agentes.lock_function('public.file_removals_claim_v1(int)', 'agentes_system');
  perform agentes.lock_function('public.file_removals_done_v1(jsonb)', 'agentes_system');
end $$;

select agentes.migration_applied('20261127000000');

notify pgrst, 'reload schema';
