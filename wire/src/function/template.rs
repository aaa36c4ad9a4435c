//! `to_char`, `to_date` and `to_timestamp`: values shown and read by templates.
//!
//! Templates of dates: years, quarters, months, weeks, days, times, AM/PM, zone names and offsets, with `FM` and `TH`.
//! Templates of numbers: `9 0 . , D G S MI FM`. Any other template pattern is 0A000, never shown as plain text.

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{Call, Pattern};
use super::body::{strict, text};
use super::{Function, function_table};
use crate::error::SqlError;
use crate::types::datetime::calendar::{self, Civil};
use crate::types::datetime::zone::offset_text;
use crate::types::datetime::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use crate::types::numeric::Numeric;

pub(super) static FUNCTIONS: &[Function] = function_table! {
    "to_char"(TIMESTAMP, TEXT) -> TEXT, Stable, Pattern("pg_to_char_timestamp({0}, {1}, '', '')");
    "to_char"(TIMESTAMPTZ, TEXT) -> TEXT, Stable, Pattern("pg_to_char_timestamptz({0}, {1}, {timezone})");
    "to_char"(INT4, TEXT) -> TEXT, Stable, Call("pg_to_char_numeric");
    "to_char"(INT8, TEXT) -> TEXT, Stable, Call("pg_to_char_numeric");
    "to_char"(NUMERIC, TEXT) -> TEXT, Stable, Call("pg_to_char_numeric");
    "to_char"(FLOAT8, TEXT) -> TEXT, Stable, Pattern("pg_to_char_numeric(pg_float_to_numeric({0}, 15), {1})");
    "to_date"(TEXT, TEXT) -> DATE, Stable, Pattern("pg_date(pg_to_timestamp({0}, {1}))");
    "to_timestamp"(TEXT, TEXT) -> TIMESTAMPTZ, Stable, Pattern("pg_moment(pg_to_timestamp({0}, {1}), {timezone})");
};

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    strict(conn, "pg_to_char_timestamp", 4, |a| show(a.timestamp(0)?, &a.text(1)?, &a.text(2)?, &a.text(3)?))?;
    strict(conn, "pg_to_char_timestamptz", 3, |a| {
        let (moment, zone) = (a.timestamp(0)?, a.zone(2)?);
        let local = zone.local(moment).ok_or_else(|| SqlError::new("22008", "timestamp out of range"))?;
        show(local, &a.text(1)?, &zone.abbreviation_at(moment), &offset_text(zone.offset_at(moment)))
    })?;
    strict(conn, "pg_to_char_numeric", 2, |a| show_number(&a.numeric(0)?, &a.text(1)?).map(text))?;
    strict(conn, "pg_to_timestamp", 2, |a| read(&a.text(0)?, &a.text(1)?).map(|value| text(value.store())))
}

/// Patterns of dates, longer ones before those they begin with.
const PATTERNS: [&str; 43] = [
    "Y,YYY", "SSSSS", "MONTH", "YYYY", "IYYY", "SSSS", "HH24", "HH12", "IDDD", "A.M.", "P.M.", "YYY", "IYY", "DDD",
    "DAY", "MON", "B.C.", "A.D.", "TZH", "TZM", "YY", "IY", "MM", "DD", "DY", "ID", "IW", "WW", "HH", "MI", "SS", "MS",
    "US", "CC", "AM", "PM", "AD", "BC", "TZ", "OF", "Y", "I", "Q",
];
/// Single letters that are patterns too, tried last.
const LETTERS: [&str; 3] = ["D", "J", "W"];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A part of a template.
enum Part {
    Literal(String),
    /// A pattern in upper case, as it is written, and its modifiers.
    Field {
        name: &'static str,
        written: String,
        fill: bool,
        ordinal: Option<bool>,
    },
}

