//! Texts that reconstruct objects: index and constraint definitions, defaults.
//!
//! Pure. For display only: nothing here is ever run. Column defaults come out as PostgreSQL 15 shows them for literals,
//! casts and calls; any other expression as it was declared. Expressions of indexes are shown as declared.

use storage::schema::model::{Index, Origin, PgType, Table};

use crate::bind::literal_text;
use crate::function::{quote_identifier, quote_literal};
use crate::sql::ast::{Expr, ExprKind, LiteralKind, LiteralRef, SessionWord, TypeName};
use crate::sql::{lexer, parse};
use crate::types::catalog::{format_type, parse_type_name};
use crate::types::oid;

/// Whether the relation's name is printed with its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    Qualified,
    Plain,
}

/// `CREATE INDEX ..` of a secondary index.
pub(crate) fn index_definition(table: &Table, index: &Index, naming: Naming) -> String {
    let keys: Vec<String> = (0..index.columns.len()).map(|i| index_key(index, i, KeyPart::WithOrder)).collect();
    let condition = index.predicate.as_ref().map(|p| match naming {
        Naming::Qualified => format!(" WHERE ({p})"),
        Naming::Plain => format!(" WHERE {p}"),
    });
    format!(
        "CREATE INDEX {} ON {} USING btree ({}){}",
        quote_identifier(&index.name),
        relation_name(&table.name, naming),
        keys.join(", "),
        condition.unwrap_or_default()
    )
}

/// `CREATE UNIQUE INDEX ..` of a primary key's index.
pub(crate) fn key_index_definition(table: &Table, name: &str, naming: Naming) -> String {
    let relation = relation_name(&table.name, naming);
    format!("CREATE UNIQUE INDEX {} ON {relation} USING btree ({})", quote_identifier(name), key_columns(table))
}

/// `PRIMARY KEY (..)`.
pub(crate) fn primary_key_definition(table: &Table) -> String {
    format!("PRIMARY KEY ({})", key_columns(table))
}

/// What is printed of one key of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPart {
    /// Column or expression alone, as `pg_get_indexdef(index, n, pretty)` gives it.
    Alone,
    /// With ` DESC`.
    WithOrder,
}

/// One key of a secondary index.
pub(crate) fn index_key(index: &Index, position: usize, part: KeyPart) -> String {
    let key = &index.columns[position];
    let text = match key.is_expression {
        false => quote_identifier(&key.name),
        true if is_call(&key.name) => key.name.clone(),
        true => format!("({})", key.name),
    };
    match part {
        KeyPart::WithOrder if key.descending => format!("{text} DESC"),
        KeyPart::WithOrder | KeyPart::Alone => text,
    }
}

/// A column's default as `pg_get_expr` shows it.
pub(crate) fn default_text(default: &str, origin: Origin, column_type: PgType) -> String {
    if origin == Origin::File && default.starts_with('"') && default.ends_with('"') && default.len() >= 2 {
        // SQLite reads an unresolvable quoted name as a string; schema files use `DEFAULT ""`.
        return constant(&default[1..default.len() - 1].replace("\"\"", "\""), column_type.oid);
    }
    deparse(default, column_type.oid).unwrap_or_else(|| default.to_owned())
}

/// The text of an expression whose untyped literals take the type `target`; None if it is not one this knows to print.
fn deparse(source: &str, target: u32) -> Option<String> {
    let tokens = lexer::tokens(source).ok()?;
    let tree = parse::expression(source, &tokens).ok()?;
    let literals = tokens.into_iter().filter(|token| token.kind.is_literal()).collect();
    Deparser { source, literals }.expr(&tree, target)
}

struct Deparser<'a> {
    source: &'a str,
    literals: Vec<lexer::Token>,
}

