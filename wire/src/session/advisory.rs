//! Advisory locks: who holds what on this node, and what a session may take.
//!
//! Locks are this node's alone; other nodes of a cluster do not see them. A lock held for the session ends with
//! `pg_advisory_unlock` or the session, one held for the transaction with that or with a savepoint it came after. Both kinds count.
//! A session that must wait is told so, waits outside of any statement, and runs its statement again; a circle of waiting
//! sessions is found before the wait that would close it (40P01).
//! Source: <https://www.postgresql.org/docs/15/explicit-locking.html#ADVISORY-LOCKS>

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::{SqlError, sqlstate};

/// Locks on one node, counting each holder of a shared one: more are 53200, as PostgreSQL says when its lock table is full.
const LOCKS_MAX: usize = 100_000;

/// What is locked. One number and two numbers are two spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    One(i64),
    Two(i32, i32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

impl Mode {
    /// As PostgreSQL's warnings name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shared => "ShareLock",
            Self::Exclusive => "ExclusiveLock",
        }
    }
}

/// How long a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Span {
    Session,
    Transaction,
}

/// One lock of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lock {
    pub key: Key,
    pub mode: Mode,
    pub span: Span,
}

/// Names a session among the holders.
pub(crate) type Owner = i64;

/// The locks of one node. Changed by functions on the threads that run statements, and by sessions.
#[derive(Debug, Default)]
pub(crate) struct AdvisoryLocks {
    state: Mutex<State>,
    /// Woken when a lock was given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How often each session holds each lock.
    held: BTreeMap<Key, BTreeMap<Owner, Counts>>,
    count: usize,
    waiting: BTreeMap<Owner, (Key, Mode)>,
}

type Counts = BTreeMap<(Mode, Span), u32>;

impl AdvisoryLocks {
    /// Takes a lock. False: another session holds it in a way that excludes this.
    ///
    /// # Errors
    /// 53200 at the limit.
    pub(crate) fn try_take(&self, owner: Owner, lock: Lock) -> Result<bool, SqlError> {
        let mut state = self.lock();
        if state.blockers(owner, lock.key, lock.mode).next().is_some() {
            return Ok(false);
        }
        let is_new = state.held.get(&lock.key).is_none_or(|owners| !owners.contains_key(&owner));
        if is_new && state.count >= LOCKS_MAX {
            return Err(SqlError::new(sqlstate::OUT_OF_MEMORY, "out of shared memory")
                .detail(format!("There are {LOCKS_MAX} advisory locks already.")));
        }
        state.count += usize::from(is_new);
        let counts = state.held.entry(lock.key).or_default().entry(owner).or_default();
        *counts.entry((lock.mode, lock.span)).or_default() += 1;
        Ok(true)
    }

    /// How often the session holds exactly this.
    pub(crate) fn count(&self, owner: Owner, lock: Lock) -> u32 {
        let state = self.lock();
        let counts = state.held.get(&lock.key).and_then(|owners| owners.get(&owner));
        counts.and_then(|counts| counts.get(&(lock.mode, lock.span))).copied().unwrap_or(0)
    }

    /// Gives one back; nothing happens if the session does not hold it.
    pub(crate) fn give_back(&self, owner: Owner, lock: Lock) {
        let mut state = self.lock();
        let Some(owners) = state.held.get_mut(&lock.key) else { return };
        let Some(counts) = owners.get_mut(&owner) else { return };
        if let Some(count) = counts.get_mut(&(lock.mode, lock.span)) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&(lock.mode, lock.span));
            }
        }
        state.tidy(owner, lock.key);
        drop(state);
        self.freed.notify_waiters();
    }

    /// Gives back all that a session holds for itself: `pg_advisory_unlock_all()`.
    pub(crate) fn give_back_session(&self, owner: Owner) {
        self.give_back_where(owner, |(_, span)| span == Span::Session);
    }

    /// The session is over.
    pub(crate) fn forget(&self, owner: Owner) {
        self.give_back_where(owner, |_| true);
    }

    fn give_back_where(&self, owner: Owner, gone: impl Fn((Mode, Span)) -> bool) {
        let mut state = self.lock();
        state.waiting.remove(&owner);
        let keys: Vec<Key> =
            state.held.iter().filter(|(_, owners)| owners.contains_key(&owner)).map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return;
        }
        for key in keys {
            if let Some(counts) = state.held.get_mut(&key).and_then(|owners| owners.get_mut(&owner)) {
                counts.retain(|kind, _| !gone(*kind));
            }
            state.tidy(owner, key);
        }
        drop(state);
        self.freed.notify_waiters();
    }

    /// Waits until the lock could be taken; somebody else may be faster. Dropping it ends the wait.
    ///
    /// # Errors
    /// 40P01 if those it would wait for wait for this session.
    pub(crate) async fn wait(&self, owner: Owner, key: Key, mode: Mode) -> Result<(), SqlError> {
        let _waiting = Waiting { locks: self, owner };
        loop {
            // Registered before the locks are looked at, so that a change between the two still wakes us.
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.blockers(owner, key, mode).next().is_none() {
                    return Ok(());
                }
                state.waiting.insert(owner, (key, mode));
                if state.closes_a_circle(owner) {
                    return Err(SqlError::new(sqlstate::DEADLOCK_DETECTED, "deadlock detected")
                        .detail("Each of several sessions waits for an advisory lock that the next one holds."));
                }
            }
            freed.await;
        }
    }

    /// Each change under the lock is whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Waiting<'a> {
    locks: &'a AdvisoryLocks,
    owner: Owner,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.locks.lock().waiting.remove(&self.owner);
    }
}

