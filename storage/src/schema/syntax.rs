//! The shape of one schema statement: names, column definitions, constraints, each with its place in the text.
//!
//! Pure. Runs on statements that SQLite itself has accepted, so it recognises rather than validates; text it cannot follow
//! gives [`NotUnderstood`] with its place, never a guess and never a panic.
//! Source: <https://www.sqlite.org/lang_createtable.html>, <https://www.sqlite.org/lang_createindex.html>.

use std::ops::Range;

use super::cursor::{Cursor, NotUnderstood, Read, slice};
use super::lexer::{Token, normalized};

/// A `CREATE TABLE`.
#[derive(Debug)]
pub(super) struct TableSyntax {
    pub(super) name: String,
    pub(super) offset: usize,
    /// From the opening to the closing parenthesis, both included.
    pub(super) body: Range<usize>,
    pub(super) columns: Vec<ColumnSyntax>,
    pub(super) constraints: Vec<TableConstraint>,
    pub(super) strict: bool,
    pub(super) without_rowid: bool,
}

/// One column definition.
#[derive(Debug)]
pub(super) struct ColumnSyntax {
    pub(super) name: String,
    /// The definition, from its name to its last token.
    pub(super) span: Range<usize>,
    /// The type's tokens; empty for an untyped column.
    pub(super) type_span: Range<usize>,
    pub(super) constraints: Vec<ColumnConstraint>,
}

/// A column constraint and where it begins.
#[derive(Debug)]
pub(super) struct ColumnConstraint {
    pub(super) offset: usize,
    pub(super) kind: ColumnConstraintKind,
}

#[derive(Debug)]
pub(super) enum ColumnConstraintKind {
    PrimaryKey {
        autoincrement: bool,
    },
    NotNull,
    Null,
    Unique,
    /// The condition in canonical form.
    Check(String),
    Default,
    Collate(String),
    References,
    Generated {
        expression: String,
        stored: bool,
    },
}

/// A table constraint and where it begins.
#[derive(Debug)]
pub(super) struct TableConstraint {
    pub(super) offset: usize,
    pub(super) kind: TableConstraintKind,
}

#[derive(Debug)]
pub(super) enum TableConstraintKind {
    PrimaryKey {
        autoincrement: bool,
    },
    Unique,
    /// The condition in canonical form.
    Check(String),
    ForeignKey,
}

/// A `CREATE INDEX`.
#[derive(Debug)]
pub(super) struct IndexSyntax {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) offset: usize,
    /// From the table's name on: what follows `ON`.
    pub(super) target: Range<usize>,
    pub(super) keys: Vec<IndexKeySyntax>,
    /// The condition of a partial index, as written.
    pub(super) predicate: Option<String>,
}

#[derive(Debug)]
pub(super) struct IndexKeySyntax {
    /// The column's name, or the expression as written.
    pub(super) text: String,
    pub(super) is_expression: bool,
    pub(super) descending: bool,
}

/// What kind of statement begins with these tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatementKind {
    CreateTable,
    /// `CREATE TABLE .. AS SELECT`: never run, its query could be of any size.
    TableAsSelect,
    TemporaryTable,
    CreateIndex,
    CreateUniqueIndex,
    DropIndex,
    Other,
}

/// The kind of the statement, by its first words.
pub(super) fn classify(source: &str, tokens: &[Token]) -> StatementKind {
    let word = |index: usize, word: &str| tokens.get(index).is_some_and(|t| t.is_word(source, word));
    if word(0, "drop") && word(1, "index") {
        return StatementKind::DropIndex;
    }
    if !word(0, "create") {
        return StatementKind::Other;
    }
    if word(1, "table") {
        return if is_table_as_select(source, tokens) {
            StatementKind::TableAsSelect
        } else {
            StatementKind::CreateTable
        };
    }
    if (word(1, "temp") || word(1, "temporary")) && word(2, "table") {
        return StatementKind::TemporaryTable;
    }
    if word(1, "index") {
        return StatementKind::CreateIndex;
    }
    if word(1, "unique") && word(2, "index") {
        return StatementKind::CreateUniqueIndex;
    }
    StatementKind::Other
}

/// A definition in parentheses is the only other form, so anything before the first parenthesis decides.
fn is_table_as_select(source: &str, tokens: &[Token]) -> bool {
    let head = tokens.iter().take_while(|t| !t.is_symbol(source, '(')).skip(3);
    head.into_iter().any(|t| t.is_word(source, "as"))
}

