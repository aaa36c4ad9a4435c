//! Schema changes: names and types resolved, defaults checked and evaluated where they are constant.

use storage::Ddl;
use storage::Value;
use storage::schema::ddl::{ColumnSpec, DefaultSpec, IndexKeySpec, StorageType, TableSpec};
use storage::schema::model::PgType;

use super::assign::freeze;
use super::{Binder, resolve_type};
use crate::error::SqlError;
use crate::ir::Node;
use crate::planner::Env;
use crate::sql::ast::{AlterAction, ColumnDefinition, DefaultClause, KeyConstraint, Name, ObjectName, Statement};
use crate::sql::lexer::Token;
use crate::types::oid;

/// The text of a schema statement, for defaults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DdlText<'a> {
    pub(crate) source: &'a str,
    pub(crate) literals: &'a [Token],
}

/// Binds a schema statement; `None` for other statements. The text is the command tag.
pub(crate) fn bind_ddl(
    env: &Env<'_>,
    text: DdlText<'_>,
    statement: &Statement,
) -> Result<Option<(Ddl, &'static str)>, SqlError> {
    Ok(Some(match statement {
        Statement::CreateTable(create) => {
            let mut columns = Vec::with_capacity(create.columns.len());
            for column in &create.columns {
                if columns.iter().any(|other: &ColumnSpec| other.name == column.name.text) {
                    let message = format!("column \"{}\" specified more than once", column.name.text);
                    return Err(SqlError::new("42701", message));
                }
                columns.push(column_spec(env, text, create.name.last(), column)?);
            }
            let name = own_name(&create.name)?;
            let (primary_key, primary_key_name) = table_key(&name, create)?;
            let table = TableSpec { name, columns, primary_key, primary_key_name };
            (Ddl::CreateTable { table, if_not_exists: create.if_not_exists }, "CREATE TABLE")
        }
        Statement::CreateIndex(create) => {
            let table = existing(env, &create.table)?;
            let columns = create
                .columns
                .iter()
                .map(|(name, descending)| IndexKeySpec { column: name.text.clone(), descending: *descending });
            let ddl = Ddl::CreateIndex {
                name: create.name.as_ref().map(|name| name.text.clone()),
                table,
                columns: columns.collect(),
                if_not_exists: create.if_not_exists,
            };
            (ddl, "CREATE INDEX")
        }
        Statement::AlterTable { table, if_exists, actions } => {
            let name = match existing(env, table) {
                Ok(name) => name,
                Err(_) if *if_exists => {
                    let what = format!("relation \"{}\" does not exist, skipping", table.last());
                    return Ok(Some((Ddl::Skipped(what), "ALTER TABLE")));
                }
                Err(error) => return Err(error),
            };
            let mut changes = Vec::with_capacity(actions.len());
            for action in actions {
                changes.push(alter(env, text, name.clone(), action)?);
            }
            (Ddl::Several(changes), "ALTER TABLE")
        }
        Statement::DropTable { names, if_exists } => {
            (Ddl::DropTable { names: own_names(names)?, if_exists: *if_exists }, "DROP TABLE")
        }
        Statement::DropIndex { names, if_exists } => {
            (Ddl::DropIndex { names: own_names(names)?, if_exists: *if_exists }, "DROP INDEX")
        }
        Statement::Truncate { names } => {
            let mut tables = Vec::with_capacity(names.len());
            for name in names {
                tables.push(existing(env, name)?);
            }
            (Ddl::Truncate { names: tables }, "TRUNCATE TABLE")
        }
        Statement::Vacuum { tables, .. } => {
            for table in tables {
                existing(env, table)?;
            }
            (Ddl::Vacuum, "VACUUM")
        }
        Statement::Analyze { tables } => {
            let mut names = Vec::with_capacity(tables.len());
            for table in tables {
                names.push(existing(env, table)?);
            }
            (Ddl::Analyze { tables: names }, "ANALYZE")
        }
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Prepare { .. }
        | Statement::Utility(..) => return Ok(None),
    }))
}

