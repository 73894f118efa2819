//! How far a log has been read, and the verified tree of all that lies before. Pure.

use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::state::{Ledger, Position};

/// Where the reading of one log stands.
#[derive(Debug, Clone)]
pub(super) struct LogCursor {
    /// What became of each index; its next one is the next to hand on.
    pub(super) ledger: Ledger,
    /// The verified tree of the entries before the next one, or of a few fewer: those are then fetched to be hashed,
    /// and not handed on. `None` until it is known.
    pub(super) tree: Option<CompactTree>,
    /// The newest head that the tree was verified by.
    pub(super) head: Option<Head>,
    /// The root of all entries before the next one, where a head said it.
    root: Option<Hash>,
}

/// A tree that has to be had from the log's proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    /// Number of entries.
    pub(super) size: u64,
    /// Its root, where that is known.
    pub(super) root: Option<Hash>,
}

impl LogCursor {
    /// Where nothing has been read yet, under the first head.
    pub(super) fn starting(next: u64, head: &Head) -> Self {
        let root = (next == head.tree_size).then_some(head.root_hash);
        LogCursor { ledger: Ledger::from(next), tree: empty_tree(next), head: None, root }
    }

    /// Where the reading stood before a restart.
    pub(super) fn saved(saved: Position) -> Self {
        let Position { ledger, tree, head, .. } = saved;
        LogCursor { ledger, tree: tree.or(empty_tree(ledger.next)), head, root: None }
    }

    /// The next index to hand on.
    pub(super) fn next(&self) -> u64 {
        self.ledger.next
    }

    /// Leaves out everything before `next`.
    pub(super) fn skip_to(&mut self, next: u64) {
        self.ledger.skip_to(next);
        self.reset_tree();
    }

    /// The tree is not that of the entries before the next one any more: it has to be had anew.
    pub(super) fn reset_tree(&mut self) {
        (self.tree, self.root) = (empty_tree(self.next()), None);
    }

    /// What has to be had before anything can be verified.
    ///
    /// The proof for a power of two leaves out that tree's root. Where it is not known either, the reading begins
    /// an entry before.
    pub(super) fn missing_tree(&self) -> Option<Missing> {
        if self.tree.is_some() {
            return None;
        }
        let before = if self.root.is_none() && self.next().is_power_of_two() { 1 } else { 0 };
        Some(Missing { size: self.next() - before, root: self.root })
    }

    /// The index to fetch from.
    pub(super) fn fetch_from(&self) -> u64 {
        self.tree.as_ref().map_or(self.next(), CompactTree::size)
    }

    /// What is to survive a restart.
    pub(super) fn to_save(&self, log_id: Option<Hash>) -> Position {
        let tree = self.tree.clone().filter(|tree| tree.size() == self.next());
        Position { log_id, ledger: self.ledger, tree, head: self.head.clone() }
    }
}

/// The tree before the first entry needs no proof; nor does the one before the second or third, since they are so
/// quickly made.
fn empty_tree(next: u64) -> Option<CompactTree> {
    (next <= 2).then(CompactTree::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(tree_size: u64) -> Head {
        Head { tree_size, timestamp_ms: 1, root_hash: [9; 32], signed: true, bytes: Default::default() }
    }

    #[test]
    fn a_start_at_the_head_has_its_root_and_one_elsewhere_has_none() {
        let missing = |next, head_size| LogCursor::starting(next, &head(head_size)).missing_tree();
        assert_eq!(missing(1000, 1000), Some(Missing { size: 1000, root: Some([9; 32]) }));
        assert_eq!(missing(1000, 2000), Some(Missing { size: 1000, root: None }));
        assert_eq!(missing(1024, 1024), Some(Missing { size: 1024, root: Some([9; 32]) }));
    }

    #[test]
    fn no_tree_is_asked_for_whose_proof_would_leave_it_out() {
        let missing = LogCursor::starting(1024, &head(2000)).missing_tree();
        assert_eq!(missing, Some(Missing { size: 1023, root: None }));
        for next in 0..=2 {
            let place = LogCursor::starting(next, &head(2000));
            assert_eq!((place.missing_tree(), place.fetch_from()), (None, 0));
        }
        for next in 3..5000u64 {
            let Missing { size, .. } = LogCursor::starting(next, &head(10_000)).missing_tree().unwrap();
            assert!(!size.is_power_of_two() && next - size <= 1, "{next}: {size}");
        }
    }

    #[test]
    fn a_tree_that_is_not_up_to_the_position_is_not_saved() {
        let mut place = LogCursor::starting(1, &head(9));
        assert_eq!(place.to_save(None).tree, None);
        place.tree.as_mut().unwrap().push([1; 32]);
        assert_eq!(place.to_save(None).tree.map(|tree| tree.size()), Some(1));
    }

    #[test]
    fn after_a_skip_the_tree_is_had_anew() {
        let mut place = LogCursor::starting(1, &head(9000));
        place.skip_to(700);
        assert_eq!((place.next(), place.ledger.skipped), (700, 699));
        assert_eq!(place.missing_tree(), Some(Missing { size: 700, root: None }));
    }
}
