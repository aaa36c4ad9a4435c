//! Arithmetic of dates, timestamps and intervals, `date_trunc`, `extract`, `age`.
//!
//! Months are added first and clamp to the month's last day, then days, then the time, as in PostgreSQL. For `timestamptz`
//! the first two happen in the session's zone.

use super::calendar::{self, Civil};
use super::interval::Interval;
use super::zone::Zone;
use super::{DAY, Date, HOUR, MINUTE, SECOND, Time, Timestamp};
use crate::error::SqlError;
use crate::types::numeric::Numeric;

/// 22008 `<what> out of range`.
pub fn out_of_range(what: &str) -> SqlError {
    SqlError::new("22008", format!("{what} out of range"))
}

fn timestamp(micros: i128) -> Result<Timestamp, SqlError> {
    Timestamp::from_micros(micros).ok_or_else(|| out_of_range("timestamp"))
}

impl Interval {
    /// `-self`.
    ///
    /// # Errors
    /// 22008 when a part overflows; so for all arithmetic here.
    pub fn negate(self) -> Result<Self, SqlError> {
        Self::from_parts(-i128::from(self.months), -i128::from(self.days), -i128::from(self.micros))
            .ok_or_else(|| out_of_range("interval"))
    }

    /// `self + other`, part by part.
    ///
    /// # Errors
    /// As [`Self::negate`].
    pub fn plus(self, other: Self) -> Result<Self, SqlError> {
        Self::from_parts(
            i128::from(self.months) + i128::from(other.months),
            i128::from(self.days) + i128::from(other.days),
            i128::from(self.micros) + i128::from(other.micros),
        )
        .ok_or_else(|| out_of_range("interval"))
    }

    /// `self * factor`: fractions of months become days, fractions of days time.
    ///
    /// # Errors
    /// As [`Self::negate`].
    pub fn multiply(self, factor: f64) -> Result<Self, SqlError> {
        self.scale(|part| part * factor)
    }

    /// `self / divisor`.
    ///
    /// # Errors
    /// 22012 for zero, else as [`Self::negate`].
    pub fn divide(self, divisor: f64) -> Result<Self, SqlError> {
        if divisor == 0.0 {
            return Err(SqlError::new("22012", "division by zero"));
        }
        self.scale(|part| part / divisor)
    }

    fn scale(self, scale: impl Fn(f64) -> f64) -> Result<Self, SqlError> {
        let overflow = || out_of_range("interval");
        let fits32 = |value: f64| value.is_finite() && value >= f64::from(i32::MIN) && value <= f64::from(i32::MAX);
        // PostgreSQL rounds remainders to microseconds so that 1/3 of a day shows no noise.
        let tidy = |value: f64| (value * SECOND as f64).round_ties_even() / SECOND as f64;
        let months = scale(f64::from(self.months));
        let days = scale(f64::from(self.days));
        if !fits32(months) || !fits32(days) {
            return Err(overflow());
        }
        let (whole_months, whole_days) = (months.trunc(), days.trunc());
        let month_days = tidy((months - whole_months) * 30.0);
        let mut seconds = tidy((days - whole_days + month_days - month_days.trunc()) * 86_400.0);
        let mut extra_days = month_days.trunc();
        if seconds.abs() >= 86_400.0 {
            extra_days += (seconds / 86_400.0).trunc();
            seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
        }
        let micros = (scale(self.micros as f64) + seconds * SECOND as f64).round_ties_even();
        let total_days = whole_days + extra_days;
        if !fits32(total_days) || micros.is_nan() || micros.abs() >= i64::MAX as f64 {
            return Err(overflow());
        }
        Ok(Self { months: whole_months as i32, days: total_days as i32, micros: micros as i64 })
    }

    /// Whole days out of the time (`justify_hours`).
    pub fn justify_hours(self) -> Result<Self, SqlError> {
        let mut days = i128::from(self.days) + i128::from(self.micros / DAY);
        let mut micros = i128::from(self.micros % DAY);
        if days > 0 && micros < 0 {
            micros += i128::from(DAY);
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= i128::from(DAY);
            days += 1;
        }
        Self::from_parts(self.months.into(), days, micros).ok_or_else(|| out_of_range("interval"))
    }

