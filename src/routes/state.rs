//! The state that all routes share.

use super::body::Bodies;
#[cfg(feature = "cluster")]
use super::cluster::ClusterView;
use super::costly::Costly;
use super::front_page::FrontPage;
use super::on_demand::OnDemand;
use crate::access::ConnectionLimits;
use crate::actors::broker::Broker;
use crate::actors::liveness::Liveness;
use crate::actors::log_directory::LogStatuses;
use crate::actors::reader::SharedFrames;
use crate::actors::subscriptions::Subscriptions;
use crate::config::Config;
use crate::counters::Counters;
use crate::live_config::LiveConfig;
use crate::log_client::Operators;
use crate::message::{Demand, Stream};
use crate::named_filters::NamedFilters;
use crate::outputs::{OutputFigures, OutputStatus};
use crate::state::Positions;
use crate::transport::Connections;
use actix::Addr;
use enum_map::EnumMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The dependencies of the routes.
#[derive(Debug)]
pub(crate) struct AppState {
    /// The Broker, which has the newest entries and the clients.
    pub broker: Addr<Broker>,
    /// The liveness check.
    pub liveness: Liveness,
    /// The settings in force.
    pub live: Arc<LiveConfig>,
    /// The event counters.
    pub counters: Arc<Counters>,
    /// The number of clients per stream and wire format.
    pub demand: Arc<Demand>,
    /// The permits of open connections.
    pub slots: Arc<ConnectionLimits>,
    /// The open connections.
    pub(crate) connections: Arc<Connections>,
    /// The answers that are made on demand.
    pub(crate) answers: Answers,
    /// The offered streams.
    pub streams: Vec<Stream>,
    /// The stream at `/`.
    pub root_stream: Stream,
    /// The page at `/`, for browsers.
    pub(crate) front_page: FrontPage,
    /// The status of the logs.
    pub logs: LogStatuses,
    /// The limits of requests to the logs' operators.
    pub(crate) operators: Arc<Operators>,
    /// When the program started.
    pub begin: Instant,
    /// The positions of the logs, and whether they can be saved.
    pub positions: Arc<Positions>,
    /// What clients read from.
    pub(crate) subscriptions: Subscriptions,
    /// The filters that have a name.
    pub(crate) filters: Arc<NamedFilters>,
    /// The states of the outputs.
    pub(crate) outputs: Vec<Arc<OutputStatus>>,
    /// Where clients without a cursor begin after a restart.
    pub(crate) grace: RestartGrace,
    /// Whether streams are served.
    pub(crate) serves_streams: bool,
    /// The cluster that this server is a part of.
    #[cfg(feature = "cluster")]
    pub(crate) cluster: Option<Arc<dyn ClusterView>>,
}

impl AppState {
    /// The outputs as they are now.
    pub(super) fn outputs(&self) -> Vec<OutputFigures> {
        let (next_seq, now) = (self.subscriptions.journal.next_seq(), Instant::now());
        self.outputs.iter().map(|output| output.figures(next_seq, now)).collect()
    }
}

/// Where a client begins that connects soon after a start and gives no cursor.
#[derive(Debug)]
pub(crate) struct RestartGrace {
    /// The number of the first entry.
    start: Option<u64>,
    end: Instant,
}

impl RestartGrace {
    /// Clients that connect within `grace` begin at `start`.
    pub(crate) fn new(start: Option<u64>, grace: Duration) -> Self {
        RestartGrace { start, end: Instant::now() + grace }
    }

    /// Where a client begins that connects now; `None` for what comes next.
    pub(super) fn start(&self) -> Option<u64> {
        self.start.filter(|_| Instant::now() < self.end)
    }
}

/// The answers that are made on demand.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(super) develop: OnDemand<Arc<SharedFrames>>,
    pub(super) latest: OnDemand,
    /// By stream.
    pub(super) examples: EnumMap<Stream, OnDemand>,
    pub(super) status: OnDemand,
    /// The filters of new clients are parsed.
    pub(super) filters: Costly,
    /// The filters that clients put are received.
    pub(super) bodies: Bodies,
    pub(super) alive: OnDemand,
    /// For admins, and for others.
    pub(super) ready: [OnDemand; 2],
    /// For admins, and for others.
    pub(super) stats: [OnDemand; 2],
    /// In OpenMetrics, and in Prometheus's own format.
    pub(super) metrics: [OnDemand; 2],
}

/// The audience of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Clients; the statistics and the metrics have their own listener.
    Clients,
    /// Clients, and readers of the statistics and the metrics.
    ClientsAndAdmins,
    /// Only admins; no streams are offered.
    Admins,
}

/// The paths from the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(super) streams: Vec<Stream>,
    pub(super) stats: String,
}

impl Paths {
    /// Takes the paths of `config`.
    pub(crate) fn of(config: &Config) -> Self {
        Paths { streams: config.streams.clone(), stats: config.stats_path.clone() }
    }
}
