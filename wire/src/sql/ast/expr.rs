//! Expressions of the syntax tree, calls and windows with them.

use super::{Name, ObjectName, OrderItem, Query, TypeName};

#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) at: u32,
    pub(crate) kind: ExprKind,
}

/// The n-th literal token of the statement, with a minus sign folded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LiteralRef {
    pub(crate) index: u16,
    pub(crate) negative: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LiteralKind {
    Int4,
    Int8,
    Numeric,
    String,
    Bits,
}

/// An operator's name with the schema of `OPERATOR(schema.op)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperatorName {
    pub(crate) name: String,
    pub(crate) schema: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BoolTest {
    True,
    False,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LikeKind {
    Like,
    ILike,
    SimilarTo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantifier {
    Any,
    All,
}

/// Expressions of the language that look like calls or words but have rules of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    Coalesce,
    Nullif,
    Greatest,
    Least,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionWord {
    CurrentDate,
    CurrentTime,
    CurrentTimestamp,
    LocalTime,
    LocalTimestamp,
    CurrentUser,
    CurrentRole,
    User,
    SessionUser,
    CurrentCatalog,
    CurrentSchema,
}

#[derive(Debug, Clone)]
pub(crate) enum ExprKind {
    Literal(LiteralKind, LiteralRef),
    /// A constant that the grammar implies: the start of `SUBSTRING(x FOR n)`.
    Integer(i32),
    /// A word of the grammar used as a text constant: the field of EXTRACT.
    Word(String),
    Bool(bool),
    Null,
    Default,
    /// `$n`, counted from 0.
    Parameter(u16),
    Column(Vec<Name>),
    /// `*` or `t.*`, only in lists of results and as the argument of count.
    Star(Vec<Name>),
    Unary {
        op: OperatorName,
        arg: Box<Expr>,
    },
    Binary {
        op: OperatorName,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
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
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    InList {
        arg: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        arg: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    Between {
        arg: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        symmetric: bool,
        negated: bool,
    },
    Like {
        kind: LikeKind,
        arg: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        negated: bool,
    },
    QuantifiedArray {
        left: Box<Expr>,
        op: OperatorName,
        quantifier: Quantifier,
        array: Box<Expr>,
    },
    QuantifiedQuery {
        left: Box<Expr>,
        op: OperatorName,
        quantifier: Quantifier,
        query: Box<Query>,
    },
    Call(Box<Call>),
    Builtin {
        which: Builtin,
        args: Vec<Expr>,
    },
    Session {
        word: SessionWord,
        precision: Option<u32>,
    },
    Cast {
        arg: Box<Expr>,
        target: TypeName,
    },
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Array(Vec<Expr>),
    ArrayQuery(Box<Query>),
    Subscript {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    Slice {
        base: Box<Expr>,
    },
    Field {
        base: Box<Expr>,
        field: Name,
    },
    Row(Vec<Expr>),
    Exists(Box<Query>),
    /// The column `index` of a query of `width` columns.
    QueryColumn {
        query: Box<Query>,
        index: usize,
        width: usize,
    },
    Grouping(Vec<Expr>),
    Subquery(Box<Query>),
    Collate {
        arg: Box<Expr>,
        collation: ObjectName,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: ObjectName,
    pub(crate) args: Vec<Expr>,
    /// `f(*)`
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    pub(crate) variadic: bool,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) over: Option<Over>,
}

#[derive(Debug, Clone)]
pub(crate) enum Over {
    Named(Name),
    Window(Box<Window>),
}

#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) at: u32,
    pub(crate) base: Option<Name>,
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) frame: Option<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameUnit {
    Rows,
    Range,
    Groups,
}

#[derive(Debug, Clone)]
pub(crate) enum Bound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// Which rows around the current one a frame leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exclude {
    NoOthers,
    CurrentRow,
    Group,
    Ties,
}

#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) start_at: u32,
    pub(crate) end_at: u32,
    pub(crate) unit: FrameUnit,
    pub(crate) start: Bound,
    pub(crate) end: Bound,
    pub(crate) exclude: Exclude,
}
