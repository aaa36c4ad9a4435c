//! The rules a schema file has to follow, each with its reason and its way out.
//!
//! Pure. The rules follow from replication: every node holds the same tables, columns arrive one by one, nodes may have
//! different versions of the schema for a while, and a merge must never fail on data.

use std::fmt;

use super::declared::{ColumnDecl, Location, TableDecl};
use super::syntax::{ColumnConstraintKind, TableConstraintKind, TableSyntax};

/// A rule of schema files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    Syntax,
    OnlyTablesAndIndexes,
    TemporaryTable,
    TableAsSelect,
    TextSize,
    ReservedName,
    DuplicateName,
    PrimaryKeyMissing,
    PrimaryKeyNullable,
    PrimaryKeyCollation,
    Autoincrement,
    Unique,
    ForeignKey,
    NotNullWithoutDefault,
    ConflictRollback,
    UniqueIndex,
    IndexWithoutTable,
    DropIndexWithoutIfExists,
    DropIndexConflict,
    ColumnRemoved,
    ColumnChanged,
    PrimaryKeyChanged,
    TableOptionsChanged,
    TableCheckChanged,
    ColumnNotAddable,
    DeclaredOverTheWire,
    TableNotAdoptable,
    NameTaken,
}

impl Rule {
    /// Why the rule exists and what to do instead.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Syntax => "write it as SQLite does, see https://www.sqlite.org/lang.html",
            Self::OnlyTablesAndIndexes => {
                "schema files hold CREATE TABLE, CREATE INDEX and DROP INDEX IF EXISTS; data is written through the database"
            }
            Self::TemporaryTable => "a temporary table would exist on one connection only; leave out TEMPORARY",
            Self::TableAsSelect => "declare the columns; rows are not part of a schema",
            Self::TextSize => "split it, or look for data in it",
            Self::ReservedName => {
                "names that begin with sqlite_, crsql_ or __corro, or contain __crsql_, belong to the database; choose another"
            }
            Self::DuplicateName => "declare each table and index once",
            Self::PrimaryKeyMissing => "rows are told apart across nodes by their primary key; declare one",
            Self::PrimaryKeyNullable => "rows with a NULL key could not be told apart across nodes; add NOT NULL",
            Self::PrimaryKeyCollation => {
                "keys are told apart byte by byte across nodes, so 'a' and 'A' are two rows; leave out the collation of the key"
            }
            Self::Autoincrement => {
                "two nodes would give out the same number; leave it out, or use a key that is unique everywhere such as a UUID"
            }
            Self::Unique => {
                "two nodes may insert the same value before they hear of each other; make it the primary key, or leave it out"
            }
            Self::ForeignKey => {
                "a row may arrive before the row it refers to; leave the reference out and check in the application"
            }
            Self::NotNullWithoutDefault => {
                "nodes with an older schema send rows without this column; add a DEFAULT or leave out NOT NULL"
            }
            Self::ConflictRollback => {
                "one client's mistake would undo what others write at the same moment; leave the clause out, the statement alone is undone then"
            }
            Self::UniqueIndex => "two nodes may insert the same value before they hear of each other; leave out UNIQUE",
            Self::IndexWithoutTable => "declare the table in the schema files too",
            Self::DropIndexWithoutIfExists => {
                "the files are read again at each start, when the index is gone already; write DROP INDEX IF EXISTS"
            }
            Self::DropIndexConflict => "it would be dropped and made at each start; keep one of the two statements",
            Self::ColumnRemoved => "other nodes may still write it; keep the column, or reseed the cluster",
            Self::ColumnChanged => {
                "values already replicated would be read differently on different nodes; add a new column instead"
            }
            Self::PrimaryKeyChanged => "the identity of every row would change; declare a new table instead",
            Self::TableOptionsChanged => {
                "the table would have to be rewritten; keep STRICT and WITHOUT ROWID as they were, or declare a new table"
            }
            Self::TableCheckChanged => "SQLite cannot change the constraints of a table; declare a new table instead",
            Self::ColumnNotAddable => "rows that exist cannot get a value; give it a constant DEFAULT",
            Self::DeclaredOverTheWire => {
                "a table is declared either in schema files or by a client; drop one of the two"
            }
            Self::TableNotAdoptable => {
                "a table that exists already is taken over when its definition is the same; change the file, or rename the table"
            }
            Self::NameTaken => "choose another name",
        }
    }
}

