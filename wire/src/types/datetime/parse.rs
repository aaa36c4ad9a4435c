//! PostgreSQL's input syntax of dates, times and timestamps.
//!
//! A text is cut into words; each sets fields of a date, a time, a zone or an era. Words for the current time (`now`,
//! `today`) are 0A000, because a value here does not depend on when it is read. Texts of errors and the reading of
//! two-digit years and ambiguous orders follow PostgreSQL.

use super::calendar::{self, Civil};
use super::timetz::{self, TimeTz};
use super::zone::{self, Zone};
use super::{DAY, Date, HOUR, MINUTE, SECOND, Time, Timestamp};
use crate::error::SqlError;
use crate::session::settings::DateOrder;

/// Longest input that is read: a bound on work before anything is known of the text.
const INPUT_MAX: usize = 256;

/// Why a text is refused; the caller knows the type's name.
enum Refused {
    Syntax,
    FieldOverflow,
    /// Month and day might have been meant the other way round.
    FieldOverflowOrOrder,
    ZoneOverflow,
    UnknownZone(String),
    Unsupported(String),
}

/// The fields that were read.
#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// A date given as a whole.
    days: Option<i64>,
    /// Microseconds since midnight, at most 24 hours.
    time: Option<i64>,
    zone: Option<FieldZone>,
    before_christ: Option<bool>,
    afternoon: Option<bool>,
    two_digit_year: bool,
    special: Option<Special>,
    /// The `t` of ISO 8601 was read: a bare number that follows is a time.
    time_follows: bool,
}

enum FieldZone {
    Offset(i32),
    Named(std::rc::Rc<Zone>),
}

#[derive(Clone, Copy)]
enum Special {
    Epoch,
    Infinity,
    NegativeInfinity,
}

fn report(refused: Refused, type_name: &str, text: &str) -> SqlError {
    let out_of_range = || SqlError::new("22008", format!("date/time field value out of range: \"{text}\""));
    match refused {
        Refused::Syntax => SqlError::new("22007", format!("invalid input syntax for type {type_name}: \"{text}\"")),
        Refused::FieldOverflow => out_of_range(),
        Refused::FieldOverflowOrOrder => out_of_range().hint("Perhaps you need a different \"datestyle\" setting."),
        Refused::ZoneOverflow => SqlError::new("22009", format!("time zone displacement out of range: \"{text}\"")),
        Refused::UnknownZone(name) => SqlError::new("22023", format!("time zone \"{name}\" not recognized")),
        Refused::Unsupported(word) => {
            SqlError::unsupported(format!("date/time value \"{word}\" is not supported as input"))
                .hint("Use current_date, current_timestamp or now().")
        }
    }
}

/// Reads a `date`.
///
/// # Errors
/// 22007, 22008, 22009, 22023, 0A000.
pub fn date(text: &str, order: DateOrder) -> Result<Date, SqlError> {
    let fields = read(text, order).map_err(|refused| report(refused, "date", text))?;
    match fields.special {
        Some(Special::Infinity) => return Ok(Date::INFINITY),
        Some(Special::NegativeInfinity) => return Ok(Date::NEGATIVE_INFINITY),
        Some(Special::Epoch) => return Ok(Date(-10_957)),
        None => {}
    }
    let days = fields.date().map_err(|refused| report(refused, "date", text))?;
    Date::from_days(days).ok_or_else(|| SqlError::new("22008", format!("date out of range: \"{text}\"")))
}

/// Reads a `timestamp`; a zone in the text is checked and has no effect.
///
/// # Errors
/// As [`date`].
pub fn timestamp(text: &str, order: DateOrder) -> Result<Timestamp, SqlError> {
    let fields = read(text, order).map_err(|refused| report(refused, "timestamp", text))?;
    if let Some(special) = fields.special {
        return Ok(special.timestamp());
    }
    fields
        .local()
        .map_err(|refused| report(refused, "timestamp", text))?
        .ok_or_else(|| SqlError::new("22008", format!("timestamp out of range: \"{text}\"")))
}

