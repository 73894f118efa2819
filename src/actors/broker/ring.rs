//! The newest units of all tails together, and their memory.

use crate::actors::reader::{Feed, SharedFrames, Unit};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// Memory of a unit beside its bytes, in bytes: of most messages that only one client wants, it is a considerable part.
const UNIT_BYTES: usize = 256;

/// What is in the tails, from the oldest to the newest.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Each unit's feed and its place in the tail. Tails that began anew do not have it any more; feeds that nobody reads are
    /// gone.
    units: VecDeque<(Weak<Feed>, u64)>,
    /// Number of units whose tails began anew.
    gone: usize,
    bytes: usize,
    evicted: Evicted,
}

/// Units that are no longer in a tail, while a client that is taking one keeps it in memory.
#[derive(Debug, Default)]
struct Evicted(VecDeque<Weak<SharedFrames>>);

impl Evicted {
    fn bytes(&mut self) -> usize {
        self.0.retain(|shared| shared.strong_count() > 0);
        self.0.iter().filter_map(Weak::upgrade).map(|shared| shared.bytes()).sum()
    }
}

fn bytes_of(unit: &Unit) -> usize {
    UNIT_BYTES + unit.shared.bytes()
}

impl Ring {
    /// Appends a unit to the tail of `feed`.
    pub(super) fn push(&mut self, feed: &Arc<Feed>, unit: Unit) {
        self.bytes += bytes_of(&unit);
        let place = feed.tail.push(unit);
        self.units.push_back((Arc::downgrade(feed), place));
    }

    /// Lets the tail of `feed` begin anew with the entry `begin_seq`.
    pub(super) fn restart(&mut self, feed: &Feed, begin_seq: u64) {
        let units = feed.tail.restart(begin_seq);
        self.bytes -= units.iter().map(bytes_of).sum::<usize>();
        self.gone += units.len();
        // They are not waited for: clients with filters come and go, while nothing else is published.
        if 2 * self.gone > self.units.len() {
            self.gone = 0;
            self.units.retain(|(feed, place)| feed.upgrade().is_some_and(|feed| feed.tail.holds(*place)));
        }
    }

    /// Keeps the tails within `limit` bytes. The oldest units leave memory; clients that need them read the journal.
    pub(super) fn evict(&mut self, limit: usize) {
        while self.bytes > limit
            && let Some((feed, place)) = self.units.pop_front()
        {
            if let Some(unit) = feed.upgrade().and_then(|feed| feed.tail.evict(place)) {
                self.bytes -= bytes_of(&unit);
                self.evicted.0.push_back(Arc::downgrade(&unit.shared));
            } else {
                self.gone -= 1;
            }
        }
    }

    /// Memory of all units in the tails, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Memory of units that only clients hold, in bytes.
    pub(super) fn evicted_bytes(&mut self) -> usize {
        self.evicted.bytes()
    }
}
