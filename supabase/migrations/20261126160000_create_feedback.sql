-- What people think of answers, and conversations that are changed by version.

alter table agentes.conversations add column if not exists handoff jsonb;
comment on column agentes.conversations.handoff is
  'The latest handoff to a person: {reason, summary, summary_source, requested_by, requested_at, taken_by?, taken_at?, returned_at?}.';
alter table agentes.conversations add column version integer not null default 1;

-- A message alone makes no new version: it changes nothing that anybody could overwrite.
create function agentes.conversation_next_version() returns trigger
language plpgsql as $$
begin
  if (new.title, new.status, new.metadata, new.handoff) is distinct from (old.title, old.status, old.metadata, old.handoff) then
    new.version := old.version + 1;
  end if;
  return new;
end $$;
comment on function agentes.conversation_next_version() is 'Counts the changes of a conversation, whoever makes them.';
create trigger next_version before update on agentes.conversations
  for each row execute function agentes.conversation_next_version();

create table agentes.feedback (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  conversation_id uuid not null references agentes.conversations on delete cascade,
  message_id uuid not null references agentes.messages on delete cascade,
  agent_id uuid not null,
  given_by text not null,
  rating smallint not null check (rating in (-1, 1)),
  comment text,
  reasons jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (message_id, given_by)
);
comment on table agentes.feedback is 'What one person thinks of one answer; a change of mind replaces it.';
create index feedback_by_organization on agentes.feedback (organization_id, id desc);
create index feedback_by_conversation on agentes.feedback (conversation_id);

create function public.feedback_give_v1(p_org uuid, p_feedback jsonb, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_given agentes.feedback := jsonb_populate_record(null::feedback, p_feedback);
  v_role text;
  v_row jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  -- Held, so that a conversation that is deleted meanwhile is as one that never was.
  select role into v_role from messages
   where organization_id = p_org and id = v_given.message_id and conversation_id = v_given.conversation_id for key share;
  if not found then
    return jsonb_build_object('outcome', 'message_not_found');
  elsif v_role not in ('assistant', 'operator') then
    return jsonb_build_object('outcome', 'no_answer');
  end if;
  insert into feedback as f (id, organization_id, conversation_id, message_id, agent_id, given_by, rating, comment, reasons)
  values (v_given.id, p_org, v_given.conversation_id, v_given.message_id, v_given.agent_id, v_given.given_by,
          v_given.rating, v_given.comment, v_given.reasons)
  on conflict (message_id, given_by) do update
     set rating = excluded.rating, comment = excluded.comment, reasons = excluded.reasons, updated_at = now()
   where (f.rating, f.comment, f.reasons) is distinct from (excluded.rating, excluded.comment, excluded.reasons);
  if found then
    perform announce(p_org, p_events);
  end if;
  select to_jsonb(f) into v_row from feedback f
   where f.organization_id = p_org and f.message_id = v_given.message_id and f.given_by = v_given.given_by;
  return jsonb_build_object('outcome', 'given', 'feedback', v_row);
end $$;
comment on function public.feedback_give_v1(uuid, jsonb, jsonb) is
  'Keeps what a person thinks of an answer in place of what they thought before; the events are announced where anything changed.';

create function public.messages_page_v1(
  p_org uuid, p_conversation_id uuid, p_limit int, p_after uuid default null, p_person text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_rows jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select jsonb_agg(to_jsonb(m) || jsonb_build_object('feedback', (
           select to_jsonb(f) from feedback f
            where f.organization_id = p_org and f.message_id = m.id and (p_person is null or f.given_by = p_person)
            order by f.updated_at desc, f.id desc limit 1)) order by m.id)
    into v_rows
    from (select * from messages
           where organization_id = p_org and conversation_id = p_conversation_id and (p_after is null or id > p_after)
           order by id limit least(greatest(p_limit, 0), 1001)) m;
  return coalesce(v_rows, '[]');
end $$;
comment on function public.messages_page_v1(uuid, uuid, int, uuid, text) is
  'Messages of a conversation, oldest first, each with the newest feedback on it: of one person, or of anybody.';

create function public.conversation_update_v2(
  p_org uuid, p_id uuid, p_changes jsonb, p_expected_versions jsonb, p_events jsonb
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_before agentes.conversations;
  v_row jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_before from conversations where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  elsif p_expected_versions is not null and not p_expected_versions @> to_jsonb(v_before.version) then
    return jsonb_build_object('outcome', 'version_mismatch', 'version', v_before.version);
  end if;
  v_row := public.row_update_v1(p_org, 'conversations', p_id, p_changes);
  if v_before.status <> 'resolved' and v_row->>'status' = 'resolved' then
    perform announce(p_org, p_events);
  end if;
  return jsonb_build_object('outcome', 'updated', 'conversation', v_row);
end $$;
comment on function public.conversation_update_v2(uuid, uuid, jsonb, jsonb, jsonb) is
  'Changes a conversation where its version is one of those expected; the events are announced when this resolves it.';

-- As it was, and with each message what was thought of it.
create or replace function public.person_export_v1(p_org uuid, p_person jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_found jsonb;
  v_conversations uuid[];
  v_leads uuid[];
begin
  perform set_config('app.org', p_org::text, true);
  v_found := person_find(p_org, p_person);
  v_conversations := ids_in(v_found->'conversations');
  v_leads := ids_in(v_found->'leads');
  return jsonb_build_object(
    'visitor_ids', v_found->'visitors',
    'leads', (select coalesce(jsonb_agg(to_jsonb(l) - array['email_key', 'has_consent', 'organization_id'] order by l.id), '[]')
                from leads l where l.organization_id = p_org and l.id = any (v_leads)),
    'conversations', (select coalesce(jsonb_agg(to_jsonb(c) - 'organization_id' || jsonb_build_object('messages', (
        select coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'role', m.role, 'content', m.content, 'created_at', m.created_at,
                 'feedback', (select coalesce(jsonb_agg(to_jsonb(f) - array['organization_id', 'conversation_id'] order by f.id), '[]')
                                from feedback f where f.organization_id = p_org and f.message_id = m.id)) order by m.id), '[]')
          from messages m where m.organization_id = p_org and m.conversation_id = c.id)) order by c.id), '[]')
      from conversations c where c.organization_id = p_org and c.id = any (v_conversations)),
    'form_submissions', (select coalesce(jsonb_agg(to_jsonb(s) - 'organization_id' order by s.id), '[]')
      from form_submissions s where s.organization_id = p_org and s.conversation_id = any (v_conversations)));
end $$;

do $$
begin
  perform agentes.lock_table('agentes.feedback');
  perform agentes.revoke_from_strangers('function agentes.conversation_next_version()');
  perform agentes.lock_function('public.feedback_give_v1(uuid, jsonb, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.messages_page_v1(uuid, uuid, int, uuid, text)', 'agentes_tenant');
  perform agentes.lock_function('public.conversation_update_v2(uuid, uuid, jsonb, jsonb, jsonb)', 'agentes_tenant');
  insert into agentes.catalogue (name) values ('feedback');
end $$;

select agentes.migration_applied('20261126160000');

notify pgrst, 'reload schema';
