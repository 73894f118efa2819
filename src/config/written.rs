//! The configuration as it is written. `config/certstream.toml` explains every key.

use super::clients::WhenFull;
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
    /// Where clients connect.
    pub server: Server,
    /// How connections are encrypted.
    pub tls: Tls,
    /// Who may connect.
    pub access: Access,
    /// Who may see what is not for everybody.
    pub admin: Admin,
    /// The clients' clock.
    pub heartbeat: Heartbeat,
    /// What a client may cost.
    pub clients: Clients,
    /// The JSON routes.
    pub newest: Newest,
    /// What is healthy.
    pub health: Health,
    /// How logs are asked.
    pub fetch: Fetch,
    /// The browsers' lists of logs.
    pub log_list: LogList,
    /// What survives a restart.
    pub state: State,
    /// The log file.
    pub logging: Logging,
    /// Who may hear something, if not everybody may.
    pub tokens: Vec<Token>,
    /// The logs to watch.
    pub logs: Vec<Log>,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port.
    pub listen: String,
    /// The streams that clients can have.
    pub streams: Vec<Stream>,
    /// What `/` streams.
    pub root_stream: Stream,
    /// Where the statistics are.
    pub stats_path: String,
    /// Threads that serve clients; 0: one less than there are cores, at least one.
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
    /// A PEM file: the server's certificate, then those of its issuers.
    pub certificate: String,
    /// A PEM file: its private key.
    pub key: String,
}

/// `[access]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Networks that may connect; without any, all.
    pub allow: Networks,
    /// Networks that may not.
    pub deny: Networks,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Networks,
    /// Most connections at the same time.
    pub connections: usize,
    /// Most from one address; 0: no limit.
    pub connections_per_address: usize,
    /// Most that one address opens per second; 0: no limit.
    pub new_connections_per_address: u32,
    /// How long a client may take to say what it wants.
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
    /// A listener of their own for the statistics and the metrics; empty: where clients connect.
    pub listen: String,
    /// Networks of those who may see the addresses of clients; not written: nobody where clients connect, and this
    /// machine itself at `listen`.
    pub allow: Option<Networks>,
    /// Names of this server by which admins ask it.
    pub hosts: Vec<String>,
    /// Whether the statistics and the metrics are for them alone.
    pub only: bool,
}

/// One of `[[tokens]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Who has it.
    pub name: String,
    /// The token.
    pub token: Option<PlainToken>,
    /// Or its SHA-256.
    pub sha256: Option<WrittenDigest>,
    /// What may be heard with it; without any, all.
    #[serde(default)]
    pub streams: Vec<Stream>,
    /// Most connections with it at the same time; 0: no limit.
    #[serde(default)]
    pub connections: usize,
}

/// `[heartbeat]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// Time between heartbeat messages.
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
    /// How long messages are collected before they are handed out together.
    pub flush_interval: Span,
    /// Bytes that may wait for one client.
    pub queue_bytes: Size,
    /// How long a message may wait for one.
    pub queue_age: Span,
    /// What happens when there is more.
    pub when_full: WhenFull,
    /// Bytes that may wait for all clients together.
    pub all_queues_bytes: Size,
    /// Bytes that all connections whose clients take nothing may hold together, in the kernel and in answers.
    pub all_unsent_bytes: Size,
    /// Whether messages are compressed for WebSocket clients that offer it.
    pub deflate: bool,
    /// A client that takes nothing for so long is closed.
    pub stall_timeout: Span,
    /// Time between pings.
    pub ping_interval: Span,
    /// A client that says nothing for so long is closed.
    pub pong_timeout: Span,
}

impl Default for Clients {
    fn default() -> Self {
        Clients {
            flush_interval: Span(Duration::from_millis(10)),
            queue_bytes: Size(8 << 20),
            queue_age: Span::seconds(120),
            when_full: WhenFull::Drop,
            all_queues_bytes: Size(256 << 20),
            all_unsent_bytes: Size(512 << 20),
            deflate: true,
            stall_timeout: Span::seconds(60),
            ping_interval: Span::seconds(30),
            pong_timeout: Span::seconds(90),
        }
    }
}

/// `[newest]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Newest {
    /// Messages kept for the JSON routes.
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
    /// For how long a log may be silent or behind.
    pub log_patience: Span,
    /// Per cent of the logs that have to deliver.
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
    /// Shortest beat of a log's heads that is followed.
    pub poll_interval: Span,
    /// How long entries in a tile that is not full may wait for it to become full.
    pub partial_tile_wait: Span,
    /// Whether names tiles are read when the domains stream is all that there is.
    pub names_tiles: bool,
    /// Most requests to one operator at the same time.
    pub operator_requests_at_once: usize,
    /// Most requests to one operator per second, on average.
    pub operator_requests_per_second: u32,
    /// Most entries per request.
    pub page_size: u64,
    /// Most requests for entries to one log at the same time.
    pub in_flight: usize,
    /// Longest time for an answer.
    pub timeout: Span,
    /// Whether entries are sent only when they are proven to be in the log's tree.
    pub verify: Verify,
    /// How much a restart catches up with.
    pub catch_up: CatchUp,
    /// How log operators can reach you.
    pub contact: String,
}

impl Default for Fetch {
    fn default() -> Self {
        Fetch {
            poll_interval: Span(Duration::from_millis(100)),
            partial_tile_wait: Span::seconds(5),
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
    /// Whether to follow lists of logs.
    pub enabled: bool,
    /// `chrome`, `chrome-all`, `apple`, or the URL of another.
    pub lists: Vec<String>,
    /// Time between requests for a list.
    pub refresh_interval: Span,
    /// States of the logs to watch.
    pub states: Vec<String>,
    /// Rules; where there are any, only logs that fit one are watched.
    pub include: Vec<String>,
    /// Rules; logs that fit one are not watched.
    pub exclude: Vec<String>,
    /// Whether logs of unsigned lists are fetched wherever they are.
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
    /// A folder.
    pub dir: String,
    /// How long a restart waits for the clients that were connected before.
    pub clients_wait: Span,
}

impl Default for State {
    fn default() -> Self {
        State { dir: "state".into(), clients_wait: Span::seconds(10) }
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
    /// The log's URL; for static-ct the monitoring prefix.
    pub url: String,
    /// The protocol.
    #[serde(rename = "type", default = "rfc6962")]
    pub protocol: Protocol,
    /// What messages call it.
    pub description: Option<String>,
    /// Who runs it.
    #[serde(default)]
    pub operator: String,
    /// Base64 of its SubjectPublicKeyInfo.
    pub key: Option<String>,
    /// static-ct: the checkpoint's origin.
    pub origin: Option<String>,
    /// Where to begin.
    #[serde(default)]
    pub start: StartAt,
}

impl Log {
    /// An RFC 6962 log at `url`, watched from its head.
    pub fn rfc6962(url: &str) -> Self {
        Log {
            url: url.into(),
            protocol: Protocol::Rfc6962,
            description: None,
            operator: String::new(),
            key: None,
            origin: None,
            start: StartAt::Head,
        }
    }
}

fn rfc6962() -> Protocol {
    Protocol::Rfc6962
}
