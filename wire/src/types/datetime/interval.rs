//! `interval`: months, days and microseconds, kept apart because their lengths differ.
//!
//! Stored in PostgreSQL's output form and ordered, under collation `pg_interval`, by length with months of 30 days and days
//! of 24 hours, so that `1 mon` equals `30 days`, as in PostgreSQL.

use std::cmp::Ordering;

use super::parse::fraction_micros;
use super::storage_form::push_fraction;
use super::{DAY, HOUR, MINUTE, SECOND};
use crate::error::SqlError;

/// Longest input that is read.
const INPUT_MAX: usize = 512;

/// A value of type `interval`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

impl Interval {
    /// The length by which intervals compare.
    fn length(&self) -> i128 {
        i128::from(self.micros) + (i128::from(self.days) + i128::from(self.months) * 30) * i128::from(DAY)
    }

    /// An interval of its parts, if they fit.
    pub fn from_parts(months: i128, days: i128, micros: i128) -> Option<Self> {
        Some(Self { months: months.try_into().ok()?, days: days.try_into().ok()?, micros: micros.try_into().ok()? })
    }

    /// Microseconds with whole days split off.
    pub fn from_micros_justified(micros: i64) -> Self {
        Self { months: 0, days: (micros / DAY) as i32, micros: micros % DAY }
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Interval {}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Self) -> Ordering {
        self.length().cmp(&other.length())
    }
}

impl std::fmt::Display for Interval {
    /// PostgreSQL's style `postgres`: `1 year 2 mons 3 days 04:05:06.7`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        let mut before = false;
        for (value, unit) in [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")] {
            if value == 0 {
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            // After a negative part a positive one shows its sign.
            if before && value > 0 {
                text.push('+');
            }
            text.push_str(&format!("{value} {unit}{}", if value == 1 { "" } else { "s" }));
            before = value < 0;
        }
        if text.is_empty() || self.micros != 0 {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(if self.micros < 0 {
                "-"
            } else if before {
                "+"
            } else {
                ""
            });
            let micros = self.micros.unsigned_abs() as i128;
            let unit = |unit: i64| micros / i128::from(unit);
            text.push_str(&format!("{:02}:{:02}:{:02}", unit(HOUR), unit(MINUTE) % 60, unit(SECOND) % 60));
            push_fraction(&mut text, (micros % i128::from(SECOND)) as i64);
        }
        f.write_str(&text)
    }
}

/// Why a text is refused.
enum Refused {
    Syntax,
    Overflow,
}

/// Sums while reading, wide enough that no single field overflows them.
#[derive(Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
    /// The units that were given, each at most once.
    seen: Vec<&'static str>,
}

/// A decimal number as written: whole part, and its fraction in units of 10^-9, both with the sign.
#[derive(Clone, Copy)]
struct Number {
    whole: i128,
    billionths: i128,
}

const BILLION: i128 = 1_000_000_000;

impl Sum {
    /// A unit may be given once.
    fn once(&mut self, unit: &'static str) -> Result<(), Refused> {
        if self.seen.contains(&unit) {
            return Err(Refused::Syntax);
        }
        self.seen.push(unit);
        Ok(())
    }

    /// A time of day gives hours, minutes and seconds.
    fn once_clock(&mut self) -> Result<(), Refused> {
        ["hour", "minute", "second"].into_iter().try_for_each(|unit| self.once(unit))
    }

