//! Schema files to declarations: every statement is parsed by SQLite itself in a scratch database, then read off it.
//!
//! No effect outside. All broken rules of all files are reported together, with file and line. A statement is classified
//! before SQLite sees it, and only declarations are run, so a file costs time in proportion to its size whatever it says.

use std::ops::Range;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::cursor::slice;
use super::declared::{ColumnDecl, Declared, GeneratedDecl, IndexDecl, Location, SchemaFile, TableDecl, fold};
use super::lexer::{Token, line_of, normalized, quote_name, tokens};
use super::physical::{StrictMode, create_file_table, file_column};
use super::rules::{Rule, Violation, is_reserved, table_violations};
use super::syntax::{
    ColumnConstraintKind, ColumnSyntax, StatementKind, TableConstraintKind, TableSyntax, classify, create_index,
    create_table, drop_index,
};
use crate::error::{ExecuteError, SchemaError};

/// Longest text of one schema file. A longer one is refused: it holds data, not a schema.
pub const SCHEMA_TEXT_BYTES_MAX: usize = 8 << 20;

/// Reads schema files. The order of the files does not matter.
///
/// # Errors
/// [`SchemaError::Invalid`] with every rule broken in any file.
pub(super) fn parse_files(files: &[SchemaFile]) -> Result<Declared, SchemaError> {
    let mut reader = Reader { scratch: Scratch::open()?, declared: Declared::default(), broken: Vec::new() };
    let sources: Vec<Source<'_>> = files.iter().filter_map(|file| reader.split(file)).collect();
    // Tables first: an index may stand in a file that is read before its table's.
    for source in &sources {
        for statement in &source.statements {
            reader.table_statement(&statement_of(source, statement));
        }
    }
    for source in &sources {
        for statement in &source.statements {
            reader.index_statement(&statement_of(source, statement));
        }
    }
    reader.check_drops();
    if reader.broken.is_empty() {
        return Ok(reader.declared);
    }
    reader.broken.sort_by(|a, b| a.at.cmp(&b.at));
    Err(SchemaError::Invalid { violations: reader.broken })
}

/// Reads one `CREATE TABLE` that was accepted before and is kept in our own catalog. Rules are not applied again, so that
/// a later version with stricter rules still opens the file.
pub(super) fn parse_table(scratch: &Scratch, origin: &str, text: &str) -> Result<TableDecl, SchemaError> {
    Ok(parse_existing(scratch, origin, text)?.0)
}

/// Reads the `CREATE TABLE` of any table in the file, with the rules it breaks.
pub(super) fn parse_existing(
    scratch: &Scratch,
    origin: &str,
    text: &str,
) -> Result<(TableDecl, Vec<Violation>), SchemaError> {
    let file = SchemaFile { path: origin.to_owned(), text: text.to_owned() };
    let unreadable = |message: String| SchemaError::Catalog { message: format!("{origin}: {message}") };
    let found = tokens(text).map_err(|error| unreadable(format!("open quote at byte {}", error.offset)))?;
    if classify(text, &found) != StatementKind::CreateTable {
        return Err(unreadable("not a CREATE TABLE statement".to_owned()));
    }
    let statement = Statement { file: &file, tokens: &found };
    let syntax =
        create_table(text, &found).map_err(|error| unreadable(format!("not understood at byte {}", error.offset)))?;
    scratch.run(text).map_err(|refused| unreadable(refused.message))?;
    let declared = scratch.table(&statement, &syntax);
    scratch.drop_table(&syntax.name)?;
    let table = declared.map_err(|violation| unreadable(violation.message))?;
    let mut broken = table_violations(&syntax, &table, |offset| statement.locate(offset));
    broken.extend(conflict_rollback(&statement, &table.name));
    Ok((table, broken))
}

/// What an index is on, in a form in which equal indexes have equal texts.
pub(super) fn canonical_target(source: &str, tokens: &[Token], target: &Range<usize>) -> String {
    let first = tokens.iter().position(|token| token.span.start == target.start).unwrap_or(0);
    normalized(source, tokens.get(first..).unwrap_or_default())
}

/// A statement and the file it stands in.
struct Statement<'a> {
    file: &'a SchemaFile,
    tokens: &'a [Token],
}

impl Statement<'_> {
    fn source(&self) -> &str {
        &self.file.text
    }

    fn text(&self) -> &str {
        slice(self.source(), self.tokens)
    }

    fn offset(&self) -> usize {
        self.tokens.first().map_or(0, |token| token.span.start)
    }

    fn locate(&self, offset: usize) -> Location {
        Location { file: self.file.path.clone(), line: line_of(self.source(), offset) }
    }

    fn violation(&self, rule: Rule, offset: usize, message: String) -> Violation {
        Violation { rule, at: self.locate(offset), message }
    }
}

