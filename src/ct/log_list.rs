//! Log lists, version 3 of the format. Chrome and Apple publish such lists of the logs that they know.
//!
//! This module parses lists, verifies their signatures and selects the logs to watch. The module `log_list`
//! downloads and stores lists; other modules watch the logs.
//!
//! Chrome's lists have a `log_list_timestamp` and a detached signature. Apple's lists have neither and number
//! their versions differently. Each state in them has the list version in which it was set. They contain
//! every log that ever existed, most of them `rejected`.

pub(crate) mod parse;
mod select;
mod signature;

#[cfg(test)]
pub(crate) mod tests;

pub use parse::{BrokenLog, LogFault, LogListError, MAX_LIST_BYTES, ParsedList, parse};
pub use select::{NotSelected, Rule, RuleError, Selection};
pub use signature::{CHROME_KEY_PEM, MAX_SIGNATURE_BYTES, SignatureError, verify_signature};

use super::source::bare_url;
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// SHA-256 of a log's public key, RFC 6962 section 3.2.
pub type LogId = [u8; 32];

/// The parsed content of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogList {
    /// The list's own version: for example `85.92` (Chrome) or `511` (Apple).
    pub version: String,
    /// When the list was created. Apple's lists do not contain it.
    pub timestamp: Option<DateTime<Utc>>,
    /// The logs in the order of the list. Log ids are unique.
    pub logs: Vec<ListedLog>,
}

/// One log of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLog {
    /// The operator's name.
    pub operator: String,
    /// The log's name. Lists do not guarantee that it is unique.
    pub description: String,
    /// SHA-256 of `key`. Parsing verifies it.
    pub log_id: LogId,
    /// DER SubjectPublicKeyInfo.
    pub key: Vec<u8>,
    /// The log's URLs and protocol.
    pub endpoint: Endpoint,
    /// The log's state according to the publisher of the list.
    pub state: LogState,
    /// Maximum merge delay, in seconds.
    pub mmd_s: u64,
    /// The expiry dates of the certificates that the log accepts. `None` if it accepts all dates.
    pub temporal_interval: Option<TemporalInterval>,
    /// Whether this is a test log, whose certificates are not meaningful.
    pub test: bool,
    /// Whether the list entry is trusted: a signature covers it, or the list comes from this machine or its
    /// network. Such a log may have any address. Other logs are fetched from the public internet only.
    pub vouched_for: bool,
}

/// The URLs of a log, by protocol. They are as in the list: with scheme, mostly with a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// RFC 6962.
    Rfc6962 {
        /// Prefix of `ct/v1/…`.
        url: String,
    },
    /// static-ct-api.
    StaticCt {
        /// Prefix of `ct/v1/add-chain` and similar paths. Without its scheme it is the checkpoint's origin.
        submission_url: String,
        /// Prefix of `checkpoint` and `tile/…`.
        monitoring_url: String,
    },
}

impl Endpoint {
    /// The prefix for fetching entries.
    pub fn url(&self) -> &str {
        match self {
            Endpoint::Rfc6962 { url } => url,
            Endpoint::StaticCt { monitoring_url, .. } => monitoring_url,
        }
    }

    /// The origin line of a static log's checkpoints: the submission prefix "as a schema-less URL with no
    /// trailing slashes".
    pub fn origin(&self) -> Option<&str> {
        match self {
            Endpoint::Rfc6962 { .. } => None,
            Endpoint::StaticCt { submission_url, .. } => Some(bare_url(submission_url)),
        }
    }

    fn urls(&self) -> impl Iterator<Item = &str> {
        let submission = match self {
            Endpoint::Rfc6962 { .. } => None,
            Endpoint::StaticCt { submission_url, .. } => Some(submission_url.as_str()),
        };
        std::iter::once(self.url()).chain(submission)
    }
}

/// The expiry dates of the certificates that a log takes, in unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemporalInterval {
    /// Earliest accepted `notAfter`.
    pub start_unix_s: i64,
    /// End of the interval, exclusive: the first `notAfter` that is not accepted.
    pub end_unix_s: i64,
}

