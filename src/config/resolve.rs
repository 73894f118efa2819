//! From what was written to what it means. Whoever holds a [`Config`] need not check anything.

use super::ConfigError;
use super::read::Sources;
use super::written::{self, CatchUp, Span, StartAt, Verify, Written};
use crate::access::{Access, Token, TokenDigest};
use crate::actors::log_watcher::{Start, Verification, WatchSettings};
use crate::actors::outbox::QueueLimits;
use crate::ct::log_list::{self, ListedLog, LogList, LogState, Rule, Selection, TemporalInterval};
use crate::log_client::{Proxies, StaticCtLog};
use crate::log_list::ListSource;
use crate::message::{Protocol, Source, Stream};
use awc::http::Uri;
use openssl::pkey::{PKey, Public};
use openssl::sha::sha256;
use std::collections::BTreeSet;
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
}

impl ListConfig {
    /// The logs of `list` that are to be watched at `now_unix_s`.
    pub fn select(&self, list: &LogList, now_unix_s: i64) -> Vec<LogConfig> {
        let selected = self.selection.select(list, now_unix_s).into_iter();
        selected.filter_map(|log| listed_log(log, self.watch)).collect()
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
}

impl LogConfig {
    /// Whether it is to be watched in the same way as `other`, whatever lists say of it.
    pub fn watched_as(&self, other: &LogConfig) -> bool {
        let (a, b) = (&self.source, &other.source);
        let same_log = a.url() == b.url() && a.log_id() == b.log_id() && a.protocol() == b.protocol();
        let called_the_same = a.name() == b.name() && self.operator == other.operator;
        same_log && called_the_same && self.endpoint.origin() == other.endpoint.origin()
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

/// Paths that mean something else already.
const TAKEN_PATHS: [&str; 12] = [
    "/",
    "/full-stream",
    "/lite-stream",
    "/domains-only",
    "/develop",
    "/latest.json",
    "/example.json",
    "/health",
    "/health/ready",
    "/metrics",
    "/status.json",
    "/sse",
];

pub(super) fn resolve(sources: Sources, port: Option<&str>, proxies: Proxies) -> Result<Config, ConfigError> {
    let Written { server, tls, access, heartbeat, clients, newest, health, fetch, .. } = &sources.written;
    let Written { admin, log_list, state, logging, .. } = &sources.written;
    let streams = streams(&sources, &server.streams)?;
    Ok(Config {
        listen: listen(&sources, &server.listen, port)?,
        admin_listen: admin_listen(&sources, &admin.listen)?,
        tls: tls_files(&sources, tls)?,
        access: resolve_access(&sources, &streams)?,
        handshake_timeout: positive(&sources, "access.handshake_timeout", access.handshake_timeout)?,
        streams,
        root_stream: root_stream(&sources, server)?,
        stats_path: stats_path(&sources, &server.stats_path)?,
        workers: workers(server.workers),
        heartbeat_interval: positive(&sources, "heartbeat.interval", heartbeat.interval)?,
        clients: client_limits(&sources, clients)?,
        newest_messages: at_least_one(&sources, "newest.messages", newest.messages)?,
        health: health_limits(&sources, health)?,
        proxies,
        fetch_timeout: positive(&sources, "fetch.timeout", fetch.timeout)?,
        names_tiles: names_tiles(&sources, fetch.names_tiles, &server.streams)?,
        operator_requests_at_once: at_least_one(
            &sources,
            "fetch.operator_requests_at_once",
            fetch.operator_requests_at_once,
        )?,
        operator_requests_per_second: at_least_one(
            &sources,
            "fetch.operator_requests_per_second",
            fetch.operator_requests_per_second as usize,
        )? as u32,
        user_agent: user_agent(&sources, &fetch.contact)?,
        names_contact: !fetch.contact.is_empty(),
        state_dir: state_dir(&sources, &state.dir)?,
        keeps_positions: true,
        clients_wait: state.clients_wait.0,
        log_level: logging.level.parse().map_err(|_| {
            let problem = format!("expected error, warn, info, debug or trace, found {:?}", logging.level);
            sources.error("logging.level", problem)
        })?,
        lists: if log_list.enabled { Some(lists(&sources, log_list)?) } else { None },
        logs: logs(&sources)?,
        written: sources.written,
    })
}

fn address(sources: &Sources, key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        let problem = format!(
            "expected an address with a port such as \"[::]:8080\" or \"127.0.0.1:8080\", found {text:?}"
        );
        sources.error(key, problem)
    })
}

fn listen(sources: &Sources, text: &str, port: Option<&str>) -> Result<SocketAddr, ConfigError> {
    let mut address = address(sources, "server.listen", text)?;
    if let Some(port) = port {
        let expected =
            || ConfigError::of("PORT", format!("expected a port number from 0 to 65535, found {port:?}"));
        address.set_port(port.parse().map_err(|_| expected())?);
    }
    Ok(address)
}

fn admin_listen(sources: &Sources, text: &str) -> Result<Option<SocketAddr>, ConfigError> {
    if text.is_empty() { Ok(None) } else { address(sources, "admin.listen", text).map(Some) }
}

fn tls_files(sources: &Sources, tls: &written::Tls) -> Result<Option<TlsFiles>, ConfigError> {
    match (tls.certificate.as_str(), tls.key.as_str()) {
        ("", "") => Ok(None),
        ("", _) => Err(sources.error("tls.certificate", "expected a PEM file, since there is a tls.key")),
        (_, "") => Err(sources.error("tls.key", "expected a PEM file, since there is a tls.certificate")),
        (certificate, key) => Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into() })),
    }
}

