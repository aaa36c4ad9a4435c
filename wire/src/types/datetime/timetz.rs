//! `time with time zone`: a time of day and an offset from Greenwich that travels with it.
//!
//! Pure. Stored in PostgreSQL's output form (`12:34:56.7+02`) and ordered, under collation `pg_timetz`, by the moment in
//! Greenwich, then by the offset, so that `10:00+00` and `11:00+01` differ, as in PostgreSQL.

use std::cmp::Ordering;

use super::arithmetic::{Field, scaled};
use super::calendar;
use super::interval::Interval;
use super::zone::{self, Zone, offset_text};
use super::{DAY, Date, SECOND, Time, Timestamp};
use crate::error::SqlError;
use crate::types::numeric::Numeric;

/// A value of type `timetz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeTz {
    /// The time that a clock with this offset shows.
    pub time: Time,
    /// Seconds east of Greenwich, less than 16 hours either way.
    pub offset: i32,
}

/// The most seconds that an offset may have.
pub const OFFSET_MAX: i32 = 16 * 3600 - 1;

impl TimeTz {
    /// Storage form and PostgreSQL's output.
    pub fn show(self) -> String {
        format!("{}{}", self.time.show(), offset_text(self.offset))
    }

    /// Reads the storage form.
    pub fn load(text: &str) -> Option<Self> {
        let at = text.rfind(['+', '-'])?;
        let offset = zone::parse_offset(&text[at..]).filter(|offset| offset.abs() <= OFFSET_MAX)?;
        Some(Self { time: Time::load(&text[..at])?, offset })
    }

    /// Microseconds since midnight in Greenwich, possibly of the day before or after.
    fn greenwich(self) -> i64 {
        self.time.0 - i64::from(self.offset) * SECOND
    }

    /// `self + interval`: its months and days have no effect.
    #[must_use]
    pub fn plus(self, interval: Interval) -> Self {
        let micros = i128::from(self.time.0) + i128::from(interval.micros);
        Self { time: Time(micros.rem_euclid(i128::from(DAY)) as i64), ..self }
    }

    /// The moment of this time on a date; `None` out of range.
    pub fn on(self, date: Date) -> Option<Timestamp> {
        match date {
            Date::INFINITY => Some(Timestamp::INFINITY),
            Date::NEGATIVE_INFINITY => Some(Timestamp::NEGATIVE_INFINITY),
            Date(days) => Timestamp::from_micros(i128::from(days) * i128::from(DAY) + i128::from(self.greenwich())),
        }
    }

    /// The same moment of the day under another offset.
    #[must_use]
    pub fn with_offset(self, offset: i32) -> Self {
        Self { time: Time((self.greenwich() + i64::from(offset) * SECOND).rem_euclid(DAY)), offset }
    }

    /// What clocks in a zone show at a moment, with the zone's offset then; `None` for infinities.
    pub fn at(moment: Timestamp, zone: &Zone) -> Option<Self> {
        if moment.is_infinite() {
            return None;
        }
        Some(Self { time: zone.local(moment)?.time(), offset: zone.offset_at(moment) })
    }

    /// A time of a zone's today, where `now` tells the day.
    pub fn today(time: Time, now: Timestamp, zone: &Zone) -> Self {
        let today = zone.local(now).unwrap_or(now).date();
        let local = Timestamp(i64::from(today.0).saturating_mul(DAY).saturating_add(time.0));
        Self { time, offset: zone.offset_of_local(local) }
    }

    /// `extract(field from self)`.
    ///
    /// # Errors
    /// 22023 for an unknown field, 0A000 for one that the type lacks.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every field the type lacks is refused alike")]
    pub fn extract(self, name: &str) -> Result<Numeric, SqlError> {
        let type_name = "time with time zone";
        let field = Field::parse(name, type_name)?;
        if let Some(value) = super::arithmetic::time_field(field, self.time.0) {
            return Ok(value);
        }
        let offset = i64::from(self.offset);
        Ok(match field {
            Field::Timezone => Numeric::from(offset),
            Field::TimezoneHour => Numeric::from(offset / 3600),
            Field::TimezoneMinute => Numeric::from(offset / 60 % 60),
            Field::Epoch => scaled(self.greenwich().into(), 6),
            _ => return Err(field.unsupported(type_name)),
        })
    }
}

impl PartialOrd for TimeTz {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TimeTz {
    /// At the same moment, the one further west is greater.
    fn cmp(&self, other: &Self) -> Ordering {
        self.greenwich().cmp(&other.greenwich()).then_with(|| other.offset.cmp(&self.offset))
    }
}

/// The offset that a zone always has since 2000, if it has one: what a time without date can be read in.
pub fn constant_offset(zone: &Zone) -> Option<i32> {
    let at = |month: i64| {
        let days = calendar::days(calendar::Civil { year: 2024, month, day: 1 });
        zone.offset_at(Timestamp(days * DAY))
    };
    let january = at(1);
    (2..=12).all(|month| at(month) == january).then_some(january)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> TimeTz {
        TimeTz::load(text).expect("a stored time")
    }

    #[test]
    fn stored_times_are_shown_as_they_are() {
        for text in ["12:34:56.789+02", "24:00:00-15:59:59", "00:00:00+00"] {
            assert_eq!(read(text).show(), text);
        }
        for text in ["12:34:56", "12:34:56+16", "25:00+00", "x+00"] {
            assert_eq!(TimeTz::load(text), None, "{text}");
        }
    }

    #[test]
    fn order_is_by_moment_then_offset() {
        assert!(read("10:00:00+00") > read("11:00:00+01"));
        assert!(read("10:00:00+00") < read("11:00:00+00"));
        assert!(read("10:00:00+02") < read("10:00:00+01"));
    }

    #[test]
    fn arithmetic_wraps_around_midnight() {
        let hour = Interval { months: 5, days: 3, micros: 2 * 3600 * SECOND };
        assert_eq!(read("23:00:00+02").plus(hour).show(), "01:00:00+02");
        assert_eq!(read("01:00:00+02").with_offset(-5 * 3600).show(), "18:00:00-05");
    }
}
