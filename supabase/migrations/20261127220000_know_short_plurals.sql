-- Plurals of short words, which the stemmer leaves as they are: "mãe" and "mães", "voo" and "voos",
-- "ano" and "anos". Before, "mães" was taken for a plural of "mão".

-- As it was, but for the first four steps: words of one syllable, of two that open with a vowel, those in
-- "-eu", "-au" and "-oo", and "fáceis", which are no "facel". Left out is what only looks so ("mas", "mês",
-- "caos", "Deus") and what is left out of the index anyway ("das", "nos").
-- No step looks around itself: that made it ten times as slow.
create or replace function agentes.portuguese_endings(p_folded text) returns text
language sql immutable strict parallel safe as $$
  select regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
    regexp_replace(regexp_replace(regexp_replace(p_folded,
    '\m(?:([bcfhj-lp-tv-z]a|[bcf-hj-lnpqrv-z]e|[bcf-hj-mp-tw-z]o|[b-df-hj-np-tv-z][hlr][aeo]|'
    '[b-df-hj-np-tv-z]{1,2}(?:[eiou]a|[ei]o)|[mv]ao|mae|lei|rei|boi|pai|heroi|c?ru|nu)s|(pai)ses)\M', '\1\2', 'g'),
    '\m([aeiou][b-df-hj-np-tv-z]{1,2}[aeo])s\M', '\1', 'g'), '([^d]eu|au|oo)s\M', '\1', 'g'),
    '(fac|fic|\mut|nut|fut|frag|\mag|ert|ster|ext|jet|ept|hab|deb|doc|lat|rsat|tat|miss|foss)eis\M', '\1il', 'g'),
    '[ao]es\M', 'ao', 'g'), '([aeou])is\M', '\1l', 'g'), '([aiu])cao\M', '\1ção', 'g'),
    'ns\M', 'm', 'g'), '(\d)h(\d\d)?\M', '\1 \2', 'g')
$$;

-- As it was, but that each sign of Chinese and Japanese is a word: they are written without spaces, and
-- a whole sentence was one. What stands together in a question counts more where it does in a passage.
create or replace function agentes.text_vector(p_language text, p_text text) returns tsvector
language sql immutable parallel safe as $$
  select to_tsvector(agentes.text_configuration(p_language),
    case when lower(p_language) like 'pt%' then agentes.portuguese_endings(t.parted) else t.parted end)
  from (select case when octet_length(f.folded) > length(f.folded)
                    then regexp_replace(f.folded, '([\u2e80-\u9fff])', ' \1 ', 'g') else f.folded end as parted
          from (select regexp_replace(agentes.fold(p_text), '[-./@:_''’|\\]', ' ', 'g') as folded offset 0) f) t
$$;

-- What is indexed gets its new stems; nobody searches, stages or publishes meanwhile. It comes before what
-- touches other tables, which are locked as long as this takes from then on.
do $$
declare
  v_base record;
  v_document record;
  v_table text;
  c_touched constant text[] := array[
    'knowledge_bases', 'documents', 'staged_chunks', 'chunks', 'base_totals', 'terms', 'postings'];
begin
  -- The tables' owner may be bound by row-level security as everyone is.
  foreach v_table in array c_touched loop
    execute format('alter table agentes.%I no force row level security', v_table);
  end loop;
  for v_base in select b.id, b.language from agentes.knowledge_bases b loop
    update agentes.staged_chunks c set terms = v.terms, term_count = length(v.terms)
      from (select s.document_id, s.ordinal,
                   agentes.text_vector(v_base.language, s.heading || E'\n' || s.content) as terms
              from agentes.staged_chunks s where s.knowledge_base_id = v_base.id offset 0) v
     where c.document_id = v.document_id and c.ordinal = v.ordinal;
    update agentes.chunks c set terms = v.terms, term_count = length(v.terms)
      from (select s.id, agentes.text_vector(v_base.language, s.heading || E'\n' || s.content) as terms
              from agentes.chunks s
             where s.knowledge_base_id = v_base.id
               and (lower(v_base.language) like 'pt%' or agentes.fold(s.heading || s.content) ~ '[\u2e80-\u9fff]') offset 0) v
     where c.id = v.id and c.terms <> v.terms;
    continue when not found;
    delete from agentes.postings p where p.knowledge_base_id = v_base.id;
    delete from agentes.terms t where t.knowledge_base_id = v_base.id;
    update agentes.base_totals t set term_count = (
      select coalesce(sum(c.term_count), 0) from agentes.chunks c where c.knowledge_base_id = v_base.id)
     where t.knowledge_base_id = v_base.id;
    for v_document in
      select d.id, d.organization_id from agentes.documents d
       where d.knowledge_base_id = v_base.id and d.first_number is not null order by d.first_number
    loop
      perform agentes.post_terms(v_document.organization_id, v_document.id);
    end loop;
  end loop;
  foreach v_table in array c_touched loop
    execute format('alter table agentes.%I force row level security', v_table);
  end loop;
end $$;

select agentes.migration_applied('20261127220000');

notify pgrst, 'reload schema';
