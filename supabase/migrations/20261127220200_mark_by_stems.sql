-- Sentences marked by what the index makes of their words, so that what was found is what is shown.

create function agentes.marked(p_language text, p_content text, p_terms text[]) returns jsonb
language plpgsql stable as $$
declare
  c_most constant int := 3;
  c_chars constant int := 200;
  v_rest text;
  v_piece text;
  v_found text[] := '{}';
begin
  for v_rest in select regexp_split_to_table(p_content, '(?<=[.!?])\s+|(?<=[。！？])|\n+') loop
    -- A sentence that is too long to be shown is looked at in pieces, so that what is shown has the word.
    while v_rest <> '' loop
      v_piece := left(v_rest, c_chars);
      if length(v_rest) > c_chars and position(' ' in v_piece) > 0 then
        v_piece := left(v_piece, c_chars + 1 - position(' ' in reverse(v_piece)));
      end if;
      v_rest := substr(v_rest, length(v_piece) + 1);
      if tsvector_to_array(agentes.text_vector(p_language, v_piece)) && p_terms then
        v_found := v_found || trim(v_piece);
        exit when cardinality(v_found) = c_most;
      end if;
    end loop;
    exit when cardinality(v_found) = c_most;
  end loop;
  return to_jsonb(v_found);
end $$;
comment on function agentes.marked(text, text, text[]) is 'The first three sentences in which one of the stems stands.';

create function public.chunks_mark_v1(p_org uuid, p_ids jsonb, p_terms jsonb) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (
    select coalesce(jsonb_object_agg(c.id, marked(b.language, c.content, t.terms)), '{}')
      from (select array(select jsonb_array_elements_text(p_terms)) as terms) t
     cross join jsonb_array_elements_text(p_ids) i(id)
      join chunks c on c.id = i.id::uuid and c.organization_id = p_org
      join knowledge_bases b on b.id = c.knowledge_base_id);
end $$;
comment on function public.chunks_mark_v1(uuid, jsonb, jsonb) is
  'By chunk, its first sentences in which one of the terms of a search stands.';

do $$
begin
  perform agentes.lock_helper('agentes.marked(text, text, text[])');
  perform agentes.lock_function('public.chunks_mark_v1(uuid, jsonb, jsonb)', 'agentes_tenant');
end $$;

select agentes.migration_applied('20261127220200');

notify pgrst, 'reload schema';
