//! What a transaction will do to channels when it commits: LISTEN, UNLISTEN and NOTIFY wait here and follow its savepoints.
//!
//! Pure. Call order as [`crate::session::settings::Settings`]: [`Pending::begin`], savepoint calls, then [`Pending::take`] at
//! commit or [`Pending::clear`] at rollback.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{NOTIFICATION_OVERHEAD, Notification};
use crate::error::{SqlError, sqlstate};

/// Bytes of notifications in one transaction: beyond it 54000, as they are kept in memory until its commit.
const PENDING_BYTES_MAX: usize = 8 << 20;
/// LISTEN and UNLISTEN commands in one transaction: beyond it 54000.
const ACTIONS_MAX: usize = 10_000;

/// A change of what the session listens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Listen(Box<str>),
    Unlisten(Box<str>),
    UnlistenAll,
}

/// Channel and payload.
type Note = (Arc<str>, Arc<str>);

/// See the file's header.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    actions: Vec<Action>,
    notes: Vec<Note>,
    /// The same as `notes`, to find duplicates.
    seen: BTreeSet<Note>,
    bytes: usize,
    /// The lengths of both lists at each open savepoint.
    marks: Vec<(usize, usize)>,
}

impl Pending {
    /// A transaction starts.
    pub(crate) fn begin(&mut self) {
        self.clear();
    }

    /// # Errors
    /// 54000 at the limit.
    pub(crate) fn act(&mut self, action: Action) -> Result<(), SqlError> {
        if self.actions.len() >= ACTIONS_MAX {
            let text = format!("a transaction may have at most {ACTIONS_MAX} LISTEN and UNLISTEN commands");
            return Err(SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, text));
        }
        self.actions.push(action);
        Ok(())
    }

    /// Adds a notification, unless the transaction has the same already.
    ///
    /// # Errors
    /// 54000 at the limit.
    pub(crate) fn notify(&mut self, channel: &str, payload: &str) -> Result<(), SqlError> {
        let note: Note = (channel.into(), payload.into());
        if self.seen.contains(&note) {
            return Ok(());
        }
        let bytes = self.bytes + size(&note);
        if bytes > PENDING_BYTES_MAX {
            let text = format!("the notifications of a transaction are larger than {PENDING_BYTES_MAX} bytes");
            return Err(SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, text));
        }
        self.bytes = bytes;
        self.seen.insert(note.clone());
        self.notes.push(note);
        Ok(())
    }

    /// A savepoint is made; they are counted by the caller from 0.
    pub(crate) fn savepoint(&mut self) {
        self.marks.push((self.actions.len(), self.notes.len()));
    }

    /// Back to the savepoint of that number, which stays.
    pub(crate) fn rollback_to(&mut self, savepoint: usize) {
        let Some(&(actions, notes)) = self.marks.get(savepoint) else { return };
        self.marks.truncate(savepoint + 1);
        self.actions.truncate(actions);
        for note in self.notes.drain(notes..) {
            self.bytes -= size(&note);
            self.seen.remove(&note);
        }
    }

    /// Forgets the savepoint of that number and later ones.
    pub(crate) fn release(&mut self, savepoint: usize) {
        self.marks.truncate(savepoint);
    }

    /// Whether the commit will notify.
    pub(crate) fn notifies(&self) -> bool {
        !self.notes.is_empty()
    }

    /// The transaction committed: what it does to channels, in order, and its notifications.
    pub(crate) fn take(&mut self, pid: i32) -> (Vec<Action>, Vec<Arc<Notification>>) {
        let notification = |(channel, payload): Note| {
            Arc::new(Notification { channel: (*channel).into(), payload: (*payload).into(), pid })
        };
        if self.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let all = std::mem::take(self);
        (all.actions, all.notes.into_iter().map(notification).collect())
    }

    /// The transaction was rolled back.
    pub(crate) fn clear(&mut self) {
        if !self.is_empty() {
            *self = Self::default();
        }
    }

    fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.notes.is_empty() && self.marks.is_empty()
    }
}

fn size((channel, payload): &Note) -> usize {
    NOTIFICATION_OVERHEAD + channel.len() + payload.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays commands: `n<text>` notifies, `s` makes a savepoint, `b<n>` goes back to it, `r<n>` releases it.
    fn check(commands: &str, expected: &str) {
        let mut pending = Pending::default();
        pending.begin();
        for command in commands.split(' ') {
            let (verb, rest) = command.split_at(1);
            match verb {
                "n" => pending.notify("c", rest).expect("below the limit"),
                "s" => pending.savepoint(),
                "b" => pending.rollback_to(rest.parse().expect("a number")),
                "r" => pending.release(rest.parse().expect("a number")),
                other => panic!("unknown command {other}"),
            }
        }
        let payloads: Vec<String> = pending.take(1).1.iter().map(|note| note.payload.to_string()).collect();
        assert_eq!(payloads.join(" "), expected, "after {commands}");
        assert_eq!(pending.bytes, 0);
    }

    #[test]
    fn duplicates_in_a_transaction_are_one() {
        check("na nb na", "a b");
        check("na s na b0 nb", "a b");
        check("s na b0 na", "a");
    }

    #[test]
    fn rollback_to_a_savepoint_drops_what_came_after_it() {
        check("na s nb s nc b1 nd", "a b d");
        check("na s nb s nc b0 nd b0", "a");
        check("na s nb r0 s nc b0", "a b");
    }

    #[test]
    fn listening_follows_savepoints_too() {
        let mut pending = Pending::default();
        pending.act(Action::Listen("a".into())).expect("few");
        pending.savepoint();
        pending.act(Action::UnlistenAll).expect("few");
        pending.rollback_to(0);
        assert_eq!(pending.take(1).0, [Action::Listen("a".into())]);
    }

    #[test]
    fn a_transaction_keeps_a_bounded_amount() {
        let mut pending = Pending::default();
        let payload = "x".repeat(7_000);
        let mut count = 0_usize;
        let error = loop {
            match pending.notify("c", &format!("{payload}{count}")) {
                Ok(()) => count += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.sqlstate, "54000");
        assert!(count * 7_000 < PENDING_BYTES_MAX && count > 1_000);
        pending.clear();
        pending.notify("c", "again").expect("empty again");
    }
}
