//! `[perf]`: queue lengths, batch sizes and limits of waiting.

use std::time::Duration;

use super::parse;
use super::section::{Effect, Section};

/// Tuning. The fields up to `wal_size_max` have an effect in this version; the others are read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Perf {
    /// While others wait, a transaction that was idle for this long loses the writer (40001). Default 5 s.
    pub write_lease_idle_max: Duration,
    /// While others wait, a transaction that has held the writer for this long loses it (40001). Must not be below
    /// `write_lease_idle_max`. Default 10 s.
    pub write_lease_max: Duration,
    /// `wal_threshold_mb`, in bytes: past this size of the write-ahead log, readers that keep it from being reused
    /// lose their snapshot (72000). Default 5 GiB.
    pub wal_size_max: u64,
    pub apply_channel_len: usize,
    pub changes_channel_len: usize,
    pub empties_channel_len: usize,
    pub to_send_channel_len: usize,
    pub notifications_channel_len: usize,
    pub schedule_channel_len: usize,
    pub clearbuf_channel_len: usize,
    pub bcast_channel_len: usize,
    pub foca_channel_len: usize,
    pub sql_tx_timeout: Duration,
    pub min_sync_backoff: Duration,
    /// Must not be below `min_sync_backoff`.
    pub max_sync_backoff: Duration,
    /// Zero is off.
    pub partial_retry_backoff: Duration,
    pub processing_queue_len: usize,
    pub apply_queue_timeout: Duration,
    pub apply_queue_min_batch_size: usize,
    pub apply_queue_step_base: usize,
    /// Must not be below `apply_queue_min_batch_size`.
    pub apply_queue_max_batch_size: usize,
    pub apply_queue_batch_threshold_ratio: f64,
}

impl Default for Perf {
    fn default() -> Self {
        Self {
            write_lease_idle_max: Duration::from_secs(5),
            write_lease_max: Duration::from_secs(10),
            wal_size_max: 5120 << 20,
            apply_channel_len: 2048,
            changes_channel_len: 1024,
            empties_channel_len: 1024,
            to_send_channel_len: 512,
            notifications_channel_len: 512,
            schedule_channel_len: 512,
            clearbuf_channel_len: 512,
            bcast_channel_len: 512,
            foca_channel_len: 256,
            sql_tx_timeout: Duration::from_secs(60),
            min_sync_backoff: Duration::from_secs(1),
            max_sync_backoff: Duration::from_secs(15),
            partial_retry_backoff: Duration::ZERO,
            processing_queue_len: 20_000,
            apply_queue_timeout: Duration::from_millis(10),
            apply_queue_min_batch_size: 100,
            apply_queue_step_base: 500,
            apply_queue_max_batch_size: 16_000,
            apply_queue_batch_threshold_ratio: 0.9,
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> Perf {
    let d = Perf::default();
    let mut perf = Perf {
        write_lease_idle_max: section.default(
            &["write_lease_idle_max"],
            parse::duration_with_unit,
            d.write_lease_idle_max,
        ),
        write_lease_max: section.default(&["write_lease_max"], parse::duration_with_unit, d.write_lease_max),
        wal_size_max: section.default(&["wal_threshold_mb"], parse::mebibytes, d.wal_size_max),
        ..d
    };
    section.set_effect(Effect::Later);
    read_lengths(&mut section, &mut perf);
    read_times(&mut section, &mut perf);
    check(&section, &perf);
    section.finish();
    perf
}

fn read_lengths(section: &mut Section<'_>, perf: &mut Perf) {
    for (name, field) in [
        ("apply_channel_len", &mut perf.apply_channel_len),
        ("changes_channel_len", &mut perf.changes_channel_len),
        ("empties_channel_len", &mut perf.empties_channel_len),
        ("to_send_channel_len", &mut perf.to_send_channel_len),
        ("notifications_channel_len", &mut perf.notifications_channel_len),
        ("schedule_channel_len", &mut perf.schedule_channel_len),
        ("clearbuf_channel_len", &mut perf.clearbuf_channel_len),
        ("bcast_channel_len", &mut perf.bcast_channel_len),
        ("foca_channel_len", &mut perf.foca_channel_len),
        ("processing_queue_len", &mut perf.processing_queue_len),
        ("apply_queue_min_batch_size", &mut perf.apply_queue_min_batch_size),
        ("apply_queue_step_base", &mut perf.apply_queue_step_base),
        ("apply_queue_max_batch_size", &mut perf.apply_queue_max_batch_size),
    ] {
        *field = section.default(&[name], parse::count, *field);
    }
    let ratio = &mut perf.apply_queue_batch_threshold_ratio;
    *ratio = section.default(&["apply_queue_batch_threshold_ratio"], parse::ratio, *ratio);
}

fn read_times(section: &mut Section<'_>, perf: &mut Perf) {
    for (name, field) in [
        ("sql_tx_timeout", &mut perf.sql_tx_timeout),
        ("min_sync_backoff", &mut perf.min_sync_backoff),
        ("max_sync_backoff", &mut perf.max_sync_backoff),
        ("partial_retry_backoff", &mut perf.partial_retry_backoff),
    ] {
        *field = section.default(&[name], parse::seconds, *field);
    }
    perf.apply_queue_timeout = section.default(&["apply_queue_timeout"], parse::milliseconds, perf.apply_queue_timeout);
}

/// Relations between keys.
fn check(section: &Section<'_>, perf: &Perf) {
    if perf.write_lease_max < perf.write_lease_idle_max {
        section.problem("`perf.write_lease_max` is below `perf.write_lease_idle_max`");
    }
    if perf.max_sync_backoff < perf.min_sync_backoff {
        section.problem("`perf.max_sync_backoff` is below `perf.min_sync_backoff`");
    }
    if perf.apply_queue_max_batch_size < perf.apply_queue_min_batch_size {
        section.problem("`perf.apply_queue_max_batch_size` is below `perf.apply_queue_min_batch_size`");
    }
}
