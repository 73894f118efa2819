//! The state that the log's issuing thread, its HTTP worker and its handles share.

use super::defects::Defects;
use super::faults::{AnswerClass, FaultBoard};
use super::generator::Generator;
use super::options::DemoProtocol;
use super::stats::DemoStats;
use super::store::{Store, StoredEntry};
use crate::clock;
use crate::ct::merkle::Hash;
use crate::rate::TokenBucket;
use bytes::Bytes;
use chrono::Utc;
use openssl::sha::sha256;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub(super) struct LogState {
    pub store: Store,
    pub protocol: DemoProtocol,
    /// Whether the log has names tiles.
    pub names_tiles: bool,
    /// The origin in the log's checkpoints.
    pub origin: String,
    /// Locked during a batch, so that batches do not mix.
    pub issuer: Mutex<Generator>,
    /// Certificates (DER) of the roots to which the log accepts chains.
    pub roots: Vec<Bytes>,
    /// The certificates (DER) in chains, by the hash that entries reference.
    pub issuers: HashMap<Hash, Bytes>,
    pub faults: FaultBoard,
    pub defects: Mutex<Defects>,
    /// The limit on requests that the defects set.
    rate_limit: Mutex<Option<TokenBucket>>,
    pub counters: Counters,
    /// Maximum number of entries in one response.
    pub max_page: u64,
    /// Entries per second, as the bits of an f64.
    rate: AtomicU64,
}

/// Settings of the log's endpoints.
pub(super) struct EndpointSettings {
    pub protocol: DemoProtocol,
    pub names_tiles: bool,
    pub origin: String,
    pub max_page: u64,
}

impl LogState {
    pub(super) fn new(store: Store, issuer: Generator, face: EndpointSettings) -> Self {
        let EndpointSettings { protocol, names_tiles, origin, max_page } = face;
        Self {
            store,
            protocol,
            names_tiles,
            origin,
            roots: issuer.roots(),
            issuers: issuer.chain_certificates().map(|der| (sha256(der), der.clone())).collect(),
            issuer: Mutex::new(issuer),
            faults: FaultBoard::new(),
            defects: Mutex::default(),
            rate_limit: Mutex::default(),
            counters: Counters::default(),
            // A response must contain at least one entry, otherwise clients make no progress.
            max_page: max_page.max(1),
            rate: AtomicU64::new(0),
        }
    }

    /// The log id: the SHA-256 of the key's DER SubjectPublicKeyInfo.
    pub(super) fn log_id(&self) -> Hash {
        sha256(self.store.public_key())
    }

    /// Issues `count` entries, or fewer if `deadline` comes first, and signs a head over them. Returns the
    /// tree size.
    pub(super) fn publish(&self, count: u64, deadline: Option<Instant>) -> u64 {
        let mut issuer = self.issuer.lock();
        for _ in 0..count {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            match issuer.issue(Utc::now()) {
                Ok(submission) => self.store.append(submission, clock::unix_ms()),
                Err(error) => {
                    log::error!("demo log: failed to issue a certificate: {error}");
                    break;
                }
            }
        }
        self.sign_head()
    }

    pub(super) fn publish_raw(&self, leaf_input: Bytes, extra_data: Bytes) -> u64 {
        let _no_batch_meanwhile = self.issuer.lock();
        self.store.append_raw(leaf_input, extra_data);
        self.sign_head()
    }

    pub(super) fn set_defects(&self, defects: Defects) {
        *self.rate_limit.lock() = defects.rate_limit(Instant::now());
        *self.defects.lock() = defects;
    }

    /// Whether there are more requests than the defects allow. Such a request counts as refused.
    pub(super) fn exceeds_rate(&self) -> bool {
        let mut limit = self.rate_limit.lock();
        let exceeds = limit
            .as_mut()
            .is_some_and(|bucket| bucket.take_within(1, Instant::now(), Duration::ZERO).is_none());
        self.counters.rate_limited.fetch_add(exceeds.into(), Relaxed);
        exceeds
    }

    fn sign_head(&self) -> u64 {
        self.store.sign_head().unwrap_or_else(|error| {
            log::error!("demo log: failed to sign a tree head: {error}");
            self.store.head().tree_size
        })
    }

    /// Growth rate in entries per second.
    pub(super) fn rate(&self) -> f64 {
        f64::from_bits(self.rate.load(Relaxed))
    }

    /// Sets the growth rate. Anything but a positive number counts as 0.
    pub(super) fn set_rate(&self, rate: f64) {
        let rate = if rate.is_finite() { rate.max(0.0) } else { 0.0 };
        self.rate.store(rate.to_bits(), Relaxed);
    }

    pub(super) fn stats(&self) -> DemoStats {
        let counters = &self.counters;
        DemoStats {
            tree_size: self.store.head().tree_size,
            oldest_kept: self.store.oldest(),
            head_requests: counters.head_requests.load(Relaxed),
            not_modified: counters.not_modified.load(Relaxed),
            entries_requests: counters.entries_requests.load(Relaxed),
            issuer_requests: counters.issuer_requests.load(Relaxed),
            names_requests: counters.names_requests.load(Relaxed),
            proof_requests: counters.proof_requests.load(Relaxed),
            rate_limited: counters.rate_limited.load(Relaxed),
            other_requests: counters.other_requests.load(Relaxed),
            entries_served: counters.entries_served.load(Relaxed),
            most_served: counters.most_served.load(Relaxed),
            entries_in_flight: counters.in_flight.load(Relaxed),
            most_entries_in_flight: counters.most_in_flight.load(Relaxed),
            faults_shown: self.faults.shown(),
        }
    }
}

#[derive(Default)]
pub(super) struct Counters {
    head_requests: AtomicU64,
    not_modified: AtomicU64,
    entries_requests: AtomicU64,
    issuer_requests: AtomicU64,
    names_requests: AtomicU64,
    proof_requests: AtomicU64,
    rate_limited: AtomicU64,
    other_requests: AtomicU64,
    entries_served: AtomicU64,
    most_served: AtomicU64,
    in_flight: AtomicU64,
    most_in_flight: AtomicU64,
}

/// A request for entries in progress. It counts until it is dropped.
pub(super) struct InFlight<'a> {
    counters: &'a Counters,
}

impl Counters {
    /// Counts a request. The caller must keep the returned value until the response is complete.
    pub(super) fn arrived(&self, class: AnswerClass) -> Option<InFlight<'_>> {
        let (requests, for_entries) = match class {
            AnswerClass::Head => (&self.head_requests, false),
            AnswerClass::Page | AnswerClass::DataTile { .. } => (&self.entries_requests, true),
            AnswerClass::Generator => (&self.issuer_requests, false),
            AnswerClass::Names => (&self.names_requests, false),
            AnswerClass::Proof => (&self.proof_requests, false),
            AnswerClass::Other => (&self.other_requests, false),
        };
        requests.fetch_add(1, Relaxed);
        for_entries.then(|| {
            let now = self.in_flight.fetch_add(1, Relaxed) + 1;
            self.most_in_flight.fetch_max(now, Relaxed);
            InFlight { counters: self }
        })
    }

    /// Counts a 304 response.
    pub(super) fn unmodified(&self) {
        self.not_modified.fetch_add(1, Relaxed);
    }

    /// Counts entries in undamaged responses.
    pub(super) fn served(&self, entries: &[Arc<StoredEntry>]) {
        self.entries_served.fetch_add(entries.len() as u64, Relaxed);
        let most = entries.iter().map(|entry| entry.count_served()).max().unwrap_or(0);
        self.most_served.fetch_max(most, Relaxed);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(1, Relaxed);
    }
}