    fn add(&mut self, number: Number, unit: &str) -> Result<(), Refused> {
        let unit = unit.trim_end_matches('.');
        match unit {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => {
                self.once("microsecond").map(|()| self.time(number, 1))
            }
            "ms" | "msec" | "msecs" | "mseconds" | "millisecond" | "milliseconds" => {
                self.once("millisecond").map(|()| self.time(number, 1000))
            }
            "s" | "sec" | "secs" | "second" | "seconds" => self.once("second").map(|()| self.time(number, SECOND)),
            "m" | "min" | "mins" | "minute" | "minutes" => self.once("minute").map(|()| self.time(number, MINUTE)),
            "h" | "hr" | "hrs" | "hour" | "hours" => self.once("hour").map(|()| self.time(number, HOUR)),
            "d" | "day" | "days" => self.once("day").map(|()| self.days(number, 1)),
            "w" | "week" | "weeks" => self.once("week").map(|()| self.days(number, 7)),
            "mon" | "mons" | "month" | "months" => self.once("month").map(|()| self.months(number, 1)),
            "qtr" | "quarter" | "quarters" => self.once("quarter").map(|()| self.months(number, 3)),
            "y" | "yr" | "yrs" | "year" | "years" => self.once("year").map(|()| self.months(number, 12)),
            "dec" | "decs" | "decade" | "decades" => self.once("decade").map(|()| self.months(number, 120)),
            "c" | "cent" | "century" | "centuries" => self.once("century").map(|()| self.months(number, 1200)),
            "mil" | "mils" | "millennium" | "millennia" => {
                self.once("millennium").map(|()| self.months(number, 12_000))
            }
            _ => Err(Refused::Syntax),
        }
    }

    fn time(&mut self, number: Number, unit: i64) {
        self.micros += number.whole * i128::from(unit) + round(number.billionths * i128::from(unit));
    }

    /// A fraction of days goes to the time below it; of weeks, to days first.
    fn days(&mut self, number: Number, unit: i128) {
        let rest = number.billionths * unit;
        self.days += number.whole * unit + rest / BILLION;
        self.micros += round(rest % BILLION * i128::from(DAY));
    }

    /// A fraction of months goes to days of 30 a month; of years and more, to whole months.
    fn months(&mut self, number: Number, unit: i128) {
        let rest = number.billionths * unit;
        if unit == 1 {
            self.months += number.whole;
            let days = rest * 30;
            self.days += days / BILLION;
            self.micros += round(days % BILLION * i128::from(DAY));
        } else {
            self.months += number.whole * unit + round(rest);
        }
    }
}

/// Billionths to units, half away from zero.
fn round(billionths: i128) -> i128 {
    (billionths + billionths.signum() * (BILLION / 2)) / BILLION
}

/// Reads an `interval`: PostgreSQL's verbose and SQL standard forms, and ISO 8601 durations.
///
/// # Errors
/// 22007 for malformed text, 22015 for values out of range.
pub fn parse(text: &str) -> Result<Interval, SqlError> {
    let overflow = || SqlError::new("22015", format!("interval field value out of range: \"{text}\""));
    let sum = read(text).map_err(|refused| match refused {
        Refused::Syntax => SqlError::new("22007", format!("invalid input syntax for type interval: \"{text}\"")),
        Refused::Overflow => overflow(),
    })?;
    Interval::from_parts(sum.months, sum.days, sum.micros).ok_or_else(overflow)
}

fn read(text: &str) -> Result<Sum, Refused> {
    if text.len() > INPUT_MAX || !text.is_ascii() {
        return Err(Refused::Syntax);
    }
    let lower = text.trim().to_ascii_lowercase();
    if let Some(duration) = lower.strip_prefix('p') {
        return read_iso(duration);
    }
    let mut sum = Sum::default();
    let mut rest = lower.strip_prefix('@').unwrap_or(&lower).trim_start();
    let mut any = false;
    while !rest.is_empty() {
        if rest == "ago" && any {
            return Ok(Sum { months: -sum.months, days: -sum.days, micros: -sum.micros, ..sum });
        }
        rest = read_field(&mut sum, rest)?.trim_start();
        any = true;
    }
    if any { Ok(sum) } else { Err(Refused::Syntax) }
}

