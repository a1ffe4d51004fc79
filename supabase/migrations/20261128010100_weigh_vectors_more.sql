-- As it was, but for two shares: with a weak embedder a question with a typing error lost one answer of
-- 3,286 among the first five to words alone.
create or replace function agentes.fused(
  p_lexical double precision, p_semantic double precision, p_best double precision,
  p_least double precision, p_nearest double precision
) returns double precision
language sql immutable parallel safe as $$
  -- A weighted sum of both, each as a share of what this question's best has: ranks alone would let
  -- the worse of the two spoil the better. The less of a question its words cover, the more vectors
  -- count. They count little again where all words stand close together, as they do in short questions:
  -- there many passages are as good by their words. Scaled back, so that a question to which nothing
  -- fits has low scores.
  select case when p_nearest is null then p_lexical else
    ((1 - w.share) * coalesce(p_lexical / nullif(p_best, 0), 0)
     + w.share * coalesce((p_semantic - p_least) / nullif(p_nearest - p_least, 0),
                          case when p_semantic is null then 0 else 1 end))
    * greatest(least(p_best, 1), p_nearest, 0) end
  from (select case when coalesce(p_best, 0) = 0 then 1.0
                    else 0.7 * (1 - least(p_best, 1)) ^ 2 + 0.2 * least(greatest(p_best - 1, 0), 0.5) end as share) w
$$;

select agentes.migration_applied('20261128010100');

notify pgrst, 'reload schema';
