//! Portals of a session: statements bound to values, and how far their rows were fetched.
//!
//! Pure over the rows' source `R`, which execution supplies. Portals end with their transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::Value;

use super::statement::Prepared;
use crate::error::{SqlError, sqlstate};
use crate::protocol::Format;

/// Most portals in one session: more are 53400.
pub(crate) const PORTALS_MAX: usize = 1_000;

/// A bound statement.
#[derive(Debug)]
pub(crate) struct Portal<R> {
    pub statement: Arc<Prepared>,
    /// The name of `statement`, for when it must be planned again.
    pub statement_name: String,
    /// In the storage form of the parameters' types.
    pub params: Vec<Value>,
    /// Set when it is inserted; later portals have higher numbers.
    pub number: u64,
    /// It outlives the transaction that made it, if that commits.
    pub hold: bool,
    /// One for each result column.
    pub formats: Arc<[Format]>,
    pub state: State<R>,
}

/// How far a portal has come.
#[derive(Debug)]
pub(crate) enum State<R> {
    Ready,
    /// Suspended after some rows.
    Suspended(R),
    /// A query ran to its end: executing it again gives no rows.
    Exhausted,
    /// A command ran: it cannot run again.
    Completed,
}

/// Portals by name.
#[derive(Debug)]
pub(crate) struct Portals<R> {
    unnamed: Option<Portal<R>>,
    named: BTreeMap<String, Portal<R>>,
    /// Portals inserted so far.
    count: u64,
    /// The count at each open savepoint.
    marks: Vec<u64>,
    /// The count when the transaction began.
    begin: u64,
}

impl<R> Portal<R> {
    /// Whether its rows are in binary format.
    pub(crate) fn is_binary(&self) -> bool {
        self.formats.contains(&Format::Binary)
    }
}

impl<R> Default for Portals<R> {
    fn default() -> Self {
        Self { unnamed: None, named: BTreeMap::new(), count: 0, marks: Vec::new(), begin: 0 }
    }
}