/// One field: `[sign]time`, `[sign]years-months`, or `[sign]number [unit]`.
fn read_field<'a>(sum: &mut Sum, text: &'a str) -> Result<&'a str, Refused> {
    let (negative, unsigned) = sign(text);
    let end = unsigned.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':'))).unwrap_or(unsigned.len());
    let (word, after) = unsigned.split_at(end);
    if word.contains(':') {
        let micros = clock(word)?;
        sum.once_clock()?;
        sum.micros += if negative { -micros } else { micros };
        return Ok(after);
    }
    if let Some(months) = after.strip_prefix('-') {
        let end = months.find(|c: char| !c.is_ascii_digit()).unwrap_or(months.len());
        let (months, after) = months.split_at(end);
        if number(months, false)?.whole >= 12 {
            return Err(Refused::Overflow);
        }
        if !after.is_empty() && !after.starts_with(|c: char| c.is_ascii_whitespace()) {
            return Err(Refused::Syntax);
        }
        sum.once("month")?;
        let total = number(word, false)?.whole * 12 + number(months, false)?.whole;
        sum.months += if negative { -total } else { total };
        return Ok(after);
    }
    let value = number(word, negative)?;
    let after = after.trim_start();
    let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
    let (unit, rest) = after.split_at(unit_end);
    let clock_follows = {
        let (_, unsigned) = sign(after);
        unsigned.split(' ').next().is_some_and(|word| word.contains(':'))
    };
    match unit {
        "" if clock_follows => {
            sum.once("day")?;
            sum.days(value, 1);
        }
        "" if rest.is_empty() => {
            sum.once("second")?;
            sum.time(value, SECOND);
        }
        "" => return Err(Refused::Syntax),
        unit => sum.add(value, unit)?,
    }
    Ok(rest)
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, text[1..].trim_start()),
        Some(b'+') => (false, text[1..].trim_start()),
        _ => (false, text),
    }
}

fn number(text: &str, negative: bool) -> Result<Number, Refused> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(Refused::Syntax);
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| Refused::Overflow)? };
    let kept: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let billionths: i64 = kept.parse().map_err(|_| Refused::Syntax)?;
    let sign = if negative { -1 } else { 1 };
    Ok(Number { whole: i128::from(whole) * sign, billionths: i128::from(billionths) * sign })
}

/// `h:mm`, `h:mm:ss[.f]`, or `mm:ss.f`.
fn clock(word: &str) -> Result<i128, Refused> {
    let parts: Vec<&str> = word.split(':').collect();
    let integer = |text: &str| number(text, false).map(|number| number.whole);
    let seconds = |text: &str| -> Result<(i128, i128), Refused> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        Ok((integer(whole)?, fraction_micros(fraction).ok_or(Refused::Syntax)?.into()))
    };
    let (hour, minute, (second, micros)) = match parts[..] {
        [minute, second] if second.contains('.') => (0, integer(minute)?, seconds(second)?),
        [hour, minute] => (integer(hour)?, integer(minute)?, (0, 0)),
        [hour, minute, second] => (integer(hour)?, integer(minute)?, seconds(second)?),
        _ => return Err(Refused::Syntax),
    };
    if minute > 59 || second > 60 {
        return Err(Refused::Overflow);
    }
    Ok(hour * i128::from(HOUR) + minute * i128::from(MINUTE) + second * i128::from(SECOND) + micros)
}

/// What follows the `P` of an ISO 8601 duration with designators.
fn read_iso(text: &str) -> Result<Sum, Refused> {
    let mut sum = Sum::default();
    let mut in_time = false;
    let mut rest = text;
    if rest.is_empty() {
        return Err(Refused::Syntax);
    }
    while !rest.is_empty() {
        if let (Some(after), false) = (rest.strip_prefix('t'), in_time) {
            in_time = true;
            rest = after;
            continue;
        }
        let (negative, unsigned) = sign(rest);
        let end = unsigned.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or(Refused::Syntax)?;
        let (word, after) = unsigned.split_at(end);
        let value = number(word, negative)?;
        match (&after[..1], in_time) {
            ("y", false) => sum.months(value, 12),
            ("m", false) => sum.months(value, 1),
            ("w", false) => sum.days(value, 7),
            ("d", false) => sum.days(value, 1),
            ("h", true) => sum.time(value, HOUR),
            ("m", true) => sum.time(value, MINUTE),
            ("s", true) => sum.time(value, SECOND),
            _ => return Err(Refused::Syntax),
        }
        rest = &after[1..];
    }
    Ok(sum)
}
