//! PostgreSQL's functions, operators and casts: one table of signatures, each with its SQLite form.
//!
//! The binder resolves overloads against these tables and the emitter writes what [`Form`] says; bodies written in Rust
//! are registered on every connection under the names that `Form::Call` uses ([`register`]). Bodies are strict (NULL in,
//! NULL out) unless their documentation says otherwise, and raise errors in the encoding of
//! [`crate::error::from_function_message`].

use std::sync::LazyLock;

use storage::rusqlite::{self, Connection};

use crate::types::{catalog as types, oid};

mod aggregate;
mod array;
mod bits;
mod body;
mod cast;
mod catalog;
mod collation;
mod datetime;
mod divisor;
mod effect;
mod format;
mod json;
mod keyword;
mod math;
mod operator;
pub(crate) mod packed;
mod pattern;
mod regtype;
mod series;
mod session;
mod set_returning;
mod string;
mod template;
mod timetz;

pub(crate) use series::expanded_field;
pub use string::{quote_identifier, quote_literal};

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
    /// A pattern with placeholders. The result needs no further parentheses.
    ///
    /// | placeholder | stands for |
    /// |---|---|
    /// | `{0}`, `{1}`, .. | the emitted arguments, each already parenthesised where needed; may occur more than once |
    /// | `{*}` | all arguments, separated by commas; `{, *}` the same with a leading comma, nothing without arguments |
    /// | `{type0}`, `{type1}`, .. | the OID of an argument's actual type, decimal |
    /// | `{types}` | a text literal of all arguments' actual type OIDs: `'23,25'` |
    /// | `{result}` | the OID of the actual result type |
    /// | `{collate0}` | ` COLLATE x` for the argument's actual type ([`types::collation`]), or nothing |
    /// | `{now}`, `{statement_timestamp}`, `{timezone}`, `{current_user}`, `{session_user}`, `{current_database}`, `{backend_pid}` | a bound [`crate::plan::SessionValue`] |
    /// | `{session}` | the number of the session's open calls, see [`crate::session::calls`] |
    /// | `{listening}` | the channels listened to, a `text[]` |
    /// | `{datestyle}` | the session value `Setting("datestyle")` |
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
    /// In FROM: a table-valued form with the columns `value` and `ordinality` (from 1), unless said otherwise.
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

/// Entries of a function table: `"lower"(TEXT) -> TEXT, Immutable, Call("pg_lower");`, with `, variadic ANY` after the
/// arguments, and the kind in front where it is not a scalar function.
macro_rules! function_table {
    ($( $($kind:ident)? $name:literal ($($argument:ident),*) $(variadic $variadic:ident)? -> $result:ident, $volatility:ident, $form:expr;)*) => {
        &[$(
            $crate::function::Function {
                name: $name,
                arguments: &[$($crate::types::oid::$argument),*],
                variadic: $crate::function::function_table!(@variadic $($variadic)?),
                result: $crate::types::oid::$result,
                kind: $crate::function::function_table!(@kind $($kind)?),
                volatility: $crate::function::Volatility::$volatility,
                form: $form,
            },
        )*]
    };
    (@variadic) => { None };
    (@variadic $oid:ident) => { Some($crate::types::oid::$oid) };
    (@kind) => { $crate::function::Kind::Scalar };
    (@kind $kind:ident) => { $crate::function::Kind::$kind };
}
pub(crate) use function_table;

/// The parts of the function table, each beside its bodies.
static PARTS: &[&[Function]] = &[
    math::FUNCTIONS,
    divisor::FUNCTIONS,
    bits::FUNCTIONS,
    string::FUNCTIONS,
    pattern::FUNCTIONS,
    catalog::FUNCTIONS,
    aggregate::FUNCTIONS,
    series::FUNCTIONS,
    array::FUNCTIONS,
    datetime::FUNCTIONS,
    timetz::FUNCTIONS,
    session::FUNCTIONS,
    effect::FUNCTIONS,
    json::FUNCTIONS,
    template::FUNCTIONS,
];

static SORTED_FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let mut all: Vec<Function> = PARTS.iter().flat_map(|part| part.iter().copied()).collect();
    all.sort_by_key(|function| function.name);
    all
});

