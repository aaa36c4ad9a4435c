//! Aggregates and window functions.
//!
//! Sums and averages of exact types are exact. Bodies are window functions as well, except those that collect (arrays,
//! JSON) and so cannot drop a row cheaply: those drop their first value, which is right for every frame that only moves
//! forward, as all of SQLite's do.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

use storage::Value;
use storage::rusqlite::functions::{Aggregate, Context, FunctionFlags, WindowAggregate};
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{Arguments, Out, raise, real, text};
use super::{Function, function_table};
use crate::error::SqlError;
use crate::types::array::Array;
use crate::types::datetime::interval::{self, Interval};
use crate::types::numeric::Numeric;
use crate::types::text::element_text;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    Aggregate "count"() -> INT8, Immutable, Pattern("count(*)");
    Aggregate "count"(ANY) -> INT8, Immutable, Call("count");
    Aggregate "sum"(INT2) -> INT8, Immutable, Call("sum");
    Aggregate "sum"(INT4) -> INT8, Immutable, Call("sum");
    Aggregate "sum"(INT8) -> NUMERIC, Immutable, Call("pg_sum_numeric");
    Aggregate "sum"(NUMERIC) -> NUMERIC, Immutable, Call("pg_sum_numeric");
    Aggregate "sum"(FLOAT4) -> FLOAT4, Immutable, Call("pg_sum_float4");
    Aggregate "sum"(FLOAT8) -> FLOAT8, Immutable, Call("pg_sum_float8");
    Aggregate "sum"(INTERVAL) -> INTERVAL, Immutable, Call("pg_sum_interval");
    Aggregate "avg"(INT2) -> NUMERIC, Immutable, Call("pg_avg_numeric");
    Aggregate "avg"(INT4) -> NUMERIC, Immutable, Call("pg_avg_numeric");
    Aggregate "avg"(INT8) -> NUMERIC, Immutable, Call("pg_avg_numeric");
    Aggregate "avg"(NUMERIC) -> NUMERIC, Immutable, Call("pg_avg_numeric");
    Aggregate "avg"(FLOAT4) -> FLOAT8, Immutable, Call("pg_avg_float8");
    Aggregate "avg"(FLOAT8) -> FLOAT8, Immutable, Call("pg_avg_float8");
    Aggregate "avg"(INTERVAL) -> INTERVAL, Immutable, Call("pg_avg_interval");
    Aggregate "min"(INT2) -> INT2, Immutable, Call("min");
    Aggregate "min"(INT4) -> INT4, Immutable, Call("min");
    Aggregate "min"(INT8) -> INT8, Immutable, Call("min");
    Aggregate "min"(OID) -> OID, Immutable, Call("min");
    Aggregate "min"(FLOAT4) -> FLOAT4, Immutable, Call("min");
    Aggregate "min"(FLOAT8) -> FLOAT8, Immutable, Call("min");
    Aggregate "min"(TEXT) -> TEXT, Immutable, Call("min");
    Aggregate "min"(DATE) -> DATE, Immutable, Call("min");
    Aggregate "min"(TIME) -> TIME, Immutable, Call("min");
    Aggregate "min"(TIMESTAMP) -> TIMESTAMP, Immutable, Call("min");
    Aggregate "min"(TIMESTAMPTZ) -> TIMESTAMPTZ, Immutable, Call("min");
    Aggregate "min"(NUMERIC) -> NUMERIC, Immutable, Pattern("min({0} COLLATE pg_numeric)");
    Aggregate "min"(TIMETZ) -> TIMETZ, Immutable, Pattern("min({0} COLLATE pg_timetz)");
    Aggregate "max"(TIMETZ) -> TIMETZ, Immutable, Pattern("max({0} COLLATE pg_timetz)");
    Aggregate "min"(INTERVAL) -> INTERVAL, Immutable, Pattern("min({0} COLLATE pg_interval)");
    Aggregate "min"(BPCHAR) -> BPCHAR, Immutable, Pattern("min({0} COLLATE rtrim)");
    Aggregate "min"(ANYARRAY) -> ANYARRAY, Immutable, Pattern("min({0}{collate0})");
    Aggregate "max"(INT2) -> INT2, Immutable, Call("max");
    Aggregate "max"(INT4) -> INT4, Immutable, Call("max");
    Aggregate "max"(INT8) -> INT8, Immutable, Call("max");
    Aggregate "max"(OID) -> OID, Immutable, Call("max");
    Aggregate "max"(FLOAT4) -> FLOAT4, Immutable, Call("max");
    Aggregate "max"(FLOAT8) -> FLOAT8, Immutable, Call("max");
    Aggregate "max"(TEXT) -> TEXT, Immutable, Call("max");
    Aggregate "max"(DATE) -> DATE, Immutable, Call("max");
    Aggregate "max"(TIME) -> TIME, Immutable, Call("max");
    Aggregate "max"(TIMESTAMP) -> TIMESTAMP, Immutable, Call("max");
    Aggregate "max"(TIMESTAMPTZ) -> TIMESTAMPTZ, Immutable, Call("max");
    Aggregate "max"(NUMERIC) -> NUMERIC, Immutable, Pattern("max({0} COLLATE pg_numeric)");
    Aggregate "max"(INTERVAL) -> INTERVAL, Immutable, Pattern("max({0} COLLATE pg_interval)");
    Aggregate "max"(BPCHAR) -> BPCHAR, Immutable, Pattern("max({0} COLLATE rtrim)");
    Aggregate "max"(ANYARRAY) -> ANYARRAY, Immutable, Pattern("max({0}{collate0})");
    Aggregate "bool_and"(BOOL) -> BOOL, Immutable, Call("min");
    Aggregate "every"(BOOL) -> BOOL, Immutable, Call("min");
    Aggregate "bool_or"(BOOL) -> BOOL, Immutable, Call("max");
    Aggregate "string_agg"(TEXT, TEXT) -> TEXT, Immutable, Call("group_concat");
    Aggregate "array_agg"(ANYNONARRAY) -> ANYARRAY, Immutable, Pattern("pg_array_agg({0}, {type0})");
    Aggregate "stddev"(NUMERIC) -> NUMERIC, Immutable, Call("pg_stddev_samp");
    Aggregate "stddev_samp"(NUMERIC) -> NUMERIC, Immutable, Call("pg_stddev_samp");
    Aggregate "stddev_pop"(NUMERIC) -> NUMERIC, Immutable, Call("pg_stddev_pop");
    Aggregate "variance"(NUMERIC) -> NUMERIC, Immutable, Call("pg_var_samp");
    Aggregate "var_samp"(NUMERIC) -> NUMERIC, Immutable, Call("pg_var_samp");
    Aggregate "var_pop"(NUMERIC) -> NUMERIC, Immutable, Call("pg_var_pop");
    Aggregate "stddev"(FLOAT8) -> FLOAT8, Immutable, Call("pg_stddev_samp_float");
    Aggregate "stddev_samp"(FLOAT8) -> FLOAT8, Immutable, Call("pg_stddev_samp_float");
    Aggregate "stddev_pop"(FLOAT8) -> FLOAT8, Immutable, Call("pg_stddev_pop_float");
    Aggregate "variance"(FLOAT8) -> FLOAT8, Immutable, Call("pg_var_samp_float");
    Aggregate "var_samp"(FLOAT8) -> FLOAT8, Immutable, Call("pg_var_samp_float");
    Aggregate "var_pop"(FLOAT8) -> FLOAT8, Immutable, Call("pg_var_pop_float");
    Window "row_number"() -> INT8, Immutable, Call("row_number");
    Window "rank"() -> INT8, Immutable, Call("rank");
    Window "dense_rank"() -> INT8, Immutable, Call("dense_rank");
    Window "percent_rank"() -> FLOAT8, Immutable, Call("percent_rank");
    Window "cume_dist"() -> FLOAT8, Immutable, Call("cume_dist");
    Window "ntile"(INT4) -> INT4, Immutable, Call("ntile");
    Window "lag"(ANYELEMENT) -> ANYELEMENT, Immutable, Call("lag");
    Window "lag"(ANYELEMENT, INT4) -> ANYELEMENT, Immutable, Call("lag");
    Window "lag"(ANYELEMENT, INT4, ANYELEMENT) -> ANYELEMENT, Immutable, Call("lag");
    Window "lead"(ANYELEMENT) -> ANYELEMENT, Immutable, Call("lead");
    Window "lead"(ANYELEMENT, INT4) -> ANYELEMENT, Immutable, Call("lead");
    Window "lead"(ANYELEMENT, INT4, ANYELEMENT) -> ANYELEMENT, Immutable, Call("lead");
    Window "first_value"(ANYELEMENT) -> ANYELEMENT, Immutable, Call("first_value");
    Window "last_value"(ANYELEMENT) -> ANYELEMENT, Immutable, Call("last_value");
    Window "nth_value"(ANYELEMENT, INT4) -> ANYELEMENT, Immutable, Call("nth_value");
};

