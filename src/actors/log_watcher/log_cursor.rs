//! The position in a log, and the verified tree of all entries before it. Pure.

use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::state::{Decision, Ledger, MissingRange, Position, Skip};
use std::sync::Arc;

/// Maximum number of skips of one log that are shown. The oldest ones are forgotten first; the files about them stay.
pub(crate) const MAX_SKIPS: usize = 100;

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
    /// The entries that were passed over by decision and not acknowledged.
    pub(super) skips: Arc<Vec<Skip>>,
    /// The decision to pass entries over, until it is applied.
    pub(super) decision: Option<Decision>,
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
            skips: Arc::default(),
            decision: None,
            root,
        }
    }

    /// The position saved before a restart.
    pub(super) fn saved(saved: Position) -> Self {
        let Position { ledger, tree, head, missing, skips, decision, .. } = saved;
        let tree = tree.or(empty_tree(ledger.next));
        LogCursor { ledger, tree, head, missing, skips, decision, root: None }
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

    /// Passes over all entries before `decision.resume_from` that have not been sent, and gives up the missing ranges
    /// before it. Returns `None` if there are no such entries.
    pub(super) fn pass_over(&mut self, decision: Decision, at_ms: u64) -> Option<Skip> {
        let Decision { resume_from, because } = decision;
        let is_given_up = |range: &&MissingRange| range.end_exclusive <= resume_from;
        let first_missing = self.missing.iter().find(is_given_up).map(|range| range.start);
        let given_up = self.missing.iter().filter(is_given_up).map(MissingRange::count).sum::<u64>();
        let ahead = resume_from.saturating_sub(self.next());
        if given_up + ahead == 0 {
            return None;
        }
        let start = first_missing.unwrap_or(self.next());
        if given_up > 0 {
            self.ledger.give_up(given_up);
            Arc::make_mut(&mut self.missing).retain(|range| !is_given_up(&range));
        }
        if ahead > 0 {
            self.skip_to(resume_from);
        }
        let skip = Skip { start, end_exclusive: resume_from, entries: given_up + ahead, because, at_ms };
        let skips = Arc::make_mut(&mut self.skips);
        if skips.len() == MAX_SKIPS {
            skips.remove(0);
        }
        skips.push(skip.clone());
        Some(skip)
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

    /// The state that is saved for a restart, without the heads. The tree is saved only if its size equals `next`.
    pub(super) fn to_save(&self, url: &str) -> Position {
        Position {
            ledger: self.ledger,
            tree: self.tree.clone().filter(|tree| tree.size() == self.next()),
            head: self.head.clone(),
            missing: self.missing.clone(),
            skips: self.skips.clone(),
            decision: self.decision.clone(),
            ..Position::at(url, 0)
        }
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
        assert_eq!(cursor.to_save("u").tree, None);
        cursor.tree.as_mut().unwrap().push([1; 32]);
        assert_eq!(cursor.to_save("u").tree.map(|tree| tree.size()), Some(1));
    }

    fn decided(resume_from: u64) -> Decision {
        Decision { resume_from, because: "it is broken".into() }
    }

    #[test]
    fn what_is_passed_over_is_counted_and_the_tree_is_had_anew() {
        let mut cursor = LogCursor::starting(1, &head(9000));
        let missing = |start, end_exclusive| MissingRange { start, end_exclusive, between: None };
        cursor.ledger.skip_to(100);
        [(20, 30), (40, 41), (60, 90)].into_iter().for_each(|(start, end)| {
            cursor.ledger.missing += end - start;
            cursor.ledger.skipped -= end - start;
            Arc::make_mut(&mut cursor.missing).push(missing(start, end));
        });
        let skip = |start, end_exclusive, entries| Skip {
            start,
            end_exclusive,
            entries,
            because: "it is broken".into(),
            at_ms: 7,
        };
        assert_eq!(cursor.pass_over(decided(20), 7), None);
        assert_eq!(cursor.pass_over(decided(70), 7), Some(skip(20, 70, 11)));
        assert_eq!(
            (cursor.next(), &*cursor.missing),
            (100, &vec![missing(60, 90)]),
            "a part is not given up"
        );
        assert_eq!(cursor.pass_over(decided(70), 7), None, "once");
        assert_eq!(cursor.pass_over(decided(700), 7), Some(skip(60, 700, 630)));
        assert_eq!((cursor.next(), cursor.ledger.missing, cursor.ledger.adds_up()), (700, 0, true));
        assert_eq!(cursor.missing_tree(), Some(Missing { size: 700, root: None }));
        assert_eq!(cursor.to_save("u").skips.len(), 2);
        (701..900).for_each(|next| drop(cursor.pass_over(decided(next), 7)));
        assert_eq!((cursor.skips.len(), cursor.skips[MAX_SKIPS - 1].end_exclusive), (MAX_SKIPS, 899));
    }

    #[test]
    fn after_a_skip_the_tree_is_had_anew() {
        let mut cursor = LogCursor::starting(1, &head(9000));
        cursor.skip_to(700);
        assert_eq!((cursor.next(), cursor.ledger.skipped), (700, 699));
        assert_eq!(cursor.missing_tree(), Some(Missing { size: 700, root: None }));
    }
}
