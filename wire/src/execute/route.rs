//! Who runs a statement: the worker's own reader, the pool, the session's snapshot, its lease, or the next group commit.
//!
//! Pure. A hop between threads costs several times a point read, so reads run inline wherever nothing must outlive them.

use crate::plan::{Access, Isolation};

/// What the session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Nothing,
    Snapshot,
    Lease,
}

/// What decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    pub access: Access,
    pub isolation: Isolation,
    pub held: Held,
    /// The statement is its whole transaction: nothing ran before it and nothing follows.
    pub alone: bool,
    /// May run twice, see [`crate::plan::SqlAction::repeatable`].
    pub repeatable: bool,
    /// Known to take long.
    pub offload: bool,
    /// The client fetches by parts.
    pub limited: bool,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// On this thread, under a budget.
    Inline,
    /// On a pool thread, streamed.
    Pool,
    /// In the session's snapshot, taken now if it holds none.
    Snapshot,
    /// On the writer in the session's transaction: its lease, taken now if it holds none.
    Lease,
    /// On the writer, committed at once with whatever else is queued.
    GroupCommit,
}

/// Chooses.
pub(crate) fn route(situation: &Situation) -> Route {
    match (situation.held, situation.access) {
        (Held::Lease, Access::Read | Access::Write) => Route::Lease,
        (Held::Snapshot, Access::Read) => Route::Snapshot,
        (Held::Snapshot, Access::Write) => Route::Lease,
        (Held::Nothing, Access::Write) if situation.alone => Route::GroupCommit,
        (Held::Nothing, Access::Write) => Route::Lease,
        (Held::Nothing, Access::Read) => match situation.isolation {
            Isolation::RepeatableRead | Isolation::Serializable if !situation.alone => Route::Snapshot,
            Isolation::ReadCommitted | Isolation::RepeatableRead | Isolation::Serializable => route_read(situation),
        },
    }
}

fn route_read(situation: &Situation) -> Route {
    // A limited result outlives the message, which the shared inline reader must not.
    if situation.limited || situation.offload || !situation.repeatable { Route::Pool } else { Route::Inline }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Situation = Situation {
        access: Access::Read,
        isolation: Isolation::ReadCommitted,
        held: Held::Nothing,
        alone: true,
        repeatable: true,
        offload: false,
        limited: false,
    };
    const WRITE: Situation = Situation { access: Access::Write, repeatable: false, ..READ };

    #[test]
    fn a_lone_read_runs_inline_unless_it_may_not_run_twice_or_takes_long() {
        assert_eq!(route(&READ), Route::Inline);
        assert_eq!(route(&Situation { repeatable: false, ..READ }), Route::Pool);
        assert_eq!(route(&Situation { offload: true, ..READ }), Route::Pool);
        assert_eq!(route(&Situation { limited: true, ..READ }), Route::Pool);
        assert_eq!(route(&Situation { isolation: Isolation::Serializable, ..READ }), Route::Inline);
    }

    #[test]
    fn read_committed_reads_before_the_first_write_see_the_newest_data() {
        assert_eq!(route(&Situation { alone: false, ..READ }), Route::Inline);
    }

    #[test]
    fn higher_isolation_reads_from_one_snapshot() {
        for isolation in [Isolation::RepeatableRead, Isolation::Serializable] {
            let read = Situation { isolation, alone: false, ..READ };
            assert_eq!(route(&read), Route::Snapshot);
            assert_eq!(route(&Situation { held: Held::Snapshot, ..read }), Route::Snapshot);
        }
    }

    #[test]
    fn a_lone_write_joins_the_group_commit_and_others_take_the_lease() {
        assert_eq!(route(&WRITE), Route::GroupCommit);
        assert_eq!(route(&Situation { alone: false, ..WRITE }), Route::Lease);
        assert_eq!(route(&Situation { alone: false, held: Held::Snapshot, ..WRITE }), Route::Lease);
    }

    #[test]
    fn after_the_first_write_everything_runs_on_the_writer() {
        for situation in [READ, WRITE, Situation { offload: true, limited: true, alone: false, ..READ }] {
            assert_eq!(route(&Situation { held: Held::Lease, ..situation }), Route::Lease);
        }
    }
}
