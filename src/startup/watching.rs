//! Starts the LogDirectory, which starts the watchers.

use crate::actors::broker::Alert;
use crate::actors::log_directory::{LogDirectory, LogStatuses, SharedGroups};
use crate::actors::log_watcher::{self, LogStatus, LogWatcher};
use crate::actors::outlet::Outlet;
use crate::config::{Config, ListConfig, LogConfig, LogEndpoint};
use crate::digest::Digest;
use crate::evidence::{Base64, LogIdentity};
use crate::http_client::{HttpSettings, Reach, TlsClient};
use crate::journal::AppendBlocks;
use crate::log_client::{
    AnswerMemory, FetchSettings, Issuers, LogClient, OperatorLimits, Operators, Rfc6962Client,
    StaticCtClient, Traffic,
};
use crate::log_list::LogListClient;
use crate::message::{Demand, Stream};
use crate::state::{EvidenceFolder, Positions, RatesFile, SkippedFolder, UndecodableFolder};
use actix::dev::ArbiterHandle;
use actix::prelude::*;
use std::sync::Arc;
use tokio::time::Instant;

/// Decoding an entry takes microseconds, so a few threads can handle all logs.
pub(super) fn watcher_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.div_ceil(2)
}

/// Starts the directory, which starts the watchers, distributed over `threads`.
pub(super) fn directory(
    config: &Config,
    services: Services,
    threads: &[Arbiter],
    statuses: LogStatuses,
    shared: Option<SharedGroups>,
) -> Addr<LogDirectory> {
    let http = http_settings(config, &services.tls, Reach::Anywhere);
    let dir = config.state_dir.join("log_lists");
    let clients = Box::new(move |lists: &ListConfig| {
        lists.sources.iter().map(|source| LogListClient::new(source.clone(), &dir, &http)).collect()
    });
    let mut threads = threads.iter().map(Arbiter::handle).collect::<Vec<_>>().into_iter().cycle();
    let digest = services.digest.clone();
    let settings = config.clone();
    let start = Box::new(move |log: &LogConfig, status: Arc<LogStatus>| {
        let limits = services.operators.limits(&log.operator, log.reach);
        let fetch = services.fetch_settings(&settings, log, limits, status.traffic().clone());
        // `threads` is never empty, and `cycle` never ends, so the fallback is not used.
        let thread = threads.next().unwrap_or_else(Arbiter::current);
        services.clone().watch(log, fetch, status, &thread)
    });
    LogDirectory::new(config.logs.clone(), config.lists.clone(), clients, statuses, digest, start)
        .sharing(shared)
        .start()
}

/// The limits of all operators, with the rates that were learned before the restart.
pub(super) fn operators(config: &Config, rates: Option<&RatesFile>) -> Operators {
    let learned = rates.map(|rates| rates.rates().clone()).unwrap_or_default();
    Operators::new(config.operator_requests_at_once, config.operator_requests_per_second, learned)
}

fn http_settings(config: &Config, tls: &TlsClient, reach: Reach) -> HttpSettings {
    HttpSettings {
        tls: tls.clone(),
        proxies: config.proxies.clone(),
        reach,
        timeout: config.fetch_timeout,
        user_agent: config.user_agent.clone(),
    }
}

/// The dependencies that all watchers share.
#[derive(Clone)]
pub(super) struct Services {
    pub(super) tls: TlsClient,
    pub(super) memory: Arc<AnswerMemory>,
    pub(super) operators: Arc<Operators>,
    pub(super) issuers: Arc<Issuers>,
    pub(super) undecodable: Arc<UndecodableFolder>,
    pub(super) evidence: Arc<EvidenceFolder>,
    pub(super) positions: Arc<Positions>,
    pub(super) skipped: Arc<SkippedFolder>,
    pub(super) grace_end: Instant,
    pub(super) journal: Arc<dyn AppendBlocks>,
    /// `None` if this process has no clients.
    pub(super) outlet: Option<Outlet>,
    pub(super) alerts: Recipient<Alert>,
    pub(super) demand: Arc<Demand>,
    pub(super) digest: Arc<Digest>,
}

impl Services {
    fn fetch_settings(
        &self,
        config: &Config,
        log: &LogConfig,
        limits: Arc<OperatorLimits>,
        traffic: Arc<Traffic>,
    ) -> FetchSettings {
        let memory = Arc::new(self.memory.of_another_log());
        let http = http_settings(config, &self.tls, log.reach);
        let (issuer_wait, names_tiles) = (config.issuer_wait, config.names_tiles);
        let (demand, grace_end, is_elsewhere) = (self.demand.clone(), self.grace_end, self.outlet.is_none());
        // Clients that received chains before a restart may still come back. Of clients of other servers nothing is known.
        let sends_chains =
            Arc::new(move || is_elsewhere || demand.wants(Stream::Full) || Instant::now() < grace_end);
        FetchSettings { http, limits, traffic, memory, issuer_wait, sends_chains, names_tiles }
    }

    fn watch(
        self,
        log: &LogConfig,
        fetch: FetchSettings,
        status: Arc<LogStatus>,
        thread: &ArbiterHandle,
    ) -> Addr<LogWatcher> {
        let (log, settings) = (log.clone(), log.watch);
        let Services { issuers, undecodable, evidence, positions, .. } = self;
        let Services { skipped, grace_end, journal, outlet, alerts, digest, .. } = self;
        // The HTTP client is bound to the thread that uses it, so it is created there.
        LogWatcher::start_in_arbiter(thread, move |_| {
            let client = log_client(&log, issuers.clone(), &fetch);
            let (accused, decision) = (accused(&log), log.decision.clone());
            let with = log_watcher::WatchContext {
                client,
                memory: fetch.memory,
                accused,
                status,
                undecodable,
                evidence,
                positions,
                skipped,
                decision,
                outlet,
                alerts,
                grace_end,
                journal,
                issuers,
                digest,
            };
            LogWatcher::new(with, settings)
        })
    }
}

/// The log's identity, as evidence states it.
fn accused(log: &LogConfig) -> LogIdentity {
    let (key, origin) = match &log.endpoint {
        LogEndpoint::Rfc6962 { key } => (key.as_ref(), None),
        LogEndpoint::StaticCt(log) => (log.key.as_ref(), Some(log.origin.clone())),
    };
    LogIdentity {
        url: log.source.url().into(),
        name: log.source.name().into(),
        protocol: log.source.protocol(),
        key: key.and_then(|key| key.public_key_to_der().ok()).map(Base64),
        origin,
    }
}

/// The client that speaks the log's protocol.
pub(crate) fn log_client(log: &LogConfig, issuers: Arc<Issuers>, fetch: &FetchSettings) -> LogClient {
    match &log.endpoint {
        LogEndpoint::Rfc6962 { key } => {
            LogClient::Rfc6962(Box::new(Rfc6962Client::new(log.source.url(), key.clone(), issuers, fetch)))
        }
        LogEndpoint::StaticCt(log) => {
            LogClient::StaticCt(Box::new(StaticCtClient::new(log.clone(), issuers, fetch)))
        }
    }
}
