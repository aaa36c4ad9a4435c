//! Operators, casts and functions of dates, times, timestamps and intervals.
//!
//! What depends on the session's time zone gets it as an argument, so that bodies are pure. `now()` and its kin are values
//! of the session; only `clock_timestamp()` reads the clock.

use std::rc::Rc;

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{Arguments, boolean, strict, text, volatile};
use super::{Cast, CastContext, Form, Function, Operator, function_table};
use crate::error::SqlError;
use crate::execute::clock::WallTime;
use crate::session::settings::DateOrder;
use crate::types::catalog;
use crate::types::datetime::arithmetic::{self, out_of_range};
use crate::types::datetime::calendar::{self, Civil};
use crate::types::datetime::interval::{self, Interval};
use crate::types::datetime::zone::{self, Zone};
use crate::types::datetime::{DAY, Date, HOUR, MINUTE, SECOND, Time, Timestamp, parse};
use crate::types::numeric::Numeric;
use crate::types::oid::{self, DATE, FLOAT8, INT4, INTERVAL, TIME, TIMESTAMP, TIMESTAMPTZ};

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "now"() -> TIMESTAMPTZ, Stable, Pattern("{now}");
    "transaction_timestamp"() -> TIMESTAMPTZ, Stable, Pattern("{now}");
    "statement_timestamp"() -> TIMESTAMPTZ, Stable, Pattern("{statement_timestamp}");
    "clock_timestamp"() -> TIMESTAMPTZ, Volatile, Call("pg_clock");
    "date_trunc"(TEXT, TIMESTAMP) -> TIMESTAMP, Immutable, Call("pg_trunc_timestamp");
    "date_trunc"(TEXT, TIMESTAMPTZ) -> TIMESTAMPTZ, Stable, Pattern("pg_trunc_timestamptz({0}, {1}, {timezone})");
    "date_trunc"(TEXT, TIMESTAMPTZ, TEXT) -> TIMESTAMPTZ, Stable, Call("pg_trunc_timestamptz");
    "extract"(TEXT, DATE) -> NUMERIC, Immutable, Call("pg_extract_date");
    "extract"(TEXT, TIME) -> NUMERIC, Immutable, Call("pg_extract_time");
    "extract"(TEXT, TIMESTAMP) -> NUMERIC, Immutable, Call("pg_extract_timestamp");
    "extract"(TEXT, TIMESTAMPTZ) -> NUMERIC, Stable, Pattern("pg_extract_timestamptz({0}, {1}, {timezone})");
    "extract"(TEXT, INTERVAL) -> NUMERIC, Immutable, Call("pg_extract_interval");
    "date_part"(TEXT, DATE) -> FLOAT8, Immutable, Pattern("pg_numeric_to_float(pg_extract_date({0}, {1}))");
    "date_part"(TEXT, TIME) -> FLOAT8, Immutable, Pattern("CAST(pg_extract_time({0}, {1}) AS REAL)");
    "date_part"(TEXT, TIMESTAMP) -> FLOAT8, Immutable, Pattern("pg_numeric_to_float(pg_extract_timestamp({0}, {1}))");
    "date_part"(TEXT, TIMESTAMPTZ) -> FLOAT8, Stable, Pattern("pg_numeric_to_float(pg_extract_timestamptz({0}, {1}, {timezone}))");
    "date_part"(TEXT, INTERVAL) -> FLOAT8, Immutable, Pattern("pg_numeric_to_float(pg_extract_interval({0}, {1}))");
    "age"(TIMESTAMP, TIMESTAMP) -> INTERVAL, Immutable, Call("pg_age");
    "age"(TIMESTAMPTZ, TIMESTAMPTZ) -> INTERVAL, Immutable, Pattern("pg_age(pg_local({0}, {timezone}), pg_local({1}, {timezone}))");
    "age"(TIMESTAMP) -> INTERVAL, Stable, Pattern("pg_age(pg_midnight(pg_date(pg_local({now}, {timezone}))), {0})");
    "age"(TIMESTAMPTZ) -> INTERVAL, Stable, Pattern("pg_age(pg_midnight(pg_date(pg_local({now}, {timezone}))), pg_local({0}, {timezone}))");
    "timezone"(TEXT, TIMESTAMPTZ) -> TIMESTAMP, Immutable, Pattern("pg_local({1}, {0})");
    "timezone"(TEXT, TIMESTAMP) -> TIMESTAMPTZ, Immutable, Pattern("pg_moment({1}, {0})");
    "timezone"(INTERVAL, TIMESTAMPTZ) -> TIMESTAMP, Immutable, Pattern("pg_local_by({1}, {0})");
    "timezone"(INTERVAL, TIMESTAMP) -> TIMESTAMPTZ, Immutable, Pattern("pg_moment_by({1}, {0})");
    "make_date"(INT4, INT4, INT4) -> DATE, Immutable, Call("pg_make_date");
    "make_time"(INT4, INT4, FLOAT8) -> TIME, Immutable, Call("pg_make_time");
    "make_timestamp"(INT4, INT4, INT4, INT4, INT4, FLOAT8) -> TIMESTAMP, Immutable, Call("pg_make_timestamp");
    "make_timestamptz"(INT4, INT4, INT4, INT4, INT4, FLOAT8) -> TIMESTAMPTZ, Stable, Pattern("pg_moment(pg_make_timestamp({0}, {1}, {2}, {3}, {4}, {5}), {timezone})");
    "make_timestamptz"(INT4, INT4, INT4, INT4, INT4, FLOAT8, TEXT) -> TIMESTAMPTZ, Stable, Call("pg_make_timestamptz");
    "to_timestamp"(FLOAT8) -> TIMESTAMPTZ, Immutable, Call("pg_from_unix");
    "justify_hours"(INTERVAL) -> INTERVAL, Immutable, Call("pg_justify_hours");
    "justify_days"(INTERVAL) -> INTERVAL, Immutable, Call("pg_justify_days");
    "isfinite"(DATE) -> BOOL, Immutable, Call("pg_is_finite");
    "isfinite"(TIMESTAMP) -> BOOL, Immutable, Call("pg_is_finite");
    "isfinite"(TIMESTAMPTZ) -> BOOL, Immutable, Call("pg_is_finite");
    "isfinite"(INTERVAL) -> BOOL, Immutable, Pattern("({0} = {0})");
    "justify_interval"(INTERVAL) -> INTERVAL, Immutable, Call("pg_justify_interval");
    "date_trunc"(TEXT, INTERVAL) -> INTERVAL, Immutable, Call("pg_trunc_interval");
    "date_bin"(INTERVAL, TIMESTAMP, TIMESTAMP) -> TIMESTAMP, Immutable, Call("pg_bin_timestamp");
    "date_bin"(INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ) -> TIMESTAMPTZ, Immutable, Call("pg_bin_timestamptz");
};

