//! The hybrid logical clock that stamps transactions: close to the wall clock, never backwards, ahead of what was heard.
//!
//! Pure: time is an argument. A timestamp informs people and measures lag; it never decides a conflict.
//! Source: Kulkarni, Demirbas et al. 2014, Logical physical clocks, with both parts in one number as NTP's 64 bits have room.

use std::time::Duration;

use super::ids::Timestamp;

/// Whether a remote reading moved the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// The clock stands at the remote reading or above it.
    Adopted,
    /// The reading lies further ahead of the wall clock than is allowed; the clock did not move.
    TooFarAhead,
}

/// One node's clock.
#[derive(Debug, Clone)]
pub struct Clock {
    last: Timestamp,
    drift_max: u64,
}

impl Clock {
    /// A clock that adopts remote readings up to `drift_max` ahead of the wall clock.
    pub fn new(drift_max: Duration) -> Self {
        Self { last: Timestamp(0), drift_max: ntp(drift_max) }
    }

    /// The timestamp of a transaction that begins when the wall clock shows `now`: above every earlier one, also when the
    /// wall clock was set back.
    pub fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.last = Timestamp(now.0.max(self.last.0.saturating_add(1)));
        self.last
    }

    /// Hears a remote reading when the wall clock shows `now`.
    pub fn observe(&mut self, remote: Timestamp, now: Timestamp) -> Observed {
        if remote.0 > now.0.saturating_add(self.drift_max) {
            return Observed::TooFarAhead;
        }
        self.last = self.last.max(remote);
        Observed::Adopted
    }
}

/// A time since 1970 in NTP's form: seconds in the upper 32 bits, fractions below. Ends in 2106, like NTP's first era.
pub fn timestamp(since_epoch: Duration) -> Timestamp {
    Timestamp(ntp(since_epoch))
}

fn ntp(duration: Duration) -> u64 {
    let seconds = duration.as_secs().min(u64::from(u32::MAX));
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DRIFT: Duration = Duration::from_secs(10);

    proptest! {
        #[test]
        fn no_interleaving_of_ticks_and_readings_turns_the_clock_back(
            steps in prop::collection::vec((any::<bool>(), 0u64..1 << 40, 0u64..1 << 40), 1..60),
        ) {
            let mut clock = Clock::new(DRIFT);
            let mut last = Timestamp(0);
            for (hears, now, remote) in steps {
                if hears {
                    clock.observe(Timestamp(remote), Timestamp(now));
                } else {
                    let ticked = clock.tick(Timestamp(now));
                    prop_assert!(ticked > last);
                    last = ticked;
                }
            }
        }
    }

    #[test]
    fn a_tick_after_a_reading_is_above_it() {
        let mut clock = Clock::new(DRIFT);
        let now = timestamp(Duration::from_secs(1000));
        let remote = timestamp(Duration::from_secs(1009));
        assert_eq!(clock.observe(remote, now), Observed::Adopted);
        assert!(clock.tick(now) > remote);
    }

    #[test]
    fn a_reading_too_far_ahead_moves_nothing() {
        let mut clock = Clock::new(DRIFT);
        let now = timestamp(Duration::from_secs(1000));
        assert_eq!(clock.observe(timestamp(Duration::from_secs(1011)), now), Observed::TooFarAhead);
        assert_eq!(clock.tick(now), now);
    }

    #[test]
    fn half_a_second_is_half_of_the_fractions() {
        assert_eq!(timestamp(Duration::from_millis(1500)), Timestamp((1 << 32) | (1 << 31)));
    }
}
