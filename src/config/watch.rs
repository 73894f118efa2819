//! How a log is watched.

use std::fmt;
use std::time::Duration;

/// Where to begin in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the entries that come after the first head we see.
    Head,
    /// At this index.
    Index(u64),
    /// So many entries before the first head we see, or at the log's beginning.
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

/// How a log is watched.
#[derive(Debug, Clone, Copy)]
pub struct WatchSettings {
    /// Where to begin.
    pub start: Start,
    /// Shortest beat of the log's heads that is followed.
    pub poll_interval: Duration,
    /// How long entries in a tile that is not full may wait for it to become full.
    pub partial_tile_wait: Duration,
    /// Most entries to ask for at once.
    pub page_size: u64,
    /// Most requests for entries at the same time.
    pub in_flight: usize,
    /// Whether entries are sent only when they are proven to be in the tree.
    pub verify: bool,
    /// Most entries that a restart catches up with; `None` for all.
    pub catch_up: Option<u64>,
}

/// What is checked before an entry is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verification {
    /// It is in the tree that the log has signed.
    Signed,
    /// It is in the tree that the log says to have; its key is not known.
    Unsigned,
    /// Nothing.
    Off,
}
