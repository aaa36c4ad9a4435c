//! FROM: tables, catalog relations, WITH tables, derived tables, functions, joins.

use std::sync::Arc;

use storage::schema::model::{Origin, Table};

use super::scope::{ScopeColumn, ScopeItem, column};
use super::{Binder, plain};
use crate::catalog::reported_type;
use crate::error::SqlError;
use crate::function::packed::PACKED_COLUMNS_MAX;
use crate::ir::{ColumnRef, Expr, Node, Output, Query, Source};
use crate::sql::ast::{self, Alias, FromItem, JoinCondition, JoinKind, Name, ObjectName, OperatorName};
use crate::types::{Representation, oid};

/// A table of WITH, visible to what follows.
#[derive(Debug, Clone)]
pub(super) struct CteEntry {
    pub(super) name: String,
    pub(super) id: u32,
    pub(super) outputs: Vec<Output>,
    /// Whether it has rows: a statement that writes needs RETURNING for that.
    pub(super) has_rows: bool,
}

/// What a name of a relation means.
pub(super) enum Target {
    Table(Arc<Table>),
    Catalog(&'static crate::catalog::Relation),
}

/// A bound part of FROM: the relation and what it shows.
pub(super) type Bound = (Source, Vec<ScopeItem>);

impl Binder<'_> {
    /// Binds the list; the scope then shows its columns.
    pub(super) fn from(&mut self, list: &[FromItem]) -> Result<Vec<Source>, SqlError> {
        let mut sources = Vec::with_capacity(list.len());
        let mut shown: Vec<ScopeItem> = Vec::new();
        for item in list {
            let (source, items) = self.relation_item(item, &shown)?;
            check_duplicates(&shown, &items)?;
            shown.extend(items);
            sources.push(source);
        }
        self.scope().items = shown;
        Ok(sources)
    }

    /// `left` is what stands before it in FROM: visible to functions and LATERAL.
    fn relation_item(&mut self, item: &FromItem, left: &[ScopeItem]) -> Result<Bound, SqlError> {
        match item {
            FromItem::Table { name, alias } => self.table_item(name, alias.as_ref()),
            FromItem::Query { at, lateral, query, alias } => {
                self.derived_item(query, *lateral, alias.as_ref(), left, *at)
            }
            FromItem::Function { call, at, ordinality, alias } => {
                let several = call.name.last() == "unnest" && call.args.len() > 1;
                if !several {
                    return self.function_item(call, *ordinality, alias.as_ref(), left, *at);
                }
                // `unnest(a, b)` is `ROWS FROM (unnest(a), unnest(b))`.
                let one = |arg: &ast::Expr| (ast::Call { args: vec![arg.clone()], ..(**call).clone() }, *at);
                let calls: Vec<_> = call.args.iter().map(one).collect();
                self.functions_item(&calls, *ordinality, alias.as_ref(), left)
            }
            FromItem::RowsFrom { calls, ordinality, alias } => {
                self.functions_item(calls, *ordinality, alias.as_ref(), left)
            }
            FromItem::Join { at, kind, left: first, right: second, condition, alias } => {
                let bound = self.join(*kind, first, second, condition, left, *at)?;
                match alias {
                    None => Ok(bound),
                    Some(alias) => self.alias_join(bound, alias),
                }
            }
        }
    }

    fn table_item(&mut self, name: &ObjectName, alias: Option<&Alias>) -> Result<Bound, SqlError> {
        if name.schema().is_none()
            && let Some(cte) = self.ctes.iter().rev().find(|cte| cte.name == name.last()).cloned()
        {
            if !cte.has_rows {
                let message = format!("WITH query \"{}\" does not have a RETURNING clause", cte.name);
                return Err(SqlError::unsupported(message).at(name.at()));
            }
            let id = self.new_relation();
            let columns = output_columns(id, &cte.outputs);
            let item = self.aliased(name.last(), None, columns, alias)?;
            return Ok((Source::Cte { id, cte: cte.id }, vec![item]));
        }
        match self.relation(name)? {
            Target::Table(table) => {
                let id = self.new_relation();
                let columns = table_columns(id, &table);
                let item = self.aliased(&table.name, Some("public"), columns, alias)?;
                Ok((Source::Table { id, schema: None, name: table.name.clone() }, vec![item]))
            }
            Target::Catalog(relation) => {
                let id = self.new_relation();
                self.facts.uses_catalog = true;
                let columns = catalog_columns(id, relation);
                let item = self.aliased(relation.name, Some(relation.schema), columns, alias)?;
                Ok((Source::Table { id, schema: Some(relation.schema), name: relation.name.to_owned() }, vec![item]))
            }
        }
    }

