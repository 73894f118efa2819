//! The resolved configuration. A [`Config`] is valid, so its users need not check anything.

use super::clients::ClientLimits;
use super::cluster::{ClusterConfig, Role};
use super::filters::FilterConfig;
use super::logs::{ListConfig, LogConfig};
use super::outputs::OutputConfig;
use super::values::Verify;
use super::written::Written;
use crate::access::{self, Access};
use crate::http_client::Proxies;
use crate::message::Stream;
use crate::unique::UniqueLimits;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address for clients. An unspecified IPv6 address stands for both address families.
    pub listen: SocketAddr,
    /// The streams that are offered, at least one.
    pub streams: Vec<Stream>,
    /// The stream of `/`, one of `streams`.
    pub root_stream: Stream,
    /// The path of the statistics.
    pub stats_path: String,
    /// Number of HTTP threads, at least 1.
    pub workers: usize,
    /// The address of a separate listener for the statistics and the metrics, if configured.
    pub admin_listen: Option<SocketAddr>,
    /// The TLS files, if TLS is enabled.
    pub tls: Option<TlsFiles>,
    /// Who may connect and which streams they may receive.
    pub access: Access,
    /// The filters that have a name.
    pub filters: Vec<FilterConfig>,
    /// Where the server itself delivers messages.
    pub outputs: Vec<OutputConfig>,
    /// Whether a reload may remove restrictions of `access`.
    pub allow_opening: bool,
    /// How long a client may take to send its request.
    pub handshake_timeout: Duration,
    /// Interval between heartbeats.
    pub heartbeat_interval: Duration,
    /// The resources that a client may use.
    pub clients: ClientLimits,
    /// Number of messages that are kept for the JSON routes, at least 1.
    pub newest_messages: usize,
    /// Thresholds of the health checks.
    pub health: HealthLimits,
    /// The HTTP proxies for requests to logs.
    pub proxies: Proxies,
    /// Timeout of a request to a log.
    pub fetch_timeout: Duration,
    /// Whether names are sufficient, so that names tiles are read from logs that have them.
    pub names_tiles: bool,
    /// How long an entry of a tile waits for an issuer of its chain that the log does not serve.
    pub issuer_wait: Duration,
    /// Maximum number of simultaneous requests to one operator, at least 1.
    pub operator_requests_at_once: usize,
    /// Maximum number of requests to one operator per second, at least 1.
    pub operator_requests_per_second: u32,
    /// The User-Agent header in requests to logs.
    pub user_agent: String,
    /// Whether it contains the contact address of this server's operator.
    pub names_contact: bool,
    /// The folder for data on disk.
    pub state_dir: PathBuf,
    /// Whether positions are saved there. Otherwise each start begins anew.
    pub keeps_positions: bool,
    /// The journal.
    pub journal: JournalConfig,
    /// The cluster that this server can be a part of.
    pub cluster: ClusterConfig,
    /// What is remembered for clients who want each certificate once.
    pub unique: UniqueLimits,
    /// A client that connects within this time of a start begins where the last run ended.
    pub restart_grace: Duration,
    /// The level of the log file.
    pub log_level: log::LevelFilter,
    /// The lists to follow. Without lists, there is at least one log, except on the edge of a cluster.
    pub lists: Option<ListConfig>,
    /// The logs to watch in addition to those of the lists.
    pub logs: Vec<LogConfig>,
    /// The configuration as written.
    pub written: Written,
}

/// The journal of sent entries.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// Its folder. `None` keeps it in memory alone.
    pub dir: Option<PathBuf>,
    /// Maximum size of what is kept, in bytes.
    pub max_bytes: u64,
    /// How long entries are kept.
    pub max_age: Duration,
    /// Interval at which it is synced to disk. Zero: before each message is sent.
    pub sync_interval: Duration,
}

impl Config {
    /// Whether this server watches logs.
    pub fn watches_logs(&self) -> bool {
        self.cluster.role != Some(Role::Edge)
    }

    /// Whether this server serves streams to clients.
    pub fn serves_clients(&self) -> bool {
        self.cluster.role != Some(Role::Ingest)
    }

    /// Warnings about settings that are allowed but probably not intended.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = access::warnings(&self.access, self.admin_listen.is_some());
        warnings.extend(self.unverified_logs().map(|log| {
            format!("verify is off for {log}: its entries are sent without proof that the log contains them")
        }));
        warnings
    }

    /// The logs for which alone verification is off.
    fn unverified_logs(&self) -> impl Iterator<Item = String> {
        let written = &self.written;
        let logs = written.logs.iter().map(|log| (&log.url, log.verify));
        let listed = written.listed_logs.iter().map(|log| (&log.log_id, log.verify));
        let is_off =
            |(log, verify): (&String, Option<Verify>)| (verify == Some(Verify::Off)).then(|| log.clone());
        logs.chain(listed).filter_map(is_off)
    }
}

/// The PEM files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those of its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Thresholds of the health checks.
#[derive(Debug, Clone, Copy)]
pub struct HealthLimits {
    /// How long a log may deliver nothing or be behind.
    pub log_patience: Duration,
    /// Percentage of the logs that must deliver, 1 to 100.
    pub ready_percent: u32,
}
