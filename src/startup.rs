//! The only module that starts and stops actors, threads and servers.
//!
//! ```text
//! HTTP workers: connections, WebSocketSessions, routes
//! broker thread: Broker
//! watcher threads: LogWatchers, decoding
//! main thread: LogDirectory, Heartbeat, saving positions, signals
//! ```

mod backbone;
#[cfg(feature = "cluster")]
mod cluster;
mod error;
mod journal;
mod outputs;
mod renewal;
mod saver;
mod watching;

use crate::access::ConnectionLimits;
use crate::actors::broker::{Broker, Clients, CloseClients, DisconnectClients};
use crate::actors::heartbeat::Heartbeat;
use crate::actors::liveness::Liveness;
use crate::actors::log_directory::{LogDirectory, LogStatuses, StopWatching};
use crate::actors::outlet::Outlet;
use crate::actors::reader::Feeds;
use crate::actors::replayer::Replayer;
use crate::actors::subscriptions::Subscriptions;
use crate::config::Config;
use crate::counters::Counters;
use crate::http_client::TlsClient;
use crate::journal::{History, KnownIssuers};
use crate::live_config::{LiveConfig, LiveSettings};
use crate::log_client::Issuers;
use crate::message::Demand;
use crate::named_filters::{ConfiguredFilters, KeptFilters, NamedFilters};
use crate::reload::{FilterLists, Reloader};
use crate::routes::{Answers, AppState, FrontPage, RestartGrace};
use crate::server::{Listeners, listen, serve};
use crate::state::{
    EvidenceFolder, FilterFolder, Positions, RatesFile, SkippedFolder, StateLock, UndecodableFolder,
};
use crate::transport::{Budget, Connections, Tls};
use actix::prelude::*;
use actix_web::dev::Server;
use actix_web::rt::task::JoinHandle;
use actix_web::web;
use backbone::Backbone;
#[cfg(feature = "cluster")]
use cluster::Membership;
pub use error::StartError;
pub use journal::JournalError;
pub(crate) use outputs::check as check_output;
use outputs::{OutputServices, Outputs};
use parking_lot::Mutex;
use renewal::keep_renewed;
use saver::Saver;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
pub(crate) use watching::log_client;
use watching::{Services, directory, operators, watcher_threads};

/// Time that clients have to receive their queue and answer the close frame when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Additional time in which plain HTTP requests have to be answered.
const HTTP_TIMEOUT: Duration = Duration::from_secs(1);

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
    backbone: Backbone,
    outputs: Outputs,
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
        let backbone = Backbone::open(config, &positions)?;
        let outputs = outputs::open(config, &backbone)?;
        let Backbone { journal, uniques, .. } = &backbone;
        let (demand, counters) = (Arc::new(Demand::default()), Arc::new(Counters::default()));
        let mut arbiters = vec![Arbiter::new()];
        let broker = {
            let (demand, counters, uniques) = (demand.clone(), counters.clone(), uniques.clone());
            let (newest, limits, next_seq) = (config.newest_messages, config.clients, journal.next_seq());
            let broker = move |_: &mut Context<Broker>| {
                Broker::new(demand, counters, uniques, newest, limits, next_seq)
            };
            Broker::start_in_arbiter(&arbiters[0].handle(), broker)
        };
        let issuers = Arc::new(Issuers::new(config.state_dir.join("issuers")));
        let (replay, readers) = std::sync::mpsc::channel();
        let known = {
            let (by_hash, by_der) = (issuers.clone(), issuers.clone());
            KnownIssuers::new(move |hash| by_hash.get(hash), move |der| by_der.interned(der))
        };
        let history = History::new(journal.clone(), known.clone());
        let (not_given, share) = (backbone.not_given.clone(), config.clients.replay_share);
        Replayer { history, not_given, broker: broker.clone(), share, uniques: uniques.clone() }
            .start(readers)
            .map_err(JournalError::Thread)?;
        let heartbeat = Heartbeat::new(&broker, config.heartbeat_interval).start();
        let connections = Arc::new(Connections::default());
        let rates = config.keeps_positions.then(|| RatesFile::load(&config.state_dir));
        let operators = Arc::new(operators(config, rates.as_ref()));
        let (statuses, live) = (LogStatuses::default(), Arc::new(LiveConfig::new(LiveSettings::of(config))));
        let filters = Arc::new(named_filters(config, &backbone));
        let subscriptions = Subscriptions {
            feeds: Feeds::default(),
            journal: journal.clone(),
            uniques: uniques.clone(),
            replay,
        };
        let output_statuses: Vec<_> = outputs.iter().map(|output| output.status(&subscriptions)).collect();
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
            subscriptions: subscriptions.clone(),
            filters: filters.clone(),
            outputs: output_statuses.clone(),
            grace: RestartGrace::new(backbone.start_of_grace, config.restart_grace),
            serves_streams: config.serves_clients(),
            #[cfg(feature = "cluster")]
            cluster: backbone.membership.as_ref().map(Membership::view),
        });
        let server = serve(listeners, config, state, server_tls.clone(), STOP_TIMEOUT + HTTP_TIMEOUT)
            .map_err(|error| cannot_listen(config.listen, CLIENTS_KEY, error))?;

        let outlet = Outlet { broker: broker.clone(), demand: demand.clone(), uniques: uniques.clone() };
        backbone.follow(&outlet, &known).map_err(JournalError::Thread)?;
        let services =
            OutputServices { subscriptions: &subscriptions, broker: &broker, filters: &filters, tls: &tls };
        let outputs = Outputs::start(outputs, &output_statuses, config, &services);
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
            journal: backbone.appender.clone(),
            outlet: config.serves_clients().then(|| outlet.clone()),
            alerts: backbone.alerts().unwrap_or_else(|| broker.clone().recipient()),
            positions: positions.clone(),
            demand: demand.clone(),
            digest: Arc::default(),
        };
        let budget = Budget { connections: connections.clone(), live: live.clone(), counters };
        let saver = Saver {
            positions,
            journal: backbone.store.clone(),
            issuers,
            interval: config.journal.sync_interval,
            rates: rates.map(|rates| Arc::new(Mutex::new(rates))),
            operators,
        };
        let directory = directory(config, services, &watching, statuses.clone(), backbone.groups());
        backbone.take_part(&directory, statuses, config.health);
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
            backbone,
            outputs,
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
        let (backbone, outputs) = (self.backbone, self.outputs);
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
        tokio::join!(close_clients(&broker), outputs.finish(STOP_TIMEOUT));
        let result = serving.await.unwrap_or_else(|e| Err(io::Error::other(e)));
        let _ = stop_http.await;
        for arbiter in arbiters {
            arbiter.stop();
            let _ = arbiter.join();
        }
        // The watchers have stopped, so nothing is appended any more.
        saver.close();
        backbone.close();
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
fn named_filters(config: &Config, backbone: &Backbone) -> NamedFilters {
    let configured = config.filters.iter().map(|filter| (filter.name.clone(), filter.filter.clone()));
    let folder = config.keeps_positions.then(|| FilterFolder::new(config.state_dir.join("filters")));
    NamedFilters {
        configured: ConfiguredFilters::new(configured),
        kept: KeptFilters::open(folder),
        shared: backbone.filters(),
    }
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
