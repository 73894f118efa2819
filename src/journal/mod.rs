//! The journal: one durable sequence of verified entries, with the position of each log. Every entry has a number in it.
//!
//! | file | what it is for |
//! |---|---|
//! | `interface.rs` | what the rest of the program needs of a journal |
//! | `writer.rs` | the thread that appends blocks |
//! | `history.rs` | blocks that are read again, with the messages of their entries |
//! | `link.rs` | how a block is linked to the one before it |
//! | `block.rs` | the content of a block: entries of one log, and its position |
//! | `store.rs` | the numbers of entries, and when segments begin and end |
//! | `limits.rs` | how much is kept, and in how many segments |
//! | `per_second.rs` | how many entries came in each of the last seconds |
//! | `recovery.rs` | opens the segments of an earlier run, and repairs the newest |
//! | `reader.rs` | reads blocks in order |
//! | `list.rs` | the segments that are kept, and which are deleted |
//! | `scan.rs` | finds the records of a segment, also behind damage |
//! | `segment.rs` | one segment: a file, or memory |
//! | `record.rs` | the format of a segment's records |
//! | `figures.rs` | the state of a journal, for metrics |
//! | `error.rs` | an error with the path of its file |
//!
//! From `store.rs` down, nothing is known of certificates: the payload of a record is opaque.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod block;
mod error;
mod figures;
mod history;
mod interface;
mod limits;
mod link;
mod list;
mod per_second;
mod reader;
mod record;
mod recovery;
mod scan;
mod segment;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use error::FileError;
pub(crate) use figures::StoreFigures;
#[cfg(test)]
pub(crate) use history::MAX_CACHED_BYTES;
#[cfg(feature = "cluster")]
pub(crate) use history::entries;
pub(crate) use history::{History, KnownIssuers, ReadBlock};
#[cfg(feature = "cluster")]
pub(crate) use interface::PlacedBlock;
pub(crate) use interface::{Append, AppendBlocks, Appended, Journal, SharedJournal};
#[cfg(test)]
pub(crate) use limits::MAX_IN_MEMORY;
pub(crate) use limits::StoreLimits;
pub(crate) use link::Link;
#[cfg(test)]
pub(crate) use list::MAX_SEGMENTS;
#[cfg(feature = "cluster")]
pub(crate) use per_second::EntriesPerSecond;
#[cfg(test)]
pub(crate) use record::MAX_PAYLOAD;
pub(crate) use recovery::{LastStop, OpenError, cut_behind};
pub(crate) use store::{Opened, Store};
#[cfg(test)]
pub(crate) use writer::MAX_WAITING;
pub(crate) use writer::Writer;
