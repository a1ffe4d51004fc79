-- As it was, but that the chunks are looked up by their ids: joined to a list of unknown length, all chunks
-- of the base were read, which took ten times as long as the search itself.
create or replace function public.chunks_mark_v1(p_org uuid, p_ids jsonb, p_terms jsonb) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (
    with found as materialized (
      select c.id, c.content, c.document_id, c.knowledge_base_id from chunks c
       where c.id = any (array(select i.id::uuid from jsonb_array_elements_text(p_ids) i(id)))
         and c.organization_id = p_org
    )
    select coalesce(jsonb_object_agg(f.id, marked(coalesce(d.language, b.language), f.content, t.terms)), '{}')
      from (select array(select jsonb_array_elements_text(p_terms)) as terms) t
     cross join found f
      join documents d on d.id = f.document_id
      join knowledge_bases b on b.id = f.knowledge_base_id);
end $$;

select agentes.migration_applied('20261128010200');

notify pgrst, 'reload schema';
