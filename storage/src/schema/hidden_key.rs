//! Keys for tables declared without one: integers that no two nodes ever give out alike, without asking each other.
//!
//! A key is a random block of 53 bits and a counter of 10 bits. A node draws a new block when it starts and after every
//! 1024 rows, so nothing is remembered across restarts, a restored copy of a file never repeats its keys, and rows
//! written together lie together. With 10^8 rows in a table and 10^5 restarts the chance that any two blocks ever
//! collide is about 2 in a million; a collision would show as a duplicate key or merge two rows.
//! Why so: docs/src/decisions/2026-11-22-hidden-keys.md.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Name of the hidden key column.
pub const HIDDEN_KEY: &str = "__corro_key";

/// SQL function without arguments whose value an INSERT gives to [`HIDDEN_KEY`], once a row.
pub const HIDDEN_KEY_FUNCTION: &str = "corro_hidden_key";

const COUNTER_BITS: u32 = 10;

/// Registers [`HIDDEN_KEY_FUNCTION`] on a connection. `seed` makes the keys repeatable for tests; a server passes `None`.
pub fn register(conn: &Connection, seed: Option<u64>) -> rusqlite::Result<()> {
    let seed = match seed {
        Some(seed) => seed,
        None => conn.query_row("SELECT random()", [], |row| row.get::<_, i64>(0))?.cast_unsigned(),
    };
    let keys = Mutex::new(HiddenKeys::new(seed));
    conn.create_scalar_function(HIDDEN_KEY_FUNCTION, 0, FunctionFlags::SQLITE_UTF8, move |_| {
        Ok(keys.lock().unwrap_or_else(PoisonError::into_inner).next())
    })
}

/// Gives out keys, always positive.
#[derive(Debug)]
struct HiddenKeys {
    random: u64,
    block: u64,
    used: u64,
}

impl HiddenKeys {
    fn new(seed: u64) -> Self {
        Self { random: seed, block: 0, used: 1 << COUNTER_BITS }
    }

    fn next(&mut self) -> i64 {
        if self.used == 1 << COUNTER_BITS {
            self.block = (self.draw() >> 1) & !((1 << COUNTER_BITS) - 1);
            self.used = 0;
        }
        let key = self.block | self.used;
        self.used += 1;
        key.cast_signed()
    }

    /// SplitMix64: a full-period generator whose output is even over all 64 bits.
    /// Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators".
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_positive_and_never_repeat() {
        let mut seen = BTreeSet::new();
        for seed in 0..20 {
            let mut keys = HiddenKeys::new(seed);
            for _ in 0..5000 {
                let key = keys.next();
                assert!(key >= 0);
                assert!(seen.insert(key), "key {key} came twice");
            }
        }
    }

    #[test]
    fn rows_written_together_lie_together() {
        let mut keys = HiddenKeys::new(7);
        let first = keys.next();
        assert_eq!(
            (1..1024).map(|_| keys.next()).collect::<Vec<_>>(),
            (1..1024).map(|i| first + i).collect::<Vec<_>>()
        );
        assert_ne!(keys.next(), first + 1024);
    }

    #[test]
    fn the_function_gives_each_row_its_own_key() {
        let conn = Connection::open_in_memory().expect("open");
        register(&conn, None).expect("register");
        conn.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, a)").expect("create");
        conn.execute("INSERT INTO t SELECT corro_hidden_key(), value FROM json_each('[1,2,3]')", []).expect("insert");
        let keys: i64 = conn.query_row("SELECT count(DISTINCT k) FROM t", [], |row| row.get(0)).expect("count");
        assert_eq!(keys, 3);
    }
}
