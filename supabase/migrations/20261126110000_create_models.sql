-- Models of an organization's own, and what models cost it: prices with the moment from which they hold.

create table agentes.models (
  organization_id uuid not null references agentes.organizations on delete cascade,
  id text not null,
  provider text not null,
  upstream_model text not null,
  context_window int,
  max_output_tokens int,
  supports jsonb not null,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (organization_id, id)
);
comment on table agentes.models is 'Models that an organization has added to those that the service knows.';

create table agentes.model_prices (
  id uuid primary key,
  organization_id uuid not null references agentes.organizations on delete cascade,
  model_id text not null,
  valid_from timestamptz,
  price jsonb,
  created_at timestamptz not null default now(),
  unique nulls not distinct (organization_id, model_id, valid_from)
);
comment on table agentes.model_prices is
  'What a model costs an organization from a moment on (null: from the beginning), in micro-USD for a million tokens; a null price is unknown.';

-- What may matter to a run that begins now or in the next hours: clocks of processes differ a little.
create function public.models_read_v1(p_org uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
begin
  perform set_config('app.org', p_org::text, true);
  return jsonb_build_object(
    'entries', (select coalesce(jsonb_agg(to_jsonb(m) order by m.id), '[]') from models m where m.organization_id = p_org),
    'prices', (
      select coalesce(jsonb_agg(jsonb_build_object('model_id', p.model_id, 'valid_from', p.valid_from, 'price', p.price)
                                order by p.model_id, p.valid_from nulls first), '[]')
        from model_prices p
       where p.organization_id = p_org
         and coalesce(p.valid_from, '-infinity') >= (
               select coalesce(max(coalesce(held.valid_from, '-infinity')), '-infinity') from model_prices held
                where held.organization_id = p_org and held.model_id = p.model_id
                  and coalesce(held.valid_from, '-infinity') <= now() - interval '1 hour')));
end $$;
comment on function public.models_read_v1(uuid) is
  'All models of the organization''s own, and its prices that hold or will hold.';

create function agentes.model_price_put(p_org uuid, p_model_id text, p_price jsonb) returns jsonb
language sql as $$
  insert into agentes.model_prices as held (id, organization_id, model_id, valid_from, price)
  values ((p_price->>'id')::uuid, p_org, p_model_id, (p_price->>'valid_from')::timestamptz, nullif(p_price->'price', 'null'))
  on conflict (organization_id, model_id, valid_from) do update set price = excluded.price
  returning to_jsonb(held)
$$;
comment on function agentes.model_price_put(uuid, text, jsonb) is
  'One price; it replaces another that holds from the same moment.';

-- A null price says nothing, {"price": null} says that it is unknown.
create function public.model_create_v1(p_org uuid, p_model jsonb, p_price jsonb default null, p_at_most int default 200)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_model models;
begin
  perform set_config('app.org', p_org::text, true);
  perform pg_advisory_xact_lock(hashtextextended('agentes.models:' || p_org, 0));
  if (select count(*) >= p_at_most from models where organization_id = p_org) then
    return jsonb_build_object('outcome', 'too_many');
  end if;
  v_model := jsonb_populate_record(null::models, p_model);
  insert into models (organization_id, id, provider, upstream_model, context_window, max_output_tokens, supports, is_active)
  values (p_org, v_model.id, v_model.provider, v_model.upstream_model, v_model.context_window,
          v_model.max_output_tokens, v_model.supports, v_model.is_active)
  on conflict do nothing returning * into v_model;
  if not found then
    return jsonb_build_object('outcome', 'exists');
  end if;
  if p_price is not null then
    perform model_price_put(p_org, v_model.id, p_price);
  end if;
  return jsonb_build_object('outcome', 'created', 'model', to_jsonb(v_model));
end $$;
comment on function public.model_create_v1(uuid, jsonb, jsonb, int) is
  'A model of the organization''s own, with what it costs from the beginning.';

create function public.model_update_v1(p_org uuid, p_id text, p_changes jsonb, p_price jsonb default null)
returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_model models;
begin
  perform set_config('app.org', p_org::text, true);
  select * into v_model from models where organization_id = p_org and id = p_id for update;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  v_model := jsonb_populate_record(v_model, p_changes);
  update models m
     set upstream_model = v_model.upstream_model, context_window = v_model.context_window,
         max_output_tokens = v_model.max_output_tokens, supports = v_model.supports,
         is_active = v_model.is_active, updated_at = now()
   where m.organization_id = p_org and m.id = p_id returning * into v_model;
  if p_price is not null then
    perform model_price_put(p_org, p_id, p_price);
  end if;
  return jsonb_build_object('outcome', 'updated', 'model', to_jsonb(v_model));
end $$;
comment on function public.model_update_v1(uuid, text, jsonb, jsonb) is
  'Changes columns of a model of the organization''s own, and what it costs from a moment on.';

create function public.model_delete_v1(p_org uuid, p_id text) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_agents jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select jsonb_agg(id order by id) into v_agents from (
    select id from agents where organization_id = p_org and model_id = p_id order by id limit 20) used;
  if v_agents is not null then
    return jsonb_build_object('outcome', 'in_use', 'agent_ids', v_agents);
  end if;
  delete from models where organization_id = p_org and id = p_id;
  if not found then
    return jsonb_build_object('outcome', 'not_found');
  end if;
  delete from model_prices where organization_id = p_org and model_id = p_id;
  return jsonb_build_object('outcome', 'deleted');
end $$;
comment on function public.model_delete_v1(uuid, text) is
  'Deletes a model of the organization''s own with its prices, unless an agent uses it.';

do $$
declare
  v_function text;
begin
  perform agentes.lock_table('agentes.models');
  perform agentes.lock_table('agentes.model_prices');
  perform agentes.lock_helper('agentes.model_price_put(uuid, text, jsonb)');
  foreach v_function in array array[
    'models_read_v1(uuid)', 'model_create_v1(uuid, jsonb, jsonb, int)',
    'model_update_v1(uuid, text, jsonb, jsonb)', 'model_delete_v1(uuid, text)'
  ] loop
    perform agentes.lock_function(('public.' || v_function)::regprocedure, 'agentes_tenant');
  end loop;
  perform agentes.audit_table('agentes.models', 'model');
  perform agentes.audit_table('agentes.model_prices', 'model_price');
end $$;

select agentes.migration_applied('20261126110000');

notify pgrst, 'reload schema';
