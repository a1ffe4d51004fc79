-- Settings hold keys of providers, sealed: the audit log tells that one has changed, and nothing of it.

create or replace function agentes.audited(p_row jsonb, p_is_personal boolean) returns jsonb
language sql immutable as $$
  select jsonb_object_agg(key, case
           when value = 'null' then value
           when key ~ '(secret|sha256|sealed|password|token_hash)' then '"***"'::jsonb
           when p_is_personal and key not in ('id', 'status', 'agent_id', 'conversation_id', 'is_complete') then '"***"'
           when key = 'document' and value ? 'provider_keys' then jsonb_set(value, '{provider_keys}', (
             select coalesce(jsonb_object_agg(provider, '***'), '{}') from jsonb_object_keys(value->'provider_keys') provider))
           else value end)
    from jsonb_each(p_row) where key not in ('updated_at', 'organization_id')
$$;

select agentes.migration_applied('20261126170000');

notify pgrst, 'reload schema';
