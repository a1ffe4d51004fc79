-- Leads: who wants to be called back, and what each conversation has given of them so far.

create table agentes.leads (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  -- No reference: leads outlive the agent that took them.
  agent_id uuid,
  conversation_id uuid references agentes.conversations on delete set null,
  visitor_id text,
  source text not null,
  name text,
  email text,
  phone text,
  document text,
  company text,
  fields jsonb not null default '{}',
  notes text not null default '',
  status text not null default 'new',
  consent jsonb,
  is_complete boolean not null,
  -- What later conversations gave that differs, one entry each: nobody who only says so overwrites a lead.
  contacts jsonb not null default '[]',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- For what is compared and filtered; as columns, so that row-level security lets indexes serve it.
  email_key text generated always as (lower(email)) stored,
  has_consent boolean generated always as (consent is not null and consent->>'withdrawn_at' is null) stored
);
comment on table agentes.leads is 'People who left their details with an agent, or were entered by hand.';
create index leads_by_organization on agentes.leads (organization_id, id desc);
create index leads_by_conversation on agentes.leads (conversation_id);
create index leads_by_email on agentes.leads (organization_id, email_key) where email_key is not null;
create index leads_by_phone on agentes.leads (organization_id, phone) where phone is not null;
create index leads_by_document on agentes.leads (organization_id, document) where document is not null;

create table agentes.lead_drafts (
  conversation_id uuid primary key references agentes.conversations on delete cascade,
  organization_id uuid not null,
  lead_id uuid not null references agentes.leads on delete cascade,
  given jsonb not null,
  consent jsonb,
  -- {text, run_id}: the text to agree to that the model was told, and in which run.
  told jsonb,
  is_ignored boolean not null default false,
  updated_at timestamptz not null default now()
);
comment on table agentes.lead_drafts is
  'What a conversation itself has given of a lead, which alone decides what is missing; ignored where the lead was known before.';
create index lead_drafts_by_lead on agentes.lead_drafts (lead_id);

create table agentes.lead_calls (
  organization_id uuid not null,
  key text not null,
  result jsonb not null,
  created_at timestamptz not null default now(),
  primary key (organization_id, key)
);
comment on table agentes.lead_calls is
  'What a call to capture a lead has answered, for when the same call is made again; no personal data, kept for 7 days.';
create index lead_calls_by_age on agentes.lead_calls (created_at);

-- A lead's columns that hold a value of the given ones, and the rest under `fields`.
create function agentes.lead_row(p_given jsonb) returns jsonb
language sql immutable as $$
  select (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(p_given)
           where key in ('name', 'email', 'phone', 'document', 'company'))
      || jsonb_build_object('fields', (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(p_given)
           where key not in ('name', 'email', 'phone', 'document', 'company')))
$$;
comment on function agentes.lead_row(jsonb) is 'Values by name as the columns of a lead.';

-- The strongest sign first. Two documents that differ are two people who share a telephone.
create function agentes.lead_same(p_org uuid, p_row jsonb, p_but uuid) returns uuid
language sql stable as $$
  select l.id from agentes.leads l
   where l.organization_id = p_org and l.is_complete and l.id is distinct from p_but
     and (l.document = p_row->>'document' or l.email_key = lower(p_row->>'email') or l.phone = p_row->>'phone')
     and (l.document is null or p_row->>'document' is null or l.document = p_row->>'document')
   order by (l.document = p_row->>'document') desc nulls last,
            (l.email_key = lower(p_row->>'email')) desc nulls last, l.id
   limit 1
$$;
comment on function agentes.lead_same(uuid, jsonb, uuid) is
  'The complete lead that has the same document, e-mail or telephone, other than one.';

create function agentes.lead_announce(p_lead agentes.leads, p_events jsonb) returns void
language sql as $$
  select agentes.announce(p_lead.organization_id, (
    select jsonb_agg(e || jsonb_build_object('agent_id', p_lead.agent_id, 'data', e->'data' || jsonb_build_object(
             'lead_id', p_lead.id, 'source', p_lead.source, 'agent_id', p_lead.agent_id,
             'conversation_id', p_lead.conversation_id, 'visitor_id', p_lead.visitor_id, 'name', p_lead.name,
             'email', p_lead.email, 'phone', p_lead.phone, 'document', p_lead.document, 'company', p_lead.company,
             'fields', p_lead.fields, 'has_consent', p_lead.has_consent)))
      from jsonb_array_elements(p_events) e))
