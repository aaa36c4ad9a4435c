//! The typed tree between binding and emitting: every name resolved, every expression with its PostgreSQL type.
//!
//! A relation in FROM has a number that is unique in the statement; columns refer to it, so the emitted SQL never depends on
//! a user's alias. Everything in this tree has a SQLite form: what has none is refused while binding.

mod map;
mod walk;

use std::sync::Arc;

use storage::Value;
use storage::schema::model::{PgType, Table};

use crate::function::Form;
use crate::plan::SessionValue;
use crate::sql::ast::{BoolTest, Exclude, FrameUnit, JoinKind, LiteralRef, Quantifier, SetOperator};
use crate::types::{Representation, oid};

/// An expression and its type.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) node: Node,
    pub(crate) ty: PgType,
    /// Byte offset for errors found later.
    pub(crate) at: u32,
}

/// Equal if they compute the same, wherever they stand.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node && self.ty == other.ty
    }
}

/// A column of a relation of this statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnRef {
    pub(crate) relation: u32,
    /// SQLite's name for it.
    pub(crate) name: Arc<str>,
    /// OID and attribute number if it is a plain column of a table; else 0.
    pub(crate) table_oid: u32,
    pub(crate) attribute: i16,
    pub(crate) representation: Representation,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    /// Read from the text as the expression's type when the plan is used. `loose`: a BLOB column of a schema file takes
    /// what is no `\x..` as text.
    Literal {
        literal: LiteralRef,
        loose: bool,
    },
    Constant(Value),
    /// `$n`, counted from 0. `loose` as for a literal.
    Parameter {
        index: u16,
        loose: bool,
    },
    Session(SessionValue),
    Column(ColumnRef),
    Apply {
        form: Form,
        args: Vec<Expr>,
    },
    Aggregate(Box<Aggregate>),
    /// GROUPING(..) of grouping keys: gone before the tree is emitted.
    Grouping(Vec<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull {
        arg: Box<Expr>,
        negated: bool,
    },
    IsBool {
        arg: Box<Expr>,
        test: BoolTest,
        negated: bool,
    },
    /// `form` is the type's equality.
    IsDistinct {
        form: Form,
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    /// `a IN (list)` under the collation of `a`'s type.
    In {
        arg: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        args: Vec<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    /// `left op ANY (relation)`, where `right` refers to the relation's only column.
    Quantified {
        quantifier: Quantifier,
        test: Box<Expr>,
        source: QuantifiedSource,
    },
    Case {
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    /// NULL if both are equal, else the first.
    Nullif {
        test: Box<Expr>,
        value: Box<Expr>,
    },
    /// The largest or smallest that is not NULL.
    Extreme {
        greatest: bool,
        args: Vec<Expr>,
    },
    Array(Vec<Expr>),
    ArrayQuery(Box<Query>),
    Exists(Box<Query>),
    Subquery(Box<Query>),
    /// A row compared or listed whole is refused before this; this is the row of a failed constraint.
    NotNull {
        value: Box<Expr>,
        check: Arc<NotNullCheck>,
        row: Vec<Expr>,
    },
}

/// What a violated NOT NULL reports.
#[derive(Debug, PartialEq)]
pub(crate) struct NotNullCheck {
    pub(crate) table: String,
    pub(crate) column: String,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum QuantifiedSource {
    /// The elements of an array, as relation `id` with column `value`.
    Array { id: u32, array: Box<Expr> },
    /// The rows of a query, as relation `id` with column `c1`.
    Query { id: u32, query: Box<Query> },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) form: Form,
    pub(crate) args: Vec<Expr>,
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) over: Option<Window>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) frame: Option<Frame>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) unit: FrameUnit,
    pub(crate) start: Bound,
    pub(crate) end: Bound,
    pub(crate) exclude: Exclude,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OrderKey {
    /// The n-th result column, from 0.
    Output(usize),
    Expr(Expr),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderItem {
    pub(crate) key: OrderKey,
    /// Of the key.
    pub(crate) type_oid: u32,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

/// A result column's name; its type is that of its expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) ty: PgType,
    pub(crate) table_oid: u32,
    pub(crate) attribute: i16,
    pub(crate) representation: Representation,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) ctes: Vec<Cte>,
    pub(crate) recursive: bool,
    pub(crate) body: Body,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) limit: Option<Box<Expr>>,
    pub(crate) offset: Option<Box<Expr>>,
    pub(crate) outputs: Vec<Output>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cte {
    pub(crate) id: u32,
    /// Where its name stands.
    pub(crate) at: u32,
    pub(crate) materialized: Option<bool>,
    pub(crate) query: Query,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Set { op: SetOperator, all: bool, left: Box<Query>, right: Box<Query> },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) distinct: bool,
    /// Partition keys of DISTINCT ON; the first row by the query's order stays.
    pub(crate) distinct_on: Vec<Expr>,
    pub(crate) items: Vec<Expr>,
    pub(crate) from: Vec<Source>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group_by: Vec<Expr>,
    /// Whether it is grouped at all: also without keys, by an aggregate or HAVING.
    pub(crate) grouped: bool,
    pub(crate) having: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    Table {
        id: u32,
        schema: Option<&'static str>,
        name: String,
    },
    Query {
        id: u32,
        query: Box<Query>,
    },
    Cte {
        id: u32,
        cte: u32,
    },
    /// A table-valued function with the columns `value` and `ordinality`.
    Function {
        id: u32,
        form: Form,
        args: Vec<Expr>,
        result: PgType,
    },
    /// A subquery that refers to the relations before it, with the columns `c1`, `c2`, ..
    Lateral {
        id: u32,
        query: Box<Query>,
    },
    /// Table-valued functions side by side, the shorter ones filled up with NULL: `value` of relation `id` counts the rows.
    Lockstep {
        id: u32,
        functions: Vec<Self>,
    },
    /// A function of one value, as a relation of one row with the column `value`.
    Scalar {
        id: u32,
        value: Box<Expr>,
    },
    Join {
        kind: JoinKind,
        left: Box<Self>,
        right: Box<Self>,
        on: Option<Box<Expr>>,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    pub(crate) column: String,
    pub(crate) value: Expr,
}

#[derive(Debug, Clone)]
pub(crate) enum InsertRows {
    /// Expressions without relations, in the order of the columns.
    Values(Vec<Expr>),
    /// A query as relation `id`; `values` refer to it.
    Query { id: u32, query: Box<Query>, values: Vec<Expr> },
}

#[derive(Debug, Clone)]
pub(crate) enum OnConflict {
    Nothing { target: Vec<String> },
    Update { target: Vec<String>, assignments: Vec<Assignment>, filter: Option<Expr> },
}

#[derive(Debug, Clone)]
pub(crate) struct Insert {
    /// The relation number of the target.
    pub(crate) id: u32,
    pub(crate) table: Arc<Table>,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: InsertRows,
    pub(crate) on_conflict: Option<OnConflict>,
    pub(crate) ctes: Vec<Cte>,
    pub(crate) recursive: bool,
    pub(crate) returning: Vec<Expr>,
}

#[derive(Debug, Clone)]
pub(crate) struct Update {
    pub(crate) id: u32,
    pub(crate) table: Arc<Table>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) from: Vec<Source>,
    pub(crate) filter: Option<Expr>,
    pub(crate) ctes: Vec<Cte>,
    pub(crate) recursive: bool,
    pub(crate) returning: Vec<Expr>,
}