impl Deparser<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else the parser knows is shown as declared")]
    fn expr(&self, tree: &Expr, target: u32) -> Option<String> {
        match &tree.kind {
            ExprKind::Bool(value) => Some(value.to_string()),
            ExprKind::Null => Some(format!("NULL::{}", type_name(target))),
            ExprKind::Literal(kind, reference) => self.literal(*kind, *reference, target),
            ExprKind::Session { word, precision: None } => session_word(*word).map(str::to_owned),
            ExprKind::Cast { arg, target } => self.cast(arg, target),
            ExprKind::Call(call) if !call.star && call.over.is_none() => {
                let arguments: Option<Vec<String>> = call.args.iter().map(|arg| self.expr(arg, oid::TEXT)).collect();
                Some(format!("{}({})", quote_identifier(call.name.last()), arguments?.join(", ")))
            }
            ExprKind::Binary { op, left, right } if op.schema.is_none() => {
                // Beside another operator than || a string's type is not known here.
                let untyped = |side: &Expr| matches!(side.kind, ExprKind::Literal(LiteralKind::String, _));
                if op.name != "||" && (untyped(left) || untyped(right)) {
                    return None;
                }
                Some(format!("({} {} {})", self.expr(left, oid::TEXT)?, op.name, self.expr(right, oid::TEXT)?))
            }
            _ => None,
        }
    }

    fn literal(&self, kind: LiteralKind, reference: LiteralRef, target: u32) -> Option<String> {
        let text = literal_text(self.source, &self.literals, reference).ok()?;
        match (kind, reference.negative) {
            (LiteralKind::String, _) => Some(constant(&text, target)),
            (LiteralKind::Bits, _) => None,
            (LiteralKind::Int4 | LiteralKind::Int8 | LiteralKind::Numeric, false) => Some(text),
            // A negative number is one constant for PostgreSQL, printed quoted with its own type.
            (LiteralKind::Int4, true) => Some(format!("'{text}'::integer")),
            (LiteralKind::Int8, true) => Some(format!("'{text}'::bigint")),
            (LiteralKind::Numeric, true) => Some(format!("'{text}'::numeric")),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else the parser knows is shown as declared")]
    fn cast(&self, arg: &Expr, target: &TypeName) -> Option<String> {
        let modifiers: Vec<String> = target.modifiers.iter().map(i32::to_string).collect();
        let modifiers = if modifiers.is_empty() { String::new() } else { format!("({})", modifiers.join(",")) };
        let brackets = if target.array { "[]" } else { "" };
        let (type_oid, typmod) = parse_type_name(&format!("{}{modifiers}{brackets}", target.name)).ok()?;
        match &arg.kind {
            ExprKind::Literal(LiteralKind::String, reference) => {
                Some(constant(&literal_text(self.source, &self.literals, *reference).ok()?, type_oid))
            }
            ExprKind::Literal(..) | ExprKind::Call(_) => {
                Some(format!("({})::{}", self.expr(arg, oid::TEXT)?, format_type(type_oid, Some(typmod))))
            }
            _ => None,
        }
    }
}

fn session_word(word: SessionWord) -> Option<&'static str> {
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

/// A constant of a known type: numbers and booleans bare, others quoted with their type; so is a numeric that without it would be
/// read as an integer.
fn constant(text: &str, type_oid: u32) -> String {
    let bare_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    match type_oid {
        oid::BOOL if matches!(text, "t" | "true" | "yes" | "on" | "1") => "true".into(),
        oid::BOOL if matches!(text, "f" | "false" | "no" | "off" | "0") => "false".into(),
        oid::NUMERIC if bare_number && text.contains('.') => text.to_owned(),
        oid::INT4 if bare_number => text.to_owned(),
        _ => format!("{}::{}", quote_literal(text), type_name(type_oid)),
    }
}

/// PostgreSQL's name of a type, without modifier.
pub(crate) fn type_name(type_oid: u32) -> String {
    format_type(type_oid, Some(-1))
}

fn relation_name(table: &str, naming: Naming) -> String {
    match naming {
        Naming::Qualified => format!("public.{}", quote_identifier(table)),
        Naming::Plain => quote_identifier(table),
    }
}

fn key_columns(table: &Table) -> String {
    let names: Vec<String> = table.primary_key.iter().map(|&i| quote_identifier(&table.columns[i].name)).collect();
    names.join(", ")
}

/// Whether the text is one function call: a name, then one pair of brackets to the end.
fn is_call(text: &str) -> bool {
    let Some(open) = text.find('(') else { return false };
    let name = &text[..open];
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return false;
    }
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + 1 == text.len();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(default: &str, type_oid: u32, expected: &str) {
        let shown = default_text(default, Origin::Wire, PgType { oid: type_oid, typmod: -1 });
        assert_eq!(shown, expected, "{default}");
        let again = default_text(&shown, Origin::Wire, PgType { oid: type_oid, typmod: -1 });
        assert_eq!(again, expected, "shown text must not change when shown again");
    }

    #[test]
    fn defaults_are_shown_as_postgresql_shows_them() {
        check("''", oid::TEXT, "''::text");
        check("'x'", oid::VARCHAR, "'x'::character varying");
        check("'it''s'", oid::TEXT, "'it''s'::text");
        check("false", oid::BOOL, "false");
        check("'t'", oid::BOOL, "true");
        check("now()", oid::TIMESTAMPTZ, "now()");
        check("NOW()", oid::TIMESTAMPTZ, "now()");
        check("current_timestamp", oid::TIMESTAMPTZ, "CURRENT_TIMESTAMP");
        check("0", oid::INT8, "0");
        check("1.50", oid::NUMERIC, "1.50");
        check("'1.50'", oid::NUMERIC, "1.50");
        check("'1'", oid::NUMERIC, "'1'::numeric");
        check("'{}'", oid::JSONB, "'{}'::jsonb");
        check("'{}'::jsonb", oid::JSONB, "'{}'::jsonb");
        check("lower('A')", oid::TEXT, "lower('A'::text)");
        check("gen_random_uuid()", oid::UUID, "gen_random_uuid()");
        check("1 + 2 * 3", oid::INT4, "(1 + (2 * 3))");
        check("'a' || lower('B')", oid::TEXT, "('a'::text || lower('B'::text))");
    }

    #[test]
    fn a_negative_number_is_a_quoted_constant() {
        let shown = |text| default_text(text, Origin::Wire, PgType { oid: oid::INT4, typmod: -1 });
        assert_eq!(shown("-1"), "'-1'::integer");
        assert_eq!(shown("-1.5"), "'-1.5'::numeric");
        assert_eq!(shown("-5000000000"), "'-5000000000'::bigint");
    }

    #[test]
    fn a_quoted_name_in_a_schema_file_is_a_string() {
        let shown = default_text("\"\"", Origin::File, PgType { oid: oid::TEXT, typmod: -1 });
        assert_eq!(shown, "''::text");
    }

    #[test]
    fn an_expression_out_of_reach_is_shown_as_declared() {
        let shown = |text| default_text(text, Origin::Wire, PgType { oid: oid::INT4, typmod: -1 });
        assert_eq!(shown("now() - '1 day'"), "now() - '1 day'");
        assert_eq!(shown("not sql ("), "not sql (");
    }

    #[test]
    fn only_a_single_call_is_printed_without_brackets() {
        assert!(is_call("lower(b)"));
        assert!(!is_call("lower(a) || lower(b)"));
        assert!(!is_call("(a)"));
        assert!(!is_call("a + b"));
    }
}
