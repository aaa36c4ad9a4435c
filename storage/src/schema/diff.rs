//! What has to be done so that a database with one schema gets the one its files declare.
//!
//! Pure. Nothing is ever taken away but indexes: a table that disappears from the files stays, with a warning, and
//! whatever would change existing columns or keys is refused, all violations together.

use std::collections::BTreeMap;

use super::declared::{ColumnDecl, Declared, IndexDecl, Location, TableDecl, fold};
use super::model::Origin;
use super::rules::{Rule, Violation};

/// What the database has now. Maps are keyed by folded name.
#[derive(Debug, Clone, Default)]
pub(super) struct Existing {
    /// Tables declared in schema files, as last declared.
    pub(super) file_tables: BTreeMap<String, TableDecl>,
    /// Tables declared over the wire: their name.
    pub(super) wire_tables: BTreeMap<String, String>,
    /// Tables that are not replicated and have the name of a declared one.
    pub(super) plain_tables: BTreeMap<String, PlainTable>,
    pub(super) indexes: BTreeMap<String, ExistingIndex>,
    /// Names of primary keys, with their table.
    pub(super) key_names: BTreeMap<String, String>,
    /// Views and virtual tables.
    pub(super) other_names: BTreeMap<String, String>,
}

/// A table of the file that is not replicated.
#[derive(Debug, Clone)]
pub(super) struct PlainTable {
    pub(super) table: TableDecl,
    /// Why it cannot become replicated as it is.
    pub(super) obstacle: Option<String>,
}

/// An index of the file.
#[derive(Debug, Clone)]
pub(super) struct ExistingIndex {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) canonical: String,
    /// `None`: neither a file nor a client declared it.
    pub(super) origin: Option<Origin>,
}

/// One change. Steps run in the order given.
#[derive(Debug, Clone)]
pub(super) enum Step {
    CreateTable(TableDecl),
    /// Makes an existing table replicated.
    AdoptTable(TableDecl),
    AddColumn {
        table: String,
        column: ColumnDecl,
    },
    /// The declaration's text changed; its meaning, after the other steps, did not.
    RecordTable {
        stored_name: String,
        table: TableDecl,
    },
    DropIndex {
        name: String,
        table: String,
    },
    CreateIndex(IndexDecl),
    /// The index is there as declared; from now on the files own it.
    RecordIndex(IndexDecl),
}

/// Steps and what an operator should know about them.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) warnings: Vec<String>,
}

/// Compares the database with its files.
///
/// # Errors
/// Every violation, in the order of file and line.
pub(super) fn diff(old: &Existing, new: &Declared) -> Result<Plan, Vec<Violation>> {
    let mut differ = Differ { old, new, plan: Plan::default(), broken: Vec::new() };
    for (key, table) in &new.tables {
        differ.table(key, table);
    }
    for (key, table) in &old.file_tables {
        if !new.tables.contains_key(key) {
            let warning =
                format!("table \"{}\" is no longer declared in any schema file; it stays as it is", table.name);
            differ.plan.warnings.push(warning);
        }
    }
    differ.dropped_indexes();
    for (key, index) in &new.indexes {
        differ.index(key, index);
    }
    if differ.broken.is_empty() {
        return Ok(differ.plan);
    }
    differ.broken.sort_by(|a, b| a.at.cmp(&b.at));
    Err(differ.broken)
}

struct Differ<'a> {
    old: &'a Existing,
    new: &'a Declared,
    plan: Plan,
    broken: Vec<Violation>,
}