fn resolve_access(sources: &Sources, streams: &[Stream]) -> Result<Access, ConfigError> {
    let Written { access, admin, tokens, .. } = &sources.written;
    let tokens = tokens.iter().enumerate().map(|(i, token)| resolve_token(sources, i, token, streams));
    let tokens = tokens.collect::<Result<Vec<Token>, _>>()?;
    for (i, token) in tokens.iter().enumerate() {
        let earlier = || tokens.iter().take(i);
        if earlier().any(|other| other.name == token.name) {
            let problem = format!("{:?} is the name of another token too", token.name);
            return Err(sources.error(&format!("tokens[{i}].name"), problem));
        }
        if earlier().any(|other| other.digest == token.digest) {
            return Err(sources.error(&format!("tokens[{i}]"), "it is the same as another token"));
        }
    }
    Ok(Access {
        allow: access.allow.clone(),
        deny: access.deny.clone(),
        trusted_proxies: access.trusted_proxies.clone(),
        insiders: admin.allow.clone(),
        insiders_only: admin.only,
        tokens,
        connections: at_least_one(sources, "access.connections", access.connections)?,
        connections_per_address: access.connections_per_address,
    })
}

/// Shorter tokens can be guessed.
const SHORTEST_TOKEN: usize = 16;

fn resolve_token(
    sources: &Sources,
    i: usize,
    token: &written::Token,
    offered: &[Stream],
) -> Result<Token, ConfigError> {
    let error = |key: &str, problem: &str| sources.error(&format!("tokens[{i}].{key}"), problem);
    if token.name.is_empty() {
        return Err(error("name", "expected a name, by which the statistics tell whose client it is"));
    }
    let digest = match (&token.token, &token.sha256) {
        (Some(secret), None) => {
            // So that it can stand in a URL and in a header as it is.
            let plain = secret.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            if !plain || secret.0.len() < SHORTEST_TOKEN {
                let problem = "expected at least 16 letters, digits, \"-\", \".\", \"_\" or \"~\", such as \
                               `openssl rand -hex 32` prints";
                return Err(error("token", problem));
            }
            TokenDigest::of(secret.0.as_bytes())
        }
        (None, Some(digest)) => TokenDigest::parse(&digest.0)
            .ok_or_else(|| error("sha256", "expected the 64 hexadecimal digits of a SHA-256"))?,
        _ => return Err(error("token", "expected either token or sha256")),
    };
    let streams = if token.streams.is_empty() { offered } else { &token.streams };
    if let Some(stream) = streams.iter().find(|stream| !offered.contains(stream)) {
        return Err(error("streams", &format!("\"{stream}\" is not among server.streams")));
    }
    let (name, streams, connections) = (token.name.clone(), streams.to_vec(), token.connections);
    Ok(Token { name, digest, streams, connections })
}