$$;
comment on function agentes.lead_announce(agentes.leads, jsonb) is
  'Announces that a lead is complete, with what it holds.';

-- Of two leads that would be one, both must not look before the other has written.
create function agentes.leads_one_at_a_time(p_org uuid) returns void
language sql as $$
  select pg_advisory_xact_lock(hashtextextended('agentes.leads:' || p_org, 0))
$$;
comment on function agentes.leads_one_at_a_time(uuid) is
  'Holds other writers of leads of the organization back until this transaction has ended.';

create function public.lead_create_v1(p_org uuid, p_lead jsonb, p_events jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_same uuid;
  v_lead agentes.leads;
begin
  perform set_config('app.org', p_org::text, true);
  perform leads_one_at_a_time(p_org);
  v_same := lead_same(p_org, p_lead, null);
  if v_same is not null then
    return jsonb_build_object('outcome', 'exists', 'lead_id', v_same);
  end if;
  v_lead := jsonb_populate_record(null::leads, p_lead);
  insert into leads (id, organization_id, source, name, email, phone, document, company, fields, notes, status,
                     consent, is_complete)
  values (v_lead.id, p_org, v_lead.source, v_lead.name, v_lead.email, v_lead.phone, v_lead.document,
          v_lead.company, v_lead.fields, v_lead.notes, v_lead.status, v_lead.consent, true)
  returning * into v_lead;
  perform lead_announce(v_lead, p_events);
  return jsonb_build_object('outcome', 'created', 'lead', to_jsonb(v_lead));
end $$;
comment on function public.lead_create_v1(uuid, jsonb, jsonb) is
  'A lead entered by hand, with its event; or the id of the one that has the same e-mail, telephone or document.';

create function public.lead_update_v1(p_org uuid, p_id uuid, p_changes jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_lead jsonb;
  v_same uuid;
begin
  perform set_config('app.org', p_org::text, true);
  perform leads_one_at_a_time(p_org);
  select to_jsonb(l) into v_lead from leads l where l.organization_id = p_org and l.id = p_id and l.is_complete;
  if found and p_changes ?| array['email', 'phone', 'document'] then
    v_same := lead_same(p_org, v_lead || p_changes, p_id);
    if v_same is not null then
      return jsonb_build_object('outcome', 'exists', 'lead_id', v_same);
    end if;
  end if;
  v_lead := public.row_update_v1(p_org, 'leads', p_id, p_changes);
  return case when v_lead is null then jsonb_build_object('outcome', 'not_found')
              else jsonb_build_object('outcome', 'updated', 'lead', v_lead) end;
end $$;
comment on function public.lead_update_v1(uuid, uuid, jsonb) is
  'Changes a lead, unless another has that e-mail, telephone or document.';

create function public.lead_fields_list_v1(p_org uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select coalesce(jsonb_agg(f.name order by f.name), '[]') from (
    select distinct jsonb_object_keys(fields) as name from leads where organization_id = p_org
     order by 1 limit 200) f);
end $$;
comment on function public.lead_fields_list_v1(uuid) is
  'The names of the organization''s own fields that any of its leads has.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.leads');
  perform agentes.lock_table('agentes.lead_drafts');
  perform agentes.lock_table('agentes.lead_calls');
  foreach v_function in array array[
    'lead_row(jsonb)', 'lead_same(uuid, jsonb, uuid)', 'lead_announce(agentes.leads, jsonb)',
    'leads_one_at_a_time(uuid)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_function)::regprocedure);
  end loop;
  foreach v_function in array array[
    'lead_create_v1(uuid, jsonb, jsonb)', 'lead_update_v1(uuid, uuid, jsonb)', 'lead_fields_list_v1(uuid)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  insert into agentes.catalogue (name, hidden, searchable) values
    ('leads', '{email_key,has_consent}', '{name,email,phone,document,company}'),
    ('lead_drafts', '{given,consent,told}', '{}');
end $$;

select agentes.migration_applied('20261126030000');

notify pgrst, 'reload schema';