fn parts(template: &str) -> Result<Vec<Part>, SqlError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (literal, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            parts.push(Part::Literal(literal.to_owned()));
            rest = after;
            continue;
        }
        let (fill, body) = match rest.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("FM") => (false, &rest[2..]),
            _ => (true, rest),
        };
        let begins = |name: &&&str| body.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
        let Some(name) = PATTERNS.iter().find(begins).or_else(|| LETTERS.iter().find(begins)) else {
            let Some(c) = body.chars().next() else { break };
            // Other letters of PostgreSQL's templates, such as RM, would be shown as themselves.
            if c.is_ascii_alphabetic() && body.get(..2).is_some_and(|head| head.eq_ignore_ascii_case("RM")) {
                return Err(SqlError::unsupported("template pattern \"RM\" is not supported"));
            }
            parts.push(Part::Literal(c.to_string()));
            rest = &body[c.len_utf8()..];
            continue;
        };
        rest = &body[name.len()..];
        let suffix = rest.get(..2).filter(|suffix| suffix.eq_ignore_ascii_case("TH"));
        let ordinal = suffix.map(|suffix| suffix == "TH");
        if ordinal.is_some() {
            rest = &rest[2..];
        }
        parts.push(Part::Field { name, written: body[..name.len()].to_owned(), fill, ordinal });
    }
    Ok(parts)
}

/// A word in the case of its pattern: `MONTH`, `Month` or `month`.
fn cased(word: &str, written: &str) -> String {
    let mut letters = written.chars().filter(char::is_ascii_alphabetic);
    match (letters.next().is_some_and(char::is_uppercase), letters.next().is_some_and(char::is_uppercase)) {
        (true, true) => word.to_uppercase(),
        (true, false) => word.to_owned(),
        (false, _) => word.to_lowercase(),
    }
}

fn show(local: Timestamp, template: &str, zone: &str, offset: &str) -> Result<Value, SqlError> {
    if local.is_infinite() {
        return Ok(Value::Null);
    }
    let mut out = String::new();
    for part in parts(template)? {
        match part {
            Part::Literal(literal) => out.push_str(&literal),
            Part::Field { name, written, fill, ordinal } => {
                let shown = match field(local, name) {
                    Shown::Number(value, width) if fill => format!("{value:0width$}"),
                    Shown::Number(value, _) => value.to_string(),
                    Shown::Word(word, width) => {
                        let word = cased(&word, &written);
                        if fill { format!("{word:<width$}") } else { word }
                    }
                    Shown::Zone => cased(&zone.to_uppercase(), if written == "tz" { "tz" } else { "TZ" }),
                    Shown::Offset => offset.to_owned(),
                    Shown::Unsupported => {
                        return Err(SqlError::unsupported(format!("template pattern \"{name}\" is not supported")));
                    }
                };
                out.push_str(&shown);
                if let Some(upper) = ordinal {
                    let suffix = ordinal_suffix(&shown);
                    out.push_str(&if upper { suffix.to_uppercase() } else { suffix.to_owned() });
                }
            }
        }
    }
    Ok(text(out))
}

fn ordinal_suffix(number: &str) -> &'static str {
    match number.as_bytes() {
        [.., b'1', _] => "th",
        [.., b'1'] => "st",
        [.., b'2'] => "nd",
        [.., b'3'] => "rd",
        _ => "th",
    }
}

/// What a pattern shows, with the width it is filled to.
enum Shown {
    Number(i64, usize),
    Word(String, usize),
    Zone,
    Offset,
    Unsupported,
}

