-- What figures are made of. A conversation's share is what it adds to them in a quarter of an hour; a
-- rollup is the sum of shares. Whatever changes a conversation has its shares reckoned anew, and the
-- difference added: so late, repeated and deleted facts come out right, and rows that chats write are
-- never written for figures.

create function agentes.quarter_of(p_moment timestamptz) returns int
language sql immutable parallel safe as $$ select floor(extract(epoch from p_moment) / 900)::int $$;
comment on function agentes.quarter_of(timestamptz) is
  'Quarters of an hour since 1970, in which every offset of a time zone is whole.';

create function agentes.moment_of(p_quarter int) returns timestamptz
language sql immutable parallel safe as $$ select to_timestamp(p_quarter * 900.0) $$;
comment on function agentes.moment_of(int) is 'The beginning of a quarter of an hour.';

-- Eight bins to each doubling: what a bin holds differs by less than 9.1 %.
create function agentes.latency_bin(p_value numeric) returns smallint
language sql immutable parallel safe as $$
  select floor(8 * ln(greatest(p_value, 1)::float8) / ln(2::float8))::smallint
$$;
comment on function agentes.latency_bin(numeric) is 'The bin of a log-spaced histogram: bin n begins at 2^(n/8).';

-- The one list of what is summed.
create function agentes.measures(p_form text, p_separator text default ', ') returns text
language sql immutable as $$
  select string_agg(format(p_form, name), p_separator order by place) from unnest(array[
    'messages', 'questions', 'likes', 'dislikes',
    'conversations', 'active', 'open', 'resolved', 'handed_off', 'abandoned', 'converted', 'paid', 'bounced',
    'duration_s', 'spoken', 'convert_s',
    'answers', 'failures', 'input_tokens', 'output_tokens', 'cached_tokens', 'cost_micros', 'unpriced',
    'response_ms', 'timed',
    'leads', 'forms', 'customs', 'refunds', 'gross', 'refunded']) with ordinality m(name, place)
$$;
comment on function agentes.measures(text, text) is 'Every measure in a form such as ''sum(%I)'', as a list.';

-- One rule for how a conversation went, from what is known of it now.
create function agentes.conversation_outcome(
  p_status text, p_handoff jsonb, p_is_converted boolean, p_last_role text, p_last_status text, p_silent interval
) returns text language sql immutable parallel safe as $$
  select case
    when p_is_converted then 'converted'
    when p_status = 'human_requested' or p_handoff is not null then 'handed_off'
    when p_status = 'resolved' then 'resolved'
    when p_silent < interval '30 minutes' then 'open'
    when p_last_role = 'assistant' and p_last_status = 'complete' then 'resolved'
    else 'abandoned' end
$$;
comment on function agentes.conversation_outcome(text, jsonb, boolean, text, text, interval) is
  'converted: it brought something that was not taken back; handed_off: a person was asked for; resolved: marked so, or silent for 30 minutes after a whole answer; abandoned: silent without one; open: else.';

do $$
begin
  execute format($f$
    create table agentes.analytics_shares (
      conversation_id uuid not null,
      part text not null,
      quarter integer not null,
      facet text not null default '',
      organization_id uuid not null references agentes.organizations on delete cascade,
      agent_id uuid not null,
      visitor bigint not null,
      outcome text,
      handoff_reason text,
      due_at timestamptz,
      first_bins smallint[],
      response_bins smallint[],
      convert_bins smallint[],
      question_keys bigint[],
      %s,
      primary key (conversation_id, part, quarter, facet)
    ) with (autovacuum_vacuum_scale_factor = 0.02)$f$, agentes.measures('%I bigint not null default 0'));
  execute format($f$
    create table agentes.analytics_rollups (
      organization_id uuid not null references agentes.organizations on delete cascade,
      agent_id uuid not null,
      facet text not null,
      grain smallint not null,
      bucket integer not null,
      %s,
      primary key (organization_id, agent_id, facet, grain, bucket)
    ) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02)$f$, agentes.measures('%I bigint not null default 0'));
