//! Object identifiers: the same on every node that has the same objects, and the same tomorrow.
//!
//! Pure. An OID is a hash of the catalog and the name, so no counter has to be agreed on. Two names that collide are told
//! apart in name order, which every node with both objects does alike. Identifiers below 16384 belong to PostgreSQL's
//! built-in objects (<https://www.postgresql.org/docs/15/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT>).

use std::collections::{BTreeMap, BTreeSet};

/// The catalog an OID counts in. PostgreSQL's OIDs are unique within one catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// `pg_class`: tables and indexes, which share their names.
    Relation,
    /// `pg_constraint`.
    Constraint,
    /// `pg_type`: the row types of tables.
    RowType,
}

/// The first OID of an object made by a user.
pub const OID_USER_MIN: u32 = 16_384;

/// The largest OID given out: clients often keep OIDs in a signed 32-bit number.
pub const OID_USER_MAX: u32 = i32::MAX as u32;

/// The OID of a name that collides with no other.
pub fn oid_of(kind: ObjectKind, name: &str) -> u32 {
    let tag = match kind {
        ObjectKind::Relation => "relation",
        ObjectKind::Constraint => "constraint",
        ObjectKind::RowType => "type",
    };
    let span = u64::from(OID_USER_MAX - OID_USER_MIN) + 1;
    let place = fnv1a(tag.bytes().chain([0]).chain(name.bytes())) % span;
    u32::try_from(place).map_or(OID_USER_MAX, |place| OID_USER_MIN + place)
}

/// The OIDs of all objects of one kind; a later name in order moves to the next free number.
pub(super) fn assign<'a>(kind: ObjectKind, names: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, u32> {
    assign_with(names, |name| oid_of(kind, name))
}

fn assign_with<'a>(names: impl IntoIterator<Item = &'a str>, hash: impl Fn(&str) -> u32) -> BTreeMap<String, u32> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let mut used = BTreeSet::new();
    let mut oids = BTreeMap::new();
    for name in names {
        let mut oid = hash(name);
        while !used.insert(oid) {
            oid = if oid == OID_USER_MAX { OID_USER_MIN } else { oid + 1 };
        }
        oids.insert(name.to_owned(), oid);
    }
    oids
}

/// FNV-1a with a final mix, so that names that differ in their last letter do not lie side by side.
/// Source: <http://www.isthe.com/chongo/tech/comp/fnv/>. Part of the data's meaning: must never change.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_never_change() {
        // Clients may keep OIDs across upgrades: these numbers are part of the format.
        assert_eq!(oid_of(ObjectKind::Relation, "todos"), EXPECTED_TODOS);
        assert_ne!(oid_of(ObjectKind::Constraint, "todos"), EXPECTED_TODOS);
    }

    const EXPECTED_TODOS: u32 = 1_323_073_747;

    #[test]
    fn oids_lie_in_the_users_range() {
        for i in 0..10_000 {
            let oid = oid_of(ObjectKind::Relation, &format!("t{i}"));
            assert!((OID_USER_MIN..=OID_USER_MAX).contains(&oid));
        }
    }

    #[test]
    fn colliding_names_are_told_apart_in_name_order() {
        let forwards = assign_with(["a", "b", "c"], |_| OID_USER_MAX);
        let backwards = assign_with(["c", "b", "a"], |_| OID_USER_MAX);
        assert_eq!(forwards, backwards);
        assert_eq!(forwards.values().copied().collect::<Vec<_>>(), [OID_USER_MAX, OID_USER_MIN, OID_USER_MIN + 1]);
    }
}
