//! The run-time parameters this server knows: their names, kinds, defaults and how a value is checked.
//!
//! Pure. A parameter that would change results in a way this server does not have is refused for other values than the one
//! it has (`only`), instead of being ignored. Planner costs and the like, which cannot change results, are taken and shown.
//! Source: <https://www.postgresql.org/docs/15/runtime-config.html>, `pg_settings`.

use crate::error::{SqlError, sqlstate};
use crate::types::datetime::zone;

/// Reported as `server_version`. The part before the space is what clients parse.
pub const SERVER_VERSION: &str = concat!("15.0 (Corrosion ", env!("CARGO_PKG_VERSION"), ")");
/// Reported as `server_version_num`.
pub const SERVER_VERSION_NUM: &str = "150000";

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    /// Milliseconds, with PostgreSQL's time units in texts.
    Milliseconds,
    Integer {
        min: i64,
        max: i64,
    },
    Real,
    Text,
    Enum(&'static [&'static str]),
    /// One of `allowed`, or an error that says what this server has. Spelling is normalised to the first.
    Only {
        allowed: &'static [&'static str],
        why: &'static str,
    },
    DateStyle,
    TimeZone,
    ClientEncoding,
    /// Cannot be set: 55P02.
    Internal,
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    /// Sent as ParameterStatus at start-up and on change.
    pub reported: bool,
    pub description: &'static str,
}

const fn parameter(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind, default, reported: false, description }
}

const fn reported(name: &'static str, kind: Kind, default: &'static str, description: &'static str) -> Parameter {
    Parameter { name, kind, default, reported: true, description }
}

const ISOLATION: Kind = Kind::Enum(&["serializable", "repeatable read", "read committed", "read uncommitted"]);
const MESSAGE_LEVEL: Kind =
    Kind::Enum(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]);

