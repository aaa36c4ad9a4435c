//! Turns single values into types: numbers with ranges, addresses, durations and sizes with units.
//!
//! Pure. The book's keys keep their plain numbers and take text with a unit too (`10`, `"10s"`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::tree::{Node, Problem, Value, split_raw_list};

/// Longest accepted duration, so that adding one to a clock cannot overflow: 1000 years.
const DURATION_MAX: Duration = Duration::from_secs(1000 * 365 * 86_400);

pub(super) fn text(node: &Node) -> Result<String, Problem> {
    match &node.value {
        Value::Text(text) | Value::Raw(text) => Ok(text.clone()),
        other @ (Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_)) => Err(node.problem(format!("expected text, found {}", other.kind()))),
    }
}

pub(super) fn path(node: &Node) -> Result<PathBuf, Problem> {
    let text = text(node)?;
    if text.is_empty() { Err(node.problem("expected a path, found empty text")) } else { Ok(text.into()) }
}

pub(super) fn boolean(node: &Node) -> Result<bool, Problem> {
    match &node.value {
        Value::Boolean(flag) => Ok(*flag),
        Value::Raw(raw) => raw.parse().map_err(|_| node.problem(format!("expected true or false, found `{raw}`"))),
        other @ (Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_)) => Err(node.problem(format!("expected true or false, found {}", other.kind()))),
    }
}

pub(super) fn integer(node: &Node) -> Result<i64, Problem> {
    match &node.value {
        Value::Integer(number) => Ok(*number),
        Value::Raw(raw) => raw.parse().map_err(|_| node.problem(format!("expected an integer, found `{raw}`"))),
        other @ (Value::Text(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_)) => Err(node.problem(format!("expected an integer, found {}", other.kind()))),
    }
}

fn bounded<T: TryFrom<i64>>(node: &Node, low: i64, high: i64) -> Result<T, Problem> {
    let number = integer(node)?;
    let in_range = (low..=high).contains(&number).then(|| T::try_from(number).ok()).flatten();
    in_range.ok_or_else(|| node.problem(format!("{number} is out of range: {low} to {high}")))
}

pub(super) fn u16(node: &Node) -> Result<u16, Problem> {
    bounded(node, 0, i64::from(u16::MAX))
}

/// A queue length or count: 1 to 2^31 - 1.
pub(super) fn count(node: &Node) -> Result<usize, Problem> {
    bounded(node, 1, i64::from(i32::MAX))
}

pub(super) fn percent(node: &Node) -> Result<u8, Problem> {
    bounded(node, 0, 100)
}

/// A zstd level: 1 to 22.
pub(super) fn compression_level(node: &Node) -> Result<i32, Problem> {
    bounded(node, 1, 22)
}

/// RFC 9000 section 14: QUIC needs datagrams of 1200 bytes.
pub(super) fn max_mtu(node: &Node) -> Result<u16, Problem> {
    let value = u16(node)?;
    if value < 1200 {
        return Err(node.problem(format!("value {value} is below the QUIC minimum of 1200 (RFC 9000)")));
    }
    Ok(value)
}

/// A fraction from 0 to 1.
pub(super) fn ratio(node: &Node) -> Result<f64, Problem> {
    let number = match &node.value {
        Value::Float(number) => *number,
        Value::Integer(0) => 0.0,
        Value::Integer(1) => 1.0,
        Value::Raw(raw) => raw.parse().map_err(|_| node.problem(format!("expected a number, found `{raw}`")))?,
        other @ (Value::Text(_)
        | Value::Integer(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_)) => {
            return Err(node.problem(format!("expected a number from 0 to 1, found {}", other.kind())));
        }
    };
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err(node.problem(format!("{number} is out of range: 0 to 1")))
    }
}

pub(super) fn address(node: &Node) -> Result<SocketAddr, Problem> {
    let text = text(node)?;
    text.parse().map_err(|_| {
        node.problem(format!("expected a socket address such as 127.0.0.1:5470 or [::1]:5470, found `{text}`"))
    })
}