#[derive(Debug, Clone)]
pub(crate) struct Delete {
    pub(crate) id: u32,
    pub(crate) table: Arc<Table>,
    /// Relations joined to the target: rows are found by a subquery.
    pub(crate) using: Vec<Source>,
    pub(crate) filter: Option<Expr>,
    pub(crate) ctes: Vec<Cte>,
    pub(crate) recursive: bool,
    pub(crate) returning: Vec<Expr>,
}

/// A part of a statement whose WITH writes: it runs before the statement, which takes its rows as a table of WITH.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) cte: u32,
    /// Where its name stands.
    pub(crate) at: u32,
    /// The columns of its rows.
    pub(crate) width: usize,
    pub(crate) statement: Statement,
}

/// A bound statement that becomes SQLite text.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
}

impl Select {
    /// A plain list of results.
    pub(crate) fn of(items: Vec<Expr>) -> Self {
        Self {
            distinct: false,
            distinct_on: Vec::new(),
            items,
            from: Vec::new(),
            filter: None,
            group_by: Vec::new(),
            grouped: false,
            having: None,
        }
    }
}

impl Query {
    /// A body without WITH, order and limit.
    pub(crate) fn of(body: Body, outputs: Vec<Output>) -> Self {
        Self { ctes: Vec::new(), recursive: false, body, order_by: Vec::new(), limit: None, offset: None, outputs }
    }
}

impl Output {
    /// A computed column.
    pub(crate) fn computed(name: &str, ty: PgType) -> Self {
        Self { name: name.to_owned(), ty, table_oid: 0, attribute: 0, representation: Representation::Typed }
    }
}

impl Expr {
    /// An untyped literal or parameter for a BLOB column of a schema file may be text.
    pub(crate) fn loosen(&mut self) {
        if let (Node::Literal { loose, .. } | Node::Parameter { loose, .. }, oid::BYTEA) = (&mut self.node, self.ty.oid)
        {
            *loose = true;
        }
    }

    /// A typed expression without a modifier.
    pub(crate) fn new(node: Node, oid: u32, at: u32) -> Self {
        Self { node, ty: PgType { oid, typmod: -1 }, at }
    }
}