/// The index that a `DROP INDEX` names, and whether it says `IF EXISTS`.
pub(super) fn drop_index(source: &str, tokens: &[Token]) -> Read<(String, bool)> {
    let mut cursor = Cursor::new(source, tokens);
    cursor.expect_words(&["drop", "index"])?;
    let if_exists = cursor.skip_words(&["if", "exists"]);
    let (name, _) = cursor.qualified_name()?;
    Ok((name, if_exists))
}

/// Reads a `CREATE TABLE`. `CREATE TABLE .. AS SELECT` is not understood.
pub(super) fn create_table(source: &str, tokens: &[Token]) -> Read<TableSyntax> {
    let mut cursor = Cursor::new(source, tokens);
    cursor.expect_words(&["create", "table"])?;
    cursor.skip_words(&["if", "not", "exists"]);
    let (name, offset) = cursor.qualified_name()?;
    let body_tokens = cursor.parenthesized()?;
    let mut table = TableSyntax {
        name,
        offset,
        body: body_tokens.span.clone(),
        columns: Vec::new(),
        constraints: Vec::new(),
        strict: false,
        without_rowid: false,
    };
    for item in split_items(source, body_tokens.inner) {
        read_item(source, item, &mut table)?;
    }
    while let Some(token) = cursor.next() {
        if token.is_word(source, "strict") {
            table.strict = true;
        } else if token.is_word(source, "without") && cursor.skip_words(&["rowid"]) {
            table.without_rowid = true;
        } else if !token.is_symbol(source, ',') {
            return Err(NotUnderstood { offset: token.span.start });
        }
    }
    Ok(table)
}

/// Reads a `CREATE [UNIQUE] INDEX`.
pub(super) fn create_index(source: &str, tokens: &[Token]) -> Read<IndexSyntax> {
    let mut cursor = Cursor::new(source, tokens);
    cursor.expect_words(&["create"])?;
    cursor.skip_words(&["unique"]);
    cursor.expect_words(&["index"])?;
    cursor.skip_words(&["if", "not", "exists"]);
    let (name, offset) = cursor.qualified_name()?;
    cursor.expect_words(&["on"])?;
    let target_start = cursor.offset();
    let (table, _) = cursor.name()?;
    let keys =
        split_items(source, cursor.parenthesized()?.inner).into_iter().map(|key| index_key(source, key)).collect();
    let predicate = if cursor.skip_words(&["where"]) { Some(slice(source, cursor.rest()).to_owned()) } else { None };
    let end = tokens.last().map_or(source.len(), |t| t.span.end);
    Ok(IndexSyntax { name, table, offset, target: target_start..end, keys, predicate })
}

fn index_key(source: &str, key: &[Token]) -> IndexKeySyntax {
    let (key, descending) = match key {
        [head @ .., last] if last.is_word(source, "desc") => (head, true),
        [head @ .., last] if last.is_word(source, "asc") => (head, false),
        all => (all, false),
    };
    let (plain, is_column) = match key {
        [only] => (only.name(source), true),
        [column, collate, _] if collate.is_word(source, "collate") => (column.name(source), true),
        _ => (None, false),
    };
    match plain {
        Some(text) if is_column => IndexKeySyntax { text, is_expression: false, descending },
        Some(_) | None => IndexKeySyntax { text: slice(source, key).to_owned(), is_expression: true, descending },
    }
}

fn read_item(source: &str, item: &[Token], table: &mut TableSyntax) -> Read<()> {
    let Some(first) = item.first() else { return Ok(()) };
    let is_constraint =
        ["constraint", "primary", "unique", "check", "foreign"].iter().any(|w| first.is_word(source, w));
    if !is_constraint {
        table.columns.push(column(source, item)?);
        return Ok(());
    }
    // SQLite lets table constraints follow each other without a comma.
    let mut cursor = Cursor::new(source, item);
    while cursor.peek().is_some() {
        if let Some(constraint) = table_constraint(&mut cursor)? {
            table.constraints.push(constraint);
        }
    }
    Ok(())
}

