-- What a process holds when it is told to stop goes back at once, and that attempt is not counted:
-- leases that run out are for processes that die.

create function public.document_release_v1(p_id uuid, p_lease_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_org uuid;
begin
  -- Waits for whatever this lease is still doing to the row, and then looks at it anew.
  update documents
     set status = 'queued', progress = 0, attempts = greatest(attempts - 1, 0), lease_id = null,
         lease_until = null, updated_at = now()
   where id = p_id and status = 'processing' and lease_id = p_lease_id
  returning organization_id into v_org;
  if not found then
    return 'false';
  end if;
  -- Whoever has it next may cut it in other sizes.
  perform discard_staged(v_org, p_id);
  return 'true';
end $$;
comment on function public.document_release_v1(uuid, uuid) is
  'Gives a document back to the queue as if it had not been claimed; false when the lease was lost.';

create function public.embeddings_release_v1(p_id uuid, p_lease_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  update knowledge_bases set embedding_lease = null, embedding_until = null
   where id = p_id and embedding_lease = p_lease_id;
  return to_jsonb(found);
end $$;
comment on function public.embeddings_release_v1(uuid, uuid) is
  'Gives a batch of chunks that want vectors back at once; false when the lease was lost.';

do $$
begin
  perform agentes.lock_function('public.document_release_v1(uuid, uuid)', 'agentes_system');
  perform agentes.lock_function('public.embeddings_release_v1(uuid, uuid)', 'agentes_system');
end $$;

select agentes.migration_applied('20261128030000');

notify pgrst, 'reload schema';
