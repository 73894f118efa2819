//! The position in a log, and the verified tree of all entries before it. Pure.

use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::state::{Ledger, MissingRange, Position};
use std::sync::Arc;

/// The position of the watcher in one log.
#[derive(Debug, Clone)]
pub(super) struct LogCursor {
    /// Accounts for each index; its `next` is the next index to publish.
    pub(super) ledger: Ledger,
    /// The verified tree of the entries before `next`, or of slightly fewer: the entries in between are then fetched
    /// only to be hashed, and not published again. `None` until it is known.
    pub(super) tree: Option<CompactTree>,
    /// The newest head that the tree was verified against.
    pub(super) head: Option<Head>,
    /// The entries before `next` that the log has not served so far.
    pub(super) missing: Arc<Vec<MissingRange>>,
    /// The root hash of all entries before `next`, if a head stated it.
    root: Option<Hash>,
}

/// A tree that has to be built from the log's proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    /// Number of entries.
    pub(super) size: u64,
    /// Its root hash, if known.
    pub(super) root: Option<Hash>,
}

impl LogCursor {
    /// The initial position, under the first head.
    pub(super) fn starting(next: u64, head: &Head) -> Self {
        let root = (next == head.tree_size).then_some(head.root_hash);
        LogCursor {
            ledger: Ledger::from(next),
            tree: empty_tree(next),
            head: None,
            missing: Arc::default(),
            root,
        }
    }

    /// The position saved before a restart.
    pub(super) fn saved(saved: Position) -> Self {
        let Position { ledger, tree, head, missing, .. } = saved;
        LogCursor { ledger, tree: tree.or(empty_tree(ledger.next)), head, missing, root: None }
    }

    /// The next index to publish.
    pub(super) fn next(&self) -> u64 {
        self.ledger.next
    }

    /// Skips all entries before `next`.
    pub(super) fn skip_to(&mut self, next: u64) {
        self.ledger.skip_to(next);
        self.reset_tree();
    }

    /// Discards the tree and the root, which no longer match the entries before `next`. The tree has to be rebuilt from
    /// proofs.
    pub(super) fn reset_tree(&mut self) {
        (self.tree, self.root) = (empty_tree(self.next()), None);
    }

    /// The tree that is needed before entries can be verified; `None` if it is there.
    ///
    /// A consistency proof from a tree whose size is a power of two omits the root of that tree. If the root is not
    /// known either, the tree starts one entry earlier.
    pub(super) fn missing_tree(&self) -> Option<Missing> {
        if self.tree.is_some() {
            return None;
        }
        let before = if self.root.is_none() && self.next().is_power_of_two() { 1 } else { 0 };
        Some(Missing { size: self.next() - before, root: self.root })
    }

    /// The first index to fetch.
    pub(super) fn fetch_from(&self) -> u64 {
        self.tree.as_ref().map_or(self.next(), CompactTree::size)
    }

    /// The state that is saved for a restart. The tree is saved only if its size equals `next`.
    pub(super) fn to_save(&self, log_id: Option<Hash>) -> Position {
        let tree = self.tree.clone().filter(|tree| tree.size() == self.next());
        Position { log_id, ledger: self.ledger, tree, head: self.head.clone(), missing: self.missing.clone() }
    }
}

/// The tree before the first entry needs no proof. For the second and third entry, the few entries before them are
/// fetched instead.
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
            let cursor = LogCursor::starting(next, &head(2000));
            assert_eq!((cursor.missing_tree(), cursor.fetch_from()), (None, 0));
        }
        for next in 3..5000u64 {
            let Missing { size, .. } = LogCursor::starting(next, &head(10_000)).missing_tree().unwrap();
            assert!(!size.is_power_of_two() && next - size <= 1, "{next}: {size}");
        }
    }

    #[test]
    fn a_tree_that_is_not_up_to_the_position_is_not_saved() {
        let mut cursor = LogCursor::starting(1, &head(9));
        assert_eq!(cursor.to_save(None).tree, None);
        cursor.tree.as_mut().unwrap().push([1; 32]);
        assert_eq!(cursor.to_save(None).tree.map(|tree| tree.size()), Some(1));
    }

    #[test]
    fn after_a_skip_the_tree_is_had_anew() {
        let mut cursor = LogCursor::starting(1, &head(9000));
        cursor.skip_to(700);
        assert_eq!((cursor.next(), cursor.ledger.skipped), (700, 699));
        assert_eq!(cursor.missing_tree(), Some(Missing { size: 700, root: None }));
    }
}