/// Reads a `timestamptz`; without a zone in the text, the time is local to `session_zone`.
///
/// # Errors
/// As [`date`].
pub fn timestamp_zoned(text: &str, order: DateOrder, session_zone: &str) -> Result<Timestamp, SqlError> {
    let type_name = "timestamp with time zone";
    let fields = read(text, order).map_err(|refused| report(refused, type_name, text))?;
    if let Some(special) = fields.special {
        return Ok(special.timestamp());
    }
    let out_of_range = || SqlError::new("22008", format!("timestamp out of range: \"{text}\""));
    // Only the moment must be in range: what a clock shows may be a day beyond.
    let refuse = |refused| report(refused, type_name, text);
    let days = fields.date().map_err(refuse)?;
    let micros = fields.clock().map_err(refuse)?.unwrap_or(0);
    let local = days.checked_mul(DAY).and_then(|day| day.checked_add(micros)).map(Timestamp);
    let local = local.filter(|local| !local.is_infinite()).ok_or_else(out_of_range)?;
    let moment = match &fields.zone {
        Some(FieldZone::Offset(offset)) => Zone::Fixed(*offset).moment(local),
        Some(FieldZone::Named(zone)) => zone.moment(local),
        None => zone::find(session_zone)?.moment(local),
    };
    moment.ok_or_else(out_of_range)
}

/// Reads a `time`; a date in the text is checked and has no effect.
///
/// # Errors
/// As [`date`].
pub fn time(text: &str, order: DateOrder) -> Result<Time, SqlError> {
    let refuse = |refused| report(refused, "time", text);
    let trimmed = text.trim();
    // A bare number is hours, minutes and seconds.
    let bare = trimmed.bytes().all(|b| b.is_ascii_digit()) && matches!(trimmed.len(), 4 | 6);
    let fields = if bare { read(&format!("t{trimmed}"), order) } else { read(text, order) }.map_err(refuse)?;
    if fields.special.is_some() {
        return Err(refuse(Refused::Syntax));
    }
    fields.clock().map_err(refuse)?.map(Time).ok_or_else(|| refuse(Refused::Syntax))
}

/// Reads a `timetz`; without an offset in the text, that of `session_zone`.
///
/// # Errors
/// As [`date`]; 0A000 where only today's date would tell the offset.
pub fn time_zoned(text: &str, order: DateOrder, session_zone: &str) -> Result<TimeTz, SqlError> {
    let refuse = |refused| report(refused, "time with time zone", text);
    let fields = read(text, order).map_err(refuse)?;
    if fields.special.is_some() {
        return Err(refuse(Refused::Syntax));
    }
    let time = fields.clock().map_err(refuse)?.map(Time).ok_or_else(|| refuse(Refused::Syntax))?;
    let has_date = fields.days.is_some() || fields.day.is_some();
    let zone = match &fields.zone {
        Some(FieldZone::Offset(offset)) => return Ok(TimeTz { time, offset: *offset }),
        // A zone's name needs a date beside it.
        Some(FieldZone::Named(_)) if !has_date => return Err(refuse(Refused::Syntax)),
        Some(FieldZone::Named(zone)) => std::rc::Rc::clone(zone),
        None => zone::find(session_zone)?,
    };
    if has_date {
        let local = fields.local().map_err(refuse)?.ok_or_else(|| refuse(Refused::FieldOverflow))?;
        return Ok(TimeTz { time, offset: zone.offset_of_local(local) });
    }
    let offset = timetz::constant_offset(&zone).ok_or_else(|| {
        SqlError::unsupported("a time with time zone without an offset is not supported in a zone with summer time")
            .hint("Write the offset, or use current_time.")
    })?;
    Ok(TimeTz { time, offset })
}

impl Special {
    fn timestamp(self) -> Timestamp {
        match self {
            Self::Epoch => Timestamp(-10_957 * DAY),
            Self::Infinity => Timestamp::INFINITY,
            Self::NegativeInfinity => Timestamp::NEGATIVE_INFINITY,
        }
    }
}

