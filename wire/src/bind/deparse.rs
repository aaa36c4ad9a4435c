//! A DEFAULT expression as PostgreSQL shows it in `\d`: `''::text`, `now()`, `false`.
//!
//! Only constants and calls have a form of their own; anything else keeps the text it was written with.

use storage::schema::model::PgType;

use crate::sql::ast::{Expr, ExprKind, LiteralKind, SessionWord};
use crate::types::{catalog, oid};

/// The text for the catalog, given the tree, the column's type, and what was written.
pub(super) fn default_text(
    tree: &Expr,
    target: PgType,
    written: &str,
    literal: &dyn Fn(u16) -> Option<String>,
) -> String {
    shown(tree, target, literal).unwrap_or_else(|| written.to_owned())
}

fn shown(tree: &Expr, target: PgType, literal: &dyn Fn(u16) -> Option<String>) -> Option<String> {
    if let ExprKind::Bool(value) = tree.kind {
        return Some(value.to_string());
    }
    if let ExprKind::Literal(kind, reference) = &tree.kind {
        let text = literal(reference.index)?;
        return match kind {
            LiteralKind::String if target.oid == oid::BOOL => None,
            LiteralKind::String => {
                Some(format!("'{}'::{}", text.replace('\'', "''"), catalog::format_type(target.oid, Some(-1))))
            }
            LiteralKind::Int4 | LiteralKind::Int8 | LiteralKind::Numeric if reference.negative => {
                let own = match kind {
                    LiteralKind::Int8 => "bigint",
                    LiteralKind::Numeric => "numeric",
                    LiteralKind::Int4 | LiteralKind::String | LiteralKind::Bits => "integer",
                };
                Some(format!("'-{text}'::{own}"))
            }
            LiteralKind::Int4 | LiteralKind::Int8 | LiteralKind::Numeric => Some(text),
            LiteralKind::Bits => None,
        };
    }
    if let ExprKind::Session { word, precision: None } = &tree.kind {
        return session(*word).map(str::to_owned);
    }
    if let ExprKind::Call(call) = &tree.kind {
        let plain = call.args.is_empty() && !call.star && call.over.is_none();
        return plain.then(|| format!("{}()", call.name.last()));
    }
    None
}

fn session(word: SessionWord) -> Option<&'static str> {
    match word {
        SessionWord::CurrentDate => Some("CURRENT_DATE"),
        SessionWord::CurrentTimestamp => Some("CURRENT_TIMESTAMP"),
        SessionWord::LocalTimestamp => Some("LOCALTIMESTAMP"),
        SessionWord::CurrentUser => Some("CURRENT_USER"),
        SessionWord::SessionUser => Some("SESSION_USER"),
        SessionWord::CurrentTime
        | SessionWord::LocalTime
        | SessionWord::CurrentRole
        | SessionWord::User
        | SessionWord::CurrentCatalog
        | SessionWord::CurrentSchema => None,
    }
}
