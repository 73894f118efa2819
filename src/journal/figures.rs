//! The state of a journal.

use std::time::Duration;

/// The state of the journal, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StoreFigures {
    /// Size of all segments.
    pub(crate) bytes: u64,
    /// Number of segments.
    pub(crate) segments: usize,
    /// The oldest number kept.
    pub(crate) floor: u64,
    /// The number that the next entry will get.
    pub(crate) next_seq: u64,
    /// The time of the oldest block, in unix microseconds.
    pub(crate) oldest_time_us: Option<u64>,
    /// The time of the newest block, in unix microseconds.
    pub(crate) newest_time_us: Option<u64>,
    /// Number of blocks appended since the start.
    pub(crate) appended_blocks: u64,
    /// Size of their records.
    pub(crate) appended_bytes: u64,
    /// Time spent writing them.
    pub(crate) append_time: Duration,
    /// How often a block could not be written.
    pub(crate) failed_appends: u64,
    /// How often a segment could not be deleted.
    pub(crate) failed_deletions: u64,
    /// How often a reader skipped damage.
    pub(crate) damage_skipped: u64,
    /// How long the last sync took that had something to write.
    pub(crate) last_sync: Option<Duration>,
}
