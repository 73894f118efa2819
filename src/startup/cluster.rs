//! This server as a part of a cluster: connects the cluster's parts with the actors.

use crate::actors::broker::Alert;
use crate::actors::follower::Follower;
use crate::actors::log_directory::{Hold, LogDirectory, LogStatuses, Settled, SharedGroups};
use crate::actors::log_watcher::LogStatus;
use crate::actors::outlet::Outlet;
use crate::cluster::{ClusterError, Edge, Ingester, Work};
use crate::config::{Config, HealthLimits, Role};
use crate::journal::{AppendBlocks, KnownIssuers, SharedJournal};
use crate::message::{Demand, Stream, Wire};
use crate::named_filters::SharedFilters;
use crate::routes::{ClusterFigures, ClusterView, IngesterFigures, describe_log};
use crate::state::SharedPosition;
use actix::prelude::*;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// The part that this server has.
#[derive(Debug, Clone)]
pub(super) enum Membership {
    Ingester(Ingester),
    Edge(Edge),
}

impl Membership {
    /// Connects to the engine. Blocks.
    ///
    /// # Errors
    /// If the engine cannot be reached, or the stream has other settings than `config`.
    pub(super) fn open(config: &Config, role: Role) -> Result<Self, ClusterError> {
        let (cluster, dir) = (&config.cluster, &config.state_dir);
        Ok(match role {
            Role::Ingest => Membership::Ingester(Ingester::open(cluster, dir)?),
            Role::Edge => Membership::Edge(Edge::open(cluster, dir)?),
        })
    }

    /// The stream.
    pub(super) fn journal(&self) -> SharedJournal {
        match self {
            Membership::Ingester(ingester) => ingester.journal(),
            Membership::Edge(edge) => edge.journal(),
        }
    }

    /// Where watchers append blocks.
    pub(super) fn appender(&self) -> Arc<dyn AppendBlocks> {
        match self {
            Membership::Ingester(ingester) => ingester.appender(),
            Membership::Edge(edge) => edge.appender(),
        }
    }

    /// Where a client of an edge begins that comes back without a cursor. `None` if that is not known.
    pub(super) fn start_of_grace(&self) -> Option<u64> {
        match self {
            Membership::Ingester(_) => None,
            Membership::Edge(edge) => edge.end_of_last_run,
        }
    }

    /// The filters that clients have put at any edge.
    pub(super) fn filters(&self) -> Option<Arc<dyn SharedFilters>> {
        match self {
            Membership::Ingester(_) => None,
            Membership::Edge(edge) => Some(edge.filters()),
        }
    }

    /// The place of the output `name`, which runs on one edge at a time. An ingester runs none.
    pub(super) fn output(&self, name: &str) -> Option<Arc<dyn SharedPosition>> {
        match self {
            Membership::Ingester(_) => None,
            Membership::Edge(edge) => Some(edge.output(name)),
        }
    }

    /// What the routes show of the cluster.
    pub(super) fn view(&self) -> Arc<dyn ClusterView> {
        Arc::new(self.clone())
    }

    /// Publishes what arrives in the stream to the clients of an edge.
    ///
    /// # Errors
    /// If the operating system does not start a thread.
    pub(super) fn follow(&self, outlet: Outlet, issuers: Arc<KnownIssuers>) -> io::Result<()> {
        let Membership::Edge(edge) = self else { return Ok(()) };
        let demand = outlet.demand.clone();
        let arrived = edge.follow(move || clients(&demand));
        Follower { outlet, issuers }.start(arrived)
    }

    /// Where an ingester sends notices about logs.
    pub(super) fn alerts(&self) -> Option<Recipient<Alert>> {
        match self {
            Membership::Ingester(ingester) => Some(Alerts(ingester.clone()).start().recipient()),
            Membership::Edge(_) => None,
        }
    }

    /// The groups of logs that an ingester shares with others.
    pub(super) fn groups(&self) -> Option<SharedGroups> {
        let Membership::Ingester(ingester) = self else { return None };
        let known = ingester.groups.clone();
        Some(SharedGroups { tell: Box::new(move |groups| known.set(groups)), held: BTreeSet::new() })
    }

    /// Lets an ingester fetch logs, as it agrees with the others. `limits` say when a log delivers.
    pub(super) fn take_part(&self, directory: &Addr<LogDirectory>, logs: LogStatuses, limits: HealthLimits) {
        let Membership::Ingester(ingester) = self else { return };
        let directory = directory.clone();
        let hold = Box::new(move |groups: BTreeSet<String>| {
            let directory = directory.clone();
            Box::pin(async move {
                // They fail only if the server stops.
                let _ = directory.send(Hold(groups)).await;
                let _ = directory.send(Settled).await;
            }) as futures_util::future::BoxFuture<'static, ()>
        });
        let begin = std::time::Instant::now();
        ingester.take_part(hold, move |appended, superseded| {
            let describe = |log: &Arc<LogStatus>| describe_log(log, limits, begin.elapsed());
            let logs: Vec<_> = logs.all().iter().map(describe).collect();
            let delivering = logs.iter().filter(|log| log["state"] == "delivering").count() as u64;
            let pending = logs.iter().filter_map(|log| log["pending"].as_u64()).sum();
            Work::Ingest { logs, delivering, pending, appended, superseded }
        });
    }

    /// Hands over to the other servers, once nothing is appended or published any more. Blocks.
    pub(super) fn close(&self) {
        match self {
            Membership::Ingester(ingester) => ingester.close(),
            Membership::Edge(edge) => edge.close(),
        }
    }
}

/// Number of clients.
fn clients(demand: &Demand) -> u64 {
    let pairs = Stream::ALL.into_iter().flat_map(|stream| Wire::ALL.map(|wire| (stream, wire)));
    pairs.map(|(stream, wire)| demand.clients_of(stream, wire) as u64).sum()
}

impl ClusterView for Membership {
    fn figures(&self) -> ClusterFigures {
        let (role, is_edge, (behind, known_ago), reports) = match self {
            Membership::Ingester(ingester) => ("ingest", false, ingester.lag(), ingester.reports()),
            Membership::Edge(edge) => ("edge", true, edge.lag(), edge.reports()),
        };
        let ingesters = reports.into_iter().filter_map(|report| match report.work {
            Work::Ingest { logs, delivering, pending, .. } => {
                Some(IngesterFigures { node: report.node, logs, delivering, pending })
            }
            Work::Edge { .. } => None,
        });
        ClusterFigures { role, is_edge, behind, known_ago, ingesters: ingesters.collect() }
    }
}

/// Passes notices about logs to all edges.
struct Alerts(Ingester);

impl Actor for Alerts {
    type Context = Context<Self>;
}

impl Handler<Alert> for Alerts {
    type Result = ();

    fn handle(&mut self, Alert(text): Alert, _: &mut Self::Context) {
        self.0.alert(text);
    }
}
