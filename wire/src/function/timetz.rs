//! Operators, casts and functions of `time with time zone`.
//!
//! What depends on the session's time zone or on today gets them as arguments, so that bodies are pure.

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{Arguments, strict, text};
use super::{Cast, CastContext, Function, Operator, function_table};
use crate::error::SqlError;
use crate::session::settings::DateOrder;
use crate::types::datetime::arithmetic::out_of_range;
use crate::types::datetime::timetz::{OFFSET_MAX, TimeTz};
use crate::types::datetime::{SECOND, Time, parse, zone};
use crate::types::oid::{DATE, INTERVAL, TIME, TIMESTAMPTZ, TIMETZ};

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "extract"(TEXT, TIMETZ) -> NUMERIC, Immutable, Call("pg_extract_timetz");
    "date_part"(TEXT, TIMETZ) -> FLOAT8, Immutable, Pattern("pg_numeric_to_float(pg_extract_timetz({0}, {1}))");
    "timezone"(TEXT, TIMETZ) -> TIMETZ, Volatile, Pattern("pg_timetz_in({1}, {0}, {now})");
    "timezone"(INTERVAL, TIMETZ) -> TIMETZ, Immutable, Pattern("pg_timetz_by({1}, {0})");
    "timetz"(TIMESTAMPTZ) -> TIMETZ, Stable, Pattern("pg_timetz_at({0}, {timezone})");
    "timetz"(TIME) -> TIMETZ, Stable, Pattern("pg_timetz_today({0}, {now}, {timezone})");
};

pub(super) fn operators(table: &mut Vec<Operator>) {
    for (name, left, right, result, form) in [
        ("+", TIMETZ, INTERVAL, TIMETZ, Call("pg_add_timetz")),
        ("+", INTERVAL, TIMETZ, TIMETZ, Pattern("pg_add_timetz({1}, {0})")),
        ("-", TIMETZ, INTERVAL, TIMETZ, Pattern("pg_add_timetz({0}, pg_negate_interval({1}))")),
        ("+", DATE, TIMETZ, TIMESTAMPTZ, Call("pg_timetz_on")),
        ("+", TIMETZ, DATE, TIMESTAMPTZ, Pattern("pg_timetz_on({1}, {0})")),
    ] {
        table.push(Operator { name, left: Some(left), right, result, form });
    }
}

pub(super) fn casts(table: &mut Vec<Cast>) {
    use CastContext::{Assignment, Implicit};
    for (from, to, context, form) in [
        (TIMETZ, TIME, Assignment, Call("pg_timetz_time")),
        (TIME, TIMETZ, Implicit, Pattern("pg_timetz_today({0}, {now}, {timezone})")),
        (TIMESTAMPTZ, TIMETZ, Assignment, Pattern("pg_timetz_at({0}, {timezone})")),
    ] {
        table.push(Cast { from, to, context, form });
    }
}

impl Arguments<'_> {
    fn timetz(&self, at: usize) -> Result<TimeTz, SqlError> {
        let text = self.text(at)?;
        TimeTz::load(&text).map_or_else(|| parse::time_zoned(&text, DateOrder::Mdy, "UTC"), Ok)
    }
}

fn shown(value: TimeTz) -> Value {
    text(value.show())
}

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_extract_timetz", 2, |a| a.timetz(1)?.extract(&a.text(0)?).map(|value| text(value.to_string())))?;
    strict(conn, "pg_timetz_in", 3, |a| {
        let zone = zone::find(&a.text(1)?)?;
        Ok(shown(a.timetz(0)?.with_offset(zone.offset_at(a.timestamp(2)?))))
    })?;
    strict(conn, "pg_timetz_by", 2, |a| {
        let interval = a.interval(1)?;
        if interval.months != 0 || interval.days != 0 {
            let message = format!("interval time zone \"{interval}\" must not include months or days");
            return Err(SqlError::new("22023", message));
        }
        let offset = i32::try_from(interval.micros / SECOND).ok().filter(|offset| offset.abs() <= OFFSET_MAX);
        Ok(shown(a.timetz(0)?.with_offset(offset.ok_or_else(|| out_of_range("interval"))?)))
    })?;
    strict(conn, "pg_timetz_at", 2, |a| Ok(TimeTz::at(a.timestamp(0)?, &*a.zone(1)?).map_or(Value::Null, shown)))?;
    strict(conn, "pg_timetz_today", 3, |a| Ok(shown(TimeTz::today(a.time(0)?, a.timestamp(1)?, &*a.zone(2)?))))?;
    strict(conn, "pg_timetz_time", 1, |a| Ok(text(a.timetz(0)?.time.show())))?;
    strict(conn, "pg_timetz_on", 2, |a| {
        let moment = a.timetz(1)?.on(a.date(0)?).ok_or_else(|| out_of_range("timestamp"))?;
        Ok(text(moment.store_zoned()))
    })?;
    strict(conn, "pg_add_timetz", 2, |a| Ok(shown(a.timetz(0)?.plus(a.interval(1)?))))?;
    strict(conn, "pg_fit_timetz", 3, |a| {
        let value = a.timetz(0)?;
        let time = super::datetime::precision(a)?
            .map_or(value.time, |precision| Time(super::datetime::to_precision(value.time.0, precision)));
        Ok(shown(TimeTz { time, ..value }))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn offsets_follow_the_zone_and_the_day() {
        check("pg_timetz_in('12:00:00+00', 'America/New_York', '2024-07-01 00:00:00+00')", "08:00:00-04");
        check("pg_timetz_in('12:00:00+00', 'America/New_York', '2024-01-01 00:00:00+00')", "07:00:00-05");
        check("pg_timetz_by('12:00:00+00', '-02:30:00')", "09:30:00-02:30");
        check(
            "pg_timetz_by('12:00:00+00', '1 mon')",
            "interval time zone \"1 mon\" must not include months or days (22023)",
        );
        check("pg_timetz_today('02:00:00', '2024-07-01 00:00:00+00', 'Europe/Berlin')", "02:00:00+02");
        check("pg_timetz_at('infinity', 'UTC')", "NULL");
    }

    #[test]
    fn times_with_zones_move_and_meet_dates() {
        check("pg_add_timetz('23:30:00+01', '1 day 01:00:00')", "00:30:00+01");
        check("pg_timetz_on('2024-02-29', '23:00:00-02')", "2024-03-01 01:00:00+00");
        check("pg_extract_timetz('timezone_minute', '10:00:00-03:30')", "-30");
        check("pg_extract_timetz('epoch', '00:00:01.5+01')", "-3598.500000");
        check("pg_fit_timetz('23:59:59.96+00', 1, 0)", "24:00:00+00");
        check("'10:00:00+00' > '11:00:00+01' COLLATE pg_timetz", "1");
    }
}