/// A file split at its semicolons.
struct Source<'a> {
    file: &'a SchemaFile,
    tokens: Vec<Token>,
    statements: Vec<Range<usize>>,
}

fn statement_of<'a>(source: &'a Source<'_>, range: &Range<usize>) -> Statement<'a> {
    Statement { file: source.file, tokens: source.tokens.get(range.clone()).unwrap_or_default() }
}

struct Reader {
    scratch: Scratch,
    declared: Declared,
    broken: Vec<Violation>,
}

impl Reader {
    fn split<'a>(&mut self, file: &'a SchemaFile) -> Option<Source<'a>> {
        let at = |offset| Location { file: file.path.clone(), line: line_of(&file.text, offset) };
        if file.text.len() > SCHEMA_TEXT_BYTES_MAX {
            let message = format!("the file is longer than {SCHEMA_TEXT_BYTES_MAX} bytes");
            self.broken.push(Violation { rule: Rule::TextSize, at: at(0), message });
            return None;
        }
        let tokens = match tokens(&file.text) {
            Ok(tokens) => tokens,
            Err(open) => {
                let message = "a quote is opened and never closed".to_owned();
                self.broken.push(Violation { rule: Rule::Syntax, at: at(open.offset), message });
                return None;
            }
        };
        let mut statements = Vec::new();
        let mut start = 0;
        for (index, token) in tokens.iter().enumerate() {
            if token.is_symbol(&file.text, ';') {
                statements.push(start..index);
                start = index + 1;
            }
        }
        statements.push(start..tokens.len());
        statements.retain(|range| !range.is_empty());
        Some(Source { file, tokens, statements })
    }

    fn table_statement(&mut self, statement: &Statement<'_>) {
        let broken = match classify(statement.source(), statement.tokens) {
            StatementKind::CreateTable => self.create_table(statement).err(),
            StatementKind::TableAsSelect => {
                Some((Rule::TableAsSelect, "CREATE TABLE AS SELECT is not supported".to_owned()).into())
            }
            StatementKind::TemporaryTable => {
                Some((Rule::TemporaryTable, "temporary tables are not supported".to_owned()).into())
            }
            StatementKind::Other => {
                let first = statement.tokens.first().map_or("", |token| token.text(statement.source()));
                Some((Rule::OnlyTablesAndIndexes, format!("unsupported statement \"{first} ..\"")).into())
            }
            StatementKind::CreateIndex | StatementKind::CreateUniqueIndex | StatementKind::DropIndex => None,
        };
        self.report(statement, broken);
    }

    fn index_statement(&mut self, statement: &Statement<'_>) {
        let broken = match classify(statement.source(), statement.tokens) {
            StatementKind::CreateIndex => self.create_index(statement).err(),
            StatementKind::CreateUniqueIndex => {
                Some((Rule::UniqueIndex, "unique indexes are not supported".to_owned()).into())
            }
            StatementKind::DropIndex => self.drop_index(statement).err(),
            StatementKind::CreateTable
            | StatementKind::TableAsSelect
            | StatementKind::TemporaryTable
            | StatementKind::Other => None,
        };
        self.report(statement, broken);
    }

    fn report(&mut self, statement: &Statement<'_>, broken: Option<Broken>) {
        match broken {
            None => {}
            Some(Broken::Here(violation)) => self.broken.push(violation),
            Some(Broken::Statement(rule, message)) => {
                self.broken.push(statement.violation(rule, statement.offset(), message));
            }
        }
    }

    fn create_table(&mut self, statement: &Statement<'_>) -> Result<(), Broken> {
        let understood = create_table(statement.source(), statement.tokens);
        let name = understood.as_ref().map_or_else(|_| String::new(), |syntax| syntax.name.clone());
        if let Some(first) = self.declared.tables.get(&fold(&name)) {
            let message = format!("table \"{name}\" is declared already, at {}", first.at);
            return Err((Rule::DuplicateName, message).into());
        }
        self.scratch.run(statement.text()).map_err(|refused| refused.at(statement))?;
        let syntax = understood.map_err(|error| {
            Broken::Here(statement.violation(Rule::Syntax, error.offset, "this part is not understood".to_owned()))
        })?;
        let table = self.scratch.table(statement, &syntax).map_err(Broken::Here)?;
        self.broken.extend(table_violations(&syntax, &table, |offset| statement.locate(offset)));
        self.broken.extend(conflict_rollback(statement, &table.name));
        self.declared.tables.insert(fold(&table.name), table);
        Ok(())
    }

    fn create_index(&mut self, statement: &Statement<'_>) -> Result<(), Broken> {
        let syntax = match create_index(statement.source(), statement.tokens) {
            Ok(syntax) => syntax,
            // SQLite says better what is wrong, unless it sees nothing wrong.
            Err(error) => {
                self.scratch.run(statement.text()).map_err(|refused| refused.at(statement))?;
                let message = "this part is not understood".to_owned();
                return Err(Broken::Here(statement.violation(Rule::Syntax, error.offset, message)));
            }
        };
        let name = syntax.name;
        if is_reserved(&name) {
            return Err((Rule::ReservedName, format!("index name \"{name}\" is reserved")).into());
        }
        if let Some(first) = self.declared.indexes.get(&fold(&name)) {
            return Err((Rule::DuplicateName, format!("index \"{name}\" is declared already, at {}", first.at)).into());
        }
        if self.declared.tables.contains_key(&fold(&syntax.table)) {
            self.scratch.run(statement.text()).map_err(|refused| refused.at(statement))?;
        }
        let target = statement.source().get(syntax.target.clone()).unwrap_or_default();
        let index = IndexDecl {
            at: statement.locate(syntax.offset),
            create: format!("CREATE INDEX {} ON {target}", quote_name(&name)),
            canonical: canonical_target(statement.source(), statement.tokens, &syntax.target),
            table: syntax.table,
            name,
        };
        self.declared.indexes.insert(fold(&index.name), index);
        Ok(())
    }

    fn drop_index(&mut self, statement: &Statement<'_>) -> Result<(), Broken> {
        let (name, if_exists) = drop_index(statement.source(), statement.tokens).map_err(|error| {
            Broken::Here(statement.violation(Rule::Syntax, error.offset, "DROP INDEX needs a name".to_owned()))
        })?;
        if !if_exists {
            return Err((Rule::DropIndexWithoutIfExists, format!("DROP INDEX \"{name}\" without IF EXISTS")).into());
        }
        self.declared.drops.insert(fold(&name), statement.locate(statement.offset()));
        Ok(())
    }

    fn check_drops(&mut self) {
        for (name, at) in &self.declared.drops {
            if let Some(index) = self.declared.indexes.get(name) {
                let message = format!("index \"{}\" is dropped here and created at {}", index.name, index.at);
                self.broken.push(Violation { rule: Rule::DropIndexConflict, at: at.clone(), message });
            }
        }
    }
}

