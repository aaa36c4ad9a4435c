//! The syntax tree of a statement. Names are folded; nothing is resolved; `at` is the byte offset PostgreSQL would report.

mod expr;

use crate::plan::Utility;

pub(crate) use expr::*;

/// A folded name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) at: u32,
}

/// `schema.name` or `name`; the last part is the object's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectName {
    pub(crate) parts: Vec<Name>,
}

impl ObjectName {
    /// Where the first part stands.
    pub(crate) fn at(&self) -> u32 {
        self.parts.first().map_or(0, |name| name.at)
    }

    /// The object's own name.
    pub(crate) fn last(&self) -> &str {
        self.parts.last().map_or("", |name| &name.text)
    }

    /// The name before the last, if any.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.parts.len().checked_sub(2).map(|index| self.parts[index].text.as_str())
    }

    /// As PostgreSQL quotes it in messages.
    pub(crate) fn display(&self) -> String {
        self.parts.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// A type as written: `name(modifiers)[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeName {
    pub(crate) at: u32,
    pub(crate) schema: Option<String>,
    /// Folded; several words are joined by one space and resolved to PostgreSQL's internal name by the parser
    /// (`double precision` is `float8`).
    pub(crate) name: String,
    pub(crate) modifiers: Vec<i32>,
    pub(crate) array: bool,
    /// `serial` and `bigserial` are words of CREATE TABLE only; the binder refuses them.
    pub(crate) quoted: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct OrderItem {
    pub(crate) expr: Expr,
    pub(crate) descending: bool,
    /// `None`: PostgreSQL's default, last when ascending.
    pub(crate) nulls_first: Option<bool>,
}

#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) at: u32,
    pub(crate) with: Option<With>,
    pub(crate) body: Body,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) limit: Option<Expr>,
    pub(crate) offset: Option<Expr>,
    pub(crate) locking: Option<Locking>,
}

/// `FOR UPDATE` and its like.
#[derive(Debug, Clone)]
pub(crate) struct Locking {
    pub(crate) at: u32,
    /// As PostgreSQL names it.
    pub(crate) strength: &'static str,
    pub(crate) of: Vec<ObjectName>,
    /// Not to wait for others. `SKIP LOCKED` is not kept: whoever has the writer meets no locked row.
    pub(crate) nowait: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct With {
    pub(crate) recursive: bool,
    pub(crate) tables: Vec<Cte>,
}

#[derive(Debug, Clone)]
pub(crate) struct Cte {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Name>,
    pub(crate) materialized: Option<bool>,
    pub(crate) body: CteBody,
}

/// What a table of WITH is.
#[derive(Debug, Clone)]
pub(crate) enum CteBody {
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOperator {
    Union,
    Intersect,
    Except,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values { rows: Vec<Vec<Expr>> },
    Set { op: SetOperator, all: bool, left: Box<Query>, right: Box<Query> },
}

#[derive(Debug, Clone)]
pub(crate) enum Distinct {
    All,
    Rows,
    On(Vec<Expr>),
}

#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub(crate) distinct: Distinct,
    pub(crate) items: Vec<SelectItem>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group_by: Vec<GroupItem>,
    /// GROUP BY DISTINCT: of equal grouping sets one stays.
    pub(crate) group_distinct: bool,
    pub(crate) having: Option<Expr>,
    pub(crate) windows: Vec<(Name, Window)>,
}

/// An element of GROUP BY.
#[derive(Debug, Clone)]
pub(crate) enum GroupItem {
    Expr(Expr),
    /// `()`, `(a, b)`
    List(Vec<Expr>),
    Rollup(Vec<Vec<Expr>>),
    Cube(Vec<Vec<Expr>>),
    Sets(Vec<Self>),
}

#[derive(Debug, Clone)]
pub(crate) struct SelectItem {
    pub(crate) expr: Expr,
    pub(crate) alias: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Alias {
    pub(crate) name: Name,
    pub(crate) columns: Vec<Name>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

#[derive(Debug, Clone)]
pub(crate) enum JoinCondition {
    None,
    On(Expr),
    /// With the alias of the merged columns: `USING (a) AS j`.
    Using(Vec<Name>, Option<Name>),
    Natural,
}

#[derive(Debug, Clone)]
pub(crate) enum FromItem {
    Table {
        name: ObjectName,
        alias: Option<Alias>,
    },
    Query {
        at: u32,
        lateral: bool,
        query: Box<Query>,
        alias: Option<Alias>,
    },
    Function {
        call: Box<Call>,
        at: u32,
        ordinality: bool,
        alias: Option<Alias>,
    },
    /// `ROWS FROM (f(..), g(..))`
    RowsFrom {
        calls: Vec<(Call, u32)>,
        ordinality: bool,
        alias: Option<Alias>,
    },
    Join {
        at: u32,
        kind: JoinKind,
        left: Box<Self>,
        right: Box<Self>,
        condition: JoinCondition,
        alias: Option<Alias>,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) column: Name,
    /// Where `[index]` or `.field` follows the column.
    pub(crate) part: Option<u32>,
    pub(crate) value: Expr,
}

#[derive(Debug, Clone)]
pub(crate) enum ConflictTarget {
    Columns(Vec<Name>),
    Constraint(Name),
}

#[derive(Debug, Clone)]
pub(crate) enum ConflictAction {
    Nothing,
    Update { assignments: Vec<Assignment>, filter: Option<Expr> },
}

#[derive(Debug, Clone)]
pub(crate) struct OnConflict {
    pub(crate) at: u32,
    /// Where the list of columns opens.
    pub(crate) target_at: u32,
    pub(crate) target: Option<ConflictTarget>,
    pub(crate) action: ConflictAction,
}

#[derive(Debug, Clone)]
pub(crate) enum InsertSource {
    DefaultValues,
    Query(Box<Query>),
}

#[derive(Debug, Clone)]
pub(crate) struct Insert {
    pub(crate) with: Option<With>,
    pub(crate) table: ObjectName,
    pub(crate) alias: Option<Name>,
    pub(crate) columns: Vec<Name>,
    pub(crate) source: InsertSource,
    pub(crate) on_conflict: Option<OnConflict>,
    pub(crate) returning: Vec<SelectItem>,
}

#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub(crate) with: Option<With>,
    pub(crate) table: ObjectName,
    pub(crate) alias: Option<Name>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) returning: Vec<SelectItem>,
}

#[derive(Debug, Clone)]
pub(crate) struct Delete {
    pub(crate) with: Option<With>,
    pub(crate) table: ObjectName,
    pub(crate) alias: Option<Name>,
    pub(crate) using: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) returning: Vec<SelectItem>,
}