fn alter(env: &Env<'_>, text: DdlText<'_>, table: String, action: &AlterAction) -> Result<Ddl, SqlError> {
    match action {
        AlterAction::AddColumn { column, if_not_exists } => {
            if let Some((at, _)) = &column.primary_key {
                return Err(SqlError::unsupported("ADD COLUMN with PRIMARY KEY is not supported").at(*at));
            }
            let mut spec = column_spec(env, text, &table, &ColumnDefinition { default: None, ..(**column).clone() })?;
            if let Some(clause) = &column.default {
                let bound = default_spec(env, text, clause, spec.pg_type, &column.name.text);
                spec.default = bound.map_err(without_position)?;
            }
            Ok(Ddl::AddColumn { table, column: spec, if_not_exists: *if_not_exists })
        }
        AlterAction::SetDefault { column, default } => {
            let default = match default {
                None => None,
                Some(clause) => new_default(env, text, &table, column, clause)?,
            };
            Ok(Ddl::SetDefault { table, column: column.text.clone(), default })
        }
        AlterAction::SetNotNull(column) => Ok(Ddl::SetNotNull { table, column: column.text.clone() }),
        AlterAction::DropNotNull(column) => Ok(Ddl::DropNotNull { table, column: column.text.clone() }),
        AlterAction::AddPrimaryKey(KeyConstraint { name, columns }) => {
            let declared = env.schema.table(&table);
            for column in columns {
                if declared
                    .is_some_and(|table| !table.columns.iter().any(|known| !known.hidden && known.name == column.text))
                {
                    return Err(missing_key_column(column));
                }
            }
            let columns = columns.iter().map(|column| column.text.clone()).collect();
            Ok(Ddl::AddPrimaryKey { table, name: name.as_ref().map(|name| name.text.clone()), columns })
        }
    }
}

/// The new default of a column; the table is known, the column may not be.
fn new_default(
    env: &Env<'_>,
    text: DdlText<'_>,
    table: &str,
    column: &Name,
    clause: &DefaultClause,
) -> Result<Option<DefaultSpec>, SqlError> {
    let declared = env.schema.table(table);
    let known =
        declared.and_then(|table| table.columns.iter().find(|known| !known.hidden && known.name == column.text));
    let Some(pg_type) = known.and_then(|column| column.pg_type) else {
        let message = format!("column \"{}\" of relation \"{table}\" does not exist", column.text);
        return Err(SqlError::new("42703", message));
    };
    default_spec(env, text, clause, pg_type, &column.text).map_err(without_position)
}

/// In ALTER TABLE PostgreSQL does not say where a default is wrong.
fn without_position(error: SqlError) -> SqlError {
    SqlError { position: None, ..error }
}

fn missing_key_column(column: &Name) -> SqlError {
    SqlError::new("42703", format!("column \"{}\" named in key does not exist", column.text))
}

/// A name to create in `public`.
fn own_name(name: &ObjectName) -> Result<String, SqlError> {
    match name.schema() {
        None | Some("public") => Ok(name.last().to_owned()),
        Some("pg_catalog" | "information_schema") => {
            let message = format!("permission denied to create \"{}\"", name.display());
            Err(SqlError::new("42501", message).detail("System catalog modifications are currently disallowed."))
        }
        Some(schema) => Err(SqlError::new("3F000", format!("schema \"{schema}\" does not exist")).at(name.at())),
    }
}

fn own_names(names: &[ObjectName]) -> Result<Vec<String>, SqlError> {
    names.iter().map(own_name).collect()
}

/// The name of a table that must exist.
fn existing(env: &Env<'_>, name: &ObjectName) -> Result<String, SqlError> {
    // Without a position, as PostgreSQL, which looks when the statement runs.
    let missing = || SqlError::new("42P01", format!("relation \"{}\" does not exist", name.display()));
    if name.schema().is_some_and(|schema| schema != "public") {
        return Err(missing());
    }
    env.schema.table(name.last()).map(|table| table.name.clone()).ok_or_else(missing)
}

