-- What every theme starts with, on both servers. Only what a replicated table may have: no UNIQUE, CHECK or REFERENCES.
create table author (id int primary key, name text not null, born date, score numeric(6,2), active boolean not null default true, tags text[], meta jsonb);
create table book (id int primary key, author_id int, title varchar(40) not null, price numeric(8,2), year int2, pages int8, rating float8, added timestamptz default '2024-01-01 00:00+00');
create table emp (id int primary key, dept text, salary int, hired date, boss int);
create table num (a int primary key, b int, c bigint, d numeric, e float8, s smallint);
create table empty (id int primary key, v text);
create table pair (x int, y text, z int default 7, primary key (x, y));
insert into author values
  (1, 'Ann', '1970-02-28', 12.50, true, '{a,b}', '{"k": 1, "n": {"x": [1, 2]}}'),
  (2, 'Bob', '1980-12-31', 7.25, false, '{}', '{"k": 2}'),
  (3, 'Čenek', null, null, true, null, null),
  (4, 'Dora', '1999-01-01', -3.00, true, '{b,NULL,"c d"}', '[1, "two", null]');
insert into book values
  (1, 1, 'Alpha', 10.00, 2001, 100, 4.5, '2024-01-01 10:00+00'),
  (2, 1, 'Beta', 20.50, 2005, 250, 3.25, '2024-02-29 23:59:59+00'),
  (3, 2, 'Gamma', null, 2010, null, null, '2024-03-31 00:00+00'),
  (4, null, 'Delta', 5.75, null, 80, 2, null),
  (5, 4, '100%_sure', 0.99, 1999, 9000000000, 1e10, '2023-12-31 12:34:56.789+00');
insert into emp values
  (1, 'it', 300, '2020-01-01', null), (2, 'it', 200, '2020-03-01', 1), (3, 'it', 200, '2021-01-01', 1),
  (4, 'hr', 150, '2019-05-05', 1), (5, 'hr', null, '2022-07-01', 4), (6, null, 120, '2023-01-01', 4);
insert into num values (1, 10, 100, 1.10, 0.5, 1), (2, null, -7, 2.5, -1.25, 2), (3, 7, 9223372036854775807, -0.001, 1e300, -3), (4, -7, 0, 100, null, null);
insert into pair values (1, 'a', 1), (1, 'b', 2), (2, 'a', null);
