//! Collects the messages of one flush interval, so that each client is woken once.

use super::reader::Feed;
use crate::filter::FilterId;
use crate::message::Frames;
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes from which frames are flushed without waiting for the interval. Half of this limit costs a tenth more CPU time
/// for 500 clients of the full stream.
const ENOUGH: usize = 2 * 1024 * 1024;

/// Frames of one feed that have not been flushed yet.
#[derive(Debug, Default)]
struct Coalescer {
    parts: Vec<Arc<Frames>>,
    bytes: usize,
}

/// The frames of all feeds that have not been flushed yet.
#[derive(Debug, Default)]
pub(super) struct Coalescers {
    by_feed: HashMap<FilterId, Coalescer>,
    /// Bytes of the frames of feeds with a filter, each of which alone has few.
    filtered_bytes: usize,
}

impl Coalescers {
    /// Adds frames. Returns whether a flush is due because of their size.
    pub(super) fn add(&mut self, feed: &Feed, frames: Arc<Frames>) -> bool {
        let coalescer = self.by_feed.entry(feed.id).or_default();
        coalescer.bytes += frames.bytes().len();
        if feed.is_filtered() {
            self.filtered_bytes += frames.bytes().len();
        }
        coalescer.parts.push(frames);
        coalescer.bytes.max(self.filtered_bytes) >= ENOUGH
    }

    /// Removes all frames. Returns those of each feed that has any.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (FilterId, Vec<Arc<Frames>>)> + use<> {
        self.filtered_bytes = 0;
        std::mem::take(&mut self.by_feed).into_iter().map(|(feed, coalescer)| (feed, coalescer.parts))
    }
}
