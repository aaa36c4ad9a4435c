//! Gives typed access to one table of the tree, and remembers which keys it knows.
//!
//! Pure. A key that no reader asked for is a problem that suggests the nearest known name. All problems of a
//! configuration are collected, so that a user sees them at once.

use std::cell::RefCell;

use super::nearest::nearest;
use super::tree::{Entry, Node, Place, Problem, Table, Value};

/// What reading a configuration found, beside its values.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: RefCell<Vec<Problem>>,
    later: RefCell<Vec<String>>,
}

impl Report {
    pub(super) fn push(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// All problems, and the keys that are set but have no effect yet.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<String>) {
        (self.problems.into_inner(), self.later.into_inner())
    }
}

/// Whether a key does something in this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Now,
    /// Read and checked, then reported as accepted without effect.
    Later,
}

/// Turns a value into a type.
pub(super) type Parse<T> = fn(&Node) -> Result<T, Problem>;

/// One table being read.
#[derive(Debug)]
pub(super) struct Section<'r> {
    path: String,
    place: Place,
    entries: Table,
    known: Vec<&'static str>,
    effect: Effect,
    report: &'r Report,
}

impl<'r> Section<'r> {
    pub(super) fn new(path: &str, place: Place, entries: Table, effect: Effect, report: &'r Report) -> Self {
        Self { path: path.to_owned(), place, entries, known: Vec::new(), effect, report }
    }

    /// Says what the keys read from here on do.
    pub(super) fn set_effect(&mut self, effect: Effect) {
        self.effect = effect;
    }

