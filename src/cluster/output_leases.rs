//! Which server of a cluster an output runs on, and how far it has come: one entry in the bucket for each output.
//!
//! The server that runs it writes the entry every two seconds, and with each position. If it has not changed for ten
//! seconds, by the clock of the one who looks, another server takes the output over. Every write expects the revision of the
//! last one: who has lost the output cannot move its position any more.

use super::engine::Engine;
use super::error::ClusterError;
use super::leases::LEASE;
use crate::state::{OutputPosition, SharedPosition};
use async_nats::jetstream::kv;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// The beginning of the keys.
const PREFIX: &str = "output.";
/// Interval between two looks, and between renewals.
const INTERVAL: Duration = Duration::from_secs(2);
/// Time for the engine's answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The entry of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    /// The server that runs it.
    owner: Option<String>,
    /// `None`: it is new.
    position: Option<OutputPosition>,
}

/// The part of one server in an output.
#[derive(Debug)]
pub(super) struct OutputLease {
    engine: Arc<Engine>,
    name: String,
    /// Number of outputs that this server runs.
    running: Arc<AtomicU32>,
    /// The entry as this server has written it. Locked while it is written.
    written: tokio::sync::Mutex<Written>,
    /// When this server has written the entry last. `None`: it does not run the output.
    renewed: Mutex<Option<Instant>>,
    /// How often it has begun to run the output.
    terms: AtomicU32,
    /// The entry as it was seen last.
    seen: Mutex<Document>,
}

#[derive(Debug, Default)]
struct Written {
    revision: u64,
    position: Option<OutputPosition>,
}

impl OutputLease {
    /// The output `name`, which this server does not run yet. `running` is the number of those that it runs.
    pub(super) fn new(engine: Arc<Engine>, name: &str, running: Arc<AtomicU32>) -> Arc<Self> {
        Arc::new(OutputLease {
            engine,
            name: name.into(),
            running,
            written: tokio::sync::Mutex::default(),
            renewed: Mutex::new(None),
            terms: AtomicU32::new(0),
            seen: Mutex::default(),
        })
    }

