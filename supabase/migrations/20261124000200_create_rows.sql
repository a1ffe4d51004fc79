-- Plain rows: one catalogue and four functions serve every table that needs nothing atomic of its own.

create table agentes.catalogue (
  name text primary key,
  hidden text[] not null default '{}',
  searchable text[] not null default '{}'
);
comment on table agentes.catalogue is
  'Tables that the rows_* functions serve; hidden columns are never read out, searchable ones answer q.';
revoke all on agentes.catalogue from public;
grant select on agentes.catalogue to agentes_tenant, agentes_system;

-- Lower case without accents; the same for a stored text and for what is looked up in it.
create function agentes.fold(p_text text) returns text
language sql immutable strict parallel safe as $$
  select regexp_replace(normalize(lower(p_text), nfkd), '[\u0300-\u036f]', '', 'g')
$$;
comment on function agentes.fold(text) is 'Lower case and no accents: "Instituição" and "instituicao" are one.';

create function agentes.rows_condition(p_table regclass, p_column text, p_test jsonb) returns text
language plpgsql stable as $$
declare
  v_type text := (select format_type(a.atttypid, a.atttypmod) from pg_attribute a
                  where a.attrelid = p_table and a.attname = p_column
                    and a.attnum > 0 and not a.attisdropped);
  v_operator text;
  v_value jsonb;
  v_conditions text[] := '{}';
begin
  if v_type is null then
    raise exception 'no column % in %', p_column, p_table using errcode = 'undefined_column';
  end if;
  if p_test is null or jsonb_typeof(p_test) = 'null' then
    return format('%I is null', p_column);
  end if;
  if jsonb_typeof(p_test) <> 'object' then
    return format('%I = %L::%s', p_column, p_test #>> '{}', v_type);
  end if;
  for v_operator, v_value in select * from jsonb_each(p_test) loop
    v_conditions := v_conditions || case v_operator
      when 'in' then format('%I = any (array(select jsonb_array_elements_text(%L::jsonb))::%s[])',
                            p_column, v_value, v_type)
      when 'gt' then format('%I > %L::%s', p_column, v_value #>> '{}', v_type)
      when 'gte' then format('%I >= %L::%s', p_column, v_value #>> '{}', v_type)
      when 'lt' then format('%I < %L::%s', p_column, v_value #>> '{}', v_type)
      when 'lte' then format('%I <= %L::%s', p_column, v_value #>> '{}', v_type)
    end;
  end loop;
  return '(' || array_to_string(v_conditions, ' and ') || ')';
end $$;
comment on function agentes.rows_condition(regclass, text, jsonb) is
  'One quoted SQL condition from a column and {"in"|"gt"|"gte"|"lt"|"lte": value}, a value, or null.';

create function public.rows_find_v1(
  p_org uuid, p_table text, p_where jsonb default '{}', p_limit int default 20,
  p_text text default null, p_order_by text default 'id', p_descending boolean default true,
  p_after text default null
) returns jsonb language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_entry agentes.catalogue;
  v_table regclass;
  v_where text[] := array[format('organization_id = %L::uuid', p_org)];
  v_text text := replace(replace(replace(fold(p_text), '\', '\\'), '%', '\%'), '_', '\_');
  v_rows jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select * into strict v_entry from catalogue where name = p_table;
  v_table := ('agentes.' || quote_ident(p_table))::regclass;
  v_where := v_where || array(select rows_condition(v_table, key, value) from jsonb_each(p_where));
  if p_after is not null then
    v_where := v_where || rows_condition(v_table, p_order_by,
      jsonb_build_object(case when p_descending then 'lt' else 'gt' end, p_after));
  end if;
  if v_text <> '' and cardinality(v_entry.searchable) > 0 then
    v_where := v_where || format('agentes.fold(concat_ws('' '', %s)) like %L',
      (select string_agg(quote_ident(c), ', ') from unnest(v_entry.searchable) c), '%' || v_text || '%');
  end if;
  execute format(
    'select coalesce(jsonb_agg(to_jsonb(r) - $1), ''[]'')
       from (select * from %s where %s order by %I %s limit %s) r',
    v_table, array_to_string(v_where, ' and '), p_order_by,
    case when p_descending then 'desc' else 'asc' end, least(greatest(p_limit, 0), 1001))
  into v_rows using v_entry.hidden;
  return v_rows;
end $$;
comment on function public.rows_find_v1(uuid, text, jsonb, int, text, text, boolean, text) is
  'Rows of one catalogued table by equality, lists, ranges and text, in keyset order.';

create function public.row_insert_v1(p_org uuid, p_table text, p_row jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_entry agentes.catalogue;
  v_row jsonb := p_row || jsonb_build_object('organization_id', p_org);
  v_columns text := (select string_agg(quote_ident(key), ', ') from jsonb_object_keys(v_row) key);
  v_result jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select * into strict v_entry from catalogue where name = p_table;
  execute format(
    'with made as (insert into agentes.%1$I (%2$s)
                   select %2$s from jsonb_populate_record(null::agentes.%1$I, $1) returning *)
     select to_jsonb(made) - $2 from made', p_table, v_columns)
  into v_result using v_row, v_entry.hidden;
  return v_result;
end $$;
comment on function public.row_insert_v1(uuid, text, jsonb) is
  'Inserts one row into a catalogued table and returns it.';

create function public.row_update_v1(p_org uuid, p_table text, p_id uuid, p_changes jsonb) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_entry agentes.catalogue;
  v_assignments text := (select string_agg(format('%1$I = n.%1$I', key), ', ')
                         from jsonb_object_keys(p_changes) key);
  v_result jsonb;
begin
  perform set_config('app.org', p_org::text, true);
  select * into strict v_entry from catalogue where name = p_table;
  execute format(
    'with changed as (
       update agentes.%1$I t set %2$s, updated_at = now()
         from jsonb_populate_record(null::agentes.%1$I, $1) n
        where t.organization_id = $2 and t.id = $3 returning t.*)
     select to_jsonb(changed) - $4 from changed',
    p_table, coalesce(v_assignments, 'id = t.id'))
  into v_result using p_changes, p_org, p_id, v_entry.hidden;
  return v_result;
end $$;
comment on function public.row_update_v1(uuid, text, uuid, jsonb) is
  'Changes columns of one row and returns it, or null where there is no such row.';

create function public.row_delete_v1(p_org uuid, p_table text, p_id uuid) returns jsonb
language plpgsql security definer set search_path = pg_catalog, agentes as $$
declare
  v_entry agentes.catalogue;
  v_count bigint;
begin
  perform set_config('app.org', p_org::text, true);
  select * into strict v_entry from catalogue where name = p_table;
  execute format('delete from agentes.%I where organization_id = $1 and id = $2', p_table)
  using p_org, p_id;
  get diagnostics v_count = row_count;
  return to_jsonb(v_count > 0);
end $$;
comment on function public.row_delete_v1(uuid, text, uuid) is
  'Deletes one row of a catalogued table; says whether there was one.';

do $$
begin
  perform agentes.lock_helper('agentes.fold(text)');
  perform agentes.lock_helper('agentes.rows_condition(regclass, text, jsonb)');
  perform agentes.lock_function(
    'public.rows_find_v1(uuid, text, jsonb, int, text, text, boolean, text)', 'agentes_tenant');
  perform agentes.lock_function('public.row_insert_v1(uuid, text, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.row_update_v1(uuid, text, uuid, jsonb)', 'agentes_tenant');
  perform agentes.lock_function('public.row_delete_v1(uuid, text, uuid)', 'agentes_tenant');
end $$;

notify pgrst, 'reload schema';
