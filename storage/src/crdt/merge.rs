//! Decides what an incoming cell does to a row.
//!
//! Pure. The greater causal length wins the row; within one life the greater column version wins the cell, then the greater
//! value ([`super::tie`]), then the greater site id. Commutative, associative and idempotent (I2).

use std::cmp::Ordering;

use super::tie;
use crate::change::ids::SiteId;
use crate::record::row::{CellMeta, Clock, RowMeta};
use crate::sqlite::Cell;

/// An incoming cell or sentinel.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// `None` for the sentinel.
    pub column: Option<u16>,
    pub value: Cell<'a>,
    pub col_version: u64,
    /// Causal length the row had at its origin.
    pub cl: u64,
    pub clock: Clock,
    pub site: SiteId,
}

/// What to do to the stored row. The metadata was changed accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing won.
    None,
    /// A deletion that is known already gets another clock.
    Retell,
    /// The row goes away.
    Delete,
    /// The row appears with its key only; columns hold their defaults.
    Create,
    /// The column takes the incoming value; the row appears if it is not there.
    Set { created: bool },
}

impl Effect {
    /// How many changes won, as `crsql_rows_impacted` counts.
    pub fn impacted(self) -> u64 {
        match self {
            Self::None | Self::Retell => 0,
            Self::Delete | Self::Create | Self::Set { created: false } => 1,
            Self::Set { created: true } => 2,
        }
    }
}

/// What the decision needs to know about the local side, asked for only when needed.
pub trait Local {
    type Error;
    /// Compares the incoming value with the stored one.
    fn compare_value(&mut self, column: u16, incoming: Cell<'_>) -> Result<Ordering, Self::Error>;
    /// The site with that ordinal.
    fn site(&mut self, ordinal: u32) -> Result<SiteId, Self::Error>;
    /// Whether equal values are decided by site (`merge-equal-values`); otherwise the local cell stays.
    fn merges_equal_values(&self) -> bool;
}

/// Merges one incoming cell into a row's metadata (`cl` 0: the row is not known).
pub fn merge<L: Local>(meta: &mut RowMeta, incoming: &Incoming<'_>, local: &mut L) -> Result<Effect, L::Error> {
    if incoming.cl < meta.cl {
        return Ok(Effect::None);
    }
    let newer_life = incoming.cl > meta.cl;
    if incoming.cl.is_multiple_of(2) {
        if !newer_life {
            return retell(meta, incoming, local);
        }
        *meta = RowMeta { cl: incoming.cl, sentinel: Some(incoming.clock), cells: Vec::new() };
        return Ok(Effect::Delete);
    }
    let Some(column) = incoming.column else {
        // Of two sites that tell the same creation each node keeps the one it heard first, as cr-sqlite does: only the clock
        // of a living row's sentinel differs between nodes, which no decision reads.
        if !newer_life {
            return Ok(Effect::None);
        }
        resurrect(meta, incoming);
        return Ok(Effect::Create);
    };
    let created = newer_life && (meta.cl != 0 || incoming.cl > 1);
    if !newer_life && !wins(meta, column, incoming, local)? {
        return Ok(Effect::None);
    }
    if created {
        resurrect(meta, incoming);
    } else {
        meta.cl = incoming.cl;
    }
    meta.set(CellMeta { column, col_version: incoming.col_version, clock: incoming.clock });
    Ok(Effect::Set { created })
}

/// Two sites tell the same deletion: the larger site's telling stays.
fn retell<L: Local>(meta: &mut RowMeta, incoming: &Incoming<'_>, local: &mut L) -> Result<Effect, L::Error> {
    let stays = match meta.sentinel {
        Some(clock) => local.site(clock.site)? >= incoming.site,
        None => false,
    };
    if stays {
        return Ok(Effect::None);
    }
    meta.sentinel = Some(incoming.clock);
    Ok(Effect::Retell)
}

/// Begins the incoming life. Columns of an earlier life that this node still shows lose against anything.
fn resurrect(meta: &mut RowMeta, incoming: &Incoming<'_>) {
    meta.cl = incoming.cl;
    meta.sentinel = Some(incoming.clock);
    for cell in &mut meta.cells {
        cell.col_version = 0;
    }
}

fn wins<L: Local>(meta: &RowMeta, column: u16, incoming: &Incoming<'_>, local: &mut L) -> Result<bool, L::Error> {
    let Some(cell) = meta.cell(column) else { return Ok(true) };
    let (version, clock) = (cell.col_version, cell.clock);
    // The same cell told again (I1): no need to read its value. Cells of the baseline may differ all the same.
    let same = |a: Clock, b: Clock| (a.site, a.version, a.seq) == (b.site, b.version, b.seq);
    if incoming.col_version == version && same(clock, incoming.clock) && incoming.site != SiteId::BASELINE {
        return Ok(false);
    }
    Ok(match incoming.col_version.cmp(&version) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => match local.compare_value(column, incoming.value)? {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => local.merges_equal_values() && incoming.site > local.site(clock.site)?,
        },
    })
}

/// Compares an incoming value with a stored one.
pub fn compare(incoming: Cell<'_>, stored: Cell<'_>) -> Ordering {
    tie::compare(incoming, stored)
}
