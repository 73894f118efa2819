//! Keeps this ingester's entry in the document of [`leases`](super::leases), and says which groups it fetches.

use super::engine::Engine;
use super::error::ClusterError;
use super::leases::{Groups, Ingester, LEASE, Leases, Seen, step};
use super::stream;
use crate::config::ClusterConfig;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// The document's key.
const KEY: &str = "ingesters";
/// Interval between renewals.
const INTERVAL: Duration = Duration::from_secs(2);
/// Time for one renewal.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Attempts to write the document. Another ingester may have written it meanwhile.
const ATTEMPTS: u32 = 5;

/// Fetches exactly the logs of these groups. The future resolves once the watchers of all others have stopped.
pub(crate) type Hold = Box<dyn Fn(BTreeSet<String>) -> BoxFuture<'static, ()> + Send + Sync>;

/// The groups of the logs that this ingester is configured to watch.
#[derive(Debug, Default)]
pub(crate) struct KnownGroups {
    groups: Mutex<Groups>,
    changed: Notify,
}

impl KnownGroups {
    /// Replaces the groups, with the number of logs of each.
    pub(crate) fn set(&self, groups: Groups) {
        *self.groups.lock() = groups;
        self.changed.notify_one();
    }

    fn get(&self) -> Groups {
        self.groups.lock().clone()
    }
}

/// One ingester among others.
pub(super) struct Member {
    engine: Arc<Engine>,
    config: Arc<ClusterConfig>,
    known: Arc<KnownGroups>,
    hold: Hold,
    seen: Seen,
    /// Rises with each renewal, from a random number on.
    beat: u64,
    /// What it fetches.
    held: BTreeSet<String>,
    /// When its entry was renewed last.
    renewed: Arc<Mutex<Instant>>,
}

impl Member {
    pub(super) fn new(
        engine: Arc<Engine>,
        config: Arc<ClusterConfig>,
        known: Arc<KnownGroups>,
        hold: Hold,
        renewed: Arc<Mutex<Instant>>,
    ) -> Self {
        Member {
            engine,
            config,
            known,
            hold,
            seen: Seen::default(),
            beat: rand::random::<u32>().into(),
            held: BTreeSet::new(),
            renewed,
        }
    }

    /// Renews this ingester's entry, forever.
    pub(super) async fn run(mut self) {
        let (known, mut told) = (self.known.clone(), false);
        loop {
            match timeout(TIMEOUT, self.renew()).await {
                Ok(Ok(())) => {
                    *self.renewed.lock() = Instant::now();
                    if std::mem::take(&mut told) {
                        log::info!("cluster: this ingester takes part again");
                    }
                }
                failure => {
                    let why = failure.map_or_else(
                        |_| "no answer".into(),
                        |result| result.err().map(|error| error.to_string()).unwrap_or_default(),
                    );
                    log::debug!("cluster: the leases cannot be renewed: {why}");
                    self.give_up_if_late(&mut told, &why).await;
                }
            }
            // New logs do not wait.
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = known.changed.notified() => {}
            }
        }
    }

    /// Stops fetching once another ingester may have taken the groups over. The bucket may be gone; then it is made anew.
    async fn give_up_if_late(&mut self, told: &mut bool, why: &str) {
        if self.renewed.lock().elapsed() < LEASE {
            return;
        }
        if !std::mem::replace(told, true) {
            log::error!(
                "cluster: the leases cannot be renewed: {why}; this ingester fetches nothing until they are"
            );
        }
        self.set_held(BTreeSet::new()).await;
        if let Ok(Err(error)) = timeout(TIMEOUT, stream::open(&self.engine, &self.config)).await {
            log::debug!("cluster: {error}");
        }
    }

    async fn renew(&mut self) -> Result<(), ClusterError> {
        let engine = self.engine.clone();
        let bucket = engine.bucket().await?;
        for _ in 0..ATTEMPTS {
            let entry = bucket.entry(KEY).await.map_err(ClusterError::engine)?;
            let revision = entry.as_ref().map_or(0, |entry| entry.revision);
            // What another version has written is written anew.
            let leases = entry.and_then(|entry| serde_json::from_slice::<Leases>(&entry.value).ok());
            let leases = leases.unwrap_or_default();
            let now = std::time::Instant::now();
            self.beat += 1;
            let own = Ingester { beat: self.beat, groups: self.known.get() };
            let next = step(&leases, &self.engine.node, own, &mut self.seen, now);
            let is_own = |group: &&String| next.leases.owners.get(*group) == Some(&engine.node);
            let kept = self.held.iter().filter(is_own).cloned().collect();
            self.set_held(kept).await;
            let value = Bytes::from(serde_json::to_vec(&next.leases).map_err(ClusterError::engine)?);
            if bucket.update(KEY, value, revision).await.is_ok() {
                let own = next.leases.groups_of(&self.engine.node).cloned().collect();
                self.set_held(own).await;
                return Ok(());
            }
        }
        Err(ClusterError::engine("other ingesters were faster"))
    }

    async fn set_held(&mut self, groups: BTreeSet<String>) {
        if groups != self.held {
            let names: Vec<_> = groups.iter().map(String::as_str).collect();
            log::info!("cluster: this ingester fetches the logs of: {}", names.join(", "));
            (self.hold)(groups.clone()).await;
            self.held = groups;
        }
    }
}

/// Removes this ingester's entry, so that others take over at once.
pub(super) async fn leave(engine: &Engine) -> Result<(), ClusterError> {
    let bucket = engine.bucket().await?;
    for _ in 0..ATTEMPTS {
        let Some(entry) = bucket.entry(KEY).await.map_err(ClusterError::engine)? else { return Ok(()) };
        let Ok(mut leases) = serde_json::from_slice::<Leases>(&entry.value) else { return Ok(()) };
        leases.nodes.remove(&engine.node);
        leases.owners.retain(|_, owner| *owner != engine.node);
        let value = Bytes::from(serde_json::to_vec(&leases).map_err(ClusterError::engine)?);
        if bucket.update(KEY, value, entry.revision).await.is_ok() {
            return Ok(());
        }
    }
    Err(ClusterError::engine("other ingesters were faster"))
}

/// The document.
///
/// # Errors
/// If the engine does not answer.
pub(super) async fn leases(engine: &Engine) -> Result<Leases, ClusterError> {
    let value = engine.bucket().await?.get(KEY).await.map_err(ClusterError::engine)?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default())
}
