//! Resolves the configuration as written to the one that is used.

mod access;
mod checks;
mod cluster;
mod filters;
mod logs;
mod nats;
mod outputs;

use super::ConfigError;
use super::clients::ClientLimits;
use super::cluster::Role;
use super::logs::{ListConfig, LogConfig, LogEndpoint, LogSettings};
use super::paths;
use super::read::Sources;
use super::resolved::{Config, HealthLimits, JournalConfig, TlsFiles};
use super::written::{self, Written};
use crate::http_client::Proxies;
use crate::message::Stream;
use crate::unique::UniqueLimits;
use checks::{at_least_one, positive};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(super) fn resolve(sources: Sources, port: Option<&str>, proxies: Proxies) -> Result<Config, ConfigError> {
    let Written { server, tls, access, heartbeat, clients, newest, health, fetch, .. } = &sources.written;
    let Written { admin, log_list, state, journal: journal_keys, unique, logging, .. } = &sources.written;
    let streams = streams(&sources, &server.streams)?;
    let (access_rules, filters) = (access::access(&sources, &streams)?, filters::filters(&sources)?);
    let outputs = outputs::outputs(&sources, &filters)?;
    filters::check_tokens(&sources, &access_rules.tokens, &filters)?;
    let cluster = cluster::cluster(&sources)?;
    // Ingesters have no clients, and nothing that reads for an output.
    let is_ingester = cluster.role == Some(Role::Ingest);
    if is_ingester && outputs.iter().any(|output| output.is_transient) {
        return Err(sources.error("--stdout", "an ingester streams nothing; use an edge"));
    }
    let outputs = if is_ingester { Vec::new() } else { outputs };
    let watches = cluster.role != Some(Role::Edge);
    Ok(Config {
        listen: listen(&sources, &server.listen, port)?,
        admin_listen: admin_listen(&sources, &admin.listen)?,
        tls: tls_files(&sources, tls)?,
        access: access_rules,
        filters,
        outputs,
        allow_opening: access.allow_opening,
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
        issuer_wait: fetch.issuer_wait.0,
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
        journal: journal(&sources, &state.dir, journal_keys)?,
        unique: unique_limits(&sources, unique)?,
        restart_grace: clients.restart_grace.0,
        log_level: logging.level.parse().map_err(|_| {
            let problem = format!("expected error, warn, info, debug or trace, found {:?}", logging.level);
            sources.error("logging.level", problem)
        })?,
        cluster,
        lists: if watches && log_list.enabled { Some(logs::lists(&sources, log_list)?) } else { None },
        logs: if watches { logs::logs(&sources)? } else { Vec::new() },
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
        ("", _) => Err(sources.error("tls.certificate", "expected a PEM file, because tls.key is set")),
        (_, "") => Err(sources.error("tls.key", "expected a PEM file, because tls.certificate is set")),
        (certificate, key) => Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into() })),
    }
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

/// If only one stream is offered, it is the root stream, even if another one is configured.
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
        let problem = "names tiles contain only names: expected server.streams = [\"domains\"] with it";
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
    if paths::is_taken(path) {
        return Err(
            sources.error("server.stats_path", format!("{path:?} is another route; expected an unused path"))
        );
    }
    Ok(path.into())
}

/// One core is reserved for the logs and for clients on the same machine, such as a proxy. These receive
/// messages sooner if they can read while the server sends.
fn workers(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1)),
        n => n,
    }
}

/// The smallest journal: two segments.
const LEAST_JOURNAL: usize = 16 << 20;

fn journal(
    sources: &Sources,
    state_dir: &str,
    journal: &written::Journal,
) -> Result<JournalConfig, ConfigError> {
    let dir = match journal.dir.as_deref() {
        None => Some(PathBuf::from(state_dir).join("journal")),
        Some("") => None,
        Some(dir) => Some(dir.into()),
    };
    if journal.max_bytes.0 < LEAST_JOURNAL {
        return Err(sources.error("journal.max_bytes", "expected at least 16 MiB"));
    }
    Ok(JournalConfig {
        dir,
        max_bytes: journal.max_bytes.0 as u64,
        max_age: positive(sources, "journal.max_age", journal.max_age)?,
        sync_interval: journal.sync_interval.0,
    })
}

/// The smallest `unique.max_bytes`: a million certificates. A table for fewer takes as much.
const LEAST_UNIQUE: usize = 16 << 20;

fn unique_limits(sources: &Sources, unique: &written::Unique) -> Result<UniqueLimits, ConfigError> {
    if unique.max_bytes.0 < LEAST_UNIQUE {
        return Err(sources.error("unique.max_bytes", "expected at least 16 MiB"));
    }
    Ok(UniqueLimits {
        window: positive(sources, "unique.window", unique.window)?,
        max_bytes: unique.max_bytes.0,
    })
}

/// Maximum `clients.flush_interval`: a longer one would delay every message noticeably.
const LONGEST_FLUSH: Duration = Duration::from_millis(100);

fn client_limits(sources: &Sources, clients: &written::Clients) -> Result<ClientLimits, ConfigError> {
    let ping_interval = positive(sources, "clients.ping_interval", clients.ping_interval)?;
    let pong_timeout = positive(sources, "clients.pong_timeout", clients.pong_timeout)?;
    if pong_timeout <= ping_interval {
        let problem = "expected more than clients.ping_interval; otherwise every idle client is closed";
        return Err(sources.error("clients.pong_timeout", problem));
    }
    let flush_interval = clients.flush_interval.0;
    if flush_interval > LONGEST_FLUSH {
        return Err(sources.error("clients.flush_interval", "expected from 0ms to 100ms"));
    }
    Ok(ClientLimits {
        flush_interval,
        ring_bytes: at_least_one(sources, "clients.ring_bytes", clients.ring_bytes.0)?,
        filter_bytes: clients.filter_bytes.0,
        kept_filter_bytes: clients.kept_filter_bytes.0,
        when_behind: clients.when_behind,
        replay_share: share(sources, "clients.replay_share", clients.replay_share)?,
        all_unsent_bytes: at_least_one(sources, "clients.all_unsent_bytes", clients.all_unsent_bytes.0)?,
        deflate: clients.deflate,
        stall_timeout: positive(sources, "clients.stall_timeout", clients.stall_timeout)?,
        ping_interval,
        pong_timeout,
    })
}

/// A fraction of one core.
fn share(sources: &Sources, key: &str, share: f64) -> Result<f64, ConfigError> {
    if (0.01..=1.0).contains(&share) { Ok(share) } else { Err(sources.error(key, "expected from 0.01 to 1")) }
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
        Err(sources.error("fetch.contact", "expected plain ASCII text: it is sent in a header"))
    }
}
