-- What changes a conversation without an event; chats never come this way.

create function agentes.note_changed_conversation() returns trigger
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  insert into analytics_changes (organization_id, conversation_id)
  values (new.organization_id, new.id);
  return null;
end $$;
comment on function agentes.note_changed_conversation() is 'Has the pass of figures look at a conversation again.';

create function agentes.note_changed_message() returns trigger
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  insert into analytics_changes (organization_id, conversation_id) values (new.organization_id, new.conversation_id);
  return null;
end $$;
comment on function agentes.note_changed_message() is 'The same for what belongs to a conversation.';

create function agentes.note_gone_conversations() returns trigger
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  if current_setting('app.expiring', true) = 'on' then
    -- What is past its retention has happened all the same: the sums stay, what names it goes.
    delete from analytics_shares s using gone g where s.conversation_id = g.id;
  else
    insert into analytics_changes (organization_id, conversation_id) select organization_id, id from gone;
  end if;
  return null;
end $$;
comment on function agentes.note_gone_conversations() is
  'Conversations that were deleted leave the figures; those past their retention stay in the sums.';

create trigger note_gone after delete on agentes.conversations
  referencing old table as gone for each statement execute function agentes.note_gone_conversations();
create trigger note_changed after update of status, handoff on agentes.conversations
  for each row when (old.status is distinct from new.status or old.handoff is distinct from new.handoff)
  execute function agentes.note_changed_conversation();
-- Of people who answer, and of forms: an agent's run announces what it says.
create trigger note_changed after insert on agentes.messages
  for each row when (new.run_id is null) execute function agentes.note_changed_message();

create or replace function public.conversations_expire_v1(p_limit int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_count bigint;
begin
  perform set_config('app.expiring', 'on', true);
  delete from conversations c where c.id in (
    select o.id from settings s join conversations o on o.organization_id = s.organization_id
     where (s.document->'retention_days'->>'conversations')::int > 0
       and o.updated_at < now() - make_interval(days => (s.document->'retention_days'->>'conversations')::int)
     limit p_limit);
  get diagnostics v_count = row_count;
  perform set_config('app.expiring', '', true);
  return to_jsonb(v_count);
end $$;

do $$
declare
  v_name text;
begin
  grant create on schema agentes to agentes_system;
  foreach v_name in array array['note_changed_conversation', 'note_changed_message', 'note_gone_conversations'] loop
    perform agentes.revoke_from_strangers(format('function agentes.%s()', v_name));
    execute format('alter function agentes.%I() owner to agentes_system', v_name);
  end loop;
  revoke create on schema agentes from agentes_system;
end $$;

-- What there was before figures: leads and forms into the ledger, everything into the sums.
select agentes.conversion_take(l.organization_id, 'lead', l.id, l.conversation_id, l.created_at)
  from agentes.leads l where l.is_complete and l.conversation_id is not null order by l.id;
select agentes.conversion_take(f.organization_id, 'form', f.id, f.conversation_id, f.created_at)
  from agentes.form_submissions f order by f.id;
insert into agentes.analytics_changes (organization_id, conversation_id)
select organization_id, id from agentes.conversations order by id;

select agentes.migration_applied('20261126180600');

notify pgrst, 'reload schema';