impl Fields {
    /// The date in days.
    fn date(&self) -> Result<i64, Refused> {
        self.clock()?;
        if let Some(days) = self.days {
            return Ok(days);
        }
        let (Some(mut year), Some(month), Some(day)) = (self.year, self.month, self.day) else {
            return Err(Refused::Syntax);
        };
        if self.before_christ == Some(true) {
            if year < 1 {
                return Err(Refused::FieldOverflow);
            }
            year = 1 - year;
        } else if self.two_digit_year && self.before_christ.is_none() {
            year += if year < 70 { 2000 } else { 1900 };
        } else if year < 1 {
            return Err(Refused::FieldOverflow);
        }
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(Refused::FieldOverflowOrOrder);
        }
        if day > calendar::month_length(year, month) {
            return Err(Refused::FieldOverflow);
        }
        Ok(calendar::days(Civil { year, month, day }))
    }

    /// The time of day with `AM`/`PM` applied.
    fn clock(&self) -> Result<Option<i64>, Refused> {
        let (Some(time), Some(afternoon)) = (self.time, self.afternoon) else { return Ok(self.time) };
        if time >= 13 * HOUR {
            return Err(Refused::FieldOverflow);
        }
        let time = time % (12 * HOUR);
        Ok(Some(if afternoon { time + 12 * HOUR } else { time }))
    }

    /// Date and time together; `None` out of range.
    fn local(&self) -> Result<Option<Timestamp>, Refused> {
        let days = self.date()?;
        let time = self.clock()?.unwrap_or(0);
        Ok(Timestamp::from_micros(i128::from(days) * i128::from(DAY) + i128::from(time)))
    }
}

fn read(text: &str, order: DateOrder) -> Result<Fields, Refused> {
    if text.len() > INPUT_MAX || !text.is_ascii() {
        return Err(Refused::Syntax);
    }
    let lower = text.trim().to_ascii_lowercase();
    let mut fields = Fields::default();
    let mut rest = lower.as_str();
    while let Some(first) = rest.bytes().next() {
        rest = match first {
            b'0'..=b'9' => read_number(&mut fields, rest, order)?,
            b'a'..=b'z' => read_word(&mut fields, rest, order)?,
            b'+' | b'-' => read_signed(&mut fields, rest)?,
            b' ' | b',' | b'\t' | b'\n' | b'\r' => &rest[1..],
            _ => return Err(Refused::Syntax),
        };
    }
    let has_date = fields.days.is_some() || fields.day.is_some();
    if fields.special.is_some() && (has_date || fields.time.is_some())
        || !(has_date || fields.time.is_some() || fields.special.is_some())
    {
        return Err(Refused::Syntax);
    }
    Ok(fields)
}

fn set<T>(field: &mut Option<T>, value: T) -> Result<(), Refused> {
    if field.is_some() {
        return Err(Refused::Syntax);
    }
    *field = Some(value);
    Ok(())
}

fn parse_digits(text: &str) -> Result<i64, Refused> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refused::Syntax);
    }
    text.parse().map_err(|_| Refused::FieldOverflow)
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

/// A word that begins with a digit: a time, a date, or a bare number.
fn read_number<'a>(fields: &mut Fields, text: &'a str, order: DateOrder) -> Result<&'a str, Refused> {
    let (digits, after) = split_while(text, |c| c.is_ascii_digit());
    match after.bytes().next() {
        Some(b':') => {
            let (word, rest) = split_while(text, |c| c.is_ascii_digit() || c == ':' || c == '.');
            set(&mut fields.time, read_time(word)?)?;
            Ok(rest)
        }
        Some(separator @ (b'-' | b'/')) if fields.day.is_none() => {
            read_date(fields, text, char::from(separator), order)
        }
        Some(b'.') if digits.len() == 6 && (fields.time_follows || fields.day.is_some()) => {
            let (word, rest) = split_while(text, |c| c.is_ascii_digit() || c == '.');
            set(&mut fields.time, read_compact_time(word)?)?;
            Ok(rest)
        }
        Some(b'.') if fields.day.is_none() => read_date(fields, text, '.', order),
        _ => {
            read_bare(fields, digits)?;
            Ok(after)
        }
    }
}

/// `h:mm[:ss[.fraction]]`.
fn read_time(word: &str) -> Result<i64, Refused> {
    let mut parts = word.split(':');
    let hour = parse_digits(parts.next().unwrap_or(""))?;
    let minute = parse_digits(parts.next().unwrap_or(""))?;
    let seconds = parts.next();
    if parts.next().is_some() {
        return Err(Refused::Syntax);
    }
    let (second, micros) = seconds.map_or(Ok((0, 0)), read_seconds)?;
    assemble_time(hour, minute, second, micros)
}

