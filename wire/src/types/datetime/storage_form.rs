//! The texts of dates and times: how they are stored, and how PostgreSQL's ISO style shows them.
//!
//! Storage: `2024-01-31`, `2024-01-31 10:00:00.5`, the same with `+00` for `timestamptz`, `10:00:00.5` for `time`, `infinity`
//! and `-infinity`. So that plain text comparison orders all values, years beyond 9999 are written `Y0010000-01-01` and
//! years before 1 AD as `/` and 10000 less the year BC: `/9956-03-15` is 44 BC. Both sort where they belong: `-infinity`, `/`,
//! digits, `Y`, `infinity`.

use super::calendar::{self, Civil};
use super::zone::{Zone, offset_text};
use super::{DAY, Date, HOUR, MINUTE, SECOND, Time, Timestamp};

/// Shift that keeps stored years before 1 AD positive and four digits long.
const BEFORE_CHRIST_SHIFT: i64 = 9_999;

impl Date {
    /// The storage form.
    pub fn store(self) -> String {
        match self {
            Self::INFINITY => "infinity".into(),
            Self::NEGATIVE_INFINITY => "-infinity".into(),
            Self(days) => stored_day(i64::from(days)),
        }
    }

    /// Reads the storage form.
    pub fn load(text: &str) -> Option<Self> {
        match text {
            "infinity" => Some(Self::INFINITY),
            "-infinity" => Some(Self::NEGATIVE_INFINITY),
            _ => match stored_date(text)? {
                (days, "") => Self::from_days(days),
                _ => None,
            },
        }
    }

    /// PostgreSQL's output.
    pub fn show(self) -> String {
        if self.is_infinite() {
            return self.store();
        }
        let date = self.civil();
        format!("{}{}", shown_day(date), era(date))
    }
}

impl Timestamp {
    /// The storage form of a `timestamp`.
    pub fn store(self) -> String {
        match self {
            Self::INFINITY => "infinity".into(),
            Self::NEGATIVE_INFINITY => "-infinity".into(),
            Self(micros) => format!("{} {}", stored_day(micros.div_euclid(DAY)), self.time().show()),
        }
    }

    /// The storage form of a `timestamptz`.
    pub fn store_zoned(self) -> String {
        if self.is_infinite() { self.store() } else { format!("{}+00", self.store()) }
    }

    /// Reads either storage form.
    pub fn load(text: &str) -> Option<Self> {
        match text {
            "infinity" => return Some(Self::INFINITY),
            "-infinity" => return Some(Self::NEGATIVE_INFINITY),
            _ => {}
        }
        let (days, rest) = stored_date(text)?;
        let time = rest.strip_prefix([' ', 'T'])?;
        let time = Time::load(time.strip_suffix("+00").unwrap_or(time))?;
        Self::from_micros(i128::from(days) * i128::from(DAY) + i128::from(time.0))
    }

    /// PostgreSQL's output of a `timestamp`.
    pub fn show(self) -> String {
        if self.is_infinite() {
            return self.store();
        }
        let date = self.date().civil();
        format!("{} {}{}", shown_day(date), self.time().show(), era(date))
    }

    /// PostgreSQL's output of a `timestamptz` in a zone.
    pub fn show_in(self, zone: &Zone) -> String {
        if self.is_infinite() {
            return self.store();
        }
        let offset = zone.offset_at(self);
        // At most a few days outside the range of timestamps, well inside 64 bits.
        let local = Self(self.0.saturating_add(i64::from(offset) * SECOND));
        let date = local.date().civil();
        format!("{} {}{}{}", shown_day(date), local.time().show(), offset_text(offset), era(date))
    }
}

impl Time {
    /// Storage form and PostgreSQL's output.
    pub fn show(self) -> String {
        let micros = self.0;
        let mut text = format!("{:02}:{:02}:{:02}", micros / HOUR, micros / MINUTE % 60, micros / SECOND % 60);
        push_fraction(&mut text, micros % SECOND);
        text
    }

    /// Reads the storage form.
    pub fn load(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (whole, fraction) = text.split_at_checked(8)?;
        if bytes[2] != b':' || bytes[5] != b':' {
            return None;
        }
        let field = |at: usize| whole.get(at..at + 2).and_then(digits);
        let (hour, minute, second) = (field(0)?, field(3)?, field(6)?);
        if minute > 59 || second > 59 {
            return None;
        }
        let micros = match fraction.strip_prefix('.') {
            None if fraction.is_empty() => 0,
            None => return None,
            Some(fraction) if (1..=6).contains(&fraction.len()) => {
                digits(fraction)? * 10i64.pow(6 - fraction.len() as u32)
            }
            Some(_) => return None,
        };
        let time = hour * HOUR + minute * MINUTE + second * SECOND + micros;
        (time <= DAY).then_some(Self(time))
    }
}

/// Appends `.` and the digits of a fraction of a second, without trailing zeros; nothing for 0.
pub fn push_fraction(text: &mut String, micros: i64) {
    if micros != 0 {
        let digits = format!("{micros:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}

fn stored_day(days: i64) -> String {
    let Civil { year, month, day } = calendar::civil(days);
    match year {
        10_000.. => format!("Y{year:07}-{month:02}-{day:02}"),
        1.. => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("/{:04}-{month:02}-{day:02}", year + BEFORE_CHRIST_SHIFT),
    }
}

/// Reads a stored date and gives what follows it.
fn stored_date(text: &str) -> Option<(i64, &str)> {
    let (shift, year_length, rest) = match text.as_bytes().first()? {
        b'Y' => (0, 7, &text[1..]),
        b'/' => (BEFORE_CHRIST_SHIFT, 4, &text[1..]),
        _ => (0, 4, text),
    };
    let (date, rest) = rest.split_at_checked(year_length + 6)?;
    let (year, month_and_day) = date.split_at_checked(year_length)?;
    let bytes = month_and_day.as_bytes();
    if bytes[0] != b'-' || bytes[3] != b'-' {
        return None;
    }
    let (year, month, day) =
        (digits(year)? - shift, digits(month_and_day.get(1..3)?)?, digits(month_and_day.get(4..6)?)?);
    if !(1..=12).contains(&month) || day < 1 || day > calendar::month_length(year, month) {
        return None;
    }
    Some((calendar::days(Civil { year, month, day }), rest))
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn shown_day(date: Civil) -> String {
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    format!("{year:04}-{:02}-{:02}", date.month, date.day)
}

fn era(date: Civil) -> &'static str {
    if date.year > 0 { "" } else { " BC" }
}