impl Differ<'_> {
    fn report(&mut self, rule: Rule, at: &Location, message: String) {
        self.broken.push(Violation { rule, at: at.clone(), message });
    }

    fn table(&mut self, key: &str, new: &TableDecl) {
        if let Some(existing) = self.old.file_tables.get(key) {
            self.changed_table(existing, new);
        } else if self.old.wire_tables.contains_key(key) {
            let message = format!("table \"{}\" exists already, made by a client", new.name);
            self.report(Rule::DeclaredOverTheWire, &new.at, message);
        } else if let Some(plain) = self.old.plain_tables.get(key) {
            self.adopted_table(plain, new);
        } else if let Some(owner) = self.owner_of_name(key) {
            self.report(Rule::NameTaken, &new.at, format!("table name \"{}\" is the name of {owner}", new.name));
        } else {
            self.plan.steps.push(Step::CreateTable(new.clone()));
        }
    }

    /// Indexes that the files replace or drop do not own their name any more.
    fn owner_of_name(&self, key: &str) -> Option<String> {
        if let Some(index) = self.old.indexes.get(key) {
            return Some(format!("an index of table \"{}\"", index.table));
        }
        if self.new.indexes.contains_key(key) {
            return Some("a declared index".to_owned());
        }
        if let Some(table) = self.old.key_names.get(key) {
            return Some(format!("the primary key of table \"{table}\""));
        }
        self.old.other_names.get(key).cloned()
    }

    fn changed_table(&mut self, old: &TableDecl, new: &TableDecl) {
        let name = &new.name;
        if !same_key(old, new) {
            let message = format!(
                "the primary key of table \"{name}\" changes from ({}) to ({})",
                old.key_names().join(", "),
                new.key_names().join(", ")
            );
            self.report(Rule::PrimaryKeyChanged, &new.at, message);
            return;
        }
        if let Some(option) = changed_option(old, new) {
            self.report(Rule::TableOptionsChanged, &new.at, format!("table \"{name}\" changes {option}"));
        }
        if old.checks != new.checks {
            self.report(Rule::TableCheckChanged, &new.at, format!("a CHECK constraint of table \"{name}\" changes"));
        }
        for column in &old.columns {
            match new.column(&column.name) {
                None => {
                    let message = format!("column \"{}\" of table \"{name}\" is missing", column.name);
                    self.report(Rule::ColumnRemoved, &new.at, message);
                }
                Some((_, declared)) => {
                    if let Some(change) = column.difference(declared) {
                        let message = format!("column \"{}\" of table \"{name}\" changes {change}", column.name);
                        self.report(Rule::ColumnChanged, &declared.at, message);
                    }
                }
            }
        }
        for column in &new.columns {
            if old.column(&column.name).is_none() {
                self.plan.steps.push(Step::AddColumn { table: old.name.clone(), column: column.clone() });
            }
        }
        if old.text != new.text {
            self.plan.steps.push(Step::RecordTable { stored_name: old.name.clone(), table: new.clone() });
        }
    }

    fn adopted_table(&mut self, plain: &PlainTable, new: &TableDecl) {
        let obstacle = plain.obstacle.clone().or_else(|| definition_difference(&plain.table, new));
        match obstacle {
            None => self.plan.steps.push(Step::AdoptTable(new.clone())),
            Some(what) => {
                let message = format!("table \"{}\" exists already and is not replicated: {what}", new.name);
                self.report(Rule::TableNotAdoptable, &new.at, message);
            }
        }
    }

    fn dropped_indexes(&mut self) {
        for (key, index) in &self.old.indexes {
            let table = fold(&index.table);
            let declared_before = index.origin == Some(Origin::File);
            let table_is_gone = self.old.file_tables.contains_key(&table) && !self.new.tables.contains_key(&table);
            let replaced = self.new.indexes.get(key).is_some_and(|new| !same_index(index, new));
            let removed = declared_before && !table_is_gone && !self.new.indexes.contains_key(key);
            if self.new.drops.contains_key(key) || replaced || removed {
                let step = Step::DropIndex { name: index.name.clone(), table: index.table.clone() };
                self.plan.steps.push(step);
            }
        }
    }

    fn index(&mut self, key: &str, new: &IndexDecl) {
        let table = fold(&new.table);
        let table_exists = self.new.tables.contains_key(&table)
            || self.old.file_tables.contains_key(&table)
            || self.old.wire_tables.contains_key(&table);
        if !table_exists {
            let message = format!("index \"{}\" is on table \"{}\", which is not declared", new.name, new.table);
            self.report(Rule::IndexWithoutTable, &new.at, message);
            return;
        }
        let is_table = self.new.tables.contains_key(key)
            || self.old.file_tables.contains_key(key)
            || self.old.wire_tables.contains_key(key);
        let owner = if is_table {
            Some("a table".to_owned())
        } else if let Some(table) = self.old.key_names.get(key) {
            Some(format!("the primary key of table \"{table}\""))
        } else {
            self.old.other_names.get(key).cloned()
        };
        if let Some(owner) = owner {
            self.report(Rule::NameTaken, &new.at, format!("index name \"{}\" is the name of {owner}", new.name));
            return;
        }
        match self.old.indexes.get(key) {
            Some(old) if same_index(old, new) => {
                if old.origin != Some(Origin::File) {
                    self.plan.steps.push(Step::RecordIndex(new.clone()));
                }
            }
            Some(_) | None => self.plan.steps.push(Step::CreateIndex(new.clone())),
        }
    }
}

fn same_index(old: &ExistingIndex, new: &IndexDecl) -> bool {
    old.table.eq_ignore_ascii_case(&new.table) && old.canonical == new.canonical
}

fn same_key(old: &TableDecl, new: &TableDecl) -> bool {
    let (old, new) = (old.key_names(), new.key_names());
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.eq_ignore_ascii_case(new))
}

fn changed_option(old: &TableDecl, new: &TableDecl) -> Option<&'static str> {
    if old.strict != new.strict {
        Some("STRICT")
    } else if old.without_rowid != new.without_rowid {
        Some("WITHOUT ROWID")
    } else if old.rowid_key != new.rowid_key {
        Some("whether its key is the rowid")
    } else {
        None
    }
}

/// The first difference between an existing table and the declaration that wants to take it over.
fn definition_difference(old: &TableDecl, new: &TableDecl) -> Option<String> {
    if old.strict {
        return Some("it is STRICT in the file".to_owned());
    }
    if !same_key(old, new) {
        let (old, new) = (old.key_names().join(", "), new.key_names().join(", "));
        return Some(format!("its primary key is ({old}), not ({new})"));
    }
    if let Some(option) = changed_option(old, new) {
        return Some(format!("it differs in {option}"));
    }
    if old.checks != new.checks {
        return Some("its CHECK constraints differ".to_owned());
    }
    for column in &old.columns {
        let Some((_, declared)) = new.column(&column.name) else {
            return Some(format!("it has a column \"{}\"", column.name));
        };
        if let Some(change) = column.difference(declared) {
            return Some(format!("column \"{}\" would change {change}", column.name));
        }
    }
    let missing = new.columns.iter().find(|column| old.column(&column.name).is_none())?;
    Some(format!("it has no column \"{}\"", missing.name))
}
