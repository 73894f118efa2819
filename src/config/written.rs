//! The configuration as written by the user. `config/certstream.toml` explains every key.

use super::clients::WhenBehind;
use super::cluster::Cluster;
use super::filter_limits::{FilterLimits, TokenFilterLimits};
use super::filters::WrittenFilter;
use super::outputs::WrittenOutput;
use super::values::{CatchUp, PlainToken, Size, Span, StartAt, Verify, WrittenDigest};
use crate::access::Networks;
use crate::ct::source::Protocol;
use crate::message::Stream;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A whole configuration file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// The listener for clients, and the streams.
    pub server: Server,
    /// Encryption of connections.
    pub tls: Tls,
    /// Who may connect.
    pub access: Access,
    /// Who may see data that is not public.
    pub admin: Admin,
    /// Heartbeat messages.
    pub heartbeat: Heartbeat,
    /// The resources that a client may use.
    pub clients: Clients,
    /// The JSON routes.
    pub newest: Newest,
    /// Thresholds of the health checks.
    pub health: Health,
    /// Requests to logs.
    pub fetch: Fetch,
    /// The browsers' lists of logs.
    pub log_list: LogList,
    /// Data that is kept across restarts.
    pub state: State,
    /// The journal of sent entries.
    pub journal: Journal,
    /// The cluster that this server is a part of.
    pub cluster: Cluster,
    /// What is remembered for clients who want each certificate once.
    pub unique: Unique,
    /// The log file.
    pub logging: Logging,
    /// How large the filters of clients may be.
    pub filter_limits: FilterLimits,
    /// Tokens that restrict who may receive a stream.
    pub tokens: Vec<Token>,
    /// Filters that have a name.
    pub filters: Vec<WrittenFilter>,
    /// Where the server itself delivers messages.
    pub outputs: Vec<WrittenOutput>,
    /// The logs to watch.
    pub logs: Vec<Log>,
    /// Settings for single logs of the lists.
    pub listed_logs: Vec<ListedLog>,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port.
    pub listen: String,
    /// The streams that are offered.
    pub streams: Vec<Stream>,
    /// The stream of `/`.
    pub root_stream: Stream,
    /// The path of the statistics.
    pub stats_path: String,
    /// Number of threads that serve clients. 0 means one less than the number of cores, but at least one.
    pub workers: usize,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: "[::]:8080".into(),
            streams: Stream::ALL.into(),
            root_stream: Stream::Full,
            stats_path: "/stats".into(),
            workers: 0,
        }
    }
}

/// `[tls]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Path of a PEM file with the server's certificate, followed by those of its issuers.
    pub certificate: String,
    /// Path of a PEM file with the server's private key.
    pub key: String,
}

/// `[access]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Allowed networks. If empty, all are allowed.
    pub allow: Networks,
    /// Denied networks. Takes precedence over `allow`.
    pub deny: Networks,
    /// Proxies whose X-Forwarded-For header is trusted.
    pub trusted_proxies: Networks,
    /// Maximum number of connections at the same time.
    pub connections: usize,
    /// Maximum number of connections from one address; 0: no limit.
    pub connections_per_address: usize,
    /// Maximum number of new connections from one address per second; 0: no limit.
    pub new_connections_per_address: u32,
    /// How long a client may take to send its request.
    pub handshake_timeout: Span,
    /// Whether a reload may remove restrictions.
    pub allow_opening: bool,
}

impl Default for Access {
    fn default() -> Self {
        Access {
            allow: Networks::default(),
            deny: Networks::default(),
            trusted_proxies: Networks::default(),
            connections: 50_000,
            connections_per_address: 0,
            new_connections_per_address: 100,
            handshake_timeout: Span::seconds(10),
            allow_opening: false,
        }
    }
}

/// `[admin]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address of a separate listener for the statistics and the metrics. If empty, they use the listener for
    /// clients.
    pub listen: String,
    /// Networks of admins, who may see the addresses of clients. If not set: none on the listener for
    /// clients, and only this machine on the listener of `listen`.
    pub allow: Option<Networks>,
    /// Host names of this server in requests from admins.
    pub hosts: Vec<String>,
    /// Whether the statistics and the metrics are available only to admins.
    pub only: bool,
}

