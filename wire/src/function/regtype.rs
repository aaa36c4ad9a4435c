//! The `reg*` types: names of catalog objects that stand for their OIDs, as lookups in the attached catalog.
//!
//! Input takes a number, `-` (0) or a name, folded unless quoted; output is a name that input reads back, with its schema
//! when that is not on the search path, or a number when there is no such object.

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{self, Call, Pattern};
use super::body::{strict, text};
use super::catalog::type_name;
use crate::error::SqlError;
use crate::types::{catalog as types, oid};

/// A name to the OID of a relation, or of another object in a schema. A name without schema is looked for in `pg_catalog`, then in
/// `public`.
macro_rules! lookup {
    ($table:literal, $name:literal, $namespace:literal, $text:literal) => {
        concat!(
            "(SELECT \"~c\".oid FROM pg_catalog.",
            $table,
            " AS \"~c\" WHERE \"~c\".",
            $name,
            " = pg_name_part(",
            $text,
            ", 0) AND CASE WHEN pg_name_part(",
            $text,
            ", 1) IS NULL THEN \"~c\".",
            $namespace,
            " IN (11, 2200) ELSE \"~c\".",
            $namespace,
            " = (SELECT \"~n\".oid FROM pg_catalog.pg_namespace AS \"~n\" WHERE \"~n\".nspname = pg_name_part(",
            $text,
            ", 1)) END ORDER BY \"~c\".",
            $namespace,
            " LIMIT 1)"
        )
    };
}

macro_rules! lookup_plain {
    ($table:literal, $name:literal) => {
        concat!(
            "(SELECT \"~c\".oid FROM pg_catalog.",
            $table,
            " AS \"~c\" WHERE \"~c\".",
            $name,
            " = pg_name_part({0}, 0))"
        )
    };
}

pub(super) use lookup;

/// Either the OID written as a number, or what the lookup finds, or the error.
macro_rules! or_error {
    ($lookup:expr, $sqlstate:literal, $before:literal) => {
        Pattern(concat!(
            "CASE WHEN {0} IS NOT NULL THEN coalesce(pg_oid_text({0}), ",
            $lookup,
            ", pg_raise('",
            $sqlstate,
            "', '",
            $before,
            " \"' || {0} || '\" does not exist')) END"
        ))
    };
}

pub(super) const REGCLASS_IN: Form =
    or_error!(lookup!("pg_class", "relname", "relnamespace", "{0}"), "42P01", "relation");
pub(super) const REGNAMESPACE_IN: Form = or_error!(lookup_plain!("pg_namespace", "nspname"), "3F000", "schema");
pub(super) const REGROLE_IN: Form = or_error!(lookup_plain!("pg_roles", "rolname"), "42704", "role");

pub(super) const REGPROC_IN: Form = Pattern(concat!(
    "CASE WHEN {0} IS NOT NULL THEN coalesce(pg_oid_text({0}), CASE (SELECT count(*) FROM pg_catalog.pg_proc AS \"~c\" WHERE \
     \"~c\".proname = pg_name_part({0}, 0)) WHEN 0 THEN pg_raise('42883', 'function \"' || {0} || '\" does not exist') WHEN 1 \
     THEN ",
    lookup!("pg_proc", "proname", "pronamespace", "{0}"),
    " ELSE pg_raise('42725', 'more than one function named \"' || {0} || '\"') END) END"
));

/// Shows an OID of no object as a number, and 0 as a dash.
macro_rules! or_number {
    ($found:literal) => {
        Pattern(concat!("coalesce(", $found, ", CASE {0} WHEN 0 THEN '-' ELSE CAST({0} AS TEXT) END)"))
    };
}

pub(super) const REGCLASS_OUT: Form = or_number!(
    "(SELECT CASE WHEN \"~c\".relnamespace IN (11, 2200) THEN '' ELSE 'information_schema.' END || \
     pg_quote_ident(\"~c\".relname) FROM pg_catalog.pg_class AS \"~c\" WHERE \"~c\".oid = {0})"
);
pub(super) const REGPROC_OUT: Form =
    or_number!("(SELECT pg_quote_ident(\"~c\".proname) FROM pg_catalog.pg_proc AS \"~c\" WHERE \"~c\".oid = {0})");
pub(super) const REGPROCEDURE_OUT: Form = or_number!(
    "(SELECT pg_quote_ident(\"~c\".proname) || '(' || pg_type_names(\"~c\".proargtypes) || ')' FROM pg_catalog.pg_proc AS \
     \"~c\" WHERE \"~c\".oid = {0})"
);
pub(super) const REGOPER_OUT: Form =
    or_number!("(SELECT \"~c\".oprname FROM pg_catalog.pg_operator AS \"~c\" WHERE \"~c\".oid = {0})");
