//! How much of the journal is kept, and in how many segments.

use std::time::Duration;

const MIN_SEGMENT_BYTES: u64 = 1 << 20;
const MAX_SEGMENT_BYTES: u64 = 64 << 20;
/// The journal is deleted in about this many steps.
const SEGMENTS: u32 = 16;
/// Every segment is an open file, so those of a very large journal are larger.
const MAX_FULL_SEGMENTS: u64 = 256;
/// Maximum size of a journal in memory, in bytes. What fits on a disk may be more memory than there is.
pub(crate) const MAX_IN_MEMORY: u64 = 256 << 20;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreLimits {
    /// Maximum size of all segments. It may be exceeded by the one that is written to.
    pub(crate) max_bytes: u64,
    /// Segments whose last block is older are deleted.
    pub(crate) max_age: Duration,
}

impl StoreLimits {
    /// The limits of a journal in memory.
    pub(super) fn in_memory(self) -> Self {
        StoreLimits { max_bytes: self.max_bytes.min(MAX_IN_MEMORY), ..self }
    }

    pub(super) fn segment_bytes(self) -> u64 {
        let bytes = (self.max_bytes / u64::from(SEGMENTS)).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
        bytes.max(self.max_bytes / MAX_FULL_SEGMENTS)
    }

    /// A segment that is older is closed, so that it can be deleted when its blocks are too old.
    pub(super) fn segment_age_us(self) -> u64 {
        microseconds(self.max_age / SEGMENTS)
    }
}

pub(super) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
