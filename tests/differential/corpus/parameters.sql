-- Types of parameters come from where they stand.
select $1; -- $ x
select $1 + 1; -- $ 41
select $1 || 'x'; -- $ a
select $1 || $2; -- $ a | b
select $1 = $2; -- $ a | a
select $1::int; -- $ 5
select cast($1 as numeric); -- $ 1.50
select $1::date + 1; -- $ 2024-02-28
select id from author where id = $1; -- $ 2
select id from author where $1 = id; -- $ 2
select id from author where id in ($1, $2) order by id; -- $ 1 | 3
select id from author where id = any($1) order by id; -- $ {1,4}
select id from author where id <> all($1) order by id; -- $ {1,4}
select id from author where id = any($1::int[]) order by id; -- $ {2}
select id from author where id = any($1) order by id; -- $ NULL
select id from author where name like $1 order by id; -- $ %o%
select id from author where name ilike $1; -- $ ANN
select id from author where score > $1 and active = $2 order by id; -- $ 0 | t
select id from author where born between $1 and $2 order by id; -- $ 1970-01-01 | 1990-01-01
select id from author where meta @> $1; -- $ {"k": 1}
select meta->$1, meta->>$2, meta #> $3 from author where id = 1; -- $ k | k | {n,x}
select id from author where meta ? $1 order by id; -- $ k
select coalesce($1, 5); -- $ NULL
select case when $1 then 1 else $2 end; -- $ f | 9
select nullif($1, ''), $2::text is distinct from title from book where id = 1; -- $ x | Alpha
select count(*) filter (where id > $1) from book; -- $ 2
select $1 between 1 and 2.5; -- $ 2
values ($1, $2), (1, 'a'); -- $ 5 | b
select id from author union select $1 order by 1; -- $ 9
select * from generate_series(1, $1) g; -- $ 3
with x as (select $1::int as a) select a + 1 from x; -- $ 1
select $1::timestamptz at time zone 'UTC'; -- $ 2024-01-01 00:00+02
select added at time zone $1 from book where id = 1; -- $ Europe/Berlin
select extract(year from $1::date); -- $ 2024-05-06
select $2::text, $1::int; -- $ 1 | b
select $1 + 1, $1 || 'x'; -- $ 1
select $1::int, $1::text; -- $ 1
select $1 is null; -- $ x
select '2024-01-01'::date + $1; -- $ 1
select $1 > 5 and $1 < 10; -- $ 7
select abs($1); -- $ -1
select length($1), upper($1); -- $ abc
select substring($1 from 2 for $2); -- $ abcdef | 3
select round($1, 2); -- $ 1.005
select $1::numeric(5,2); -- $ 1234.5
select $1::varchar(2); -- $ abc
select array[$1, 2]; -- $ 1
select array[$1, $2]; -- $ a | b
select $1 = any(array[1, 2]); -- $ 2
select ($1, 2) = (1, 2); -- $ 1
select row($1, 'x') = row(1, $2); -- $ 1 | x
select -$1; -- $ 4
select not $1; -- $ t
select $1 and true; -- $ f
select $1::bool; -- $ yes
select $1::bytea; -- $ \x0102
select $1::uuid; -- $ A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11
select $1::json, $1::text; -- $ {"a":1}
select $1::interval; -- $ 1 day 2 hours
select now() - $1::interval < now(); -- $ 1 day
select id from author where $1 order by id; -- $ t
select id from author order by $1; -- $ id
select id from author order by id limit $1; -- $ 1
select id from book where added > $1 order by id; -- $ 2024-02-01
select id from book where price = $1; -- $ 5.75
select id from book where year = $1; -- $ 2001
select id from book where rating > $1 order by id; -- $ 3
select id from book where title = $1; -- $ Alpha
insert into empty values ($1, $2) returning id, v; -- $ 1 | x
insert into empty (v, id) select $1, $2 returning *; -- $ y | 2
update empty set v = coalesce($1, v) returning *; -- $ NULL
delete from empty where id = $1 returning id; -- $ 1
select $0;
select $1 = 1 where $2 = 'a'; -- $ 1 | a
select sum($1); -- $ 1
select * from author where id = $1 and name = $1; -- $ 1
select date_trunc($1, added) from book where id = 1; -- $ month
select to_char(added, $1) from book where id = 1; -- $ YYYY
select $1 like 'a%'; -- $ abc
select 'abc' like $1; -- $ a%
select $1 ~ 'a'; -- $ abc
select extract(epoch from $1::timestamptz); -- $ 2024-01-01 00:00+00
select $1 * interval '1 hour'; -- $ 2
select $1 - date '2024-01-01'; -- $ 2024-01-03
select json_build_object('a', $1::int); -- $ 1
select $1::int[]; -- $ {1,2,NULL}
select ($1::int[])[1]; -- $ {7,8}
select unnest($1::text[]); -- $ {a,b}
select * from unnest($1::int[], $2::text[]) as t(a, b); -- $ {1,2} | {x}
select string_agg(name, $1 order by id) from author; -- $ ,
select lag(id, $1) over (order by id) from author order by id; -- $ 1
select exists (select from author where id = $1); -- $ 1
select (select name from author where id = $1); -- $ 2
select id from author where (id, name) = ($1, $2); -- $ 1 | Ann
select id from author where (id, name) in (($1, $2)); -- $ 1 | Ann
select $1 in (select id from author); -- $ 1
select $1, $1 + 1; -- $ 1
select pg_typeof($1); -- $ x
select concat($1, $2); -- $ a | b
update empty set v = $1 where id = $2 returning v; -- $ z | 1
select $1::int; -- $ abc
select $1::int; -- $ 99999999999
select id from author where id = $1; -- $ abc
