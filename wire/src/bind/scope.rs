//! Which relations and columns a name can mean at a place of the statement.

use storage::schema::model::PgType;

use super::Binder;
use super::misspelt::Nearest;
use crate::error::SqlError;
use crate::function::Form;
use crate::ir::{ColumnRef, Expr, Node};
use crate::sql::ast::Name;
use crate::types::oid;

/// One column that a relation offers.
#[derive(Debug, Clone)]
pub(super) struct ScopeColumn {
    pub(super) name: String,
    pub(super) expr: Expr,
    /// Not part of `*`: system columns and hidden keys.
    pub(super) hidden: bool,
}

/// One relation of FROM, or the merged columns of JOIN .. USING.
#[derive(Debug, Clone)]
pub(super) struct ScopeItem {
    /// What qualifies its columns; `None` for unnamed joins.
    pub(super) name: Option<String>,
    /// `public` or a catalog schema, for `schema.table.column`.
    pub(super) schema: Option<String>,
    pub(super) columns: Vec<ScopeColumn>,
    /// Whether unqualified names find its columns, and `*` lists them.
    pub(super) columns_visible: bool,
    /// Whether `name.column` finds them.
    pub(super) name_visible: bool,
    /// Stands on the left of a RIGHT or FULL join, whose right side must not refer to it.
    pub(super) barred: bool,
}

/// What is visible in one query.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) items: Vec<ScopeItem>,
    /// Numbers of the relations that belong to this query.
    pub(super) relations: Vec<u32>,
    /// Set while a clause is bound that must not hold aggregates: its name in the message.
    pub(super) no_aggregates: Option<&'static str>,
    pub(super) no_windows: Option<&'static str>,
    pub(super) has_aggregates: bool,
    pub(super) has_windows: bool,
    pub(super) has_grouping: bool,
    /// Set-returning calls of the select list, lifted into FROM, each with its depth: those in the arguments of others
    /// come before them.
    pub(super) lifted: Vec<(usize, crate::ir::Source)>,
    pub(super) may_lift: bool,
    /// The construct around the current expression in which a set-returning call is an error.
    pub(super) no_sets: Option<&'static str>,
    pub(super) windows: Vec<(Name, crate::sql::ast::Window)>,
}

impl ScopeItem {
    pub(super) fn new(name: Option<String>, columns: Vec<ScopeColumn>) -> Self {
        Self { name, schema: None, columns, columns_visible: true, name_visible: true, barred: false }
    }
}

fn barred(item: &ScopeItem, at: u32) -> SqlError {
    let name = item.name.as_deref().unwrap_or_default();
    SqlError::new("42P10", format!("invalid reference to FROM-clause entry for table \"{name}\""))
        .detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
        .at(at)
}

/// A row as the object that JSON functions show of it.
pub(super) fn json_row(cells: Vec<(String, Expr)>, at: u32) -> Expr {
    let mut args = Vec::with_capacity(cells.len() * 2);
    for (name, value) in cells {
        args.push(Expr::new(Node::Constant(storage::Value::Text(name)), oid::TEXT, at));
        args.push(value);
    }
    Expr::new(Node::Apply { form: Form::Pattern("pg_json_row({timezone}, {types}{, *})"), args }, oid::RECORD, at)
}

/// A reference to a column of relation `id`.
pub(super) fn column(id: u32, name: &str, ty: PgType) -> Expr {
    let reference = ColumnRef {
        relation: id,
        name: name.into(),
        table_oid: 0,
        attribute: 0,
        representation: crate::types::Representation::Typed,
    };
    Expr { node: Node::Column(reference), ty, at: 0 }
}