/// One rule broken at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub at: Location,
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.at, self.message, self.rule.advice())
    }
}

/// The broken rules of one table. `locate` turns an offset of its statement into a place.
pub(super) fn table_violations(
    syntax: &TableSyntax,
    table: &TableDecl,
    locate: impl Fn(usize) -> Location,
) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut report = |rule, at, message| broken.push(Violation { rule, at, message });
    let name = &table.name;
    if is_reserved(name) {
        report(Rule::ReservedName, table.at.clone(), format!("table name \"{name}\" is reserved"));
    }
    for constraint in &syntax.constraints {
        let at = locate(constraint.offset);
        match &constraint.kind {
            TableConstraintKind::Unique => {
                report(Rule::Unique, at, format!("UNIQUE constraints are not supported (table \"{name}\")"));
            }
            TableConstraintKind::ForeignKey => {
                report(Rule::ForeignKey, at, format!("foreign keys are not supported (table \"{name}\")"));
            }
            TableConstraintKind::PrimaryKey { autoincrement: true } => {
                report(Rule::Autoincrement, at, format!("AUTOINCREMENT is not supported (table \"{name}\")"));
            }
            TableConstraintKind::PrimaryKey { autoincrement: false } | TableConstraintKind::Check(_) => {}
        }
    }
    if table.primary_key.is_empty() {
        report(Rule::PrimaryKeyMissing, table.at.clone(), format!("table \"{name}\" has no primary key"));
    }
    for (position, (column, written)) in table.columns.iter().zip(&syntax.columns).enumerate() {
        for constraint in &written.constraints {
            let at = locate(constraint.offset);
            broken.extend(constraint_violation(&constraint.kind, at, name, &column.name));
        }
        broken.extend(column_violation(table, position, column));
    }
    broken
}

/// Names that belong to SQLite, to the CRDT engine or to our own catalog.
pub(crate) fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sqlite_")
        || name.starts_with("crsql_")
        || name.starts_with("__corro")
        || name.contains("__crsql_")
}

fn constraint_violation(kind: &ColumnConstraintKind, at: Location, table: &str, column: &str) -> Option<Violation> {
    let place = format!("(table \"{table}\", column \"{column}\")");
    let (rule, message) = match kind {
        ColumnConstraintKind::Unique => (Rule::Unique, format!("UNIQUE constraints are not supported {place}")),
        ColumnConstraintKind::References => (Rule::ForeignKey, format!("foreign keys are not supported {place}")),
        ColumnConstraintKind::PrimaryKey { autoincrement: true } => {
            (Rule::Autoincrement, format!("AUTOINCREMENT is not supported {place}"))
        }
        ColumnConstraintKind::PrimaryKey { autoincrement: false }
        | ColumnConstraintKind::Collate(_)
        | ColumnConstraintKind::NotNull
        | ColumnConstraintKind::Null
        | ColumnConstraintKind::Check(_)
        | ColumnConstraintKind::Default
        | ColumnConstraintKind::Generated { .. } => return None,
    };
    Some(Violation { rule, at, message })
}

fn column_violation(table: &TableDecl, position: usize, column: &ColumnDecl) -> Option<Violation> {
    let place = format!("column \"{}\" of table \"{}\"", column.name, table.name);
    let place_in_key = table.primary_key.iter().position(|&key| key == position);
    let collation = place_in_key.and_then(|at| table.key_collations.get(at)).map_or("BINARY", String::as_str);
    let is_key = place_in_key.is_some();
    let (rule, message) = if is_key && !column.not_null && !table.rowid_key {
        (Rule::PrimaryKeyNullable, format!("primary key {place} may be NULL"))
    } else if is_key && !collation.eq_ignore_ascii_case("binary") {
        (Rule::PrimaryKeyCollation, format!("primary key {place} has collation {collation}"))
    } else if !is_key && column.not_null && column.generated.is_none() && !has_default(column) {
        (Rule::NotNullWithoutDefault, format!("{place} is NOT NULL and has no default"))
    } else {
        return None;
    };
    Some(Violation { rule, at: column.at.clone(), message })
}

