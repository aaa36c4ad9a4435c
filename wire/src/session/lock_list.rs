//! The advisory locks that a transaction took for itself, in order, with its savepoints: what its end or a rollback gives back.
//!
//! Pure. Call order as [`crate::session::settings::Settings`].

use super::advisory::Lock;

/// See the file's header.
#[derive(Debug, Default)]
pub(crate) struct LockList {
    locks: Vec<Lock>,
    /// The length of the list at each open savepoint.
    marks: Vec<usize>,
}

impl LockList {
    pub(crate) fn push(&mut self, lock: Lock) {
        self.locks.push(lock);
    }

    /// A savepoint is made; they are counted by the caller from 0.
    pub(crate) fn savepoint(&mut self) {
        self.marks.push(self.locks.len());
    }

    /// Back to the savepoint of that number, which stays: the locks to give back.
    pub(crate) fn rollback_to(&mut self, savepoint: usize) -> Vec<Lock> {
        let Some(&len) = self.marks.get(savepoint) else { return Vec::new() };
        self.marks.truncate(savepoint + 1);
        self.locks.split_off(len)
    }

    /// Forgets the savepoint of that number and later ones.
    pub(crate) fn release(&mut self, savepoint: usize) {
        self.marks.truncate(savepoint);
    }

    /// The transaction is over: all its locks, to give back.
    pub(crate) fn take(&mut self) -> Vec<Lock> {
        self.marks.clear();
        std::mem::take(&mut self.locks)
    }
}

#[cfg(test)]
mod tests {
    use super::super::advisory::{Key, Mode, Span};
    use super::*;

    fn lock(key: i64) -> Lock {
        Lock { key: Key::One(key), mode: Mode::Shared, span: Span::Transaction }
    }

    #[test]
    fn a_savepoint_gives_back_what_came_after_it() {
        let mut list = LockList::default();
        list.push(lock(1));
        list.savepoint();
        list.push(lock(2));
        list.savepoint();
        list.push(lock(3));
        list.release(1);
        assert_eq!(list.rollback_to(0), [lock(2), lock(3)]);
        list.push(lock(4));
        assert_eq!(list.take(), [lock(1), lock(4)]);
        assert_eq!(list.take(), []);
    }
}
