-- What callers change beside configuration: documents, gaps, conversations, forms, inboxes, the
-- decisions on tool calls, and the exports and erasures of persons.

-- A decision names who made it; the run that goes on from it is nobody's change.
create function agentes.audit_decision() returns trigger
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  insert into audit_log (organization_id, actor, action, resource, resource_id, before, after)
  values (new.organization_id, new.decided_by, 'tool_call.decided', 'tool_call', new.id::text,
          jsonb_build_object('status', old.status), jsonb_build_object('status', new.status, 'name', new.name));
  return null;
end $$;
comment on function agentes.audit_decision() is 'Writes who approved or denied a tool''s call into the audit log.';
create trigger audit_decision after update of decided_by on agentes.tool_calls
  for each row when (old.decided_by is null and new.decided_by is not null) execute function agentes.audit_decision();

-- A person's data was given out: by whom, and by what the person was named.
create function agentes.audit_export(p_org uuid, p_named_by text, p_found jsonb) returns void
language plpgsql as $$
declare
  v_acting jsonb := nullif(current_setting('app.acting', true), '')::jsonb;
begin
  if v_acting is not null then
    insert into agentes.audit_log (organization_id, actor, impersonator, request_id, action, resource, resource_id, after)
    values (p_org, v_acting->>'actor', v_acting->>'impersonator', v_acting->>'request_id', 'person.exported', 'person', p_named_by,
            jsonb_build_object('conversations', jsonb_array_length(p_found->'conversations'),
                               'leads', jsonb_array_length(p_found->'leads')));
  end if;
end $$;
comment on function agentes.audit_export(uuid, text, jsonb) is 'Notes that a person''s data was given out; the name is not kept.';

do $$
begin
  perform agentes.revoke_from_strangers('function agentes.audit_decision()');
  grant create on schema agentes to agentes_system;
  alter function agentes.audit_decision() owner to agentes_system;
  revoke create on schema agentes from agentes_system;
  perform agentes.lock_helper('agentes.audit_export(uuid, text, jsonb)');
  perform agentes.audit_table('agentes.documents', 'document');
  perform agentes.audit_table('agentes.knowledge_gaps', 'knowledge_gap', 'personal');
  perform agentes.audit_table('agentes.conversations', 'conversation', 'personal');
  perform agentes.audit_table('agentes.form_submissions', 'form_submission', 'personal');
  perform agentes.audit_table('agentes.webhook_inboxes', 'webhook_inbox');
  perform agentes.audit_table('agentes.webhook_recoveries', 'webhook_recovery');
  perform agentes.audit_table('agentes.erasures', 'erasure');
end $$;

select agentes.migration_applied('20261126210200');

notify pgrst, 'reload schema';
