//! The status of a watcher, readable from any thread.

use super::freshness::{Freshness, FreshnessFigures};
use super::latency::Latency;
use crate::config::{LogConfig, Verification};
use crate::ct::entry::LogEntryType;
use crate::ct::source::Source;
use crate::evidence::Misbehaviour;
use crate::log_client::{FetchError, Traffic};
use crate::printable::{MAX_CHARS, escaped};
use crate::state::{Ledger, MissingRange, Skip};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The status of one log. Only its watcher writes it.
#[derive(Debug)]
pub(crate) struct LogStatus {
    source: Arc<Source>,
    verification: Verification,
    ledger: Mutex<Option<Ledger>>,
    missing: Mutex<Vec<String>>,
    skips: Mutex<Arc<Vec<Skip>>>,
    tree_size: AtomicU64,
    verified_size: AtomicU64,
    misframed: AtomicU64,
    incomplete_chains: AtomicU64,
    retried: AtomicU64,
    failures: AtomicU64,
    /// By kind.
    misbehaviours: [AtomicU64; Misbehaviour::KINDS.len()],
    heads_verified: AtomicU64,
    certificates: AtomicU64,
    precertificates: AtomicU64,
    traffic: Arc<Traffic>,
    /// When the last acceptable head was received.
    heard_at: Mutex<Option<Instant>>,
    freshness: Mutex<Freshness>,
    last_error: Mutex<Option<Problem>>,
    last_misbehaviour: Mutex<Option<Problem>>,
    halted: Mutex<Option<String>>,
}

/// The newest failure or misbehaviour.
#[derive(Debug, Clone)]
struct Problem {
    /// Its kind, which is public.
    kind: String,
    /// The full text, including the log's answer; for admins only.
    detail: String,
}

impl Problem {
    fn new(kind: &str, detail: &str) -> Self {
        let kept = |text| escaped(text, MAX_CHARS).into_owned();
        Problem { kind: kept(kind), detail: kept(detail) }
    }
}

/// A snapshot of [`LogStatus`], as `/stats` shows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct LogSnapshot {
    /// The log's description.
    pub name: String,
    /// The verification that entries pass before they are sent.
    pub verification: Verification,
    /// Tree size of the newest head.
    pub tree_size: u64,
    /// Tree size of the newest verified head.
    pub verified_size: u64,
    /// The index at which watching began. Together with `delivered`, `undecodable` and `skipped` it adds up to
    /// `position`.
    pub first: u64,
    /// The next index to be sent. Together with `pending` it adds up to `tree_size`.
    pub position: u64,
    /// Entries of the newest head that are still to be sent.
    pub pending: u64,
    /// Entries sent since `first`, including those before a restart.
    pub delivered: u64,
    /// Entries skipped because no certificate could be decoded from them.
    pub undecodable: u64,
    /// Entries skipped because they exceeded `fetch.catch_up`, or by decision.
    pub skipped: u64,
    /// Entries that the log has not served so far, although it serves those behind them. They are requested again.
    pub missing: u64,
    /// The indexes of these entries: single ones, or the first and the last of a range.
    pub missing_indexes: Vec<String>,
    /// What was skipped by decision and is not acknowledged.
    pub skips: Vec<Skip>,
    /// Entries requested again, since the program started.
    pub retried: u64,
    /// Entries sent although their framing violates RFC 6962, since the program started.
    pub misframed: u64,
    /// Entries sent with a chain that ends before an issuer that the log did not serve, since the program started.
    pub incomplete_chains: u64,
    /// Seconds since the last acceptable head was received; `None` if none has been since the program started.
    pub heard_seconds: Option<u64>,
    /// Seconds for which the entry at `position` has been visible; 0 if it is not.
    pub behind_seconds: u64,
    /// Failed requests, since the program started.
    pub failures: u64,
    /// Misstatements about the tree and wrong entries, since the program started.
    pub misbehaviours: u64,
    /// Delays from a head becoming visible to the messages of its entries being in the clients' queues.
    pub freshness: FreshnessFigures,
    /// The kind of the newest failure.
    pub last_error: Option<String>,
    /// The newest failure, including the log's answer; for admins.
    #[serde(skip)]
    pub last_error_detail: Option<String>,
    /// The kind of the newest misbehaviour.
    pub last_misbehaviour: Option<String>,
    /// The newest misbehaviour in full; for admins.
    #[serde(skip)]
    pub last_misbehaviour_detail: Option<String>,
    /// Why the log is no longer watched, if it is not.
    pub halted: Option<String>,
}