/// All parameters, ordered by name without regard to case, as `SHOW ALL` lists them.
pub static PARAMETERS: &[Parameter] = &[
    reported("application_name", Kind::Text, "", "Sets the application name to be reported in statistics and logs."),
    parameter(
        "array_nulls",
        Kind::Only { allowed: &["on"], why: "NULL in arrays is always read as null" },
        "on",
        "Enable input of NULL elements in arrays.",
    ),
    parameter(
        "backslash_quote",
        Kind::Enum(&["safe_encoding", "on", "off"]),
        "safe_encoding",
        "Sets whether \"\\'\" is allowed in string literals.",
    ),
    parameter("bytea_output", Kind::Enum(&["escape", "hex"]), "hex", "Sets the output format for bytea."),
    parameter(
        "check_function_bodies",
        Kind::Bool,
        "on",
        "Check routine bodies during CREATE FUNCTION and CREATE PROCEDURE.",
    ),
    reported("client_encoding", Kind::ClientEncoding, "UTF8", "Sets the client's character set encoding."),
    parameter("client_min_messages", MESSAGE_LEVEL, "notice", "Sets the message levels that are sent to the client."),
    reported("DateStyle", Kind::DateStyle, "ISO, MDY", "Sets the display format for date and time values."),
    parameter(
        "default_table_access_method",
        Kind::Only { allowed: &["heap"], why: "there is one table access method" },
        "heap",
        "Sets the default table access method for new tables.",
    ),
    parameter(
        "default_tablespace",
        Kind::Only { allowed: &[""], why: "there are no tablespaces" },
        "",
        "Sets the default tablespace to create tables and indexes in.",
    ),
    parameter(
        "default_transaction_deferrable",
        Kind::Bool,
        "off",
        "Sets the default deferrable status of new transactions.",
    ),
    parameter(
        "default_transaction_isolation",
        ISOLATION,
        "read committed",
        "Sets the transaction isolation level of each new transaction.",
    ),
    reported(
        "default_transaction_read_only",
        Kind::Bool,
        "off",
        "Sets the default read-only status of new transactions.",
    ),
    parameter("enable_seqscan", Kind::Bool, "on", "Enables the planner's use of sequential-scan plans."),
    parameter(
        "extra_float_digits",
        Kind::Integer { min: -15, max: 3 },
        "1",
        "Sets the number of digits displayed for floating-point values.",
    ),
    parameter(
        "idle_in_transaction_session_timeout",
        Kind::Milliseconds,
        "0",
        "Sets the maximum allowed idle time between queries, when in a transaction.",
    ),
    parameter(
        "idle_session_timeout",
        Kind::Milliseconds,
        "0",
        "Sets the maximum allowed idle time between queries, when not in a transaction.",
    ),
    reported("in_hot_standby", Kind::Internal, "off", "Shows whether hot standby is currently active."),
    reported("integer_datetimes", Kind::Internal, "on", "Shows whether datetimes are integer based."),
    reported(
        "IntervalStyle",
        Kind::Only { allowed: &["postgres"], why: "intervals are always written in the postgres style" },
        "postgres",
        "Sets the display format for interval values.",
    ),
    reported("is_superuser", Kind::Internal, "on", "Shows whether the current user is a superuser."),
    parameter("jit", Kind::Bool, "off", "Allow JIT compilation."),
    parameter("lc_collate", Kind::Internal, "C", "Shows the collation order locale."),
    parameter("lc_ctype", Kind::Internal, "C", "Shows the character classification and case conversion locale."),
    parameter("lc_messages", Kind::Text, "C", "Sets the language in which messages are displayed."),
    parameter("lc_monetary", Kind::Text, "C", "Sets the locale for formatting monetary amounts."),
    parameter("lc_numeric", Kind::Text, "C", "Sets the locale for formatting numbers."),
    parameter("lc_time", Kind::Text, "C", "Sets the locale for formatting date and time values."),
    parameter("lock_timeout", Kind::Milliseconds, "0", "Sets the maximum allowed duration of any wait for a lock."),
    parameter(
        "log_statement",
        Kind::Enum(&["none", "ddl", "mod", "all"]),
        "none",
        "Sets the type of statements logged.",
    ),
    parameter(
        "maintenance_work_mem",
        Kind::Text,
        "64MB",
        "Sets the maximum memory to be used for maintenance operations.",
    ),
    parameter("max_connections", Kind::Internal, "1000", "Sets the maximum number of concurrent connections."),
    parameter("max_identifier_length", Kind::Internal, "63", "Shows the maximum identifier length."),
    parameter("max_index_keys", Kind::Internal, "32", "Shows the maximum number of index keys."),
    parameter(
        "max_parallel_workers_per_gather",
        Kind::Integer { min: 0, max: 1024 },
        "0",
        "Sets the maximum number of parallel processes per executor node.",
    ),
    parameter("quote_all_identifiers", Kind::Bool, "off", "When generating SQL fragments, quote all identifiers."),
    parameter(
        "random_page_cost",
        Kind::Real,
        "4",
        "Sets the planner's estimate of the cost of a nonsequentially fetched disk page.",
    ),
    parameter("row_security", Kind::Bool, "on", "Enable row security."),
    parameter(
        "search_path",
        Kind::Text,
        "\"$user\", public",
        "Sets the schema search order for names that are not schema-qualified.",
    ),
    reported("server_encoding", Kind::Internal, "UTF8", "Shows the server (database) character set encoding."),
    reported("server_version", Kind::Internal, SERVER_VERSION, "Shows the server version."),
    parameter("server_version_num", Kind::Internal, SERVER_VERSION_NUM, "Shows the server version as an integer."),
    reported("session_authorization", Kind::Internal, "", "Sets the current session's user name."),
    reported(
        "standard_conforming_strings",
        Kind::Only { allowed: &["on"], why: "backslashes in '...' strings are always literal" },
        "on",
        "Causes '...' strings to treat backslashes literally.",
    ),
    parameter("statement_timeout", Kind::Milliseconds, "0", "Sets the maximum allowed duration of any statement."),
    parameter("synchronize_seqscans", Kind::Bool, "on", "Enable synchronized sequential scans."),
    parameter(
        "synchronous_commit",
        Kind::Only {
            allowed: &["on", "off", "local"],
            why: "a commit waits for this node's disk (on, local) or for nothing (off), never for other nodes",
        },
        "on",
        "Sets the current transaction's synchronization level.",
    ),
    reported("TimeZone", Kind::TimeZone, "UTC", "Sets the time zone for displaying and interpreting time stamps."),
    parameter(
        "transaction_deferrable",
        Kind::Bool,
        "off",
        "Whether to defer a read-only serializable transaction until it can be executed with no possible serialization failures.",
    ),
    parameter("transaction_isolation", ISOLATION, "read committed", "Sets the current transaction's isolation level."),
    parameter("transaction_read_only", Kind::Bool, "off", "Sets the current transaction's read-only status."),
    parameter(
        "transform_null_equals",
        Kind::Only { allowed: &["off"], why: "expr = NULL is never rewritten" },
        "off",
        "Treats \"expr=NULL\" as \"expr IS NULL\".",
    ),
    parameter("work_mem", Kind::Text, "4MB", "Sets the maximum memory to be used for query workspaces."),
    parameter(
        "xmlbinary",
        Kind::Enum(&["base64", "hex"]),
        "base64",
        "Sets how binary values are to be encoded in XML.",
    ),
    parameter(
        "xmloption",
        Kind::Enum(&["content", "document"]),
        "content",
        "Sets whether XML data in implicit parsing and serialization operations is to be considered as documents or content fragments.",
    ),
];

