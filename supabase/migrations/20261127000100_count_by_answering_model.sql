-- A run is counted under the model that answered: where that is a fallback, its end says which.

create or replace function public.run_finish_v3(p_org uuid, p_run jsonb, p_message jsonb, p_frames_base64 text, p_events jsonb)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_run agentes.runs := jsonb_populate_record(null::runs, p_run);
  v_message agentes.messages := jsonb_populate_record(null::messages, p_message);
  v_kept agentes.runs;
begin
  perform set_config('app.org', p_org::text, true);
  update runs set status = v_run.status, last_event_id = v_run.last_event_id, error = v_run.error,
         usage = v_run.usage, model_id = coalesce(v_run.model_id, model_id), ended_at = now()
   where organization_id = p_org and id = v_run.id and status = 'running' and owner_id = v_run.owner_id;
  if not found then
    select * into v_kept from runs where organization_id = p_org and id = v_run.id;
    return case
      when not found then '"gone"'
      -- The same end again: it was kept, and only the answer to this call was lost.
      when v_kept.owner_id = v_run.owner_id and v_kept.status = v_run.status
           and v_kept.last_event_id = v_run.last_event_id then '"kept"'
      else '"ended"' end;
  end if;
  update messages set content = v_message.content, status = v_message.status, sources = v_message.sources,
         tool_calls = v_message.tool_calls, metadata = v_message.metadata, updated_at = now()
   where organization_id = p_org and id = v_message.id;
  if v_message.tool_calls <> '[]' then
    update tool_calls set status = 'unknown', ended_at = now()
     where organization_id = p_org and run_id = v_run.id and status = 'begun';
  end if;
  insert into run_frames (run_id, organization_id, frames)
  values (v_run.id, p_org, decode(p_frames_base64, 'base64'))
  on conflict (run_id) do update set frames = excluded.frames, ended_at = now();
  perform announce(p_org, p_events);
  return '"kept"';
end $$;

select agentes.migration_applied('20261127000100');

notify pgrst, 'reload schema';