/// The state of an aggregate between rows.
pub(super) trait State: Default + Send + UnwindSafe + RefUnwindSafe {
    /// Takes a row whose first argument is not NULL (any row, if the state says so).
    fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError>;
    /// Drops the oldest row of the frame, which has these arguments.
    fn remove(&mut self, a: &Arguments<'_>) -> Result<(), SqlError>;
    /// The result over the rows taken.
    fn result(&self) -> Result<Value, SqlError>;
    /// Whether rows with a NULL argument count.
    const TAKES_NULL: bool = false;
}

/// Runs a [`State`] for SQLite.
struct Runner<S>(PhantomData<fn() -> S>);

fn step<S: State>(ctx: &Context<'_>, run: impl FnOnce(&Arguments<'_>) -> Result<(), SqlError>) -> rusqlite::Result<()> {
    let arguments = Arguments::of(ctx).map_err(|error| raise(&error))?;
    if !S::TAKES_NULL && arguments.is_null(0) {
        return Ok(());
    }
    run(&arguments).map_err(|error| raise(&error))
}

impl<S: State> Aggregate<S, Out> for Runner<S> {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<S> {
        Ok(S::default())
    }

    fn step(&self, ctx: &mut Context<'_>, state: &mut S) -> rusqlite::Result<()> {
        step::<S>(ctx, |arguments| state.add(arguments))
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<S>) -> rusqlite::Result<Out> {
        state.unwrap_or_default().result().map(Out).map_err(|error| raise(&error))
    }
}