/// A date as the timestamp at its midnight, the other side as it is, compared.
macro_rules! mixed {
    ($left:literal, $right:literal) => {
        [
            Pattern(concat!("(", $left, " = ", $right, ")")),
            Pattern(concat!("(", $left, " <> ", $right, ")")),
            Pattern(concat!("(", $left, " < ", $right, ")")),
            Pattern(concat!("(", $left, " <= ", $right, ")")),
            Pattern(concat!("(", $left, " > ", $right, ")")),
            Pattern(concat!("(", $left, " >= ", $right, ")")),
        ]
    };
}

pub(super) fn operators(table: &mut Vec<Operator>) {
    let mut add = |name: &'static str, left: u32, right: u32, result: u32, form: Form| {
        table.push(Operator { name, left: Some(left), right, result, form });
    };
    for (left, right, forms) in [
        (DATE, TIMESTAMP, mixed!("pg_midnight({0})", "{1}")),
        (TIMESTAMP, DATE, mixed!("{0}", "pg_midnight({1})")),
        (DATE, TIMESTAMPTZ, mixed!("pg_moment(pg_midnight({0}), {timezone})", "{1}")),
        (TIMESTAMPTZ, DATE, mixed!("{0}", "pg_moment(pg_midnight({1}), {timezone})")),
        (TIMESTAMP, TIMESTAMPTZ, mixed!("pg_moment({0}, {timezone})", "{1}")),
        (TIMESTAMPTZ, TIMESTAMP, mixed!("{0}", "pg_moment({1}, {timezone})")),
    ] {
        for (name, form) in ["=", "<>", "<", "<=", ">", ">="].into_iter().zip(forms) {
            add(name, left, right, oid::BOOL, form);
        }
    }
    for (name, left, right, result, form) in [
        ("+", DATE, INT4, DATE, Call("pg_add_days")),
        ("+", INT4, DATE, DATE, Pattern("pg_add_days({1}, {0})")),
        ("-", DATE, INT4, DATE, Pattern("pg_add_days({0}, -{1})")),
        ("-", DATE, DATE, INT4, Call("pg_days_between")),
        ("+", DATE, INTERVAL, TIMESTAMP, Pattern("pg_add_timestamp(pg_midnight({0}), {1})")),
        ("+", INTERVAL, DATE, TIMESTAMP, Pattern("pg_add_timestamp(pg_midnight({1}), {0})")),
        ("-", DATE, INTERVAL, TIMESTAMP, Pattern("pg_add_timestamp(pg_midnight({0}), pg_negate_interval({1}))")),
        ("+", DATE, TIME, TIMESTAMP, Pattern("pg_add_timestamp(pg_midnight({0}), {1})")),
        ("+", TIME, DATE, TIMESTAMP, Pattern("pg_add_timestamp(pg_midnight({1}), {0})")),
        ("+", TIMESTAMP, INTERVAL, TIMESTAMP, Call("pg_add_timestamp")),
        ("+", INTERVAL, TIMESTAMP, TIMESTAMP, Pattern("pg_add_timestamp({1}, {0})")),
        ("-", TIMESTAMP, INTERVAL, TIMESTAMP, Pattern("pg_add_timestamp({0}, pg_negate_interval({1}))")),
        ("+", TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, Pattern("pg_add_timestamptz({0}, {1}, {timezone})")),
        ("+", INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ, Pattern("pg_add_timestamptz({1}, {0}, {timezone})")),
        (
            "-",
            TIMESTAMPTZ,
            INTERVAL,
            TIMESTAMPTZ,
            Pattern("pg_add_timestamptz({0}, pg_negate_interval({1}), {timezone})"),
        ),
        ("-", TIMESTAMP, TIMESTAMP, INTERVAL, Call("pg_subtract_timestamp")),
        ("-", TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL, Call("pg_subtract_timestamp")),
        ("+", TIME, INTERVAL, TIME, Call("pg_add_time")),
        ("+", INTERVAL, TIME, TIME, Pattern("pg_add_time({1}, {0})")),
        ("-", TIME, INTERVAL, TIME, Pattern("pg_add_time({0}, pg_negate_interval({1}))")),
        ("-", TIME, TIME, INTERVAL, Call("pg_subtract_time")),
        ("+", INTERVAL, INTERVAL, INTERVAL, Call("pg_add_interval")),
        ("-", INTERVAL, INTERVAL, INTERVAL, Pattern("pg_add_interval({0}, pg_negate_interval({1}))")),
        ("*", INTERVAL, FLOAT8, INTERVAL, Call("pg_multiply_interval")),
        ("*", FLOAT8, INTERVAL, INTERVAL, Pattern("pg_multiply_interval({1}, {0})")),
        ("/", INTERVAL, FLOAT8, INTERVAL, Call("pg_divide_interval")),
    ] {
        add(name, left, right, result, form);
    }
    table.push(Operator { name: "-", left: None, right: INTERVAL, result: INTERVAL, form: Call("pg_negate_interval") });
}

