//! The newest units of all tails together, and their memory.

use crate::actors::reader::{Feed, SharedFrames, Unit};
use crate::message::Frames;
use std::collections::{HashMap, VecDeque};
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
    memory: Memory,
    evicted: Evicted,
}

/// The memory of units. Frames that several units are parts of are counted once.
#[derive(Debug, Default)]
struct Memory {
    bytes: usize,
    /// By their address, the number of units that are parts of the same frames, which are there as long as a unit is.
    parts: HashMap<*const Frames, usize>,
}

impl Memory {
    fn add(&mut self, shared: &SharedFrames) {
        self.bytes += UNIT_BYTES;
        let (whole, parts) = (whole(shared), &mut self.parts);
        let units = parts.entry(std::ptr::from_ref(whole)).or_default();
        if *units == 0 {
            self.bytes += whole.bytes().len();
        }
        *units += 1;
    }

    fn remove(&mut self, shared: &SharedFrames) {
        self.bytes -= UNIT_BYTES;
        let whole = whole(shared);
        if let Some(units) = self.parts.get_mut(&std::ptr::from_ref(whole)) {
            *units -= 1;
            if *units == 0 {
                self.parts.remove(&std::ptr::from_ref(whole));
                self.bytes -= whole.bytes().len();
            }
        }
    }
}

/// The frames that `shared` keeps in memory.
fn whole(shared: &SharedFrames) -> &Frames {
    shared.frames().whole().map_or(shared.frames(), |whole| whole)
}

/// Units that are no longer in a tail, while a client that is taking one keeps it in memory.
#[derive(Debug, Default)]
struct Evicted(VecDeque<Weak<SharedFrames>>);

impl Evicted {
    fn bytes(&mut self) -> usize {
        self.0.retain(|shared| shared.strong_count() > 0);
        let held: Vec<_> = self.0.iter().filter_map(Weak::upgrade).collect();
        let mut memory = Memory::default();
        held.iter().for_each(|shared| memory.add(shared));
        memory.bytes
    }
}

impl Ring {
    /// Appends a unit to the tail of `feed`.
    pub(super) fn push(&mut self, feed: &Arc<Feed>, unit: Unit) {
        self.memory.add(&unit.shared);
        let place = feed.tail.push(unit);
        self.units.push_back((Arc::downgrade(feed), place));
    }

    /// Lets the tail of `feed` begin anew with the entry `begin_seq`.
    pub(super) fn restart(&mut self, feed: &Feed, begin_seq: u64) {
        self.forget(&feed.tail.restart(begin_seq));
    }

    /// The same for a tail that clients read: all of them read the journal then.
    pub(super) fn cut_off(&mut self, feed: &Feed, begin_seq: u64) {
        self.forget(&feed.tail.cut_off(begin_seq));
    }

    fn forget(&mut self, units: &VecDeque<Unit>) {
        units.iter().for_each(|unit| self.memory.remove(&unit.shared));
        self.gone += units.len();
        self.purge();
    }

    /// Forgets units whose tails began anew, once they are more than the others: clients with filters come and go, also
    /// while nothing is published.
    fn purge(&mut self) {
        if 2 * self.gone > self.units.len() {
            self.gone = 0;
            self.units.retain(|(feed, place)| feed.upgrade().is_some_and(|feed| feed.tail.holds(*place)));
        }
    }

    /// Keeps the tails within `limit` bytes. The oldest units leave memory; clients that need them read the journal.
    pub(super) fn evict(&mut self, limit: usize) {
        while self.memory.bytes > limit
            && let Some((feed, place)) = self.units.pop_front()
        {
            if let Some(unit) = feed.upgrade().and_then(|feed| feed.tail.evict(place)) {
                self.memory.remove(&unit.shared);
                self.evicted.0.push_back(Arc::downgrade(&unit.shared));
            } else {
                self.gone -= 1;
            }
        }
        self.purge();
    }

