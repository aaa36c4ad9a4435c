//! Time zones: IANA names from the database bundled with crate `jiff`, abbreviations, and fixed offsets.
//!
//! The bundled database makes every node of a cluster give the same answer whatever its machine has installed. Beyond the
//! years the crate covers, the offset of the same day in a 400 year cycle inside them is taken.

use std::cell::RefCell;
use std::rc::Rc;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::{DAY, SECOND, Timestamp, calendar};
use crate::error::SqlError;

/// Zones kept a thread: a session uses one, statements a few more.
const CACHE_MAX: usize = 16;

/// Where a local time belongs.
#[derive(Debug, Clone)]
pub enum Zone {
    /// Seconds east of Greenwich.
    Fixed(i32),
    Named(TimeZone),
}

/// Abbreviations of PostgreSQL's default set in common use, with seconds east of Greenwich.
static ABBREVIATIONS: &[(&str, i32)] = &[
    ("acdt", 37_800),
    ("acst", 34_200),
    ("aedt", 39_600),
    ("aest", 36_000),
    ("akdt", -28_800),
    ("akst", -32_400),
    ("awst", 28_800),
    ("bst", 3_600),
    ("cdt", -18_000),
    ("cest", 7_200),
    ("cet", 3_600),
    ("cst", -21_600),
    ("edt", -14_400),
    ("eest", 10_800),
    ("eet", 7_200),
    ("est", -18_000),
    ("gmt", 0),
    ("hst", -36_000),
    ("ist", 7_200),
    ("jst", 32_400),
    ("kst", 32_400),
    ("mdt", -21_600),
    ("msk", 10_800),
    ("mst", -25_200),
    ("nzdt", 46_800),
    ("nzst", 43_200),
    ("pdt", -25_200),
    ("pst", -28_800),
    ("sast", 7_200),
    ("ut", 0),
    ("utc", 0),
    ("west", 3_600),
    ("wet", 0),
    ("z", 0),
    ("zulu", 0),
];

/// The offset of an abbreviation (any case), in seconds east.
pub fn abbreviation(name: &str) -> Option<i32> {
    let lower = name.to_ascii_lowercase();
    ABBREVIATIONS.binary_search_by_key(&lower.as_str(), |entry| entry.0).ok().map(|at| ABBREVIATIONS[at].1)
}

/// Finds a zone by abbreviation, IANA name (any case), or POSIX specification, whose offsets count west.
///
/// # Errors
/// 22023 `time zone "x" not recognized`.
pub fn find(name: &str) -> Result<Rc<Zone>, SqlError> {
    thread_local! {
        static CACHE: RefCell<Vec<(String, Rc<Zone>)>> = const { RefCell::new(Vec::new()) };
    }
    CACHE.with_borrow_mut(|cache| {
        if let Some((_, zone)) = cache.iter().find(|(known, _)| known == name) {
            return Ok(Rc::clone(zone));
        }
        let zone = Rc::new(load(name)?);
        if cache.len() >= CACHE_MAX {
            cache.remove(0);
        }
        cache.push((name.to_owned(), Rc::clone(&zone)));
        Ok(zone)
    })
}

fn load(name: &str) -> Result<Zone, SqlError> {
    let trimmed = name.trim();
    if let Some(offset) = abbreviation(trimmed) {
        return Ok(Zone::Fixed(offset));
    }
    if let Ok(zone) = TimeZone::get(trimmed) {
        return Ok(Zone::Named(zone));
    }
    posix_offset(trimmed)
        .map(Zone::Fixed)
        .ok_or_else(|| SqlError::new("22023", format!("time zone \"{name}\" not recognized")))
}

/// A POSIX specification without daylight saving: an optional name, then hours west with optional minutes and seconds.
fn posix_offset(text: &str) -> Option<i32> {
    let offset = match text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((_, offset)) => offset,
        None => text.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
    };
    parse_offset(offset).filter(|seconds| seconds.abs() <= 168 * 3600).map(|west| -west)
}

