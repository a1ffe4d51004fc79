-- Telephones paste numbers with dashes and blanks of their own.

create or replace function agentes.written_forms(p_said text[]) returns text
language sql immutable as $$
  select string_agg(case
           when said like '%@%' then
             '(?<![A-Za-z0-9._%+-])' || replace(regexp_replace(said, '([^A-Za-z0-9@])', '\\\1', 'g'), '@', '(?:@|%40)')
               || '(?![A-Za-z0-9_-]|\.[A-Za-z0-9])'
           when said like '+%' then
             -- With or without the country's code, of which we know how long one is: Brazil's.
             '(?<![0-9A-Za-z])' || case when said like '+55%' then '(?:\+?55[ ()./\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212-]{0,3})?0?(?:xx)?[ ]?\(?' else '\+?' end
               || array_to_string(regexp_split_to_array(regexp_replace(said, '^\+(55)?', ''), ''), '[ ()./\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212-]{0,3}')
               || '(?![0-9A-Za-z])'
           else
             '(?<![0-9A-Za-z])'
               || array_to_string(regexp_split_to_array(regexp_replace(said, '[^0-9A-Za-z]', '', 'g'), ''), '[ ./\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212-]{0,2}')
               || '(?![0-9A-Za-z])' end, '|')
    from unnest(p_said) said
$$;

select agentes.migration_applied('20261127001200');

notify pgrst, 'reload schema';
