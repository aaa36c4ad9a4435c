//! PostgreSQL's functions, operators and casts: one table of signatures, each with its SQLite form.
//!
//! The binder resolves overloads against these tables and the emitter writes what [`Form`] says; bodies written in Rust
//! are registered on every connection under the names that `Form::Call` uses.

/// How a call is written in SQLite. Arguments are in storage form (see [`crate::types`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `name(arg, ..)`: SQLite's own function, or one registered by this module (prefix `pg_`).
    Call(&'static str),
    /// `(left op right)` with SQLite's operator.
    Infix(&'static str),
    /// `(op right)`.
    Prefix(&'static str),
    /// The argument itself: a cast that changes nothing in storage form.
    Same,
    /// A pattern where `{0}`, `{1}` stand for the emitted arguments, each already parenthesised where needed.
    Pattern(&'static str),
    /// Built by the emitter in its own way (named for the reader).
    Special(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Scalar,
    Aggregate,
    Window,
    /// In FROM: a table-valued form with one column, unless said otherwise.
    SetReturning,
}

/// One overload. `ANYELEMENT`, `ANYARRAY`, `ANYNONARRAY`, `ANY` take part in resolution as in PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    pub name: &'static str,
    pub arguments: &'static [u32],
    /// The type of further arguments.
    pub variadic: Option<u32>,
    pub result: u32,
    pub kind: Kind,
    pub volatility: Volatility,
    pub form: Form,
}

/// One operator overload; prefix operators have no left side.
#[derive(Debug, Clone, Copy)]
pub struct Operator {
    pub name: &'static str,
    pub left: Option<u32>,
    pub right: u32,
    pub result: u32,
    pub form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CastContext {
    Implicit,
    Assignment,
    Explicit,
}

/// One cast of `pg_cast`, or an IO cast through text.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    pub from: u32,
    pub to: u32,
    pub context: CastContext,
    pub form: Form,
}