/// Seconds with an optional fraction, rounded to microseconds.
fn read_seconds(text: &str) -> Result<(i64, i64), Refused> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    Ok((parse_digits(whole)?, read_fraction(fraction)?))
}

/// The digits behind a point as microseconds, rounded.
pub(super) fn fraction_micros(digits: &str) -> Option<i64> {
    if digits.is_empty() {
        return Some(0);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept: String = digits.chars().chain("0000000".chars()).take(7).collect();
    kept.parse::<i64>().ok().map(|value| (value + 5) / 10)
}

fn read_fraction(digits: &str) -> Result<i64, Refused> {
    fraction_micros(digits).ok_or(Refused::Syntax)
}

fn assemble_time(hour: i64, minute: i64, second: i64, micros: i64) -> Result<i64, Refused> {
    if hour > 24 || minute > 59 || second > 60 || (second == 60 && micros > 0) {
        return Err(Refused::FieldOverflow);
    }
    let time = hour * HOUR + minute * MINUTE + second * SECOND + micros;
    if time > DAY { Err(Refused::FieldOverflow) } else { Ok(time) }
}

/// `hhmm` or `hhmmss[.fraction]`.
fn read_compact_time(word: &str) -> Result<i64, Refused> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    if !matches!(whole.len(), 4 | 6) {
        return Err(Refused::Syntax);
    }
    let second = if whole.len() == 6 { parse_digits(&whole[4..6])? } else { 0 };
    assemble_time(parse_digits(&whole[..2])?, parse_digits(&whole[2..4])?, second, read_fraction(fraction)?)
}

/// A number alone: a compact date or time, or the part of a date whose month is a word.
fn read_bare(fields: &mut Fields, digits: &str) -> Result<(), Refused> {
    let value = parse_digits(digits)?;
    let has_date = fields.days.is_some() || fields.day.is_some();
    if has_date && (fields.time_follows || (fields.year.is_some() && digits.len() >= 4)) && fields.time.is_none() {
        fields.time = Some(read_compact_time(digits)?);
        return Ok(());
    }
    if fields.time_follows {
        return set(&mut fields.time, read_compact_time(digits)?);
    }
    match digits.len() {
        8 if !has_date && fields.month.is_none() => {
            fields.year = Some(value / 10_000);
            fields.month = Some(value / 100 % 100);
            fields.day = Some(value % 100);
            Ok(())
        }
        6 if !has_date && fields.month.is_none() => {
            fields.year = Some(value / 10_000);
            fields.two_digit_year = true;
            fields.month = Some(value / 100 % 100);
            fields.day = Some(value % 100);
            Ok(())
        }
        1 | 2 if fields.day.is_none() => set(&mut fields.day, value),
        1 | 2 => {
            fields.two_digit_year = digits.len() == 2;
            set(&mut fields.year, value)
        }
        3..=7 => set(&mut fields.year, value),
        9.. => Err(Refused::FieldOverflow),
        _ => Err(Refused::Syntax),
    }
}

/// Three parts with one separator: numbers in the session's order, unless a long year or a month's name decides it.
fn read_date<'a>(fields: &mut Fields, text: &'a str, separator: char, order: DateOrder) -> Result<&'a str, Refused> {
    let mut rest = text;
    let mut parts = Vec::new();
    loop {
        let (part, after) = if rest.starts_with(|c: char| c.is_ascii_digit()) {
            split_while(rest, |c| c.is_ascii_digit())
        } else {
            split_while(rest, |c| c.is_ascii_alphabetic())
        };
        parts.push(part);
        rest = after;
        match after.strip_prefix(separator) {
            Some(next) if parts.len() < 3 => rest = next,
            _ => break,
        }
    }
    let [first, second, third] = parts[..] else { return Err(Refused::Syntax) };
    if let Some(named) = parts.iter().position(|part| part.starts_with(|c: char| c.is_ascii_alphabetic())) {
        let month = month(parts[named]).ok_or(Refused::Syntax)?;
        parts.remove(named);
        let (year, day) = if parts[0].len() > 2 { (parts[0], parts[1]) } else { (parts[1], parts[0]) };
        return fill_date(fields, year, month, parse_digits(day)?).map(|()| rest);
    }
    let (year, month, day) = match order {
        _ if first.len() > 2 => (first, second, third),
        DateOrder::Ymd => (first, second, third),
        DateOrder::Mdy => (third, first, second),
        DateOrder::Dmy => (third, second, first),
    };
    fill_date(fields, year, parse_digits(month)?, parse_digits(day)?).map(|()| rest)
}

