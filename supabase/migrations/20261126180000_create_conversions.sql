-- Conversions: what a conversation brought. A ledger: entries are added, and taken back by entries of their own.

create table agentes.conversions (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  conversation_id uuid not null references agentes.conversations on delete cascade,
  kind text not null,
  type text not null,
  amount bigint,
  currency text,
  external_id text,
  refunded_id uuid references agentes.conversions on delete cascade,
  is_refundable boolean not null,
  subject_id uuid,
  -- What had a part in it, as it was then.
  agent_id uuid not null,
  agent_version integer,
  model_id text,
  tools jsonb not null default '[]',
  seconds_to_convert integer not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.conversions is
  'Entries of kind lead, form, custom or refund; amounts in millionths of the currency, negative in refunds; subject_id is the lead or the submission.';
create unique index conversions_by_external_id on agentes.conversions (organization_id, external_id)
  where external_id is not null;
create unique index conversions_by_subject on agentes.conversions (organization_id, kind, subject_id)
  where subject_id is not null;
create index conversions_by_organization on agentes.conversions (organization_id, id desc);
create index conversions_by_time on agentes.conversions (organization_id, occurred_at);
create index conversions_by_conversation on agentes.conversions (conversation_id);
create index conversions_by_refunded on agentes.conversions (refunded_id) where refunded_id is not null;

create table agentes.conversion_passages (
  conversion_id uuid not null references agentes.conversions on delete cascade,
  organization_id uuid not null,
  chunk_id uuid not null,
  document_id uuid,
  knowledge_base_id uuid,
  name text not null,
  citations integer not null,
  primary key (conversion_id, chunk_id)
);
comment on table agentes.conversion_passages is 'Passages that answers had cited in the conversation before it converted.';
create index conversion_passages_by_chunk on agentes.conversion_passages (organization_id, chunk_id);

-- The latest run before the moment answers for it, with the tools that had succeeded by then.
create function agentes.conversion_attribute(p_entry agentes.conversions) returns agentes.conversions
language plpgsql stable as $$
declare
  v_entry agentes.conversions := p_entry;
  v_start timestamptz;
begin
  select c.agent_id, c.created_at into v_entry.agent_id, v_start from agentes.conversations c
   where c.organization_id = p_entry.organization_id and c.id = p_entry.conversation_id;
  v_entry.seconds_to_convert := greatest(0, extract(epoch from p_entry.occurred_at - v_start))::int;
  select r.agent_id, r.agent_version, coalesce(m.metadata->>'model', r.model_id)
    into v_entry.agent_id, v_entry.agent_version, v_entry.model_id
    from agentes.runs r left join agentes.messages m on m.id = r.message_id
   where r.organization_id = p_entry.organization_id and r.conversation_id = p_entry.conversation_id
     and r.started_at <= p_entry.occurred_at
   order by r.started_at desc, r.id desc limit 1;
  if not found then
    v_entry.agent_id := (select c.agent_id from agentes.conversations c where c.id = p_entry.conversation_id
                            and c.organization_id = p_entry.organization_id);
  end if;
  v_entry.tools := (
    select coalesce(jsonb_agg(distinct t.call->>'name'), '[]')
      from agentes.messages m, jsonb_array_elements(m.tool_calls) t(call)
     where m.organization_id = p_entry.organization_id and m.conversation_id = p_entry.conversation_id
       and m.created_at <= p_entry.occurred_at and t.call->>'status' = 'succeeded');
  return v_entry;
end $$;
comment on function agentes.conversion_attribute(agentes.conversions) is
  'The entry with the agent, its version, model and tools that had a part in its conversation by then.';

create function agentes.conversion_cite(p_entry agentes.conversions) returns void
language sql as $$
  insert into agentes.conversion_passages (conversion_id, organization_id, chunk_id, document_id, knowledge_base_id, name, citations)
  select p_entry.id, p_entry.organization_id, (s.source->>'chunk_id')::uuid, min(s.source->>'document_id')::uuid,
         min(s.source->>'knowledge_base_id')::uuid, coalesce(min(s.source->>'source'), ''), count(*)
    from agentes.messages m, jsonb_array_elements(m.sources) s(source)
   where m.organization_id = p_entry.organization_id and m.conversation_id = p_entry.conversation_id
     and m.role = 'assistant' and m.created_at <= p_entry.occurred_at and s.source->>'chunk_id' is not null
     and strpos(m.content, '[' || (s.source->>'index') || ']') > 0
   group by 3
$$;
comment on function agentes.conversion_cite(agentes.conversions) is
  'Keeps which passages the answers before an entry have cited, and in how many answers.';

create function agentes.conversion_shown(p_entry agentes.conversions) returns jsonb
language sql stable as $$
  select to_jsonb(p_entry) - array['organization_id', 'updated_at', 'amount'] || jsonb_build_object(
    'value', trim_scale(p_entry.amount / 1000000.0),
    'passages', (select coalesce(jsonb_agg(jsonb_build_object('chunk_id', p.chunk_id, 'document_id', p.document_id,
                          'knowledge_base_id', p.knowledge_base_id, 'name', p.name, 'citations', p.citations)
                          order by p.citations desc, p.chunk_id), '[]')
                   from agentes.conversion_passages p
                  where p.organization_id = p_entry.organization_id
                    and p.conversion_id = coalesce(p_entry.refunded_id, p_entry.id)))
$$;
comment on function agentes.conversion_shown(agentes.conversions) is
  'An entry as clients see it, its amount in units of the currency; a refund with the passages of what it takes back.';

create function agentes.conversion_announce(p_entry agentes.conversions, p_events jsonb) returns void
language sql as $$
  select agentes.announce(p_entry.organization_id, (
    select jsonb_agg(e || jsonb_build_object('agent_id', p_entry.agent_id, 'data',
             (shown.row - array['id', 'subject_id', 'is_refundable', 'created_at', 'passages']) || jsonb_build_object(
               'conversion_id', p_entry.id,
               'occurred_at', to_char(p_entry.occurred_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'visitor_id', (select c.visitor_id from agentes.conversations c where c.id = p_entry.conversation_id
                                 and c.organization_id = p_entry.organization_id),
               'passages', jsonb_path_query_array(shown.row, '$.passages[0 to 9]'))))
      from jsonb_array_elements(p_events) e, (select agentes.conversion_shown(p_entry)) shown(row)))
$$;
comment on function agentes.conversion_announce(agentes.conversions, jsonb) is 'Announces an entry with what it holds.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.conversions');
  perform agentes.lock_table('agentes.conversion_passages');
  perform agentes.audit_table('agentes.conversions', 'conversion', 'personal');
  foreach v_function in array array['conversion_attribute', 'conversion_cite', 'conversion_shown'] loop
    perform agentes.lock_helper(format('agentes.%s(agentes.conversions)', v_function)::regprocedure);
  end loop;
  perform agentes.lock_helper('agentes.conversion_announce(agentes.conversions, jsonb)');
end $$;

select agentes.migration_applied('20261126180000');

notify pgrst, 'reload schema';