    /// Finds a table or catalog relation by the search path.
    ///
    /// # Errors
    /// 42P01 in PostgreSQL's words.
    pub(super) fn relation(&self, name: &ObjectName) -> Result<Target, SqlError> {
        let missing =
            || SqlError::new("42P01", format!("relation \"{}\" does not exist", name.display())).at(name.at());
        let in_schema = |schema: &str| match schema {
            "public" => self.env.schema.table(name.last()).cloned().map(Target::Table),
            "pg_catalog" | "information_schema" => crate::catalog::relation(schema, name.last()).map(Target::Catalog),
            _ => None,
        };
        if name.parts.len() > 2 {
            let message = format!("cross-database references are not implemented: {}", name.display());
            return Err(SqlError::unsupported(message).at(name.at()));
        }
        match name.schema() {
            Some(schema) => in_schema(schema).ok_or_else(missing),
            None => {
                let path = std::iter::once("pg_catalog").chain(self.search_path.iter().map(String::as_str));
                path.filter_map(in_schema).next().ok_or_else(missing)
            }
        }
    }

    /// Names a relation and its columns as the alias says.
    pub(super) fn aliased(
        &mut self,
        name: &str,
        schema: Option<&str>,
        mut columns: Vec<ScopeColumn>,
        alias: Option<&Alias>,
    ) -> Result<ScopeItem, SqlError> {
        let shown = alias.map_or(name, |alias| alias.name.text.as_str());
        self.from_names.push((name.to_owned(), shown.to_owned()));
        if let Some(alias) = alias {
            rename(&mut columns, alias)?;
        }
        let mut item = ScopeItem::new(Some(shown.to_owned()), columns);
        item.schema = if alias.is_none() { schema.map(str::to_owned) } else { None };
        Ok(item)
    }

    fn derived_item(
        &mut self,
        query: &ast::Query,
        lateral: bool,
        alias: Option<&Alias>,
        left: &[ScopeItem],
        at: u32,
    ) -> Result<Bound, SqlError> {
        let Some(alias) = alias else {
            // A parenthesised query that the parser wrapped has no name to give.
            if query.at != at {
                let what = if matches!(query.body, ast::Body::Values { .. }) { "VALUES" } else { "subquery" };
                return Err(SqlError::new("42601", format!("{what} in FROM must have an alias"))
                    .hint(format!(
                        "For example, FROM ({} ...) [AS] foo.",
                        if what == "VALUES" { "VALUES" } else { "SELECT" }
                    ))
                    .at(at));
            }
            let bound = self.subquery(query)?;
            let id = self.new_relation();
            let item = ScopeItem::new(None, output_columns(id, &bound.outputs));
            return Ok((Source::Query { id, query: Box::new(bound) }, vec![item]));
        };
        let bound = if lateral {
            self.with_items(left.to_vec(), |binder| binder.subquery(query))?
        } else {
            self.subquery(query)?
        };
        let correlated = lateral && self.refers_to_siblings(&bound, at)?;
        let id = self.new_relation();
        let columns = output_columns(id, &bound.outputs);
        let item = self.aliased(&alias.name.text, None, columns, Some(alias))?;
        let query = Box::new(bound);
        Ok((if correlated { Source::Lateral { id, query } } else { Source::Query { id, query } }, vec![item]))
    }

    /// Whether a LATERAL subquery really refers to the relations before it: then its rows are packed (see
    /// [`function::packed`]), of which the number of columns is limited.
    fn refers_to_siblings(&mut self, query: &Query, at: u32) -> Result<bool, SqlError> {
        let own = self.scope().relations.clone();
        let correlated = super::group::refers_to(query, &own);
        if correlated && query.outputs.len() > PACKED_COLUMNS_MAX {
            let message = format!("LATERAL subqueries of more than {PACKED_COLUMNS_MAX} columns are not supported");
            return Err(SqlError::unsupported(message).at(at));
        }
        Ok(correlated)
    }

    pub(super) fn with_items<T>(
        &mut self,
        items: Vec<ScopeItem>,
        inner: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let outer = std::mem::replace(&mut self.scope().items, items);
        let result = inner(self);
        self.scope().items = outer;
        result
    }