pub(super) fn casts(table: &mut Vec<Cast>) {
    use CastContext::{Assignment, Implicit};
    for (from, to, context, form) in [
        (DATE, TIMESTAMP, Implicit, Call("pg_midnight")),
        (DATE, TIMESTAMPTZ, Implicit, Pattern("pg_moment(pg_midnight({0}), {timezone})")),
        (TIMESTAMP, DATE, Assignment, Call("pg_date")),
        (TIMESTAMP, TIME, Assignment, Call("pg_time")),
        (TIMESTAMP, TIMESTAMPTZ, Implicit, Pattern("pg_moment({0}, {timezone})")),
        (TIMESTAMPTZ, DATE, Assignment, Pattern("pg_date(pg_local({0}, {timezone}))")),
        (TIMESTAMPTZ, TIME, Assignment, Pattern("pg_time(pg_local({0}, {timezone}))")),
        (TIMESTAMPTZ, TIMESTAMP, Assignment, Pattern("pg_local({0}, {timezone})")),
        (TIME, INTERVAL, Implicit, Form::Same),
        (INTERVAL, TIME, Assignment, Call("pg_interval_to_time")),
    ] {
        table.push(Cast { from, to, context, form });
    }
}

impl Arguments<'_> {
    /// A date; a text in another spelling, which files may hold, is read as input.
    pub(super) fn date(&self, at: usize) -> Result<Date, SqlError> {
        let text = self.text(at)?;
        Date::load(&text).map_or_else(|| parse::date(&text, DateOrder::Mdy), Ok)
    }

    pub(super) fn timestamp(&self, at: usize) -> Result<Timestamp, SqlError> {
        let text = self.text(at)?;
        Timestamp::load(&text).map_or_else(|| parse::timestamp_zoned(&text, DateOrder::Mdy, "UTC"), Ok)
    }

    pub(super) fn time(&self, at: usize) -> Result<Time, SqlError> {
        let text = self.text(at)?;
        Time::load(&text).map_or_else(|| parse::time(&text, DateOrder::Mdy), Ok)
    }

    pub(super) fn interval(&self, at: usize) -> Result<Interval, SqlError> {
        interval::parse(&self.text(at)?)
    }

    pub(super) fn zone(&self, at: usize) -> Result<Rc<Zone>, SqlError> {
        zone::find(&self.text(at)?)
    }
}

