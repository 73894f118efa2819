//! What a configuration means. Whoever holds a [`Config`] need not check anything.

use super::resolve::listed_log;
use super::written::Written;
use crate::access::{self, Access};
use crate::actors::log_watcher::{Verification, WatchSettings};
use crate::actors::outbox::QueueLimits;
use crate::ct::log_list::{ListedLog, LogList, LogState, Selection, TemporalInterval};
use crate::log_client::{Proxies, Reach, StaticCtLog};
use crate::log_list::ListSource;
use crate::message::{Source, Stream};
use openssl::pkey::{PKey, Public};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect; an unspecified IPv6 address stands for both families.
    pub listen: SocketAddr,
    /// The streams that clients can have, at least one.
    pub streams: Vec<Stream>,
    /// What `/` streams, one of these.
    pub root_stream: Stream,
    /// Path of the statistics.
    pub stats_path: String,
    /// HTTP threads, at least 1.
    pub workers: usize,
    /// Where the statistics and the metrics are, if not there.
    pub admin_listen: Option<SocketAddr>,
    /// What connections are encrypted with, if they are.
    pub tls: Option<TlsFiles>,
    /// Who may connect, and hear what.
    pub access: Access,
    /// Whether other rules may be put in force that open what these keep closed.
    pub allow_opening: bool,
    /// How long a client may take to say what it wants.
    pub handshake_timeout: Duration,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// What a client may cost.
    pub clients: ClientLimits,
    /// Messages kept for the JSON routes, at least 1.
    pub newest_messages: usize,
    /// What is healthy.
    pub health: HealthLimits,
    /// What is between us and the logs.
    pub proxies: Proxies,
    /// Longest time for a log's answer.
    pub fetch_timeout: Duration,
    /// Whether names are enough, and are read from names tiles where logs have them.
    pub names_tiles: bool,
    /// Most requests to one operator at the same time, at least 1.
    pub operator_requests_at_once: usize,
    /// Most requests to one operator per second, at least 1.
    pub operator_requests_per_second: u32,
    /// The User-Agent that logs see.
    pub user_agent: String,
    /// Whether it says how to reach whoever runs this server.
    pub names_contact: bool,
    /// Folder for what is kept on disk.
    pub state_dir: PathBuf,
    /// Whether positions are kept there; else each start begins anew.
    pub keeps_positions: bool,
    /// How long a restart waits for the clients that were connected before.
    pub clients_wait: Duration,
    /// The level of the log file.
    pub log_level: log::LevelFilter,
    /// The lists to follow; without any, there is at least one log.
    pub lists: Option<ListConfig>,
    /// The logs to watch whatever the lists say.
    pub logs: Vec<LogConfig>,
    /// What this was made of.
    pub written: Written,
}

impl Config {
    /// What is allowed, and is hardly meant.
    pub fn warnings(&self) -> Vec<String> {
        access::warnings(&self.access, self.admin_listen.is_some())
    }
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then those of its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Which lists to follow, and what of them to watch.
#[derive(Debug, Clone)]
pub struct ListConfig {
    /// At least one; what the first says of a log counts.
    pub sources: Vec<ListSource>,
    /// Time between requests for a list.
    pub refresh_interval: Duration,
    /// The logs that are wanted.
    pub selection: Selection,
    /// How they are watched: from the head on.
    pub watch: WatchSettings,
    /// Whether logs that nobody vouches for are fetched wherever they are.
    pub allow_internal: bool,
}

impl ListConfig {
    /// The logs of `list` that are to be watched at `now_unix_s`.
    pub fn select(&self, list: &LogList, now_unix_s: i64) -> Vec<LogConfig> {
        let selected = self.selection.select(list, now_unix_s).into_iter();
        selected.filter_map(|log| listed_log(log, self.watch, self.reach(log))).collect()
    }
}

impl ListConfig {
    fn reach(&self, log: &ListedLog) -> Reach {
        if self.allow_internal || log.vouched_for { Reach::Anywhere } else { Reach::PublicOnly }
    }
}

/// What a client may cost.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// How long messages are collected before they are handed out together.
    pub flush_interval: Duration,
    /// What may wait for it.
    pub queue: QueueLimits,
    /// Bytes that may wait for all of them together.
    pub all_queues_bytes: usize,
    /// Bytes that all connections whose clients take nothing may hold together, in the kernel and in answers.
    pub all_unsent_bytes: usize,
    /// Whether messages are compressed for WebSocket clients that offer it.
    pub deflate: bool,
    /// How long it may take nothing.
    pub stall_timeout: Duration,
    /// Time between our pings.
    pub ping_interval: Duration,
    /// How long it may say nothing, not even in answer to a ping.
    pub pong_timeout: Duration,
}

/// What is healthy.
#[derive(Debug, Clone, Copy)]
pub struct HealthLimits {
    /// For how long a log may be silent or behind.
    pub log_patience: Duration,
    /// Per cent of the logs that have to deliver, 1 to 100.
    pub ready_percent: u32,
}

/// A log to watch.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// What messages say of it.
    pub source: Arc<Source>,
    /// Who runs it; may be empty.
    pub operator: String,
    /// How it is asked.
    pub endpoint: Endpoint,
    /// How it is watched.
    pub watch: WatchSettings,
    /// What its list says of it, if it is from one.
    pub listed: Option<ListedFacts>,
    /// Where it may be.
    pub reach: Reach,
}

impl LogConfig {
    /// Whether it is to be watched in the same way as `other`, whatever lists say of it.
    pub fn watched_as(&self, other: &LogConfig) -> bool {
        let (a, b) = (&self.source, &other.source);
        let same_log = a.url() == b.url() && a.log_id() == b.log_id() && a.protocol() == b.protocol();
        let called_the_same = a.name() == b.name() && self.operator == other.operator;
        let reached_the_same = self.reach == other.reach;
        same_log && called_the_same && reached_the_same && self.endpoint.origin() == other.endpoint.origin()
    }

    /// What is checked before one of its entries is sent.
    pub fn verification(&self) -> Verification {
        match self.source.log_id() {
            _ if !self.watch.verify => Verification::Off,
            Some(_) => Verification::Signed,
            None => Verification::Unsigned,
        }
    }
}

/// What a list says of a log, for people to read.
#[derive(Debug, Clone, Copy)]
pub struct ListedFacts {
    /// Whether browsers trust it.
    pub state: LogState,
    /// When the certificates end that it takes.
    pub temporal_interval: Option<TemporalInterval>,
}

/// The protocol of a log, and what it takes to speak it.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// RFC 6962, at the source's URL.
    Rfc6962 {
        /// The log's key; without one, heads are believed unsigned.
        key: Option<PKey<Public>>,
    },
    /// static-ct-api.
    StaticCt(StaticCtLog),
}

impl Endpoint {
    /// The name in the log's checkpoints, if it has any.
    pub fn origin(&self) -> Option<&str> {
        match self {
            Endpoint::Rfc6962 { .. } => None,
            Endpoint::StaticCt(log) => Some(&log.origin),
        }
    }
}
