//! How a block is linked to the one before it: the first bytes of its payload.

use crate::ct::reader::{Reader, Truncated};
use bytes::Bytes;

/// Set in [`Link::after`] if entries are missing. Numbers are less than 2^53.
const HAS_UNWRITTEN: u64 = 1 << 63;

/// The place of a block in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The number behind the block before. The numbers from there to the block's own were never given, unless entries are
    /// missing.
    pub(crate) after: u64,
    /// Whether entries between the two blocks were sent to clients but could not be written.
    pub(crate) has_unwritten: bool,
}

impl Link {
    /// The bytes before a block.
    pub(crate) fn encode(self) -> [u8; 8] {
        let flag = if self.has_unwritten { HAS_UNWRITTEN } else { 0 };
        (self.after | flag).to_be_bytes()
    }

    /// Splits a payload into the link and the block.
    ///
    /// # Errors
    /// If the payload is too short.
    pub(crate) fn split(payload: &Bytes) -> Result<(Self, Bytes), Truncated> {
        let mut r = Reader::new(payload);
        let after = r.uint("after", 8)?;
        let link = Link { after: after & !HAS_UNWRITTEN, has_unwritten: after & HAS_UNWRITTEN != 0 };
        Ok((link, payload.slice(r.offset()..)))
    }

    /// The number from which on all numbers up to `first_seq`, the first one of the block, were never given.
    pub(crate) fn ungiven_from(self, first_seq: u64) -> u64 {
        if self.has_unwritten { first_seq } else { self.after }
    }
}