fn streams(sources: &Sources, streams: &[Stream]) -> Result<Vec<Stream>, ConfigError> {
    let all = Stream::ALL.into_iter().filter(|stream| streams.contains(stream)).collect::<Vec<_>>();
    if all.is_empty() {
        return Err(
            sources.error("server.streams", "expected at least one of \"full\", \"lite\" and \"domains\"")
        );
    }
    Ok(all)
}

/// Where only one stream is offered, it is the root's whatever else is written.
fn root_stream(sources: &Sources, server: &written::Server) -> Result<Stream, ConfigError> {
    match (server.root_stream, server.streams.as_slice()) {
        (_, [only]) => Ok(*only),
        (Stream::Domains, _) => Err(sources.error("server.root_stream", "expected \"full\" or \"lite\"")),
        (stream, offered) if offered.contains(&stream) => Ok(stream),
        (stream, _) => {
            Err(sources.error("server.root_stream", format!("\"{stream}\" is not among server.streams")))
        }
    }
}

fn names_tiles(sources: &Sources, wanted: bool, streams: &[Stream]) -> Result<bool, ConfigError> {
    if wanted && streams != [Stream::Domains] {
        let problem = "names tiles hold names alone: expected server.streams = [\"domains\"] beside it";
        return Err(sources.error("fetch.names_tiles", problem));
    }
    Ok(wanted)
}

fn stats_path(sources: &Sources, path: &str) -> Result<String, ConfigError> {
    let plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b));
    if !path.starts_with('/') || !plain {
        let problem = format!("expected a path such as \"/stats\", found {path:?}");
        return Err(sources.error("server.stats_path", problem));
    }
    if TAKEN_PATHS.contains(&path) {
        return Err(sources
            .error("server.stats_path", format!("{path:?} is another route; expected a path of its own")));
    }
    Ok(path.into())
}

fn workers(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

/// Positions are saved as they were this long before, at least, so what was handed out by then has left the server.
const LONGEST_FLUSH: Duration = Duration::from_millis(100);

fn positive(sources: &Sources, key: &str, span: Span) -> Result<Duration, ConfigError> {
    if span.0.is_zero() { Err(sources.error(key, "expected more than 0s")) } else { Ok(span.0) }
}

fn at_least_one(sources: &Sources, key: &str, n: usize) -> Result<usize, ConfigError> {
    if n == 0 { Err(sources.error(key, "expected at least 1")) } else { Ok(n) }
}

fn client_limits(sources: &Sources, clients: &written::Clients) -> Result<ClientLimits, ConfigError> {
    let ping_interval = positive(sources, "clients.ping_interval", clients.ping_interval)?;
    let pong_timeout = positive(sources, "clients.pong_timeout", clients.pong_timeout)?;
    if pong_timeout <= ping_interval {
        let problem = "expected more than clients.ping_interval, else every quiet client is closed";
        return Err(sources.error("clients.pong_timeout", problem));
    }
    let flush_interval = clients.flush_interval.0;
    if flush_interval > LONGEST_FLUSH {
        return Err(sources.error("clients.flush_interval", "expected from 0ms to 100ms"));
    }
    Ok(ClientLimits {
        flush_interval,
        queue: QueueLimits {
            bytes: at_least_one(sources, "clients.queue_bytes", clients.queue_bytes.0)?,
            age: positive(sources, "clients.queue_age", clients.queue_age)?,
            when_full: clients.when_full,
        },
        all_queues_bytes: at_least_one(sources, "clients.all_queues_bytes", clients.all_queues_bytes.0)?,
        deflate: clients.deflate,
        stall_timeout: positive(sources, "clients.stall_timeout", clients.stall_timeout)?,
        ping_interval,
        pong_timeout,
    })
}

fn health_limits(sources: &Sources, health: &written::Health) -> Result<HealthLimits, ConfigError> {
    if !(1..=100).contains(&health.ready_percent) {
        return Err(sources.error("health.ready_percent", "expected from 1 to 100"));
    }
    let log_patience = positive(sources, "health.log_patience", health.log_patience)?;
    Ok(HealthLimits { log_patience, ready_percent: health.ready_percent })
}

fn state_dir(sources: &Sources, dir: &str) -> Result<PathBuf, ConfigError> {
    if dir.is_empty() { Err(sources.error("state.dir", "expected a folder")) } else { Ok(dir.into()) }
}

fn user_agent(sources: &Sources, contact: &str) -> Result<String, ConfigError> {
    let name = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
    if contact.is_empty() {
        Ok(name.into())
    } else if contact.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        Ok(format!("{name} ({contact})"))
    } else {
        Err(sources.error("fetch.contact", "expected plain ASCII text: it goes into a header"))
    }
}