fn stored(value: Timestamp) -> Value {
    text(value.store())
}

fn stored_zoned(value: Timestamp) -> Value {
    text(value.store_zoned())
}

fn shown(value: Interval) -> Value {
    text(value.to_string())
}

fn in_range(value: Option<Timestamp>) -> Result<Timestamp, SqlError> {
    value.ok_or_else(|| out_of_range("timestamp"))
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    register_conversions(conn)?;
    register_arithmetic(conn)?;
    register_fields(conn)?;
    register_makers(conn)?;
    register_fits(conn)
}

/// The fixed zone of an interval without months and days.
fn fixed_zone(interval: Interval) -> Result<Zone, SqlError> {
    if interval.months != 0 || interval.days != 0 {
        let message = format!("interval time zone \"{interval}\" must not include months or days");
        return Err(SqlError::new("22023", message));
    }
    let seconds = i32::try_from(interval.micros / SECOND).map_err(|_| out_of_range("interval"))?;
    Ok(Zone::Fixed(seconds))
}

fn register_conversions(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_midnight", 1, |a| {
        Ok(stored(a.date(0)?.midnight().ok_or_else(|| SqlError::new("22008", "date out of range for timestamp"))?))
    })?;
    strict(conn, "pg_date", 1, |a| Ok(text(a.timestamp(0)?.date().store())))?;
    strict(conn, "pg_time", 1, |a| {
        let value = a.timestamp(0)?;
        Ok(if value.is_infinite() { Value::Null } else { text(value.time().show()) })
    })?;
    strict(conn, "pg_local", 2, |a| match a.timestamp(0)? {
        // An infinity is the same in every zone, known or not.
        infinity if infinity.is_infinite() => Ok(stored(infinity)),
        moment => in_range(a.zone(1)?.local(moment)).map(stored),
    })?;
    strict(conn, "pg_moment", 2, |a| match a.timestamp(0)? {
        infinity if infinity.is_infinite() => Ok(stored_zoned(infinity)),
        local => in_range(a.zone(1)?.moment(local)).map(stored_zoned),
    })?;
    strict(conn, "pg_local_by", 2, |a| in_range(fixed_zone(a.interval(1)?)?.local(a.timestamp(0)?)).map(stored))?;
    strict(conn, "pg_moment_by", 2, |a| {
        in_range(fixed_zone(a.interval(1)?)?.moment(a.timestamp(0)?)).map(stored_zoned)
    })?;
    strict(conn, "pg_interval_to_time", 1, |a| Ok(text(Time(a.interval(0)?.micros.rem_euclid(DAY)).show())))?;
    strict(conn, "pg_from_unix", 1, |a| {
        let seconds = a.float(0)?;
        if seconds.is_nan() {
            return Err(SqlError::new("22008", "timestamp cannot be NaN"));
        }
        if seconds.is_infinite() {
            return Ok(text(if seconds > 0.0 { "infinity" } else { "-infinity" }));
        }
        let micros = (seconds * SECOND as f64).round_ties_even();
        let found = if micros.abs() < 9e18 { Timestamp::from_unix_micros(micros as i64) } else { None };
        found.map(stored_zoned).ok_or_else(|| SqlError::new("22008", format!("timestamp out of range: \"{seconds}\"")))
    })?;
    strict(conn, "pg_is_finite", 1, |a| Ok(boolean(!a.text(0)?.ends_with("infinity"))))?;
    volatile(conn, "pg_clock", 0, |_| Ok(text(WallTime::now().to_storage())))
}

