//! The position in a log. Pure.

use super::Ledger;
use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The position in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The URL at which the log was watched last.
    pub url: String,
    /// Accounts for each index so far.
    pub ledger: Ledger,
    /// The verified tree of the entries before the next index. `None` without verification.
    pub tree: Option<CompactTree>,
    /// The newest head that verified the tree.
    pub head: Option<Head>,
    /// The entries before the next index that the log has not served so far, in order.
    pub missing: Arc<Vec<MissingRange>>,
    /// The entries that were passed over by decision, until somebody acknowledges them.
    pub skips: Arc<Vec<Skip>>,
    /// The decision to pass entries over that the next start applies.
    pub decision: Option<Decision>,
    /// Signed heads that the tree has not been compared with yet, in the order of their sizes.
    pub unreconciled: Arc<Vec<Head>>,
}

impl Position {
    /// The position before the entry at `next`, of which nothing else is known.
    pub fn at(url: &str, next: u64) -> Self {
        Position {
            url: url.into(),
            ledger: Ledger::from(next),
            tree: None,
            head: None,
            missing: Arc::default(),
            skips: Arc::default(),
            decision: None,
            unreconciled: Arc::default(),
        }
    }
}

/// The decision of the person who runs this server to pass entries of a log over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// No entry before this index is sent any more.
    pub resume_from: u64,
    /// The reason.
    pub because: String,
}

impl Decision {
    /// Maximum length of the reason, bytes.
    pub const MAX_REASON_BYTES: usize = 1_000;

    /// Resumes from this index, for this reason.
    ///
    /// # Errors
    /// If the reason is empty or too long: what is wrong with it.
    pub fn new(resume_from: u64, because: &str) -> Result<Self, &'static str> {
        match because.trim() {
            "" => Err("expected the reason why the entries before resume_from are not sent"),
            because if because.len() > Self::MAX_REASON_BYTES => Err("expected at most 1,000 bytes"),
            because => Ok(Decision { resume_from, because: because.into() }),
        }
    }
}

/// Entries that are not sent because the person who runs this server has decided so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// The first index.
    pub start: u64,
    /// One past the last index.
    pub end_exclusive: u64,
    /// Number of entries in the range that were not sent.
    pub entries: u64,
    /// The reason that was given.
    pub because: String,
    /// When it was done, unix milliseconds.
    pub at_ms: u64,
}

/// Consecutive entries that a log does not serve, although it serves those behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRange {
    /// The first index.
    pub start: u64,
    /// One past the last index.
    pub end_exclusive: u64,
    /// The verified trees on both sides; `None` without verification.
    pub between: Option<Between>,
}

/// The trees before and behind missing entries. Both are proven, so the entries can be verified when they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Between {
    /// The tree of the entries before them.
    pub before: CompactTree,
    /// The root hash of the tree that ends with them.
    pub root_after: Hash,
}

impl MissingRange {
    /// Number of entries.
    pub fn count(&self) -> u64 {
        self.end_exclusive.saturating_sub(self.start)
    }

    /// What is left without the first `count` entries, which end with the tree `before`. `None` if nothing is.
    pub fn rest(&self, count: u64, before: Option<CompactTree>) -> Option<Self> {
        let start = self.start.saturating_add(count);
        let between = self.between.as_ref().zip(before);
        let between = between.map(|(between, before)| Between { before, root_after: between.root_after });
        (start < self.end_exclusive).then_some(MissingRange {
            start,
            end_exclusive: self.end_exclusive,
            between,
        })
    }
}