    fn join(
        &mut self,
        kind: JoinKind,
        first: &FromItem,
        second: &FromItem,
        condition: &JoinCondition,
        before: &[ScopeItem],
        at: u32,
    ) -> Result<Bound, SqlError> {
        let (left, left_items) = self.relation_item(first, before)?;
        let mut visible = before.to_vec();
        let barred = matches!(kind, JoinKind::Right | JoinKind::Full);
        visible.extend(left_items.iter().map(|item| ScopeItem { barred: barred || item.barred, ..item.clone() }));
        let (right, right_items) = self.relation_item(second, &visible)?;
        check_duplicates(&left_items, &right_items)?;
        let (on, items) = match condition {
            JoinCondition::None => (None, both(left_items, right_items)),
            JoinCondition::On(expr) => {
                let items = both(left_items, right_items);
                let on = self.with_items(items.clone(), |binder| {
                    let outer = binder.scope().no_aggregates.replace("JOIN conditions");
                    let on = binder.expr(expr).and_then(|on| binder.coerce_to_bool(on, "JOIN/ON"));
                    binder.scope().no_aggregates = outer;
                    on
                })?;
                (Some(on), items)
            }
            JoinCondition::Using(names, alias) => {
                let (on, mut items) = self.using(kind, left_items, right_items, names, at)?;
                if let (Some(alias), Some(merged)) = (alias, items.last()) {
                    let columns = merged.columns.iter().take(names.len()).cloned().collect();
                    let mut item = ScopeItem::new(Some(alias.text.clone()), columns);
                    item.columns_visible = false;
                    items.push(item);
                }
                (on, items)
            }
            JoinCondition::Natural => {
                let names = shared_names(&left_items, &right_items, at);
                if names.is_empty() {
                    (None, both(left_items, right_items))
                } else {
                    self.using(kind, left_items, right_items, &names, at)?
                }
            }
        };
        let source = Source::Join { kind, left: Box::new(left), right: Box::new(right), on: on.map(Box::new) };
        Ok((source, items))
    }

    /// The merged columns come first, then the rest of both sides; the sides' own names stay qualified.
    fn using(
        &mut self,
        kind: JoinKind,
        left: Vec<ScopeItem>,
        right: Vec<ScopeItem>,
        names: &[Name],
        at: u32,
    ) -> Result<(Option<Expr>, Vec<ScopeItem>), SqlError> {
        let equal = OperatorName { name: "=".into(), schema: None };
        let mut tests = Vec::new();
        let mut merged = Vec::new();
        for name in names {
            let first = side_column(&left, name, "left")?;
            let second = side_column(&right, name, "right")?;
            tests.push(self.operator(&equal, Some(first.clone()), second.clone(), name.at)?);
            let expr = match kind {
                JoinKind::Inner | JoinKind::Left | JoinKind::Cross => first,
                JoinKind::Right => second,
                JoinKind::Full => {
                    let (branches, ty) = self.unify(vec![first, second], "JOIN/USING")?;
                    Expr { node: Node::Coalesce(branches), ty, at: name.at }
                }
            };
            merged.push(ScopeColumn { name: name.text.clone(), expr, hidden: false });
        }
        let is_merged = |column: &ScopeColumn| names.iter().any(|name| name.text == column.name);
        let mut columns = merged;
        for side in [&left, &right] {
            let rest = side.iter().filter(|item| item.columns_visible).flat_map(|item| &item.columns);
            columns.extend(rest.filter(|column| !is_merged(column)).cloned());
        }
        let mut items = both(left, right);
        for item in &mut items {
            item.columns_visible = false;
        }
        let mut join = ScopeItem::new(None, columns);
        join.name_visible = false;
        items.push(join);
        Ok((Some(Expr::new(Node::And(tests), oid::BOOL, at)), items))
    }

    /// `(a JOIN b ..) AS j`: only the alias is visible outside.
    fn alias_join(&mut self, (source, items): Bound, alias: &Alias) -> Result<Bound, SqlError> {
        let columns: Vec<ScopeColumn> = items
            .into_iter()
            .filter(|item| item.columns_visible)
            .flat_map(|item| item.columns)
            .filter(|column| !column.hidden)
            .collect();
        let item = self.aliased(&alias.name.text, None, columns, Some(alias))?;
        Ok((source, vec![item]))
    }
}

fn both(mut left: Vec<ScopeItem>, right: Vec<ScopeItem>) -> Vec<ScopeItem> {
    left.extend(right);
    left
}

/// PostgreSQL gives no position.
fn check_duplicates(left: &[ScopeItem], right: &[ScopeItem]) -> Result<(), SqlError> {
    for new in right.iter().filter(|item| item.name_visible) {
        let Some(name) = &new.name else { continue };
        let same = |old: &&ScopeItem| {
            old.name_visible
                && old.name.as_ref() == Some(name)
                && (old.schema == new.schema || old.schema.is_none() || new.schema.is_none())
        };
        if left.iter().any(|old| same(&old)) {
            return Err(SqlError::new("42712", format!("table name \"{name}\" specified more than once")));
        }
    }
    Ok(())
}