impl<R> Portals<R> {
    /// Adds a portal; an unnamed one replaces the last.
    ///
    /// # Errors
    /// 42P03 if the name is taken, 53400 at the limit.
    pub(crate) fn insert(&mut self, name: &str, mut portal: Portal<R>) -> Result<(), SqlError> {
        portal.number = self.count;
        self.count += 1;
        if name.is_empty() {
            self.unnamed = Some(portal);
            return Ok(());
        }
        if self.named.contains_key(name) {
            return Err(SqlError::new(sqlstate::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        if self.named.len() >= PORTALS_MAX {
            return Err(SqlError::new(
                sqlstate::LIMIT_EXCEEDED,
                format!("a session may have at most {PORTALS_MAX} portals"),
            )
            .hint("Close portals that are no longer used."));
        }
        self.named.insert(name.to_owned(), portal);
        Ok(())
    }

    /// # Errors
    /// 34000 if there is none of that name.
    pub(crate) fn find(&mut self, name: &str) -> Result<&mut Portal<R>, SqlError> {
        let found = if name.is_empty() { self.unnamed.as_mut() } else { self.named.get_mut(name) };
        found.ok_or_else(|| SqlError::new(sqlstate::UNDEFINED_CURSOR, format!("portal \"{name}\" does not exist")))
    }

    /// Protocol Close: no error if there is none.
    pub(crate) fn close(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed = None;
        } else {
            self.named.remove(name);
        }
    }

    /// The sources of all suspended portals.
    pub(crate) fn suspended(&mut self) -> impl Iterator<Item = &mut R> {
        self.unnamed.iter_mut().chain(self.named.values_mut()).filter_map(|portal| match &mut portal.state {
            State::Suspended(rows) => Some(rows),
            State::Ready | State::Exhausted | State::Completed => None,
        })
    }

    /// A savepoint is made; they are counted by the caller from 0.
    pub(crate) fn savepoint(&mut self) {
        self.marks.push(self.count);
    }

    /// Closes the portals that came after the savepoint of that number, which stays.
    pub(crate) fn rollback_to(&mut self, savepoint: usize) {
        let Some(&mark) = self.marks.get(savepoint) else { return };
        self.marks.truncate(savepoint + 1);
        self.unnamed.take_if(|portal| portal.number >= mark);
        self.named.retain(|_, portal| portal.number < mark);
    }

    /// Forgets the savepoint of that number and later ones.
    pub(crate) fn release(&mut self, savepoint: usize) {
        self.marks.truncate(savepoint);
    }

    /// `CLOSE ALL`.
    pub(crate) fn clear(&mut self) {
        self.unnamed = None;
        self.named.clear();
    }

    /// A transaction starts.
    pub(crate) fn begin(&mut self) {
        self.marks.clear();
        self.begin = self.count;
    }

    /// The transaction committed: of its portals those stay that were declared to.
    pub(crate) fn commit(&mut self) {
        self.unnamed = None;
        self.named.retain(|_, portal| portal.hold);
        self.marks.clear();
    }

    /// The transaction was rolled back, and its portals with it.
    pub(crate) fn rollback(&mut self) {
        self.unnamed = None;
        let begin = self.begin;
        self.named.retain(|_, portal| portal.hold && portal.number < begin);
        self.marks.clear();
    }
}

/// Widens the format codes of a Bind: none means text for all, one means that for all.
///
/// # Errors
/// 08P01 when their number is neither 0, 1 nor `count`; `what` names the things counted.
pub(crate) fn widen_formats(codes: &[Format], count: usize, what: FormatsOf) -> Result<Arc<[Format]>, SqlError> {
    match codes {
        [] => Ok(vec![Format::Text; count].into()),
        [all] => Ok(vec![*all; count].into()),
        each if each.len() == count => Ok(each.into()),
        each => Err(SqlError::new(
            sqlstate::PROTOCOL_VIOLATION,
            match what {
                FormatsOf::Parameters => {
                    format!("bind message has {} parameter formats but {count} parameters", each.len())
                }
                FormatsOf::Columns => {
                    format!("bind message has {} result formats but query has {count} columns", each.len())
                }
            },
        )),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormatsOf {
    Parameters,
    Columns,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Plan, Planned, Tag};

    fn portal() -> Portal<()> {
        let plan = Plan { action: Action::Empty, tag: Tag::Select, param_types: Vec::new(), columns: Vec::new() };
        let planned = Planned { plan: Arc::new(plan), literals: Vec::new() };
        let statement = Prepared { text: "".into(), declared: Vec::new(), planned, schema_version: 0 };
        Portal {
            statement: Arc::new(statement),
            statement_name: String::new(),
            params: Vec::new(),
            number: 0,
            hold: false,
            formats: Arc::new([]),
            state: State::Ready,
        }
    }

    #[test]
    fn named_portals_are_unique_and_the_unnamed_is_replaced() {
        let mut portals = Portals::default();
        portals.insert("c", portal()).expect("free");
        assert_eq!(portals.insert("c", portal()).expect_err("taken").sqlstate, "42P03");
        portals.insert("", portal()).expect("unnamed");
        portals.insert("", portal()).expect("replaces");
    }

    #[test]
    fn a_missing_portal_is_34000() {
        let mut portals = Portals::default();
        portals.insert("c", portal()).expect("free");
        portals.clear();
        assert_eq!(portals.find("c").expect_err("gone").sqlstate, "34000");
        portals.close("c");
    }

    #[test]
    fn rollback_to_a_savepoint_closes_what_was_opened_after_it() {
        let mut portals = Portals::default();
        portals.insert("before", portal()).expect("free");
        portals.savepoint();
        portals.insert("after", portal()).expect("free");
        portals.insert("", portal()).expect("unnamed");
        portals.savepoint();
        portals.release(1);
        portals.rollback_to(0);
        assert!(portals.find("before").is_ok());
        assert!(portals.find("after").is_err() && portals.find("").is_err());
    }

    #[test]
    fn a_held_portal_outlives_its_transaction_unless_that_is_rolled_back() {
        let held = || Portal { hold: true, ..portal() };
        let mut portals = Portals::default();
        portals.begin();
        portals.insert("held", held()).expect("free");
        portals.insert("plain", portal()).expect("free");
        portals.commit();
        assert!(portals.find("held").is_ok() && portals.find("plain").is_err());
        portals.begin();
        portals.insert("undone", held()).expect("free");
        portals.rollback();
        assert!(portals.find("held").is_ok() && portals.find("undone").is_err());
        portals.clear();
        assert!(portals.find("held").is_err());
    }

    #[test]
    fn portals_are_bounded() {
        let mut portals = Portals::default();
        for i in 0..PORTALS_MAX {
            portals.insert(&i.to_string(), portal()).expect("below the limit");
        }
        assert_eq!(portals.insert("more", portal()).expect_err("limit").sqlstate, "53400");
    }

    #[test]
    fn format_codes_are_widened_or_counted() {
        use Format::{Binary, Text};
        let widen = |codes: &[Format], count| widen_formats(codes, count, FormatsOf::Columns);
        assert_eq!(&*widen(&[], 2).expect("none"), [Text, Text]);
        assert_eq!(&*widen(&[Binary], 2).expect("one"), [Binary, Binary]);
        assert_eq!(&*widen(&[Text, Binary], 2).expect("each"), [Text, Binary]);
        assert_eq!(widen(&[Text, Binary], 3).expect_err("wrong").sqlstate, "08P01");
        assert_eq!(&*widen(&[Binary], 0).expect("no columns"), []);
    }
}
