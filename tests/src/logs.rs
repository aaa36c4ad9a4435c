//! Reads a node's log: finds lines, and finds those that should not be there.

/// The WARN and ERROR lines, and panics, that contain none of the expected texts.
pub fn unexpected<'a>(log: &'a str, expected: &[String]) -> Vec<&'a str> {
    let unusual = log.lines().filter(|line| is_unusual(line));
    unusual.filter(|line| !expected.iter().any(|text| line.contains(text))).collect()
}

fn is_unusual(line: &str) -> bool {
    let marks = [" WARN ", " ERROR ", "\"level\":\"WARN\"", "\"level\":\"ERROR\"", "panicked at"];
    marks.iter().any(|mark| line.contains(mark))
}

/// The value of `key=` in the last line that contains `message`.
pub fn field(log: &str, message: &str, key: &str) -> Option<String> {
    let line = log.lines().rfind(|line| line.contains(message))?;
    let value = line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.to_owned())
}

/// The values of `key=` in all lines that contain `message`, in their order.
pub fn fields(log: &str, message: &str, key: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains(message));
    lines.filter_map(|line| field(line, message, key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unexpected_warnings_errors_and_panics_are_found() {
        let log = "t  INFO a: fine\nt  WARN a: odd\nt ERROR a: bad\nthread 'x' panicked at y\n";
        assert_eq!(unexpected(log, &[]).len(), 3);
        assert_eq!(unexpected(log, &["odd".into(), "panicked".into()]), ["t ERROR a: bad"]);
        let log = "{\"level\":\"INFO\",\"target\":\"a\"}\n{\"level\":\"WARN\",\"target\":\"a\"}\n";
        assert_eq!(unexpected(log, &[]), ["{\"level\":\"WARN\",\"target\":\"a\"}"]);
    }

    #[test]
    fn a_field_is_taken_from_the_last_line() {
        let log = "t INFO a: open addr=127.0.0.1:1\nt INFO a: open addr=127.0.0.1:2 x=y\n";
        assert_eq!(field(log, "open", "addr").as_deref(), Some("127.0.0.1:2"));
        assert_eq!(field(log, "open", "port"), None);
        assert_eq!(fields(log, "open", "addr"), ["127.0.0.1:1", "127.0.0.1:2"]);
    }
}