fn lists(sources: &Sources, written: &written::LogList) -> Result<ListConfig, ConfigError> {
    let at = |key: &str, i: usize| format!("log_list.{key}[{i}]");
    let source = |(i, name): (usize, &String)| match name.as_str() {
        "chrome" => Ok(ListSource::CHROME),
        "chrome-all" => Ok(ListSource::CHROME_ALL),
        "apple" => Ok(ListSource::APPLE),
        url => {
            let problem = |_| {
                format!("expected \"chrome\", \"chrome-all\", \"apple\" or the URL of a list, found {url:?}")
            };
            check_url(url).map_err(|e| sources.error(&at("lists", i), problem(e)))?;
            Ok(ListSource { name: format!("list {i}").into(), url: url.to_string().into(), signed: None })
        }
    };
    let list_sources = written.lists.iter().enumerate().map(source).collect::<Result<Vec<_>, _>>()?;
    if list_sources.is_empty() {
        return Err(
            sources.error("log_list.lists", "expected at least one list, or log_list.enabled = false")
        );
    }
    let state = |(i, text): (usize, &String)| {
        text.parse::<LogState>().map_err(|error| sources.error(&at("states", i), error))
    };
    let rules = |key: &'static str, rules: &[String]| {
        let rule =
            |(i, text): (usize, &String)| text.parse::<Rule>().map_err(|e| sources.error(&at(key, i), e));
        rules.iter().enumerate().map(rule).collect::<Result<Vec<_>, _>>()
    };
    Ok(ListConfig {
        sources: list_sources,
        refresh_interval: positive(sources, "log_list.refresh_interval", written.refresh_interval)?,
        selection: Selection {
            states: written.states.iter().enumerate().map(state).collect::<Result<_, _>>()?,
            include: rules("include", &written.include)?,
            exclude: rules("exclude", &written.exclude)?,
        },
        watch: watch_settings(sources, StartAt::Head)?,
    })
}

/// How a log of a list is watched; `None` for one whose key is none that a log may have.
fn listed_log(log: &ListedLog, watch: WatchSettings) -> Option<LogConfig> {
    let key = PKey::public_key_from_der(&log.key);
    let key = key.inspect_err(|e| log::warn!("{}: its key cannot be read: {e}", log.description)).ok()?;
    let (protocol, endpoint) = match &log.endpoint {
        log_list::Endpoint::Rfc6962 { .. } => (Protocol::Rfc6962, Endpoint::Rfc6962 { key: Some(key) }),
        log_list::Endpoint::StaticCt { monitoring_url, .. } => {
            let (url, origin) = (monitoring_url.clone(), log.endpoint.origin().unwrap_or_default().into());
            let static_ct = StaticCtLog { url, origin, key: Some(key), log_id: Some(log.log_id) };
            (Protocol::StaticCt, Endpoint::StaticCt(static_ct))
        }
    };
    let source = Source::new(log.endpoint.url(), &log.description, &log.operator, Some(log.log_id), protocol);
    let listed = Some(ListedFacts { state: log.state, temporal_interval: log.temporal_interval });
    let operator = log.operator.clone();
    Some(LogConfig { source: Arc::new(source), operator, endpoint, watch, listed })
}