fn field(local: Timestamp, name: &str) -> Shown {
    use Shown::{Number, Word};
    let days = i64::from(local.date().0);
    let date = calendar::civil(days);
    let time = local.time().0;
    let year = if date.year > 0 { date.year } else { 1 - date.year };
    let (iso_year, iso_week) = calendar::iso_week(days);
    let hour = time / HOUR;
    let weekday = calendar::day_of_week(days);
    let day_of_year = calendar::day_of_year(days);
    let month_name = MONTHS[(date.month - 1).rem_euclid(12) as usize];
    let day_name = DAYS[weekday.rem_euclid(7) as usize];
    let half = if hour < 12 { "am" } else { "pm" };
    let era = if date.year > 0 { "ad" } else { "bc" };
    match name {
        "Y,YYY" => Word(format!("{},{:03}", year / 1000, year % 1000), 0),
        "YYYY" => Number(year, 4),
        "YYY" => Number(year % 1000, 3),
        "YY" => Number(year % 100, 2),
        "Y" => Number(year % 10, 1),
        "IYYY" => Number(iso_year, 4),
        "IYY" => Number(iso_year % 1000, 3),
        "IY" => Number(iso_year % 100, 2),
        "I" => Number(iso_year % 10, 1),
        "Q" => Number((date.month - 1) / 3 + 1, 1),
        "CC" if date.year <= 0 => Word(format!("-{:02}", 1 - date.year / 100), 0),
        "CC" => Number((year + 99) / 100, 2),
        "MM" => Number(date.month, 2),
        "MONTH" => Word(month_name.to_owned(), 9),
        "MON" => Word(month_name[..3].to_owned(), 3),
        "DAY" => Word(day_name.to_owned(), 9),
        "DY" => Word(day_name[..3].to_owned(), 3),
        "DDD" => Number(day_of_year, 3),
        "DD" => Number(date.day, 2),
        "D" => Number(weekday + 1, 1),
        "ID" => Number((weekday + 6) % 7 + 1, 1),
        "IW" => Number(iso_week, 2),
        "WW" => Number((day_of_year - 1) / 7 + 1, 2),
        "W" => Number((date.day - 1) / 7 + 1, 1),
        "J" => Number(days + 2_451_545, 1),
        "HH24" => Number(hour, 2),
        "HH" | "HH12" => Number((hour + 11) % 12 + 1, 2),
        "MI" => Number(time / MINUTE % 60, 2),
        "SS" => Number(time / SECOND % 60, 2),
        "MS" => Number(time % SECOND / 1000, 3),
        "US" => Number(time % SECOND, 6),
        "SSSS" | "SSSSS" => Number(time / SECOND, 1),
        "AM" | "PM" => Word(in_pattern_case(half, false), 2),
        "A.M." | "P.M." => Word(in_pattern_case(half, true), 4),
        "AD" | "BC" => Word(in_pattern_case(era, false), 2),
        "A.D." | "B.C." => Word(in_pattern_case(era, true), 4),
        "TZ" => Shown::Zone,
        "OF" => Shown::Offset,
        _ => Shown::Unsupported,
    }
}

/// `AM` as its pattern spells it, with points or without.
fn in_pattern_case(word: &str, points: bool) -> String {
    let upper = word.to_uppercase();
    if points { upper.chars().flat_map(|c| [c, '.']).collect() } else { upper }
}