fn table_key(table: &str, create: &crate::sql::ast::CreateTable) -> Result<(Vec<String>, Option<String>), SqlError> {
    let mut keys: Vec<(u32, Option<String>, Vec<Name>)> = Vec::new();
    for column in &create.columns {
        if let Some((at, constraint)) = &column.primary_key {
            keys.push((*at, constraint.as_ref().map(|name| name.text.clone()), vec![column.name.clone()]));
        }
    }
    for (at, key) in &create.keys {
        keys.push((*at, key.name.as_ref().map(|name| name.text.clone()), key.columns.clone()));
    }
    if let Some((at, ..)) = keys.get(1) {
        return Err(
            SqlError::new("42P16", format!("multiple primary keys for table \"{table}\" are not allowed")).at(*at)
        );
    }
    let Some((at, name, columns)) = keys.pop() else { return Ok((Vec::new(), None)) };
    for (index, column) in columns.iter().enumerate() {
        if !create.columns.iter().any(|known| known.name.text == column.text) {
            return Err(missing_key_column(column).at(at));
        }
        if columns[..index].iter().any(|other| other.text == column.text) {
            let message = format!("column \"{}\" appears twice in primary key constraint", column.text);
            return Err(SqlError::new("42701", message).at(at));
        }
    }
    Ok((columns.into_iter().map(|column| column.text).collect(), name))
}

fn column_spec(
    env: &Env<'_>,
    text: DdlText<'_>,
    table: &str,
    column: &ColumnDefinition,
) -> Result<ColumnSpec, SqlError> {
    if let Some(at) = column.conflicting_null {
        let message =
            format!("conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{table}\"", column.name.text);
        return Err(SqlError::new("42601", message).at(at));
    }
    let pg_type = resolve_type(&column.type_name)?;
    if super::cast::category(pg_type.oid) == 'P' {
        let message = format!("column \"{}\" has pseudo-type {}", column.name.text, column.type_name.name);
        return Err(SqlError::new("42P16", message).at(column.name.at));
    }
    let default = match &column.default {
        None => None,
        Some(clause) => default_spec(env, text, clause, pg_type, &column.name.text)?,
    };
    let not_null = column.not_null || column.primary_key.is_some();
    Ok(ColumnSpec { name: column.name.text.clone(), pg_type, storage: storage_type(pg_type.oid), not_null, default })
}

fn default_spec(
    env: &Env<'_>,
    text: DdlText<'_>,
    clause: &crate::sql::ast::DefaultClause,
    target: PgType,
    column: &str,
) -> Result<Option<DefaultSpec>, SqlError> {
    let mut binder = Binder::new(env, text.source, text.literals, &[]);
    let bound = binder.bind_default(&clause.expr, target, column)?;
    let volatile = binder.facts.volatile;
    let bound = freeze(bound, env, text.source, text.literals)?;
    if bound.node == Node::Null {
        return Ok(None);
    }
    let constant = if let Node::Constant(value) = &bound.node {
        Some(value.clone())
    } else if volatile {
        None
    } else {
        crate::emit::constant(&bound)?
    };
    let written = text.source.get(clause.start as usize..clause.end as usize).unwrap_or_default();
    Ok(Some(DefaultSpec { pg_text: written.to_owned(), constant: constant.filter(|value| *value != Value::Null) }))
}

/// Which storage classes keep a type's values unharmed.
fn storage_type(type_oid: u32) -> StorageType {
    match type_oid {
        oid::BOOL
        | oid::INT2
        | oid::INT4
        | oid::INT8
        | oid::OID
        | oid::XID
        | oid::REGCLASS
        | oid::REGTYPE
        | oid::REGPROC
        | oid::REGNAMESPACE
        | oid::REGROLE => StorageType::Integer,
        oid::FLOAT4 | oid::FLOAT8 => StorageType::Real,
        oid::BYTEA => StorageType::Blob,
        _ => StorageType::Text,
    }
}
