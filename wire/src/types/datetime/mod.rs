//! Dates, times, timestamps and intervals: PostgreSQL's values, ranges and arithmetic.
//!
//! Pure; "now" is always an argument. A [`Date`] counts days and a [`Timestamp`] microseconds since 2000-01-01, as in
//! PostgreSQL's binary format, with the extremes of the integer for the infinities. The calendar is the proleptic
//! Gregorian one. Zones are in [`zone`], input syntax in [`parse`], storage and output texts in [`storage_form`].

pub mod arithmetic;
pub mod calendar;
pub mod interval;
pub mod parse;
pub mod storage_form;
pub mod timetz;
pub mod zone;

use calendar::Civil;

/// Microseconds in a second, a minute, an hour, a day.
pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Days since 2000-01-01; the extremes are the infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub i32);

/// Microseconds since 2000-01-01 00:00:00 (UTC for `timestamptz`); the extremes are the infinities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// Microseconds since midnight, up to 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Date {
    pub const INFINITY: Self = Self(i32::MAX);
    pub const NEGATIVE_INFINITY: Self = Self(i32::MIN);
    /// 4713-01-01 BC in the Julian calendar.
    const FIRST: i64 = -2_451_545;
    /// The day after 5874897-12-31.
    const END: i64 = 2_147_483_494 - 2_451_545;

    /// The date of a day count, if in range.
    pub fn from_days(days: i64) -> Option<Self> {
        (Self::FIRST..Self::END).contains(&days).then_some(Self(days as i32))
    }

    /// Whether it is one of the infinities.
    pub fn is_infinite(self) -> bool {
        self == Self::INFINITY || self == Self::NEGATIVE_INFINITY
    }

    /// Midnight of the date, if in range; infinities stay.
    pub fn midnight(self) -> Option<Timestamp> {
        match self {
            Self::INFINITY => Some(Timestamp::INFINITY),
            Self::NEGATIVE_INFINITY => Some(Timestamp::NEGATIVE_INFINITY),
            Self(days) => Timestamp::from_micros(i128::from(days) * i128::from(DAY)),
        }
    }

    /// Year, month, day.
    pub fn civil(self) -> Civil {
        calendar::civil(i64::from(self.0))
    }
}

impl Timestamp {
    pub const INFINITY: Self = Self(i64::MAX);
    pub const NEGATIVE_INFINITY: Self = Self(i64::MIN);
    /// 4714-11-24 00:00:00 BC.
    const FIRST: i128 = -211_813_488_000_000_000;
    /// 294277-01-01 00:00:00.
    const END: i128 = 9_223_371_331_200_000_000;

    /// The timestamp of a microsecond count, if in range.
    pub fn from_micros(micros: i128) -> Option<Self> {
        (Self::FIRST..Self::END).contains(&micros).then_some(Self(micros as i64))
    }

    /// Whether it is one of the infinities.
    pub fn is_infinite(self) -> bool {
        self == Self::INFINITY || self == Self::NEGATIVE_INFINITY
    }

    /// The date part; infinities stay.
    pub fn date(self) -> Date {
        match self {
            Self::INFINITY => Date::INFINITY,
            Self::NEGATIVE_INFINITY => Date::NEGATIVE_INFINITY,
            Self(micros) => Date(micros.div_euclid(DAY) as i32),
        }
    }

    /// Microseconds since midnight.
    pub fn time(self) -> Time {
        Time(self.0.rem_euclid(DAY))
    }

    /// The timestamp of a moment given in microseconds since 1970-01-01 UTC, if in range.
    pub fn from_unix_micros(micros: i64) -> Option<Self> {
        Self::from_micros(i128::from(micros) - UNIX_EPOCH_MICROS)
    }

    /// Microseconds since 1970-01-01.
    pub fn unix_micros(self) -> i128 {
        i128::from(self.0) + UNIX_EPOCH_MICROS
    }
}

/// From 1970-01-01 to 2000-01-01.
const UNIX_EPOCH_MICROS: i128 = 946_684_800_000_000;

#[cfg(test)]
mod tests;