    /// Whole months out of the days (`justify_days`).
    pub fn justify_days(self) -> Result<Self, SqlError> {
        let mut months = i128::from(self.months) + i128::from(self.days / 30);
        let mut days = i128::from(self.days % 30);
        if months > 0 && days < 0 {
            days += 30;
            months -= 1;
        } else if months < 0 && days > 0 {
            days -= 30;
            months += 1;
        }
        Self::from_parts(months, days, self.micros.into()).ok_or_else(|| out_of_range("interval"))
    }
}

impl Interval {
    /// Both of [`Self::justify_hours`] and [`Self::justify_days`], with one sign for all parts (`justify_interval`).
    ///
    /// # Errors
    /// As [`Self::negate`].
    pub fn justify(self) -> Result<Self, SqlError> {
        let day = i128::from(DAY);
        let (mut months, mut days, mut micros) =
            (i128::from(self.months), i128::from(self.days), i128::from(self.micros));
        days += micros / day;
        micros %= day;
        months += days / 30;
        days %= 30;
        if months > 0 && (days < 0 || days == 0 && micros < 0) {
            days += 30;
            months -= 1;
        } else if months < 0 && (days > 0 || days == 0 && micros > 0) {
            days -= 30;
            months += 1;
        }
        if days > 0 && micros < 0 {
            micros += day;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= day;
            days += 1;
        }
        Self::from_parts(months, days, micros).ok_or_else(|| out_of_range("interval"))
    }

    /// `date_trunc(field, self)`: parts below the field are cut, towards zero.
    ///
    /// # Errors
    /// 22023 for an unknown field, 0A000 for one that intervals lack.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every field the type lacks is refused alike")]
    pub fn truncate(self, name: &str) -> Result<Self, SqlError> {
        let field = Field::parse(name, "interval")?;
        let months = |unit: i32| Self { months: self.months / unit * unit, days: 0, micros: 0 };
        let micros = |unit: i64| Self { micros: self.micros / unit * unit, ..self };
        Ok(match field {
            Field::Millennium => months(12_000),
            Field::Century => months(1_200),
            Field::Decade => months(120),
            Field::Year => months(12),
            Field::Quarter => months(3),
            Field::Month => months(1),
            Field::Day => Self { micros: 0, ..self },
            Field::Hour => micros(HOUR),
            Field::Minute => micros(MINUTE),
            Field::Second => micros(SECOND),
            Field::Milliseconds => micros(1000),
            Field::Microseconds => self,
            _ => return Err(field.unsupported("interval")),
        })
    }
}

impl Timestamp {
    /// `self + interval`; infinities stay.
    ///
    /// # Errors
    /// 22008 out of range.
    pub fn plus(self, interval: Interval) -> Result<Self, SqlError> {
        if self.is_infinite() {
            return Ok(self);
        }
        let mut days = i64::from(self.date().0);
        if interval.months != 0 {
            let date = calendar::civil(days);
            let months = date.year * 12 + date.month - 1 + i64::from(interval.months);
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
            days = calendar::days(Civil { year, month, day: date.day.min(calendar::month_length(year, month)) });
            // Each step must be in range, as in PostgreSQL, also where a later one leads back.
            timestamp(i128::from(days) * i128::from(DAY) + i128::from(self.time().0))?;
        }
        let days = i128::from(days) + i128::from(interval.days);
        timestamp(days * i128::from(DAY) + i128::from(self.time().0))?;
        timestamp(days * i128::from(DAY) + i128::from(self.time().0) + i128::from(interval.micros))
    }

    /// `self + interval` with months and days counted in a zone.
    ///
    /// # Errors
    /// As [`Self::plus`].
    pub fn add_zoned(self, interval: Interval, zone: &Zone) -> Result<Self, SqlError> {
        if self.is_infinite() {
            return Ok(self);
        }
        let mut moment = self;
        if interval.months != 0 || interval.days != 0 {
            let local = zone.local(self).ok_or_else(|| out_of_range("timestamp"))?;
            let moved = local.plus(Interval { micros: 0, ..interval })?;
            moment = zone.moment(moved).ok_or_else(|| out_of_range("timestamp"))?;
        }
        timestamp(i128::from(moment.0) + i128::from(interval.micros))
    }

    /// `self - other`: days and time.
    ///
    /// # Errors
    /// 22008 for infinities.
    pub fn subtract(self, other: Self) -> Result<Interval, SqlError> {
        if self.is_infinite() || other.is_infinite() {
            return Err(SqlError::new("22008", "cannot subtract infinite timestamps"));
        }
        // Over more than 292,000 years the difference wraps around, as PostgreSQL 15's does.
        Ok(Interval::from_micros_justified(self.0.wrapping_sub(other.0)))
    }

