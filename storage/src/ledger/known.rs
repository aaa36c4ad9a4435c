//! The whole versions this node has of each other site, as ranges. Kept in the file in the same transaction as their data (I3).

use std::collections::{BTreeMap, BTreeSet};

use crate::capture::metadata::integer;
use crate::change::range::RangeSet;
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, Db};

/// The ledger as the open transaction sees it. Forgotten at a rollback.
#[derive(Debug, Default)]
pub struct Ledger {
    sites: BTreeMap<u32, RangeSet>,
    /// What [`Self::store`] has still to write: the versions added since.
    changed: BTreeSet<(u32, u64)>,
}

impl Ledger {
    /// Forgets what was read and added.
    pub fn clear(&mut self) {
        self.sites.clear();
        self.changed.clear();
    }

    /// The versions known of a site.
    pub fn known(&mut self, db: Db, site: u32) -> Result<&RangeSet> {
        if let std::collections::btree_map::Entry::Vacant(entry) = self.sites.entry(site) {
            entry.insert(read(db, site)?);
        }
        Ok(self.sites.entry(site).or_default())
    }

    /// Notes that a version is whole.
    pub fn add(&mut self, db: Db, site: u32, version: u64) -> Result<()> {
        self.known(db, site)?;
        self.sites.entry(site).or_default().insert(version, version);
        self.changed.insert((site, version));
        Ok(())
    }

    /// Writes what changed: one row for each maximal range that grew.
    pub fn store(&mut self, db: Db) -> Result<()> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let mut remove = db.prepare("DELETE FROM crsql_known WHERE site = ?1 AND first BETWEEN ?2 AND ?3")?;
        let mut insert = db.prepare("INSERT INTO crsql_known (site, first, last) VALUES (?1, ?2, ?3)")?;
        let changed = std::mem::take(&mut self.changed);
        let mut written: Option<(u32, u64, u64)> = None;
        for (site, version) in changed {
            if written.is_some_and(|(s, first, last)| s == site && (first..=last).contains(&version)) {
                continue;
            }
            let Some((first, last)) = self.sites.get(&site).and_then(|known| known.range_of(version)) else { continue };
            let site_cell = Cell::Integer(i64::from(site));
            remove.run(&[site_cell, integer(first), integer(last)])?;
            insert.run(&[site_cell, integer(first), integer(last)])?;
            written = Some((site, first, last));
        }
        Ok(())
    }
}

fn read(db: Db, site: u32) -> Result<RangeSet> {
    let mut known = RangeSet::default();
    if site == 0 {
        // Of its own versions a node has all it issued.
        known.insert(1, crate::crsql::replica::newest_version(db)?);
    }
    db.prepare("SELECT first, last FROM crsql_known WHERE site = ?1")?.each(
        &[Cell::Integer(i64::from(site))],
        |row| {
            if let (Ok(first), Ok(last)) = (u64::try_from(row.integer(0)), u64::try_from(row.integer(1))) {
                known.insert(first, last);
            }
            Ok(())
        },
    )?;
    Ok(known)
}