fn shared_names(left: &[ScopeItem], right: &[ScopeItem], at: u32) -> Vec<Name> {
    let visible = |items: &[ScopeItem]| -> Vec<String> {
        let columns = items.iter().filter(|item| item.columns_visible).flat_map(|item| &item.columns);
        columns.filter(|column| !column.hidden).map(|column| column.name.clone()).collect()
    };
    let rights = visible(right);
    visible(left).into_iter().filter(|name| rights.contains(name)).map(|text| Name { text, at }).collect()
}

fn side_column(items: &[ScopeItem], name: &Name, side: &str) -> Result<Expr, SqlError> {
    let columns = items.iter().filter(|item| item.columns_visible).flat_map(|item| &item.columns);
    let mut found = columns.filter(|column| column.name == name.text);
    match (found.next(), found.next()) {
        (Some(column), None) => Ok(column.expr.clone()),
        (Some(_), Some(_)) => {
            let message = format!("common column name \"{}\" appears more than once in {side} table", name.text);
            Err(SqlError::new("42702", message))
        }
        (None, _) => {
            let message = format!("column \"{}\" specified in USING clause does not exist in {side} table", name.text);
            Err(SqlError::new("42703", message))
        }
    }
}

fn rename(columns: &mut [ScopeColumn], alias: &Alias) -> Result<(), SqlError> {
    let available = columns.iter().filter(|column| !column.hidden).count();
    if alias.columns.len() > available {
        let message = format!(
            "table \"{}\" has {available} columns available but {} columns specified",
            alias.name.text,
            alias.columns.len()
        );
        return Err(SqlError::new("42P10", message));
    }
    let visible = columns.iter_mut().filter(|column| !column.hidden);
    for (column, name) in visible.zip(&alias.columns) {
        column.name.clone_from(&name.text);
    }
    Ok(())
}

/// The columns of a derived table or WITH table: `c1`, `c2`, ..
pub(super) fn output_columns(id: u32, outputs: &[Output]) -> Vec<ScopeColumn> {
    let columns = outputs.iter().enumerate().map(|(index, output)| {
        let mut expr = column(id, &format!("c{}", index + 1), output.ty);
        if let Node::Column(reference) = &mut expr.node {
            reference.representation = output.representation;
            reference.table_oid = output.table_oid;
            reference.attribute = output.attribute;
        }
        ScopeColumn { name: output.name.clone(), expr, hidden: false }
    });
    columns.collect()
}

/// The columns of a user's table, and `tableoid`.
pub(super) fn table_columns(id: u32, table: &Table) -> Vec<ScopeColumn> {
    let representation = match table.origin {
        Origin::File => Representation::Dynamic,
        Origin::Wire => Representation::Typed,
    };
    let mut columns: Vec<ScopeColumn> = Vec::with_capacity(table.columns.len() + 1);
    for declared in table.columns.iter().filter(|declared| !declared.hidden) {
        let reference = ColumnRef {
            relation: id,
            name: declared.name.as_str().into(),
            table_oid: table.oid,
            attribute: declared.number,
            representation,
        };
        let expr = Expr { node: Node::Column(reference), ty: reported_type(declared), at: 0 };
        columns.push(ScopeColumn { name: declared.name.clone(), expr, hidden: false });
    }
    if !columns.iter().any(|column| column.name == "tableoid") {
        let expr = Expr::new(Node::Constant(storage::Value::Integer(i64::from(table.oid))), oid::OID, 0);
        columns.push(ScopeColumn { name: "tableoid".into(), expr, hidden: true });
    }
    columns
}

fn catalog_columns(id: u32, relation: &'static crate::catalog::Relation) -> Vec<ScopeColumn> {
    let declared = relation.columns.iter().enumerate().map(|(index, declared)| {
        let reference = ColumnRef {
            relation: id,
            name: declared.name.into(),
            table_oid: relation.oid,
            attribute: i16::try_from(index + 1).unwrap_or(0),
            representation: Representation::Typed,
        };
        let expr = Expr { node: Node::Column(reference), ty: plain(declared.type_oid), at: 0 };
        ScopeColumn { name: declared.name.to_owned(), expr, hidden: false }
    });
    let mut columns: Vec<ScopeColumn> = declared.collect();
    if relation.name == "pg_settings" {
        super::setting::of_session(&mut columns);
    }
    let expr = Expr::new(Node::Constant(storage::Value::Integer(i64::from(relation.oid))), oid::OID, 0);
    columns.push(ScopeColumn { name: "tableoid".into(), expr, hidden: true });
    columns
}