/// The start of the stride, counted from an origin, in which a time lies.
fn bin(a: &Arguments<'_>) -> Result<Timestamp, SqlError> {
    let (stride, moment, origin) = (a.interval(0)?, a.timestamp(1)?, a.timestamp(2)?);
    if moment.is_infinite() {
        return Ok(moment);
    }
    if origin.is_infinite() {
        return Err(SqlError::new("22008", "origin out of range"));
    }
    if stride.months != 0 {
        return Err(SqlError::unsupported("timestamps cannot be binned into intervals containing months or years"));
    }
    let width = i128::from(stride.days) * i128::from(DAY) + i128::from(stride.micros);
    if width <= 0 {
        return Err(SqlError::new("22008", "stride must be greater than zero"));
    }
    let distance = moment.0.checked_sub(origin.0).ok_or_else(|| out_of_range("interval"))?;
    let distance = i128::from(distance);
    in_range(Timestamp::from_micros(i128::from(origin.0) + distance.div_euclid(width) * width))
}

fn register_arithmetic(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_add_days", 2, |a| {
        let date = a.date(0)?;
        if date.is_infinite() {
            return Ok(text(date.store()));
        }
        let moved = Date::from_days(i64::from(date.0) + a.int(1)?).ok_or_else(|| out_of_range("date"))?;
        Ok(text(moved.store()))
    })?;
    strict(conn, "pg_days_between", 2, |a| {
        let (later, earlier) = (a.date(0)?, a.date(1)?);
        if later.is_infinite() || earlier.is_infinite() {
            return Err(SqlError::new("22008", "cannot subtract infinite dates"));
        }
        Ok(Value::Integer(i64::from(later.0) - i64::from(earlier.0)))
    })?;
    strict(conn, "pg_add_timestamp", 2, |a| Ok(stored(a.timestamp(0)?.plus(a.interval(1)?)?)))?;
    strict(conn, "pg_add_timestamptz", 3, |a| {
        Ok(stored_zoned(a.timestamp(0)?.add_zoned(a.interval(1)?, &*a.zone(2)?)?))
    })?;
    strict(conn, "pg_subtract_timestamp", 2, |a| Ok(shown(a.timestamp(0)?.subtract(a.timestamp(1)?)?)))?;
    strict(conn, "pg_age", 2, |a| Ok(shown(a.timestamp(0)?.age(a.timestamp(1)?)?)))?;
    strict(conn, "pg_add_time", 2, |a| {
        let micros = i128::from(a.time(0)?.0) + i128::from(a.interval(1)?.micros);
        Ok(text(Time(micros.rem_euclid(i128::from(DAY)) as i64).show()))
    })?;
    strict(conn, "pg_subtract_time", 2, |a| {
        Ok(shown(Interval { months: 0, days: 0, micros: a.time(0)?.0 - a.time(1)?.0 }))
    })?;
    strict(conn, "pg_negate_interval", 1, |a| Ok(shown(a.interval(0)?.negate()?)))?;
    strict(conn, "pg_add_interval", 2, |a| Ok(shown(a.interval(0)?.plus(a.interval(1)?)?)))?;
    strict(conn, "pg_multiply_interval", 2, |a| Ok(shown(a.interval(0)?.multiply(a.float(1)?)?)))?;
    strict(conn, "pg_divide_interval", 2, |a| Ok(shown(a.interval(0)?.divide(a.float(1)?)?)))?;
    strict(conn, "pg_justify_hours", 1, |a| Ok(shown(a.interval(0)?.justify_hours()?)))?;
    strict(conn, "pg_justify_interval", 1, |a| Ok(shown(a.interval(0)?.justify()?)))?;
    strict(conn, "pg_trunc_interval", 2, |a| Ok(shown(a.interval(1)?.truncate(&a.text(0)?)?)))?;
    strict(conn, "pg_bin_timestamp", 3, |a| bin(a).map(stored))?;
    strict(conn, "pg_bin_timestamptz", 3, |a| bin(a).map(stored_zoned))?;
    strict(conn, "pg_justify_days", 1, |a| Ok(shown(a.interval(0)?.justify_days()?)))
}

