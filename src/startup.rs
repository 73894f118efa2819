//! The only place that starts actors, threads and servers, and that ends them again.
//!
//! ```text
//! HTTP workers: sessions, routes      broker thread: Broker      watcher threads: LogWatchers, decoding
//! main thread: Heartbeat, signals
//! ```

use crate::access::ConnectionLimits;
use crate::actors::broker::{Broker, Clients, CloseClients, DisconnectClients};
use crate::actors::heartbeat::Heartbeat;
use crate::actors::liveness::Liveness;
use crate::actors::log_directory::{LogDirectory, LogStatuses, StopWatching};
use crate::actors::log_watcher::{self, ClientWait, LogStatus, LogWatcher};
use crate::config::{Config, ListConfig, LogConfig, LogEndpoint};
use crate::counters::Counters;
use crate::digest::Digest;
use crate::evidence::{Base64, LogIdentity};
use crate::live_config::{LiveConfig, LiveSettings};
use crate::log_client::{
    AnswerMemory, FetchSettings, Issuers, LogClient, OperatorLimits, Operators, Rfc6962Client,
    StaticCtClient, Traffic, tls_connector,
};
use crate::log_list::{HttpSettings, LogListClient};
use crate::message::Demand;
use crate::reload::Reloader;
use crate::routes::{Answers, AppState, FrontPage};
use crate::server::{Listeners, listen, serve};
use crate::state::{EvidenceFolder, Positions, PositionsError, StateLock, StateLockError, UndecodableFolder};
use crate::transport::{Budget, Connections, Tls, TlsError};
use actix::dev::ArbiterHandle;
use actix::prelude::*;
use actix_web::dev::Server;
use actix_web::rt::task::JoinHandle;
use actix_web::web;
use openssl::ssl::SslConnector;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long clients have to take what is queued for them and to say goodbye when the server stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often positions are saved. They are saved as they were one interval before, which is how long messages have to
/// reach the clients' sockets: a crash makes up to two intervals be repeated.
const SAVE_INTERVAL: Duration = Duration::from_millis(300);
/// How often the certificate's files are looked at.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
/// How long plain HTTP requests have to be answered after that.
const HTTP_TIMEOUT: Duration = Duration::from_secs(1);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another with {key}")]
    Listen {
        /// The address from the configuration.
        address: SocketAddr,
        /// Where it is from.
        key: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// Another server uses the state folder.
    #[error(transparent)]
    StateLock(#[from] StateLockError),
    /// The positions cannot be had.
    #[error(transparent)]
    Positions(#[from] PositionsError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] openssl::error::ErrorStack),
    /// The front page cannot be made.
    #[error("the front page cannot be made: {0}")]
    FrontPage(#[from] askama::Error),
    /// The server's own certificate cannot be used.
    #[error(transparent)]
    ServerTls(#[from] TlsError),
}

/// A server that listens and watches.
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
    /// Binds the port, then starts everything. Must be called inside an actix system.
    ///
    /// # Errors
    /// When the port or the state folder cannot be had, positions are damaged or TLS cannot be set up; nothing has been
    /// started then.
    pub fn build(config: &Config) -> Result<Self, StartError> {
        let tls = tls_connector()?;
        let (_state_lock, positions) = positions(config)?;
        let server_tls = config.tls.clone().map(Tls::new).transpose()?.map(Arc::new);
        let listeners = listeners(config)?;
        let address = listeners.clients.local_addr().unwrap_or(config.listen);
        let admin_address = listeners.admin.as_ref().and_then(|listener| listener.local_addr().ok());
        let (demand, counters) = (Arc::new(Demand::default()), Arc::new(Counters::default()));
        let mut arbiters = vec![Arbiter::new()];
        let broker = {
            let (demand, counters) = (demand.clone(), counters.clone());
            let (newest, limits) = (config.newest_messages, config.clients);
            let broker = move |_: &mut Context<Broker>| Broker::new(demand, counters, newest, limits);
            Broker::start_in_arbiter(&arbiters[0].handle(), broker)
        };
        let heartbeat = Heartbeat::new(&broker, config.heartbeat_interval).start();
        let connections = Arc::new(Connections::default());
        let (statuses, live) = (LogStatuses::default(), Arc::new(LiveConfig::new(LiveSettings::of(config))));
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
            front_page: FrontPage::new(&config.streams)?,
            logs: statuses.clone(),
            begin: std::time::Instant::now(),
            positions: positions.clone(),
        });
        let server = serve(listeners, config, state, server_tls.clone(), CLOSE_TIMEOUT + HTTP_TIMEOUT)
            .map_err(|error| cannot_listen(config.listen, CLIENTS_KEY, error))?;

        let watching: Vec<_> = (0..watcher_threads()).map(|_| Arbiter::new()).collect();
        let services = Services {
            tls,
            memory: Arc::default(),
            issuers: Arc::new(Issuers::new(config.state_dir.join("issuers"))),
            undecodable: Arc::new(UndecodableFolder::new(config.state_dir.join("undecodable"))),
            evidence: Arc::new(EvidenceFolder::new(config.state_dir.join("evidence"))),
            gate: ClientWait::new(demand.clone(), positions.clients(), config.clients_wait),
            positions: positions.clone(),
            broker: broker.clone(),
            demand: demand.clone(),
            digest: Arc::default(),
        };
        let budget = Budget { connections: connections.clone(), live: live.clone(), counters };
        let saver = Saver { positions, demand, gate: services.gate.clone() };
        let directory = directory(config, services, &watching, statuses);
        arbiters.extend(watching);
        let reloader = Reloader {
            in_force: config.written.clone(),
            live,
            connections,
            tls: server_tls,
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

    /// The address that is listened on; its port is the one that was given out when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that is listened on for the statistics and the metrics, if it is one of their own.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// What tells whether it is alive.
    pub fn liveness(&self) -> Liveness {
        Liveness::of(self.broker.clone())
    }

    /// What puts another configuration in force.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Serves until `stop` ends; then stops fetching, hands out what is queued, says goodbye to the clients
    /// and ends, within 10 s whatever the clients do.
    ///
    /// # Errors
    /// When the HTTP server itself fails.
    pub async fn run_until_stopped(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Application {
            server, broker, directory, heartbeat, arbiters, mut saver, budget, reloader, ..
        } = self;
        let handle = server.handle();
        let mut serving = actix::spawn(server);
        let saving = actix::spawn(saver.clone().keep_saving());
        let connections = budget.connections.clone();
        let bounding = actix::spawn(budget.keep());
        let renewing = reloader.tls.map(|tls| actix::spawn(keep_renewed(tls)));
        tokio::select! {
            ended = &mut serving => return ended.unwrap_or_else(|e| Err(io::Error::other(e))),
            () = stop => {}
        }
        let _ = directory.send(StopWatching).await;
        drop(heartbeat);
        saving.abort();
        bounding.abort();
        renewing.inspect(JoinHandle::abort);
        saver.count_clients();
        connections.stop();
        let stop_http = actix::spawn(handle.stop(true));
        close_clients(&broker).await;
        // Everything that was handed on has reached the clients, or is counted as lost for them.
        saver.save_all();
        let result = serving.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        let _ = stop_http.await;
        for arbiter in arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
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

/// Takes a new certificate when there is one: they are renewed by programs that know nothing of us.
async fn keep_renewed(tls: Arc<Tls>) {
    let (mut known, mut told) = (tls.file_times(), None);
    loop {
        sleep(RENEWAL_INTERVAL).await;
        let times = tls.file_times();
        if times == known {
            continue;
        }
        match tls.replace(tls.files()) {
            Ok(()) => {
                log::info!("TLS: the certificate was replaced, new connections see it");
                known = times;
            }
            // Perhaps one of the two files is still to come.
            Err(error) if told.as_ref() != Some(&times) => {
                log::warn!("{error}; going on with the certificate of before");
                told = Some(times);
            }
            Err(_) => {}
        }
    }
}

/// Takes the state folder and reads where the logs stand.
fn positions(config: &Config) -> Result<(Option<StateLock>, Arc<Positions>), StartError> {
    if !config.keeps_positions {
        return Ok((None, Arc::new(Positions::in_memory())));
    }
    let lock = StateLock::take(&config.state_dir)?;
    Ok((Some(lock), Arc::new(Positions::load(&config.state_dir)?)))
}

/// Saves where the logs stand.
#[derive(Clone)]
struct Saver {
    positions: Arc<Positions>,
    demand: Arc<Demand>,
    /// Until it is open, the clients of before are still waited for.
    gate: ClientWait,
}

impl Saver {
    /// Saves again and again. While that fails the stream goes on, and what is saved next holds all.
    async fn keep_saving(mut self) {
        let mut failing = false;
        loop {
            sleep(SAVE_INTERVAL).await;
            self.count_clients();
            let positions = self.positions.clone();
            let saved = web::block(move || positions.save_settled()).await;
            match saved.map_err(io::Error::other).flatten() {
                Ok(()) if failing => {
                    failing = false;
                    log::info!("positions are saved again");
                }
                Err(error) if !failing => {
                    failing = true;
                    log_unsaved(&error);
                }
                _ => {}
            }
        }
    }

    /// Saves everything, after all that was handed on has reached the clients.
    fn save_all(&self) {
        if let Err(error) = self.positions.save() {
            log_unsaved(&error);
        }
    }

    fn count_clients(&mut self) {
        if self.gate.is_open() {
            self.positions.set_clients(self.demand.clients());
        }
    }
}

fn log_unsaved(error: &io::Error) {
    log::error!(
        "positions cannot be saved: {error}; the stream goes on, but a restart would repeat what came since; is \
         state.dir writable, and is there room on its disk?"
    );
}

/// Waits until the clients have gone, and ends the connections of those that do not go.
async fn close_clients(broker: &Addr<Broker>) {
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    let _ = broker.send(CloseClients).await;
    while Instant::now() < deadline {
        match broker.send(Clients).await {
            Ok(clients) if !clients.is_empty() => sleep(Duration::from_millis(50)).await,
            _ => return,
        }
    }
    if let Ok(count) = broker.send(DisconnectClients).await {
        log::warn!("{count} clients did not go in time and were disconnected");
    }
}

/// Decoding an entry takes microseconds: few threads carry all logs.
fn watcher_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.div_ceil(2)
}

/// Starts the directory, which starts the watchers, on `threads` in turn.
fn directory(
    config: &Config,
    services: Services,
    threads: &[Arbiter],
    statuses: LogStatuses,
) -> Addr<LogDirectory> {
    let http = HttpSettings {
        tls: services.tls.clone(),
        proxies: config.proxies.clone(),
        timeout: config.fetch_timeout,
        user_agent: config.user_agent.clone(),
    };
    let dir = config.state_dir.join("log_lists");
    let clients = Box::new(move |lists: &ListConfig| {
        lists.sources.iter().map(|source| LogListClient::new(source.clone(), &dir, &http)).collect()
    });
    let mut threads = threads.iter().map(Arbiter::handle).collect::<Vec<_>>().into_iter().cycle();
    let mut operators = Operators::new(config.operator_requests_at_once, config.operator_requests_per_second);
    let digest = services.digest.clone();
    let settings = config.clone();
    let start = Box::new(move |log: &LogConfig, status: Arc<LogStatus>| {
        let limits = operators.limits(&log.operator, log.reach);
        let fetch = services.fetch_settings(&settings, log, limits, status.traffic().clone());
        // There is at least one thread, and it is asked for in turn without end.
        let thread = threads.next().unwrap_or_else(Arbiter::current);
        services.clone().watch(log, fetch, status, &thread)
    });
    LogDirectory::new(config.logs.clone(), config.lists.clone(), clients, statuses, digest, start).start()
}

/// What all watchers share.
#[derive(Clone)]
struct Services {
    tls: SslConnector,
    memory: Arc<AnswerMemory>,
    issuers: Arc<Issuers>,
    undecodable: Arc<UndecodableFolder>,
    evidence: Arc<EvidenceFolder>,
    positions: Arc<Positions>,
    gate: ClientWait,
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
        let (timeout, user_agent) = (config.fetch_timeout, config.user_agent.clone());
        let names_tiles = config.names_tiles;
        let proxies = config.proxies.clone();
        let (tls, reach) = (self.tls.clone(), log.reach);
        let memory = Arc::new(self.memory.of_another_log());
        FetchSettings { tls, proxies, reach, timeout, user_agent, limits, traffic, memory, names_tiles }
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
        let Services { gate, broker, demand, digest, .. } = self;
        // The HTTP client belongs to the thread that uses it, so it is made there.
        LogWatcher::start_in_arbiter(thread, move |_| {
            let client = log_client(&log, issuers, &fetch);
            let accused = accused(&log);
            let with = log_watcher::WatchContext {
                client,
                memory: fetch.memory,
                accused,
                status,
                undecodable,
                evidence,
                positions,
                broker,
                demand,
                gate,
                digest,
            };
            LogWatcher::new(with, settings)
        })
    }
}

/// What evidence says of the log.
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
