//! The account of one log: what became of each index. Pure.

use serde::{Deserialize, Serialize};

/// Every index from `first` to `next` is in exactly one of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The index that watching began at.
    pub first: u64,
    /// The next index to be accounted for.
    pub next: u64,
    /// Entries handed to the Broker.
    pub delivered: u64,
    /// Entries passed over because no certificate could be found in them.
    pub undecodable: u64,
    /// Entries left out because catching up was limited.
    pub skipped: u64,
}

/// An index was to be accounted for out of turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("index {found} came where {expected} was due")]
pub struct OutOfTurn {
    /// The next index by the account.
    pub expected: u64,
    /// The one that came.
    pub found: u64,
}

impl Ledger {
    /// The account of a log that is watched from `first` on.
    pub fn from(first: u64) -> Self {
        Ledger { first, next: first, delivered: 0, undecodable: 0, skipped: 0 }
    }

    /// The entry at `index` is handed to the Broker.
    ///
    /// # Errors
    /// Where another is due: there would be a hole or a repeat.
    pub fn deliver(&mut self, index: u64) -> Result<(), OutOfTurn> {
        self.advance(index)?;
        self.delivered += 1;
        Ok(())
    }

    /// The entry at `index` cannot be decoded and is passed over.
    ///
    /// # Errors
    /// Where another is due.
    pub fn pass_over(&mut self, index: u64) -> Result<(), OutOfTurn> {
        self.advance(index)?;
        self.undecodable += 1;
        Ok(())
    }

    /// Leaves out everything before `index`; nothing if that is behind us.
    pub fn skip_to(&mut self, index: u64) {
        self.skipped += index.saturating_sub(self.next);
        self.next = self.next.max(index);
    }

    /// Whether each index is accounted for.
    pub fn adds_up(&self) -> bool {
        let counts = [self.delivered, self.undecodable, self.skipped];
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
        assert_eq!(ledger, Ledger { first: 5, next: 11, delivered: 2, undecodable: 1, skipped: 3 });
        assert!(ledger.adds_up());
    }

    #[test]
    fn a_hole_and_a_repeat_are_found_and_change_nothing() {
        let mut ledger = Ledger::from(5);
        ledger.deliver(5).unwrap();
        let before = ledger;
        assert_eq!(ledger.deliver(7), Err(OutOfTurn { expected: 6, found: 7 }));
        assert_eq!(ledger.pass_over(5), Err(OutOfTurn { expected: 6, found: 5 }));
        assert_eq!(ledger, before);
    }

    #[test]
    fn an_account_that_does_not_add_up_is_seen() {
        assert!(!Ledger { delivered: 1, ..Ledger::from(5) }.adds_up());
        assert!(!Ledger { delivered: u64::MAX, ..Ledger::from(5) }.adds_up());
    }
}
