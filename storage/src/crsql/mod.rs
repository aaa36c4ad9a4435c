//! The public surface that cr-sqlite defined: functions, `crsql_changes`, readable views, and the state behind them.

pub mod changes;
pub mod clocks;
#[cfg(all(test, feature = "bundled"))]
mod format_tests;
pub mod functions;
pub mod node_lock;
pub mod read;
pub mod replica;
pub mod site;
pub mod table;
pub mod unpack;
