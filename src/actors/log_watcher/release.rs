//! The entries under a tree head, from the request to the Broker.
//!
//! ```text
//! Window ──► ranges in flight ──► decode, hash ──► Window ──► UnverifiedEntries ──► proven? ──► Broker, position
//!   ▲         └─ failed: retried later            (in order)           └─ no: none of them is sent
//! ```

use super::progress::Progress;
use super::unverified::{DecodedEntry, UnverifiedEntries, VerifiedBatch};
use super::watch::Watch;
use super::window::Window;
use crate::actors::broker::Publish;
use crate::clock;
use crate::ct::entry::{Content, LogEntry, LogEntryType};
use crate::ct::head::Head;
use crate::ct::merkle::CompactTree;
use crate::digest::Topic;
use crate::evidence::Misbehaviour;
use crate::http_client::HttpError;
use crate::log_client::{DecodeFailure, FetchError, FetchedEntry, LogClient, Range};
use crate::message::{CertEntry, EntryBatch};
use crate::state::{Ledger, UndecodableEntry};
use actix::prelude::SendError;
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use log::Level;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

/// Approximate limit for the certificates of one log that wait for earlier entries, in bytes. Above it, only the range
/// that blocks the others is fetched. A page of 1,000 entries has about 6 MB.
pub(crate) const MAX_WAITING_BYTES: usize = 24 * 1024 * 1024;
/// Delay before retrying when the Broker's mailbox is full.
const BROKER_PAUSE: Duration = Duration::from_millis(10);

/// The answer to one request for entries.
struct PageResult {
    range: Range,
    asked_at: Instant,
    page: Result<Vec<FetchedEntry>, FetchError>,
}

impl Watch {
    /// Fetches all entries up to `end_exclusive`, and publishes those that are proven to lead to `head`. Returns
    /// `false` if some are not.
    pub(super) async fn catch_up_to(&mut self, end_exclusive: u64, head: &Head) -> bool {
        let Some(place) = &self.place else { return false };
        let mut held = UnverifiedEntries::behind(place, self.settings.verify);
        let mut progress = Progress::new(place.next(), end_exclusive, std::time::Instant::now());
        let span = self.settings.page_size.saturating_mul(self.settings.in_flight as u64);
        let mut window = Window::new(place.fetch_from(), end_exclusive, span, self.client.alignment());
        let (mut in_flight, mut waiting_bytes) = (FuturesUnordered::new(), 0);
        let mut counted = self.memory.part();
        while !window.is_finished() {
            let parallel = if self.backoff.failures() > 0 { 1 } else { self.settings.in_flight };
            while in_flight.len() < parallel
                && (in_flight.is_empty() || waiting_bytes < MAX_WAITING_BYTES && self.memory.has_room())
                && let Some(range) = window.next_range(self.page_size.ask())
            {
                in_flight.push(fetch(self.client.clone(), range, self.not_before));
            }
            if let Some(answer) = in_flight.next().await {
                waiting_bytes += self.judge(answer, &mut window);
                counted.set(waiting_bytes + held.bytes());
            }
            while let Some(arrived) = window.take_arrived() {
                waiting_bytes = waiting_bytes.saturating_sub(arrived.iter().map(DecodedEntry::bytes).sum());
                for arrived in arrived {
                    let next = arrived.index + 1;
                    if let Some(unhashable) = held.push(arrived) {
                        return self.release(&mut held, head).await && self.pass_unhashable(unhashable).await;
                    }
                    let due = next == end_exclusive || held.is_due_at(next);
                    if due && !self.release(&mut held, head).await {
                        return false;
                    }
                }
                if !self.settings.verify {
                    self.release(&mut held, head).await;
                }
            }
            if let Some(told) = progress.at(window.position(), std::time::Instant::now()) {
                log::info!("{}: {told}", self.name());
            }
        }
        true
    }