fn numeric(value: Option<Numeric>) -> Value {
    value.map_or(Value::Null, |value| text(value.to_string()))
}

fn register_fields(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_trunc_timestamp", 2, |a| {
        Ok(stored(a.timestamp(1)?.truncate(&a.text(0)?, "timestamp without time zone")?))
    })?;
    strict(conn, "pg_trunc_timestamptz", 3, |a| {
        let moment = a.timestamp(1)?;
        if moment.is_infinite() {
            return Ok(stored_zoned(moment));
        }
        let (name, type_name) = (a.text(0)?, "timestamp with time zone");
        let zone = a.zone(2)?;
        let local = in_range(zone.local(moment))?;
        let cut = local.truncate(&name, type_name)?;
        // Within a day the offset stays, also in the hour that autumn repeats.
        let within_day = arithmetic::Field::parse(&name, type_name)?.is_within_day();
        let zone = if within_day { Rc::new(Zone::Fixed(zone.offset_at(moment))) } else { zone };
        in_range(zone.moment(cut)).map(stored_zoned)
    })?;
    strict(conn, "pg_extract_date", 2, |a| arithmetic::extract_date(&a.text(0)?, a.date(1)?).map(numeric))?;
    strict(conn, "pg_extract_time", 2, |a| arithmetic::extract_time(&a.text(0)?, a.time(1)?).map(numeric))?;
    strict(conn, "pg_extract_timestamp", 2, |a| {
        arithmetic::extract_timestamp(&a.text(0)?, a.timestamp(1)?, None).map(numeric)
    })?;
    strict(conn, "pg_extract_timestamptz", 3, |a| {
        let (moment, zone) = (a.timestamp(1)?, a.zone(2)?);
        let local = in_range(zone.local(moment))?;
        arithmetic::extract_timestamp(&a.text(0)?, local, Some(zone.offset_at(moment))).map(numeric)
    })?;
    strict(conn, "pg_extract_interval", 2, |a| arithmetic::extract_interval(&a.text(0)?, a.interval(1)?).map(numeric))
}

/// Years before Christ are negative; there is no year 0.
fn make_date(year: i64, month: i64, day: i64) -> Result<Date, SqlError> {
    let refuse = || SqlError::new("22008", format!("date field value out of range: {year}-{month:02}-{day:02}"));
    let astronomical = if year < 0 { year + 1 } else { year };
    if year == 0 || !(1..=12).contains(&month) || day < 1 || day > calendar::month_length(astronomical, month) {
        return Err(refuse());
    }
    Date::from_days(calendar::days(Civil { year: astronomical, month, day })).ok_or_else(refuse)
}

fn make_time(hour: i64, minute: i64, second: f64) -> Result<Time, SqlError> {
    let refuse = || SqlError::new("22008", format!("time field value out of range: {hour}:{minute:02}:{second:02}"));
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&second) {
        return Err(refuse());
    }
    let micros = hour * HOUR + minute * MINUTE + (second * SECOND as f64).round_ties_even() as i64;
    if micros > DAY { Err(refuse()) } else { Ok(Time(micros)) }
}

fn make_timestamp(a: &Arguments<'_>) -> Result<Timestamp, SqlError> {
    let date = make_date(a.int(0)?, a.int(1)?, a.int(2)?)?;
    let time = make_time(a.int(3)?, a.int(4)?, a.float(5)?)?;
    in_range(Timestamp::from_micros(i128::from(date.0) * i128::from(DAY) + i128::from(time.0)))
}

fn register_makers(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_make_date", 3, |a| Ok(text(make_date(a.int(0)?, a.int(1)?, a.int(2)?)?.store())))?;
    strict(conn, "pg_make_time", 3, |a| Ok(text(make_time(a.int(0)?, a.int(1)?, a.float(2)?)?.show())))?;
    strict(conn, "pg_make_timestamp", 6, |a| make_timestamp(a).map(stored))?;
    strict(conn, "pg_make_timestamptz", 7, |a| {
        let local = make_timestamp(a)?;
        in_range(a.zone(6)?.moment(local)).map(stored_zoned)
    })
}

/// Rounds microseconds to a precision of 0 to 6 digits, half away from zero.
pub(super) fn to_precision(micros: i64, precision: u32) -> i64 {
    let unit = 10i64.pow(6 - precision.min(6));
    let half = unit / 2;
    let rounded = if micros < 0 { micros.saturating_sub(half) } else { micros.saturating_add(half) };
    rounded / unit * unit
}

