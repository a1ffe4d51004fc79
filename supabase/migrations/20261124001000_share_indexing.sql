-- Indexing shared fairly: an organization's documents take a part of the places, however many wait.

create function public.documents_claim_v2(
  p_lease_id uuid, p_lease_s int, p_limit int, p_per_organization int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_claimed jsonb;
begin
  with busy as (
    select organization_id, count(*) as count from documents
     where status = 'processing' and lease_until >= now() group by organization_id
  ), waiting as (
    select d.id, coalesce(b.count, 0) + row_number() over (partition by d.organization_id order by d.id) as place
      from documents d left join busy b on b.organization_id = d.organization_id
     where d.status = 'queued' or (d.status = 'processing' and d.lease_until < now())
  ), next as (
    select d.id from documents d join waiting w on w.id = d.id
     where w.place <= p_per_organization
       and (d.status = 'queued' or (d.status = 'processing' and d.lease_until < now()))
     order by w.place, d.id limit p_limit for update of d skip locked
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
comment on function public.documents_claim_v2(uuid, int, int, int) is
  'Leases documents that wait or whose worker went silent, in turn and up to a number for each organization.';

-- As it was, but that the stems of a chunk are made once: without the offset the planner pulls the
-- sub-select up and makes them for each column that uses them.
create or replace function agentes.stage_chunks(p_org uuid, p_document_id uuid, p_chunks jsonb) returns void
language sql as $$
  insert into agentes.staged_chunks (id, organization_id, knowledge_base_id, document_id, ordinal, content,
                                     heading, page, char_start, char_end, token_count, terms, term_count)
  select c.id, p_org, d.knowledge_base_id, d.id, c.ordinal, c.content, c.heading, c.page, c.char_start,
         c.char_end, c.token_count, v.terms, length(v.terms)
    from agentes.documents d join agentes.knowledge_bases b on b.id = d.knowledge_base_id
   cross join jsonb_to_recordset(p_chunks) c(id uuid, ordinal int, content text, heading text, page int,
                                             char_start int, char_end int, token_count int)
   cross join lateral (select agentes.text_vector(b.language, c.heading || E'\n' || c.content) as terms
                       offset 0) v
   where d.organization_id = p_org and d.id = p_document_id
  on conflict (document_id, ordinal) do update
    set (id, content, heading, page, char_start, char_end, token_count, terms, term_count)
      = (excluded.id, excluded.content, excluded.heading, excluded.page, excluded.char_start,
         excluded.char_end, excluded.token_count, excluded.terms, excluded.term_count)
$$;

do $$
begin
  perform agentes.lock_function('public.documents_claim_v2(uuid, int, int, int)', 'agentes_system');
end $$;

notify pgrst, 'reload schema';
