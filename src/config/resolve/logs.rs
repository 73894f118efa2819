//! Resolves the logs to watch and their settings.

use super::checks::{at_least_one, positive};
use super::{ConfigError, ListConfig, LogConfig, LogEndpoint, LogSettings, Sources, written};
use crate::config::values::{CatchUp, StartAt, Verify};
use crate::config::watch::{Start, WatchSettings};
use crate::ct::log_list::{LogState, Rule, Selection};
use crate::ct::merkle::Hash;
use crate::ct::source::{Protocol, Source, bare_url};
use crate::http_client::Reach;
use crate::log_client::StaticCtLog;
use crate::log_list::ListSource;
use crate::printable::without_password;
use crate::state::Decision;
use awc::http::Uri;
use openssl::pkey::{PKey, Public};
use openssl::sha::sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn lists(sources: &Sources, written: &written::LogList) -> Result<ListConfig, ConfigError> {
    let at = |key: &str, i: usize| format!("log_list.{key}[{i}]");
    let source = |(i, name): (usize, &String)| match name.as_str() {
        "chrome" => Ok(ListSource::CHROME),
        "chrome-all" => Ok(ListSource::CHROME_ALL),
        "apple" => Ok(ListSource::APPLE),
        url => {
            let problem = |_| {
                format!(
                    "expected \"chrome\", \"chrome-all\", \"apple\" or the URL of a list without name and password, \
                     found {:?}",
                    without_password(url)
                )
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
        allow_internal: written.allow_internal,
        log_settings: listed_logs(sources)?,
    })
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
        // Names tiles are not part of the tree, so their entries cannot be verified.
        verify: fetch.verify == Verify::Enforce && !fetch.names_tiles,
        catch_up: match fetch.catch_up {
            CatchUp::All => None,
            CatchUp::Entries(n) => Some(n),
        },
    })
}

pub(super) fn logs(sources: &Sources) -> Result<Vec<LogConfig>, ConfigError> {
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
    check_url(&log.url)
        .map_err(|problem| error("url", &format!("{problem}, found {:?}", without_password(&log.url))))?;
    let key = log.key.as_deref().map(public_key).transpose().map_err(|problem| error("key", &problem))?;
    let log_id = key.as_ref().map(|(_, log_id)| *log_id);
    let bare = bare_url(&log.url);
    let endpoint = match log.protocol {
        Protocol::Rfc6962 => LogEndpoint::Rfc6962 { key: key.map(|(key, _)| key) },
        Protocol::StaticCt => LogEndpoint::StaticCt(StaticCtLog {
            url: log.url.clone(),
            origin: log.origin.clone().unwrap_or(bare.into()),
            key: key.map(|(key, _)| key),
            log_id,
        }),
    };
    let name = log.description.as_deref().unwrap_or(bare);
    let settings = log_settings(sources, log.verify, log.resume_from, log.because.as_deref());
    let settings = settings.map_err(|(key, problem)| error(key, problem))?;
    let watch = settings.apply(watch_settings(sources, log.start)?);
    let source = Source::new(&log.url, name, &log.operator, log_id, log.protocol);
    let (operator, reach) = (log.operator.clone(), Reach::Anywhere);
    let decision = settings.decision;
    Ok(LogConfig { source: Arc::new(source), operator, endpoint, watch, listed: None, reach, decision })
}

/// The settings for single logs of the lists, by log id.
fn listed_logs(sources: &Sources) -> Result<BTreeMap<Hash, LogSettings>, ConfigError> {
    let mut by_id = BTreeMap::new();
    for (i, written::ListedLog { log_id, verify, resume_from, because }) in
        sources.written.listed_logs.iter().enumerate()
    {
        let error = |key: &str, problem: &str| sources.error(&format!("listed_logs[{i}].{key}"), problem);
        let id = base64_simd::STANDARD.decode_to_vec(log_id).ok().and_then(|id| Hash::try_from(id).ok());
        let id = id.ok_or_else(|| {
            error(
                "log_id",
                "expected the base64 of 32 bytes, as in log lists and as source.log_id of messages",
            )
        })?;
        let settings = log_settings(sources, *verify, *resume_from, because.as_deref());
        if by_id.insert(id, settings.map_err(|(key, problem)| error(key, problem))?).is_some() {
            return Err(error("log_id", "the log is listed twice"));
        }
    }
    Ok(by_id)
}

/// The settings for a single log, or the key that is wrong and why.
fn log_settings(
    sources: &Sources,
    verify: Option<Verify>,
    resume_from: Option<u64>,
    because: Option<&str>,
) -> Result<LogSettings, (&'static str, &'static str)> {
    if verify == Some(Verify::Enforce) && sources.written.fetch.names_tiles {
        return Err(("verify", "entries of names tiles cannot be verified; switch fetch.names_tiles off"));
    }
    let decision = match (resume_from, because) {
        (Some(resume_from), because) => {
            let decision = Decision::new(resume_from, because.unwrap_or_default());
            Some(decision.map_err(|problem| ("because", problem))?)
        }
        (None, Some(_)) => return Err(("because", "is the reason for resume_from, which is not set")),
        (None, None) => None,
    };
    Ok(LogSettings { verify: verify.map(|verify| verify == Verify::Enforce), decision })
}

fn check_url(url: &str) -> Result<(), &'static str> {
    let expected = "expected a URL such as \"https://ct.example.com/2026\"";
    let uri: Uri = url.parse().map_err(|_| expected)?;
    // The HTTP client would not send them, but every client would see them: messages contain each log's URL.
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("expected a URL without user name and password, such as \"https://ct.example.com/2026\"");
    }
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