/// Reads a local time by a template.
fn read(value: &str, template: &str) -> Result<Timestamp, SqlError> {
    let mut rest = value.trim_start();
    let parts = parts(template)?;
    let (mut year, mut month, mut day) = (None, 1, 1);
    let (mut hour, mut minute, mut second, mut micros) = (0, 0, 0, 0);
    let mut afternoon = None;
    for (at, part) in parts.iter().enumerate() {
        let (name, written) = match part {
            Part::Literal(literal) => {
                // A separator stands for any separator; other characters are skipped one for one.
                rest = skip_literal(rest, literal);
                continue;
            }
            Part::Field { name, written, .. } => (*name, written),
        };
        rest = rest.trim_start();
        let digits_follow = matches!(parts.get(at + 1), Some(Part::Field { .. }));
        let mut number = |width: usize| take_number(&mut rest, width, digits_follow, written);
        match name {
            "YYYY" => year = Some(number(4)?),
            "MM" => month = number(2)?,
            "DD" => day = number(2)?,
            "HH24" | "HH" | "HH12" => hour = number(2)?,
            "MI" => minute = number(2)?,
            "SS" => second = number(2)?,
            "MS" | "US" => micros = take_fraction(&mut rest, if name == "MS" { 3 } else { 6 }, written)?,
            "MON" | "MONTH" => month = take_month(&mut rest, written)?,
            "AM" | "PM" => afternoon = Some(take_half(&mut rest, written)?),
            _ => return Err(SqlError::unsupported(format!("template pattern \"{name}\" is not supported as input"))),
        }
    }
    if let Some(afternoon) = afternoon {
        if !(1..=12).contains(&hour) {
            return Err(SqlError::new("22007", format!("hour \"{hour}\" is invalid for the 12-hour clock"))
                .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    // Without a year PostgreSQL reads the year 1 BC.
    let year = year.unwrap_or(0);
    let refuse = || SqlError::new("22008", format!("date/time field value out of range: \"{value}\""));
    if !(1..=12).contains(&month)
        || day < 1
        || day > calendar::month_length(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return Err(refuse());
    }
    let time = hour * HOUR + minute * MINUTE + second * SECOND + micros;
    let days = calendar::days(Civil { year, month, day });
    Timestamp::from_micros(i128::from(days) * i128::from(DAY) + i128::from(time)).ok_or_else(refuse)
}

fn skip_literal<'a>(rest: &'a str, literal: &str) -> &'a str {
    let mut rest = rest;
    for c in literal.chars() {
        rest = match rest.chars().next() {
            Some(next) if next == c || (!c.is_alphanumeric() && !next.is_alphanumeric()) => &rest[next.len_utf8()..],
            _ if !c.is_alphanumeric() => rest,
            Some(next) => &rest[next.len_utf8()..],
            None => rest,
        };
    }
    rest
}

fn invalid(found: &str, written: &str) -> SqlError {
    SqlError::new("22007", format!("invalid value \"{found}\" for \"{written}\""))
}

/// Reads digits: as many as there are, unless another field follows at once.
fn take_number(rest: &mut &str, width: usize, bounded: bool, written: &str) -> Result<i64, SqlError> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let count = if bounded { digits.min(width) } else { digits };
    if count == 0 {
        let found: String = rest.chars().take(width).collect();
        return Err(invalid(&found, written).detail("Value must be an integer."));
    }
    let (number, after) = rest.split_at(count);
    *rest = after;
    number
        .parse()
        .ok()
        .filter(|value| *value <= 9_999_999)
        .ok_or_else(|| SqlError::new("22008", format!("value for \"{written}\" in source string is out of range")))
}

fn take_fraction(rest: &mut &str, width: usize, written: &str) -> Result<i64, SqlError> {
    let before = *rest;
    let value = take_number(rest, width, true, written)?;
    let count = before.len() - rest.len();
    Ok(value * 10i64.pow(6 - count.min(6) as u32))
}

fn take_month(rest: &mut &str, written: &str) -> Result<i64, SqlError> {
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    let wanted = if written.len() == 3 { word.get(..3).unwrap_or(&word) } else { &word };
    let found = MONTHS.iter().position(|name| {
        let name = if written.len() == 3 { &name[..3] } else { name };
        name.eq_ignore_ascii_case(wanted)
    });
    let at = found.ok_or_else(|| {
        invalid(&word, written).detail("The given value did not match any of the allowed values for this field.")
    })?;
    *rest = &rest[wanted.len()..];
    Ok(at as i64 + 1)
}

fn take_half(rest: &mut &str, written: &str) -> Result<bool, SqlError> {
    let word = rest.get(..2).unwrap_or(rest);
    let afternoon = word.eq_ignore_ascii_case("pm");
    if !afternoon && !word.eq_ignore_ascii_case("am") {
        return Err(invalid(word, written));
    }
    *rest = &rest[2..];
    Ok(afternoon)
}