impl LogSnapshot {
    /// The view for admins: the newest problems in full, not only their kind.
    pub(crate) fn for_admins(mut self) -> Self {
        self.last_error.clone_from(&self.last_error_detail);
        self.last_misbehaviour.clone_from(&self.last_misbehaviour_detail);
        self
    }
}

impl LogStatus {
    /// Creates the status of a log that has not been contacted yet.
    pub(crate) fn new(source: Arc<Source>, verification: Verification) -> Self {
        LogStatus {
            source,
            verification,
            ledger: Mutex::default(),
            missing: Mutex::default(),
            skips: Mutex::default(),
            tree_size: AtomicU64::default(),
            verified_size: AtomicU64::default(),
            misframed: AtomicU64::default(),
            incomplete_chains: AtomicU64::default(),
            retried: AtomicU64::default(),
            failures: AtomicU64::default(),
            misbehaviours: Default::default(),
            heads_verified: AtomicU64::default(),
            certificates: AtomicU64::default(),
            precertificates: AtomicU64::default(),
            traffic: Arc::default(),
            heard_at: Mutex::default(),
            freshness: Mutex::default(),
            last_error: Mutex::default(),
            last_misbehaviour: Mutex::default(),
            halted: Mutex::default(),
        }
    }

    /// The status of the same log under another URL or name: its counts go on.
    pub(crate) fn of_another_source(&self, log: &LogConfig) -> Self {
        let count = |counter: &AtomicU64| AtomicU64::new(counter.load(Ordering::Relaxed));
        LogStatus {
            misframed: count(&self.misframed),
            incomplete_chains: count(&self.incomplete_chains),
            retried: count(&self.retried),
            failures: count(&self.failures),
            misbehaviours: self.misbehaviours.each_ref().map(count),
            heads_verified: count(&self.heads_verified),
            certificates: count(&self.certificates),
            precertificates: count(&self.precertificates),
            traffic: self.traffic.clone(),
            last_error: Mutex::new(lock(&self.last_error).clone()),
            last_misbehaviour: Mutex::new(lock(&self.last_misbehaviour).clone()),
            ..LogStatus::new(log.source.clone(), log.verification())
        }
    }

    /// The log.
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The requests to the log and their outcomes.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// The delays of its messages, as a histogram.
    pub(crate) fn latency(&self) -> Latency {
        lock(&self.freshness).latency()
    }

    /// Number of heads verified since the program started.
    pub(crate) fn heads_verified(&self) -> u64 {
        self.heads_verified.load(Ordering::Relaxed)
    }

