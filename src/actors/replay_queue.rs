//! The order in which clients get blocks from the journal.

use std::collections::VecDeque;

/// Readers that wait for a block.
#[derive(Debug)]
pub(super) struct ReplayQueue<R> {
    /// The one that has waited longest is the first.
    waiting: VecDeque<R>,
    /// Whether it is the turn of the reader that is furthest behind.
    is_turn_of_last: bool,
}

impl<R> Default for ReplayQueue<R> {
    fn default() -> Self {
        ReplayQueue { waiting: VecDeque::new(), is_turn_of_last: false }
    }
}

impl<R> ReplayQueue<R> {
    /// Adds a reader.
    pub(super) fn push(&mut self, reader: R) {
        self.waiting.push_back(reader);
    }

    /// Whether no reader waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Removes the readers whose turn it is. They all read at the same `position`, and so share one block; those that have
    /// none need nothing any more.
    ///
    /// In turns, these are those that have waited longest, and those that are furthest behind. The latter thus catch up with
    /// the others and then share every block with them, instead of each one reading the whole journal for itself.
    pub(super) fn next(&mut self, position: impl Fn(&R) -> Option<u64>) -> Vec<R> {
        self.waiting.retain(|reader| position(reader).is_some());
        self.is_turn_of_last = !self.is_turn_of_last;
        let chosen = if self.is_turn_of_last {
            self.waiting.iter().filter_map(&position).min()
        } else {
            self.waiting.front().and_then(&position)
        };
        let Some(chosen) = chosen else { return Vec::new() };
        let (now, later) = self.waiting.drain(..).partition(|reader| position(reader) == Some(chosen));
        self.waiting = later;
        Vec::from(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn those_at_the_same_place_are_served_together_and_none_waits_for_ever() {
        let mut queue = ReplayQueue::default();
        [(1, 50), (2, 10), (3, 50), (4, 0), (5, 30)].into_iter().for_each(|reader| queue.push(reader));
        let position = |reader: &(u32, u64)| (reader.1 > 0).then_some(reader.1);
        assert_eq!(queue.next(position), [(2, 10)], "the last one");
        queue.push((2, 20));
        assert_eq!(queue.next(position), [(1, 50), (3, 50)], "those that have waited longest");
        assert_eq!(queue.next(position), [(2, 20)]);
        assert_eq!(queue.next(position), [(5, 30)]);
        assert!(queue.is_empty() && queue.next(position).is_empty(), "one needed nothing");
    }

    #[test]
    fn readers_that_begin_apart_come_together() {
        const END: u64 = 1000;
        let readers: Vec<_> = (0..20).map(|i| Cell::new(25 * i)).collect();
        let mut queue = ReplayQueue::default();
        (0..readers.len()).for_each(|i| queue.push(i));
        let position = |i: &usize| Some(readers[*i].get()).filter(|at| *at < END);
        let (mut blocks, mut delivered) = (0, 0);
        while !queue.is_empty() {
            let served = queue.next(position);
            blocks += u64::from(!served.is_empty());
            delivered += served.len() as u64;
            for i in served {
                readers[i].set(readers[i].get() + 1);
                queue.push(i);
            }
        }
        assert_eq!(delivered, readers.iter().zip(0..).map(|(_, i)| END - 25 * i).sum::<u64>());
        assert!(blocks < 2 * END, "{blocks} blocks were read for {delivered} that were delivered");
    }
}
