//! The sites this file knows: `crsql_site_id`, ordinal 0 is this node.

use std::collections::HashMap;

use crate::change::ids::SiteId;
use crate::sqlite::db::Result;
use crate::sqlite::{Cell, Db, SqliteError};

/// Ordinals by site and back, filled as they are needed; forgotten at a rollback.
#[derive(Debug, Default)]
pub struct Sites {
    ordinals: HashMap<SiteId, u32>,
    ids: HashMap<u32, SiteId>,
}

impl Sites {
    /// Forgets what was read.
    pub fn clear(&mut self) {
        self.ordinals.clear();
        self.ids.clear();
    }

    /// The site with that ordinal.
    pub fn id(&mut self, db: Db, ordinal: u32) -> Result<SiteId> {
        if let Some(id) = self.ids.get(&ordinal) {
            return Ok(*id);
        }
        let mut stmt = db.prepare("SELECT site_id FROM crsql_site_id WHERE ordinal = ?1")?;
        let id = stmt
            .first(&[Cell::Integer(i64::from(ordinal))], |row| row.column(0).bytes().and_then(SiteId::from_slice))?
            .flatten()
            .ok_or_else(|| SqliteError::new(format!("crsql_site_id lacks the site with ordinal {ordinal}")))?;
        self.remember(id, ordinal);
        Ok(id)
    }

    /// The ordinal of a site, if the file knows it.
    pub fn find(&mut self, db: Db, site: SiteId) -> Result<Option<u32>> {
        if let Some(ordinal) = self.ordinals.get(&site) {
            return Ok(Some(*ordinal));
        }
        let mut stmt = db.prepare("SELECT ordinal FROM crsql_site_id WHERE site_id = ?1")?;
        let found = stmt.first(&[Cell::Blob(&site.0)], |row| row.integer(0))?;
        let Some(found) = found.and_then(|o| u32::try_from(o).ok()) else { return Ok(None) };
        self.remember(site, found);
        Ok(Some(found))
    }

    /// The ordinal of a site, given a new one if need be. Writes.
    pub fn ordinal(&mut self, db: Db, site: SiteId) -> Result<u32> {
        if let Some(ordinal) = self.find(db, site)? {
            return Ok(ordinal);
        }
        db.prepare("INSERT INTO crsql_site_id (site_id) VALUES (?1)")?.run(&[Cell::Blob(&site.0)])?;
        self.find(db, site)?.ok_or_else(|| SqliteError::new("crsql_site_id did not keep a new site"))
    }

    fn remember(&mut self, site: SiteId, ordinal: u32) {
        self.ordinals.insert(site, ordinal);
        self.ids.insert(ordinal, site);
    }
}