/// The clause can stand in any constraint, and its words stand together nowhere else.
fn conflict_rollback(statement: &Statement<'_>, table: &str) -> Option<Violation> {
    let words = ["on", "conflict", "rollback"];
    let is_clause = |three: &&[Token]| three.iter().zip(words).all(|(t, word)| t.is_word(statement.source(), word));
    let found = statement.tokens.windows(words.len()).find(is_clause)?.first()?;
    let message = format!("ON CONFLICT ROLLBACK is not supported (table \"{table}\")");
    Some(statement.violation(Rule::ConflictRollback, found.span.start, message))
}

/// A rule broken by a statement, at a known place or at its beginning.
enum Broken {
    Here(Violation),
    Statement(Rule, String),
}

impl From<(Rule, String)> for Broken {
    fn from((rule, message): (Rule, String)) -> Self {
        Self::Statement(rule, message)
    }
}

/// SQLite's refusal of a statement.
struct Refused {
    message: String,
    /// Byte offset in the statement, where SQLite knows it.
    offset: Option<usize>,
}

impl Refused {
    fn at(self, statement: &Statement<'_>) -> Broken {
        let offset = statement.offset() + self.offset.unwrap_or(0);
        Broken::Here(statement.violation(Rule::Syntax, offset, self.message))
    }
}

/// An empty in-memory database that statements are tried in.
pub(super) struct Scratch {
    conn: Connection,
}

impl Scratch {
    pub(super) fn open() -> Result<Self, ExecuteError> {
        let conn = Connection::open_in_memory()?;
        allow_double_quoted_strings(&conn)?;
        Ok(Self { conn })
    }

    fn run(&self, sql: &str) -> Result<(), Refused> {
        self.conn.execute_batch(sql).map_err(|error| {
            if let rusqlite::Error::SqlInputError { msg, offset, .. } = error {
                return Refused { message: msg, offset: usize::try_from(offset).ok() };
            }
            Refused { message: ExecuteError::from(error).to_string(), offset: None }
        })
    }

    fn drop_table(&self, name: &str) -> Result<(), ExecuteError> {
        Ok(self.conn.execute_batch(&format!("DROP TABLE {}", quote_name(name)))?)
    }