impl Binder<'_> {
    pub(super) fn scope(&mut self) -> &mut Scope {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// A number for a relation, which belongs to the innermost query.
    pub(super) fn new_relation(&mut self) -> u32 {
        self.next_relation += 1;
        let id = self.next_relation;
        self.scope().relations.push(id);
        id
    }

    /// Resolves `column`, `table.column` or `schema.table.column`.
    ///
    /// # Errors
    /// 42703, 42702, 42P01 in PostgreSQL's words.
    pub(super) fn resolve_column(&mut self, parts: &[Name], at: u32) -> Result<Expr, SqlError> {
        let found = match parts {
            [column] => self.unqualified(&column.text, at)?,
            [table, column] => self.qualified(None, &table.text, &column.text, at)?,
            [schema, table, column] => self.qualified(Some(&schema.text), &table.text, &column.text, at)?,
            _ => {
                let name = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".");
                return Err(
                    SqlError::new("42601", format!("improper qualified name (too many dotted names): {name}")).at(at)
                );
            }
        };
        Ok(Expr { at, ..found })
    }

    fn unqualified(&mut self, name: &str, at: u32) -> Result<Expr, SqlError> {
        for scope in self.scopes.iter().rev() {
            let mut found: Option<&Expr> = None;
            for item in scope.items.iter().filter(|item| item.columns_visible) {
                for column in item.columns.iter().filter(|column| column.name == name) {
                    if item.barred {
                        return Err(barred(item, at));
                    }
                    if found.is_some() {
                        return Err(SqlError::new("42702", format!("column reference \"{name}\" is ambiguous")).at(at));
                    }
                    found = Some(&column.expr);
                }
            }
            if let Some(expr) = found {
                return Ok(expr.clone());
            }
        }
        if let Some(row) = self.whole_row(name, at)? {
            return Ok(row);
        }
        let error = SqlError::new("42703", format!("column \"{name}\" does not exist")).at(at);
        Err(self.suggest(error, None, name))
    }

    /// A relation's name where a column is expected is its row: known to JSON functions only.
    fn whole_row(&mut self, name: &str, at: u32) -> Result<Option<Expr>, SqlError> {
        let items = || self.scopes.iter().rev().flat_map(|scope| &scope.items);
        let Some(item) = items().find(|item| item.name_visible && item.name.as_deref() == Some(name)) else {
            return Ok(None);
        };
        if !self.rows_as_json {
            return Err(SqlError::unsupported(format!("the row of \"{name}\" as a value is not supported")).at(at));
        }
        let columns = item.columns.iter().filter(|column| !column.hidden);
        let cells = columns.map(|column| (column.name.clone(), column.expr.clone())).collect();
        Ok(Some(json_row(cells, at)))
    }

    fn qualified(&mut self, schema: Option<&str>, table: &str, name: &str, at: u32) -> Result<Expr, SqlError> {
        for scope in self.scopes.iter().rev() {
            let fits = |item: &&ScopeItem| {
                item.name_visible
                    && item.name.as_deref() == Some(table)
                    && schema.is_none_or(|schema| item.schema.as_deref() == Some(schema))
            };
            let mut items = scope.items.iter().filter(fits);
            let Some(item) = items.next() else { continue };
            if items.next().is_some() {
                return Err(SqlError::new("42P09", format!("table reference \"{table}\" is ambiguous")).at(at));
            }
            if item.barred {
                return Err(barred(item, at));
            }
            let mut columns = item.columns.iter().filter(|column| column.name == name);
            return match (columns.next(), columns.next()) {
                (Some(column), None) => Ok(column.expr.clone()),
                (Some(_), Some(_)) => {
                    Err(SqlError::new("42702", format!("column reference \"{name}\" is ambiguous")).at(at))
                }
                (None, _) => {
                    let error = SqlError::new("42703", format!("column {table}.{name} does not exist")).at(at);
                    Err(self.suggest(error, Some(table), name))
                }
            };
        }
        Err(self.missing_table(table, at))
    }

    fn missing_table(&self, table: &str, at: u32) -> SqlError {
        let aliased = self.from_names.iter().find(|(real, alias)| real == table && alias != table);
        match aliased {
            Some((_, alias)) => {
                SqlError::new("42P01", format!("invalid reference to FROM-clause entry for table \"{table}\""))
                    .hint(format!("Perhaps you meant to reference the table alias \"{alias}\"."))
                    .at(at)
            }
            None if self.from_names.iter().any(|(_, alias)| alias == table) => SqlError::new(
                "42P01",
                format!("invalid reference to FROM-clause entry for table \"{table}\""),
            )
            .hint(format!(
                "There is an entry for table \"{table}\", but it cannot be referenced from this part of the query."
            ))
            .at(at),
            None => SqlError::new("42P01", format!("missing FROM-clause entry for table \"{table}\"")).at(at),
        }
    }

    /// Adds PostgreSQL's hint for a misspelt column.
    fn suggest(&self, error: SqlError, table: Option<&str>, name: &str) -> SqlError {
        let mut nearest = Nearest::new(table, name);
        let items = self.scopes.iter().rev().flat_map(|scope| &scope.items).filter(|item| item.name_visible);
        for item in items {
            let Some(table) = &item.name else { continue };
            for column in item.columns.iter().filter(|column| !column.hidden) {
                nearest.offer(table, &column.name);
            }
        }
        match nearest.hint() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// The columns that `*` or `table.*` lists.
    pub(super) fn star(&mut self, parts: &[Name], at: u32) -> Result<Vec<ScopeColumn>, SqlError> {
        let Some(scope) = self.scopes.last() else { return Ok(Vec::new()) };
        let visible = |column: &&ScopeColumn| !column.hidden;
        let Some(table) = parts.last() else {
            let columns: Vec<ScopeColumn> = scope
                .items
                .iter()
                .filter(|item| item.columns_visible)
                .flat_map(|item| &item.columns)
                .filter(visible)
                .cloned()
                .collect();
            if scope.items.is_empty() {
                return Err(SqlError::new("42601", "SELECT * with no tables specified is not valid").at(at));
            }
            return Ok(columns);
        };
        for scope in self.scopes.iter().rev() {
            if let Some(item) =
                scope.items.iter().find(|item| item.name_visible && item.name.as_deref() == Some(&table.text))
            {
                return Ok(item.columns.iter().filter(visible).cloned().collect());
            }
        }
        Err(self.missing_table(&table.text, at))
    }
}
