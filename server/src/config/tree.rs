//! The configuration as it was written: values with the place each came from, before any meaning is given to them.
//!
//! Pure. Three layers end up in one tree: the file, the environment over it, command-line flags over both. Every value
//! remembers its place, so that each later complaint can name a line of the file, a variable or a flag.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

/// Prefix of environment variables that override keys: `CORROSION__DB__PATH` is `db.path`.
pub const ENVIRONMENT_PREFIX: &str = "CORROSION__";

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A position in a file, both counted from 1.
    File { path: Arc<str>, line: usize, column: usize },
    /// An environment variable.
    Environment(String),
    /// A command-line flag.
    Flag(&'static str),
    /// Nowhere: the whole configuration, or a built-in default.
    BuiltIn,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "{name}"),
            Self::BuiltIn => write!(f, "configuration"),
        }
    }
}

/// One complaint: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

impl Node {
    /// A complaint about this value.
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { place: self.place.clone(), message: message.into() }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    List(Vec<Node>),
    Table(Table),
    /// Text from outside TOML (environment, flags): becomes whatever type its key wants.
    Raw(String),
}

impl Value {
    /// What a complaint calls this kind of value.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Raw(_) => "text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Keys in the order of their names. The place of an entry is the place of its key.
pub(super) type Table = BTreeMap<String, Entry>;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key_place: Place,
    pub(super) node: Node,
}

/// Reads TOML text. `path` is only used to name places.
pub(super) fn parse_toml(path: &str, text: &str) -> Result<Table, Problem> {
    let source = Source { path: path.into(), text };
    match DeTable::parse(text) {
        Ok(table) => source.table(table.get_ref()),
        Err(error) => {
            let place = source.place(error.span().map_or(0, |span| span.start));
            Err(Problem { place, message: error.message().to_owned() })
        }
    }
}

struct Source<'a> {
    path: Arc<str>,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            path: Arc::clone(&self.path),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
        }
    }

    fn table(&self, table: &DeTable<'_>) -> Result<Table, Problem> {
        let mut entries = Table::new();
        for (key, value) in table {
            let node = self.node(self.place(value.span().start), value.get_ref())?;
            entries.insert(key.get_ref().to_string(), Entry { key_place: self.place(key.span().start), node });
        }
        Ok(entries)
    }

    fn node(&self, place: Place, value: &DeValue<'_>) -> Result<Node, Problem> {
        let value = match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => return Err(Problem { place, message: "this integer is out of range".into() }),
            },
            DeValue::Float(number) => match number.as_str().replace('_', "").parse() {
                Ok(number) => Value::Float(number),
                Err(_) => return Err(Problem { place, message: "this number cannot be read".into() }),
            },
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Datetime(date) => Value::Datetime(date.to_string()),
            DeValue::Array(items) => {
                let nodes = items.iter().map(|item| self.node(self.place(item.span().start), item.get_ref()));
                Value::List(nodes.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => Value::Table(self.table(table)?),
        };
        Ok(Node { place, value })
    }
}

/// Lays `CORROSION__A__B=value` over `a.b`. Other variables are not looked at.
pub(super) fn overlay_environment(
    root: &mut Table,
    variables: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) {
    let mut variables: Vec<_> =
        variables.into_iter().filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX)).collect();
    variables.sort();
    for (name, value) in variables {
        let path: Vec<String> = name[ENVIRONMENT_PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
        let place = Place::Environment(name);
        if path.iter().any(String::is_empty) {
            problems.push(Problem { place, message: "names no key: an empty part between its `__`".into() });
        } else if let Err(problem) = overlay(root, &path, place, value) {
            problems.push(problem);
        }
    }
}

/// Puts a raw value at a path, over what is there.
pub(super) fn overlay(root: &mut Table, path: &[String], place: Place, raw: String) -> Result<(), Problem> {
    let Some((last, parents)) = path.split_last() else {
        return Err(Problem { place, message: "names no key".into() });
    };
    let mut table = root;
    for (depth, key) in parents.iter().enumerate() {
        let entry = table.entry(key.clone()).or_insert_with(|| Entry {
            key_place: place.clone(),
            node: Node { place: place.clone(), value: Value::Table(Table::new()) },
        });
        let kind = entry.node.value.kind();
        let Value::Table(inner) = &mut entry.node.value else {
            let message = format!(
                "`{}` is {kind} ({}), so nothing below it can be set here",
                path[..=depth].join("."),
                entry.node.place
            );
            return Err(Problem { place, message });
        };
        table = inner;
    }
    table.insert(last.clone(), Entry { key_place: place.clone(), node: Node { place, value: Value::Raw(raw) } });
    Ok(())
}

/// Reads the text of a list written in a variable: TOML's `["a", "b"]`, or `a,b`.
pub(super) fn split_raw_list(node: &Node, raw: &str) -> Result<Vec<Node>, Problem> {
    if raw.trim_start().starts_with('[') {
        let parsed = parse_toml("", &format!("list = {}", raw.trim()));
        let list = parsed.ok().and_then(|mut table| table.remove("list")).map(|entry| entry.node.value);
        let Some(Value::List(items)) = list else {
            return Err(node.problem("this is not a TOML list"));
        };
        return Ok(items.into_iter().map(|item| Node { place: node.place.clone(), value: item.value }).collect());
    }
    let parts = raw.split(',').map(str::trim).filter(|part| !part.is_empty());
    Ok(parts.map(|part| Node { place: node.place.clone(), value: Value::Raw(part.to_owned()) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_line_and_column() {
        let table = parse_toml("c.toml", "[db]\n  path = \"x\"\n").expect("valid TOML");
        let Value::Table(db) = &table["db"].node.value else { panic!("db is a table") };
        assert_eq!(db["path"].key_place.to_string(), "c.toml:2:3");
        assert_eq!(db["path"].node.place.to_string(), "c.toml:2:10");
    }

    #[test]
    fn a_syntax_error_names_its_place() {
        let problem = parse_toml("c.toml", "[db]\npath = \n").expect_err("a value is missing");
        assert!(problem.to_string().starts_with("c.toml:2:"), "{problem}");
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let mut table = parse_toml("c.toml", "[db]\npath = \"x\"\n").expect("valid TOML");
        let mut problems = Vec::new();
        overlay_environment(
            &mut table,
            [("CORROSION__DB__PATH".to_owned(), "y".to_owned()), ("OTHER__DB".to_owned(), "z".to_owned())],
            &mut problems,
        );
        assert_eq!(problems, []);
        let Value::Table(db) = &table["db"].node.value else { panic!("db is a table") };
        assert_eq!(db["path"].node.value, Value::Raw("y".into()));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_variable_below_a_plain_value_is_refused() {
        let mut table = parse_toml("c.toml", "[db]\npath = \"x\"\n").expect("valid TOML");
        let mut problems = Vec::new();
        overlay_environment(&mut table, [("CORROSION__DB__PATH__X".to_owned(), "y".to_owned())], &mut problems);
        assert_eq!(
            problems[0].to_string(),
            "environment variable CORROSION__DB__PATH__X: `db.path` is text (c.toml:2:8), so nothing below it can be set here"
        );
    }
}
