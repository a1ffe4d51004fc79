-- Open streams: tickets that open one, how many there are, what they are told of the system.

create table agentes.event_tickets (
  secret_sha256 text primary key,
  organization_id uuid not null,
  credential_sealed text not null,
  expires_at timestamptz not null
);
comment on table agentes.event_tickets is
  'Single-use tickets by the hash of their 256 random bits, each with the credential that asked for it, sealed.';
create index event_tickets_by_age on agentes.event_tickets (expires_at);

create table agentes.event_hubs (
  process_id uuid primary key,
  seen_at timestamptz not null default now()
);
comment on table agentes.event_hubs is
  'Processes with open streams, seen every few seconds; the streams of one that died are soon not counted.';

create table agentes.event_streams (
  process_id uuid references agentes.event_hubs on delete cascade,
  organization_id uuid,
  actor text,
  count int not null,
  primary key (organization_id, actor, process_id)
);
comment on table agentes.event_streams is 'How many streams each caller has open at each process.';
create index event_streams_by_process on agentes.event_streams (process_id);

create function agentes.hub_seen(p_process_id uuid) returns void
language sql as $$
  insert into agentes.event_hubs as h (process_id) values (p_process_id)
  on conflict (process_id) do update set seen_at = now()
$$;
comment on function agentes.hub_seen(uuid) is 'Notes that a process with open streams lives.';

create function agentes.streams_elsewhere(p_org uuid, p_process_id uuid, p_actor text default null)
returns bigint language sql stable as $$
  select coalesce(sum(s.count), 0) from agentes.event_streams s join agentes.event_hubs h using (process_id)
   where s.organization_id = p_org and s.process_id is distinct from p_process_id
     and (p_actor is null or s.actor = p_actor) and h.seen_at > now() - interval '15 seconds'
$$;
comment on function agentes.streams_elsewhere(uuid, uuid, text) is
  'Open streams of an organization, or of one of its callers, at all live processes but one.';

