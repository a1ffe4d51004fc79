-- The same stems in four fifths of the time: making them is most of the work of indexing. What is
-- indexed stays as it is, as the results are equal, letter by letter.
-- A regular expression builds its states anew for each match, and pays for each kind of letter that it tells apart
-- and for what it puts in brackets: several that are simple cost less than one that knows all. Putting one text for
-- another costs next to nothing.

-- As it was, but that what the first step finds is marked by a "|", of which a text has none by now, and then cut.
create or replace function agentes.portuguese_endings(p_folded text) returns text
language plpgsql immutable strict parallel safe as $$
declare
  v_text text := p_folded;
begin
  -- Two plain kinds of words more than are cut, and two less than are: see below.
  v_text := regexp_replace(v_text, '\m(?:[bcf-hj-lp-tv-z][aeo]|[b-df-hj-np-tv-z][hlr][aeo]|'
    '[b-df-hj-np-tv-z]{1,2}(?:[eiou]a|[ei]o))s\M', '\&|', 'g');
  v_text := regexp_replace(v_text, '\m(?:[mv]ao|mae|lei|rei|boi|pai|paise|heroi|c?ru|nu|ne|mo)s\M', '\&|', 'g');
  v_text := replace(replace(replace(replace(replace(v_text,
    'paises|', 'pai'), 'gas|', 'gas'), 'ses|', 'ses'), 'tes|', 'tes'), 'vos|', 'vos');
  v_text := regexp_replace(v_text, '\m[aeiou][b-df-hj-np-tv-z]{1,2}[aeo]s\M', '\&|', 'g');
  v_text := regexp_replace(replace(v_text, 's|', ''), '([^d]eu|au|oo)s\M', '\1', 'g');
  if strpos(v_text, 'eis') > 0 and v_text ~ '[bcgrt]eis|[io]sseis' then
    v_text := replace(regexp_replace(v_text, '(?:fac|fic|\mut|nut|fut|frag|\mag|ert|ster|ext|jet|ept|hab|deb|doc|'
      'lat|rsat|tat|miss|foss)eis\M', '\&|', 'g'), 'eis|', 'il');
  end if;
  return regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(v_text,
    '[ao]es\M', 'ao', 'g'), '([aeou])is\M', '\1l', 'g'), '([aiu])cao\M', '\1ção', 'g'),
    'ns\M', 'm', 'g'), '(\d)h(\d\d)?\M', '\1 \2', 'g');
end $$;

-- As it was, but that the accents of Portuguese are taken away one by one. Only a text with other letters, or with
-- signs that stand for others, is normalized.
create or replace function agentes.text_vector(p_language text, p_text text) returns tsvector
language plpgsql immutable parallel safe as $$
declare
  v_text text := lower(p_text);
begin
  if octet_length(v_text) > length(v_text) then
    v_text := replace(replace(replace(replace(replace(replace(replace(replace(v_text,
      'á', 'a'), 'ã', 'a'), 'ç', 'c'), 'é', 'e'), 'ê', 'e'), 'í', 'i'), 'ó', 'o'), 'õ', 'o');
    v_text := replace(replace(replace(replace(replace(replace(replace(v_text,
      'à', 'a'), 'â', 'a'), 'ô', 'o'), 'ú', 'u'), 'ü', 'u'), 'ª', 'a'), 'º', 'o');
    -- Signs that normalizing leaves as they are: quotes, dashes, currencies, arrows.
    if v_text ~ '[^\u0001-\u007f\u00a1-\u00a7\u00a9\u00ab-\u00ae\u00b0\u00b1\u00b6\u00b7\u00bb\u00bf\u00d7\u00df\u00f7'
                '\u2012-\u2015\u2018-\u2022\u20ac\u2190-\u2199\u2500-\u25ff]' then
      v_text := regexp_replace(normalize(v_text, nfkd), '[\u0300-\u036f]', '', 'g');
    end if;
  end if;
  v_text := replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(v_text,
    '-', ' '), '.', ' '), '/', ' '), '@', ' '), ':', ' '), '_', ' '), '''', ' '), '’', ' '), '|', ' '), '\', ' ');
  if octet_length(v_text) > length(v_text) then
    v_text := regexp_replace(v_text, '([\u2e80-\u9fff])', ' \1 ', 'g');
  end if;
  if lower(p_language) like 'pt%' then
    v_text := agentes.portuguese_endings(v_text);
  end if;
  return to_tsvector(agentes.text_configuration(p_language), v_text);
end $$;

select agentes.migration_applied('20261128070000');

notify pgrst, 'reload schema';