/// The parameter of that name, whatever its case.
pub fn find(name: &str) -> Option<&'static Parameter> {
    // The names of SET TIME ZONE and SET SESSION AUTHORIZATION's SHOW forms are their parameters' names with blanks.
    let name = if name.eq_ignore_ascii_case("time zone") { "timezone" } else { name };
    PARAMETERS.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

/// 42704 for a name that is none.
pub fn unknown(name: &str) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

/// Checks a value and gives its canonical text; `current` is the parameter's value now, which DateStyle keeps parts of.
///
/// # Errors
/// 22023 for a value the parameter does not take, 55P02 for a parameter that cannot be set.
pub fn check(parameter: &Parameter, value: &str, current: &str) -> Result<String, SqlError> {
    let name = parameter.name;
    match parameter.kind {
        Kind::Bool => parse_bool(value)
            .map(|b| if b { "on" } else { "off" }.to_owned())
            .ok_or_else(|| invalid(format!("parameter \"{name}\" requires a Boolean value"))),
        Kind::Milliseconds => {
            check_range(name, parse_milliseconds(name, value)?, 0, i64::from(i32::MAX), " ms").map(show_milliseconds)
        }
        Kind::Integer { min, max } => {
            let number = value.trim().parse().map_err(|_| bad_value(name, value))?;
            check_range(name, number, min, max, "").map(|n| n.to_string())
        }
        Kind::Real => {
            let number: f64 = value.trim().parse().map_err(|_| bad_value(name, value))?;
            if number.is_finite() { Ok(number.to_string()) } else { Err(bad_value(name, value)) }
        }
        Kind::Text => Ok(value.to_owned()),
        Kind::Enum(options) => choose(name, value, options),
        Kind::Only { allowed, why } => check_only(name, value, allowed, why),
        Kind::DateStyle => check_date_style(value, current),
        Kind::TimeZone => check_time_zone(value),
        Kind::ClientEncoding => check_client_encoding(value),
        Kind::Internal => {
            Err(SqlError::new(sqlstate::CANNOT_CHANGE_PARAMETER, format!("parameter \"{name}\" cannot be changed")))
        }
    }
}

/// PostgreSQL's Boolean words: `on`, `off`, and unique prefixes of `true`, `false`, `yes`, `no`, and 1 and 0.
pub fn parse_bool(value: &str) -> Option<bool> {
    let value = value.trim().to_ascii_lowercase();
    let prefix_of = |word: &str| !value.is_empty() && word.starts_with(value.as_str());
    if value == "on" || value == "1" || prefix_of("true") || prefix_of("yes") {
        Some(true)
    } else if value == "off" || value == "of" || value == "0" || prefix_of("false") || prefix_of("no") {
        Some(false)
    } else {
        None
    }
}

