-- Requests that are sent again under the same key: done once, answered alike for 24 hours.

create or replace function agentes.idempotency_key_take(p_org uuid, p_key text, p_fingerprint text, p_run_id uuid)
returns jsonb language plpgsql as $$
declare
  v_kept agentes.idempotency_keys;
begin
  -- A second request waits here until the first one's transaction has ended.
  insert into agentes.idempotency_keys as k (organization_id, key, fingerprint, run_id)
  values (p_org, p_key, p_fingerprint, p_run_id)
  on conflict (organization_id, key) do update
     set fingerprint = excluded.fingerprint, run_id = excluded.run_id, created_at = now(),
         response = null, locked_until = null
   where k.created_at < now() - interval '24 hours';
  select * into v_kept from agentes.idempotency_keys
   where organization_id = p_org and key = p_key for update;
  if v_kept.run_id is null then
    return jsonb_build_object('outcome', 'key_reused'); -- it belongs to a request of another kind
  -- In a statement of its own: the one above could not see a run that was committed meanwhile.
  elsif v_kept.run_id <> p_run_id and not exists (select from agentes.runs r where r.id = v_kept.run_id) then
    update agentes.idempotency_keys set fingerprint = p_fingerprint, run_id = p_run_id, created_at = now()
     where organization_id = p_org and key = p_key;
    return null;
  elsif v_kept.run_id = p_run_id then
    return null;
  elsif v_kept.fingerprint <> p_fingerprint then
    return jsonb_build_object('outcome', 'key_reused');
  end if;
  return jsonb_build_object('outcome', 'joined', 'run', (
    select agentes.run_state(r) from agentes.runs r where r.organization_id = p_org and r.id = v_kept.run_id));
end $$;

create function public.idempotent_request_begin_v1(p_org uuid, p_key text, p_fingerprint text, p_lease_s int)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_kept agentes.idempotency_keys;
begin
  perform set_config('app.org', p_org::text, true);
  delete from idempotent_calls c using idempotency_keys k
   where c.organization_id = p_org and c.key = p_key and k.organization_id = p_org and k.key = p_key
     and k.created_at < now() - interval '24 hours';
  insert into idempotency_keys as k (organization_id, key, fingerprint, locked_until)
  values (p_org, p_key, p_fingerprint, 'epoch')
  on conflict (organization_id, key) do update
     set fingerprint = excluded.fingerprint, run_id = null, response = null, created_at = now(), locked_until = 'epoch'
   where k.created_at < now() - interval '24 hours';
  select * into v_kept from idempotency_keys where organization_id = p_org and key = p_key for update;
  if v_kept.fingerprint <> p_fingerprint or v_kept.run_id is not null then
    return jsonb_build_object('outcome', 'key_reused');
  elsif v_kept.response is not null then
    return jsonb_build_object('outcome', 'done', 'response', v_kept.response);
  elsif v_kept.locked_until > now() then
    return jsonb_build_object('outcome', 'in_progress');
  end if;
  update idempotency_keys set locked_until = now() + make_interval(secs => p_lease_s)
   where organization_id = p_org and key = p_key;
  return jsonb_build_object('outcome', 'begun');
end $$;
comment on function public.idempotent_request_begin_v1(uuid, text, text, int) is
  'Takes a key for a request, for so long; or says that it is under way, done (with its response) or another''s.';

create function public.idempotent_request_end_v1(p_org uuid, p_key text, p_response text)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  if p_response is not null then
    update idempotency_keys set response = p_response where organization_id = p_org and key = p_key;
    delete from idempotent_calls where organization_id = p_org and key = p_key;
  else
    -- Nothing is kept of a request that failed, but what it had done: the next try goes on from there.
    update idempotency_keys set locked_until = 'epoch' where organization_id = p_org and key = p_key;
    delete from idempotency_keys k where k.organization_id = p_org and k.key = p_key
       and not exists (select from idempotent_calls c where c.organization_id = p_org and c.key = p_key);
  end if;
  return 'null';
end $$;
comment on function public.idempotent_request_end_v1(uuid, text, text) is
  'Keeps the response of a keyed request; null where it failed, so that it may be tried again.';

create function public.idempotency_purge_v1() returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  delete from idempotent_calls where created_at < now() - interval '25 hours';
  return 'null';
end $$;
comment on function public.idempotency_purge_v1() is 'Forgets what keyed requests had done that nobody may repeat any more.';

do $$
begin
  perform agentes.lock_function('public.idempotent_request_begin_v1(uuid, text, text, int)', 'agentes_tenant');
  perform agentes.lock_function('public.idempotent_request_end_v1(uuid, text, text)', 'agentes_tenant');
  perform agentes.lock_function('public.idempotency_purge_v1()', 'agentes_system');
end $$;

select agentes.migration_applied('20261126080400');

notify pgrst, 'reload schema';
