//! What a watcher tells of itself, readable from any thread.

use super::freshness::{Freshness, FreshnessFigures};
use crate::log_client::FetchError;
use crate::message::Source;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The state of one log; written by its watcher alone.
#[derive(Debug)]
pub struct LogStatus {
    source: Arc<Source>,
    tree_size: AtomicU64,
    position: AtomicU64,
    undecodable: AtomicU64,
    misframed: AtomicU64,
    failures: AtomicU64,
    freshness: Mutex<Freshness>,
    last_error: Mutex<Option<String>>,
}

/// [`LogStatus`] at one moment, as `/stats` shows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LogSnapshot {
    /// The log's description.
    pub name: String,
    /// Size of the newest head, entries.
    pub tree_size: u64,
    /// The next index to be sent.
    pub position: u64,
    /// Entries passed over because no certificate could be found in them.
    pub undecodable: u64,
    /// Entries sent although their framing breaks RFC 6962.
    pub misframed: u64,
    /// Failed requests.
    pub failures: u64,
    /// From a head becoming visible to the messages of its entries standing in the clients' queues.
    pub freshness: FreshnessFigures,
    /// The newest failure.
    pub last_error: Option<String>,
}

impl LogStatus {
    /// Nothing is known yet.
    pub fn new(source: Arc<Source>) -> Self {
        LogStatus {
            source,
            tree_size: AtomicU64::default(),
            position: AtomicU64::default(),
            undecodable: AtomicU64::default(),
            misframed: AtomicU64::default(),
            failures: AtomicU64::default(),
            freshness: Mutex::default(),
            last_error: Mutex::default(),
        }
    }

    /// The log.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The figures now.
    pub fn snapshot(&self) -> LogSnapshot {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        LogSnapshot {
            name: self.source.name().into(),
            tree_size: read(&self.tree_size),
            position: read(&self.position),
            undecodable: read(&self.undecodable),
            misframed: read(&self.misframed),
            failures: read(&self.failures),
            freshness: lock(&self.freshness).figures(),
            last_error: lock(&self.last_error).clone(),
        }
    }

    /// A larger head came, which has been visible since about `visible`.
    pub(super) fn saw_head(&self, tree_size: u64, visible: Instant) {
        self.tree_size.fetch_max(tree_size, Ordering::Relaxed);
        lock(&self.freshness).head(tree_size, visible);
    }

    /// The messages of `count` entries, up to `end_exclusive`, stand in the clients' queues.
    pub(super) fn sent(&self, end_exclusive: u64, count: u64, now: Instant) {
        lock(&self.freshness).sent(end_exclusive, count, now);
    }

    pub(super) fn moved_to(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    pub(super) fn undecodable(&self) {
        self.undecodable.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn misframed(&self) {
        self.misframed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, error: &FetchError) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last_error) = Some(error.to_string());
    }
}

/// What is locked here is right at every step, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
