//! What the routes know.

use super::front_page::FrontPage;
use super::on_demand::OnDemand;
use crate::access::ConnectionLimits;
use crate::actors::broker::Broker;
use crate::actors::liveness::Liveness;
use crate::actors::log_directory::LogStatuses;
use crate::actors::send_queue::SharedFrames;
use crate::config::Config;
use crate::counters::Counters;
use crate::live_config::LiveConfig;
use crate::message::{Demand, Stream};
use crate::state::Positions;
use crate::transport::Connections;
use actix::Addr;
use std::sync::Arc;
use std::time::Instant;

/// See the module.
#[derive(Debug)]
pub struct AppState {
    /// Where the messages are.
    pub broker: Addr<Broker>,
    /// Whether they go on.
    pub liveness: Liveness,
    /// The rules in force.
    pub live: Arc<LiveConfig>,
    /// What happened to clients.
    pub counters: Arc<Counters>,
    /// How many clients hear what.
    pub demand: Arc<Demand>,
    /// The connections that are taken.
    pub slots: Arc<ConnectionLimits>,
    /// The connections themselves.
    pub(crate) connections: Arc<Connections>,
    /// What is answered.
    pub(crate) answers: Answers,
    /// The streams that clients can have.
    pub streams: Vec<Stream>,
    /// What `/` streams.
    pub root_stream: Stream,
    /// What it shows to browsers.
    pub(crate) front_page: FrontPage,
    /// How the logs are doing.
    pub logs: LogStatuses,
    /// When the program started.
    pub begin: Instant,
    /// Where they stand, and whether that can be saved.
    pub positions: Arc<Positions>,
}

/// The answers that are made on demand.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(super) develop: OnDemand<Arc<SharedFrames>>,
    pub(super) latest: OnDemand,
    /// By stream.
    pub(super) examples: [OnDemand; Stream::ALL.len()],
    pub(super) status: OnDemand,
    pub(super) alive: OnDemand,
    pub(super) ready: OnDemand,
    /// With what only admins see, and without.
    pub(super) stats: [OnDemand; 2],
    /// As OpenMetrics, and as Prometheus's own format.
    pub(super) metrics: [OnDemand; 2],
}

/// Who asks at an address that is listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Clients; the statistics and the metrics are elsewhere.
    Clients,
    /// Clients, and whoever wants to see the statistics.
    ClientsAndAdmins,
    /// Admins alone, who hear nothing here.
    Admins,
}

/// What the configuration says of the paths.
#[derive(Debug, Clone)]
pub struct Paths {
    pub(super) streams: Vec<Stream>,
    pub(super) stats: String,
}

impl Paths {
    /// As `config` has them.
    pub fn of(config: &Config) -> Self {
        Paths { streams: config.streams.clone(), stats: config.stats_path.clone() }
    }
}
