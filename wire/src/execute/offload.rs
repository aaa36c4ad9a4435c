//! Remembers which statements overran their inline budget, so that they go to the pool at once the next time.
//!
//! Pure. A statement is tried inline again after some runs: data and machine change.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Statements remembered by one worker; when full, all are forgotten, which costs each one overrun.
const REMEMBERED_MAX: usize = 1_024;
/// Runs on the pool before a statement is tried inline again.
const RUNS_BEFORE_RETRY: u32 = 64;

/// The overruns of one worker, by SQLite text.
#[derive(Debug, Default)]
pub(crate) struct Offloads {
    /// Hash of the text to the runs left. A collision sends a fast statement to the pool, which is slower but right.
    left: BTreeMap<u64, u32>,
}

impl Offloads {
    /// Whether the statement should go straight to the pool. Counts the run.
    pub(crate) fn take(&mut self, sql: &str) -> bool {
        if self.left.is_empty() {
            return false;
        }
        let key = key(sql);
        match self.left.get_mut(&key) {
            Some(0) => {
                self.left.remove(&key);
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
            None => false,
        }
    }

    /// The statement overran.
    pub(crate) fn note(&mut self, sql: &str) {
        if self.left.len() >= REMEMBERED_MAX {
            self.left.clear();
        }
        self.left.insert(key(sql), RUNS_BEFORE_RETRY);
    }
}

fn key(sql: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    sql.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overrun_goes_to_the_pool_and_is_retried_after_some_runs() {
        let mut offloads = Offloads::default();
        assert!(!offloads.take("a"));
        offloads.note("a");
        assert!(!offloads.take("b"));
        for _ in 0..RUNS_BEFORE_RETRY {
            assert!(offloads.take("a"));
        }
        assert!(!offloads.take("a"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut offloads = Offloads::default();
        for i in 0..3 * REMEMBERED_MAX {
            offloads.note(&i.to_string());
        }
        assert!(offloads.left.len() <= REMEMBERED_MAX);
    }
}