pub(super) const REGNAMESPACE_OUT: Form =
    or_number!("(SELECT pg_quote_ident(\"~c\".nspname) FROM pg_catalog.pg_namespace AS \"~c\" WHERE \"~c\".oid = {0})");
pub(super) const REGROLE_OUT: Form =
    or_number!("(SELECT pg_quote_ident(\"~c\".rolname) FROM pg_catalog.pg_roles AS \"~c\" WHERE \"~c\".oid = {0})");

pub(super) const TO_REGCLASS: Form = Pattern(lookup!("pg_class", "relname", "relnamespace", "{0}"));
pub(super) const TO_REGPROC: Form = Pattern(lookup!("pg_proc", "proname", "pronamespace", "{0}"));
pub(super) const TO_REGNAMESPACE: Form = Pattern(lookup_plain!("pg_namespace", "nspname"));
pub(super) const TO_REGROLE: Form = Pattern(lookup_plain!("pg_roles", "rolname"));

/// The output function of a `reg*` type as SQL; None for other types.
pub(super) fn output_form(from: u32) -> Option<Form> {
    Some(match from {
        oid::REGCLASS => REGCLASS_OUT,
        oid::REGTYPE => Call("pg_regtype_out"),
        oid::REGPROC => REGPROC_OUT,
        oid::REGPROCEDURE => REGPROCEDURE_OUT,
        oid::REGOPER | oid::REGOPERATOR => REGOPER_OUT,
        oid::REGNAMESPACE => REGNAMESPACE_OUT,
        oid::REGROLE => REGROLE_OUT,
        _ => return None,
    })
}

/// The input function of a `reg*` type as SQL; None for other types.
pub(super) fn input_form(to: u32) -> Option<Form> {
    Some(match to {
        oid::REGCLASS => REGCLASS_IN,
        oid::REGTYPE => Call("pg_regtype_in"),
        oid::REGPROC => REGPROC_IN,
        oid::REGNAMESPACE => REGNAMESPACE_IN,
        oid::REGROLE => REGROLE_IN,
        _ => return None,
    })
}

/// Splits `schema.name`, folding what is not quoted. At most three parts, as `database.schema.name`.
fn name_parts(name: &str) -> Result<Vec<String>, SqlError> {
    let invalid = || SqlError::new("42602", "invalid name syntax");
    let mut parts = Vec::new();
    let mut chars = name.trim().chars().peekable();
    loop {
        let mut part = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next().ok_or_else(invalid)? {
                    '"' if chars.next_if_eq(&'"').is_some() => part.push('"'),
                    '"' => break,
                    other => part.push(other),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != '.' && *c != '"') {
                part.extend(c.to_lowercase());
            }
        }
        if part.is_empty() {
            return Err(invalid());
        }
        parts.push(part);
        match chars.next() {
            None => return Ok(parts),
            Some('.') => {}
            Some(_) => return Err(invalid()),
        }
    }
}

/// The OID in a text of digits (`-` is 0); None for a name.
fn oid_text(name: &str) -> Option<i64> {
    match name {
        "-" => Some(0),
        digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse::<u32>().ok().map(i64::from)
        }
        _ => None,
    }
}

/// Registers the bodies.
///
/// # Errors
/// SQLite's, if the connection refuses a registration.
pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_regtype_out", 1, |a| Ok(text(type_name(a.int(0)?))))?;
    strict(conn, "pg_regtype_in", 1, |a| match oid_text(&a.text(0)?) {
        Some(oid) => Ok(Value::Integer(oid)),
        None => types::parse_type_name(&a.text(0)?).map(|(oid, _)| Value::Integer(i64::from(oid))),
    })?;
    strict(conn, "pg_to_regtype", 1, |a| {
        Ok(types::parse_type_name(&a.text(0)?).map_or(Value::Null, |(oid, _)| Value::Integer(i64::from(oid))))
    })?;
    strict(conn, "pg_oid_text", 1, |a| Ok(oid_text(&a.text(0)?).map_or(Value::Null, Value::Integer)))?;
    strict(conn, "pg_name_part", 2, |a| {
        let mut parts = name_parts(&a.text(0)?)?;
        let wanted = usize::try_from(a.int(1)?).unwrap_or(0);
        let position = parts.len().checked_sub(wanted + 1);
        Ok(position.map_or(Value::Null, |position| Value::Text(std::mem::take(&mut parts[position]))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_unless_quoted() {
        let parts = |name| name_parts(name).map_err(|e| e.sqlstate.into_owned());
        assert_eq!(parts("Todos"), Ok(vec!["todos".to_owned()]));
        assert_eq!(parts("public.\"To\"\"Dos\""), Ok(vec!["public".into(), "To\"Dos".into()]));
        assert_eq!(parts(""), Err("42602".into()));
        assert_eq!(parts("a."), Err("42602".into()));
        assert_eq!(parts("\"a"), Err("42602".into()));
        assert_eq!(parts("\"a\"b"), Err("42602".into()));
    }
}
