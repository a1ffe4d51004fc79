-- Deleting has consequences of its own: what triggers write of it is deleted in a second pass.

create or replace function public.organizations_purge_v1(p_older_than_s int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_id uuid;
  v_table text;
  v_count int := 0;
begin
  for v_id in select id from organizations
               where deleted_at < now() - make_interval(secs => p_older_than_s) limit 10 for update skip locked loop
    for v_pass in 1..2 loop
      for v_table in
        select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
         where c.relnamespace = 'agentes'::regnamespace and c.relkind = 'r'
           and a.attname = 'organization_id' and not a.attisdropped
         -- Newer tables refer to older ones.
         order by c.oid desc
      loop
        execute format('delete from agentes.%I where organization_id = $1', v_table) using v_id;
      end loop;
    end loop;
    -- The row stays, without a name: a token that is still valid must not make it anew.
    update organizations set name = '', slug = id::text, updated_at = now(), deleted_at = 'infinity' where id = v_id;
    v_count := v_count + 1;
  end loop;
  delete from clerk_messages where received_at < now() - interval '30 days';
  return to_jsonb(v_count);
end $$;

select agentes.migration_applied('20261126190100');

notify pgrst, 'reload schema';
