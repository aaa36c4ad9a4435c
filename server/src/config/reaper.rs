//! `[reaper]`: how long a later version keeps the bookkeeping of deleted rows.

use std::collections::BTreeMap;
use std::time::Duration;

use super::parse;
use super::section::Section;

/// When deleted rows are forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaper {
    /// Time between two rounds. Default one hour.
    pub check_interval: Duration,
    pub check_orphaned_pks: bool,
    /// Rows forgotten in one round. Default 500.
    pub row_limit: usize,
    pub tables: BTreeMap<String, ReapRule>,
}

/// The rule of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReapRule {
    /// Time since the deletion.
    pub retention: Duration,
    /// A condition over the bookkeeping table's columns; empty is all rows.
    pub match_filter: String,
}

impl Default for Reaper {
    fn default() -> Self {
        Self {
            check_interval: Duration::from_secs(3600),
            check_orphaned_pks: false,
            row_limit: 500,
            tables: BTreeMap::new(),
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Reaper {
    let default = Reaper::default();
    let mut reaper = Reaper {
        check_interval: section.default(&["check_interval"], parse::seconds, default.check_interval),
        check_orphaned_pks: section.default(&["check_orphaned_pks"], parse::boolean, default.check_orphaned_pks),
        row_limit: section.default(&["row_limit"], parse::count, default.row_limit),
        tables: default.tables,
    };
    for (table, mut rule) in section.named_sections(&["tables"]) {
        let retention = rule.required(&["retention"], parse::duration_with_unit);
        let match_filter = rule.default(&["match_filter"], parse::text, String::new());
        rule.finish();
        if let Some(retention) = retention {
            reaper.tables.insert(table, ReapRule { retention, match_filter });
        }
    }
    section.finish();
    reaper
}
