//! What SQL functions do to the session that called them: `pg_notify`, `set_config` and the advisory locks.
//!
//! A function runs on whatever thread and connection its statement does, and connections belong to no session. So a session that
//! plans such a call opens a [`Calls`], whose number is bound to the call; the function finds it by that number and
//! leaves there what is to be done. The session does it when the statement has ended, or forgets it when the statement failed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::advisory::{AdvisoryLocks, Key, Lock, Mode, Span};
use super::settings::Settings;
use crate::error::{SqlError, sqlstate};
use crate::notify::channel;

/// Effects of one statement: more are 54000.
const EFFECTS_MAX: usize = 10_000;

/// All open ones. Of the process and not of a node, because functions are registered on connections that know no front end; the
/// numbers are never given twice, so nodes in one process do not meet.
static OPEN: Mutex<BTreeMap<i64, Arc<Calls>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicI64 = AtomicI64::new(1);

/// Something for the session to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Notify {
        channel: String,
        payload: String,
    },
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    /// Was taken already; here for those of a transaction to be given back at its end, and for a statement that runs again.
    Locked(Lock),
    Unlock(Lock),
    UnlockAll,
    /// A lock that was to be given back and is not held.
    NotHeld(Mode),
}

/// How a lock is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Wait,
    Try,
}

/// One session's place for effects.
#[derive(Debug)]
pub(crate) struct Calls {
    number: i64,
    locks: Arc<AdvisoryLocks>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// As the running statement sees and changes them.
    settings: Option<Settings>,
    effects: Vec<Effect>,
    /// The lock that the statement failed for, to be waited for.
    blocked: Option<(Key, Mode)>,
}

/// What a statement left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub effects: Vec<Effect>,
    pub blocked: Option<(Key, Mode)>,
}

impl Calls {
    /// The session that a call was bound to.
    ///
    /// # Errors
    /// XX000 if it has ended.
    pub(crate) fn find(number: i64) -> Result<Arc<Self>, SqlError> {
        let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = || SqlError::new(sqlstate::INTERNAL_ERROR, "the session of this call has ended");
        open.get(&number).cloned().ok_or_else(gone)
    }

    /// `pg_notify`.
    ///
    /// # Errors
    /// 22023 and 0A000 for names and payloads, 54000.
    pub(crate) fn notify(&self, channel: &str, payload: &str) -> Result<(), SqlError> {
        channel::check_channel(channel)?;
        channel::check_payload(payload)?;
        self.lock().push(Effect::Notify { channel: channel.to_owned(), payload: payload.to_owned() })
    }

    /// `set_config`: the value as SHOW would write it.
    ///
    /// # Errors
    /// As SET.
    pub(crate) fn set(&self, name: &str, value: Option<&str>, local: bool) -> Result<String, SqlError> {
        let mut state = self.lock();
        let Some(settings) = &mut state.settings else {
            return Err(SqlError::new(sqlstate::INTERNAL_ERROR, "no statement of this session runs"));
        };
        if local {
            settings.set_local(name, value)?;
        } else {
            settings.set(name, value)?;
        }
        let shown = settings.value(name).unwrap_or_default().to_owned();
        state.push(Effect::Set { name: name.to_owned(), value: value.map(str::to_owned), local })?;
        Ok(shown)
    }

    /// Takes an advisory lock. False: it was only tried, and another session holds it.
    ///
    /// # Errors
    /// 55P03 for a lock to be waited for, which is noted for the session to do so; 53200, 54000.
    pub(crate) fn take(&self, lock: Lock, patience: Patience) -> Result<bool, SqlError> {
        if self.locks.try_take(self.number, lock)? {
            let mut state = self.lock();
            return state.push(Effect::Locked(lock)).map(|()| true).inspect_err(|_| {
                self.locks.give_back(self.number, lock);
            });
        }
        if patience == Patience::Try {
            return Ok(false);
        }
        self.lock().blocked = Some((lock.key, lock.mode));
        Err(SqlError::new(sqlstate::LOCK_NOT_AVAILABLE, "the advisory lock is held by another session"))
    }

    /// Gives an advisory lock of the session back when the statement ends. False: it is not held.
    ///
    /// # Errors
    /// 54000
    pub(crate) fn give_back(&self, key: Key, mode: Mode) -> Result<bool, SqlError> {
        let lock = Lock { key, mode, span: Span::Session };
        let mut state = self.lock();
        let all = state.effects.iter().rposition(|effect| *effect == Effect::UnlockAll);
        let since = state.effects.get(all.map_or(0, |at| at + 1)..).unwrap_or_default();
        let count = |effect: &Effect| since.iter().filter(|e| *e == effect).count();
        let held =
            if all.is_some() { count(&Effect::Locked(lock)) } else { self.locks.count(self.number, lock) as usize };
        let is_held = held > count(&Effect::Unlock(lock));
        state.push(if is_held { Effect::Unlock(lock) } else { Effect::NotHeld(mode) })?;
        Ok(is_held)
    }