/// A numeric template: digits before and behind the point, group marks, and where the sign goes.
struct NumberTemplate {
    fill: bool,
    /// `9`, `0` and `,` before the point.
    whole: Vec<u8>,
    /// `9` and `0` behind it; `None` without a point.
    fraction: Option<Vec<u8>>,
    sign: Sign,
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Sign {
    /// Before the first digit, blank when positive.
    Plain,
    /// `S` in front.
    Leading,
    /// `S` behind.
    Trailing,
    /// `MI` behind.
    MinusBehind,
}

fn number_template(template: &str) -> Result<NumberTemplate, SqlError> {
    let mut parsed = NumberTemplate { fill: true, whole: Vec::new(), fraction: None, sign: Sign::Plain };
    let upper = template.to_ascii_uppercase();
    let mut rest = upper.as_str();
    while let Some(c) = rest.chars().next() {
        let mut width = c.len_utf8();
        let empty = parsed.whole.is_empty() && parsed.fraction.is_none();
        match c {
            'F' if rest.starts_with("FM") => {
                parsed.fill = false;
                width = 2;
            }
            'M' if rest.starts_with("MI") && !empty => {
                parsed.sign = Sign::MinusBehind;
                width = 2;
            }
            'S' => parsed.sign = if empty { Sign::Leading } else { Sign::Trailing },
            '9' | '0' => parsed.fraction.as_mut().unwrap_or(&mut parsed.whole).push(c as u8),
            ',' | 'G' if parsed.fraction.is_none() => parsed.whole.push(b','),
            '.' | 'D' if parsed.fraction.is_none() => parsed.fraction = Some(Vec::new()),
            _ => {
                return Err(SqlError::unsupported(format!("numeric template pattern \"{c}\" is not supported")));
            }
        }
        rest = &rest[width..];
    }
    Ok(parsed)
}

fn show_number(value: &Numeric, template: &str) -> Result<String, SqlError> {
    let template = number_template(template)?;
    let places = template.fraction.as_ref().map_or(0, Vec::len);
    let rounded = value.round(places as i32);
    let negative = rounded < Numeric::zero();
    let shown = rounded.absolute().to_string();
    let (whole, fraction) = shown.split_once('.').unwrap_or((&shown, ""));
    let slots = template.whole.iter().filter(|slot| **slot != b',').count();
    let digits = if whole == "0" && places > 0 { "" } else { whole };
    let fits = digits.len() <= slots && digits.bytes().all(|b| b.is_ascii_digit());
    let (mut body, mut blanks) = (String::new(), 0);
    let nothing_shown = digits.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    // Digits are placed from the right; a 0 in the template shows zeros from there on.
    let first_zero = template.whole.iter().position(|slot| *slot == b'0');
    let mut slot = 0;
    for (at, mark) in template.whole.iter().enumerate() {
        let forced = first_zero.is_some_and(|zero| at >= zero);
        if *mark == b',' {
            if body.is_empty() {
                blanks += 1
            } else {
                body.push(',')
            }
            continue;
        }
        let from_right = slots - slot;
        slot += 1;
        if !fits {
            body.push('#');
        } else if from_right <= digits.len() {
            body.push(char::from(digits.as_bytes()[digits.len() - from_right]));
        } else if forced || !body.is_empty() {
            body.push('0');
        } else {
            blanks += 1;
        }
    }
    if let Some(slots) = &template.fraction {
        body.push('.');
        let kept = if template.fill {
            slots.len()
        } else {
            // Zeros that only a 9 stands for are dropped.
            let needed = fraction.trim_end_matches('0').len();
            slots.iter().rposition(|slot| *slot == b'0').map_or(needed, |zero| needed.max(zero + 1))
        };
        // A zero of which neither side shows a digit is `0.`.
        if nothing_shown && kept == 0 && body == "." {
            body.insert(0, '0');
        }
        body.push_str(&if fits { fraction[..kept.min(fraction.len())].to_owned() } else { "#".repeat(kept) });
    }
    let signed = match template.sign {
        Sign::Plain if negative => format!("-{body}"),
        Sign::Plain if template.fill => format!(" {body}"),
        Sign::Plain => body,
        Sign::Leading => format!("{}{body}", if negative { '-' } else { '+' }),
        Sign::Trailing => format!("{body}{}", if negative { '-' } else { '+' }),
        Sign::MinusBehind if negative => format!("{body}-"),
        Sign::MinusBehind if template.fill => format!("{body} "),
        Sign::MinusBehind => body,
    };
    Ok(if template.fill { format!("{}{signed}", " ".repeat(blanks)) } else { signed })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    fn moment(template: &str, expected: &str) {
        check(&format!("pg_to_char_timestamp('2024-05-06 07:08:09.123456', '{template}', '', '')"), expected);
    }

    fn number(value: &str, template: &str, expected: &str) {
        check(&format!("pg_to_char_numeric('{value}', '{template}')"), expected);
    }

    #[test]
    fn moments_are_shown_by_template() {
        moment("YYYY-MM-DD HH24:MI:SS.US", "2024-05-06 07:08:09.123456");
        moment("Dy DD Mon YYYY HH12:MI AM", "Mon 06 May 2024 07:08 AM");
        moment("FMDay, FMMonth FMDD", "Monday, May 6");
        moment("Day|Month|MONTH|day", "Monday   |May      |MAY      |monday   ");
        moment("YY Y Q WW IW ID D DDD J CC", "24 4 2 19 19 1 2 127 2460437 21");
        moment("MS SSSS \"literal\" x", "123 25689 literal x");
        moment("HH:MI:SS pm", "07:08:09 am");
        moment("DDth FMDDth", "06th 6th");
        moment("IYYY-IW", "2024-19");
        moment("RM", "template pattern \"RM\" is not supported (0A000)");
        check("pg_to_char_timestamptz('2024-07-01 12:00:00+00', 'HH24:MI TZ OF', 'America/New_York')", "08:00 EDT -04");
    }

    #[test]
    fn numbers_are_shown_by_template() {
        number("1234.5", "9,999.99", " 1,234.50");
        number("-1234.5", "9,999.99", "-1,234.50");
        number("12", "000", " 012");
        number("12", "FM000", "012");
        number("0.5", "0.99", " 0.50");
        number("0.5", "9.99", "  .50");
        number("1234", "999", " ###");
        number("-5", "S99", " -5");
        number("5", "99S", " 5+");
        number("-5", "99MI", " 5-");
        number("1.5", "FM9.99", "1.5");
        number("1", "9", " 1");
        number("12345", "FM99,999", "12,345");
        number("1", "9EEEE", "numeric template pattern \"E\" is not supported (0A000)");
    }

    #[test]
    fn texts_are_read_by_template() {
        check("pg_to_timestamp('05 Dec 2000', 'DD Mon YYYY')", "2000-12-05 00:00:00");
        check("pg_to_timestamp('20240102', 'YYYYMMDD')", "2024-01-02 00:00:00");
        check("pg_to_timestamp('2024-01-02 03:04:05', 'YYYY-MM-DD HH24:MI:SS')", "2024-01-02 03:04:05");
        check("pg_to_timestamp('2024-01-02 03:04 PM', 'YYYY-MM-DD HH12:MI AM')", "2024-01-02 15:04:00");
        check(
            "pg_to_timestamp('2024-13-01', 'YYYY-MM-DD')",
            "date/time field value out of range: \"2024-13-01\" (22008)",
        );
        check("pg_to_timestamp('xx', 'YYYY')", "invalid value \"xx\" for \"YYYY\" (22007)");
    }
}
