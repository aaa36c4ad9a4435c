//! A DEFAULT expression as PostgreSQL shows it in `\d`: `''::text`, `now()`, `false`.
//!
//! Only constants and calls have a form of their own; anything else keeps the text it was written with.

use crate::sql::ast::{Expr, ExprKind, LiteralKind, SessionWord};
use crate::types::catalog;

use storage::schema::model::PgType;

/// The text for the catalog, given the tree, the column's type, and what was written.
pub(super) fn default_text(tree: &Expr, target: PgType, written: &str, literal: &dyn Fn(u16) -> Option<String>) -> String {
    shown(tree, target, literal).unwrap_or_else(|| written.to_owned())
}

fn shown(tree: &Expr, target: PgType, literal: &dyn Fn(u16) -> Option<String>) -> Option<String> {
    Some(match &tree.kind {
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Null => return None,
        ExprKind::Literal(LiteralKind::String, reference) => {
            let text = literal(reference.index)?;
            if target.oid == crate::types::oid::BOOL {
                return None;
            }
            format!("'{}'::{}", text.replace('\'', "''"), catalog::format_type(target.oid, Some(-1)))
        }
        ExprKind::Literal(LiteralKind::Int4 | LiteralKind::Int8 | LiteralKind::Numeric, reference) => {
            let text = literal(reference.index)?;
            if reference.negative { format!("'-{text}'::integer") } else { text }
        }
        ExprKind::Session { word, precision: None } => match word {
            SessionWord::CurrentDate => "CURRENT_DATE".into(),
            SessionWord::CurrentTimestamp => "CURRENT_TIMESTAMP".into(),
            SessionWord::LocalTimestamp => "LOCALTIMESTAMP".into(),
            SessionWord::CurrentUser => "CURRENT_USER".into(),
            SessionWord::SessionUser => "SESSION_USER".into(),
            SessionWord::CurrentTime
            | SessionWord::LocalTime
            | SessionWord::CurrentRole
            | SessionWord::User
            | SessionWord::CurrentCatalog
            | SessionWord::CurrentSchema => return None,
        },
        ExprKind::Call(call) if call.args.is_empty() && !call.star && call.over.is_none() => format!("{}()", call.name.last()),
        _ => return None,
    })
}