    /// Processes the answer to a request. Returns the number of bytes received.
    fn judge(&mut self, answer: PageResult, window: &mut Window<DecodedEntry>) -> usize {
        let range = answer.range;
        match answer.page {
            Ok(page) => {
                self.backoff.succeeded();
                self.page_size.learn(range.count(), page.len() as u64);
                let arrived = self.decode(range, page);
                let bytes = arrived.iter().flatten().map(DecodedEntry::bytes).sum();
                window.arrived(range, arrived);
                return bytes;
            }
            Err(error) => {
                window.failed(range);
                self.status.retried(range.count());
                if matches!(error, FetchError::Http(HttpError::TooLarge { .. } | HttpError::NoRoom)) {
                    self.page_size.too_large();
                }
                // Requests that were in flight when the first of them failed do not count as further failures.
                if self.last_failure.is_some_and(|last| answer.asked_at < last) {
                    return 0;
                }
                let what = format!("get entries {} to {}", range.start, range.end_exclusive - 1);
                let wait = self.failure(&what, &error);
                self.last_failure = Some(Instant::now());
                self.not_before = Instant::now() + wait;
            }
        }
        0
    }

    /// Decodes a page. `None` stands for an entry that may have been damaged in transit, and is requested once more.
    fn decode(&self, range: Range, page: Vec<FetchedEntry>) -> Vec<Option<DecodedEntry>> {
        let (source, seen_us) = (self.status.source(), clock::unix_us());
        let arrived =
            |(FetchedEntry { leaf_hash, content, evidence }, index): (FetchedEntry, u64)| match content {
                Err(broken) if !range.confirming => {
                    self.status.retried(1);
                    log::debug!("{}: entry {index}: {}; requesting it again", source.name(), broken.reason);
                    None
                }
                content => {
                    let entry = |content| CertEntry { source: source.clone(), index, seen_us, content };
                    Some(DecodedEntry { index, leaf_hash, content: content.map(entry), evidence })
                }
            };
        page.into_iter().zip(range.start..).map(arrived).collect()
    }

    /// Publishes the entries collected in `held` once they are proven to lead to `head`. Returns `false` if they do
    /// not.
    async fn release(&mut self, held: &mut UnverifiedEntries, head: &Head) -> bool {
        while let Some(tree) = held.tree() {
            match self.client.prove(tree, head).await {
                Ok(Ok(())) => {
                    self.verified(head);
                    break;
                }
                Ok(Err(refutation)) => {
                    if let Some(beginning) = held.beginning() {
                        self.disbelieve(head, beginning, refutation);
                    }
                    return false;
                }
                Err(error) => {
                    let what = format!("prove that {} entries lead to the head", tree.size());
                    sleep(self.failure(&what, &error)).await;
                }
            }
        }
        for batch in held.take_proven() {
            self.hand_on(batch).await;
        }
        true
    }

    fn verified(&mut self, head: &Head) {
        self.backoff.succeeded();
        self.distrust.succeeded();
        self.status.verified(head.tree_size);
        if let Some(place) = &mut self.place {
            place.head = Some(head.clone());
        }
    }

    /// Publishes a batch and waits for the Broker's answer. The position moves together with the publishing, so a stop
    /// cannot separate the two.
    async fn hand_on(&mut self, batch: VerifiedBatch) {
        let _turn = match batch.is_large() {
            true => self.memory.turn_for_large_batch().await,
            false => None,
        };
        let VerifiedBatch { entries, tree, .. } = batch;
        let Some(ledger) = self.accounted(&entries).await else { return };
        let mut decoded = Vec::with_capacity(entries.len());
        for arrived in entries {
            match arrived.content {
                Ok(entry) => {
                    if let Content::Entry(whole) = &entry.content {
                        self.status.sent_one(whole.entry_type);
                    }
                    self.look_at(&entry, arrived.evidence);
                    decoded.push(entry);
                }
                Err(broken) => self.keep_undecodable(&broken, arrived.index),
            }
        }
        let count = decoded.len() as u64;
        if decoded.is_empty() {
            // Nothing was published, so there is no answer to wait for.
            if self.stopped.get() {
                pending::<()>().await;
            }
            self.move_to(ledger, tree);
            return self.status.sent(ledger.next, count, std::time::Instant::now());
        }
        let batch = EntryBatch::new(decoded);
        batch.prepare(&self.demand);
        self.gate.passed().await;
        let taken = self.send(batch).await;
        self.move_to(ledger, tree);
        // The Broker stops only with the whole system, which also drops this future.
        if taken.await.is_err() {
            pending::<()>().await;
        }
        self.status.sent(ledger.next, count, std::time::Instant::now());
    }

