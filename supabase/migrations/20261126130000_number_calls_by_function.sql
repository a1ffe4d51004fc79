-- A keyed request's calls are numbered function by function: how many reads come before a change
-- depends on what a process has cached, and a repeat elsewhere must still find the change.
alter table agentes.idempotent_calls
  drop constraint idempotent_calls_pkey,
  add primary key (organization_id, key, function, ordinal);
comment on table agentes.idempotent_calls is
  'Results of a keyed request''s calls, each function''s in their order, committed with their effects.';

select agentes.migration_applied('20261126130000');

notify pgrst, 'reload schema';
