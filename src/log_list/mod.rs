//! Where log lists come from: browsers' servers, the folder where the last ones are kept, and the snapshot
//! built into the binary.
//!
//! ```text
//! start:       saved list ─ else ─► snapshot ──► in force, with its Origin
//! every hour:  request, conditional ─► signature ─► parse ─► follows the previous one? ─► saved ─► in force
//!                                          any step fails: an error; what was in force stays in force
//! ```
//!
//! What a list means is `ct::log_list`'s business. When to ask, which of a list's logs to watch, and starting
//! and stopping that, is decided by whoever asks.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod client;
pub(crate) mod download;
mod error;
pub(crate) mod saved;
mod source;

#[cfg(test)]
mod tests;

pub use client::{LogListClient, Refreshed};
pub use error::ListError;
pub use source::{ListSource, Signed, Unbelievable};

use crate::ct::log_list::{BrokenLog, LogList, LogListError, ParsedList, parse};
use crate::log_client::Proxies;
use chrono::{DateTime, Utc};
use openssl::ssl::SslConnector;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What requests for lists are made with.
#[derive(Clone)]
pub struct HttpSettings {
    /// Whom TLS trusts.
    pub tls: SslConnector,
    /// What is between us and the lists.
    pub proxies: Proxies,
    /// Longest time from a request to the last byte of its answer, redirects included.
    pub timeout: Duration,
    /// The User-Agent header.
    pub user_agent: String,
}

/// The list that is in force, and where it is from.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Its logs.
    pub list: LogList,
    /// Where it is from.
    pub origin: Origin,
}

/// Where a list is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Its publisher sent it, or said that it is still the newest.
    Fetched {
        /// When.
        at: DateTime<Utc>,
    },
    /// It was kept on disk.
    Saved {
        /// The file.
        path: PathBuf,
        /// When its publisher sent it.
        fetched: DateTime<Utc>,
    },
    /// It was built into the binary.
    BuiltIn {
        /// When its publisher made it.
        made: Option<DateTime<Utc>>,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: &str = "%Y-%m-%d %H:%M UTC";
        match self {
            Origin::Fetched { at } => write!(f, "fetched {}", at.format(MINUTE)),
            Origin::Saved { path, fetched } => {
                write!(f, "saved in {}, fetched {}", path.display(), fetched.format(MINUTE))
            }
            Origin::BuiltIn { made: Some(made) } => write!(f, "built in, of {}", made.format("%Y-%m-%d")),
            Origin::BuiltIn { made: None } => f.write_str("built in"),
        }
    }
}

/// What is in force until `source` can be asked: the list that was last fetched from it, if `dir` still has it
/// in good order, else the built-in [`snapshot`].
///
/// A saved list that cannot be used is named in the log, with the reason.
pub fn fallback(source: &ListSource, dir: &Path) -> InForce {
    match saved::load_or_warn(source, dir) {
        Some(kept) => InForce { list: kept.list, origin: kept.origin },
        None => built_in(),
    }
}

/// The list that was built into the binary: the facts of Chrome's, by `scripts/snapshot_log_list.py`.
///
/// # Errors
/// None, unless the snapshot was not made as it should be.
pub fn snapshot() -> Result<ParsedList, LogListError> {
    let mut parsed = parse(include_bytes!("snapshot.json"))?;
    parsed.list.logs.iter_mut().for_each(|log| log.vouched_for = true);
    Ok(parsed)
}

fn built_in() -> InForce {
    // That the snapshot can be read is what tests are for; were it not, there would still be the other lists.
    let list = snapshot().map(|parsed| parsed.list).unwrap_or_else(|error| {
        log::error!("the built-in log list cannot be used: {error}");
        LogList::default()
    });
    let origin = Origin::BuiltIn { made: list.timestamp };
    InForce { list, origin }
}

/// Most lines in the log file about the logs of one list that could not be read: a list that is broken throughout is one
/// mistake, not a thousand.
pub(crate) const MAX_BROKEN_LINES: usize = 10;

/// One line for each log that a list has and that could not be read.
fn warn_of(broken: &[BrokenLog], source: &ListSource) {
    for log in broken.iter().take(MAX_BROKEN_LINES) {
        log::warn!("log list {}: left out {log}", source.name);
    }
    if let Some(more @ 1..) = broken.len().checked_sub(MAX_BROKEN_LINES) {
        log::warn!("log list {}: left out {more} more logs", source.name);
    }
}