/// The state of a log in a browser's log program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogState {
    /// The list gives no state, because nobody applied for the log to be trusted. Chrome's test logs have no
    /// state.
    Undecided,
    /// The operator has applied; there is no decision yet.
    Pending,
    /// Trusted, but not yet by all browser versions in use.
    Qualified,
    /// Trusted.
    Usable,
    /// Trusted, but accepts no new entries.
    Readonly,
    /// Trusted only for SCTs from before its retirement. The log may no longer exist.
    Retired,
    /// Not trusted.
    Rejected,
}

impl LogState {
    /// All states, in the order of a log's life cycle.
    pub const ALL: [LogState; 7] = [
        LogState::Undecided,
        LogState::Pending,
        LogState::Qualified,
        LogState::Usable,
        LogState::Readonly,
        LogState::Retired,
        LogState::Rejected,
    ];

    /// The name of the state in lists; `undecided` for a log without a state.
    pub fn as_str(self) -> &'static str {
        match self {
            LogState::Undecided => "undecided",
            LogState::Pending => "pending",
            LogState::Qualified => "qualified",
            LogState::Usable => "usable",
            LogState::Readonly => "readonly",
            LogState::Retired => "retired",
            LogState::Rejected => "rejected",
        }
    }
}

impl fmt::Display for LogState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no log state is called {0:?}; they are undecided, pending, qualified, usable, readonly, retired, rejected"
)]
pub struct UnknownState(pub String);

impl FromStr for LogState {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| UnknownState(word.into()))
    }
}

/// Maximum merge delays above this value are reduced to it.
const MAX_MERGE_DELAY_S: u64 = 7 * 24 * 3600;

impl ListedLog {
    /// Whether the log can have no new entries, because of its temporal interval.
    ///
    /// A log accepts a certificate until the certificate expires. It may publish the entry as late as one
    /// maximum merge delay after that.
    pub fn is_over(&self, now_unix_s: i64) -> bool {
        let delay = i64::try_from(self.mmd_s.min(MAX_MERGE_DELAY_S)).unwrap_or(i64::MAX);
        self.temporal_interval.is_some_and(|interval| interval.end_unix_s.saturating_add(delay) <= now_unix_s)
    }
}

/// Most of the previous list's logs are missing in its replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("of the {previous} logs listed until now only {kept} are still there")]
pub struct MostAreGone {
    /// Number of logs in the previous list whose interval is not over.
    pub previous: usize,
    /// Number of those logs that are in the new list, in any state.
    pub kept: usize,
}

impl LogList {
    /// Merges lists. If several lists contain a log, the first list's entry is used, including its state.
    /// Version and timestamp are also those of the first list.
    pub fn merge(lists: impl IntoIterator<Item = LogList>) -> LogList {
        let mut lists = lists.into_iter();
        let mut merged = lists.next().unwrap_or_default();
        let mut seen: HashSet<LogId> = merged.logs.iter().map(|log| log.log_id).collect();
        for list in lists {
            merged.logs.extend(list.logs.into_iter().filter(|log| seen.insert(log.log_id)));
        }
        merged
    }

    /// Checks that this list is a plausible replacement for `previous`. Logs come and go a few at a time. A
    /// list without most of the previous logs is therefore treated as a mistake of its publisher; using it
    /// would stop nearly all watchers.
    ///
    /// # Errors
    /// If the list has fewer than half of the previous list's logs. Logs whose interval is over at
    /// `now_unix_s` do not count, because many of them leave a list at once at New Year.
    pub fn may_follow(&self, previous: &LogList, now_unix_s: i64) -> Result<(), MostAreGone> {
        let ids: HashSet<LogId> = self.logs.iter().map(|log| log.log_id).collect();
        let alive: Vec<&ListedLog> = previous.logs.iter().filter(|log| !log.is_over(now_unix_s)).collect();
        let kept = alive.iter().filter(|log| ids.contains(&log.log_id)).count();
        if kept * 2 < alive.len() { Err(MostAreGone { previous: alive.len(), kept }) } else { Ok(()) }
    }
}