/// One of `[[tokens]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The name of its owner.
    pub name: String,
    /// The token.
    pub token: Option<PlainToken>,
    /// The SHA-256 of the token, instead of the token itself.
    pub sha256: Option<WrittenDigest>,
    /// The streams that the token gives access to. If empty, all streams.
    #[serde(default)]
    pub streams: Vec<Stream>,
    /// Maximum number of connections with the token at the same time; 0: no limit.
    #[serde(default)]
    pub connections: usize,
    /// The filter that wants all that its clients may receive. If not set, they may receive everything.
    pub filter: Option<String>,
    /// How large the filters of its clients may be, where it differs from `filter_limits`.
    #[serde(default)]
    pub filter_limits: TokenFilterLimits,
}

/// `[heartbeat]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// Interval between heartbeat messages.
    pub interval: Span,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat { interval: Span::seconds(10) }
    }
}

/// `[clients]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// How long messages are collected before they are sent together.
    pub flush_interval: Span,
    /// Maximum number of bytes of the newest messages that are kept in memory for all clients.
    pub ring_bytes: Size,
    /// Maximum memory of the filters of all clients, in bytes.
    pub filter_bytes: Size,
    /// Maximum size of the filters that are kept for clients, in bytes.
    pub kept_filter_bytes: Size,
    /// What happens to a client whose next message is no longer among them.
    pub when_behind: WhenBehind,
    /// The fraction of one core that reading the journal for clients may use.
    pub replay_share: f64,
    /// A client that connects within this time of a start begins where the last run ended.
    pub restart_grace: Span,
    /// Maximum number of bytes that all connections whose clients do not read may occupy together, in the
    /// kernel and in responses.
    pub all_unsent_bytes: Size,
    /// Whether messages are compressed for WebSocket clients that offer it.
    pub deflate: bool,
    /// A client that reads nothing for this long is disconnected.
    pub stall_timeout: Span,
    /// Interval between pings.
    pub ping_interval: Span,
    /// A client that sends nothing for this long is disconnected.
    pub pong_timeout: Span,
}

impl Default for Clients {
    fn default() -> Self {
        Clients {
            flush_interval: Span(Duration::from_millis(10)),
            ring_bytes: Size(32 << 20),
            filter_bytes: Size(128 << 20),
            kept_filter_bytes: Size(64 << 20),
            when_behind: WhenBehind::Replay,
            replay_share: 0.75,
            restart_grace: Span::seconds(10),
            all_unsent_bytes: Size(512 << 20),
            deflate: true,
            stall_timeout: Span::seconds(120),
            ping_interval: Span::seconds(30),
            pong_timeout: Span::seconds(120),
        }
    }
}

/// `[newest]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Newest {
    /// Number of messages that are kept for the JSON routes.
    pub messages: usize,
}

impl Default for Newest {
    fn default() -> Self {
        Newest { messages: 25 }
    }
}

/// `[health]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// How long a log may deliver nothing or be behind.
    pub log_patience: Span,
    /// Percentage of the logs that must deliver.
    pub ready_percent: u32,
}

impl Default for Health {
    fn default() -> Self {
        Health { log_patience: Span::seconds(600), ready_percent: 50 }
    }
}

/// `[fetch]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fetch {
    /// Minimum interval between requests for a log's head. The actual interval adapts to the log.
    pub poll_interval: Span,
    /// How long the server waits for a partial tile to become full before it reads its entries.
    pub partial_tile_wait: Span,
    /// How long entries in tiles wait for an issuer of their chains that the log does not serve.
    pub issuer_wait: Span,
    /// Whether names tiles are read if only the domains stream is offered.
    pub names_tiles: bool,
    /// Maximum number of simultaneous requests to one operator.
    pub operator_requests_at_once: usize,
    /// Maximum average number of requests to one operator per second.
    pub operator_requests_per_second: u32,
    /// Maximum number of entries per request.
    pub page_size: u64,
    /// Maximum number of simultaneous requests for entries to one log.
    pub in_flight: usize,
    /// Timeout of a request.
    pub timeout: Span,
    /// Whether entries are sent only after they are proven to be in the log's tree.
    pub verify: Verify,
    /// The limit on the entries that a restart catches up on.
    pub catch_up: CatchUp,
    /// A contact address for log operators.
    pub contact: String,
}

