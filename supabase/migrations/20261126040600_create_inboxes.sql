-- Test inboxes: addresses of this service that record what they receive, for an hour.

create table agentes.webhook_inboxes (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  expires_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.webhook_inboxes is 'Addresses that record what they receive until they expire.';
create index webhook_inboxes_by_organization on agentes.webhook_inboxes (organization_id, id);
create index webhook_inboxes_by_expiry on agentes.webhook_inboxes (expires_at);

create table agentes.webhook_inbox_messages (
  id uuid primary key,
  organization_id uuid not null,
  inbox_id uuid not null references agentes.webhook_inboxes on delete cascade,
  headers jsonb not null,
  body text,
  body_base64 text,
  size_bytes int not null,
  received_at timestamptz not null default now()
);
comment on table agentes.webhook_inbox_messages is
  'What an inbox received; a body that is no text is kept in base64.';
create index webhook_inbox_messages_by_inbox on agentes.webhook_inbox_messages (inbox_id, id);

create function public.inbox_create_v1(p_org uuid, p_id uuid, p_ttl_s int, p_max int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_inbox agentes.webhook_inboxes;
begin
  perform set_config('app.org', p_org::text, true);
  perform pg_advisory_xact_lock(hashtextextended('webhooks:' || p_org, 0));
  delete from webhook_inboxes where organization_id = p_org and expires_at <= now();
  if (select count(*) from webhook_inboxes where organization_id = p_org) >= p_max then
    return jsonb_build_object('outcome', 'too_many');
  end if;
  insert into webhook_inboxes (id, organization_id, expires_at)
  values (p_id, p_org, now() + make_interval(secs => p_ttl_s)) returning * into v_inbox;
  return jsonb_build_object('outcome', 'created', 'inbox', to_jsonb(v_inbox));
end $$;
comment on function public.inbox_create_v1(uuid, uuid, int, int) is
  'Opens an inbox for a while, up to p_max at once in an organization.';

create function public.inbox_receive_v1(
  p_org uuid, p_inbox_id uuid, p_message jsonb, p_max_count int, p_max_bytes int
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  perform from webhook_inboxes
    where organization_id = p_org and id = p_inbox_id and expires_at > now() for update;
  if not found then
    return 'false';
  end if;
  insert into webhook_inbox_messages (id, organization_id, inbox_id, headers, body, body_base64, size_bytes)
  select m.id, p_org, p_inbox_id, m.headers, m.body, m.body_base64, m.size_bytes
    from jsonb_populate_record(null::webhook_inbox_messages, p_message) m;
  delete from webhook_inbox_messages where id in (
    select id from (
      select id, row_number() over newest as place, sum(size_bytes) over newest as bytes
        from webhook_inbox_messages where organization_id = p_org and inbox_id = p_inbox_id
      window newest as (order by id desc)) kept
     where place > p_max_count or (bytes > p_max_bytes and place > 1));
  return 'true';
end $$;
comment on function public.inbox_receive_v1(uuid, uuid, jsonb, int, int) is
  'Records a message and lets the oldest ones go beyond the limits; false for an inbox that is not open.';

create function public.inboxes_purge_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count int;
begin
  delete from webhook_inboxes where id in (
    select id from webhook_inboxes where expires_at <= now() limit p_limit for update skip locked);
  get diagnostics v_count = row_count;
  return to_jsonb(v_count);
end $$;
comment on function public.inboxes_purge_v1(int) is 'Deletes inboxes that have expired, with what they received; how many.';

do $$
begin
  perform agentes.lock_table('agentes.webhook_inboxes');
  perform agentes.lock_table('agentes.webhook_inbox_messages');
  perform agentes.lock_function('public.inbox_create_v1(uuid, uuid, int, int)', 'agentes_tenant');
  perform agentes.lock_function('public.inbox_receive_v1(uuid, uuid, jsonb, int, int)', 'agentes_tenant');
  perform agentes.lock_function('public.inboxes_purge_v1(int)', 'agentes_system');
  insert into agentes.catalogue (name) values ('webhook_inboxes'), ('webhook_inbox_messages');
end $$;

select agentes.migration_applied('20261126040600');

notify pgrst, 'reload schema';