    /// `pg_advisory_unlock_all`.
    ///
    /// # Errors
    /// 54000
    pub(crate) fn give_back_all(&self) -> Result<(), SqlError> {
        self.lock().push(Effect::UnlockAll)
    }

    /// Each change under the lock is whole before anything can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, effect: Effect) -> Result<(), SqlError> {
        if self.effects.len() >= EFFECTS_MAX {
            let text = format!("a statement may make at most {EFFECTS_MAX} calls that act on its session");
            return Err(SqlError::new(sqlstate::PROGRAM_LIMIT_EXCEEDED, text));
        }
        self.effects.push(effect);
        Ok(())
    }
}

/// A session's own side. Dropping it gives back all its locks.
#[derive(Debug)]
pub(crate) struct OpenCalls(Arc<Calls>);

impl OpenCalls {
    pub(crate) fn new(locks: Arc<AdvisoryLocks>) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let calls = Arc::new(Calls { number, locks, state: Mutex::default() });
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&calls));
        Self(calls)
    }

    /// What is bound to the calls of a statement, and names the session among the holders of locks.
    pub(crate) fn number(&self) -> i64 {
        self.0.number
    }

    /// A statement starts.
    pub(crate) fn start(&self, settings: &Settings) {
        *self.0.lock() = State { settings: Some(settings.clone()), ..State::default() };
    }

    /// Takes what the statement left so far.
    pub(crate) fn take(&self) -> Left {
        let mut state = self.0.lock();
        Left { effects: std::mem::take(&mut state.effects), blocked: state.blocked.take() }
    }
}

impl Drop for OpenCalls {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0.number);
        self.0.locks.forget(self.0.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: Lock = Lock { key: Key::One(1), mode: Mode::Exclusive, span: Span::Session };

    fn open() -> OpenCalls {
        let calls = OpenCalls::new(Arc::default());
        calls.start(&Settings::new("ann", &[]).expect("defaults are good"));
        calls
    }

    #[test]
    fn a_call_finds_its_session_until_that_ends() {
        let calls = open();
        let number = calls.number();
        Calls::find(number).expect("open").notify("c", "p").expect("fine");
        assert_eq!(calls.take().effects, [Effect::Notify { channel: "c".into(), payload: "p".into() }]);
        drop(calls);
        assert_eq!(Calls::find(number).expect_err("ended").sqlstate, "XX000");
    }

    #[test]
    fn set_config_answers_with_the_canonical_value() {
        let calls = open();
        let set = |name: &str, value: Option<&str>| calls.0.set(name, value, false);
        assert_eq!(set("statement_timeout", Some("60000")).expect("good"), "1min");
        assert_eq!(set("statement_timeout", None).expect("good"), "0");
        assert_eq!(set("my.name", Some("x")).expect("good"), "x");
        assert_eq!(set("no_such", Some("1")).expect_err("unknown").sqlstate, "42704");
        assert_eq!(calls.take().effects.len(), 3);
    }

    #[test]
    fn a_lock_is_given_back_as_often_as_it_is_held() {
        let calls = open();
        assert!(calls.0.take(LOCK, Patience::Wait).expect("free"));
        let give_back = || calls.0.give_back(LOCK.key, LOCK.mode).expect("few");
        assert!(give_back());
        assert!(!give_back(), "the first is on its way");
        calls.0.give_back_all().expect("few");
        assert!(!give_back());
        assert!(calls.0.take(LOCK, Patience::Try).expect("own"));
        assert!(give_back());
    }

    #[test]
    fn a_lock_of_another_is_tried_or_noted_to_be_waited_for() {
        let first = open();
        let second = OpenCalls::new(Arc::clone(&first.0.locks));
        assert!(first.0.take(LOCK, Patience::Wait).expect("free"));
        assert!(!second.0.take(LOCK, Patience::Try).expect("tried"));
        assert_eq!(second.take().blocked, None);
        assert!(second.0.take(LOCK, Patience::Wait).is_err());
        assert_eq!(second.take().blocked, Some((LOCK.key, LOCK.mode)));
        drop(first);
        assert!(second.0.take(LOCK, Patience::Wait).expect("given back with its session"));
    }
}
