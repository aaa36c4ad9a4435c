//! CREATE TABLE, CREATE INDEX, ALTER TABLE, DROP, TRUNCATE, VACUUM, ANALYZE.

use super::Parser;
use crate::error::SqlError;
use crate::sql::ast::{
    AlterAction, ColumnDefinition, CreateIndex, CreateTable, DefaultClause, KeyConstraint, Name, ObjectName, Statement,
};
use crate::sql::lexer::Kind;

const REPLICATION_HINT: &str =
    "Concurrent writers on different nodes could both satisfy it and conflict after merging.";

/// Words that begin an action of ALTER TABLE.
const ALTER_ACTIONS: [&str; 17] = [
    "alter", "drop", "rename", "owner", "set", "reset", "enable", "disable", "inherit", "no", "of", "not", "cluster",
    "validate", "attach", "detach", "replica",
];

impl Parser<'_> {
    /// A schema statement, or `None` if none begins here.
    pub(super) fn ddl(&mut self) -> Result<Option<Statement>, SqlError> {
        let second = self.word_at(1);
        let statement = match (self.word_at(0).as_deref(), second.as_deref()) {
            (Some("create"), Some("table")) => self.create_table()?,
            (Some("create"), Some("index")) => self.create_index()?,
            (Some("create"), Some("unique")) if self.is_word_at(2, "index") => {
                return Err(SqlError::unsupported("unique indexes are not supported")
                    .hint(REPLICATION_HINT)
                    .at(self.ahead(1).start));
            }
            (Some("alter"), Some("table")) => self.alter_table()?,
            (Some("drop"), Some("table")) => {
                let (names, if_exists) = self.drop_names()?;
                Statement::DropTable { names, if_exists }
            }
            (Some("drop"), Some("index")) => {
                let (names, if_exists) = self.drop_names()?;
                Statement::DropIndex { names, if_exists }
            }
            (Some("truncate"), _) => self.truncate()?,
            (Some("vacuum"), _) => self.vacuum()?,
            (Some("analyze" | "analyse"), _) => self.analyze()?,
            _ => return Ok(None),
        };
        Ok(Some(statement))
    }

    fn if_not_exists(&mut self) -> bool {
        self.eat_words(&["if", "not", "exists"])
    }

    fn create_table(&mut self) -> Result<Statement, SqlError> {
        self.advance();
        self.advance();
        let if_not_exists = self.if_not_exists();
        let name = self.object_name()?;
        if self.is_word("as") {
            return Err(SqlError::unsupported("CREATE TABLE AS is not supported").at(self.at()));
        }
        if self.is_word("partition") || self.is_word("of") {
            return Err(SqlError::unsupported("partitions and typed tables are not supported").at(self.at()));
        }
        self.expect_punct(b'(')?;
        let mut table = CreateTable { name, if_not_exists, columns: Vec::new(), keys: Vec::new() };
        if !self.eat_punct(b')') {
            loop {
                self.table_element(&mut table)?;
                if !self.eat_punct(b',') {
                    break;
                }
            }
            self.expect_punct(b')')?;
        }
        self.table_options()?;
        Ok(Statement::CreateTable(table))
    }

    fn table_element(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        let at = self.at();
        let constraint = ["constraint", "primary", "unique", "check", "foreign", "exclude", "like"];
        let follows = self.word_at(0).filter(|word| constraint.contains(&word.as_str()));
        match follows.as_deref() {
            Some("like") => Err(SqlError::unsupported("LIKE in CREATE TABLE is not supported").at(at)),
            Some("exclude") if self.ahead(1).kind != Kind::Punct(b'(') && !self.is_word_at(1, "using") => {
                self.column_element(table)
            }
            Some(_) => {
                let key = self.table_constraint()?;
                table.keys.push((at, key));
                Ok(())
            }
            None => self.column_element(table),
        }
    }

    fn column_element(&mut self, table: &mut CreateTable) -> Result<(), SqlError> {
        let column = self.column_definition()?;
        table.columns.push(column);
        Ok(())
    }

    /// `[CONSTRAINT name] PRIMARY KEY (..)`; the others are refused.
    fn table_constraint(&mut self) -> Result<KeyConstraint, SqlError> {
        let name = if self.eat_word("constraint") { Some(self.column_name()?) } else { None };
        self.refuse_constraint()?;
        self.expect_word("primary")?;
        self.expect_word("key")?;
        if self.is_word("using") {
            return Err(SqlError::unsupported("ADD PRIMARY KEY USING INDEX is not supported").at(self.at()));
        }
        self.expect_punct(b'(')?;
        let columns = self.names()?;
        self.expect_punct(b')')?;
        self.index_parameters()?;
        Ok(KeyConstraint { name, columns })
    }

    fn refuse_constraint(&self) -> Result<(), SqlError> {
        let what = match self.word_at(0).as_deref() {
            Some("unique") => "UNIQUE constraints",
            Some("check") => "CHECK constraints",
            Some("references" | "foreign") => "FOREIGN KEY constraints",
            Some("exclude") => "EXCLUDE constraints",
            _ => return Ok(()),
        };
        Err(SqlError::unsupported(format!("{what} are not supported")).hint(REPLICATION_HINT).at(self.at()))
    }

    /// `INCLUDE`, `WITH (..)`, `USING INDEX TABLESPACE`, deferrability of a key.
    fn index_parameters(&mut self) -> Result<(), SqlError> {
        if self.is_word("include") {
            return Err(SqlError::unsupported("INCLUDE is not supported").at(self.at()));
        }
        if self.eat_word("with") {
            self.storage_parameters()?;
        }
        if self.eat_words(&["using", "index", "tablespace"]) {
            self.column_name()?;
        }
        if self.eat_words(&["not", "deferrable"]) || self.eat_words(&["initially", "immediate"]) {
            return Ok(());
        }
        if self.is_word("deferrable") || self.is_word("initially") {
            return Err(SqlError::unsupported("deferrable constraints are not supported").at(self.at()));
        }
        Ok(())
    }

    /// `(name [= value], ..)`: accepted, without effect here.
    fn storage_parameters(&mut self) -> Result<(), SqlError> {
        self.expect_punct(b'(')?;
        loop {
            self.label()?;
            while self.eat_punct(b'.') {
                self.label()?;
            }
            if self.eat_operator("=") {
                let _ = self.eat_operator("-");
                if matches!(self.token().kind, Kind::Operator | Kind::Punct(_) | Kind::End) {
                    return Err(self.unexpected());
                }
                self.advance();
            }
            if !self.eat_punct(b',') {
                break;
            }
        }
        self.expect_punct(b')')
    }

    fn table_options(&mut self) -> Result<(), SqlError> {
        loop {
            let at = self.at();
            if self.eat_word("with") {
                self.storage_parameters()?;
            } else if self.eat_word("without") {
                // The only kind of table there is.
                self.expect_word("oids")?;
            } else if self.eat_word("tablespace") || self.eat_word("using") {
                self.column_name()?;
            } else if self.is_word("inherits") || self.is_word("partition") {
                return Err(SqlError::unsupported("inheritance and partitions are not supported").at(at));
            } else {
                return Ok(());
            }
        }
    }

    fn column_definition(&mut self) -> Result<ColumnDefinition, SqlError> {
        let name = self.column_name()?;
        let type_name = self.type_name()?;
        let mut column = ColumnDefinition {
            name,
            type_name,
            not_null: false,
            default: None,
            primary_key: None,
            conflicting_null: None,
        };
        let mut null_at = None;
        loop {
            let at = self.at();
            let constraint = if self.eat_word("constraint") { Some(self.column_name()?) } else { None };
            self.refuse_constraint()?;
            if self.eat_words(&["not", "null"]) {
                column.not_null = true;
            } else if self.eat_word("null") {
                null_at = Some(at);
            } else if self.eat_word("default") {
                if column.default.is_some() {
                    let message = format!("multiple default values specified for column \"{}\"", column.name.text);
                    return Err(SqlError::new("42601", message).at(at));
                }
                column.default = Some(self.default_clause()?);
            } else if self.eat_words(&["primary", "key"]) {
                self.index_parameters()?;
                column.primary_key = Some((at, constraint));
            } else if self.is_word("generated") {
                return Err(SqlError::unsupported("GENERATED columns are not supported").at(at));
            } else if self.is_word("collate") {
                return Err(SqlError::unsupported("COLLATE on a column is not supported").at(at));
            } else if self.is_word("storage") || self.is_word("compression") {
                return Err(SqlError::unsupported("STORAGE and COMPRESSION of a column are not supported").at(at));
            } else if constraint.is_some() {
                return Err(self.unexpected());
            } else {
                break;
            }
        }
        column.conflicting_null = null_at.filter(|_| column.not_null);
        Ok(column)
    }

    /// A default is a `b_expr`: without AND, OR, NOT and IN at the top, so that NOT NULL may follow.
    fn default_clause(&mut self) -> Result<DefaultClause, SqlError> {
        let start = self.at();
        let expr = self.nested(|parser| parser.expr_above(super::expr::RANGE_POWER))?;
        Ok(DefaultClause { expr, start, end: self.end_of_last() })
    }

    fn create_index(&mut self) -> Result<Statement, SqlError> {
        self.advance();
        self.advance();
        self.eat_word("concurrently");
        let if_not_exists = self.if_not_exists();
        let name = if self.is_word("on") { None } else { Some(self.column_name()?) };
        if if_not_exists && name.is_none() {
            return Err(self.unexpected());
        }
        self.expect_word("on")?;
        self.eat_word("only");
        let table = self.object_name()?;
        if self.eat_word("using") {
            let at = self.at();
            let method = self.column_name()?;
            if method.text != "btree" {
                return Err(
                    SqlError::unsupported(format!("index access method \"{}\" is not supported", method.text)).at(at)
                );
            }
        }
        self.expect_punct(b'(')?;
        let mut columns = Vec::new();
        loop {
            columns.push(self.index_column()?);
            if !self.eat_punct(b',') {
                break;
            }
        }
        self.expect_punct(b')')?;
        self.index_parameters()?;
        if self.eat_word("tablespace") {
            self.column_name()?;
        }
        if self.is_word("where") {
            return Err(SqlError::unsupported("partial indexes are not supported").at(self.at()));
        }
        Ok(Statement::CreateIndex(CreateIndex { name, if_not_exists, table, columns }))
    }

    fn index_column(&mut self) -> Result<(Name, bool), SqlError> {
        let at = self.at();
        if self.is_punct(b'(') || self.ahead(1).kind == Kind::Punct(b'(') {
            return Err(SqlError::unsupported("indexes on expressions are not supported").at(at));
        }
        let name = self.column_name()?;
        if self.is_word("collate") {
            return Err(SqlError::unsupported("COLLATE in an index is not supported").at(self.at()));
        }
        // An operator class: text and varchar compare by bytes here, which is what the pattern classes ask for.
        if self.word_at(0).is_some_and(|word| word.ends_with("_ops")) {
            self.advance();
        }
        let descending = self.eat_word("desc");
        if !descending {
            self.eat_word("asc");
        }
        // Where NULLs stand in an index is no part of its meaning.
        let _ = self.eat_words(&["nulls", "first"]) || self.eat_words(&["nulls", "last"]);
        Ok((name, descending))
    }

    fn alter_table(&mut self) -> Result<Statement, SqlError> {
        self.advance();
        self.advance();
        let if_exists = self.eat_words(&["if", "exists"]);
        self.eat_word("only");
        let table = self.object_name()?;
        self.eat_operator("*");
        let mut actions = Vec::new();
        loop {
            let at = self.at();
            actions.push(self.alter_action(at)?);
            if !self.eat_punct(b',') {
                return Ok(Statement::AlterTable { table, if_exists, actions });
            }
        }
    }

    fn alter_action(&mut self, at: u32) -> Result<AlterAction, SqlError> {
        if self.eat_word("add") {
            let constraint = ["constraint", "primary", "unique", "check", "foreign", "exclude"];
            if self.word_at(0).is_some_and(|word| constraint.contains(&word.as_str())) {
                return self.table_constraint().map(AlterAction::AddPrimaryKey);
            }
            self.eat_word("column");
            let if_not_exists = self.if_not_exists();
            let column = Box::new(self.column_definition()?);
            return Ok(AlterAction::AddColumn { column, if_not_exists });
        }
        let words: Vec<String> = (0..2).map_while(|count| self.word_at(count)).collect();
        let known = words.first().is_some_and(|word| ALTER_ACTIONS.contains(&word.as_str()));
        if !known {
            return Err(self.unexpected());
        }
        let what = words.join(" ").to_ascii_uppercase();
        let unsupported = SqlError::unsupported(format!("ALTER TABLE .. {what} is not supported")).at(at);
        if !self.eat_word("alter") || self.is_word("constraint") {
            return Err(unsupported);
        }
        self.eat_word("column");
        let column = self.column_name()?;
        if self.eat_words(&["set", "default"]) {
            return Ok(AlterAction::SetDefault { column, default: Some(self.default_clause()?) });
        }
        if self.eat_words(&["drop", "default"]) {
            return Ok(AlterAction::SetDefault { column, default: None });
        }
        if self.eat_words(&["set", "not", "null"]) {
            return Ok(AlterAction::SetNotNull(column));
        }
        if self.eat_words(&["drop", "not", "null"]) {
            return Ok(AlterAction::DropNotNull(column));
        }
        let part = self.word_at(0).unwrap_or_default().to_ascii_uppercase();
        Err(SqlError::unsupported(format!("ALTER TABLE .. ALTER COLUMN .. {part} is not supported")).at(at))
    }

    fn drop_names(&mut self) -> Result<(Vec<ObjectName>, bool), SqlError> {
        self.advance();
        self.advance();
        self.eat_word("concurrently");
        let if_exists = self.eat_words(&["if", "exists"]);
        let names = self.object_names()?;
        // Nothing can depend on a table or index here, so both words mean the same.
        let _ = self.eat_word("cascade") || self.eat_word("restrict");
        Ok((names, if_exists))
    }

    fn truncate(&mut self) -> Result<Statement, SqlError> {
        self.advance();
        self.eat_word("table");
        let mut names = Vec::new();
        loop {
            self.eat_word("only");
            names.push(self.object_name()?);
            self.eat_operator("*");
            if !self.eat_punct(b',') {
                break;
            }
        }
        let _ = self.eat_words(&["restart", "identity"]) || self.eat_words(&["continue", "identity"]);
        let _ = self.eat_word("cascade") || self.eat_word("restrict");
        Ok(Statement::Truncate { names })
    }

    fn vacuum(&mut self) -> Result<Statement, SqlError> {
        self.advance();
        if self.eat_punct(b'(') {
            loop {
                self.label()?;
                if !self.is_punct(b',') && !self.is_punct(b')') {
                    self.advance();
                }
                if !self.eat_punct(b',') {
                    break;
                }
            }
            self.expect_punct(b')')?;
        } else {
            self.eat_word("full");
            self.eat_word("freeze");
            self.eat_word("verbose");
            let _ = self.eat_word("analyze") || self.eat_word("analyse");
        }
        Ok(Statement::Vacuum { tables: self.maintenance_tables()? })
    }

    fn analyze(&mut self) -> Result<Statement, SqlError> {
        self.advance();
        if self.eat_punct(b'(') {
            while !self.eat_punct(b')') {
                if self.token().kind == Kind::End {
                    return Err(self.unexpected());
                }
                self.advance();
            }
        } else {
            self.eat_word("verbose");
        }
        Ok(Statement::Analyze { tables: self.maintenance_tables()? })
    }

    /// `t (columns), ..` or nothing.
    fn maintenance_tables(&mut self) -> Result<Vec<ObjectName>, SqlError> {
        let mut tables = Vec::new();
        if self.at_end() {
            return Ok(tables);
        }
        loop {
            tables.push(self.object_name()?);
            self.parenthesised_names()?;
            if !self.eat_punct(b',') {
                return Ok(tables);
            }
        }
    }
}