fn watch_settings(sources: &Sources, start: StartAt) -> Result<WatchSettings, ConfigError> {
    let fetch = &sources.written.fetch;
    if fetch.page_size == 0 {
        return Err(sources.error("fetch.page_size", "expected at least 1"));
    }
    Ok(WatchSettings {
        start: match start {
            StartAt::Head => Start::Head,
            StartAt::Number(n) if n < 0 => Start::BeforeHead(n.unsigned_abs()),
            StartAt::Number(n) => Start::Index(n.unsigned_abs()),
        },
        partial_tile_wait: fetch.partial_tile_wait.0,
        poll_interval: positive(sources, "fetch.poll_interval", fetch.poll_interval)?,
        page_size: fetch.page_size,
        in_flight: at_least_one(sources, "fetch.in_flight", fetch.in_flight)?,
        // Names tiles have no place in the tree.
        verify: fetch.verify == Verify::Enforce && !fetch.names_tiles,
        catch_up: match fetch.catch_up {
            CatchUp::All => None,
            CatchUp::Entries(n) => Some(n),
        },
    })
}

fn logs(sources: &Sources) -> Result<Vec<LogConfig>, ConfigError> {
    let written = &sources.written.logs;
    if written.is_empty() && !sources.written.log_list.enabled {
        let problem = "no logs to watch; enable log_list, or list some under [[logs]], \
                       or try: certstream-server demo";
        return Err(sources.error("logs", problem));
    }
    let mut urls = BTreeSet::new();
    written
        .iter()
        .enumerate()
        .map(|(i, log)| {
            let resolved = resolve_log(sources, i, log)?;
            if urls.insert(log.url.trim_end_matches('/')) {
                Ok(resolved)
            } else {
                Err(sources.error(&format!("logs[{i}].url"), format!("{:?} is listed twice", log.url)))
            }
        })
        .collect()
}

fn resolve_log(sources: &Sources, i: usize, log: &written::Log) -> Result<LogConfig, ConfigError> {
    let error = |key: &str, problem: &str| sources.error(&format!("logs[{i}].{key}"), problem);
    check_url(&log.url).map_err(|problem| error("url", &format!("{problem}, found {:?}", log.url)))?;
    let key = log.key.as_deref().map(public_key).transpose().map_err(|problem| error("key", &problem))?;
    let log_id = key.as_ref().map(|(_, log_id)| *log_id);
    let bare = log.url.split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
    let endpoint = match log.protocol {
        Protocol::Rfc6962 => Endpoint::Rfc6962 { key: key.map(|(key, _)| key) },
        Protocol::StaticCt => Endpoint::StaticCt(StaticCtLog {
            url: log.url.clone(),
            origin: log.origin.clone().unwrap_or(bare.into()),
            key: key.map(|(key, _)| key),
            log_id,
        }),
    };
    let name = log.description.as_deref().unwrap_or(bare);
    let watch = watch_settings(sources, log.start)?;
    let source = Source::new(&log.url, name, &log.operator, log_id, log.protocol);
    Ok(LogConfig { source: Arc::new(source), operator: log.operator.clone(), endpoint, watch, listed: None })
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let expected = "expected a URL such as \"https://ct.example.com/2026\"";
    let uri: Uri = url.parse().map_err(|_| expected)?;
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    let bare = uri.host().is_some_and(|h| !h.is_empty()) && uri.query().is_none();
    if http && bare { Ok(()) } else { Err(expected) }
}

/// A log's key, and its id: the SHA-256 of the key (RFC 6962 section 3.2).
fn public_key(key: &str) -> Result<(PKey<Public>, [u8; 32]), String> {
    let der = base64_simd::STANDARD.decode_to_vec(key).map_err(|_| "expected base64".to_string())?;
    let key = PKey::public_key_from_der(&der);
    let key = key.map_err(|_| "expected a SubjectPublicKeyInfo, the `key` of a log list")?;
    Ok((key, sha256(&der)))
}
