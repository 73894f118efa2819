//! The entries of one log that it does not serve, although it serves those behind them. The stages share them: the
//! Publisher adds them, and the Retriever requests them again.

use crate::backoff::Backoff;
use crate::log_client::Range;
use crate::state::{MissingRange, Positions};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Maximum number of missing ranges of one log. At this limit, the log waits for the next entry that it does not serve.
pub(crate) const MAX_RANGES: usize = 64;
/// Number of times that a range has to fail alone before it is missing.
pub(super) const FAILURES_ALONE: u32 = 4;

/// The missing ranges of one log, by their first index.
#[derive(Debug)]
pub(super) struct MissingBoard {
    ranges: RefCell<BTreeMap<u64, Entry>>,
    positions: Arc<Positions>,
    changed: Notify,
}

#[derive(Debug)]
struct Entry {
    range: MissingRange,
    backoff: Backoff,
    /// When it is requested again; `None` while it is being published.
    due: Option<Instant>,
}

impl MissingBoard {
    /// `positions` limits the missing ranges of all logs.
    pub(super) fn new(positions: Arc<Positions>) -> Self {
        MissingBoard { ranges: RefCell::default(), positions, changed: Notify::new() }
    }

    /// Whether another range may be missing besides the `waiting` ones that have not been added yet.
    pub(super) fn has_room(&self, waiting: usize) -> bool {
        self.ranges.borrow().len() + waiting < MAX_RANGES
            && self.positions.missing_ranges() < crate::state::positions::MAX_MISSING_RANGES
    }

    /// Adds a range. It is requested again after a delay.
    pub(super) fn add(&self, range: MissingRange) {
        let mut backoff = Backoff::default();
        // It has failed alone as often already.
        let waits = (0..=FAILURES_ALONE).map(|_| backoff.failed(None, rand::random()));
        let due = Some(Instant::now() + waits.last().unwrap_or_default());
        self.ranges.borrow_mut().insert(range.start, Entry { range, backoff, due });
        self.changed.notify_one();
    }

    /// Removes all ranges.
    pub(super) fn clear(&self) {
        self.ranges.borrow_mut().clear();
    }

    /// Replaces the range at `start`, of which entries have been published, by the rest of it.
    pub(super) fn replace(&self, start: u64, rest: Option<MissingRange>) {
        let mut ranges = self.ranges.borrow_mut();
        if let (Some(entry), Some(range)) = (ranges.remove(&start), rest) {
            ranges.insert(range.start, Entry { range, ..entry });
        }
    }

    /// All ranges, in order.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<MissingRange> {
        self.ranges.borrow().values().map(|entry| entry.range.clone()).collect()
    }

    /// Requests the ranges again that have come and were not published, because the Publisher has failed.
    pub(super) fn requeue(&self) {
        for entry in self.ranges.borrow_mut().values_mut().filter(|entry| entry.due.is_none()) {
            entry.due = Some(Instant::now() + entry.backoff.failed(None, rand::random()));
        }
        self.changed.notify_one();
    }

    /// The range that is due first, and when. Waits while there is none.
    pub(super) async fn next(&self) -> (Instant, MissingRange) {
        loop {
            let first = {
                let ranges = self.ranges.borrow();
                let due = ranges.values().filter_map(|entry| Some((entry.due?, &entry.range)));
                due.min_by_key(|(due, _)| *due).map(|(due, range)| (due, range.clone()))
            };
            match first {
                Some(first) => return first,
                None => self.changed.notified().await,
            }
        }
    }

    /// Waits until a range is added.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Records that the request for the range at `start` failed.
    pub(super) fn failed(&self, start: u64) {
        if let Some(entry) = self.ranges.borrow_mut().get_mut(&start) {
            entry.due = Some(Instant::now() + entry.backoff.failed(None, rand::random()));
        }
    }

    /// Records that the entries of the range at `start` have come. It stays missing until they are published.
    pub(super) fn came(&self, start: u64) {
        if let Some(entry) = self.ranges.borrow_mut().get_mut(&start) {
            entry.due = None;
        }
    }
}

/// The range as a request. What is undecodable in it is so in the log.
pub(super) fn request(range: &MissingRange) -> Range {
    Range { start: range.start, end_exclusive: range.end_exclusive, confirming: true }
}