    /// Memory of all units in the tails, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes
    }

    /// Memory of units that only clients hold, in bytes.
    pub(super) fn evicted_bytes(&mut self) -> usize {
        self.evicted.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::reader::{Asked, Feeds};
    use crate::filter::{Filter, Limits};
    use crate::message::{FramesBuilder, Stream, Wire};
    use proptest::prelude::*;

    /// Ten messages with the numbers from `first` on.
    fn whole(first: u64) -> Arc<Frames> {
        let mut builder = FramesBuilder::default();
        for seq in first..first + 10 {
            builder.push(|out| out.extend_from_slice(format!("{seq:016}").as_bytes()));
            builder.number_last(seq, 0);
        }
        builder.build()
    }

    fn feed(feeds: &Feeds, n: usize) -> Arc<Feed> {
        let filter = Filter::parse([("contains", n.to_string())], Limits::default()).expect("a filter");
        let (stream, wire, filter) = (Stream::Lite, Wire::WebSocket, Arc::new(filter));
        feeds
            .of(
                Asked { stream, wire, filter, named: Vec::new(), sample: 1, unique: None, explains: false },
                usize::MAX,
            )
            .expect("room")
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// Feeds that get a part of the same frames: each its number, and the first and last message.
        Push(Vec<(usize, u64, u64)>),
        /// A feed gets frames of its own.
        PushAlone(usize),
        Restart(usize),
        Evict(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let part = (0usize..5, 0u64..10, 0u64..10);
        prop::collection::vec(
            prop_oneof![
                4 => prop::collection::vec(part, 1..5).prop_map(Step::Push),
                2 => (0usize..5).prop_map(Step::PushAlone),
                1 => (0usize..5).prop_map(Step::Restart),
                2 => (0usize..6000).prop_map(Step::Evict),
            ],
            0..60,
        )
    }

    proptest! {
        /// What is counted is what the tails hold: each unit, and once the frames that units are parts of.
        #[test]
        fn what_is_counted_is_what_is_there(steps in steps()) {
            let (mut ring, feeds) = (Ring::default(), Feeds::default());
            let all: Vec<_> = (0..5).map(|n| feed(&feeds, n)).collect();
            // By feed, what was pushed: its place among all, and where its whole frames are with their bytes.
            let mut there: Vec<VecDeque<(usize, *const Frames, usize)>> = vec![VecDeque::new(); 5];
            let mut pushed = 0;
            for step in steps {
                let mut push = |ring: &mut Ring, n: usize, frames: Arc<Frames>| {
                    let shared = Arc::new(SharedFrames::from(frames));
                    let whole = super::whole(&shared);
                    there[n].push_back((pushed, std::ptr::from_ref(whole), whole.bytes().len()));
                    ring.push(&all[n], Unit { shared, end_seq: 0 });
                    pushed += 1;
                };
                match step {
                    Step::Push(parts) => {
                        let frames = whole(100);
                        for (n, first, last) in parts {
                            push(&mut ring, n, Frames::picked_in(&frames, 100 + first..=100 + last));
                        }
                    }
                    Step::PushAlone(n) => push(&mut ring, n, whole(0)),
                    Step::Restart(n) => {
                        ring.restart(&all[n], 0);
                        there[n].clear();
                    }
                    Step::Evict(limit) => {
                        ring.evict(limit);
                        prop_assert!(ring.bytes() <= limit || ring.units.is_empty(), "{} above {limit}", ring.bytes());
                        // The oldest are gone, so many that the rest is what is counted.
                        let held: usize = all.iter().zip(&there).map(|(feed, there)| {
                            let first = feed.tail.end().0 - there.len() as u64;
                            (first..feed.tail.end().0).filter(|place| feed.tail.holds(*place)).count()
                        }).sum();
                        let mut order: Vec<_> = there.iter().flatten().map(|(order, ..)| *order).collect();
                        order.sort_unstable();
                        let oldest = order.len().checked_sub(held).and_then(|gone| order.get(gone)).copied();
                        for units in &mut there {
                            units.retain(|(order, ..)| oldest.is_some_and(|oldest| *order >= oldest));
                        }
                    }
                }
                let wholes: HashMap<_, _> = there.iter().flatten().map(|(_, whole, bytes)| (whole, bytes)).collect();
                let units = there.iter().flatten().count();
                prop_assert_eq!(ring.bytes(), UNIT_BYTES * units + wholes.into_values().sum::<usize>());
                prop_assert!(ring.units.len() <= 2 * units + 1);
            }
            ring.evict(0);
            prop_assert_eq!((ring.bytes(), ring.memory.parts.len()), (0, 0));
        }
    }
}