impl<S: State> WindowAggregate<S, Out> for Runner<S> {
    fn value(&self, state: Option<&mut S>) -> rusqlite::Result<Out> {
        match state {
            Some(state) => state.result(),
            None => S::default().result(),
        }
        .map(Out)
        .map_err(|error| raise(&error))
    }

    fn inverse(&self, ctx: &mut Context<'_>, state: &mut S) -> rusqlite::Result<()> {
        step::<S>(ctx, |arguments| state.remove(arguments))
    }
}

pub(super) fn add<S: State + 'static>(conn: &Connection, name: &str, arity: i32) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_window_function(name, arity, flags, Runner::<S>(PhantomData))
}

/// Sum, sum of squares and count of exact numbers.
struct Exact {
    /// Integers are summed here as long as they fit; a table of int8 takes no other path.
    whole: i128,
    rest: Numeric,
    squares: Numeric,
    count: i64,
}

impl Default for Exact {
    fn default() -> Self {
        Self { whole: 0, rest: Numeric::zero(), squares: Numeric::zero(), count: 0 }
    }
}

impl Exact {
    fn take(&mut self, a: &Arguments<'_>, sign: i64) -> Result<(), SqlError> {
        self.count += sign;
        if let storage::ValueRef::Integer(value) = a.value(0)
            && let Some(whole) = self.whole.checked_add(i128::from(value) * i128::from(sign))
        {
            self.whole = whole;
            return Ok(());
        }
        let value = a.numeric(0)?;
        self.rest = if sign > 0 { self.rest.add(&value)? } else { self.rest.subtract(&value)? };
        Ok(())
    }

    fn take_square(&mut self, a: &Arguments<'_>, sign: i64) -> Result<(), SqlError> {
        let value = a.numeric(0)?;
        let square = value.multiply(&value)?;
        self.squares = if sign > 0 { self.squares.add(&square)? } else { self.squares.subtract(&square)? };
        self.take(a, sign)
    }

    fn sum(&self) -> Result<Numeric, SqlError> {
        Numeric::from(self.whole).add(&self.rest)
    }

    /// The variance over `count - correction` degrees of freedom; `None` is NULL.
    fn variance(&self, correction: i64) -> Result<Option<Numeric>, SqlError> {
        let freedom = self.count - correction;
        if self.count == 0 || freedom <= 0 {
            return Ok(None);
        }
        let count = Numeric::from(self.count);
        let sum = self.sum()?;
        let spread = count.multiply(&self.squares)?.subtract(&sum.multiply(&sum)?)?;
        if spread <= Numeric::zero() {
            return Ok(Some(Numeric::zero()));
        }
        spread.divide(&count.multiply(&Numeric::from(freedom))?).map(Some)
    }
}

