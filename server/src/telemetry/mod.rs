//! What the node tells about itself: log lines and metrics.

pub mod exporter;
pub mod logging;
pub mod metrics;
pub mod names;
