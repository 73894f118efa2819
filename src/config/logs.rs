//! The logs to watch.

use super::watch::{Verification, WatchSettings};
use crate::ct::log_list::{self, ListedLog, LogList, LogState, NotSelected, Selection, TemporalInterval};
use crate::ct::merkle::Hash;
use crate::ct::source::{Protocol, Source};
use crate::http_client::Reach;
use crate::log_client::StaticCtLog;
use crate::log_list::ListSource;
use crate::state::Decision;
use openssl::pkey::{PKey, Public};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A log to watch.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// The log's identity in messages.
    pub source: Arc<Source>,
    /// The log's operator. It may be empty.
    pub operator: String,
    /// The protocol and its settings.
    pub endpoint: LogEndpoint,
    /// How the log is watched.
    pub watch: WatchSettings,
    /// The log's data in its list, if it is from one.
    pub listed: Option<ListedFacts>,
    /// The addresses that the log may have.
    pub reach: Reach,
    /// The decision to pass entries over.
    pub decision: Option<Decision>,
}

/// Settings for a single log, which take precedence over those for all logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// Whether entries are sent only after they are proven to be in the tree.
    pub verify: Option<bool>,
    /// The decision to pass entries over.
    pub decision: Option<Decision>,
}

impl LogSettings {
    /// `watch` with these settings.
    pub(super) fn apply(&self, watch: WatchSettings) -> WatchSettings {
        WatchSettings { verify: self.verify.unwrap_or(watch.verify), ..watch }
    }
}

impl LogConfig {
    /// Whether both are watched in the same way, regardless of the data in lists.
    pub fn watched_as(&self, other: &LogConfig) -> bool {
        let (a, b) = (&self.source, &other.source);
        let same_log = a.url() == b.url() && a.log_id() == b.log_id() && a.protocol() == b.protocol();
        let called_the_same = a.name() == b.name() && self.operator == other.operator;
        let reached_the_same = self.reach == other.reach;
        let treated_the_same = self.watch.verify == other.watch.verify && self.decision == other.decision;
        let is_origin_the_same = self.endpoint.origin() == other.endpoint.origin();
        same_log && called_the_same && reached_the_same && treated_the_same && is_origin_the_same
    }

    /// The verification of an entry before it is sent.
    pub fn verification(&self) -> Verification {
        match self.source.log_id() {
            _ if !self.watch.verify => Verification::Off,
            Some(_) => Verification::Signed,
            None => Verification::Unsigned,
        }
    }
}

/// Data about a log from a list, for people to read.
#[derive(Debug, Clone, Copy)]
pub struct ListedFacts {
    /// The log's state in the browser's log program.
    pub state: LogState,
    /// The expiry dates of the certificates that the log accepts.
    pub temporal_interval: Option<TemporalInterval>,
}

/// The protocol of a log, and the data that it needs.
#[derive(Debug, Clone)]
pub enum LogEndpoint {
    /// RFC 6962, at the source's URL.
    Rfc6962 {
        /// The log's key. Without a key, heads are accepted without verifying their signature.
        key: Option<PKey<Public>>,
    },
    /// static-ct-api.
    StaticCt(StaticCtLog),
}

impl LogEndpoint {
    /// The origin in the log's checkpoints, if it has checkpoints.
    pub fn origin(&self) -> Option<&str> {
        match self {
            LogEndpoint::Rfc6962 { .. } => None,
            LogEndpoint::StaticCt(log) => Some(&log.origin),
        }
    }
}

/// The lists to follow, and the logs to select from them.
#[derive(Debug, Clone)]
pub struct ListConfig {
    /// At least one list. If several lists contain a log, the first one is used.
    pub sources: Vec<ListSource>,
    /// Interval between requests for a list.
    pub refresh_interval: Duration,
    /// The selection criteria.
    pub selection: Selection,
    /// How the logs are watched. They start at the head.
    pub watch: WatchSettings,
    /// Whether logs on untrusted lists may have any address.
    pub allow_internal: bool,
    /// Settings for single logs, by log id.
    pub log_settings: BTreeMap<Hash, LogSettings>,
}

impl ListConfig {
    /// The logs of `list` that are to be watched at `now_unix_s`.
    pub fn select(&self, list: &LogList, now_unix_s: i64) -> Vec<LogConfig> {
        let selected = self.selection.select(list, now_unix_s).into_iter();
        selected.filter_map(|log| self.resolve(log)).collect()
    }
}

impl ListConfig {
    /// The logs of `list` that are not watched at `now_unix_s`, and why.
    pub fn left_out<'a>(&self, list: &'a LogList, now_unix_s: i64) -> Vec<(&'a ListedLog, NotSelected)> {
        self.selection.left_out(list, now_unix_s)
    }

    fn reach(&self, log: &ListedLog) -> Reach {
        if self.allow_internal || log.vouched_for { Reach::Anywhere } else { Reach::PublicOnly }
    }
}

impl ListConfig {
    /// The configuration of a log from a list. `None` if its key is not allowed for logs.
    fn resolve(&self, log: &ListedLog) -> Option<LogConfig> {
        let settings = self.log_settings.get(&log.log_id).cloned().unwrap_or_default();
        let (watch, reach) = (settings.apply(self.watch), self.reach(log));
        let key = PKey::public_key_from_der(&log.key);
        let key = key.inspect_err(|e| log::warn!("{}: its key cannot be read: {e}", log.description)).ok()?;
        let (protocol, endpoint) = match &log.endpoint {
            log_list::Endpoint::Rfc6962 { .. } => {
                (Protocol::Rfc6962, LogEndpoint::Rfc6962 { key: Some(key) })
            }
            log_list::Endpoint::StaticCt { monitoring_url, .. } => {
                let (url, origin) =
                    (monitoring_url.clone(), log.endpoint.origin().unwrap_or_default().into());
                let static_ct = StaticCtLog { url, origin, key: Some(key), log_id: Some(log.log_id) };
                (Protocol::StaticCt, LogEndpoint::StaticCt(static_ct))
            }
        };
        let source =
            Source::new(log.endpoint.url(), &log.description, &log.operator, Some(log.log_id), protocol);
        let listed = Some(ListedFacts { state: log.state, temporal_interval: log.temporal_interval });
        let operator = log.operator.clone();
        let decision = settings.decision;
        Some(LogConfig { source: Arc::new(source), operator, endpoint, watch, listed, reach, decision })
    }
}
