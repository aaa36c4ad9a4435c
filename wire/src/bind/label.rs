//! The name of a result column without AS, as PostgreSQL's `FigureColname` gives it.

use crate::sql::ast::{Body, Builtin, Expr, ExprKind, SessionWord};

/// The column's name.
pub(super) fn label(expr: &Expr) -> String {
    named(expr).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
}

/// How much a name says: a weak one gives way to what encloses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

fn strong(name: &str) -> Option<(String, Strength)> {
    Some((name.to_owned(), Strength::Strong))
}

fn named(expr: &Expr) -> Option<(String, Strength)> {
    match &expr.kind {
        ExprKind::Column(parts) => parts.last().map(|name| (name.text.clone(), Strength::Strong)),
        ExprKind::Field { field, .. } => strong(&field.text),
        ExprKind::Subscript { base, .. } | ExprKind::Slice { base } => named(base),
        ExprKind::Call(call) => strong(call.name.last()),
        ExprKind::Builtin { which, .. } => strong(match which {
            Builtin::Coalesce => "coalesce",
            Builtin::Nullif => "nullif",
            Builtin::Greatest => "greatest",
            Builtin::Least => "least",
        }),
        ExprKind::Session { word, .. } => strong(session(*word)),
        ExprKind::Cast { arg, target } => match named(arg) {
            Some((name, Strength::Strong)) => Some((name, Strength::Strong)),
            Some((_, Strength::Weak)) | None => Some((target.name.clone(), Strength::Weak)),
        },
        ExprKind::Collate { arg, .. } => named(arg),
        ExprKind::Case { otherwise, .. } => match otherwise.as_deref().and_then(named) {
            Some((name, Strength::Strong)) => Some((name, Strength::Strong)),
            Some((_, Strength::Weak)) | None => Some(("case".to_owned(), Strength::Weak)),
        },
        ExprKind::Array(_) | ExprKind::ArrayQuery(_) => strong("array"),
        ExprKind::Row(_) => strong("row"),
        ExprKind::Exists(_) => strong("exists"),
        ExprKind::Grouping(_) => strong("grouping"),
        ExprKind::Subquery(query) => match &query.body {
            Body::Select(select) => select.items.first().and_then(|item| match &item.alias {
                Some(alias) => strong(alias),
                None => named(&item.expr),
            }),
            Body::Values { .. } => strong("column1"),
            Body::Set { left, .. } => named(&Expr { at: expr.at, kind: ExprKind::Subquery(left.clone()) }),
        },
        ExprKind::Literal(..)
        | ExprKind::QueryColumn { .. }
        | ExprKind::Integer(_)
        | ExprKind::Word(_)
        | ExprKind::Bool(_)
        | ExprKind::Null
        | ExprKind::Default
        | ExprKind::Parameter(_)
        | ExprKind::Star(_)
        | ExprKind::Unary { .. }
        | ExprKind::Binary { .. }
        | ExprKind::And(..)
        | ExprKind::Or(..)
        | ExprKind::Not(_)
        | ExprKind::IsNull { .. }
        | ExprKind::IsBool { .. }
        | ExprKind::IsDistinct { .. }
        | ExprKind::InList { .. }
        | ExprKind::InQuery { .. }
        | ExprKind::Between { .. }
        | ExprKind::Like { .. }
        | ExprKind::QuantifiedArray { .. }
        | ExprKind::QuantifiedQuery { .. } => None,
    }
}

fn session(word: SessionWord) -> &'static str {
    match word {
        SessionWord::CurrentDate => "current_date",
        SessionWord::CurrentTime => "current_time",
        SessionWord::CurrentTimestamp => "current_timestamp",
        SessionWord::LocalTime => "localtime",
        SessionWord::LocalTimestamp => "localtimestamp",
        SessionWord::CurrentUser => "current_user",
        SessionWord::CurrentRole => "current_role",
        SessionWord::User => "user",
        SessionWord::SessionUser => "session_user",
        SessionWord::CurrentCatalog => "current_catalog",
        SessionWord::CurrentSchema => "current_schema",
    }
}
