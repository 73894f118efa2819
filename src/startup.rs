//! The only module that starts and stops actors, threads and servers.
//!
//! ```text
//! HTTP workers: connections, WebSocketSessions, routes
//! broker thread: Broker
//! watcher threads: LogWatchers, decoding
//! main thread: LogDirectory, Heartbeat, saving positions, signals
//! ```

mod journal;
mod renewal;
mod saver;

use crate::access::ConnectionLimits;
use crate::actors::broker::{Broker, Clients, CloseClients, DisconnectClients};
use crate::actors::heartbeat::Heartbeat;
use crate::actors::liveness::Liveness;
use crate::actors::log_directory::{LogDirectory, LogStatuses, StopWatching};
use crate::actors::log_watcher::{self, LogStatus, LogWatcher};
use crate::actors::reader::Feeds;
use crate::actors::replayer::Replayer;
use crate::config::{Config, JournalConfig, ListConfig, LogConfig, LogEndpoint};
use crate::counters::Counters;
use crate::digest::Digest;
use crate::evidence::{Base64, LogIdentity};
use crate::http_client::{HttpSettings, Reach, TlsClient};
use crate::journal::{History, Writer};
use crate::live_config::{LiveConfig, LiveSettings};
use crate::log_client::{
    AnswerMemory, FetchSettings, Issuers, LogClient, OperatorLimits, Operators, Rfc6962Client,
    StaticCtClient, Traffic,
};
use crate::log_list::LogListClient;
use crate::message::{Demand, Stream};
use crate::named_filters::{ConfiguredFilters, KeptFilters, NamedFilters};
use crate::reload::{FilterLists, Reloader};
use crate::routes::{Answers, AppState, FrontPage, RestartGrace};
use crate::server::{Listeners, listen, serve};
use crate::state::{
    EvidenceFolder, FilterFolder, Positions, PositionsError, RatesFile, SkippedFolder, StateLock,
    StateLockError, UndecodableFolder,
};
use crate::transport::{Budget, Connections, Tls, TlsError};
use crate::unique::Uniques;
use actix::dev::ArbiterHandle;
use actix::prelude::*;
use actix_web::dev::Server;
use actix_web::rt::task::JoinHandle;
use actix_web::web;
pub use journal::JournalError;
use journal::OpenJournal;
use parking_lot::Mutex;
use renewal::keep_renewed;
use saver::Saver;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Time that clients have to receive their queue and answer the close frame when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Additional time in which plain HTTP requests have to be answered.
const HTTP_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another with {key}")]
    Listen {
        /// The address from the configuration.
        address: SocketAddr,
        /// The key that the address comes from.
        key: &'static str,
        /// The operating system's error.
        error: io::Error,
    },
    /// Another server uses the state folder.
    #[error(transparent)]
    StateLock(#[from] StateLockError),
    /// The positions cannot be read.
    #[error(transparent)]
    Positions(#[from] PositionsError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] openssl::error::ErrorStack),
    /// The front page cannot be rendered.
    #[error("the front page cannot be rendered: {0}")]
    FrontPage(#[from] askama::Error),
    /// The server's own certificate cannot be used.
    #[error(transparent)]
    ServerTls(#[from] TlsError),
}

/// A server that listens and watches logs.
pub struct Application {
    server: Server,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
    reloader: Reloader,
    broker: Addr<Broker>,
    directory: Addr<LogDirectory>,
    heartbeat: Addr<Heartbeat>,
    arbiters: Vec<Arbiter>,
    saver: Saver,
    budget: Budget,
    _state_lock: Option<StateLock>,
}

impl Application {
    /// Binds the ports, then starts everything. Must be called inside an actix system.
    ///
    /// # Errors
    /// If a port or the state folder cannot be used, positions are damaged, or TLS cannot be set up. Nothing has been
    /// started then.
    pub fn build(config: &Config) -> Result<Self, StartError> {
        let tls = TlsClient::new()?;
        let (_state_lock, positions) = positions(config)?;
        let server_tls = config.tls.clone().map(Tls::new).transpose()?.map(Arc::new);
        let listeners = listeners(config)?;
        let address = listeners.clients.local_addr().unwrap_or(config.listen);
        let admin_address = listeners.admin.as_ref().and_then(|listener| listener.local_addr().ok());
        let journal_config = journal_config(config);
        let journal = OpenJournal::open(&journal_config, &positions)?;
        let (demand, counters) = (Arc::new(Demand::default()), Arc::new(Counters::default()));
        let mut arbiters = vec![Arbiter::new()];
        let uniques = Arc::new(journal.uniques(&journal_config, &config.state_dir, config.unique));
        let broker = {
            let (demand, counters, uniques) = (demand.clone(), counters.clone(), uniques.clone());
            let (newest, limits, next_seq) =
                (config.newest_messages, config.clients, journal.store.next_seq());
            let broker = move |_: &mut Context<Broker>| {
                Broker::new(demand, counters, uniques, newest, limits, next_seq)
            };
            Broker::start_in_arbiter(&arbiters[0].handle(), broker)
        };
        let issuers = Arc::new(Issuers::new(config.state_dir.join("issuers")));
        let (replay, readers) = std::sync::mpsc::channel();
        let history = History::new(journal.store.clone(), {
            let issuers = issuers.clone();
            Box::new(move |fingerprint| issuers.get(fingerprint))
        });
        let not_given = journal.before_start..journal.store.next_seq();
        let (share, unique) = (config.clients.replay_share, uniques.clone());
        Replayer { history, not_given, broker: broker.clone(), share, uniques: unique }
            .start(readers)
            .map_err(JournalError::Thread)?;
        let heartbeat = Heartbeat::new(&broker, config.heartbeat_interval).start();
        let connections = Arc::new(Connections::default());
        let rates = config.keeps_positions.then(|| RatesFile::load(&config.state_dir));
        let operators = Arc::new(operators(config, rates.as_ref()));
        let (statuses, live) = (LogStatuses::default(), Arc::new(LiveConfig::new(LiveSettings::of(config))));
        let filters = Arc::new(named_filters(config));
        let state = web::Data::new(AppState {
            liveness: Liveness::of(broker.clone()),
            broker: broker.clone(),
            live: live.clone(),
            counters: counters.clone(),
            demand: demand.clone(),
            slots: Arc::new(ConnectionLimits::default()),
            connections: connections.clone(),
            answers: Answers::default(),
            streams: config.streams.clone(),
            root_stream: config.root_stream,
            front_page: FrontPage::new(&config.streams, config.heartbeat_interval)?,
            logs: statuses.clone(),
            operators: operators.clone(),
            begin: std::time::Instant::now(),
            positions: positions.clone(),
            journal: journal.store.clone(),
            feeds: Feeds::default(),
            uniques: uniques.clone(),
            filters: filters.clone(),
            replay,
            grace: RestartGrace::new(journal.start_of_grace(), config.restart_grace),
        });
        let server = serve(listeners, config, state, server_tls.clone(), STOP_TIMEOUT + HTTP_TIMEOUT)
            .map_err(|error| cannot_listen(config.listen, CLIENTS_KEY, error))?;

        let watching: Vec<_> = (0..watcher_threads()).map(|_| Arbiter::new()).collect();
        let services = Services {
            tls,
            memory: Arc::default(),
            operators: operators.clone(),
            issuers: issuers.clone(),
            undecodable: Arc::new(UndecodableFolder::new(config.state_dir.join("undecodable"))),
            evidence: Arc::new(EvidenceFolder::new(config.state_dir.join("evidence"))),
            skipped: Arc::new(SkippedFolder::new(config.state_dir.join("skipped"))),
            grace_end: Instant::now() + config.restart_grace,
            journal: journal.writer(config.journal.sync_interval.is_zero())?,
            uniques,
            positions: positions.clone(),
            broker: broker.clone(),
            demand: demand.clone(),
            digest: Arc::default(),
        };
        let budget = Budget { connections: connections.clone(), live: live.clone(), counters };
        let saver = Saver {
            positions,
            journal: journal.store,
            issuers,
            interval: config.journal.sync_interval,
            rates: rates.map(|rates| Arc::new(Mutex::new(rates))),
            operators,
        };
        let directory = directory(config, services, &watching, statuses);
        arbiters.extend(watching);
        let reloader = Reloader {
            in_force: config.written.clone(),
            live,
            connections,
            tls: server_tls,
            filters: Arc::new(FilterLists::new(config.filters.clone(), filters, broker.clone())),
            broker: broker.clone(),
            directory: directory.clone(),
        };
        Ok(Application {
            server,
            address,
            admin_address,
            reloader,
            broker,
            directory,
            heartbeat,
            arbiters,
            saver,
            budget,
            _state_lock,
        })
    }

    /// The address of the clients' listener, with the assigned port if port 0 was requested.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the admins' own listener, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// The liveness check of the server.
    pub fn liveness(&self) -> Liveness {
        Liveness::of(self.broker.clone())
    }

    /// Applies new configurations to the server.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Serves until `stop` completes. Then it stops fetching, sends what is queued, sends close frames and stops,
    /// within 10 s regardless of the clients.
    ///
    /// # Errors
    /// If the HTTP server itself fails.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Application { server, broker, directory, heartbeat, arbiters, saver, budget, reloader, .. } =
            self;
        let handle = server.handle();
        let mut serving = actix::spawn(server);
        let saving = actix::spawn(saver.clone().keep_saving());
        let connections = budget.connections.clone();
        let bounding = actix::spawn(budget.keep());
        let renewing = reloader.tls.map(|tls| actix::spawn(keep_renewed(tls)));
        let reading = actix::spawn(reloader.filters.keep_fresh());
        tokio::select! {
            ended = &mut serving => return ended.unwrap_or_else(|e| Err(io::Error::other(e))),
            () = stop => {}
        }
        let _ = directory.send(StopWatching).await;
        drop(heartbeat);
        saving.abort();
        bounding.abort();
        reading.abort();
        renewing.inspect(JoinHandle::abort);
        connections.stop();
        let stop_http = actix::spawn(handle.stop(true));
        close_clients(&broker).await;
        let result = serving.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        let _ = stop_http.await;
        for arbiter in arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
        // The watchers have stopped, so nothing is appended any more.
        saver.close();
        log::info!("stopped");
        result
    }
}

const CLIENTS_KEY: &str = "server.listen or PORT";

fn listeners(config: &Config) -> Result<Listeners, StartError> {
    let open = |address, key| listen(address).map_err(|error| cannot_listen(address, key, error));
    Ok(Listeners {
        clients: open(config.listen, CLIENTS_KEY)?,
        admin: config.admin_listen.map(|address| open(address, "admin.listen")).transpose()?,
    })
}

fn cannot_listen(address: SocketAddr, key: &'static str, error: io::Error) -> StartError {
    StartError::Listen { address, key, error }
}

/// The filters that have a name. Without positions, those of clients are in memory alone: the state folder is not locked.
fn named_filters(config: &Config) -> NamedFilters {
    let configured = config.filters.iter().map(|filter| (filter.name.clone(), filter.filter.clone()));
    let folder = config.keeps_positions.then(|| FilterFolder::new(config.state_dir.join("filters")));
    NamedFilters { configured: ConfiguredFilters::new(configured), kept: KeptFilters::open(folder) }
}

/// The settings of the journal. Without positions, it is in memory alone: the state folder is not locked.
fn journal_config(config: &Config) -> JournalConfig {
    let dir = config.journal.dir.clone().filter(|_| config.keeps_positions);
    JournalConfig { dir, ..config.journal.clone() }
}

/// Locks the state folder and loads the positions.
fn positions(config: &Config) -> Result<(Option<StateLock>, Arc<Positions>), StartError> {
    if !config.keeps_positions {
        return Ok((None, Arc::new(Positions::in_memory())));
    }
    let lock = StateLock::take(&config.state_dir)?;
    Ok((Some(lock), Arc::new(Positions::load(&config.state_dir)?)))
}

/// Waits until the clients are gone, and disconnects those that remain after the timeout.
async fn close_clients(broker: &Addr<Broker>) {
    let deadline = Instant::now() + STOP_TIMEOUT;
    let _ = broker.send(CloseClients).await;
    while Instant::now() < deadline {
        match broker.send(Clients).await {
            Ok(clients) if !clients.is_empty() => sleep(Duration::from_millis(50)).await,
            _ => return,
        }
    }
    if let Ok(count) = broker.send(DisconnectClients).await {
        log::warn!("{count} clients did not disconnect in time and were cut off");
    }
}

/// Decoding an entry takes microseconds, so a few threads can handle all logs.
fn watcher_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.div_ceil(2)
}

/// Starts the directory, which starts the watchers, distributed over `threads`.
fn directory(
    config: &Config,
    services: Services,
    threads: &[Arbiter],
    statuses: LogStatuses,
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
    LogDirectory::new(config.logs.clone(), config.lists.clone(), clients, statuses, digest, start).start()
}

/// The limits of all operators, with the rates that were learned before the restart.
fn operators(config: &Config, rates: Option<&RatesFile>) -> Operators {
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
struct Services {
    tls: TlsClient,
    memory: Arc<AnswerMemory>,
    operators: Arc<Operators>,
    issuers: Arc<Issuers>,
    undecodable: Arc<UndecodableFolder>,
    evidence: Arc<EvidenceFolder>,
    positions: Arc<Positions>,
    skipped: Arc<SkippedFolder>,
    grace_end: Instant,
    journal: Writer,
    uniques: Arc<Uniques>,
    broker: Addr<Broker>,
    demand: Arc<Demand>,
    digest: Arc<Digest>,
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
        let (demand, grace_end) = (self.demand.clone(), self.grace_end);
        // Clients that received chains before a restart may still come back.
        let sends_chains = Arc::new(move || demand.wants(Stream::Full) || Instant::now() < grace_end);
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
        let Services { skipped, grace_end, journal, uniques, broker, demand, digest, .. } = self;
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
                uniques,
                broker,
                demand,
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
