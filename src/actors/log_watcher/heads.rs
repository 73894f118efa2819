//! Checks that a log's signed tree heads are consistent with each other. Pure.
//!
//! A log signs each tree head once, so any two of its heads that contradict each other prove misbehaviour. Front ends
//! that lag behind serve older heads after newer ones; those were signed earlier and contradict nothing.

use crate::ct::head::Head;
use std::collections::VecDeque;

/// Number of heads that a new one is compared with. Older ones are covered by the consistency proofs of the tree.
const MAX_HEADS: usize = 64;

/// The newest heads of one log.
#[derive(Debug, Default)]
pub(super) struct Heads {
    seen: VecDeque<Head>,
}

/// The relation of a head to the earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Larger than all earlier ones.
    Larger,
    /// The same size as the largest one, possibly with a newer timestamp.
    Same,
    /// Smaller than the largest one, and consistent with it.
    Lagging,
    /// The smaller of the two heads was not signed earlier than the larger one. Either may be the newly received one.
    Rollback {
        /// The head with fewer entries.
        smaller: Head,
        /// The head with more entries.
        larger: Head,
    },
    /// The same tree size as `against`, but a different root hash.
    Fork {
        /// The other head.
        against: Head,
    },
}

impl Heads {
    /// Compares `head` with the earlier ones, and stores it unless it contradicts one of them.
    pub(super) fn judge(&mut self, head: &Head) -> Verdict {
        let forks = |other: &&Head| other.tree_size == head.tree_size && other.root_hash != head.root_hash;
        if let Some(against) = self.seen.iter().find(forks).cloned() {
            return Verdict::Fork { against };
        }
        if let Some(against) = self.seen.iter().find(|other| rolls_back(other, head)).cloned() {
            let (smaller, larger) = by_size(&against, head);
            return Verdict::Rollback { smaller: smaller.clone(), larger: larger.clone() };
        }
        let largest = self.seen.iter().map(|other| other.tree_size).max();
        if let Some(same) = self.seen.iter_mut().find(|other| other.tree_size == head.tree_size) {
            if same.timestamp_ms < head.timestamp_ms {
                *same = head.clone();
            }
        } else {
            if self.seen.len() == MAX_HEADS {
                self.seen.pop_front();
            }
            self.seen.push_back(head.clone());
        }
        match largest {
            Some(largest) if largest > head.tree_size => Verdict::Lagging,
            Some(largest) if largest == head.tree_size => Verdict::Same,
            _ => Verdict::Larger,
        }
    }

    /// Whether a head of this size is stored.
    pub(super) fn contains(&self, tree_size: u64) -> bool {
        self.seen.iter().any(|head| head.tree_size == tree_size)
    }

    /// Removes a head that the log's entries did not lead to, so that later heads are not compared with it.
    pub(super) fn forget(&mut self, head: &Head) {
        self.seen.retain(|other| other.tree_size != head.tree_size);
    }
}

/// RFC 6962 section 3.5: "Each subsequent timestamp MUST be more recent than the timestamp of the previous update."
/// Without signatures the signing times are unknown.
fn rolls_back(one: &Head, other: &Head) -> bool {
    let (smaller, larger) = by_size(one, other);
    let signed = smaller.signed && larger.signed;
    signed && smaller.tree_size < larger.tree_size && smaller.timestamp_ms >= larger.timestamp_ms
}

fn by_size<'a>(one: &'a Head, other: &'a Head) -> (&'a Head, &'a Head) {
    if one.tree_size < other.tree_size { (one, other) } else { (other, one) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(tree_size: u64, timestamp_ms: u64, root: u8) -> Head {
        Head { tree_size, timestamp_ms, root_hash: [root; 32], signed: true, bytes: Default::default() }
    }

    fn judged(heads: &[Head]) -> Verdict {
        let mut known = Heads::default();
        let verdicts: Vec<_> = heads.iter().map(|head| known.judge(head)).collect();
        verdicts.last().expect("a head").clone()
    }

    #[test]
    fn heads_that_grow_lag_or_are_repeated_are_no_lies() {
        let (old, new) = (head(10, 1000, 1), head(20, 2000, 2));
        assert_eq!(judged(std::slice::from_ref(&old)), Verdict::Larger);
        assert_eq!(judged(&[old.clone(), new.clone()]), Verdict::Larger);
        assert_eq!(judged(&[old.clone(), new.clone(), old.clone()]), Verdict::Lagging);
        assert_eq!(judged(&[new.clone(), old.clone()]), Verdict::Lagging);
        assert_eq!(judged(&[new.clone(), old.clone(), new.clone()]), Verdict::Same);
        assert_eq!(judged(&[old.clone(), new, head(15, 1500, 3)]), Verdict::Lagging);
        assert_eq!(judged(&[old.clone(), head(10, 5000, 1)]), Verdict::Same, "signed anew");
        assert_eq!(judged(&[old, head(10, 500, 1)]), Verdict::Same, "an older signature");
    }

    #[test]
    fn a_smaller_tree_that_was_signed_later_is_a_rollback() {
        let (old, new) = (head(10, 3000, 1), head(20, 2000, 2));
        let expected = Verdict::Rollback { smaller: old.clone(), larger: new.clone() };
        assert_eq!(judged(&[new.clone(), old.clone()]), expected);
        assert_eq!(judged(&[old, new.clone()]), expected, "the new head is the larger one");
        let smaller = head(10, 2000, 1);
        assert_eq!(judged(&[new.clone(), smaller.clone()]), Verdict::Rollback { smaller, larger: new });
    }

    #[test]
    fn the_order_of_heads_that_nobody_signed_is_not_known() {
        let unsigned = |tree_size, timestamp_ms| Head { signed: false, ..head(tree_size, timestamp_ms, 1) };
        assert_eq!(judged(&[unsigned(20, 2000), unsigned(10, 3000)]), Verdict::Lagging);
    }

    #[test]
    fn two_roots_of_one_size_are_a_fork_whenever_they_were_signed() {
        let (one, other) = (head(10, 1000, 1), head(10, 900, 2));
        assert_eq!(judged(&[one.clone(), head(20, 2000, 5), other]), Verdict::Fork { against: one });
    }

    #[test]
    fn a_lie_is_not_remembered() {
        let mut heads = Heads::default();
        heads.judge(&head(10, 1000, 1));
        heads.judge(&head(10, 1100, 2));
        assert_eq!(heads.judge(&head(10, 1200, 1)), Verdict::Same);
        heads.judge(&head(20, 2000, 7));
        heads.forget(&head(20, 2000, 7));
        assert_eq!(heads.judge(&head(20, 2100, 8)), Verdict::Larger);
    }
}
