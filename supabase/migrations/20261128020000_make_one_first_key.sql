-- One first key for a database, however many processes start over it, each with a folder of its own.

create function public.api_key_register_first_v1(
  p_id uuid, p_organization_id uuid, p_public_id text, p_name text, p_secret_sha256 text
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_taken boolean;
  v_is_this boolean;
begin
  -- Those who start at once come here one after the other; each statement below sees what was kept until then.
  perform from organizations o where o.id = p_organization_id for no key update;
  -- With a key that may do everything any other can be made. A person's ends with the person: it stands in for none.
  -- One that was revoked stands in too: nobody has asked for another in its place.
  select count(*) > 0,
         coalesce(bool_or(k.public_id = p_public_id and k.revoked_at is null
                          and (k.expires_at is null or k.expires_at > now())), false)
    into v_taken, v_is_this
    from api_keys k
   where k.organization_id = p_organization_id
     and (k.public_id = p_public_id or k.scopes ? '*' and k.maker_id is null);
  if v_taken then
    return to_jsonb(case when v_is_this then 'valid' else 'elsewhere' end);
  end if;
  insert into api_keys (id, organization_id, public_id, name, secret_sha256, scopes)
  values (p_id, p_organization_id, p_public_id, p_name, p_secret_sha256, '["*"]')
  on conflict (public_id) do nothing;
  return to_jsonb(case when found then 'valid' else 'elsewhere' end);
end $$;
comment on function public.api_key_register_first_v1(uuid, uuid, text, text, text) is
  'Stores a key with all scopes where there never was one. `valid`: it may be used; `elsewhere`: another may, or one could.';

do $$
begin
  perform agentes.lock_function('public.api_key_register_first_v1(uuid, uuid, text, text, text)', 'agentes_system');
end $$;

select agentes.migration_applied('20261128020000');

notify pgrst, 'reload schema';
