//! Mistakes, with PostgreSQL's SQLSTATE, text and position.

use super::fixture::Database;

#[test]
fn names_that_mean_nothing_are_named() {
    let mut database = Database::new();
    for (text, sqlstate, message, position) in [
        ("select * from nothing", "42P01", "relation \"nothing\" does not exist", 15),
        ("select * from other.post", "42P01", "relation \"other.post\" does not exist", 15),
        ("select nope from post", "42703", "column \"nope\" does not exist", 8),
        ("select p.nope from post p", "42703", "column p.nope does not exist", 8),
        ("select \"ä\", x from post", "42703", "column \"ä\" does not exist", 8),
        ("select 'ä', x from post", "42703", "column \"x\" does not exist", 13),
        ("select \"x\"", "42703", "column \"x\" does not exist", 8),
        ("select id from post, author", "42702", "column reference \"id\" is ambiguous", 8),
        ("select q.id from post p", "42P01", "missing FROM-clause entry for table \"q\"", 8),
        ("select post.id from post p", "42P01", "invalid reference to FROM-clause entry for table \"post\"", 8),
        ("select * from post, post", "42712", "table name \"post\" specified more than once", 0),
        ("select nofunc(1)", "42883", "function nofunc(integer) does not exist", 8),
        ("select 1 + true", "42883", "operator does not exist: integer + boolean", 10),
        ("select 1 || 2", "42883", "operator does not exist: integer || integer", 10),
        ("select 1::nope", "42704", "type \"nope\" does not exist", 11),
        (
            "insert into post (id, nope) values (1, 2)",
            "42703",
            "column \"nope\" of relation \"post\" does not exist",
            23,
        ),
        ("update post set nope = 1", "42703", "column \"nope\" of relation \"post\" does not exist", 17),
        ("select 7%-3", "42883", "operator does not exist: integer %- integer", 9),
    ] {
        database.check_error(text, sqlstate, message, position);
    }
}

#[test]
fn types_that_do_not_fit_are_named() {
    let mut database = Database::new();
    for (text, sqlstate, message, position) in [
        ("select 1 where 1", "42804", "argument of WHERE must be type boolean, not type integer", 16),
        ("select 1 is true", "42804", "argument of IS TRUE must be type boolean, not type integer", 8),
        ("select case when true then 1 else true end", "42804", "CASE types boolean and integer cannot be matched", 28),
        ("select 1 union select true", "42804", "UNION types integer and boolean cannot be matched", 23),
        ("select 1 union select 1, 2", "42601", "each UNION query must have the same number of columns", 23),
        ("select true::date", "42846", "cannot cast type boolean to date", 12),
        (
            "insert into post (id) values (true)",
            "42804",
            "column \"id\" is of type integer but expression is of type boolean",
            31,
        ),
        ("insert into post values (1, 2, 3, 4, 5, 6)", "42601", "INSERT has more expressions than target columns", 41),
        ("insert into post (id, title) values (1)", "42601", "INSERT has more target columns than expressions", 23),
        ("insert into post (id, id) values (1, 2)", "42701", "column \"id\" specified more than once", 23),
        ("update post set id = 1, id = 2", "42601", "multiple assignments to same column \"id\"", 0),
        (
            "select id, count(*) from post",
            "42803",
            "column \"post.id\" must appear in the GROUP BY clause or be used in an aggregate function",
            8,
        ),
        ("select count(*) from post where count(*) > 1", "42803", "aggregate functions are not allowed in WHERE", 33),
        ("select sum(count(*)) from post", "42803", "aggregate function calls cannot be nested", 12),
        ("select 1 order by 2", "42P10", "ORDER BY position 2 is not in select list", 19),
        ("select (select 1, 2)", "42601", "subquery must return only one column", 8),
        ("select 1 in (select 1, 2)", "42601", "subquery has too many columns", 10),
        ("select * from (select 1)", "42601", "subquery in FROM must have an alias", 15),
        ("select default", "42601", "DEFAULT is not allowed in this context", 8),
        (
            "insert into post (id, author_id) values (1, 1) on conflict (title) do nothing",
            "42P10",
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
            0,
        ),
    ] {
        database.check_error(text, sqlstate, message, position);
    }
}

#[test]
fn constraints_that_replication_cannot_keep_are_refused_with_a_hint() {
    let mut database = Database::new();
    for text in [
        "create table t (a int unique)",
        "create table t (a int check (a > 0))",
        "create table t (a int references post)",
        "create table t (a int, unique (a))",
        "create unique index on post (title)",
        "create table t (a serial)",
    ] {
        let error = database.error(text);
        assert_eq!(error.sqlstate, "0A000", "{text}");
        assert!(error.hint.is_some() && error.position.is_some(), "{text}");
    }
    database.check_error(
        "create table t (a int primary key, b int primary key)",
        "42P16",
        "multiple primary keys for table \"t\" are not allowed",
        42,
    );
    database.check_error("create table t (a int, a int)", "42701", "column \"a\" specified more than once", 0);
    database.check_error(
        "create table t (a int default 'x')",
        "22P02",
        "invalid input syntax for type integer: \"x\"",
        31,
    );
}

#[test]
fn deep_statements_are_refused_and_long_ones_run() {
    let mut database = Database::empty();
    let parens = |count: usize| format!("select {}1{}", "(".repeat(count), ")".repeat(count));
    database.check(&parens(190), "1");
    assert_eq!(database.error(&parens(5_000)).sqlstate, "54001");
    database.check(&format!("select 1{}", " + 1".repeat(800)), "801");
    assert_eq!(database.error(&format!("select 1{}", " + 1".repeat(3_000))).sqlstate, "54001");
    database.check(&format!("select true{}", " and true".repeat(9_000)), "t");
    assert_eq!(database.error(&format!("select true{}", " and true".repeat(20_000))).sqlstate, "54001");
}

#[test]
fn many_literals_are_bound_each_to_its_place_or_refused() {
    let mut database = Database::empty();
    let values = |count: usize| (0..count).map(|n| format!("({n})")).collect::<Vec<_>>().join(", ");
    let sum = |count: usize| format!("select sum(x), max(x) from (values {}) v(x)", values(count));
    database.check(&sum(20_000), "199990000|19999");
    assert_eq!(database.error(&sum(40_000)).sqlstate, "54000");
    assert_eq!(database.error(&sum(70_000)).sqlstate, "54000");
}
