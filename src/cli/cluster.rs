//! `cluster`: what a cluster looks like, and the way of positions into it and out of it.

use crate::cluster::{self, ClusterError, Report, Status, Work};
use crate::config::Config;
use crate::printable::{MAX_CHARS, escaped};
use crate::state::{Positions, PositionsError, StateLock, StateLockError};
use clap::Subcommand;
use serde_json::json;
use std::io;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Print its servers, which of them fetches which logs, and how large the stream is
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Hand the positions in state.dir to the cluster; no ingester, and no server with this state.dir, may be running
    Import,
    /// Take the positions of the cluster over into state.dir; no ingester, and no server with this state.dir, may be running
    Export,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterFailure {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Lock(#[from] StateLockError),
    #[error(transparent)]
    Positions(#[from] PositionsError),
    #[error("{}: cannot be written: {error}", dir.display())]
    Write { dir: PathBuf, error: io::Error },
}

/// Runs the command.
pub(super) fn run(config: &Config, command: &ClusterCommand) -> Result<(), ClusterFailure> {
    match command {
        ClusterCommand::Status { json } => {
            let status = cluster::status(&config.cluster)?;
            if *json { print_json(&status) } else { print(&status) }
        }
        ClusterCommand::Import => {
            let _lock = StateLock::take(&config.state_dir)?;
            let count = cluster::import(&config.cluster, &Positions::load(&config.state_dir)?)?;
            println!("{count} positions handed to the cluster");
        }
        ClusterCommand::Export => {
            let dir = &config.state_dir;
            let _lock = StateLock::take(dir)?;
            let positions = Positions::load(dir)?;
            let count = cluster::export(&config.cluster, &positions)?;
            positions.save().map_err(|error| ClusterFailure::Write { dir: dir.clone(), error })?;
            println!("{count} positions taken over into {}", dir.display());
        }
    }
    Ok(())
}

fn print(Status { stream, reports, owners }: &Status) {
    let state = &stream.state;
    let config = &stream.config;
    println!(
        "stream {}: {} blocks, {:.1} MiB of at most {:.1}, {} replicas, sequences {} to {}",
        config.name,
        state.messages,
        mebibytes(state.bytes),
        mebibytes(u64::try_from(config.max_bytes).unwrap_or_default()),
        config.num_replicas,
        state.first_sequence,
        state.last_sequence
    );
    if let Some(cluster) = &stream.cluster {
        println!("engine: leader {}", cluster.leader.as_deref().unwrap_or("none"));
        for replica in &cluster.replicas {
            let is = if replica.offline {
                "offline"
            } else if replica.current {
                "current"
            } else {
                "behind"
            };
            println!("engine: replica {}, {is}, heard {:.1?} ago", shown(&replica.name), replica.active);
        }
    }
    for report in reports {
        println!("{}", line(report));
    }
    for (group, node) in owners {
        println!("lease: {} fetches the logs of {}", shown(node), shown(group));
    }
}

fn line(report: &Report) -> String {
    let (node, ago) = (shown(&report.node), report.age());
    let is = if report.is_alive() { String::new() } else { format!(", not heard for {} s", ago.as_secs()) };
    match &report.work {
        Work::Ingest { logs, delivering, pending, appended, superseded } => format!(
            "ingester {node}{is}: {delivering} of {} logs deliver, {pending} entries pending, {appended} blocks appended, \
             {superseded} superseded",
            logs.len()
        ),
        Work::Edge { clients, behind } => {
            format!("edge {node}{is}: {clients} clients, {behind} blocks behind")
        }
    }
}

fn print_json(Status { stream, reports, owners }: &Status) {
    let state = &stream.state;
    let nodes: Vec<_> = reports
        .iter()
        .map(|report| json!({ "alive": report.is_alive(), "age_seconds": report.age().as_secs(), "report": report }))
        .collect();
    let leases: Vec<_> = owners.iter().map(|(group, node)| json!({ "group": group, "node": node })).collect();
    let cluster = stream.cluster.as_ref();
    let status = json!({
        "stream": { "name": stream.config.name, "blocks": state.messages, "bytes": state.bytes,
            "max_bytes": stream.config.max_bytes, "max_age_seconds": stream.config.max_age.as_secs(),
            "replicas": stream.config.num_replicas, "first_sequence": state.first_sequence,
            "last_sequence": state.last_sequence, "leader": cluster.and_then(|cluster| cluster.leader.clone()) },
        "nodes": nodes,
        "leases": leases,
    });
    println!("{status:#}");
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn shown(name: &str) -> std::borrow::Cow<'_, str> {
    escaped(name, MAX_CHARS)
}