    /// The value of a key, by its name or an alias.
    pub(super) fn optional<T>(&mut self, names: &[&'static str], parse: Parse<T>) -> Option<T> {
        let node = self.take(names)?.node;
        match parse(&node) {
            Ok(value) => Some(value),
            Err(problem) => {
                let message = format!("`{}`: {}", self.name_of(names), problem.message);
                self.report.push(Problem { place: problem.place, message });
                None
            }
        }
    }

    /// The value of a key, or its default.
    pub(super) fn default<T>(&mut self, names: &[&'static str], parse: Parse<T>, default: T) -> T {
        self.optional(names, parse).unwrap_or(default)
    }

    /// The value of a key that must be there. `None` means that a problem was reported.
    pub(super) fn required<T>(&mut self, names: &[&'static str], parse: Parse<T>) -> Option<T> {
        if !names.iter().any(|name| self.find(name).is_some()) {
            self.known.extend_from_slice(names);
            let message = format!("`{}` is required", self.name_of(names));
            self.report.push(Problem { place: self.place.clone(), message });
            return None;
        }
        self.optional(names, parse)
    }

    /// Whether a key's value is a table: for keys that take a word or a table.
    pub(super) fn holds_table(&self, names: &[&'static str]) -> bool {
        let written = names.iter().filter_map(|name| self.find(name));
        written.filter_map(|key| self.entries.get(&key)).any(|entry| matches!(entry.node.value, Value::Table(_)))
    }

    /// The table below a key.
    pub(super) fn section(&mut self, names: &[&'static str]) -> Option<Self> {
        let entry = self.take_table(names)?;
        let path = self.name_of(names);
        self.table_section(&path, entry.key_place, entry.node)
    }

    /// The tables below a key that takes one or a list of them.
    pub(super) fn sections(&mut self, names: &[&'static str]) -> Vec<Self> {
        let Some(entry) = self.take_table(names) else { return Vec::new() };
        let path = self.name_of(names);
        let Entry { key_place, node: Node { place, value } } = entry;
        match value {
            Value::List(items) => {
                let numbered = items.into_iter().enumerate();
                numbered
                    .filter_map(|(i, item)| self.table_section(&format!("{path}[{i}]"), item.place.clone(), item))
                    .collect()
            }
            value @ (Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Table(_)
            | Value::Raw(_)) => self.table_section(&path, key_place, Node { place, value }).into_iter().collect(),
        }
    }

    /// Every entry below a key whose names the user chooses.
    pub(super) fn named_sections(&mut self, names: &[&'static str]) -> Vec<(String, Self)> {
        let Some(mut section) = self.section(names) else { return Vec::new() };
        let entries = std::mem::take(&mut section.entries);
        let path = section.path.clone();
        let named = entries.into_iter().filter_map(|(name, entry)| {
            let inner = self.table_section(&format!("{path}.{name}"), entry.key_place, entry.node)?;
            Some((name, inner))
        });
        named.collect()
    }

    /// Reports a problem about this table as a whole.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.report.push(Problem { place: self.place.clone(), message: message.into() });
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        for (key, entry) in &self.entries {
            let mut message = format!("unknown key `{}`", join(&self.path, key));
            if let Some(suggestion) = nearest(key, &self.known) {
                message.push_str(&format!("; did you mean `{}`?", join(&self.path, suggestion)));
            }
            self.report.push(Problem { place: entry.key_place.clone(), message });
        }
    }

    fn table_section(&self, path: &str, place: Place, node: Node) -> Option<Self> {
        let kind = node.value.kind();
        let Value::Table(entries) = node.value else {
            self.report.push(Problem { place: node.place, message: format!("`{path}` is {kind}; it must be a table") });
            return None;
        };
        Some(Self::new(path, place, entries, self.effect, self.report))
    }

    fn name_of(&self, names: &[&'static str]) -> String {
        join(&self.path, names.first().copied().unwrap_or_default())
    }

    /// The written form of a key. The environment cannot write `-`.
    fn find(&self, name: &str) -> Option<String> {
        if self.entries.contains_key(name) {
            return Some(name.to_owned());
        }
        let folded = name.replace('-', "_");
        let entry = self.entries.get(&folded)?;
        matches!(entry.key_place, Place::Environment(_)).then_some(folded)
    }

    /// Removes and returns a key. A scalar is recorded as "later" here, a table when its own keys are read.
    fn take(&mut self, names: &[&'static str]) -> Option<Entry> {
        let entry = self.take_table(names)?;
        if self.effect == Effect::Later {
            self.report.later.borrow_mut().push(self.name_of(names));
        }
        Some(entry)
    }

    fn take_table(&mut self, names: &[&'static str]) -> Option<Entry> {
        self.known.extend_from_slice(names);
        let mut found: Option<(String, Entry)> = None;
        for name in names {
            // A file may write `bearer-token` where a variable writes `bearer_token`: both are this key.
            while let Some(written) = self.find(name) {
                let Some(entry) = self.entries.remove(&written) else { break };
                found = Some(match found {
                    None => (written, entry),
                    Some(earlier) => self.choose(earlier, (written, entry)),
                });
            }
        }
        found.map(|(_, entry)| entry)
    }

    /// One key was written under two names: a variable or flag wins over the file; twice in the file is a problem.
    fn choose(&self, earlier: (String, Entry), later: (String, Entry)) -> (String, Entry) {
        let (low, high) = (rank(&earlier.1), rank(&later.1));
        if low == high {
            let message =
                format!("`{}` and `{}` are the same key", join(&self.path, &earlier.0), join(&self.path, &later.0));
            self.report.push(Problem { place: later.1.key_place, message });
            return earlier;
        }
        let (below, above) = if low < high { (earlier, later) } else { (later, earlier) };
        (below.0, merge(below.1, above.1))
    }
}

/// Which layer wins: the file, then the environment, then flags.
fn rank(entry: &Entry) -> u8 {
    match entry.key_place {
        Place::BuiltIn | Place::File { .. } => 0,
        Place::Environment(_) => 1,
        Place::Flag(_) => 2,
    }
}

/// Lays one entry over another; tables are merged key by key.
fn merge(below: Entry, above: Entry) -> Entry {
    let Entry { key_place, node } = below;
    match (node.value, above.node.value) {
        (Value::Table(mut entries), Value::Table(over)) => {
            for (key, entry) in over {
                let merged = match entries.remove(&key) {
                    Some(lower) => merge(lower, entry),
                    None => entry,
                };
                entries.insert(key, merged);
            }
            Entry { key_place, node: Node { place: node.place, value: Value::Table(entries) } }
        }
        (_, value) => Entry { key_place: above.key_place, node: Node { place: above.node.place, value } },
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
