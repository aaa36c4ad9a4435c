//! OIDs of the catalog objects that belong to a user's table: key indexes, constraints, defaults.
//!
//! Pure. They are derived from the table's OID, which is equal on all nodes, and lie above every OID that storage gives
//! out when it keeps to 31 bits; a collision moves the later object to the next free OID, in the order of the tables'
//! names, so that nodes with equal schemas agree.

use std::collections::{BTreeMap, BTreeSet};

use storage::Schema;

/// Objects derived from a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Derived {
    KeyIndex,
    KeyConstraint,
    /// The default of the column with that number.
    Default(i16),
}

/// OIDs of all derived objects of a schema.
#[derive(Debug, Default)]
pub(crate) struct DerivedOids(BTreeMap<(u32, Derived), u32>);

/// The first OID that is never a built-in object's.
pub(crate) const FIRST_USER_OID: u32 = 16384;

impl DerivedOids {
    /// Gives every derived object of the schema its OID.
    pub(crate) fn of(schema: &Schema) -> Self {
        let mut taken: BTreeSet<u32> = BTreeSet::new();
        for table in schema.tables.values() {
            taken.insert(table.oid);
            taken.extend(table.indexes.iter().map(|i| i.oid));
        }
        let mut oids = BTreeMap::new();
        for table in schema.tables.values() {
            let defaults = table.columns.iter().map(|c| Derived::Default(c.number));
            for object in [Derived::KeyIndex, Derived::KeyConstraint].into_iter().chain(defaults) {
                let mut oid = start(table.oid, object);
                while !taken.insert(oid) {
                    oid = oid.wrapping_add(1).max(FIRST_USER_OID);
                }
                oids.insert((table.oid, object), oid);
            }
        }
        Self(oids)
    }

    /// The OID of one object; 0, PostgreSQL's invalid OID, for an object of another schema.
    pub(crate) fn oid(&self, table: u32, object: Derived) -> u32 {
        self.0.get(&(table, object)).copied().unwrap_or(0)
    }
}

/// Where the search for an object's OID starts: FNV-1a over table and kind, with the high bit set.
fn start(table: u32, object: Derived) -> u32 {
    let kind: u32 = match object {
        Derived::KeyIndex => 1,
        Derived::KeyConstraint => 2,
        Derived::Default(number) => 0x1_0000 | u32::from(number.unsigned_abs()),
    };
    let hash = table
        .to_le_bytes()
        .into_iter()
        .chain(kind.to_le_bytes())
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash | 0x8000_0000
}