end $$;
comment on table agentes.analytics_shares is
  'What each conversation adds to the figures, by quarter of an hour and part: begun, said, rated, ran (by model), sold (by type and currency).';
create index analytics_shares_by_time on agentes.analytics_shares (organization_id, part, quarter);
create index analytics_shares_due on agentes.analytics_shares (due_at) where due_at is not null;
comment on table agentes.analytics_rollups is
  'Sums of shares by quarter, hour and day of UTC (grain 1, 4, 96), of each agent and of all (the zero id), in all and by model or kind of conversion.';

create table agentes.analytics_facets (
  organization_id uuid not null references agentes.organizations on delete cascade,
  agent_id uuid not null,
  facet text not null,
  primary key (organization_id, agent_id, facet)
);
comment on table agentes.analytics_facets is 'Which rollups there are, so that finding them does not grow with history.';

create table agentes.analytics_latencies (
  organization_id uuid not null references agentes.organizations on delete cascade,
  agent_id uuid not null,
  grain smallint not null,
  bucket integer not null,
  measure smallint not null,
  bin smallint not null,
  count bigint not null,
  primary key (organization_id, agent_id, grain, bucket, measure, bin)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
comment on table agentes.analytics_latencies is
  'Log-spaced histograms: time to the first token (1) and of the whole answer (2) in ms, time to convert (3) in s.';

create table agentes.analytics_visits (
  organization_id uuid not null references agentes.organizations on delete cascade,
  agent_id uuid not null,
  visitor bigint not null,
  quarter integer not null,
  previous integer,
  count bigint not null,
  -- An index of time that begins otherwise than the key: else a planner without statistics takes one for the other.
  line bigint generated always as (hashtextextended(organization_id::text || agent_id::text, 0)) stored,
  primary key (organization_id, agent_id, visitor, quarter)
) with (autovacuum_vacuum_scale_factor = 0.02);
comment on table agentes.analytics_visits is
  'In which quarters of an hour a visitor, as a number that names nobody, has asked something, and when before.';
create index analytics_visits_by_time on agentes.analytics_visits (line, quarter) include (previous);
create index analytics_visits_by_previous on agentes.analytics_visits (line, previous)
  include (quarter) where previous is not null;

create table agentes.analytics_visit_days (
  organization_id uuid not null references agentes.organizations on delete cascade,
  agent_id uuid not null,
  day integer not null,
  previous_day integer not null,
  count bigint not null,
  primary key (organization_id, agent_id, day, previous_day)
);
comment on table agentes.analytics_visit_days is
  'Visits by day of UTC and the day of the visit before (-1: none): whoever came between two days is counted by those that came before the first for the last time.';

create table agentes.analytics_changes (
  id bigint generated always as identity primary key,
  organization_id uuid not null,
  conversation_id uuid not null
);
comment on table agentes.analytics_changes is 'Conversations that were changed without an event; empty when the pass has run.';

create table agentes.analytics_cursor (
  is_the_one boolean primary key default true check (is_the_one),
  number bigint not null default 0
);
comment on table agentes.analytics_cursor is 'The number of the last event that figures know of.';
insert into agentes.analytics_cursor default values;

do $$
declare
  v_name text;
begin
  foreach v_name in array array['shares', 'rollups', 'facets', 'latencies', 'visits', 'visit_days', 'changes'] loop
    perform agentes.lock_table(('agentes.analytics_' || v_name)::regclass);
  end loop;
  perform agentes.revoke_from_strangers('table agentes.analytics_cursor');
  grant select, update on agentes.analytics_cursor to agentes_system;
  foreach v_name in array array[
    'quarter_of(timestamptz)', 'moment_of(int)', 'latency_bin(numeric)', 'measures(text, text)',
    'conversation_outcome(text, jsonb, boolean, text, text, interval)'
  ] loop
    perform agentes.lock_helper(('agentes.' || v_name)::regprocedure);
  end loop;
end $$;

select agentes.migration_applied('20261126180200');

notify pgrst, 'reload schema';
