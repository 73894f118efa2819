//! What the rest of the program needs of a journal: where watchers append blocks, and what clients read. There are two: the
//! embedded one of this module, and the stream of a cluster.

use super::error::FileError;
use super::figures::StoreFigures;
use crate::ct::source::LogIdentifier;
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A block to append.
#[cfg_attr(
    not(feature = "cluster"),
    expect(dead_code, reason = "the embedded journal looks at the block alone")
)]
pub(crate) struct Append {
    /// The log.
    pub(crate) log: LogIdentifier,
    /// The encoded block.
    pub(crate) block: Vec<u8>,
    /// Number of its entries, at least 1.
    pub(crate) count: u32,
    /// The index of its first entry in the log.
    pub(crate) first_index: u64,
    /// The next index behind it.
    pub(crate) next_index: u64,
    /// Called with the number of the first entry, and whether the block is in the journal. Publishes the entries. Not called
    /// if the block is [superseded](Appended::Superseded).
    pub(crate) publish: Box<dyn FnOnce(u64, bool) + Send + Sync>,
    /// Resolves after that.
    pub(crate) done: oneshot::Sender<Appended>,
}

/// What became of a block.
#[cfg_attr(
    not(feature = "cluster"),
    expect(dead_code, reason = "nobody else appends to the embedded journal")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is in the journal.
    Kept,
    /// It could not be written. Its entries were published all the same.
    NotKept,
    /// Another process has appended entries of this log, so the block does not follow the log's newest one. It was not
    /// appended: the caller goes on from the journal's position.
    Superseded,
}

/// Where watchers append blocks.
pub(crate) trait AppendBlocks: Debug + Send + Sync {
    /// Appends a block; waits while too many others wait.
    fn append(&self, block: Append) -> BoxFuture<'_, ()>;

    /// The position of `log` behind its newest block, as it was encoded, if other processes append blocks as well. Waits until
    /// it is known. `None`: as far as the journal knows, the log is new.
    ///
    /// Must be called before the first block of a log is appended, and after one was superseded.
    fn position(&self, log: &LogIdentifier) -> BoxFuture<'_, Option<Bytes>>;

    /// Whether those who read the journal have the issuers' folder, so that fingerprints suffice.
    fn has_issuers(&self) -> bool;

    /// Records a position that has moved without a block.
    fn moved(&self, log: &LogIdentifier, position: &dyn Fn() -> Vec<u8>);
}

/// A block, and its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacedBlock {
    /// The number of its first entry.
    pub(crate) first_seq: u64,
    /// The number that the next block begins with at least.
    pub(crate) end_seq: u64,
    /// All numbers from this one to `first_seq` were never given.
    pub(crate) after: u64,
    /// The encoded block.
    pub(crate) block: Bytes,
}

/// What clients read.
pub(crate) trait Journal: Debug + Send + Sync {
    /// The number that the next entry gets at least.
    fn next_seq(&self) -> u64;

    /// The oldest number kept, or `next_seq` if there is none.
    fn floor(&self) -> u64;

    /// The block that contains `seq`, or the first one with entries behind it. `None` at the end. It may block the thread.
    ///
    /// # Errors
    /// If it cannot be read now.
    fn read(&self, seq: u64) -> Result<Option<PlacedBlock>, FileError>;

    /// The first number whose block was appended at `time_us` or later, or `next_seq` if there is none.
    fn seq_at(&self, time_us: u64) -> BoxFuture<'_, Result<u64, FileError>>;

    /// The number of the first of the last `count` entries before the number `end`, or of the oldest one if there are
    /// fewer; `end` if there is none. It may be smaller.
    fn start_of_last(&self, count: u64, end: u64) -> BoxFuture<'_, Result<u64, FileError>>;

    /// Waits until `seq` is smaller than [`next_seq`](Self::next_seq), if that number was given already.
    ///
    /// # Errors
    /// If that takes too long.
    fn reach(&self, _seq: u64) -> BoxFuture<'_, Result<(), FileError>> {
        Box::pin(ready(Ok(())))
    }

    /// The number of entries in each second of the five minutes before the one of `now_us`, from the oldest on, and the
    /// unix time of the second behind them.
    fn entries_per_second(&self, now_us: u64) -> (u64, Vec<u64>);

    /// The state of the journal.
    fn figures(&self) -> StoreFigures;
}

/// A journal that clients read.
pub(crate) type SharedJournal = Arc<dyn Journal>;