    /// Numbers of certificates and precerts sent since the program started.
    pub(crate) fn sent_by_type(&self) -> [(&'static str, u64); 2] {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        [("x509", read(&self.certificates)), ("precert", read(&self.precertificates))]
    }

    /// Number of misbehaviours, by kind.
    pub(crate) fn misbehaviours(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Misbehaviour::KINDS.into_iter().zip(self.misbehaviours.iter().map(|n| n.load(Ordering::Relaxed)))
    }

    /// A snapshot of the current figures.
    pub(crate) fn snapshot(&self) -> LogSnapshot {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let ledger = lock(&self.ledger).unwrap_or(Ledger::from(0));
        let (heard, visible) = (*lock(&self.heard_at), lock(&self.freshness).visible_since(ledger.next));
        let seconds = |since: Instant| since.elapsed().as_secs();
        // A head smaller than the position comes from a front end that lags behind.
        let tree_size = read(&self.tree_size).max(ledger.next);
        let (last_error, last_misbehaviour) =
            (lock(&self.last_error).clone(), lock(&self.last_misbehaviour).clone());
        LogSnapshot {
            name: self.source.name().into(),
            verification: self.verification,
            tree_size,
            verified_size: read(&self.verified_size),
            first: ledger.first,
            position: ledger.next,
            pending: tree_size - ledger.next,
            delivered: ledger.delivered,
            undecodable: ledger.undecodable,
            skipped: ledger.skipped,
            missing: ledger.missing,
            skips: lock(&self.skips).to_vec(),
            missing_indexes: lock(&self.missing).clone(),
            retried: read(&self.retried),
            misframed: read(&self.misframed),
            incomplete_chains: read(&self.incomplete_chains),
            heard_seconds: heard.map(seconds),
            behind_seconds: visible.map_or(0, seconds),
            failures: read(&self.failures),
            misbehaviours: self.misbehaviours.iter().map(read).sum(),
            freshness: lock(&self.freshness).figures(),
            last_error: last_error.as_ref().map(|problem| problem.kind.clone()),
            last_error_detail: last_error.map(|problem| problem.detail),
            last_misbehaviour: last_misbehaviour.as_ref().map(|problem| problem.kind.clone()),
            last_misbehaviour_detail: last_misbehaviour.map(|problem| problem.detail),
            halted: lock(&self.halted).clone(),
        }
    }

    /// The next index to publish; `None` until the first head.
    pub(super) fn position(&self) -> Option<u64> {
        lock(&self.ledger).map(|ledger| ledger.next)
    }

    /// Records that the log returned an acceptable head.
    pub(super) fn heard(&self, now: Instant) {
        *lock(&self.heard_at) = Some(now);
    }

    /// Records a larger head, visible since about `visible`.
    pub(super) fn saw_head(&self, tree_size: u64, visible: Instant) {
        self.tree_size.fetch_max(tree_size, Ordering::Relaxed);
        lock(&self.freshness).head(tree_size, visible);
    }

    /// Records that all entries fetched so far were proven to lead to a head of `tree_size`.
    pub(super) fn verified(&self, tree_size: u64) {
        self.verified_size.store(tree_size, Ordering::Relaxed);
        self.heads_verified.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that the messages of `count` entries, up to `end_exclusive`, are in the clients' queues.
    pub(super) fn sent(&self, end_exclusive: u64, count: u64, now: Instant) {
        lock(&self.freshness).sent(end_exclusive, count, now);
    }

    pub(super) fn account(&self, ledger: Ledger) {
        *lock(&self.ledger) = Some(ledger);
    }

    pub(super) fn miss(&self, missing: &[MissingRange]) {
        *lock(&self.missing) =
            missing.iter().map(|range| indexes(range.start, range.end_exclusive)).collect();
    }

    pub(super) fn skip(&self, skips: &Arc<Vec<Skip>>) {
        let mut known = lock(&self.skips);
        if !Arc::ptr_eq(&known, skips) {
            *known = skips.clone();
        }
    }

    pub(super) fn sent_one(&self, entry_type: LogEntryType) {
        let counter = match entry_type {
            LogEntryType::X509 => &self.certificates,
            LogEntryType::Precert => &self.precertificates,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retried(&self, entries: u64) {
        self.retried.fetch_add(entries, Ordering::Relaxed);
    }

    pub(super) fn sent_incomplete(&self) {
        self.incomplete_chains.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn misframed(&self) {
        self.misframed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, error: &FetchError) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last_error) = Some(Problem::new(&error.public_text(), &error.to_string()));
    }

    pub(super) fn misbehaved(&self, kind: &str, problem: &str) {
        let mut kinds = Misbehaviour::KINDS.into_iter().zip(&self.misbehaviours);
        if let Some((_, count)) = kinds.find(|(known, _)| *known == kind) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        *lock(&self.last_misbehaviour) = Some(Problem::new(kind, problem));
    }

    pub(super) fn halted(&self, why: &str) {
        *lock(&self.halted) = Some(escaped(why, MAX_CHARS).into());
    }
}

fn indexes(start: u64, end_exclusive: u64) -> String {
    if end_exclusive == start + 1 { start.to_string() } else { format!("{start}-{}", end_exclusive - 1) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