    /// The ledger with `entries` added. Never returns if that would leave a gap or a repetition.
    async fn accounted(&self, entries: &[DecodedEntry]) -> Option<Ledger> {
        let mut ledger = self.place.as_ref()?.ledger;
        let each = |arrived: &DecodedEntry| match arrived.content {
            Ok(_) => ledger.deliver(arrived.index),
            Err(_) => ledger.pass_over(arrived.index),
        };
        if let Err(error) = entries.iter().try_for_each(each) {
            self.halt(format!(
                "internal error, the entries are out of order: {error}; no more entries of this log are sent"
            ))
            .await;
        }
        Some(ledger)
    }

    /// Sends a batch to the Broker's mailbox. The receiver resolves once the batch is in the clients' queues.
    async fn send(&self, batch: EntryBatch) -> oneshot::Receiver<()> {
        let (done, taken) = oneshot::channel();
        let mut publish = Publish { batch, done };
        loop {
            if self.stopped.get() {
                pending::<()>().await;
            }
            match self.broker.try_send(publish) {
                Ok(()) => return taken,
                Err(SendError::Full(again)) => {
                    publish = again;
                    sleep(BROKER_PAUSE).await;
                }
                Err(SendError::Closed(_)) => return pending().await,
            }
        }
    }

    /// Moves the position past the published entries.
    fn move_to(&mut self, ledger: Ledger, tree: Option<CompactTree>) {
        if let Some(place) = &mut self.place {
            (place.ledger, place.tree) = (ledger, tree);
        }
        self.note_place();
    }

    /// Skips an entry whose bytes are not valid base64, so that its leaf hash is unknown.
    async fn pass_unhashable(&mut self, arrived: DecodedEntry) -> bool {
        let broken = match &arrived.content {
            Err(broken) if self.place.as_ref().is_some_and(|place| arrived.index >= place.next()) => broken,
            _ => {
                self.tell(Level::Warn, Topic { about: "entry", problem: "cannot be hashed" }, |name| {
                    format!("{name}: entry {} cannot be hashed; waiting for it", arrived.index)
                });
                return false;
            }
        };
        self.keep_undecodable(broken, arrived.index);
        let Some(ledger) = self.accounted(std::slice::from_ref(&arrived)).await else { return false };
        self.move_to(ledger, None);
        if let Some(place) = &mut self.place {
            place.reset_tree();
        }
        true
    }

    /// Records what is wrong with an entry that is published nevertheless.
    fn look_at(&mut self, entry: &CertEntry, leaf_input: Option<Bytes>) {
        let Content::Entry(LogEntry { fault: Some(fault), certificate, chain, entry_type, .. }) =
            &entry.content
        else {
            return;
        };
        self.status.misframed();
        let Some(leaf_input) = leaf_input else {
            self.tell(Level::Warn, Topic { about: "entry", problem: "misframed" }, |name| {
                format!("{name}: entry {} is malformed: {fault}; sent anyway", entry.index)
            });
            return;
        };
        self.reporter.wrong_entry(format!("entry {}: {fault}", entry.index), || Misbehaviour::WrongEntry {
            index: entry.index,
            leaf_input: leaf_input.as_ref().into(),
            precertificate: (*entry_type == LogEntryType::Precert).then(|| certificate.as_ref().into()),
            chain: chain.iter().map(|issuer| issuer.der().as_ref().into()).collect(),
        });
    }

    /// Stores the bytes of an entry that is skipped because it cannot be decoded.
    fn keep_undecodable(&self, broken: &DecodeFailure, index: u64) {
        let DecodeFailure { reason, leaf_input, extra_data } = broken;
        let url = self.status.source().url();
        let kept =
            match self.undecodable.keep(&UndecodableEntry { url, index, reason, leaf_input, extra_data }) {
                Ok(path) => format!("kept in {}", path.display()),
                Err(error) => format!("not kept: {error}"),
            };
        self.tell(Level::Warn, Topic { about: "entry", problem: "cannot be decoded" }, |name| {
            format!("{name}: entry {index} cannot be decoded: {reason}; skipped, {kept}")
        });
    }
}

async fn fetch(client: Rc<LogClient>, range: Range, not_before: Instant) -> PageResult {
    sleep_until(not_before).await;
    let asked_at = Instant::now();
    let page = client.entries(range).await;
    PageResult { range, asked_at, page }
}
