//! How SQLite reaches the rows of a planned statement: an index that PostgreSQL would use stays usable.

use super::fixture::Database;

fn database() -> Database {
    let mut database = Database::new();
    database.run("create table item (code text primary key, label varchar(20), at timestamptz, n int)");
    database.run("create index on item (label)");
    database.run("create index on item (at)");
    database.run("create index on item (n, at)");
    database
}

#[test]
fn conditions_on_keys_and_indexes_are_searched() {
    let mut database = database();
    for (condition, searched) in [
        ("code = 'a'", "(code=?)"),
        ("code = $1", "(code=?)"),
        ("code in ('a', 'b')", "(code=?)"),
        ("code = any($1)", "(code=?)"),
        ("code like 'ab%'", "(code>? AND code<?)"),
        ("code like $1", "(code>? AND code<?)"),
        ("label = 'x'", "(label=?)"),
        ("label like 'x_y%'", "(label>? AND label<?)"),
        ("label > 'x' and label <= 'y'", "(label>? AND label<?)"),
        ("label between 'x' and 'y'", "(label>? AND label<?)"),
        ("at >= now()", "(at>?)"),
        ("at = '2024-01-01 00:00+00'", "(at=?)"),
        ("n = 5", "(n=?)"),
        ("n = $1 and at > $2", "(n=? AND at>?)"),
        ("n = 5::bigint", "(n=?)"),
        ("(n, at) > (5, '2024-01-01')", "(n>?)"),
    ] {
        let text = format!("select * from item where {condition}");
        let plan = database.access(&text);
        assert!(plan.contains("SEARCH") && plan.contains(searched), "{text}: {plan}");
    }
}

#[test]
fn integer_keys_are_found_without_a_scan() {
    let mut database = database();
    for condition in ["id = 1", "id = $1", "id in (1, 2)", "id = any('{1,2}')", "id = any($1)", "id = 2::smallint"] {
        let text = format!("select title from post where {condition}");
        let plan = database.access(&text);
        assert!(plan.contains("SEARCH") && !plan.contains("SCAN t1"), "{text}: {plan}");
    }
}

#[test]
fn writes_and_joins_search_too() {
    let mut database = database();
    for text in [
        "update item set n = 1 where code = 'a'",
        "delete from item where code = $1",
        "select 1 from post p join item i on i.code = p.title",
        "select 1 from post p, lateral (select n from item i where i.code = p.title order by at limit 1) l",
    ] {
        let plan = database.access(text);
        assert!(plan.contains("(code=?)"), "{text}: {plan}");
    }
}