#[derive(Debug, Clone)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: Name,
    pub(crate) type_name: TypeName,
    pub(crate) not_null: bool,
    pub(crate) default: Option<DefaultClause>,
    /// A PRIMARY KEY of this column alone: where it stands, and the constraint's name.
    pub(crate) primary_key: Option<(u32, Option<Name>)>,
    /// Where NULL stands beside NOT NULL.
    pub(crate) conflicting_null: Option<u32>,
}

/// A DEFAULT expression with the range of its text.
#[derive(Debug, Clone)]
pub(crate) struct DefaultClause {
    pub(crate) expr: Expr,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct KeyConstraint {
    pub(crate) name: Option<Name>,
    pub(crate) columns: Vec<Name>,
}

#[derive(Debug, Clone)]
pub(crate) struct CreateTable {
    pub(crate) name: ObjectName,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    /// With the offset of each.
    pub(crate) keys: Vec<(u32, KeyConstraint)>,
}

#[derive(Debug, Clone)]
pub(crate) struct CreateIndex {
    pub(crate) name: Option<Name>,
    pub(crate) if_not_exists: bool,
    pub(crate) table: ObjectName,
    pub(crate) columns: Vec<(Name, bool)>,
}

#[derive(Debug, Clone)]
pub(crate) enum AlterAction {
    AddColumn {
        column: Box<ColumnDefinition>,
        if_not_exists: bool,
    },
    AddPrimaryKey(KeyConstraint),
    /// `None`: DROP DEFAULT.
    SetDefault {
        column: Name,
        default: Option<DefaultClause>,
    },
    SetNotNull(Name),
    DropNotNull(Name),
}

#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    CreateTable(CreateTable),
    CreateIndex(CreateIndex),
    AlterTable {
        table: ObjectName,
        if_exists: bool,
        actions: Vec<AlterAction>,
    },
    DropTable {
        names: Vec<ObjectName>,
        if_exists: bool,
    },
    DropIndex {
        names: Vec<ObjectName>,
        if_exists: bool,
    },
    Truncate {
        names: Vec<ObjectName>,
    },
    Vacuum {
        tables: Vec<ObjectName>,
    },
    Analyze {
        tables: Vec<ObjectName>,
    },
    Prepare {
        name: String,
        types: Vec<TypeName>,
        text: String,
    },
    /// With the command tag.
    Utility(Utility, &'static str),
}
