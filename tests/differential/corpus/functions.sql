-- String functions.
select length('äbc'), char_length('abc'), octet_length('ä'), bit_length('a'), upper('ä'), lower('Ä'), initcap('hello wORLD-x');
select substring('abc', 1, -1);
select position('b' in 'abc'), position('x' in 'abc'), strpos('abc', 'c'), overlay('abcdef' placing 'XX' from 2 for 3), overlay('abc' placing 'X' from 2);
select trim('  a '), trim(both 'x' from 'xxaxx'), trim(leading from '  a'), trim(trailing 'x' from 'axx'), ltrim('xya', 'xy'), rtrim('a  '), btrim('xax', 'x');
select replace('abcabc', 'b', 'X'), translate('abc', 'ab', 'x'), repeat('ab', 3), reverse('abc'), lpad('5', 3, '0'), rpad('5', 3), lpad('abcdef', 3), left('abc', 2), left('abc', -1), right('abc', 2);
select split_part('a,b,c', ',', 2), split_part('a,b', ',', 5), split_part('a,b,c', ',', -1), string_to_array('a,b', ','), array_to_string(array[1, null, 2], ',', '*'), concat('a', null, 1, true), concat_ws('-', 'a', null, 'b');
select split_part('a', ',', 0);
select ascii('a'), chr(8364), to_hex(255), md5('a'), encode('abc', 'base64'), encode('\x0102', 'hex'), decode('YWJj', 'base64'), convert_from('\x61', 'UTF8'), quote_ident('a b'), quote_literal('it''s'), quote_nullable(null);
select chr(0);
select format('%s %I %L %%', 'a', 'b c', 'd''e'), format('%2$s %1$s', 'a', 'b'), format('%5s|%-5s|', 'a', 'b');
select format('%s');
select format('%x', 1);
select 'a' || null, 'a' || 1, 1 || 'a', 'a' || true, 'a'::text || array['b'], array[1] || 2, array[1] || array[2, 3], 0 || array[1];
select 1 || 2;
select upper(1);
select upper();
select upper('a', 'b');
select nosuch('a');
select nosuch(1, 'a', null);
select public.upper('a');
select pg_catalog.upper('a');
select length(1);
select lower(null), length(null), abs(null);
-- Numbers.
select abs(-1), abs(-1.5), abs(-1::float8), sign(-2.5), sign(3::float8), ceil(1.2), ceiling(-1.2), floor(1.8), floor(-1.2::float8), trunc(1.789, 2), trunc(-1.7), trunc(1.7::float8);
select round(1.5), round(2.5), round(-2.5), round(2.5::float8), round(3.5::float8), round(1.005, 2), round(1234.567, -2), round(5);
select asin(2);
select power(0, -1);
select round('a');
select round(1.5, 'x');
select greatest(1, 2, 3), least('b', 'a'), 5 between 1 and 10;
-- Dates. now() is one value in a statement.
select now() = now(), now() = current_timestamp, now() = transaction_timestamp(), statement_timestamp() <= clock_timestamp(), current_date = now()::date, localtimestamp = now()::timestamp;
select date_trunc('nothing', now());
select extract(year from date '2024-05-17'), extract(month from timestamp '2024-05-17 10:00'), extract(dow from date '2024-05-19'), extract(isodow from date '2024-05-19'), extract(doy from date '2024-05-17'), extract(week from date '2024-01-01'), extract(epoch from timestamp '2024-01-01'), extract(second from time '10:11:12.5'), extract(quarter from date '2024-05-17');
select extract(hour from date '2024-01-01');
select date_part('year', date '2024-05-17'), date_part('epoch', interval '1 day 2 hours'), extract(day from interval '40 days 5 hours'), extract(century from date '2024-01-01'), extract(decade from date '2024-01-01'), extract(millennium from date '2001-01-01'), extract(julian from date '2024-01-01'), extract(isoyear from date '2024-12-30');
select to_char(timestamp '2024-05-07 08:09:10.123', 'YYYY-MM-DD HH24:MI:SS.MS'), to_char(date '2024-05-07', 'Day, DD Month YYYY'), to_char(timestamp '2024-05-07 15:00', 'HH12:MI AM'), to_char(date '2024-05-07', 'FMDay FMDD Mon YY Q WW IYYY-IW D J');
select to_date('x', 'YYYY');
select make_date(2023, 2, 29);
select timestamp '2024-01-01 12:00' at time zone 'Europe/Berlin', timestamptz '2024-07-01 12:00+00' at time zone 'America/New_York', timestamptz '2024-01-01 12:00+00' at time zone interval '2 hours';
select now() at time zone 'Nowhere/Nothing';
-- JSON.
select '{"a": {"b": [1, 2]}}'::jsonb -> 'a' -> 'b' -> 0, '{"a": 1}'::jsonb ->> 'a', '[1, 2]'::json -> -1, '{"a": {"b": 2}}'::jsonb #> '{a,b}', '{"a": {"b": 2}}'::jsonb #>> '{a,b}', '{"a": 1}'::jsonb -> 'x';
select '{"a": 1, "b": 2}'::jsonb - 'a', '[1, 2, 3]'::jsonb - 1, '{"a": 1}'::jsonb || '{"b": 2}', '{"a": {"b": 1, "c": 2}}'::jsonb #- '{a,b}', '{"a": 1}'::jsonb @> '{}', '{"a": 1}'::jsonb <@ '{"a": 1, "b": 2}', '{"a": 1}'::jsonb ? 'a', '{"a": 1}'::jsonb ?| array['x', 'a'], '{"a": 1}'::jsonb ?& array['x', 'a'];
select json_build_object('a');
select jsonb_array_length('{}');
select '1'::json = '1'::json;
-- Arrays.
select array[1, 2] @> array[1], array[1] <@ array[1, 2], array[1, 2] && array[2, 3], array[1, 2] = array[1, 2], array[1, 2] < array[1, 3], array[1] || array[null]::int[], 1 = any(array[1, 2]);
-- What a session says of itself.
select current_user, session_user, current_schema, current_database(), current_catalog, current_schemas(true), pg_backend_pid() > 0, current_setting('nothing.such', true);
select current_setting('nothing_such');
select to_regclass('author') is not null, to_regclass('nothing'), to_regtype('integer'), format_type(23, null), format_type(1043, 14), pg_table_is_visible('author'::regclass), has_table_privilege('author', 'select'), obj_description('author'::regclass), col_description('author'::regclass, 1);
select gen_random_uuid() <> gen_random_uuid(), length(gen_random_uuid()::text);
select width_bucket(5, 0, 10, 5), scale(1.50), min_scale(1.50), trim_scale(1.50), random() between 0 and 1, random() <> random();
select date_trunc('month', timestamp '2024-05-17 12:34:56'), date_trunc('week', date '2024-05-17'), date_trunc('hour', timestamptz '2024-05-17 12:34:56+00'), date_trunc('day', interval '3 days 5 hours'), date_trunc('quarter', timestamp '2024-05-17');
select age(timestamp '2024-03-01', timestamp '2023-01-15'), age(date '2024-02-29', date '2023-02-28'), justify_hours('30 hours'), justify_days('40 days'), justify_interval('1 mon -1 hour');
select jsonb_set('{"a": 1}', '{b}', '2'), jsonb_insert('[1, 2]', '{1}', '9'), jsonb_strip_nulls('{"a": null}'), jsonb_pretty('{"a": [1]}'), jsonb_typeof('[]'), jsonb_array_length('[1, 2]'), json_typeof('1'), to_json('a"b'::text), to_jsonb(1.50), row_to_json(row(1, 'a'));
select pg_sleep(0), pg_sleep(0) is null;
