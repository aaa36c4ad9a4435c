//! Sets of integers kept as disjoint ranges: the only interval code of the workspace.
//!
//! Pure. Ranges are inclusive, never adjacent, ascending.

use std::collections::BTreeMap;

/// A set of `u64`, stored as its maximal ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangeSet {
    /// Start to end, inclusive.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// The maximal ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().map(|(&start, &end)| (start, end))
    }

    /// Number of maximal ranges.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `value` is in the set.
    pub fn contains(&self, value: u64) -> bool {
        self.covers(value, value)
    }

    /// Whether all of `start..=end` is in the set.
    pub fn covers(&self, start: u64, end: u64) -> bool {
        self.ranges.range(..=start).next_back().is_some_and(|(_, &e)| e >= end)
    }

    /// The maximal range that holds `value`.
    pub fn range_of(&self, value: u64) -> Option<(u64, u64)> {
        self.ranges.range(..=value).next_back().map(|(&start, &end)| (start, end)).filter(|(_, end)| *end >= value)
    }

    /// Adds `start..=end`; nothing if `start > end`.
    pub fn insert(&mut self, start: u64, end: u64) {
        if start > end {
            return;
        }
        let (mut start, mut end) = (start, end);
        // Ranges that overlap or touch the new one are merged into it.
        while let Some((&s, &e)) = self.ranges.range(..=end.saturating_add(1)).next_back() {
            if e.saturating_add(1) < start {
                break;
            }
            start = start.min(s);
            end = end.max(e);
            self.ranges.remove(&s);
        }
        self.ranges.insert(start, end);
    }

    /// Removes `start..=end`; nothing if `start > end`.
    pub fn remove(&mut self, start: u64, end: u64) {
        if start > end {
            return;
        }
        while let Some((&s, &e)) = self.ranges.range(..=end).next_back() {
            if e < start {
                break;
            }
            self.ranges.remove(&s);
            if e > end {
                self.ranges.insert(end + 1, e);
            }
            if s < start {
                self.ranges.insert(s, start - 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_set_equals_the_plain_set(ops in prop::collection::vec((any::<bool>(), 0u64..40, 0u64..10), 0..40)) {
            let mut ranges = RangeSet::default();
            let mut plain = BTreeSet::new();
            for (add, start, length) in ops {
                if add {
                    ranges.insert(start, start + length);
                    plain.extend(start..=start + length);
                } else {
                    ranges.remove(start, start + length);
                    plain.retain(|v| !(start..=start + length).contains(v));
                }
            }
            let listed: BTreeSet<u64> = ranges.iter().flat_map(|(s, e)| s..=e).collect();
            prop_assert_eq!(&listed, &plain);
            let maximal = ranges.iter().zip(ranges.iter().skip(1)).all(|((_, e), (s, _))| e + 1 < s);
            prop_assert!(maximal);
            for value in 0..60 {
                prop_assert_eq!(ranges.contains(value), plain.contains(&value));
            }
        }
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        let mut ranges = RangeSet::default();
        ranges.insert(u64::MAX - 1, u64::MAX);
        ranges.insert(0, 0);
        ranges.remove(u64::MAX, u64::MAX);
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, 0), (u64::MAX - 1, u64::MAX - 1)]);
    }
}