macro_rules! exact_states {
    ($($name:ident $take:ident |$state:ident| $result:expr;)*) => {
        $(
            #[derive(Default)]
            struct $name(Exact);

            impl State for $name {
                fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
                    self.0.$take(a, 1)
                }

                fn remove(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
                    self.0.$take(a, -1)
                }

                fn result(&self) -> Result<Value, SqlError> {
                    let $state = &self.0;
                    let value: Option<Numeric> = $result;
                    Ok(value.map_or(Value::Null, |value| text(value.to_string())))
                }
            }
        )*
    };
}

fn root(variance: Option<Numeric>) -> Result<Option<Numeric>, SqlError> {
    variance.map(|variance| variance.square_root()).transpose()
}

exact_states! {
    SumNumeric take |state| if state.count == 0 { None } else { Some(state.sum()?) };
    AverageNumeric take |state| if state.count == 0 { None } else { Some(state.sum()?.divide(&Numeric::from(state.count))?) };
    SampleVariance take_square |state| state.variance(1)?;
    PopulationVariance take_square |state| state.variance(0)?;
    SampleDeviation take_square |state| root(state.variance(1)?)?;
    PopulationDeviation take_square |state| root(state.variance(0)?)?;
}

/// Floats of a frame. Removing a float from a sum loses digits, so that the values are kept and summed anew.
#[derive(Default)]
struct Floats(VecDeque<f64>);

impl Floats {
    fn sum(&self) -> Result<f64, SqlError> {
        let sum: f64 = self.0.iter().sum();
        if sum.is_infinite() && self.0.iter().all(|value| value.is_finite()) {
            return Err(SqlError::new("22003", "value out of range: overflow"));
        }
        Ok(sum)
    }

    /// The variance over `count - correction` degrees of freedom, in two passes.
    fn variance(&self, correction: usize) -> Result<Option<f64>, SqlError> {
        let Some(freedom) = self.0.len().checked_sub(correction).filter(|freedom| *freedom > 0) else {
            return Ok(None);
        };
        let mean = self.sum()? / self.0.len() as f64;
        Ok(Some(self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / freedom as f64))
    }
}

macro_rules! float_states {
    ($($name:ident |$state:ident| $result:expr;)*) => {
        $(
            #[derive(Default)]
            struct $name(Floats);

            impl State for $name {
                fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
                    self.0.0.push_back(a.float(0)?);
                    Ok(())
                }

                fn remove(&mut self, _: &Arguments<'_>) -> Result<(), SqlError> {
                    self.0.0.pop_front();
                    Ok(())
                }

                fn result(&self) -> Result<Value, SqlError> {
                    let $state = &self.0;
                    let value: Option<f64> = if $state.0.is_empty() { None } else { $result };
                    Ok(value.map_or(Value::Null, real))
                }
            }
        )*
    };
}

float_states! {
    SumFloat8 |state| Some(state.sum()?);
    SumFloat4 |state| Some(f64::from(state.sum()? as f32));
    AverageFloat |state| Some(state.sum()? / state.0.len() as f64);
    SampleVarianceFloat |state| state.variance(1)?;
    PopulationVarianceFloat |state| state.variance(0)?;
    SampleDeviationFloat |state| state.variance(1)?.map(f64::sqrt);
    PopulationDeviationFloat |state| state.variance(0)?.map(f64::sqrt);
}

/// Sum and count of intervals.
#[derive(Default)]
struct Intervals {
    sum: Interval,
    count: i64,
}

impl Intervals {
    fn take(&mut self, a: &Arguments<'_>, negative: bool) -> Result<(), SqlError> {
        let value = interval::parse(&a.text(0)?)?;
        self.sum = self.sum.plus(if negative { value.negate()? } else { value })?;
        self.count += if negative { -1 } else { 1 };
        Ok(())
    }
}

#[derive(Default)]
struct SumInterval(Intervals);

#[derive(Default)]
struct AverageInterval(Intervals);

impl State for SumInterval {
    fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.take(a, false)
    }

    fn remove(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.take(a, true)
    }

    fn result(&self) -> Result<Value, SqlError> {
        Ok(if self.0.count == 0 { Value::Null } else { text(self.0.sum.to_string()) })
    }
}

impl State for AverageInterval {
    fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.take(a, false)
    }

    fn remove(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.take(a, true)
    }

    fn result(&self) -> Result<Value, SqlError> {
        if self.0.count == 0 {
            return Ok(Value::Null);
        }
        Ok(text(self.0.sum.divide(self.0.count as f64)?.to_string()))
    }
}

/// The elements of `array_agg`, NULLs included.
#[derive(Default)]
struct Elements(VecDeque<Option<String>>);

impl State for Elements {
    const TAKES_NULL: bool = true;

