//! The signed tree heads of one log that its tree has not been compared with yet. Pure: the time is an argument.

use crate::ct::head::Head;
use crate::ct::merkle::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Maximum number of heads of one log. Each has about 300 bytes.
pub(crate) const MAX_UNRECONCILED: usize = 64;
/// How long a head waits for the entries that lead to it before it is compared with the next head instead.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The heads, in the order of their sizes, which all differ.
#[derive(Debug, Default)]
pub(super) struct Unreconciled {
    heads: Arc<Vec<Head>>,
    /// Since when each of them waits.
    since: Vec<Instant>,
}

/// What to compare next.
#[derive(Debug, PartialEq)]
pub(super) enum Comparison {
    /// The tree of `old` should be a prefix of the tree of `new`.
    Due { old: Head, new: Head },
    /// Nothing before this time, unless something changes.
    Later(Instant),
    /// There are no heads.
    Nothing,
}

impl Unreconciled {
    /// Adds a head. At the limit, the head that is closest to the previous one is left out: a later one covers most of what
    /// it says.
    pub(super) fn add(&mut self, head: Head, now: Instant) {
        let Err(place) = self.place(head.tree_size) else { return };
        let heads = Arc::make_mut(&mut self.heads);
        heads.insert(place, head);
        self.since.insert(place, now);
        if heads.len() > MAX_UNRECONCILED {
            let gaps = heads.windows(2).map(|pair| match pair {
                [before, head] => head.tree_size - before.tree_size,
                _ => u64::MAX,
            });
            // The first head stays, and so does the last one.
            let closest = gaps.enumerate().take(MAX_UNRECONCILED - 1).min_by_key(|(_, gap)| *gap);
            let place = closest.map_or(1, |(before, _)| before + 1);
            heads.remove(place);
            self.since.remove(place);
        }
    }

    /// The heads, to be saved.
    pub(super) fn heads(&self) -> &Arc<Vec<Head>> {
        &self.heads
    }

    /// The sizes beyond `size`.
    pub(super) fn sizes_beyond(&self, size: u64) -> Vec<u64> {
        self.heads.iter().map(|head| head.tree_size).filter(|other| *other > size).collect()
    }

    /// Records the verified root of the first `size` entries. Returns whether that changes anything. A head with another root
    /// stays, to be compared with another head.
    pub(super) fn verified(&mut self, size: u64, root: &Hash) -> bool {
        match self.place(size) {
            Ok(place) if self.heads.get(place).is_some_and(|head| head.root_hash == *root) => {
                self.remove(size)
            }
            _ => false,
        }
    }

    /// Removes the head of `size` entries: it is consistent with a later one, or it is evidence. Returns whether it was there.
    pub(super) fn remove(&mut self, size: u64) -> bool {
        let Ok(place) = self.place(size) else { return false };
        Arc::make_mut(&mut self.heads).remove(place);
        self.since.remove(place);
        true
    }

    /// What to compare next. All entries before `position` are published, and lead to the head `proven`. If the log is caught
    /// up with (`is_far_behind`), heads are compared with each other at once.
    pub(super) fn next(
        &self,
        position: u64,
        proven: Option<&Head>,
        is_far_behind: bool,
        now: Instant,
    ) -> Comparison {
        let Some((first, since)) = self.heads.first().zip(self.since.first()) else {
            return Comparison::Nothing;
        };
        let later = Comparison::Later(now + PATIENCE);
        if first.tree_size <= position {
            // The tree has grown past this head.
            return match proven.filter(|proven| proven.tree_size > first.tree_size) {
                Some(proven) => Comparison::Due { old: first.clone(), new: proven.clone() },
                None => later,
            };
        }
        let Some(second) = self.heads.get(1) else { return later };
        if is_far_behind || *since + PATIENCE <= now {
            return Comparison::Due { old: first.clone(), new: second.clone() };
        }
        Comparison::Later(*since + PATIENCE)
    }

    fn place(&self, size: u64) -> Result<usize, usize> {
        self.heads.binary_search_by_key(&size, |head| head.tree_size)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::head;
    use super::*;

    fn of(sizes: impl IntoIterator<Item = u64>, now: Instant) -> Unreconciled {
        let mut heads = Unreconciled::default();
        sizes.into_iter().for_each(|size| heads.add(head(size), now));
        heads
    }

    #[test]
    fn a_head_that_the_entries_lead_to_is_done_with() {
        let now = Instant::now();
        let mut heads = of([20, 10, 20, 30], now);
        assert_eq!(heads.sizes_beyond(0), [10, 20, 30]);
        assert_eq!(heads.sizes_beyond(10), [20, 30]);
        assert!(!heads.verified(15, &head(15).root_hash) && !heads.verified(20, &[7; 32]));
        assert!(heads.verified(20, &head(20).root_hash));
        assert_eq!(heads.sizes_beyond(0), [10, 30]);
    }

    #[test]
    fn heads_before_the_position_are_compared_with_the_proven_one() {
        let now = Instant::now();
        let heads = of([10, 20], now);
        let due = |old, new| Comparison::Due { old: head(old), new: head(new) };
        assert_eq!(heads.next(10, Some(&head(15)), false, now), due(10, 15));
        assert_eq!(heads.next(10, Some(&head(10)), false, now), Comparison::Later(now + PATIENCE));
        assert_eq!(heads.next(10, None, true, now), Comparison::Later(now + PATIENCE));
        assert_eq!(Unreconciled::default().next(10, Some(&head(15)), true, now), Comparison::Nothing);
    }

    #[test]
    fn heads_beyond_the_position_wait_for_its_entries_or_are_compared_with_each_other() {
        let now = Instant::now();
        let heads = of([10, 20], now);
        let due = Comparison::Due { old: head(10), new: head(20) };
        assert_eq!(heads.next(5, None, false, now), Comparison::Later(now + PATIENCE));
        assert_eq!(heads.next(5, None, true, now), due);
        assert_eq!(heads.next(5, Some(&head(5)), false, now + PATIENCE), due);
        assert_eq!(of([10], now).next(5, None, true, now), Comparison::Later(now + PATIENCE), "with what?");
    }

    #[test]
    fn their_number_is_bounded_and_the_first_and_the_last_stay() {
        let now = Instant::now();
        let many = MAX_UNRECONCILED as u64;
        let heads = of((0..many).map(|n| n * 10).chain([many * 10 + 1, many * 10 + 2]), now);
        assert_eq!(heads.heads().len(), MAX_UNRECONCILED);
        assert_eq!(heads.since.len(), MAX_UNRECONCILED);
        let sizes: Vec<_> = heads.heads().iter().map(|head| head.tree_size).collect();
        assert_eq!((sizes[0], sizes[MAX_UNRECONCILED - 1]), (0, many * 10 + 2));
        assert!(sizes.is_sorted() && heads.sizes_beyond(many * 10 - 11).contains(&(many * 10 + 2)));
    }
}