fn table_constraint(cursor: &mut Cursor<'_>) -> Read<Option<TableConstraint>> {
    let offset = cursor.offset();
    if cursor.skip_words(&["constraint"]) {
        cursor.name()?;
        return Ok(None);
    }
    let kind = if cursor.skip_words(&["primary", "key"]) {
        let inner = cursor.parenthesized()?.inner;
        let autoincrement = inner.iter().any(|t| t.is_word(cursor.source, "autoincrement"));
        TableConstraintKind::PrimaryKey { autoincrement }
    } else if cursor.skip_words(&["unique"]) {
        cursor.parenthesized()?;
        TableConstraintKind::Unique
    } else if cursor.skip_words(&["check"]) {
        TableConstraintKind::Check(normalized(cursor.source, cursor.parenthesized()?.inner))
    } else if cursor.skip_words(&["foreign", "key"]) {
        cursor.parenthesized()?;
        cursor.skip_references();
        TableConstraintKind::ForeignKey
    } else {
        return Err(NotUnderstood { offset });
    };
    cursor.skip_conflict();
    Ok(Some(TableConstraint { offset, kind }))
}

fn column(source: &str, item: &[Token]) -> Read<ColumnSyntax> {
    let mut cursor = Cursor::new(source, item);
    let (name, start) = cursor.name()?;
    let type_start = cursor.offset();
    let mut type_end = type_start;
    while let Some(token) = cursor.peek() {
        let in_type = token.name(source).is_some() && !starts_constraint(source, token);
        if in_type {
            type_end = token.span.end;
            cursor.next();
        } else if token.is_symbol(source, '(') {
            type_end = cursor.parenthesized()?.span.end;
        } else {
            break;
        }
    }
    let mut constraints = Vec::new();
    while cursor.peek().is_some() {
        if let Some(constraint) = column_constraint(&mut cursor)? {
            constraints.push(constraint);
        }
    }
    let end = item.last().map_or(start, |t| t.span.end);
    Ok(ColumnSyntax { name, span: start..end, type_span: type_start..type_end, constraints })
}

fn starts_constraint(source: &str, token: &Token) -> bool {
    const WORDS: [&str; 11] = [
        "constraint",
        "primary",
        "not",
        "null",
        "unique",
        "check",
        "default",
        "collate",
        "references",
        "generated",
        "as",
    ];
    WORDS.iter().any(|word| token.is_word(source, word))
}

fn column_constraint(cursor: &mut Cursor<'_>) -> Read<Option<ColumnConstraint>> {
    let source = cursor.source;
    let offset = cursor.offset();
    if cursor.skip_words(&["constraint"]) {
        cursor.name()?;
        return Ok(None);
    }
    let kind = if cursor.skip_words(&["primary", "key"]) {
        let _ = cursor.skip_words(&["asc"]) || cursor.skip_words(&["desc"]);
        cursor.skip_conflict();
        ColumnConstraintKind::PrimaryKey { autoincrement: cursor.skip_words(&["autoincrement"]) }
    } else if cursor.skip_words(&["not", "null"]) {
        ColumnConstraintKind::NotNull
    } else if cursor.skip_words(&["null"]) {
        ColumnConstraintKind::Null
    } else if cursor.skip_words(&["unique"]) {
        ColumnConstraintKind::Unique
    } else if cursor.skip_words(&["check"]) {
        ColumnConstraintKind::Check(normalized(source, cursor.parenthesized()?.inner))
    } else if cursor.skip_words(&["default"]) {
        cursor.skip_default_value()?;
        ColumnConstraintKind::Default
    } else if cursor.skip_words(&["collate"]) {
        ColumnConstraintKind::Collate(cursor.name()?.0)
    } else if cursor.skip_references() {
        ColumnConstraintKind::References
    } else if cursor.skip_words(&["generated", "always", "as"]) || cursor.skip_words(&["as"]) {
        let expression = normalized(source, cursor.parenthesized()?.inner);
        let stored = cursor.skip_words(&["stored"]);
        if !stored {
            cursor.skip_words(&["virtual"]);
        }
        ColumnConstraintKind::Generated { expression, stored }
    } else {
        return Err(NotUnderstood { offset });
    };
    cursor.skip_conflict();
    Ok(Some(ColumnConstraint { offset, kind }))
}

/// Splits at the commas outside parentheses.
fn split_items<'a>(source: &str, inner: &'a [Token]) -> Vec<&'a [Token]> {
    let mut depth = 0usize;
    inner
        .split(|token| {
            if token.is_symbol(source, '(') {
                depth += 1;
            } else if token.is_symbol(source, ')') {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && token.is_symbol(source, ',')
        })
        .collect()
}