    /// `age(self, other)`: years, months, days and time by the calendar.
    ///
    /// # Errors
    /// 22008 for infinities.
    pub fn age(self, other: Self) -> Result<Interval, SqlError> {
        if self.is_infinite() || other.is_infinite() {
            return Err(SqlError::new("22008", "cannot subtract infinite timestamps"));
        }
        let negative = self < other;
        let (later, earlier) = if negative { (other, self) } else { (self, other) };
        let (a, b) = (later.date().civil(), earlier.date().civil());
        let mut months = (a.year - b.year) * 12 + a.month - b.month;
        let mut days = a.day - b.day;
        let mut micros = later.time().0 - earlier.time().0;
        if micros < 0 {
            micros += DAY;
            days -= 1;
        }
        if days < 0 {
            // The month borrowed is that of the earlier date.
            days += calendar::month_length(b.year, b.month);
            months -= 1;
        }
        let age = Interval { months: months as i32, days: days as i32, micros };
        if negative { age.negate() } else { Ok(age) }
    }

    /// `date_trunc(field, self)`.
    ///
    /// # Errors
    /// 22023 for an unknown field.
    pub fn truncate(self, field: &str, type_name: &str) -> Result<Self, SqlError> {
        if self.is_infinite() {
            return Ok(self);
        }
        let field = Field::parse(field, type_name)?;
        let date = self.date().civil();
        let day = |year: i64, month: i64| -> Result<Self, SqlError> {
            timestamp(i128::from(calendar::days(Civil { year, month, day: 1 })) * i128::from(DAY))
        };
        let floor = |unit: i64| timestamp(i128::from(self.0.div_euclid(unit)) * i128::from(unit));
        // Decades begin with years divisible by ten; centuries and millennia with the year after.
        let span = |years: i64| (date.year - 1).div_euclid(years) * years + 1;
        match field {
            Field::Microseconds => Ok(self),
            Field::Milliseconds => floor(1000),
            Field::Second => floor(SECOND),
            Field::Minute => floor(MINUTE),
            Field::Hour => floor(HOUR),
            Field::Day => floor(DAY),
            Field::Week => {
                let days = i64::from(self.date().0);
                let monday = days - (calendar::day_of_week(days) + 6) % 7;
                timestamp(i128::from(monday) * i128::from(DAY))
            }
            Field::Month => day(date.year, date.month),
            Field::Quarter => day(date.year, (date.month - 1) / 3 * 3 + 1),
            Field::Year => day(date.year, 1),
            Field::Decade => day(date.year.div_euclid(10) * 10, 1),
            Field::Century => day(span(100), 1),
            Field::Millennium => day(span(1000), 1),
            Field::Epoch
            | Field::DayOfWeek
            | Field::IsoDayOfWeek
            | Field::DayOfYear
            | Field::IsoYear
            | Field::Julian
            | Field::Timezone
            | Field::TimezoneHour
            | Field::TimezoneMinute => Err(field.unsupported(type_name)),
        }
    }
}

/// What `extract` and `date_trunc` name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Epoch,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Julian,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

impl Field {
    /// The field of a name in any case.
    ///
    /// # Errors
    /// 22023 `unit "x" not recognized for type t`.
    pub fn parse(name: &str, type_name: &str) -> Result<Self, SqlError> {
        let lower = name.trim().to_ascii_lowercase();
        Ok(match lower.as_str() {
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "useconds" => Self::Microseconds,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "mseconds" => Self::Milliseconds,
            "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
            "minute" | "minutes" | "m" | "min" | "mins" => Self::Minute,
            "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
            "day" | "days" | "d" => Self::Day,
            "week" | "weeks" | "w" => Self::Week,
            "month" | "months" | "mon" | "mons" => Self::Month,
            "quarter" | "quarters" | "qtr" => Self::Quarter,
            "year" | "years" | "y" | "yr" | "yrs" => Self::Year,
            "decade" | "decades" | "dec" | "decs" => Self::Decade,
            "century" | "centuries" | "c" | "cent" => Self::Century,
            "millennium" | "millennia" | "mil" | "mils" => Self::Millennium,
            "epoch" => Self::Epoch,
            "dow" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "doy" => Self::DayOfYear,
            "isoyear" => Self::IsoYear,
            "julian" => Self::Julian,
            "timezone" => Self::Timezone,
            "timezone_hour" => Self::TimezoneHour,
            "timezone_minute" => Self::TimezoneMinute,
            _ => {
                return Err(SqlError::new("22023", format!("unit \"{lower}\" not recognized for type {type_name}")));
            }
        })
    }

