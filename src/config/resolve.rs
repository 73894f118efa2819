//! From what was written to what it means. Whoever holds a [`Config`] need not check anything.

use super::ConfigError;
use super::read::Sources;
use super::written::{self, Span, StartAt, Written};
use crate::actors::log_watcher::{Start, WatchSettings};
use crate::message::{Protocol, Source, Stream};
use awc::http::Uri;
use openssl::pkey::PKey;
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
    /// What `/` streams.
    pub root_stream: Stream,
    /// Path of the statistics.
    pub stats_path: String,
    /// HTTP threads, at least 1.
    pub workers: usize,
    /// Time between heartbeats.
    pub heartbeat_interval: Duration,
    /// What a client may cost.
    pub clients: ClientLimits,
    /// Messages kept for the JSON routes, at least 1.
    pub newest_messages: usize,
    /// Longest time for a log's answer.
    pub fetch_timeout: Duration,
    /// The User-Agent that logs see.
    pub user_agent: String,
    /// Folder for what is kept on disk.
    pub state_dir: PathBuf,
    /// The level of the log file.
    pub log_level: log::LevelFilter,
    /// The logs to watch, at least one.
    pub logs: Vec<LogConfig>,
}

/// What a client may cost.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// Messages that may wait for it.
    pub queue_messages: usize,
    /// How long it may take nothing.
    pub stall_timeout: Duration,
    /// Time between our pings.
    pub ping_interval: Duration,
    /// How long it may say nothing, not even in answer to a ping.
    pub pong_timeout: Duration,
}

/// A log to watch.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// What messages say of it.
    pub source: Arc<Source>,
    /// How it is watched.
    pub watch: WatchSettings,
}

/// Paths that mean something else already.
const TAKEN_PATHS: [&str; 7] =
    ["/", "/full-stream", "/lite-stream", "/domains-only", "/develop", "/latest.json", "/example.json"];

pub(super) fn resolve(sources: Sources, port: Option<&str>) -> Result<Config, ConfigError> {
    let Written { server, heartbeat, clients, newest, fetch, log_list, state, logging, .. } =
        &sources.written;
    if log_list.enabled {
        let problem = "following the browsers' log lists is not supported yet; list the logs under [[logs]]";
        return Err(sources.error("log_list.enabled", problem));
    }
    Ok(Config {
        listen: listen(&sources, &server.listen, port)?,
        root_stream: root_stream(&sources, server.root_stream)?,
        stats_path: stats_path(&sources, &server.stats_path)?,
        workers: workers(server.workers),
        heartbeat_interval: positive(&sources, "heartbeat.interval", heartbeat.interval)?,
        clients: client_limits(&sources, clients)?,
        newest_messages: at_least_one(&sources, "newest.messages", newest.messages)?,
        fetch_timeout: positive(&sources, "fetch.timeout", fetch.timeout)?,
        user_agent: user_agent(&sources, &fetch.contact)?,
        state_dir: state_dir(&sources, &state.dir)?,
        log_level: logging.level.parse().map_err(|_| {
            let problem = format!("expected error, warn, info, debug or trace, found {:?}", logging.level);
            sources.error("logging.level", problem)
        })?,
        logs: logs(&sources)?,
    })
}

fn listen(sources: &Sources, text: &str, port: Option<&str>) -> Result<SocketAddr, ConfigError> {
    let mut address: SocketAddr = text.parse().map_err(|_| {
        let problem = format!(
            "expected an address with a port such as \"[::]:8080\" or \"127.0.0.1:8080\", found {text:?}"
        );
        sources.error("server.listen", problem)
    })?;
    if let Some(port) = port {
        let expected =
            || ConfigError::of("PORT", format!("expected a port number from 0 to 65535, found {port:?}"));
        address.set_port(port.parse().map_err(|_| expected())?);
    }
    Ok(address)
}

fn root_stream(sources: &Sources, stream: Stream) -> Result<Stream, ConfigError> {
    match stream {
        Stream::Full | Stream::Lite => Ok(stream),
        Stream::Domains => Err(sources.error("server.root_stream", "expected \"full\" or \"lite\"")),
    }
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
    Ok(ClientLimits {
        queue_messages: at_least_one(sources, "clients.queue_messages", clients.queue_messages)?,
        stall_timeout: positive(sources, "clients.stall_timeout", clients.stall_timeout)?,
        ping_interval,
        pong_timeout,
    })
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

fn logs(sources: &Sources) -> Result<Vec<LogConfig>, ConfigError> {
    let written = &sources.written.logs;
    if written.is_empty() {
        let problem = "no logs to watch; name a file with --config that lists some under [[logs]], \
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
    if log.protocol == Protocol::StaticCt {
        return Err(error("type", "static-ct logs cannot be read yet; expected \"rfc6962\""));
    }
    if log.origin.is_some() {
        return Err(error("origin", "only static-ct logs have one; expected no such key"));
    }
    check_url(&log.url).map_err(|problem| error("url", &format!("{problem}, found {:?}", log.url)))?;
    let log_id = log.key.as_deref().map(log_id).transpose().map_err(|problem| error("key", &problem))?;
    let bare = log.url.split_once("://").map_or("", |(_, rest)| rest).trim_end_matches('/');
    let name = log.description.as_deref().unwrap_or(bare);
    let fetch = &sources.written.fetch;
    if fetch.page_size == 0 {
        return Err(sources.error("fetch.page_size", "expected at least 1"));
    }
    let watch = WatchSettings {
        start: match log.start {
            StartAt::Head => Start::Head,
            StartAt::Number(n) if n < 0 => Start::BeforeHead(n.unsigned_abs()),
            StartAt::Number(n) => Start::Index(n.unsigned_abs()),
        },
        poll_interval: positive(sources, "fetch.poll_interval", fetch.poll_interval)?,
        page_size: fetch.page_size,
        in_flight: at_least_one(sources, "fetch.in_flight", fetch.in_flight)?,
    };
    let source = Source::new(&log.url, name, &log.operator, log_id, log.protocol);
    Ok(LogConfig { source: Arc::new(source), watch })
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let expected = "expected a URL such as \"https://ct.example.com/2026\"";
    let uri: Uri = url.parse().map_err(|_| expected)?;
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    let bare = uri.host().is_some_and(|h| !h.is_empty()) && uri.query().is_none();
    if http && bare { Ok(()) } else { Err(expected) }
}

/// The log id is the SHA-256 of the key (RFC 6962 section 3.2).
fn log_id(key: &str) -> Result<[u8; 32], String> {
    let der = base64_simd::STANDARD.decode_to_vec(key).map_err(|_| "expected base64".to_string())?;
    PKey::public_key_from_der(&der)
        .map_err(|_| "expected a SubjectPublicKeyInfo, the `key` of a log list")?;
    Ok(sha256(&der))
}