/// `DEFAULT NULL` is none for a column that refuses NULL.
fn has_default(column: &ColumnDecl) -> bool {
    column.default.as_ref().is_some_and(|text| !text.trim().eq_ignore_ascii_case("null"))
}

#[cfg(test)]
mod tests {
    use crate::error::SchemaError;
    use crate::schema::declared::SchemaFile;
    use crate::schema::parse::parse_files;

    /// The broken rules of one file `f.sql`, without their advice.
    fn broken(text: &str) -> Vec<String> {
        let file = SchemaFile { path: "f.sql".to_owned(), text: text.to_owned() };
        match parse_files(&[file]) {
            Ok(_) => Vec::new(),
            Err(SchemaError::Invalid { violations }) => {
                violations.iter().map(|v| format!("{}: {}", v.at, v.message)).collect()
            }
            Err(other) => vec![other.to_string()],
        }
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(broken(text), expected, "{text}");
    }

    #[test]
    fn the_books_schemas_load() {
        check("", &[]);
        check("-- nothing but a comment", &[]);
        check(
            "CREATE TABLE todos (\n id BLOB NOT NULL PRIMARY KEY,\n title TEXT NOT NULL DEFAULT '',\n completed_at INTEGER\n);",
            &[],
        );
        check(
            "CREATE TABLE apps (id INT NOT NULL PRIMARY KEY, name TEXT NOT NULL DEFAULT \"\", user_id INT NOT NULL DEFAULT 0);
             CREATE INDEX apps_user_id ON apps (user_id);",
            &[],
        );
        check(
            "create table my_machines (id primary key not null, name text not null default '', status text not null default 'broken')",
            &[],
        );
        check(
            "CREATE TABLE consul_services (node TEXT NOT NULL, id TEXT NOT NULL, meta TEXT NOT NULL DEFAULT '{}',
               source TEXT, -- consul ignores any row with non-NULL source
               app_id INTEGER AS (CAST(JSON_EXTRACT(meta, '$.app_id') AS INTEGER)),
               app_name TEXT GENERATED ALWAYS AS (JSON_EXTRACT(meta, '$.app_name')) STORED,
               PRIMARY KEY (node, id)) WITHOUT ROWID;
             CREATE INDEX by_app ON consul_services (app_id, lower(app_name) DESC) WHERE source IS NULL;
             DROP INDEX IF EXISTS old_index;",
            &[],
        );
        check(
            "CREATE TABLE IF NOT EXISTS main.[a b] (`k` INTEGER PRIMARY KEY, \"v\" DOUBLE PRECISION DEFAULT -1.5e3, w DEFAULT (1 + 1), x DEFAULT CURRENT_TIMESTAMP)",
            &[],
        );
        check(
            "CREATE TABLE t (k INT NOT NULL, v ANY, PRIMARY KEY (k)) STRICT, WITHOUT ROWID; CREATE TABLE u (k TEXT PRIMARY KEY NOT NULL CHECK (k <> ''), v INT, CONSTRAINT c CHECK (v > 0) CHECK (v < 9))",
            &[],
        );
    }

    #[test]
    fn only_tables_and_indexes_are_declared() {
        for statement in [
            "INSERT INTO t VALUES (1)",
            "CREATE VIEW v AS SELECT 1",
            "PRAGMA x",
            "ALTER TABLE t ADD c",
            "DROP TABLE t",
            "EXPLAIN CREATE TABLE t (a)",
            "CREATE VIRTUAL TABLE t USING fts5(a)",
            "ATTACH 'x' AS y",
        ] {
            let first = statement.split(' ').next().unwrap_or_default();
            check(&format!("\n\n{statement};"), &[&format!("f.sql:3: unsupported statement \"{first} ..\"")]);
        }
        check("CREATE TEMP TABLE t (k INTEGER PRIMARY KEY)", &["f.sql:1: temporary tables are not supported"]);
        check(
            "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
            &["f.sql:1: CREATE TABLE AS SELECT is not supported"],
        );
    }

    #[test]
    fn syntax_errors_name_their_line() {
        check(
            "CREATE TABLE t (\n  k INTEGER PRIMARY KEY,\n  v TEXT DEFAULT DEFAULT\n)",
            &["f.sql:3: near \"DEFAULT\": syntax error"],
        );
        check(
            "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT 'open\n)",
            &["f.sql:1: a quote is opened and never closed"],
        );
        check("CREATE TABLE other.t (k INTEGER PRIMARY KEY)", &["f.sql:1: unknown database other"]);
        check("CREATE TABLE t (k INTEGER PRIMARY KEY);\nCREATE INDEX i ON t (x)", &["f.sql:2: no such column: x"]);
        check(
            "CREATE TABLE t (k INTEGER PRIMARY KEY);\nCREATE INDEX i ON t (nope(k))",
            &["f.sql:2: no such function: nope"],
        );
        check("CREATE INDEX i", &["f.sql:1: incomplete input"]);
        check("CREATE TABLE", &["f.sql:1: incomplete input"]);
        check("DROP INDEX IF EXISTS", &["f.sql:1: DROP INDEX needs a name"]);
    }

    #[test]
    fn keys_identify_rows_on_every_node() {
        check("CREATE TABLE t (a INT)", &["f.sql:1: table \"t\" has no primary key"]);
        check(
            "CREATE TABLE t (\na TEXT PRIMARY KEY)",
            &["f.sql:2: primary key column \"a\" of table \"t\" may be NULL"],
        );
        check(
            "CREATE TABLE t (a TEXT NOT NULL,\nb INT, PRIMARY KEY (a, b))",
            &["f.sql:2: primary key column \"b\" of table \"t\" may be NULL"],
        );
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY\n AUTOINCREMENT)",
            &["f.sql:1: AUTOINCREMENT is not supported (table \"t\", column \"a\")"],
        );
        check(
            "CREATE TABLE t (a TEXT NOT NULL COLLATE NOCASE PRIMARY KEY)",
            &["f.sql:1: primary key column \"a\" of table \"t\" has collation NOCASE"],
        );
        check(
            "CREATE TABLE t (a TEXT NOT NULL,\nPRIMARY KEY (a COLLATE NOCASE))",
            &["f.sql:1: primary key column \"a\" of table \"t\" has collation NOCASE"],
        );
        check("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT COLLATE NOCASE)", &[]);
    }

    #[test]
    fn what_a_merge_could_violate_is_refused() {
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY,\nb INT\nUNIQUE)",
            &["f.sql:3: UNIQUE constraints are not supported (table \"t\", column \"b\")"],
        );
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b INT,\nUNIQUE (b))",
            &["f.sql:2: UNIQUE constraints are not supported (table \"t\")"],
        );
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b INT\nREFERENCES u(a) ON DELETE SET NULL)",
            &["f.sql:2: foreign keys are not supported (table \"t\", column \"b\")"],
        );
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b INT,\nFOREIGN KEY (b) REFERENCES u)",
            &["f.sql:2: foreign keys are not supported (table \"t\")"],
        );
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY);\nCREATE UNIQUE INDEX i ON t (a)",
            &["f.sql:2: unique indexes are not supported"],
        );
    }

    #[test]
    fn not_null_needs_a_default() {
        let message = "f.sql:2: column \"b\" of table \"t\" is NOT NULL and has no default";
        check("CREATE TABLE t (a INTEGER PRIMARY KEY,\nb INT NOT NULL)", &[message]);
        check("CREATE TABLE t (a INTEGER PRIMARY KEY,\nb INT NOT NULL DEFAULT NULL)", &[message]);
        check("CREATE TABLE t (a INTEGER PRIMARY KEY,\nb INT NOT NULL AS (a + 1))", &[]);
    }

    #[test]
    fn one_clients_mistake_does_not_undo_its_neighbours() {
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY,\nb TEXT NOT NULL ON CONFLICT ROLLBACK DEFAULT '')",
            &["f.sql:2: ON CONFLICT ROLLBACK is not supported (table \"t\")"],
        );
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY ON CONFLICT REPLACE, b TEXT NOT NULL ON CONFLICT ABORT DEFAULT '')",
            &[],
        );
    }

    #[test]
    fn names_are_declared_once_and_not_the_databases() {
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY);\nCREATE TABLE T (a INTEGER PRIMARY KEY)",
            &["f.sql:2: table \"T\" is declared already, at f.sql:1"],
        );
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY);\nCREATE INDEX i ON t (a);\nCREATE INDEX I ON t (a)",
            &["f.sql:3: index \"I\" is declared already, at f.sql:2"],
        );
        check(
            "CREATE TABLE t__crsql_clock (a INTEGER PRIMARY KEY)",
            &["f.sql:1: table name \"t__crsql_clock\" is reserved"],
        );
        check("CREATE TABLE __corro_x (a INTEGER PRIMARY KEY)", &["f.sql:1: table name \"__corro_x\" is reserved"]);
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT COLLATE de)",
            &["f.sql:1: no such collation sequence: de"],
        );
    }

    #[test]
    fn dropping_an_index_survives_a_restart() {
        check("DROP INDEX i", &["f.sql:1: DROP INDEX \"i\" without IF EXISTS"]);
        check(
            "CREATE TABLE t (a INTEGER PRIMARY KEY);\nCREATE INDEX i ON t (a);\nDROP INDEX IF EXISTS i",
            &["f.sql:3: index \"i\" is dropped here and created at f.sql:2"],
        );
    }

    #[test]
    fn every_violation_is_reported_with_its_advice() {
        let file = |path: &str, text: &str| SchemaFile { path: path.to_owned(), text: text.to_owned() };
        let files = [file("b.sql", "DROP INDEX i"), file("a.sql", "CREATE TABLE t (a INT);\nPRAGMA x")];
        let error = parse_files(&files).expect_err("broken rules");
        assert_eq!(
            error.to_string(),
            "a.sql:1: table \"t\" has no primary key (rows are told apart across nodes by their primary key; declare one)\n\
             a.sql:2: unsupported statement \"PRAGMA ..\" (schema files hold CREATE TABLE, CREATE INDEX and DROP INDEX IF EXISTS; data is written through the database)\n\
             b.sql:1: DROP INDEX \"i\" without IF EXISTS (the files are read again at each start, when the index is gone already; write DROP INDEX IF EXISTS)"
        );
    }

    #[test]
    fn a_file_of_data_is_refused_by_its_size() {
        let text = "-".repeat(crate::schema::SCHEMA_TEXT_BYTES_MAX + 1);
        check(&text, &["f.sql:1: the file is longer than 8388608 bytes"]);
    }

    mod random {
        use proptest::prelude::*;

        use super::broken;

        proptest! {
            #[test]
            fn any_text_loads_or_is_refused(text in "\\PC{0,80}") {
                broken(&text);
            }

            #[test]
            fn any_mix_of_schema_words_loads_or_is_refused(words in prop::collection::vec(prop::sample::select(vec![
                "CREATE", "TABLE", "INDEX", "DROP", "IF", "NOT", "EXISTS", "UNIQUE", "t", "u", "(", ")", ",", ";", "a", "INT",
                "PRIMARY", "KEY", "NULL", "DEFAULT", "-1", "'x'", "\"", "CHECK", "REFERENCES", "AS", "STRICT", "WITHOUT", "ROWID",
                "ON", "WHERE", "COLLATE", "NOCASE", "CONSTRAINT", "FOREIGN", ".", "main", "GENERATED", "ALWAYS", "--", "/*", "\n",
            ]), 0..30)) {
                broken(&words.join(" "));
                broken(&format!("CREATE TABLE t (a INTEGER PRIMARY KEY, {}", words.join(" ")));
            }
        }
    }
}
