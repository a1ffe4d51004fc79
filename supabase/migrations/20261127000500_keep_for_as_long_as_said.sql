-- Leads and the audit log may be kept for so many days only, and no credential of an address or a
-- header is in the audit log, whatever it is called.

-- With the last of its deliveries goes what was delivered.
create function public.deliveries_purge_v2(p_days int, p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_before uuid := uuid_at(now() - make_interval(days => least(p_days, (
    select min((document->'retention_days'->>'deliveries')::int) from settings))));
  v_count int;
begin
  with old as (
    select d.id, d.message_id from webhook_deliveries d left join settings s on s.organization_id = d.organization_id
     where d.id < v_before and d.status not in ('pending', 'sending')
       and d.id < uuid_at(now() - make_interval(days => least(
             p_days, (s.document->'retention_days'->>'deliveries')::int)))
     order by d.id limit p_limit for update of d skip locked
  ), messages as (
    delete from webhook_messages m where m.id in (select message_id from old)
       and not exists (select from webhook_deliveries d where d.message_id = m.id and d.id not in (select id from old))
  ), attempts as (
    delete from webhook_attempts where delivery_id in (select id from old)
  ), gone as (
    delete from webhook_deliveries where id in (select id from old) returning id
  )
  select count(*) into v_count from gone;
  -- And what nobody was to receive.
  return to_jsonb(v_count + public.deliveries_purge_v1(p_days, p_limit)::int);
end $$;
comment on function public.deliveries_purge_v2(int, int) is
  'Deletes a batch of deliveries, attempts and messages that wait for nothing and are older than p_days, or than their organization keeps them; how many.';

create function public.leads_expire_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count bigint;
begin
  delete from leads l where l.id in (
    select o.id from settings s join leads o on o.organization_id = s.organization_id
     where (s.document->'retention_days'->>'leads')::int > 0
       and o.updated_at < now() - make_interval(days => (s.document->'retention_days'->>'leads')::int)
     limit p_limit);
  get diagnostics v_count = row_count;
  return to_jsonb(v_count);
end $$;
comment on function public.leads_expire_v1(int) is
  'Deletes leads that nobody has changed for longer than their organization keeps them; what was counted stays so.';

create function public.audit_expire_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count bigint;
begin
  delete from audit_log l where l.id in (
    select o.id from settings s join audit_log o on o.organization_id = s.organization_id
     where (s.document->'retention_days'->>'audit_log')::int > 0
       and o.id < uuid_at(now() - make_interval(days => (s.document->'retention_days'->>'audit_log')::int))
     limit p_limit);
  get diagnostics v_count = row_count;
  return to_jsonb(v_count);
end $$;
comment on function public.audit_expire_v1(int) is 'Deletes entries that are older than their organization keeps them.';

-- In whatever depth: every value of headers and of a query, and parts of a path that nobody would say aloud.
create or replace function agentes.without_credentials(p_value jsonb) returns jsonb
language plpgsql immutable as $$
begin
  return case jsonb_typeof(p_value)
    when 'object' then (
      select coalesce(jsonb_object_agg(key, case
        when key in ('headers', 'query') and jsonb_typeof(value) = 'object' then
          (select coalesce(jsonb_object_agg(name, '***'), '{}') from jsonb_object_keys(value) name)
        when jsonb_typeof(value) = 'string'
             and key ~* '(authorization|api[-_ ]?key|token|secret|cookie|passw|signature|credential)' then '"***"'
        else without_credentials(value) end), '{}') from jsonb_each(p_value))
    when 'array' then (select coalesce(jsonb_agg(without_credentials(value) order by place), '[]')
                         from jsonb_array_elements(p_value) with ordinality e(value, place))
    when 'string' then to_jsonb(regexp_replace(regexp_replace(regexp_replace(p_value #>> '{}',
      -- https://user:password@host
      '(https?://)[^/@\s]+@', '\1***@', 'gi'),
      -- ?access_token=…
      '([?&][^=&#]*(?:token|key|secret|passw|sig|auth|credential)[^=&#]*=)[^&#\s]+', '\1***', 'gi'),
      -- /services/T0/B0/aB3…
      '((?:https?:/|\?!)[^?#\s]*?/)(?=[^/?#\s]*[0-9])[A-Za-z0-9_:~.-]{20,}(?=[/?#\s]|$)', '\1***', 'gi'))
    else p_value end;
end $$;
alter function agentes.without_credentials(jsonb) set search_path = pg_catalog, agentes;

-- The address of a webhook is often its only credential: whose server it is, is enough to know.
create function agentes.audit_hides_addresses() returns trigger
language plpgsql as $$
declare
  c_origin constant text := '^([a-z]+://)(?:[^/@]*@)?([^/?#]*).*$';
begin
  new.before := case when new.before ? 'url' then jsonb_set(new.before, '{url}', to_jsonb(
    regexp_replace(new.before->>'url', c_origin, '\1\2/***', 'i'))) else new.before end;
  new.after := case when new.after ? 'url' then jsonb_set(new.after, '{url}', to_jsonb(
    regexp_replace(new.after->>'url', c_origin, '\1\2/***', 'i'))) else new.after end;
  return new;
end $$;
create trigger hide_addresses before insert on agentes.audit_log for each row
  when (new.resource = 'webhook') execute function agentes.audit_hides_addresses();

do $$
begin
  perform agentes.lock_helper('agentes.audit_hides_addresses()');
  perform agentes.lock_function('public.deliveries_purge_v2(int, int)', 'agentes_system');
  perform agentes.lock_function('public.leads_expire_v1(int)', 'agentes_system');
  perform agentes.lock_function('public.audit_expire_v1(int)', 'agentes_system');
end $$;

select agentes.migration_applied('20261127000500');

notify pgrst, 'reload schema';