    fn add(&mut self, a: &Arguments<'_>) -> Result<(), SqlError> {
        let type_oid = super::cast::type_argument(a, 1)?;
        self.0.push_back((!a.is_null(0)).then(|| element_text(type_oid, a.value(0))));
        Ok(())
    }

    fn remove(&mut self, _: &Arguments<'_>) -> Result<(), SqlError> {
        self.0.pop_front();
        Ok(())
    }

    fn result(&self) -> Result<Value, SqlError> {
        if self.0.is_empty() {
            return Ok(Value::Null);
        }
        Ok(text(Array::of(self.0.iter().cloned().collect()).to_string()))
    }
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    add::<SumNumeric>(conn, "pg_sum_numeric", 1)?;
    add::<AverageNumeric>(conn, "pg_avg_numeric", 1)?;
    add::<SampleVariance>(conn, "pg_var_samp", 1)?;
    add::<PopulationVariance>(conn, "pg_var_pop", 1)?;
    add::<SampleDeviation>(conn, "pg_stddev_samp", 1)?;
    add::<PopulationDeviation>(conn, "pg_stddev_pop", 1)?;
    add::<SumFloat8>(conn, "pg_sum_float8", 1)?;
    add::<SumFloat4>(conn, "pg_sum_float4", 1)?;
    add::<AverageFloat>(conn, "pg_avg_float8", 1)?;
    add::<SampleVarianceFloat>(conn, "pg_var_samp_float", 1)?;
    add::<PopulationVarianceFloat>(conn, "pg_var_pop_float", 1)?;
    add::<SampleDeviationFloat>(conn, "pg_stddev_samp_float", 1)?;
    add::<PopulationDeviationFloat>(conn, "pg_stddev_pop_float", 1)?;
    add::<SumInterval>(conn, "pg_sum_interval", 1)?;
    add::<AverageInterval>(conn, "pg_avg_interval", 1)?;
    add::<Elements>(conn, "pg_array_agg", 2)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    fn over(aggregate: &str, values: &str, expected: &str) {
        check(&format!("{aggregate} FROM (SELECT column1 AS x FROM (VALUES {values}))"), expected);
    }

    #[test]
    fn sums_and_averages_are_exact() {
        over("pg_sum_numeric(x)", "(9223372036854775807), (9223372036854775807), (NULL)", "18446744073709551614");
        over("pg_sum_numeric(x)", "('1.10'), ('2')", "3.10");
        over("pg_avg_numeric(x)", "(1), (2)", "1.5000000000000000");
        over("pg_avg_numeric(x)", "(1), (2), (2)", "1.6666666666666667");
        over("pg_avg_numeric(x)", "(NULL)", "NULL");
        over("pg_sum_float8(x)", "(1.5), (2.5)", "4.0");
        over("pg_sum_float8(x)", "(1e308), (1e308)", "value out of range: overflow (22003)");
        over("pg_avg_interval(x)", "('1 day'), ('2 days')", "1 day 12:00:00");
    }

    #[test]
    fn deviations_are_postgresql_s() {
        over("pg_var_samp(x)", "(1), (2), (4)", "2.3333333333333333");
        over("pg_stddev_samp(x)", "(1), (2), (4)", "1.5275252316519467");
        over("pg_stddev_pop(x)", "(1), (2), (4)", "1.2472191289246471");
        over("pg_var_pop(x)", "(5)", "0");
        over("pg_var_samp(x)", "(5)", "NULL");
        over("pg_stddev_pop_float(x)", "(1.0), (3.0)", "1.0");
    }

    #[test]
    fn arrays_keep_null_and_order() {
        over("pg_array_agg(x, 25)", "('a'), (NULL), ('b c')", "{a,NULL,\"b c\"}");
        over("pg_array_agg(x, 16)", "(1), (0)", "{t,f}");
        check("pg_array_agg(1, 23) WHERE 0", "NULL");
    }

    #[test]
    fn frames_drop_their_oldest_row() {
        check(
            "group_concat(s, ' ') FROM (SELECT pg_sum_numeric(value) OVER (ORDER BY value ROWS 1 PRECEDING) AS s FROM pg_series_int(1, 4, 1))",
            "1 3 5 7",
        );
        check(
            "group_concat(s, ' ') FROM (SELECT pg_array_agg(value, 23) OVER (ORDER BY value ROWS 1 PRECEDING) AS s FROM pg_series_int(1, 3, 1))",
            "{1} {1,2} {2,3}",
        );
    }
}
