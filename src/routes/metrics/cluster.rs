//! The metrics of the cluster that this server is a part of.

use super::families::{Families, one};
use crate::routes::cluster::{ClusterFigures, IngesterFigures};
use std::fmt::Error;

pub(super) fn write(cluster: &ClusterFigures, families: &mut Families) -> Result<(), Error> {
    if cluster.is_edge {
        families.gauge(
            "certstream_cluster_behind_blocks",
            "Blocks of the cluster's stream that this edge has not read",
            one(cluster.behind as f64),
        )?;
    }
    families.gauge(
        "certstream_cluster_engine_age_seconds",
        "Time since the engine of the cluster last answered, or since an ingester took part in the fetching of logs",
        one(cluster.known_ago.as_secs_f64()),
    )?;
    let of = |value: fn(&IngesterFigures) -> u64| {
        cluster.ingesters.iter().map(move |node| (vec![("node", node.node.clone())], value(node) as f64))
    };
    families.gauge(
        "certstream_cluster_ingester_logs",
        "Logs that an ingester fetches",
        of(|node| node.logs.len() as u64),
    )?;
    families.gauge(
        "certstream_cluster_ingester_pending_entries",
        "Entries that the logs of an ingester show and that are not in the cluster's stream yet",
        of(|node| node.pending),
    )
}