impl Default for Fetch {
    fn default() -> Self {
        Fetch {
            poll_interval: Span(Duration::from_millis(100)),
            partial_tile_wait: Span::seconds(5),
            issuer_wait: Span::seconds(60),
            names_tiles: false,
            operator_requests_at_once: 8,
            operator_requests_per_second: 50,
            page_size: 1000,
            in_flight: 4,
            timeout: Span::seconds(30),
            verify: Verify::Enforce,
            catch_up: CatchUp::All,
            contact: String::new(),
        }
    }
}

/// `[log_list]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogList {
    /// Whether lists of logs are followed.
    pub enabled: bool,
    /// `chrome`, `chrome-all`, `apple`, or the URL of another list.
    pub lists: Vec<String>,
    /// Interval between requests for a list.
    pub refresh_interval: Span,
    /// States of the logs to watch.
    pub states: Vec<String>,
    /// Rules. If not empty, only logs that match one of them are watched.
    pub include: Vec<String>,
    /// Rules. Logs that match one of them are not watched.
    pub exclude: Vec<String>,
    /// Whether logs on unsigned lists may have any address.
    pub allow_internal: bool,
}

impl Default for LogList {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        LogList {
            enabled: true,
            lists: texts(&["chrome"]),
            refresh_interval: Span::seconds(3600),
            states: texts(&["usable", "qualified", "readonly"]),
            include: Vec::new(),
            exclude: Vec::new(),
            allow_internal: false,
        }
    }
}

/// `[state]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Path of the state folder.
    pub dir: String,
}

impl Default for State {
    fn default() -> Self {
        State { dir: "state".into() }
    }
}

/// `[journal]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Path of its folder. If not set, `journal` in `state.dir`. Empty: it is kept in memory alone.
    pub dir: Option<String>,
    /// Maximum size of what is kept, in bytes.
    pub max_bytes: Size,
    /// How long entries are kept.
    pub max_age: Span,
    /// Interval at which it is synced to disk. Zero: before each message is sent.
    pub sync_interval: Span,
}

impl Default for Journal {
    fn default() -> Self {
        Journal {
            dir: None,
            max_bytes: Size(2 << 30),
            max_age: Span::seconds(24 * 3600),
            sync_interval: Span::seconds(1),
        }
    }
}

/// `[unique]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Unique {
    /// How long a certificate or an issuance is remembered.
    pub window: Span,
    /// Memory for that, in bytes; 16 for each.
    pub max_bytes: Size,
}

impl Default for Unique {
    fn default() -> Self {
        Unique { window: Span::seconds(24 * 3600), max_bytes: Size(64 << 20) }
    }
}

/// `[logging]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logging {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
}

impl Default for Logging {
    fn default() -> Self {
        Logging { level: "info".into() }
    }
}

/// One of `[[logs]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The log's URL. For static-ct this is the monitoring prefix.
    pub url: String,
    /// The protocol.
    #[serde(rename = "type", default = "rfc6962")]
    pub protocol: Protocol,
    /// The log's name in messages.
    pub description: Option<String>,
    /// The log's operator.
    #[serde(default)]
    pub operator: String,
    /// Base64 of the log's SubjectPublicKeyInfo.
    pub key: Option<String>,
    /// static-ct: the origin in the log's checkpoints.
    pub origin: Option<String>,
    /// Where to start.
    #[serde(default)]
    pub start: StartAt,
    /// Whether entries that are not proven are sent. If not set, `fetch.verify` applies.
    pub verify: Option<Verify>,
    /// Entries before this index are not sent any more.
    pub resume_from: Option<u64>,
    /// The reason for `resume_from`.
    pub because: Option<String>,
}

/// One of `[[listed_logs]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ListedLog {
    /// Base64 of the log id.
    pub log_id: String,
    /// Whether entries that are not proven are sent. If not set, `fetch.verify` applies.
    pub verify: Option<Verify>,
    /// Entries before this index are not sent any more.
    pub resume_from: Option<u64>,
    /// The reason for `resume_from`.
    pub because: Option<String>,
}

impl Log {
    /// The configuration of an RFC 6962 log at `url`, starting at its head.
    pub fn rfc6962(url: &str) -> Self {
        Log {
            url: url.into(),
            protocol: Protocol::Rfc6962,
            description: None,
            operator: String::new(),
            key: None,
            origin: None,
            start: StartAt::Head,
            verify: None,
            resume_from: None,
            because: None,
        }
    }
}

fn rfc6962() -> Protocol {
    Protocol::Rfc6962
}