fn parse_milliseconds(name: &str, value: &str) -> Result<i64, SqlError> {
    let text = value.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().map_err(|_| bad_value(name, value))?;
    let factor = match unit {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => {
            return Err(bad_value(name, value)
                .hint("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"."));
        }
    };
    let milliseconds = (number * factor).round();
    if milliseconds.abs() > f64::from(i32::MAX) * 2.0 || milliseconds.is_nan() {
        return Err(bad_value(name, value));
    }
    #[expect(clippy::cast_possible_truncation, reason = "its magnitude was just checked to be below 2^32")]
    Ok(milliseconds as i64)
}

/// Milliseconds in the largest unit that loses nothing, as SHOW writes them.
fn show_milliseconds(milliseconds: i64) -> String {
    if milliseconds == 0 {
        return "0".to_owned();
    }
    for (factor, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if milliseconds % factor == 0 {
            return format!("{}{unit}", milliseconds / factor);
        }
    }
    format!("{milliseconds}ms")
}

/// Reads a text that [`check`] made for a `Milliseconds` parameter.
pub fn milliseconds(canonical: &str) -> u64 {
    parse_milliseconds("", canonical).ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
}

fn check_range(name: &str, number: i64, min: i64, max: i64, unit: &str) -> Result<i64, SqlError> {
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    Err(invalid(format!("{number}{unit} is outside the valid range for parameter \"{name}\" ({min} .. {max}{unit})")))
}

fn choose(name: &str, value: &str, options: &[&str]) -> Result<String, SqlError> {
    options
        .iter()
        .find(|option| option.eq_ignore_ascii_case(value.trim()))
        .map(|option| (*option).to_owned())
        .ok_or_else(|| bad_value(name, value).hint(format!("Available values: {}.", options.join(", "))))
}

fn check_only(name: &str, value: &str, allowed: &[&str], why: &str) -> Result<String, SqlError> {
    let value = value.trim();
    let spelled = match parse_bool(value) {
        Some(true) if allowed.contains(&"on") => "on",
        Some(false) if allowed.contains(&"off") => "off",
        Some(_) | None => value,
    };
    allowed
        .iter()
        .find(|a| a.eq_ignore_ascii_case(spelled))
        .map(|a| (*a).to_owned())
        .ok_or_else(|| bad_value(name, value).detail(format!("Not supported: {why}.")))
}

fn check_client_encoding(value: &str) -> Result<String, SqlError> {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    // asyncpg quotes the name within the value; `auto` is libpq's.
    match plain.as_str() {
        "utf8" | "unicode" => Ok("UTF8".to_owned()),
        _ => Err(bad_value("client_encoding", value).detail("The only client encoding is UTF8.")),
    }
}

/// `DateStyle` has an output style, of which there is ISO alone, and the order in which ambiguous input is read.
fn check_date_style(value: &str, current: &str) -> Result<String, SqlError> {
    let mut order = current.rsplit(", ").next().unwrap_or("MDY").to_owned();
    for word in value.split(',').map(str::trim) {
        match word.to_ascii_lowercase().as_str() {
            "iso" => {}
            "mdy" | "us" | "noneuro" | "noneuropean" => "MDY".clone_into(&mut order),
            "dmy" | "euro" | "european" => "DMY".clone_into(&mut order),
            "ymd" => "YMD".clone_into(&mut order),
            "default" => "MDY".clone_into(&mut order),
            "sql" | "postgres" | "german" => {
                return Err(bad_value("DateStyle", value).detail("The only output style is ISO."));
            }
            _ => return Err(bad_value("DateStyle", value)),
        }
    }
    Ok(format!("ISO, {order}"))
}

/// Names and POSIX specifications as the types read them, and a number of hours east of Greenwich, which becomes a specification.
fn check_time_zone(value: &str) -> Result<String, SqlError> {
    let value = value.trim();
    if ["default", "local", "utc"].iter().any(|word| value.eq_ignore_ascii_case(word)) {
        return Ok("UTC".to_owned());
    }
    let name = hours_east(value).unwrap_or_else(|| value.to_owned());
    zone::find(&name).map_err(|_| bad_value("TimeZone", value))?;
    Ok(name)
}

/// `-8` or `5.5` as PostgreSQL writes such a zone: `<-08>+08`, `<+05:30>-05:30`.
fn hours_east(value: &str) -> Option<String> {
    let hours: f64 = value.parse().ok().filter(|hours: &f64| hours.abs() <= 167.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "at most 167 hours of 60 minutes")]
    let minutes = (hours.abs() * 60.0).round() as i64;
    let shown = match (minutes / 60, minutes % 60) {
        (hours, 0) => format!("{hours:02}"),
        (hours, minutes) => format!("{hours:02}:{minutes:02}"),
    };
    let (east, west) = if hours < 0.0 { ('-', '+') } else { ('+', '-') };
    Some(format!("<{east}{shown}>{west}{shown}"))
}

fn bad_value(name: &str, value: &str) -> SqlError {
    invalid(format!("invalid value for parameter \"{name}\": \"{value}\""))
}

fn invalid(message: String) -> SqlError {
    SqlError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, value: &str) -> String {
        let parameter = find(name).expect("a known parameter");
        check(parameter, value, parameter.default).unwrap_or_else(|e| e.to_string())
    }

    #[test]
    fn names_are_ordered_and_found_in_any_case() {
        let names: Vec<String> = PARAMETERS.iter().map(|p| p.name.to_ascii_lowercase()).collect();
        assert!(names.is_sorted());
        assert_eq!(find("DATESTYLE").map(|p| p.name), Some("DateStyle"));
        assert!(find("no_such_thing").is_none());
    }

    #[test]
    fn exactly_the_thirteen_parameters_of_postgresql_15_are_reported() {
        assert_eq!(PARAMETERS.iter().filter(|p| p.reported).count(), 13);
    }

    #[test]
    fn every_default_is_a_value_the_parameter_takes() {
        for parameter in PARAMETERS.iter().filter(|p| p.kind != Kind::Internal) {
            let canonical = check(parameter, parameter.default, parameter.default).expect(parameter.name);
            assert_eq!(canonical, parameter.default, "{}", parameter.name);
        }
    }

    #[test]
    fn booleans_take_postgresqls_words() {
        for word in ["on", "true", "TRUE", "t", "yes", "y", "1"] {
            assert_eq!(checked("enable_seqscan", word), "on", "{word}");
        }
        for word in ["off", "of", "false", "f", "no", "n", "0"] {
            assert_eq!(checked("enable_seqscan", word), "off", "{word}");
        }
        assert_eq!(checked("enable_seqscan", "o"), "parameter \"enable_seqscan\" requires a Boolean value (22023)");
    }

    #[test]
    fn durations_take_units_and_show_the_largest() {
        assert_eq!(checked("statement_timeout", "1500"), "1500ms");
        assert_eq!(checked("statement_timeout", "90 s"), "90s");
        assert_eq!(checked("statement_timeout", "0.5min"), "30s");
        assert_eq!(checked("statement_timeout", "60000"), "1min");
        assert_eq!(
            checked("statement_timeout", "-1"),
            "-1 ms is outside the valid range for parameter \"statement_timeout\" (0 .. 2147483647 ms) (22023)"
        );
        assert!(checked("statement_timeout", "3 weeks").ends_with("(22023)"));
        assert_eq!(milliseconds("1min"), 60_000);
    }

    #[test]
    fn what_this_server_does_not_have_is_refused_not_ignored() {
        assert_eq!(checked("synchronous_commit", "true"), "on");
        assert_eq!(checked("synchronous_commit", "local"), "local");
        assert!(checked("synchronous_commit", "remote_apply").ends_with("(22023)"));
        assert!(checked("standard_conforming_strings", "off").ends_with("(22023)"));
        assert!(checked("client_encoding", "LATIN1").ends_with("(22023)"));
        assert!(checked("DateStyle", "German").ends_with("(22023)"));
        assert!(checked("server_version", "16").ends_with("(55P02)"));
    }

    #[test]
    fn time_zones_are_known_names_or_offsets() {
        assert_eq!(checked("TimeZone", "Europe/Berlin"), "Europe/Berlin");
        assert_eq!(checked("TimeZone", "-8"), "<-08>+08");
        assert_eq!(checked("TimeZone", "5.5"), "<+05:30>-05:30");
        assert!(checked("TimeZone", "Nowhere/Land").ends_with("\"Nowhere/Land\" (22023)"));
    }

    #[test]
    fn encodings_and_date_styles_are_normalised() {
        assert_eq!(checked("client_encoding", "'utf-8'"), "UTF8");
        assert_eq!(checked("DateStyle", "ISO"), "ISO, MDY");
        assert_eq!(checked("DateStyle", "european, iso"), "ISO, DMY");
    }
}
