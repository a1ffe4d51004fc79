-- Credentials stand in addresses and plain headers too: the audit log shows that they are there, and no more.

create function agentes.without_credentials(p_value jsonb) returns jsonb
language sql immutable as $$
  select regexp_replace(regexp_replace(regexp_replace(p_value::text,
    -- https://user:password@host
    '(https?://)[^/@"\s\\]+@', '\1***@', 'gi'),
    -- ?access_token=…
    '([?&][^=&"#\\]*(?:token|key|secret|passw|sig|auth|credential)[^=&"#\\]*=)[^&"#\\\s]+', '\1***', 'gi'),
    -- "X-Api-Key": "…"
    '("(?:[^"\\]|\\.)*(?:authorization|api[-_ ]?key|token|secret|cookie|passw|signature|credential)(?:[^"\\]|\\.)*"): "(?:[^"\\]|\\.)*"',
    '\1: "***"', 'gi')::jsonb
$$;
comment on function agentes.without_credentials(jsonb) is 'The value, with what may be a credential as ***.';

create or replace function agentes.audited(p_row jsonb, p_is_personal boolean) returns jsonb
language sql immutable as $$
  select jsonb_object_agg(key, case
           when value = 'null' then value
           when key ~ '(secret|sha256|sealed|password|token_hash)' then '"***"'::jsonb
           when p_is_personal and key not in ('id', 'status', 'agent_id', 'conversation_id', 'is_complete') then '"***"'
           when key = 'document' and value ? 'provider_keys' then jsonb_set(value, '{provider_keys}', (
             select coalesce(jsonb_object_agg(provider, '***'), '{}') from jsonb_object_keys(value->'provider_keys') provider))
           else agentes.without_credentials(value) end)
    from jsonb_each(p_row) where key not in ('updated_at', 'organization_id')
$$;

do $$
begin
  perform agentes.lock_helper('agentes.without_credentials(jsonb)');
end $$;

select agentes.migration_applied('20261126230100');

notify pgrst, 'reload schema';
