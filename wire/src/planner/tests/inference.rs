//! Parameter types and result columns, as PostgreSQL 15 infers them.

use super::fixture::{Database, columns, type_name};

fn check(database: &mut Database, text: &str, parameters: &str, result: &str) {
    let planned = database.plan(text, &[]).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let types: Vec<String> = planned.plan.param_types.iter().map(|oid| type_name(*oid)).collect();
    assert_eq!((types.join(", ").as_str(), columns(&planned).as_str()), (parameters, result), "{text}");
}

#[test]
fn parameters_take_the_type_of_what_they_meet() {
    let mut database = Database::new();
    let post = "id:int4, author_id:int8, title:text, body:text, ts:timestamp";
    for (text, parameters, result) in [
        ("select $1", "text", "?column?:text"),
        ("select $1 + 1", "int4", "?column?:int4"),
        ("select $1 || 'x'", "text", "?column?:text"),
        ("select $1 || $2", "text, text", "?column?:text"),
        ("select $1 = $2", "text, text", "?column?:bool"),
        ("select $1::int", "int4", "int4:int4"),
        ("select cast($1 as numeric)", "numeric", "numeric:numeric"),
        ("select * from post where id = $1", "int4", post),
        ("select * from post where id in ($1,$2)", "int4, int4", post),
        ("select * from post where id = any($1)", "int4[]", post),
        ("select * from post limit $1 offset $2", "int8, int8", post),
        (
            "insert into post(id,author_id,title,ts) values($1,$2,$3,$4) returning id",
            "int4, int8, text, timestamp",
            "id:int4",
        ),
        (
            "insert into author(id,email,bal,uid,raw,ok,born) values($1,$2,$3,$4,$5,$6,$7)",
            "int8, text, numeric, uuid, bytea, bool, date",
            "",
        ),
        ("update author set bal = bal + $1 where id = $2", "numeric, int8", ""),
        ("update author set name = coalesce($1,name)", "varchar", ""),
        ("select coalesce($1, 5)", "int4", "coalesce:int4"),
        ("select case when $1 then 1 else $2 end", "bool, int4", "case:int4"),
        ("select count(*) filter (where id > $1) from post", "int4", "count:int8"),
        ("select id from post union select $1", "int4", "id:int4"),
        ("values ($1,$2),(1,'a')", "int4, text", "column1:int4, column2:text"),
        ("select $1 between 1 and 2.5", "int4", "?column?:bool"),
        ("select nullif($1,''), $2::text is distinct from title from post", "text, text", "nullif:text, ?column?:bool"),
        ("with x as (select $1::int as a) select a+1 from x", "int4", "?column?:int4"),
        ("delete from post where id=$1", "int4", ""),
        (
            "select id, email from author where email like $1 and bal > $2 and ok = $3",
            "text, numeric, bool",
            "id:int8, email:text",
        ),
    ] {
        check(&mut database, text, parameters, result);
    }
}

#[test]
fn result_columns_have_the_names_and_types_of_postgresql() {
    let mut database = Database::new();
    for (text, result) in [
        (
            "select 1, 1.5, 'a', null, true, 1e10, 9999999999, 99999999999999999999",
            "?column?:int4, ?column?:numeric, ?column?:text, ?column?:text, ?column?:bool, ?column?:numeric, ?column?:int8, ?column?:numeric",
        ),
        ("select -2147483648, -2147483649, -9223372036854775808", "?column?:int4, ?column?:int8, ?column?:int8"),
        (
            "select exists(select 1), 1 in (1,2), not true, 1=1",
            "exists:bool, ?column?:bool, ?column?:bool, ?column?:bool",
        ),
        (
            "select id/2, id/2.0, id::float8/2, bal*2, bal/3, id*1.5 from author",
            "?column?:int8, ?column?:numeric, ?column?:float8, ?column?:numeric, ?column?:numeric, ?column?:numeric",
        ),
        (
            "select 'a' || 1, lower('A'), length('a'), upper(email) from author",
            "?column?:text, lower:text, length:int4, upper:text",
        ),
        (
            "select id::text, email::varchar(10), bal::int, name from author",
            "id:text, email:varchar, bal:int4, name:varchar",
        ),
        (
            "select case when true then 1 else 2.5 end, coalesce(null,'a'), coalesce(1,2.5)",
            "case:numeric, coalesce:text, coalesce:numeric",
        ),
        (
            "select greatest(1,2.5), abs(-1), round(1.5), 5 % 2, sqrt(4)",
            "greatest:numeric, abs:int4, round:numeric, ?column?:int4, sqrt:float8",
        ),
        ("select * from (values (1,'a'),(2,null)) t(a,b)", "a:int4, b:text"),
        ("select current_user, current_database()", "current_user:name, current_database:name"),
        ("select (select 1 as x), (select id from post limit 1)", "x:int4, id:int4"),
        ("select p.id as a, p.* from post p", "a:int4, id:int4, author_id:int8, title:text, body:text, ts:timestamp"),
    ] {
        check(&mut database, text, "", result);
    }
}

#[test]
fn parameters_without_a_context_are_refused() {
    let mut database = Database::new();
    database.check_error("select $1 is null", "42P18", "could not determine data type of parameter $1", 0);
    database.check_error("select $2::int", "42P18", "could not determine data type of parameter $1", 0);
}

#[test]
fn declared_types_win_over_inference() {
    let mut database = Database::new();
    let planned = database.plan("select * from post where id = $1", &[20]).expect("plans");
    assert_eq!(planned.plan.param_types, [20]);
    let planned = database.plan("select $1", &[23]).expect("plans");
    assert_eq!(columns(&planned), "?column?:int4");
}

#[test]
fn columns_tell_the_table_they_come_from() {
    let mut database = Database::new();
    let planned = database.plan("select title, id + 1 from post", &[]).expect("plans");
    assert!(planned.plan.columns[0].table_oid >= 16384);
    assert_eq!((planned.plan.columns[0].attribute_number, planned.plan.columns[1].table_oid), (3, 0));
}