impl State {
    /// The other sessions that keep this one from the lock.
    fn blockers(&self, owner: Owner, key: Key, mode: Mode) -> impl Iterator<Item = Owner> {
        let owners = self.held.get(&key).into_iter().flatten();
        owners.filter_map(move |(other, counts)| {
            let excludes = mode == Mode::Exclusive || counts.keys().any(|(held, _)| *held == Mode::Exclusive);
            (*other != owner && excludes).then_some(*other)
        })
    }

    /// Whether following who waits for whom leads back to `start`.
    fn closes_a_circle(&self, start: Owner) -> bool {
        let (mut seen, mut next) = (vec![start], vec![start]);
        while let Some(owner) = next.pop() {
            let Some((key, mode)) = self.waiting.get(&owner) else { continue };
            for other in self.blockers(owner, *key, *mode) {
                if other == start {
                    return true;
                }
                if !seen.contains(&other) {
                    seen.push(other);
                    next.push(other);
                }
            }
        }
        false
    }

    /// Forgets what is empty.
    fn tidy(&mut self, owner: Owner, key: Key) {
        let Some(owners) = self.held.get_mut(&key) else { return };
        if owners.get(&owner).is_some_and(BTreeMap::is_empty) {
            owners.remove(&owner);
            self.count -= 1;
        }
        if owners.is_empty() {
            self.held.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn lock(mode: Mode, span: Span) -> Lock {
        Lock { key: Key::One(7), mode, span }
    }

    const EXCLUSIVE: Lock = Lock { key: Key::One(7), mode: Mode::Exclusive, span: Span::Session };

    fn take(locks: &AdvisoryLocks, owner: Owner, lock: Lock) -> bool {
        locks.try_take(owner, lock).expect("below the limit")
    }

    #[test]
    fn shared_locks_go_together_and_exclusive_ones_alone() {
        let locks = AdvisoryLocks::default();
        assert!(take(&locks, 1, lock(Mode::Shared, Span::Session)));
        assert!(take(&locks, 2, lock(Mode::Shared, Span::Transaction)));
        assert!(!take(&locks, 1, EXCLUSIVE));
        locks.give_back(2, lock(Mode::Shared, Span::Transaction));
        assert!(take(&locks, 1, EXCLUSIVE), "one's own locks never exclude");
        assert!(!take(&locks, 2, lock(Mode::Shared, Span::Session)));
        assert!(take(&locks, 2, Lock { key: Key::Two(0, 7), ..EXCLUSIVE }), "another space");
    }

    #[test]
    fn locks_count_and_end_with_their_span() {
        let locks = AdvisoryLocks::default();
        assert!(take(&locks, 1, EXCLUSIVE) && take(&locks, 1, EXCLUSIVE));
        assert!(take(&locks, 1, lock(Mode::Exclusive, Span::Transaction)));
        locks.give_back(1, EXCLUSIVE);
        assert_eq!(locks.count(1, EXCLUSIVE), 1);
        locks.give_back_session(1);
        assert!(!take(&locks, 2, EXCLUSIVE), "the transaction's is still there");
        locks.forget(1);
        assert!(take(&locks, 2, EXCLUSIVE));
        locks.forget(2);
        assert_eq!(locks.lock().count, 0);
        assert!(locks.lock().held.is_empty());
    }

    #[test]
    fn a_wait_ends_when_the_lock_is_free_and_a_circle_is_refused() {
        let locks = AdvisoryLocks::default();
        let other = Lock { key: Key::One(8), ..EXCLUSIVE };
        assert!(take(&locks, 1, EXCLUSIVE) && take(&locks, 2, other));
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = Box::pin(locks.wait(1, other.key, Mode::Exclusive));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        let mut second = Box::pin(locks.wait(2, EXCLUSIVE.key, Mode::Exclusive));
        let Poll::Ready(Err(error)) = second.as_mut().poll(&mut cx) else { panic!("a circle") };
        assert_eq!(error.sqlstate, "40P01");
        drop(second);
        locks.forget(2);
        assert_eq!(first.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    }

    #[test]
    fn a_circle_of_others_is_not_ones_own() {
        let locks = AdvisoryLocks::default();
        assert!(take(&locks, 1, EXCLUSIVE));
        let mut cx = Context::from_waker(Waker::noop());
        let mut second = Box::pin(locks.wait(2, EXCLUSIVE.key, Mode::Shared));
        let mut third = Box::pin(locks.wait(3, EXCLUSIVE.key, Mode::Exclusive));
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(third.as_mut().poll(&mut cx).is_pending());
    }

    #[test]
    fn locks_are_bounded() {
        let locks = AdvisoryLocks::default();
        for key in 0..LOCKS_MAX {
            let key = Key::One(i64::try_from(key).expect("small"));
            assert!(take(&locks, 1, Lock { key, ..EXCLUSIVE }));
        }
        let error = locks.try_take(1, Lock { key: Key::One(-1), ..EXCLUSIVE }).expect_err("full");
        assert_eq!(error.sqlstate, "53200");
        assert!(take(&locks, 1, Lock { key: Key::One(0), ..EXCLUSIVE }), "what is held may be taken again");
    }
}