static SORTED_OPERATORS: LazyLock<Vec<Operator>> = LazyLock::new(|| {
    let mut all = operator::table();
    all.sort_by_key(|operator| operator.name);
    all
});

static SORTED_CASTS: LazyLock<Vec<Cast>> = LazyLock::new(|| {
    let mut all = cast::table();
    all.sort_by_key(|cast| (cast.from, cast.to));
    all
});

/// All functions, sorted by name.
pub fn functions() -> &'static [Function] {
    &SORTED_FUNCTIONS
}

/// The overloads of a function, by folded name without schema.
pub fn functions_named(name: &str) -> &'static [Function] {
    named(functions(), name, |function| function.name)
}

/// All operators, sorted by name.
pub fn operators() -> &'static [Operator] {
    &SORTED_OPERATORS
}

/// The overloads of an operator, prefix ones included. `!=` is spelled `<>`.
pub fn operators_named(name: &str) -> &'static [Operator] {
    named(operators(), if name == "!=" { "<>" } else { name }, |operator| operator.name)
}

fn named<T>(sorted: &'static [T], name: &str, key: impl Fn(&T) -> &str) -> &'static [T] {
    let start = sorted.partition_point(|entry| key(entry) < name);
    let end = sorted.partition_point(|entry| key(entry) <= name);
    &sorted[start..end]
}

/// The entries of `pg_cast`, sorted by source and target.
pub fn casts() -> &'static [Cast] {
    &SORTED_CASTS
}

/// How a value of type `from` becomes one of type `to`: an entry of `pg_cast`, else the casts that PostgreSQL has
/// without an entry: to the string types by output (assignment), from them by input (explicit), between arrays whose
/// elements cast. `None`: there is no cast (42846), or no work to do (equal types).
pub fn cast(from: u32, to: u32) -> Option<Cast> {
    if let Ok(at) = casts().binary_search_by_key(&(from, to), |cast| (cast.from, cast.to)) {
        return Some(casts()[at]);
    }
    if from == to {
        return None;
    }
    if let (Some(source), Some(target)) = (types::element_of(from), types::element_of(to)) {
        let context = cast(source, target).map(|element| element.context)?;
        return Some(Cast { from, to, context, form: Form::Pattern("pg_array_cast({0}, {type0}, {result})") });
    }
    if types::is_string(to) {
        return Some(Cast { from, to, context: CastContext::Assignment, form: output_form(from)? });
    }
    if types::is_string(from) {
        return Some(Cast { from, to, context: CastContext::Explicit, form: input_form(to)? });
    }
    None
}

/// The type's output function as SQL: storage form to text. `None` for pseudo-types.
pub fn output_form(from: u32) -> Option<Form> {
    cast::output_form(from)
}

/// The type's input function as SQL: text to storage form. `None` for pseudo-types.
pub fn input_form(to: u32) -> Option<Form> {
    cast::input_form(to)
}

/// Whether the type can be compared, sorted and grouped (`json` cannot: 42883, as in PostgreSQL).
pub fn is_comparable(type_oid: u32) -> bool {
    type_oid != oid::JSON && (types::element_of(type_oid).is_none_or(is_comparable))
}

/// Registers every body and collation on a connection.
///
/// # Errors
/// SQLite's, if the connection refuses a registration.
pub fn register(conn: &Connection) -> rusqlite::Result<()> {
    crate::emit::support::register(conn)?;
    collation::register(conn)?;
    math::register(conn)?;
    divisor::register(conn)?;
    bits::register(conn)?;
    string::register(conn)?;
    pattern::register(conn)?;
    aggregate::register(conn)?;
    set_returning::register(conn)?;
    packed::register(conn)?;
    datetime::register(conn)?;
    timetz::register(conn)?;
    session::register(conn)?;
    effect::register(conn)?;
    json::register(conn)?;
    template::register(conn)?;
    catalog::register(conn)?;
    regtype::register(conn)?;
    array::register(conn)?;
    cast::register(conn)?;
    Ok(())
}

#[cfg(test)]
mod tests;
