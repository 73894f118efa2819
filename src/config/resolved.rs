//! What a configuration means. Whoever holds a [`Config`] need not check anything.

use super::clients::ClientLimits;
use super::logs::{ListConfig, LogConfig};
use super::written::Written;
use crate::access::{self, Access};
use crate::log_client::Proxies;
use crate::message::Stream;
use std::net::SocketAddr;
use std::path::PathBuf;
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

/// What is healthy.
#[derive(Debug, Clone, Copy)]
pub struct HealthLimits {
    /// For how long a log may be silent or behind.
    pub log_patience: Duration,
    /// Per cent of the logs that have to deliver, 1 to 100.
    pub ready_percent: u32,
}