    /// Whether cutting below the field never leaves the day.
    pub fn is_within_day(self) -> bool {
        matches!(self, Self::Hour | Self::Minute | Self::Second | Self::Milliseconds | Self::Microseconds)
    }

    /// 0A000 `unit "x" not supported for type t`.
    pub fn unsupported(self, type_name: &str) -> SqlError {
        let name = format!("{self:?}").to_ascii_lowercase();
        SqlError::unsupported(format!("unit \"{name}\" not supported for type {type_name}"))
    }
}

/// `micros / 10^6` with six digits behind the point.
fn micros_as_seconds(micros: i128) -> Numeric {
    scaled(micros, 6)
}

/// `value / 10^scale`, showing `scale` digits.
pub(super) fn scaled(value: i128, scale: u32) -> Numeric {
    let unit = 10i128.pow(scale);
    let (whole, fraction) = (value.abs() / unit, value.abs() % unit);
    let sign = if value < 0 { "-" } else { "" };
    let text = format!("{sign}{whole}.{fraction:0width$}", width = scale as usize);
    // Digits, one point and a sign: always a number.
    Numeric::parse(&text).unwrap_or_else(|_| Numeric::zero())
}

/// Fields of a time of day; `None` for fields of a date.
pub(super) fn time_field(field: Field, micros: i64) -> Option<Numeric> {
    let minute_part = micros % MINUTE;
    Some(match field {
        Field::Microseconds => Numeric::from(minute_part),
        Field::Milliseconds => scaled(minute_part.into(), 3),
        Field::Second => scaled(minute_part.into(), 6),
        Field::Minute => Numeric::from(micros / MINUTE % 60),
        Field::Hour => Numeric::from(micros / HOUR),
        Field::Day
        | Field::Week
        | Field::Month
        | Field::Quarter
        | Field::Year
        | Field::Decade
        | Field::Century
        | Field::Millennium
        | Field::Epoch
        | Field::DayOfWeek
        | Field::IsoDayOfWeek
        | Field::DayOfYear
        | Field::IsoYear
        | Field::Julian
        | Field::Timezone
        | Field::TimezoneHour
        | Field::TimezoneMinute => return None,
    })
}

/// Microseconds since 1970 as seconds. Where they exceed 64 bits PostgreSQL divides, to 16 significant digits.
fn epoch(micros: i128) -> Result<Numeric, SqlError> {
    if i64::try_from(micros).is_ok() {
        return Ok(micros_as_seconds(micros));
    }
    Ok(Numeric::from(micros).divide(&Numeric::from(SECOND))?.round(6))
}

/// Years from 1 BC count down from -1, as `extract` shows them.
fn shown_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// The number of a century or millennium, which has no 0.
fn shown_span(year: i64, years: i64) -> i64 {
    if year > 0 { (year + years - 1) / years } else { -((years - 1 - (year - 1)) / years) }
}

fn date_field(field: Field, days: i64) -> Option<Numeric> {
    let date = calendar::civil(days);
    Some(Numeric::from(match field {
        Field::Day => date.day,
        Field::Week => calendar::iso_week(days).1,
        Field::Month => date.month,
        Field::Quarter => (date.month - 1) / 3 + 1,
        Field::Year => shown_year(date.year),
        Field::Decade => date.year.div_euclid(10),
        Field::Century => shown_span(date.year, 100),
        Field::Millennium => shown_span(date.year, 1000),
        Field::DayOfWeek => calendar::day_of_week(days),
        Field::IsoDayOfWeek => (calendar::day_of_week(days) + 6) % 7 + 1,
        Field::DayOfYear => calendar::day_of_year(days),
        Field::IsoYear => shown_year(calendar::iso_week(days).0),
        Field::Microseconds
        | Field::Milliseconds
        | Field::Second
        | Field::Minute
        | Field::Hour
        | Field::Epoch
        | Field::Julian
        | Field::Timezone
        | Field::TimezoneHour
        | Field::TimezoneMinute => return None,
    }))
}

/// What an infinity answers: itself for fields that grow without bound, NULL for those that come round.
fn infinite_field(field: Field, negative: bool) -> Option<Numeric> {
    let grows = matches!(
        field,
        Field::Year
            | Field::Decade
            | Field::Century
            | Field::Millennium
            | Field::Epoch
            | Field::IsoYear
            | Field::Julian
    );
    grows.then_some(if negative { Numeric::NegativeInfinity } else { Numeric::Infinity })
}

