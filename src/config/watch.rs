//! Settings for watching a log.

use std::fmt;
use std::time::Duration;

/// Where to start in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the entries after the first head.
    Head,
    /// At this index.
    Index(u64),
    /// At this many entries before the first head, or at the log's beginning.
    BeforeHead(u64),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Head => f.write_str("the head"),
            Start::Index(index) => write!(f, "index {index}"),
            Start::BeforeHead(count) => write!(f, "{count} entries before the head"),
        }
    }
}

/// Settings for watching a log.
#[derive(Debug, Clone, Copy)]
pub struct WatchSettings {
    /// Where to start.
    pub start: Start,
    /// Minimum interval between requests for a head. The actual interval adapts to the log.
    pub poll_interval: Duration,
    /// How long the server waits for a partial tile to become full before it reads its entries.
    pub partial_tile_wait: Duration,
    /// Maximum number of entries per request.
    pub page_size: u64,
    /// Maximum number of simultaneous requests for entries.
    pub in_flight: usize,
    /// Whether entries are sent only after they are proven to be in the tree.
    pub verify: bool,
    /// Maximum number of entries that a restart catches up on; `None` for all.
    pub catch_up: Option<u64>,
}

/// The verification of an entry before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    /// The entry is in the tree that the log has signed.
    Signed,
    /// The entry is in the tree of an unverified head; the log's key is not known.
    Unsigned,
    /// No verification.
    Off,
}
