//! The newest messages of a feed, which all its clients read. Pure: the time is an argument.

use super::shared::SharedFrames;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Messages that were published together.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    /// The frames; those of a heartbeat have no numbers.
    pub(crate) shared: Arc<SharedFrames>,
    /// Whoever has read them has read everything before this number.
    pub(crate) end_seq: u64,
}

/// The newest units; see the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    units: VecDeque<Unit>,
    /// The place of the oldest unit. Places rise by one with each unit.
    first: u64,
    /// The number of the first entry that the units cover.
    begin_seq: u64,
}

/// What is at a place of a tail.
#[derive(Debug)]
pub(super) enum Found {
    Unit(Unit),
    /// The next unit has not been published yet.
    End,
    /// The unit is no longer in memory.
    Evicted,
}

impl Tail {
    /// Appends a unit. Returns its place.
    pub(crate) fn push(&self, unit: Unit) -> u64 {
        let mut inner = self.0.lock();
        inner.units.push_back(unit);
        inner.first + inner.units.len() as u64 - 1
    }

    /// Removes all units and begins anew with the entry `begin_seq`.
    pub(crate) fn restart(&self, begin_seq: u64) -> VecDeque<Unit> {
        let mut inner = self.0.lock();
        inner.first += inner.units.len() as u64;
        inner.begin_seq = begin_seq;
        std::mem::take(&mut inner.units)
    }

    /// The same for a tail that clients read: also those that have read all of it find their place gone.
    pub(crate) fn cut_off(&self, begin_seq: u64) -> VecDeque<Unit> {
        let units = self.restart(begin_seq);
        self.0.lock().first += 1;
        units
    }

    /// Removes the oldest unit, if it is the one at `place`.
    pub(crate) fn evict(&self, place: u64) -> Option<Unit> {
        let mut inner = self.0.lock();
        if inner.first != place {
            return None;
        }
        let unit = inner.units.pop_front()?;
        inner.first += 1;
        inner.begin_seq = unit.end_seq;
        Some(unit)
    }

    /// Whether the unit at `place` is in memory.
    pub(crate) fn holds(&self, place: u64) -> bool {
        let inner = self.0.lock();
        (inner.first..inner.first + inner.units.len() as u64).contains(&place)
    }

    /// The place from which on the units contain everything from `seq` on. `None` if they do not reach that far back.
    pub(super) fn place_of(&self, seq: u64) -> Option<u64> {
        let inner = self.0.lock();
        let before = inner.units.partition_point(|unit| unit.end_seq <= seq);
        (seq >= inner.begin_seq).then_some(inner.first + before as u64)
    }

    /// The place of the next unit, and the number behind everything published.
    pub(crate) fn end(&self) -> (u64, u64) {
        let inner = self.0.lock();
        let end_seq = inner.units.back().map_or(inner.begin_seq, |unit| unit.end_seq);
        (inner.first + inner.units.len() as u64, end_seq)
    }

    pub(super) fn get(&self, place: u64) -> Found {
        let inner = self.0.lock();
        let Some(at) = place.checked_sub(inner.first) else { return Found::Evicted };
        inner.units.get(at as usize).cloned().map_or(Found::End, Found::Unit)
    }

    /// Whether a unit at `place` was published, even if it is no longer in memory.
    pub(super) fn has(&self, place: u64) -> bool {
        let inner = self.0.lock();
        place < inner.first + inner.units.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Frames;

    fn unit(end_seq: u64) -> Unit {
        Unit { shared: Arc::new(Frames::single(b"x").into()), end_seq }
    }

    #[test]
    fn the_place_of_a_number_is_that_of_the_unit_that_holds_it() {
        let tail = Tail::default();
        tail.restart(10);
        assert_eq!((tail.place_of(9), tail.place_of(10), tail.place_of(99)), (None, Some(0), Some(0)));
        for end_seq in [12, 12, 15, 20] {
            tail.push(unit(end_seq));
        }
        let places = |seqs: [u64; 6]| seqs.map(|seq| tail.place_of(seq));
        assert_eq!(places([9, 10, 11, 12, 19, 20]), [None, Some(0), Some(0), Some(2), Some(3), Some(4)]);
        assert!(tail.evict(1).is_none(), "not the oldest");
        assert_eq!(tail.evict(0).unwrap().end_seq, 12);
        assert!(
            tail.evict(0).is_none() && !tail.holds(0) && tail.holds(1) && tail.holds(3) && !tail.holds(4)
        );
        assert_eq!(places([11, 12, 14, 15, 20, 99]), [None, Some(2), Some(2), Some(3), Some(4), Some(4)]);
        assert!(matches!(tail.get(0), Found::Evicted) && tail.has(0));
        assert!(matches!(tail.get(2), Found::Unit(Unit { end_seq: 15, .. })));
        assert!(matches!(tail.get(4), Found::End) && !tail.has(4));
        assert_eq!(tail.restart(30).len(), 3);
        assert_eq!(places([29, 30, 31, 32, 33, 34]), [None, Some(4), Some(4), Some(4), Some(4), Some(4)]);
        assert!(matches!(tail.get(3), Found::Evicted) && !tail.holds(3));
    }
}
