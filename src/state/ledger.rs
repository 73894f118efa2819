//! The ledger of one log: accounts for each of its indexes. Pure.

use serde::{Deserialize, Serialize};

/// Every index from `first` up to but excluding `next` is in exactly one of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The first index that was watched.
    pub first: u64,
    /// The next index to be accounted for.
    pub next: u64,
    /// Number of entries that were sent to the Broker.
    pub delivered: u64,
    /// Number of entries that were skipped because no certificate could be found in them.
    pub undecodable: u64,
    /// Number of entries that were left out because of the limit on catching up, or by decision.
    pub skipped: u64,
    /// Number of entries that the log has not served so far. They are requested again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// An index was not the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("found index {found}, expected {expected}")]
pub struct OutOfTurn {
    /// The next index according to the ledger.
    pub expected: u64,
    /// The index that was given.
    pub found: u64,
}

impl Ledger {
    /// Creates the ledger of a log that is watched from `first` on.
    pub fn from(first: u64) -> Self {
        Ledger { first, next: first, delivered: 0, undecodable: 0, skipped: 0, missing: 0 }
    }

    /// Records that the entry at `index` was sent to the Broker.
    ///
    /// # Errors
    /// If `index` is not the next one: there would be a gap or a duplicate.
    pub fn deliver(&mut self, index: u64) -> Result<(), OutOfTurn> {
        self.advance(index)?;
        self.delivered += 1;
        Ok(())
    }

    /// Records that the entry at `index` cannot be decoded and is skipped.
    ///
    /// # Errors
    /// If `index` is not the next one.
    pub fn pass_over(&mut self, index: u64) -> Result<(), OutOfTurn> {
        self.advance(index)?;
        self.undecodable += 1;
        Ok(())
    }

    /// Records that the log does not serve the entries from `start` to `end_exclusive`.
    ///
    /// # Errors
    /// If `start` is not the next index.
    pub fn miss(&mut self, start: u64, end_exclusive: u64) -> Result<(), OutOfTurn> {
        if start != self.next {
            return Err(OutOfTurn { expected: self.next, found: start });
        }
        self.next = self.next.max(end_exclusive);
        self.missing += self.next - start;
        Ok(())
    }

    /// Records that entries that were missing have come: `delivered` were sent, and `undecodable` skipped.
    pub fn recover(&mut self, delivered: u64, undecodable: u64) {
        self.missing = self.missing.saturating_sub(delivered.saturating_add(undecodable));
        self.delivered += delivered;
        self.undecodable += undecodable;
    }

    /// Records that `count` missing entries are no longer requested.
    pub fn give_up(&mut self, count: u64) {
        let count = count.min(self.missing);
        self.missing -= count;
        self.skipped += count;
    }

    /// Records that everything before `index` is left out. Does nothing if that is already accounted for.
    pub fn skip_to(&mut self, index: u64) {
        self.skipped += index.saturating_sub(self.next);
        self.next = self.next.max(index);
    }

    /// Whether the counts add up to the number of indexes.
    pub fn adds_up(&self) -> bool {
        let counts = [self.delivered, self.undecodable, self.skipped, self.missing];
        counts.iter().try_fold(self.first, |sum, count| sum.checked_add(*count)) == Some(self.next)
    }

    fn advance(&mut self, index: u64) -> Result<(), OutOfTurn> {
        if index != self.next {
            return Err(OutOfTurn { expected: self.next, found: index });
        }
        self.next += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_each_index_adds_up() {
        let mut ledger = Ledger::from(5);
        ledger.deliver(5).unwrap();
        ledger.pass_over(6).unwrap();
        ledger.skip_to(10);
        ledger.skip_to(3);
        ledger.deliver(10).unwrap();
        ledger.miss(11, 14).unwrap();
        let expected = Ledger { first: 5, next: 14, delivered: 2, undecodable: 1, skipped: 3, missing: 3 };
        assert_eq!(ledger, expected);
        assert!(ledger.adds_up());
        ledger.recover(1, 1);
        assert_eq!(ledger, Ledger { delivered: 3, undecodable: 2, missing: 1, ..expected });
        assert!(ledger.adds_up());
        ledger.give_up(2);
        assert_eq!(ledger, Ledger { delivered: 3, undecodable: 2, missing: 0, skipped: 4, ..expected });
        assert!(ledger.adds_up());
    }

    #[test]
    fn an_account_without_missing_entries_is_written_as_before() {
        let ledger = Ledger::from(5);
        let written = serde_json::to_string(&ledger).unwrap();
        assert_eq!(written, r#"{"first":5,"next":5,"delivered":0,"undecodable":0,"skipped":0}"#);
        assert_eq!(serde_json::from_str::<Ledger>(&written).unwrap(), ledger);
        let missing = Ledger { next: 7, missing: 2, ..ledger };
        let written = serde_json::to_string(&missing).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&written).unwrap(), missing);
    }

    #[test]
    fn a_hole_and_a_repeat_are_found_and_change_nothing() {
        let mut ledger = Ledger::from(5);
        ledger.deliver(5).unwrap();
        let before = ledger;
        assert_eq!(ledger.deliver(7), Err(OutOfTurn { expected: 6, found: 7 }));
        assert_eq!(ledger.pass_over(5), Err(OutOfTurn { expected: 6, found: 5 }));
        assert_eq!(ledger.miss(7, 9), Err(OutOfTurn { expected: 6, found: 7 }));
        assert_eq!(ledger, before);
    }

    #[test]
    fn an_account_that_does_not_add_up_is_seen() {
        assert!(!Ledger { delivered: 1, ..Ledger::from(5) }.adds_up());
        assert!(!Ledger { delivered: u64::MAX, ..Ledger::from(5) }.adds_up());
    }
}