/// `extract(field from timestamp)`; `None` is NULL. `offset` is that of the session's zone for a `timestamptz`, of which
/// `local` is the local time.
///
/// # Errors
/// 22023 for unknown fields, 0A000 for fields the type lacks.
pub fn extract_timestamp(name: &str, local: Timestamp, offset: Option<i32>) -> Result<Option<Numeric>, SqlError> {
    let type_name = if offset.is_some() { "timestamp with time zone" } else { "timestamp without time zone" };
    let field = Field::parse(name, type_name)?;
    if local.is_infinite() {
        return Ok(infinite_field(field, local == Timestamp::NEGATIVE_INFINITY));
    }
    let days = i64::from(local.date().0);
    if let Some(value) = time_field(field, local.time().0).or_else(|| date_field(field, days)) {
        return Ok(Some(value));
    }
    let seconds = i64::from(offset.unwrap_or(0));
    match (field, offset) {
        (Field::Epoch, _) => epoch(local.unix_micros() - i128::from(seconds * SECOND)).map(Some),
        (Field::Julian, _) => {
            let fraction = Numeric::from(local.time().0).divide(&Numeric::from(DAY))?;
            Numeric::from(days + 2_451_545).add(&fraction).map(Some)
        }
        (Field::Timezone, Some(_)) => Ok(Some(Numeric::from(seconds))),
        (Field::TimezoneHour, Some(_)) => Ok(Some(Numeric::from(seconds / 3600))),
        (Field::TimezoneMinute, Some(_)) => Ok(Some(Numeric::from(seconds % 3600 / 60))),
        _ => Err(field.unsupported(type_name)),
    }
}

/// `extract(field from date)`; `None` is NULL.
///
/// # Errors
/// As [`extract_timestamp`].
#[expect(clippy::wildcard_enum_match_arm, reason = "every field the type lacks is refused alike")]
pub fn extract_date(name: &str, date: Date) -> Result<Option<Numeric>, SqlError> {
    let field = Field::parse(name, "date")?;
    if date.is_infinite() {
        return Ok(infinite_field(field, date == Date::NEGATIVE_INFINITY));
    }
    let days = i64::from(date.0);
    if let Some(value) = date_field(field, days) {
        return Ok(Some(value));
    }
    match field {
        Field::Epoch => Ok(Some(Numeric::from((days + 10_957) * 86_400))),
        Field::Julian => Ok(Some(Numeric::from(days + 2_451_545))),
        _ => Err(field.unsupported("date")),
    }
}

/// `extract(field from time)`.
///
/// # Errors
/// As [`extract_timestamp`].
pub fn extract_time(name: &str, time: Time) -> Result<Option<Numeric>, SqlError> {
    let type_name = "time without time zone";
    let field = Field::parse(name, type_name)?;
    match (time_field(field, time.0), field) {
        (Some(value), _) => Ok(Some(value)),
        (None, Field::Epoch) => Ok(Some(micros_as_seconds(time.0.into()))),
        (None, _) => Err(field.unsupported(type_name)),
    }
}

/// `extract(field from interval)`.
///
/// # Errors
/// As [`extract_timestamp`].
#[expect(clippy::wildcard_enum_match_arm, reason = "every field the type lacks is refused alike")]
pub fn extract_interval(name: &str, interval: Interval) -> Result<Option<Numeric>, SqlError> {
    let field = Field::parse(name, "interval")?;
    if let Some(value) = time_field(field, interval.micros) {
        return Ok(Some(value));
    }
    let (years, months) = (i64::from(interval.months / 12), i64::from(interval.months % 12));
    Ok(Some(match field {
        Field::Day => Numeric::from(i64::from(interval.days)),
        Field::Month => Numeric::from(months),
        Field::Quarter => Numeric::from(months / 3 + 1),
        Field::Year => Numeric::from(years),
        Field::Decade => Numeric::from(years / 10),
        Field::Century => Numeric::from(years / 100),
        Field::Millennium => Numeric::from(years / 1000),
        Field::Epoch => {
            // A year has 365.25 days here, a month 30.
            let days = i128::from(years) * 36_525 + i128::from(months) * 3_000 + i128::from(interval.days) * 100;
            micros_as_seconds(days * i128::from(DAY / 100) + i128::from(interval.micros))
        }
        _ => return Err(field.unsupported("interval")),
    }))
}
