-- A restore without owners leaves functions with whoever restored, who may see past row-level security. A
-- service whose role may not hand them back has to know, so that it does not serve over them.

create function public.functions_strayed_v1() returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select to_jsonb(count(*))
    from function_roles k
    join pg_proc p on p.oid = to_regprocedure(k.function)
    join pg_roles r on r.oid = p.proowner
   where r.rolname <> k.role
$$;
comment on function public.functions_strayed_v1() is
  'How many functions belong to another role than they are to run as, as a restore without owners leaves them.';

do $$
begin
  grant select on agentes.function_roles to agentes_system;
  perform agentes.lock_function('public.functions_strayed_v1()', 'agentes_system');
end $$;

select agentes.migration_applied('20261128060000');

notify pgrst, 'reload schema';