/// Reads `[+-]h[h][[:]mm[[:]ss]]` as seconds.
pub fn parse_offset(text: &str) -> Option<i32> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_digit() || b == b':') {
        return None;
    }
    let parts: Vec<&str> = if rest.contains(':') {
        rest.split(':').collect()
    } else if rest.len() > 2 {
        let at = rest.len() - 2;
        if rest.len() > 4 {
            vec![&rest[..at - 2], &rest[at - 2..at], &rest[at..]]
        } else {
            vec![&rest[..at], &rest[at..]]
        }
    } else {
        vec![rest]
    };
    let mut seconds = 0;
    for (part, unit) in parts.iter().zip([3600, 60, 1]) {
        let value: i32 = part.parse().ok().filter(|value| unit == 3600 || *value < 60)?;
        seconds += value.checked_mul(unit)?;
    }
    (parts.len() <= 3).then_some(if negative { -seconds } else { seconds })
}

impl Zone {
    /// Seconds east of Greenwich at a moment.
    pub fn offset_at(&self, moment: Timestamp) -> i32 {
        match self {
            Self::Fixed(offset) => *offset,
            Self::Named(zone) => {
                let (micros, _) = into_range(moment.0);
                let unix = Timestamp(micros).unix_micros() as i64;
                jiff::Timestamp::from_microsecond(unix).map_or(0, |moment| zone.to_offset(moment).seconds())
            }
        }
    }

    /// The abbreviation in force at a moment.
    pub fn abbreviation_at(&self, moment: Timestamp) -> String {
        match self {
            Self::Fixed(0) => "UTC".to_owned(),
            Self::Fixed(offset) => offset_text(*offset),
            Self::Named(zone) => {
                let (micros, _) = into_range(moment.0);
                let unix = Timestamp(micros).unix_micros() as i64;
                jiff::Timestamp::from_microsecond(unix)
                    .map_or_else(|_| "UTC".to_owned(), |moment| zone.to_offset_info(moment).abbreviation().to_owned())
            }
        }
    }

    /// What clocks in the zone show at a moment; infinities stay. `None`: out of range.
    pub fn local(&self, moment: Timestamp) -> Option<Timestamp> {
        if moment.is_infinite() {
            return Some(moment);
        }
        Timestamp::from_micros(i128::from(moment.0) + i128::from(self.offset_at(moment)) * i128::from(SECOND))
    }

    /// The moment at which clocks in the zone show a local time. In the hour that spring skips, the offset before it
    /// counts; in the hour that autumn repeats, the second pass. Infinities stay. `None`: out of range.
    pub fn moment(&self, local: Timestamp) -> Option<Timestamp> {
        if local.is_infinite() {
            return Some(local);
        }
        Timestamp::from_micros(i128::from(local.0) - i128::from(self.offset_of_local(local)) * i128::from(SECOND))
    }

    /// The offset in force at a local time.
    pub fn offset_of_local(&self, local: Timestamp) -> i32 {
        let zone = match self {
            Self::Fixed(offset) => return *offset,
            Self::Named(zone) => zone,
        };
        let (micros, _) = into_range(local.0);
        let Some(civil) = civil_time(Timestamp(micros)) else { return 0 };
        match zone.to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
            AmbiguousOffset::Gap { before, .. } => before.seconds(),
            AmbiguousOffset::Fold { after, .. } => after.seconds(),
        }
    }
}

/// Moves a time by whole 400 year cycles to where the zone database applies, and says by how much.
fn into_range(micros: i64) -> (i64, i64) {
    const CYCLE: i64 = 146_097 * DAY;
    // Years 1200 to 9200: inside what the crate represents, whatever the offset. No zone has a rule before 1600, so that
    // all earlier times are taken to the cycle before it.
    let cycles = if micros < -CYCLE {
        (micros + CYCLE).div_euclid(CYCLE) + 1
    } else if micros > 18 * CYCLE {
        (micros - 18 * CYCLE).div_euclid(CYCLE) + 1
    } else {
        0
    };
    (micros - cycles * CYCLE, cycles)
}

fn civil_time(local: Timestamp) -> Option<DateTime> {
    let date = calendar::civil(i64::from(local.date().0));
    let time = local.time().0 / SECOND;
    DateTime::new(
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
        (time / 3600) as i8,
        (time / 60 % 60) as i8,
        (time % 60) as i8,
        0,
    )
    .ok()
}

/// An offset as timestamps show it: `+00`, `-03:30`, `+00:19:32`.
pub fn offset_text(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    let mut text = format!("{sign}{:02}", seconds / 3600);
    if seconds % 3600 != 0 {
        text.push_str(&format!(":{:02}", seconds / 60 % 60));
    }
    if seconds % 60 != 0 {
        text.push_str(&format!(":{:02}", seconds % 60));
    }
    text
}