pub(super) fn list<T>(node: &Node, item: fn(&Node) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
    match &node.value {
        Value::List(items) => items.iter().map(item).collect(),
        Value::Raw(raw) => split_raw_list(node, raw)?.iter().map(item).collect(),
        other @ (Value::Text(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Table(_)) => Err(node.problem(format!("expected a list, found {}", other.kind()))),
    }
}

pub(super) fn paths(node: &Node) -> Result<Vec<PathBuf>, Problem> {
    list(node, path)
}

/// One address or a list of them.
pub(super) fn addresses(node: &Node) -> Result<Vec<SocketAddr>, Problem> {
    if matches!(node.value, Value::Text(_)) { Ok(vec![address(node)?]) } else { list(node, address) }
}

pub(super) fn seconds(node: &Node) -> Result<Duration, Problem> {
    duration(node, Duration::from_secs(1))
}

pub(super) fn milliseconds(node: &Node) -> Result<Duration, Problem> {
    duration(node, Duration::from_millis(1))
}

/// A duration that must name its unit, as the reaper's retention does.
pub(super) fn duration_with_unit(node: &Node) -> Result<Duration, Problem> {
    match &node.value {
        Value::Text(written) | Value::Raw(written) => parse_duration(node, written, None),
        other @ (Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::List(_)
        | Value::Table(_)) => {
            Err(node.problem(format!("expected a duration with its unit, such as \"7d\", found {}", other.kind())))
        }
    }
}

fn duration(node: &Node, unit: Duration) -> Result<Duration, Problem> {
    match &node.value {
        Value::Text(written) => parse_duration(node, written, None),
        Value::Raw(written) => parse_duration(node, written, Some(unit)),
        Value::Integer(number) => scale(node, *number, unit),
        other @ (Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::List(_) | Value::Table(_)) => {
            Err(node.problem(format!("expected a duration, found {}", other.kind())))
        }
    }
}

fn parse_duration(node: &Node, written: &str, plain: Option<Duration>) -> Result<Duration, Problem> {
    let (digits, unit) = split_unit(written);
    let unit = match unit {
        "ms" => Some(Duration::from_millis(1)),
        "s" => Some(Duration::from_secs(1)),
        "m" => Some(Duration::from_secs(60)),
        "h" => Some(Duration::from_secs(3600)),
        "d" => Some(Duration::from_secs(86_400)),
        "w" => Some(Duration::from_secs(7 * 86_400)),
        "y" => Some(Duration::from_secs(365 * 86_400)),
        "" => plain,
        _ => None,
    };
    match (digits.parse(), unit) {
        (Ok(number), Some(unit)) => scale(node, number, unit),
        _ => Err(node.problem(format!("expected a number and a unit (ms, s, m, h, d, w, y), found `{written}`"))),
    }
}

fn scale(node: &Node, number: i64, unit: Duration) -> Result<Duration, Problem> {
    let scaled = u32::try_from(number).ok().and_then(|number| unit.checked_mul(number));
    let fits = scaled.filter(|duration| *duration <= DURATION_MAX);
    fits.ok_or_else(|| node.problem(format!("{number} is out of range for a duration")))
}

/// A size in mebibytes, or text with its unit; the result is in bytes and at least one mebibyte.
pub(super) fn mebibytes(node: &Node) -> Result<u64, Problem> {
    const MEBIBYTE: u64 = 1 << 20;
    let (number, unit) = match &node.value {
        Value::Integer(number) => (u64::try_from(*number).ok(), Some(MEBIBYTE)),
        Value::Text(written) | Value::Raw(written) => {
            let (digits, unit) = split_unit(written);
            let unit = match unit {
                "KiB" => Some(1 << 10),
                "MiB" => Some(MEBIBYTE),
                "GiB" => Some(1 << 30),
                "TiB" => Some(1 << 40),
                "" if matches!(node.value, Value::Raw(_)) => Some(MEBIBYTE),
                _ => None,
            };
            (digits.parse().ok(), unit)
        }
        Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::List(_) | Value::Table(_) => (None, None),
    };
    let bytes = number.zip(unit).and_then(|(number, unit): (u64, u64)| number.checked_mul(unit));
    bytes
        .filter(|bytes| (MEBIBYTE..=1 << 50).contains(bytes))
        .ok_or_else(|| node.problem("expected a size of at least 1 MiB: a number of MiB, or text such as \"512MiB\""))
}

fn split_unit(written: &str) -> (&str, &str) {
    let end = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
    let (digits, unit) = written.split_at(end);
    (digits, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::Place;

    fn node(value: Value) -> Node {
        Node { place: Place::BuiltIn, value }
    }

    #[test]
    fn durations_take_plain_numbers_and_units() {
        for (value, expected) in [
            (Value::Integer(10), Some(10_000)),
            (Value::Text("10ms".into()), Some(10)),
            (Value::Text("2 m".into()), Some(120_000)),
            (Value::Raw("15".into()), Some(15_000)),
            (Value::Text("15".into()), None),
            (Value::Text("1 fortnight".into()), None),
            (Value::Integer(-1), None),
            (Value::Integer(i64::MAX), None),
            (Value::Text("99999y".into()), None),
        ] {
            let node = node(value);
            assert_eq!(seconds(&node).ok().map(|d| d.as_millis()), expected, "{node:?}");
        }
    }

    #[test]
    fn sizes_take_plain_mebibytes_and_units() {
        for (value, expected) in [
            (Value::Integer(5120), Some(5120 << 20)),
            (Value::Text("64MiB".into()), Some(64 << 20)),
            (Value::Raw("2GiB".into()), Some(2 << 30)),
            (Value::Raw("7".into()), Some(7 << 20)),
            (Value::Integer(0), None),
            (Value::Text("64".into()), None),
            (Value::Text("99999999999TiB".into()), None),
        ] {
            let node = node(value);
            assert_eq!(mebibytes(&node).ok(), expected, "{node:?}");
        }
    }

    #[test]
    fn a_list_in_a_variable_is_toml_or_commas() {
        for raw in ["[\"a\", \"b\"]", "a,b", "a, b"] {
            assert_eq!(list(&node(Value::Raw(raw.into())), text).expect("a list"), ["a", "b"], "{raw}");
        }
        list(&node(Value::Raw("[\"a\"".into())), text).expect_err("the bracket is not closed");
    }
}
