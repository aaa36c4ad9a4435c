//! The tables are complete and consistent: every form can be run, no signature is double, names find their overloads.

use super::*;

/// Every name that a form calls, with the number of arguments it is given (`None`: any).
fn calls(form: Form, arity: Option<usize>) -> Vec<(String, Option<usize>)> {
    match form {
        Form::Call(name) => vec![(name.to_owned(), arity)],
        Form::Pattern(pattern) => called_in_pattern(pattern),
        Form::Infix(_) | Form::Prefix(_) | Form::Same | Form::Special(_) => Vec::new(),
    }
}

/// Finds `name(` in a pattern and counts the commas on its level.
fn called_in_pattern(pattern: &str) -> Vec<(String, Option<usize>)> {
    let bytes = pattern.as_bytes();
    let mut found = Vec::new();
    for (open, _) in pattern.match_indices('(') {
        let start = bytes[..open].iter().rposition(|b| !(b.is_ascii_alphanumeric() || *b == b'_')).map_or(0, |p| p + 1);
        let name = &pattern[start..open];
        if name.is_empty() || name.bytes().all(|b| b.is_ascii_uppercase()) {
            continue;
        }
        let (mut depth, mut arguments, mut any, mut open_ended) = (0, 0, false, false);
        for (at, b) in bytes[open..].iter().enumerate() {
            match b {
                b'(' | b'{' => depth += 1,
                b')' | b'}' => depth -= 1,
                b',' if depth == 1 => arguments += 1,
                b'*' => open_ended = true,
                _ => {}
            }
            any |= at > 0 && depth > 0;
            if depth == 0 {
                break;
            }
        }
        found.push((name.to_owned(), (!open_ended).then_some(if any { arguments + 1 } else { 0 })));
    }
    found
}

#[test]
fn every_form_calls_a_function_that_exists_with_that_arity() {
    let conn = Connection::open_in_memory().expect("open");
    register(&conn).expect("register");
    let mut list = conn.prepare("SELECT name, narg FROM pragma_function_list").expect("list");
    let mut known: std::collections::BTreeSet<(String, i64)> =
        list.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("query").map(|row| row.expect("row")).collect();
    let mut modules = conn.prepare("SELECT name FROM pragma_module_list").expect("list");
    known.extend(modules.query_map([], |row| Ok((row.get(0)?, -1))).expect("query").map(|row| row.expect("row")));
    let mut pragmas = conn.prepare("SELECT 'pragma_' || name FROM pragma_pragma_list").expect("list");
    known.extend(pragmas.query_map([], |row| Ok((row.get(0)?, -1))).expect("query").map(|row| row.expect("row")));
    let forms = functions()
        .iter()
        .map(|f| (f.name, f.form, f.variadic.is_none().then_some(f.arguments.len())))
        .chain(operators().iter().map(|o| (o.name, o.form, Some(1 + usize::from(o.left.is_some())))))
        .chain(casts().iter().map(|c| ("cast", c.form, Some(1))));
    let mut missing = Vec::new();
    for (name, form, arity) in forms {
        for (called, arity) in calls(form, arity) {
            let fits = |narg: i64| known.contains(&(called.clone(), narg));
            // Below -1: any number from some number on.
            let open_ended = || (-4..0).any(fits);
            // `count(*)` and `{*}` give no number of arguments.
            let named = || known.iter().any(|(name, _)| *name == called);
            if !open_ended() && !arity.map_or_else(named, |arity| fits(arity as i64)) {
                missing.push(format!("{name}: {called}/{arity:?}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Evaluates SQLite text on a connection with all bodies; NULL and errors are shown as text.
pub(super) fn eval(sql: &str) -> String {
    use rusqlite::types::ValueRef;
    thread_local! {
        static CONN: Connection = {
            let conn = Connection::open_in_memory().expect("open");
            register(&conn).expect("register");
            conn
        };
    }
    let shown = |row: &rusqlite::Row<'_>| {
        Ok(match row.get_ref(0)? {
            ValueRef::Null => "NULL".to_owned(),
            ValueRef::Integer(value) => value.to_string(),
            ValueRef::Real(value) => format!("{value:?}"),
            ValueRef::Text(value) => String::from_utf8_lossy(value).into_owned(),
            ValueRef::Blob(value) => crate::types::text::hex(value),
        })
    };
    CONN.with(|conn| match conn.query_row(&format!("SELECT {sql}"), [], shown) {
        Ok(text) => text,
        Err(rusqlite::Error::SqliteFailure(_, Some(message))) => {
            crate::error::from_function_message(&message).map_or(message, |error| error.to_string())
        }
        Err(other) => other.to_string(),
    })
}

pub(super) fn check(sql: &str, expected: &str) {
    assert_eq!(eval(sql), expected, "{sql}");
}

#[test]
fn every_collation_of_a_type_exists() {
    for info in crate::types::catalog::TYPES {
        if let Some(collation) = types::collation(info.oid) {
            check(&format!("'1' = '1' COLLATE {collation}"), "1");
        }
    }
}

#[test]
fn every_type_modifier_has_its_function() {
    for info in crate::types::catalog::TYPES {
        if let Some(function) = types::typmod_coercion(info.oid) {
            check(&format!("{function}(NULL, 5, 0)"), "NULL");
        }
    }
}

#[test]
fn no_two_entries_have_the_same_signature() {
    let mut functions: Vec<_> = functions().iter().map(|f| (f.name, f.arguments, f.variadic)).collect();
    let count = functions.len();
    functions.sort_unstable();
    functions.dedup();
    assert_eq!(functions.len(), count);
    let mut operators: Vec<_> = operators().iter().map(|o| (o.name, o.left, o.right)).collect();
    let count = operators.len();
    operators.sort_unstable();
    operators.dedup();
    assert_eq!(operators.len(), count);
    assert!(casts().windows(2).all(|pair| (pair[0].from, pair[0].to) < (pair[1].from, pair[1].to)));
}

#[test]
fn names_find_their_overloads() {
    assert!(functions_named("abs").len() >= 6);
    assert!(functions_named("no_such_function").is_empty());
    assert_eq!(operators_named("!=").len(), operators_named("<>").len());
    assert!(cast(oid::INT4, oid::TEXT).is_some_and(|cast| cast.context == CastContext::Assignment));
    assert!(cast(oid::TEXT, oid::INT4).is_some_and(|cast| cast.context == CastContext::Explicit));
    assert!(cast(oid::BOOL, oid::DATE).is_none());
}