create function public.event_ticket_create_v1(
  p_org uuid, p_secret_sha256 text, p_credential_sealed text, p_ttl_s int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_expires_at timestamptz := now() + make_interval(secs => p_ttl_s);
begin
  perform set_config('app.org', p_org::text, true);
  insert into event_tickets (secret_sha256, organization_id, credential_sealed, expires_at)
  values (p_secret_sha256, p_org, p_credential_sealed, v_expires_at);
  return jsonb_build_object('expires_at', v_expires_at, 'last_event_id', coalesce(
    (select position from event_heads where organization_id = p_org), 0));
end $$;
comment on function public.event_ticket_create_v1(uuid, text, text, int) is
  'Keeps a ticket for so many seconds; tells when it ends and the number of the newest event.';

create function public.event_ticket_take_v1(p_secret_sha256 text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_ticket agentes.event_tickets;
begin
  delete from event_tickets where secret_sha256 = p_secret_sha256 returning * into v_ticket;
  if v_ticket.expires_at > now() then
    return jsonb_build_object('credential_sealed', v_ticket.credential_sealed);
  end if;
  return null;
end $$;
comment on function public.event_ticket_take_v1(text) is
  'What the ticket stands for, once: whoever comes second gets null, as does whoever comes late.';

create function public.event_stream_admit_v1(
  p_org uuid, p_process_id uuid, p_actor text, p_own_of_actor int, p_own int,
  p_per_caller int, p_per_organization int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  perform pg_advisory_xact_lock(hashtext('agentes.event_streams'), hashtext(p_org::text));
  if streams_elsewhere(p_org, p_process_id, p_actor) + p_own_of_actor > p_per_caller
     or streams_elsewhere(p_org, p_process_id) + p_own > p_per_organization then
    return 'false';
  end if;
  perform hub_seen(p_process_id);
  insert into event_streams as s (process_id, organization_id, actor, count)
  values (p_process_id, p_org, p_actor, p_own_of_actor)
  on conflict (organization_id, actor, process_id) do update set count = excluded.count;
  return 'true';
end $$;
comment on function public.event_stream_admit_v1(uuid, uuid, text, int, int, int, int) is
  'Whether one more stream may be open, given how many this process has with it; a limit of null is none.';

create function agentes.deliveries_waiting(p_org uuid) returns bigint
language plpgsql stable as $$
declare
  v_count bigint := 0;
begin
  -- Webhooks come with a migration of their own.
  if to_regclass('agentes.webhook_deliveries') is not null then
    execute 'select count(*) from agentes.webhook_deliveries where organization_id = $1 and status = ''pending'''
      into v_count using p_org;
  end if;
  return v_count;
end $$;
comment on function agentes.deliveries_waiting(uuid) is 'Webhook deliveries that wait for an attempt.';

create function public.event_streams_beat_v1(p_process_id uuid, p_streams jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform hub_seen(p_process_id);
  delete from event_hubs where seen_at < now() - interval '1 minute';
  delete from event_streams s where s.process_id = p_process_id and not exists (
    select from jsonb_to_recordset(p_streams) as g (organization_id uuid, actor text)
     where g.organization_id = s.organization_id and g.actor = s.actor);
  insert into event_streams as s (process_id, organization_id, actor, count)
  select p_process_id, g.organization_id, g.actor, g.count
    from jsonb_to_recordset(p_streams) as g (organization_id uuid, actor text, count int)
   order by g.organization_id, g.actor
  on conflict (organization_id, actor, process_id) do update set count = excluded.count
   where s.count <> excluded.count;
  return jsonb_build_object();
end $$;
comment on function public.event_streams_beat_v1(uuid, jsonb) is
  'Keeps how many streams [{organization_id, actor, count}] a process has open.';

create function public.system_figures_v1(p_organizations jsonb) returns jsonb
language sql stable security definer set search_path = pg_catalog, agentes as $$
  select coalesce(jsonb_object_agg(o.id, jsonb_build_object(
    'active_runs', (select count(*) from runs r where r.organization_id = o.id and r.status = 'running'),
    'open_streams', streams_elsewhere(o.id, null),
    'documents_waiting', (select count(*) from documents d
                           where d.organization_id = o.id and d.status in ('queued', 'processing')),
    'deliveries_waiting', deliveries_waiting(o.id),
    'processes', (select count(*) from processes p where p.seen_at > now() - interval '30 seconds'))), '{}')
    from (select value::uuid as id from jsonb_array_elements_text(p_organizations)) o
$$;
comment on function public.system_figures_v1(jsonb) is
  'What is under way and waiting at this moment, for each of some organizations.';

do $$
begin
  perform agentes.lock_table('agentes.event_tickets');
  perform agentes.lock_table('agentes.event_streams');
  perform agentes.revoke_from_strangers('table agentes.event_hubs');
  grant select, insert, update, delete on agentes.event_hubs to agentes_tenant, agentes_system;
  perform agentes.lock_helper('agentes.hub_seen(uuid)');
  perform agentes.lock_helper('agentes.streams_elsewhere(uuid, uuid, text)');
  perform agentes.lock_helper('agentes.deliveries_waiting(uuid)');
  perform agentes.lock_function('public.event_ticket_create_v1(uuid, text, text, int)', 'agentes_tenant');
  perform agentes.lock_function('public.event_ticket_take_v1(text)', 'agentes_system');
  perform agentes.lock_function('public.event_stream_admit_v1(uuid, uuid, text, int, int, int, int)', 'agentes_tenant');
  perform agentes.lock_function('public.event_streams_beat_v1(uuid, jsonb)', 'agentes_system');
  perform agentes.lock_function('public.system_figures_v1(jsonb)', 'agentes_system');
end $$;

select agentes.migration_applied('20261126050200');

notify pgrst, 'reload schema';