    /// Reads a table off SQLite, with what only the text says.
    fn table(&self, statement: &Statement<'_>, syntax: &TableSyntax) -> Result<TableDecl, Violation> {
        let unreadable = |error: rusqlite::Error| {
            statement.violation(Rule::Syntax, syntax.offset, ExecuteError::from(error).to_string())
        };
        let columns = self.columns(&syntax.name).map_err(unreadable)?;
        let same_names = columns.len() == syntax.columns.len()
            && columns.iter().zip(&syntax.columns).all(|(seen, written)| seen.name.eq_ignore_ascii_case(&written.name));
        if !same_names {
            let message = "the column definitions are not understood".to_owned();
            return Err(statement.violation(Rule::Syntax, syntax.offset, message));
        }
        let mut key: Vec<(i64, usize)> =
            columns.iter().enumerate().filter(|(_, c)| c.key_position > 0).map(|(i, c)| (c.key_position, i)).collect();
        key.sort_unstable();
        let key_collations = self.key_collations(&syntax.name).map_err(unreadable)?;
        let rowid_key = !key.is_empty() && key_collations.is_empty();
        let rowid_name = key.first().filter(|_| rowid_key).and_then(|&(_, i)| columns.get(i)).map(|c| c.name.as_str());
        Ok(TableDecl {
            name: syntax.name.clone(),
            at: statement.locate(syntax.offset),
            text: statement.text().to_owned(),
            create: create_file_table(statement.source(), syntax, rowid_name),
            columns: columns
                .iter()
                .zip(&syntax.columns)
                .map(|(seen, written)| column_decl(statement, syntax, seen, written))
                .collect(),
            primary_key: key.into_iter().map(|(_, index)| index).collect(),
            key_collations,
            rowid_key,
            without_rowid: syntax.without_rowid,
            strict: syntax.strict,
            checks: syntax.constraints.iter().filter_map(|c| check_of(&c.kind)).collect(),
        })
    }

    fn columns(&self, table: &str) -> rusqlite::Result<Vec<SeenColumn>> {
        let sql = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo(?1)";
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_map([table], |row| {
            Ok(SeenColumn {
                name: row.get(0)?,
                declared_type: row.get(1)?,
                not_null: row.get(2)?,
                default: row.get(3)?,
                key_position: row.get(4)?,
            })
        })?;
        rows.collect()
    }

    /// A key that is not the rowid has an index, of a table `WITHOUT ROWID` too.
    fn key_collations(&self, table: &str) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT x.coll FROM pragma_index_list(?1) AS l, pragma_index_xinfo(l.name) AS x \
                   WHERE l.origin = 'pk' AND x.key ORDER BY x.seqno";
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement.query_map([table], |row| row.get(0))?;
        rows.collect()
    }
}

/// SQLite reads `DEFAULT ""` and its like as strings in schemas; the book's schemas rely on it.
pub(super) fn allow_double_quoted_strings(conn: &Connection) -> Result<(), ExecuteError> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)?;
    Ok(())
}

/// A column as SQLite reports it.
struct SeenColumn {
    name: String,
    declared_type: String,
    not_null: bool,
    default: Option<String>,
    key_position: i64,
}

fn check_of(kind: &TableConstraintKind) -> Option<String> {
    match kind {
        TableConstraintKind::Check(condition) => Some(condition.clone()),
        TableConstraintKind::PrimaryKey { .. } | TableConstraintKind::Unique | TableConstraintKind::ForeignKey => None,
    }
}

fn column_decl(
    statement: &Statement<'_>,
    table: &TableSyntax,
    seen: &SeenColumn,
    written: &ColumnSyntax,
) -> ColumnDecl {
    let strict = if table.strict { StrictMode::Checked } else { StrictMode::Plain };
    let mut column = ColumnDecl {
        name: written.name.clone(),
        at: statement.locate(written.span.start),
        declared_type: seen.declared_type.clone(),
        not_null: seen.not_null,
        default: seen.default.clone(),
        collation: None,
        generated: None,
        checks: Vec::new(),
        definition: file_column(statement.source(), written, strict),
    };
    for constraint in &written.constraints {
        match &constraint.kind {
            ColumnConstraintKind::Collate(name) => column.collation = Some(name.clone()),
            ColumnConstraintKind::Check(condition) => column.checks.push(condition.clone()),
            ColumnConstraintKind::Generated { expression, stored } => {
                column.generated = Some(GeneratedDecl { expression: expression.clone(), stored: *stored });
            }
            ColumnConstraintKind::PrimaryKey { .. }
            | ColumnConstraintKind::NotNull
            | ColumnConstraintKind::Null
            | ColumnConstraintKind::Unique
            | ColumnConstraintKind::Default
            | ColumnConstraintKind::References => {}
        }
    }
    column
}
