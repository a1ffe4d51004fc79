-- Forms that agents show, and what visitors have sent with them.

create table agentes.forms (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  -- No references: a form that was shown outlives its agent and its tool.
  agent_id uuid not null,
  tool_id uuid not null,
  conversation_id uuid not null references agentes.conversations on delete cascade,
  visitor_id text,
  title text not null,
  fields jsonb not null,
  prefilled jsonb not null default '{}',
  submit_message text not null,
  language text not null,
  status text not null default 'open',
  call_keys text[] not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  submitted_at timestamptz
);
comment on table agentes.forms is 'Forms as they were shown in a conversation; each is submitted once.';
create index forms_by_organization on agentes.forms (organization_id, id desc);
create index forms_by_conversation on agentes.forms (conversation_id, id desc);

create table agentes.form_submissions (
  id uuid primary key,
  organization_id uuid not null,
  form_id uuid not null unique references agentes.forms on delete cascade,
  agent_id uuid not null,
  tool_id uuid not null,
  conversation_id uuid not null,
  visitor_id text,
  title text not null,
  "values" jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table agentes.form_submissions is 'What visitors have sent, checked.';
create index form_submissions_by_organization on agentes.form_submissions (organization_id, id desc);
create index form_submissions_by_tool on agentes.form_submissions (organization_id, tool_id, id desc);

create function public.form_show_v1(p_org uuid, p_form jsonb, p_key text, p_max_forms int) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_new agentes.forms := jsonb_populate_record(null::forms, p_form);
  v_form agentes.forms;
begin
  perform set_config('app.org', p_org::text, true);
  -- Whoever shows or submits a form takes its conversation first, so that none waits for the other.
  perform from conversations where organization_id = p_org and id = v_new.conversation_id for no key update;
  if not found then
    return jsonb_build_object('outcome', 'conversation_not_found');
  end if;
  select * into v_form from forms
   where organization_id = p_org and conversation_id = v_new.conversation_id and p_key = any (call_keys);
  if found then
    return jsonb_build_object('outcome', 'shown', 'form', to_jsonb(v_form) - 'call_keys');
  end if;
  -- One that is open already is shown again, and not asked for twice.
  update forms set call_keys = call_keys || p_key, prefilled = prefilled || v_new.prefilled, updated_at = now()
   where id = (select f.id from forms f
                where f.organization_id = p_org and f.conversation_id = v_new.conversation_id and f.status = 'open'
                  and f.tool_id = v_new.tool_id and f.title = v_new.title and f.fields = v_new.fields
                  and f.submit_message = v_new.submit_message order by f.id desc limit 1)
  returning * into v_form;
  if found then
    return jsonb_build_object('outcome', 'shown', 'form', to_jsonb(v_form) - 'call_keys');
  elsif (select count(*) from forms where organization_id = p_org and conversation_id = v_new.conversation_id)
        >= p_max_forms then
    return jsonb_build_object('outcome', 'too_many');
  end if;
  insert into forms (id, organization_id, agent_id, tool_id, conversation_id, visitor_id, title, fields, prefilled,
                     submit_message, language, call_keys)
  values (v_new.id, p_org, v_new.agent_id, v_new.tool_id, v_new.conversation_id, v_new.visitor_id, v_new.title,
          v_new.fields, v_new.prefilled, v_new.submit_message, v_new.language, array[p_key])
  returning * into v_form;
  return jsonb_build_object('outcome', 'shown', 'form', to_jsonb(v_form) - 'call_keys');
end $$;
comment on function public.form_show_v1(uuid, jsonb, text, int) is
  'A form for a conversation, once for each key; the same form again while it is open, and so many at most.';

create function public.forms_of_run_v1(p_org uuid, p_conversation_id uuid, p_run_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select coalesce(jsonb_agg(to_jsonb(f) - 'call_keys' order by f.id), '[]') from forms f
           where f.organization_id = p_org and f.conversation_id = p_conversation_id
             and exists (select from unnest(f.call_keys) k where starts_with(k, p_run_id || ':')));
end $$;
comment on function public.forms_of_run_v1(uuid, uuid, uuid) is 'The forms that a run has shown, by the keys of its calls.';

create function public.form_submit_v1(p_org uuid, p_id uuid, p_submission jsonb, p_message jsonb, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_conversation_id uuid;
  v_form agentes.forms;
  v_made agentes.form_submissions;
begin
  perform set_config('app.org', p_org::text, true);
  select conversation_id into v_conversation_id from forms where organization_id = p_org and id = p_id;
  perform from conversations where organization_id = p_org and id = v_conversation_id for no key update;
  select * into v_form from forms where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  select * into v_made from form_submissions where organization_id = p_org and form_id = p_id;
  if found then
    return jsonb_build_object('submission', to_jsonb(v_made), 'outcome',
      case when v_made."values" = p_submission->'values' then 'submitted' else 'submitted_before' end);
  end if;
  insert into form_submissions (id, organization_id, form_id, agent_id, tool_id, conversation_id, visitor_id, title,
                                "values")
  values ((p_submission->>'id')::uuid, p_org, p_id, v_form.agent_id, v_form.tool_id, v_form.conversation_id,
          v_form.visitor_id, v_form.title, p_submission->'values')
  returning * into v_made;
  update forms set status = 'submitted', submitted_at = now(), updated_at = now()
   where organization_id = p_org and id = p_id;
  -- The visitor has said it, so the next answer is given by one who has read it.
  insert into messages (id, organization_id, conversation_id, role, content, metadata)
  values ((p_message->>'id')::uuid, p_org, v_form.conversation_id, 'user', p_message->>'content',
          p_message->'metadata');
  update conversations set updated_at = now(), status = 'active'
   where organization_id = p_org and id = v_form.conversation_id;
  perform announce(p_org, p_events);
  return jsonb_build_object('outcome', 'submitted', 'submission', to_jsonb(v_made));
end $$;
comment on function public.form_submit_v1(uuid, uuid, jsonb, jsonb, jsonb) is
  'Takes what was sent with a form once, tells it in the conversation and announces it; the same again gets the same.';

create function public.form_values_list_v1(p_org uuid, p_tool_id uuid default null, p_agent_id uuid default null)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return (select coalesce(jsonb_agg(n.name order by n.name), '[]') from (
    select distinct jsonb_object_keys("values") as name from form_submissions
     where organization_id = p_org and (p_tool_id is null or tool_id = p_tool_id)
       and (p_agent_id is null or agent_id = p_agent_id)
     order by 1 limit 200) n);
end $$;
comment on function public.form_values_list_v1(uuid, uuid, uuid) is
  'The names of the fields that any submission of the organization, of one tool or of one agent has.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.forms');
  perform agentes.lock_table('agentes.form_submissions');
  foreach v_function in array array[
    'form_show_v1(uuid, jsonb, text, int)', 'form_submit_v1(uuid, uuid, jsonb, jsonb, jsonb)',
    'form_values_list_v1(uuid, uuid, uuid)', 'forms_of_run_v1(uuid, uuid, uuid)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  insert into agentes.catalogue (name, hidden) values ('forms', '{call_keys}'), ('form_submissions', '{}');
end $$;

select agentes.migration_applied('20261126030200');

notify pgrst, 'reload schema';
