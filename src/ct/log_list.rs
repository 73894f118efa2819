//! Log lists, version 3 of the format: what Chrome and Apple publish about the logs that they know.
//!
//! Here lists are read, their signatures checked, and the logs that are to be watched chosen. Fetching and
//! keeping lists is the business of the module `log_list`, watching their logs that of others.
//!
//! Chrome's lists have a `log_list_timestamp` and a detached signature. Apple's have neither, number their
//! versions differently, tell in each state since which version it holds, and keep every log that ever was,
//! most of them `rejected`.

pub(crate) mod parse;
mod select;
mod signature;

#[cfg(test)]
pub(crate) mod tests;

pub use parse::{BrokenLog, LogFault, LogListError, MAX_LIST_BYTES, ParsedList, parse};
pub use select::{Rule, RuleError, Selection};
pub use signature::{CHROME_KEY_PEM, MAX_SIGNATURE_BYTES, SignatureError, verify_signature};

use super::source::bare_url;
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// SHA-256 of a log's public key, RFC 6962 section 3.2.
pub type LogId = [u8; 32];

/// What a list says, as far as it could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogList {
    /// The list's own name for its version: `85.92` at Chrome, `511` at Apple.
    pub version: String,
    /// When the list was made; Apple does not say.
    pub timestamp: Option<DateTime<Utc>>,
    /// In the order of the list; no log id twice.
    pub logs: Vec<ListedLog>,
}

/// One log of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLog {
    /// The operator's name.
    pub operator: String,
    /// The log's name; lists do not promise that it is unique.
    pub description: String,
    /// SHA-256 of `key`, checked.
    pub log_id: LogId,
    /// DER SubjectPublicKeyInfo.
    pub key: Vec<u8>,
    /// Where the log is, and what it speaks.
    pub endpoint: Endpoint,
    /// How the list's publisher sees the log.
    pub state: LogState,
    /// Maximum merge delay, in seconds.
    pub mmd_s: u64,
    /// When the certificates expire that the log takes; none takes them all.
    pub temporal_interval: Option<TemporalInterval>,
    /// A test log: its certificates mean nothing.
    pub test: bool,
    /// Whether a signature vouches for what the list says of it, or the list is one of this machine or its network: such
    /// a log may be anywhere. Others are fetched from the public internet only.
    pub vouched_for: bool,
}

/// Where a log is, by protocol. URLs are as the list has them: with scheme, mostly with a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// RFC 6962.
    Rfc6962 {
        /// Prefix of `ct/v1/…`.
        url: String,
    },
    /// static-ct-api.
    StaticCt {
        /// Prefix of `ct/v1/add-chain` and its like. Without scheme it is the checkpoint's origin.
        submission_url: String,
        /// Prefix of `checkpoint` and `tile/…`.
        monitoring_url: String,
    },
}

impl Endpoint {
    /// The prefix that entries are fetched under.
    pub fn url(&self) -> &str {
        match self {
            Endpoint::Rfc6962 { url } => url,
            Endpoint::StaticCt { monitoring_url, .. } => monitoring_url,
        }
    }

    /// The origin line of a static log's checkpoints: its submission prefix "as a schema-less URL with no
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
    /// Earliest `notAfter` that is taken.
    pub start_unix_s: i64,
    /// First `notAfter` that is not taken any more.
    pub end_unix_s: i64,
}

/// How far a log has come on its way into a browser and out of it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogState {
    /// The list gives no state: nobody asked for the log to be trusted. So are Chrome's test logs.
    Undecided,
    /// Asked for, not decided.
    Pending,
    /// Trusted, not yet by all browsers in use.
    Qualified,
    /// Trusted.
    Usable,
    /// Trusted, takes no new entries.
    Readonly,
    /// Trusted for SCTs from before it was retired; it may be gone.
    Retired,
    /// Not trusted.
    Rejected,
}

impl LogState {
    /// All of them, in the order of a log's life.
    pub const ALL: [LogState; 7] = [
        LogState::Undecided,
        LogState::Pending,
        LogState::Qualified,
        LogState::Usable,
        LogState::Readonly,
        LogState::Retired,
        LogState::Rejected,
    ];

    /// The list's word for the state; for none, `undecided`.
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

/// A word that is no state of a log.
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

/// Merge delays beyond this are taken for this one.
const MAX_MERGE_DELAY_S: u64 = 7 * 24 * 3600;

impl ListedLog {
    /// Whether nothing new can come from the log, because of its temporal interval.
    ///
    /// A log takes a certificate up to the moment when it expires, and may show it as late as a maximum merge
    /// delay after that.
    pub fn is_over(&self, now_unix_s: i64) -> bool {
        let delay = i64::try_from(self.mmd_s.min(MAX_MERGE_DELAY_S)).unwrap_or(i64::MAX);
        self.temporal_interval.is_some_and(|interval| interval.end_unix_s.saturating_add(delay) <= now_unix_s)
    }
}

/// Most of the logs are missing from a list that should replace another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("of the {previous} logs listed until now only {kept} are still there")]
pub struct MostAreGone {
    /// Logs of the previous list that are not over.
    pub previous: usize,
    /// How many of them the new list has, in whatever state.
    pub kept: usize,
}

impl LogList {
    /// The logs of all lists. Of a log that several lists have, the first list's word is taken, state and all;
    /// version and timestamp are the first list's too.
    pub fn merge(lists: impl IntoIterator<Item = LogList>) -> LogList {
        let mut lists = lists.into_iter();
        let mut merged = lists.next().unwrap_or_default();
        let mut seen: HashSet<LogId> = merged.logs.iter().map(|log| log.log_id).collect();
        for list in lists {
            merged.logs.extend(list.logs.into_iter().filter(|log| seen.insert(log.log_id)));
        }
        merged
    }

    /// Whether this list may follow `previous`. Logs come and go a few at a time, so a list without most of
    /// the logs is taken for a mistake, whoever made it: believing it would stop nearly all watchers.
    ///
    /// # Errors
    /// When fewer than half of the previous list's logs are here. Those whose interval is over at
    /// `now_unix_s` do not count: they go in large numbers, on New Year's Day.
    pub fn may_follow(&self, previous: &LogList, now_unix_s: i64) -> Result<(), MostAreGone> {
        let ids: HashSet<LogId> = self.logs.iter().map(|log| log.log_id).collect();
        let alive: Vec<&ListedLog> = previous.logs.iter().filter(|log| !log.is_over(now_unix_s)).collect();
        let kept = alive.iter().filter(|log| ids.contains(&log.log_id)).count();
        if kept * 2 < alive.len() { Err(MostAreGone { previous: alive.len(), kept }) } else { Ok(()) }
    }
}