fn fill_date(fields: &mut Fields, year: &str, month: i64, day: i64) -> Result<(), Refused> {
    fields.two_digit_year = year.len() <= 2;
    let year = parse_digits(year)?;
    if year > 10_000_000 {
        return Err(Refused::FieldOverflow);
    }
    set(&mut fields.year, year)?;
    set(&mut fields.month, month)?;
    set(&mut fields.day, day)
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

fn month(word: &str) -> Option<i64> {
    let found = MONTHS.iter().position(|name| {
        *name == word || (word.len() == 3 && name.starts_with(word)) || (word == "sept" && *name == "september")
    });
    found.map(|at| at as i64 + 1)
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    const SHORT: [&str; 13] =
        ["mon", "tue", "tues", "wed", "weds", "thu", "thur", "thurs", "fri", "sat", "sun", "on", "at"];
    DAYS.contains(&word) || SHORT.contains(&word)
}

fn read_word<'a>(fields: &mut Fields, text: &'a str, order: DateOrder) -> Result<&'a str, Refused> {
    let (word, rest) = split_while(text, |c| c.is_ascii_alphabetic());
    // An IANA name may hold more characters.
    let (name, after_name) = split_while(text, |c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+'));
    if name.contains('/') {
        let zone = zone::find(name).map_err(|_| Refused::UnknownZone(name.to_owned()))?;
        return set(&mut fields.zone, FieldZone::Named(zone)).map(|()| after_name);
    }
    if month(word).is_some() && rest.starts_with('-') {
        return read_date(fields, text, '-', order);
    }
    match word {
        "t" if rest.starts_with(|c: char| c.is_ascii_digit()) => fields.time_follows = true,
        "j" if fields.day.is_none() => {
            let (digits, rest) = split_while(rest, |c| c.is_ascii_digit());
            set(&mut fields.days, parse_digits(digits)? - 2_451_545)?;
            return Ok(rest);
        }
        "am" | "pm" => set(&mut fields.afternoon, word == "pm")?,
        "bc" | "ad" => set(&mut fields.before_christ, word == "bc")?,
        "epoch" => set(&mut fields.special, Special::Epoch)?,
        "infinity" => set(&mut fields.special, Special::Infinity)?,
        "now" | "today" | "tomorrow" | "yesterday" => return Err(Refused::Unsupported(word.to_owned())),
        _ => {
            if let Some(number) = month(word) {
                // A day that was taken for the month's name to come stays the day.
                set(&mut fields.month, number)?;
            } else if !is_weekday(word) {
                let offset = zone::abbreviation(word).ok_or(Refused::Syntax)?;
                set(&mut fields.zone, FieldZone::Offset(offset))?;
            }
        }
    }
    Ok(rest)
}

/// An offset from Greenwich, or `-infinity`.
fn read_signed<'a>(fields: &mut Fields, text: &'a str) -> Result<&'a str, Refused> {
    if let Some(rest) = text.strip_prefix("-infinity") {
        return set(&mut fields.special, Special::NegativeInfinity).map(|()| rest);
    }
    let (digits, rest) = split_while(&text[1..], |c| c.is_ascii_digit() || c == ':');
    let offset = zone::parse_offset(digits).ok_or(Refused::Syntax)?;
    if offset >= 16 * 3600 {
        return Err(Refused::ZoneOverflow);
    }
    // Only after a time can it be a zone.
    if fields.time.is_none() && fields.day.is_none() {
        return Err(Refused::Syntax);
    }
    set(&mut fields.zone, FieldZone::Offset(if text.starts_with('-') { -offset } else { offset }))?;
    Ok(rest)
}
