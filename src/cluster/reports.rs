//! What each server of the cluster reports of itself to the others, and to `certstream-server cluster status`.

use super::archive::direct_get;
use super::engine::Engine;
use super::error::ClusterError;
use crate::clock;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Interval between reports.
const INTERVAL: Duration = Duration::from_secs(5);
/// A server that has not reported for so long does not run.
const GONE_AFTER: Duration = Duration::from_secs(20);
/// The report of a server that has not reported for so long is removed.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// The beginning of the keys.
const PREFIX: &str = "report.";

/// What a server does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(crate) enum Work {
    /// It fetches logs.
    Ingest {
        /// The logs that it fetches, as the front page shows them.
        logs: Vec<Value>,
        /// Number of those that deliver.
        delivering: u64,
        /// Entries that their logs show and that are not in the stream yet.
        pending: u64,
        /// Blocks that it has appended.
        appended: u64,
        /// How often another ingester was first.
        superseded: u64,
    },
    /// It serves clients.
    Edge {
        /// Number of clients.
        clients: u64,
        /// Messages of the stream that it has not read.
        behind: u64,
    },
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Report {
    /// The server's name.
    pub(crate) node: String,
    /// When it was made, unix milliseconds.
    pub(crate) at_ms: u64,
    /// What the server does.
    #[serde(flatten)]
    pub(crate) work: Work,
}

impl Report {
    /// How long ago it was made.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_millis((clock::unix_us() / 1000).saturating_sub(self.at_ms))
    }

    /// Whether the server still runs, as far as can be known.
    pub(crate) fn is_alive(&self) -> bool {
        self.age() < GONE_AFTER
    }
}

/// The newest reports of all servers.
#[derive(Debug, Default)]
pub(crate) struct Reports(Mutex<Vec<Report>>);

impl Reports {
    /// Those of servers that run.
    pub(crate) fn alive(&self) -> Vec<Report> {
        self.0.lock().iter().filter(|report| report.is_alive()).cloned().collect()
    }
}

/// Reports what `work` says, and reads what the others report into `reports`, forever.
pub(super) async fn keep_reporting(
    engine: Arc<Engine>,
    reports: Arc<Reports>,
    work: impl Fn() -> Work + Send + 'static,
) {
    loop {
        match exchange(&engine, work()).await {
            Ok(all) => *reports.0.lock() = all,
            Err(error) => log::debug!("cluster: reports cannot be exchanged: {error}"),
        }
        sleep(INTERVAL).await;
    }
}

async fn exchange(engine: &Engine, work: Work) -> Result<Vec<Report>, ClusterError> {
    let report = Report { node: engine.node.clone(), at_ms: clock::unix_us() / 1000, work };
    let text = Bytes::from(serde_json::to_vec(&report).map_err(ClusterError::engine)?);
    engine.bucket().await?.put(key_of(&engine.node), text).await.map_err(ClusterError::engine)?;
    read_all(engine).await
}

fn key_of(node: &str) -> String {
    format!("{PREFIX}{node}")
}

/// The reports of all servers, those that do not run any more included. Old ones are removed.
///
/// # Errors
/// If the engine does not answer.
pub(super) async fn read_all(engine: &Engine) -> Result<Vec<Report>, ClusterError> {
    let (bucket, name) = (engine.bucket().await?, engine.names.bucket());
    let request = json!({ "multi_last": [format!("$KV.{name}.{PREFIX}*")] });
    let messages = direct_get(engine, &format!("KV_{name}"), &request).await?;
    // A report that was removed has no text.
    let reports = messages.iter().filter_map(|message| serde_json::from_slice(&message.payload).ok());
    let (kept, old): (Vec<Report>, Vec<Report>) =
        reports.partition(|report: &Report| report.age() < FORGOTTEN_AFTER);
    for report in old {
        // Whoever comes next tries again.
        let _ = bucket.purge(key_of(&report.node)).await;
    }
    Ok(kept)
}
