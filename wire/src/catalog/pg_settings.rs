//! `pg_settings`: the parameters of [`crate::session::guc`].
//!
//! Pure. The rows have each parameter's default; a query over the relation takes `setting` from the session (the binder
//! sees to it), since the tables are shared by the sessions of a connection.

use super::relation::named;
use super::rows::{Rows, flag, maybe_text, text};
use crate::session::guc::{Kind, PARAMETERS, Parameter};

/// The relation, with defaults as settings.
pub(super) fn rows() -> Rows {
    let mut rows = Rows::new(named("pg_settings"));
    for parameter in PARAMETERS {
        let (min, max) = range(parameter);
        rows.push([
            ("name", text(parameter.name)),
            ("setting", text(parameter.default)),
            ("unit", maybe_text((parameter.kind == Kind::Milliseconds).then_some("ms"))),
            ("category", text("Client Connection Defaults")),
            ("short_desc", text(parameter.description)),
            ("context", text(if parameter.kind == Kind::Internal { "internal" } else { "user" })),
            ("vartype", text(value_type(parameter.kind))),
            ("source", text("default")),
            ("min_val", maybe_text(min)),
            ("max_val", maybe_text(max)),
            ("enumvals", maybe_text(choices(parameter.kind).map(array))),
            ("boot_val", text(parameter.default)),
            ("reset_val", text(parameter.default)),
            ("pending_restart", flag(false)),
        ]);
    }
    rows
}

fn value_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Milliseconds | Kind::Integer { .. } => "integer",
        Kind::Real => "real",
        Kind::Enum(_) => "enum",
        Kind::Text | Kind::Only { .. } | Kind::DateStyle | Kind::TimeZone | Kind::ClientEncoding | Kind::Internal => {
            "string"
        }
    }
}

fn range(parameter: &Parameter) -> (Option<String>, Option<String>) {
    match parameter.kind {
        Kind::Integer { min, max } => (Some(min.to_string()), Some(max.to_string())),
        Kind::Milliseconds => (Some("0".into()), Some(i32::MAX.to_string())),
        Kind::Bool
        | Kind::Real
        | Kind::Text
        | Kind::Enum(_)
        | Kind::Only { .. }
        | Kind::DateStyle
        | Kind::TimeZone
        | Kind::ClientEncoding
        | Kind::Internal => (None, None),
    }
}

fn choices(kind: Kind) -> Option<&'static [&'static str]> {
    match kind {
        Kind::Enum(values) => Some(values),
        Kind::Bool
        | Kind::Milliseconds
        | Kind::Integer { .. }
        | Kind::Real
        | Kind::Text
        | Kind::Only { .. }
        | Kind::DateStyle
        | Kind::TimeZone
        | Kind::ClientEncoding
        | Kind::Internal => None,
    }
}

/// Words as an array; those with blanks are quoted.
fn array(words: &[&str]) -> String {
    let shown = words.iter().map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_listed_with_its_kind() {
        assert_eq!(rows().rows.len(), PARAMETERS.len());
        assert_eq!(array(&["read committed", "serializable"]), "{\"read committed\",serializable}");
    }
}
