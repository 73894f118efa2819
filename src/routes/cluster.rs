//! What the cluster that this server is a part of looks like from here, for the health check and the metrics.

use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;

/// An edge that has not read so many messages of the stream is not ready: its clients get old entries.
const MOST_BEHIND: u64 = 1_000;

/// An ingester that has not taken part for so long fetches nothing.
const OUT_OF_PART: Duration = Duration::from_secs(15);

/// Tells what the cluster looks like.
pub(crate) trait ClusterView: Debug + Send + Sync {
    /// What is known now.
    fn figures(&self) -> ClusterFigures;
}

/// What is known of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct ClusterFigures {
    /// What this server does.
    pub(crate) role: &'static str,
    /// Whether this server is an edge, and so serves clients.
    pub(crate) is_edge: bool,
    /// Messages of the stream that an edge has not read.
    pub(crate) behind: u64,
    /// How long ago an edge heard so of the engine, or an ingester took part in the fetching of logs.
    pub(crate) known_ago: Duration,
    /// The ingesters that run.
    pub(crate) ingesters: Vec<IngesterFigures>,
}

/// What an ingester reports.
#[derive(Debug, Clone)]
pub(crate) struct IngesterFigures {
    /// Its name.
    pub(crate) node: String,
    /// The logs that it fetches, as the front page shows them.
    pub(crate) logs: Vec<Value>,
    /// Number of those that deliver.
    pub(crate) delivering: u64,
    /// Entries that their logs show and that are not in the stream yet.
    pub(crate) pending: u64,
}

impl ClusterFigures {
    /// Whether this server is ready. An edge is if it has read the stream, and hears from the engine. That ingesters are
    /// behind is no reason, because all edges would give it at once. An ingester is if its logs deliver, or if others fetch
    /// all `logs`.
    pub(super) fn is_ready(&self, do_logs_deliver: bool, logs: usize, patience: Duration) -> bool {
        if self.is_edge {
            self.behind <= MOST_BEHIND && self.known_ago < patience
        } else {
            self.known_ago < OUT_OF_PART && (do_logs_deliver || logs == 0)
        }
    }

    /// The member of the answer to `/health/ready`.
    pub(super) fn describe(&self) -> Value {
        let ingesters = self.ingesters.iter().map(|ingester| {
            json!({ "node": ingester.node, "logs": ingester.logs.len(), "delivering": ingester.delivering,
                "pending": ingester.pending })
        });
        let ingesters = ingesters.collect::<Vec<_>>();
        json!({ "role": self.role, "behind_blocks": self.behind, "engine_heard_seconds": self.known_ago.as_secs(),
            "ingesters": ingesters })
    }
}