pub(super) fn precision(a: &Arguments<'_>) -> Result<Option<u32>, SqlError> {
    Ok(u32::try_from(a.int(1)?).ok().filter(|precision| *precision <= 6))
}

fn fit_timestamp(a: &Arguments<'_>) -> Result<Timestamp, SqlError> {
    let value = a.timestamp(0)?;
    match precision(a)? {
        Some(precision) if !value.is_infinite() => {
            in_range(Timestamp::from_micros(to_precision(value.0, precision).into()))
        }
        _ => Ok(value),
    }
}

fn register_fits(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_fit_timestamp", 3, |a| fit_timestamp(a).map(stored))?;
    strict(conn, "pg_fit_timestamptz", 3, |a| fit_timestamp(a).map(stored_zoned))?;
    strict(conn, "pg_fit_time", 3, |a| {
        let value = a.time(0)?;
        Ok(text(precision(a)?.map_or(value, |precision| Time(to_precision(value.0, precision))).show()))
    })?;
    strict(conn, "pg_fit_interval", 3, |a| {
        let value = a.interval(0)?;
        let precision = catalog::interval_precision(a.int32(1)?);
        let micros = precision.map_or(value.micros, |precision| to_precision(value.micros, precision));
        Ok(shown(Interval { micros, ..value }))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn dates_move_and_differ_in_days() {
        check("pg_add_days('2024-02-28', 2)", "2024-03-01");
        check("pg_days_between('2024-03-01', '2024-02-28')", "2");
        check("pg_days_between('infinity', '2024-02-28')", "cannot subtract infinite dates (22008)");
        check("pg_add_timestamp(pg_midnight('2024-01-31'), '1 mon')", "2024-02-29 00:00:00");
        check("pg_add_days('5874897-12-31', 1)", "date out of range (22008)");
    }

    #[test]
    fn zones_convert_both_ways() {
        check("pg_local('2024-07-01 12:00:00+00', 'America/New_York')", "2024-07-01 08:00:00");
        check("pg_moment('2024-07-01 08:00:00', 'America/New_York')", "2024-07-01 12:00:00+00");
        check("pg_local('2024-07-01 12:00:00+00', 'nope')", "time zone \"nope\" not recognized (22023)");
        check("pg_local_by('2024-07-01 12:00:00+00', '05:30:00')", "2024-07-01 17:30:00");
        check("pg_add_timestamptz('2024-03-30 12:00:00+00', '1 day', 'Europe/Berlin')", "2024-03-31 11:00:00+00");
        check("pg_trunc_timestamptz('day', '2024-07-01 03:00:00+00', 'America/New_York')", "2024-06-30 04:00:00+00");
    }

    #[test]
    fn fields_and_makers() {
        check("pg_extract_timestamptz('hour', '2024-07-01 12:00:00+00', 'Asia/Kolkata')", "17");
        check("pg_extract_timestamptz('epoch', '1970-01-01 00:00:01+00', 'Asia/Kolkata')", "1.000000");
        check("pg_extract_date('hour', '2024-07-01')", "unit \"hour\" not supported for type date (0A000)");
        check("pg_extract_timestamp('day', 'infinity')", "NULL");
        check("pg_make_date(2024, 2, 30)", "date field value out of range: 2024-02-30 (22008)");
        check("pg_make_timestamp(2024, 1, 2, 3, 4, 5.5)", "2024-01-02 03:04:05.5");
        check("pg_from_unix(1.5)", "1970-01-01 00:00:01.5+00");
        check("pg_clock() > '2020-01-01 00:00:00+00'", "1");
    }

    #[test]
    fn precision_rounds() {
        check("pg_fit_timestamp('2024-01-01 00:00:00.5', 0, 0)", "2024-01-01 00:00:01");
        check("pg_fit_interval('00:00:00.126', 2147418114, 0)", "00:00:00.13");
        check("pg_fit_time('10:00:00.126', 2, 0)", "10:00:00.13");
        check("pg_fit_timestamptz('infinity', 2, 0)", "infinity");
    }

    #[test]
    fn dates_written_in_other_spellings_are_read() {
        check("pg_local('2024-07-01T12:00:00Z', 'UTC')", "2024-07-01 12:00:00");
    }
}
