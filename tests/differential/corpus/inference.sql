-- Types that parameters take beside jsonb, arrays, intervals and times with zones.
select created from (select now() as created) t where created > $1 - interval '1 day';
select created from (select '2024-01-01 00:00+00'::timestamptz as created) t where created < now() - $1::interval; -- $ 1 day
select meta || $1 from (select '{"a": 1}'::jsonb as meta) t; -- $ {"b": 2}
select meta #- $1, meta ?| $2, meta ?& $2 from (select '{"a": 1, "b": 2}'::jsonb as meta) t; -- $ {b} | {a,b}
select meta->$1, meta->>$2, meta #> $3, meta #>> $3 from (select '{"a": [1]}'::jsonb as meta) t; -- $ a | a | {a,0}
select meta->'a'->>$1 from (select '{"a": {"b": 1}}'::jsonb as meta) t where meta ? $2; -- $ b | a
select meta @> $1, $2 <@ meta from (select '{"a": 1}'::jsonb as meta) t; -- $ {"a": 1} | {}
select tags || $1, tags && $2, tags @> $2, $3 = any(tags) from (select '{a,b}'::text[] as tags) t; -- $ {c} | {a} | b
select unnest($1::interval[]); -- $ {1 day,02:00:00}
select unnest($1::int[]), unnest(tags) from (select '{a,b}'::text[] as tags) t; -- $ {1,2}
select $1::timetz + interval '1 hour', $1::timetz < '10:00+00', $1::timetz at time zone 'UTC'; -- $ 12:00+02
select array_append($1::int4[], $2), array_position($1::int4[], $2); -- $ {1,2} | 2
select $1::interval + $2, $1::interval * $3, -$1::interval; -- $ 1 day | 01:00:00 | 2.5
select case when $1 then interval '1 mon' else $2 end, greatest(interval '30 days', $3); -- $ f | 1 day | 1 mon
select ln($1::numeric), $2 ^ 2.0, power($3, 2.5::numeric); -- $ 10 | 3 | 2