    fn key(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The entry with its revision, which is 0 if there is none.
    async fn look(&self) -> Result<(Document, u64), ClusterError> {
        let entry = self.engine.bucket().await?.entry(self.key()).await.map_err(ClusterError::engine)?;
        let Some(entry) = entry else { return Ok((Document::default(), 0)) };
        let document = match entry.operation {
            kv::Operation::Put => serde_json::from_slice(&entry.value).map_err(ClusterError::engine)?,
            kv::Operation::Delete | kv::Operation::Purge => Document::default(),
        };
        *self.seen.lock() = document.clone();
        Ok((document, entry.revision))
    }

    async fn write(&self, document: &Document, revision: u64) -> Result<u64, ClusterError> {
        let value = Bytes::from(serde_json::to_vec(document).map_err(ClusterError::engine)?);
        let written = self.engine.bucket().await?.update(self.key(), value, revision).await;
        let revision = written.map_err(ClusterError::engine)?;
        *self.seen.lock() = document.clone();
        Ok(revision)
    }

    /// Waits until this server may run the output, and begins to renew its entry.
    async fn acquired(self: Arc<Self>) -> Option<OutputPosition> {
        let (mut watch, mut told) = (Watch::default(), false);
        loop {
            match in_time(self.look()).await {
                Ok((document, revision)) => {
                    told = false;
                    let is_free = document.owner.as_ref().is_none_or(|owner| *owner == self.engine.node);
                    let patience = INTERVAL * self.running.load(Ordering::Relaxed);
                    if watch.may_take(revision, is_free, patience, Instant::now())
                        && let Ok(position) = self.clone().take(document, revision).await
                    {
                        return position;
                    }
                }
                Err(error) if !std::mem::replace(&mut told, true) => {
                    log::warn!("output {}: it is not known where it runs: {error}; trying again", self.name);
                }
                Err(error) => log::debug!("output {}: {error}", self.name),
            }
            sleep(INTERVAL).await;
        }
    }

    /// Takes the output, whose entry is `document`.
    async fn take(
        self: Arc<Self>,
        document: Document,
        revision: u64,
    ) -> Result<Option<OutputPosition>, ClusterError> {
        let position = document.position.clone();
        let own = Document { owner: Some(self.engine.node.clone()), ..document };
        let revision = in_time(self.write(&own, revision)).await?;
        *self.written.lock().await = Written { revision, position: position.clone() };
        *self.renewed.lock() = Some(Instant::now());
        self.running.fetch_add(1, Ordering::Relaxed);
        let term = self.terms.fetch_add(1, Ordering::Relaxed) + 1;
        self.engine.runtime.spawn(keep_renewing(Arc::downgrade(&self), term));
        Ok(position)
    }

    /// Writes the entry, with another position if there is one. An entry that another server has written ends its part.
    async fn renew(&self, position: Option<&OutputPosition>) -> Result<(), ClusterError> {
        let mut written = self.written.lock().await;
        if !self.is_held() {
            return Err(lost());
        }
        let position = position.or(written.position.as_ref()).cloned();
        let own = Document { owner: Some(self.engine.node.clone()), position };
        let result = match in_time(self.write(&own, written.revision)).await {
            Ok(revision) => Ok(revision),
            // It may have been written before, and the answer was lost.
            Err(error) => match in_time(self.look()).await {
                Ok((document, _)) if document.owner != own.owner => {
                    self.lose();
                    Err(lost())
                }
                Ok((_, revision)) if revision != written.revision => {
                    in_time(self.write(&own, revision)).await
                }
                _ => Err(error),
            },
        };
        let revision = result?;
        *written = Written { revision, position: own.position };
        let mut renewed = self.renewed.lock();
        if renewed.is_some() {
            *renewed = Some(Instant::now());
        }
        Ok(())
    }

    fn lose(&self) {
        if self.renewed.lock().take().is_some() {
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Lets other servers take the output.
    async fn give_up(&self) -> Result<(), ClusterError> {
        let written = self.written.lock().await;
        if !self.is_held() {
            return Ok(());
        }
        self.lose();
        let free = Document { owner: None, position: written.position.clone() };
        in_time(self.write(&free, written.revision)).await.map(drop)
    }
}

/// Renews the entry as long as this server runs the output in this `term`.
async fn keep_renewing(lease: Weak<OutputLease>, term: u32) {
    loop {
        sleep(INTERVAL).await;
        let runs = |lease: &Arc<OutputLease>| {
            lease.terms.load(Ordering::Relaxed) == term && lease.renewed.lock().is_some()
        };
        let Some(lease) = lease.upgrade().filter(runs) else { return };
        if !lease.is_held() {
            log::warn!("output {}: the engine does not answer; another server may take it over", lease.name);
            lease.lose();
            return;
        }
        if let Err(error) = lease.renew(None).await {
            log::debug!("output {}: {error}", lease.name);
        }
    }
}

fn lost() -> ClusterError {
    ClusterError::engine("another server runs this output now")
}

async fn in_time<T>(result: impl Future<Output = Result<T, ClusterError>>) -> Result<T, ClusterError> {
    timeout(TIMEOUT, result).await.unwrap_or_else(|_| Err(ClusterError::engine("it does not answer")))
}

impl SharedPosition for Arc<OutputLease> {
    fn acquire(&self) -> BoxFuture<'_, Option<OutputPosition>> {
        Box::pin(self.clone().acquired())
    }

    fn is_held(&self) -> bool {
        OutputLease::is_held(self)
    }

    fn save(&self, position: &OutputPosition) -> io::Result<()> {
        let (lease, position) = (self.clone(), position.clone());
        self.engine.wait(async move { lease.renew(Some(&position)).await }).map_err(io::Error::other)
    }

    fn release(&self) {
        let lease = self.clone();
        if let Err(error) = self.engine.wait(async move { lease.give_up().await }) {
            log::debug!("output {}: {error}; another server takes it over later", self.name);
        }
    }

    fn owner(&self) -> Option<String> {
        self.seen.lock().owner.clone()
    }

    fn seen(&self) -> Option<u64> {
        self.seen.lock().position.as_ref().map(|position| position.next_seq)
    }
}

impl OutputLease {
    /// Whether no other server can have taken it over.
    fn is_held(&self) -> bool {
        self.renewed.lock().is_some_and(|renewed| renewed.elapsed() < LEASE)
    }
}

/// What a server has seen of an entry of another one. Pure.
#[derive(Debug, Default)]
struct Watch {
    /// The newest revision, and since when it has been the newest.
    newest: Option<(u64, Instant)>,
    looked: Option<Instant>,
}

impl Watch {
    /// Whether the output may be taken over, whose entry has this `revision` now: if it is free for `patience`, or has not
    /// been renewed for [`LEASE`].
    fn may_take(&mut self, revision: u64, is_free: bool, patience: Duration, now: Instant) -> bool {
        // The engine did not answer, or this process did not run. The same may be true of the one who runs the output.
        if self.looked.replace(now).is_some_and(|looked| now.duration_since(looked) >= LEASE / 2) {
            self.newest = None;
        }
        let since = match self.newest {
            Some((newest, since)) if newest == revision => since,
            _ => {
                self.newest = Some((revision, now));
                now
            }
        };
        now.duration_since(since) >= if is_free { patience } else { LEASE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_taken_over_when_its_entry_does_not_change() {
        let (mut watch, begin) = (Watch::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let none = Duration::ZERO;
        assert!(watch.may_take(0, true, none, at(0)), "it is free");
        for second in 1..30 {
            assert!(!watch.may_take(second, false, none, at(second)), "it is renewed");
        }
        for second in 30..39 {
            assert!(!watch.may_take(29, false, none, at(second)));
        }
        assert!(watch.may_take(29, false, none, at(39)), "not since 29");
    }

    #[test]
    fn after_a_time_without_looks_nobody_is_taken_for_dead() {
        let (mut watch, begin) = (Watch::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        watch.may_take(7, false, Duration::ZERO, at(0));
        for second in [20, 24, 28] {
            assert!(!watch.may_take(7, false, Duration::ZERO, at(second)));
        }
        assert!(watch.may_take(7, false, Duration::ZERO, at(30)));
    }

    #[test]
    fn a_server_that_runs_others_lets_the_rest_take_a_free_one_first() {
        let (mut watch, begin) = (Watch::default(), Instant::now());
        let patience = 2 * INTERVAL;
        for second in [0, 2] {
            assert!(!watch.may_take(0, true, patience, begin + Duration::from_secs(second)));
        }
        assert!(watch.may_take(0, true, patience, begin + Duration::from_secs(4)));
    }
}
