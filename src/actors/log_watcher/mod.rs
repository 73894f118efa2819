//! The LogWatcher actor, one per log: asks for the head, fetches what is new, decodes it and sends it on.
//!
//! ```text
//!  head ──► Window ──► entries of several ranges in flight ──► decode ──► Window ──► Broker
//!   ▲          ▲  next range, lowest first                     (holes asked again)  in order, waits
//!   └ poll     └─ failed: same range again, after a back-off
//! ```
//!
//! Whatever the log does, the watcher goes on; what it cannot decode is counted and named in the log file.

mod backoff;
mod freshness;
mod page_size;
mod rhythm;
mod status;
mod window;

pub use freshness::FreshnessFigures;
pub use status::{LogSnapshot, LogStatus};

use super::broker::{Broker, Publish};
use crate::clock;
use crate::ct::entry::{Content, LogEntry};
use crate::log_client::{self, FetchError, Head, LogClient, Range};
use crate::message::{CertEntry, Demand, EntryBatch};
use crate::state::{Undecodable, UndecodableEntry};
use actix::prelude::*;
use backoff::Backoff;
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use page_size::PageSize;
use rhythm::Rhythm;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use window::Window;

/// Entries sent to the Broker at once: small enough that a client which keeps up has room for the next ones
/// by the time they come.
const BATCH: usize = 100;

/// Where to begin in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the entries that come after the first head we see.
    Head,
    /// At this index.
    Index(u64),
    /// So many entries before the first head we see, or at the log's beginning.
    BeforeHead(u64),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Head => f.write_str("the head"),
            Start::Index(index) => write!(f, "index {index}"),
            Start::BeforeHead(count) => write!(f, "{count} entries before the head"),
        }
    }
}

/// How a log is watched.
#[derive(Debug, Clone, Copy)]
pub struct WatchSettings {
    /// Where to begin.
    pub start: Start,
    /// Shortest beat of the log's heads that is followed.
    pub poll_interval: Duration,
    /// How long entries in a tile that is not full may wait for it to become full.
    pub partial_tile_wait: Duration,
    /// Most entries to ask for at once.
    pub page_size: u64,
    /// Most requests for entries at the same time.
    pub in_flight: usize,
}

/// Stops the watcher at once; what it has not handed on is left to the next start.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// See the module.
pub struct LogWatcher {
    /// Taken when the actor starts.
    watch: Option<Watch>,
}

impl LogWatcher {
    /// Watches the log that `client` asks, tells `status` how it goes, and leaves with `undecodable`
    /// what cannot be sent.
    pub fn new(
        client: LogClient,
        settings: WatchSettings,
        status: Arc<LogStatus>,
        undecodable: Arc<Undecodable>,
        broker: Addr<Broker>,
        demand: Arc<Demand>,
    ) -> Self {
        let watch = Watch {
            client: Rc::new(client),
            page_size: PageSize::new(settings.page_size),
            settings,
            status,
            undecodable,
            broker,
            demand,
            position: None,
            backoff: Backoff::default(),
            not_before: Instant::now(),
            last_failure: None,
            rhythm: Rhythm::new(std::time::Instant::now(), settings.poll_interval),
            tree_size: None,
            partial_since: None,
        };
        LogWatcher { watch: Some(watch) }
    }
}

impl Actor for LogWatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(watch) = self.watch.take() {
            ctx.spawn(watch.run().into_actor(self));
        }
    }
}

impl Handler<Stop> for LogWatcher {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

/// The watcher's work, from start to stop.
struct Watch {
    client: Rc<LogClient>,
    settings: WatchSettings,
    status: Arc<LogStatus>,
    undecodable: Arc<Undecodable>,
    broker: Addr<Broker>,
    demand: Arc<Demand>,
    /// The next index to hand to the Broker; unknown until the first head.
    position: Option<u64>,
    page_size: PageSize,
    backoff: Backoff,
    /// No request for entries before this moment.
    not_before: Instant,
    last_failure: Option<Instant>,
    rhythm: Rhythm,
    /// Size of the largest tree seen.
    tree_size: Option<u64>,
    /// Since when there have been entries in a tile that is not full.
    partial_since: Option<Instant>,
}

/// The answer to one request for entries.
struct Fetched {
    range: Range,
    asked_at: Instant,
    page: Result<Vec<log_client::Fetched>, FetchError>,
}

impl Watch {
    /// Never ends. A panic is a defect of ours, but it must not end a log in silence either.
    async fn run(mut self) {
        loop {
            if AssertUnwindSafe(self.follow()).catch_unwind().await.is_err() {
                let wait = self.backoff.failed(None, rand::random());
                log::error!(
                    "{}: watcher panicked at index {:?}; going on in {wait:.1?}",
                    self.name(),
                    self.position
                );
                sleep(wait).await;
            }
        }
    }

    async fn follow(&mut self) {
        loop {
            sleep_until(self.rhythm.next().into()).await;
            let asked = Instant::now();
            match self.client.head().await {
                Ok(head) => {
                    self.backoff.succeeded();
                    self.take_head(asked, head);
                    self.catch_up().await;
                }
                Err(error) => {
                    let wait = self.failure("get the tree head", &error);
                    self.rhythm.failed((Instant::now() + wait).into());
                }
            }
        }
    }

    /// A head older than what we have, as front ends that lag behind serve it, changes nothing.
    fn take_head(&mut self, asked: Instant, head: Option<Head>) {
        match head {
            Some(head) if self.tree_size.is_none_or(|known| head.tree_size > known) => {
                self.tree_size = Some(head.tree_size);
                let visible_for = self.rhythm.grew(asked.into(), head.timestamp_ms);
                let asked: std::time::Instant = asked.into();
                self.status.saw_head(head.tree_size, asked.checked_sub(visible_for).unwrap_or(asked));
            }
            _ => self.rhythm.unchanged(asked.into()),
        }
    }

    /// Fetches and hands on everything that is to be fetched now.
    async fn catch_up(&mut self) {
        let Some(tree_size) = self.tree_size else { return };
        let position = self.position_under(tree_size);
        let end_exclusive = self.end_for_now(position, tree_size);
        let span = self.settings.page_size.saturating_mul(self.settings.in_flight as u64);
        let mut window = Window::new(position, end_exclusive, span, self.client.alignment());
        let mut in_flight = FuturesUnordered::new();
        while !window.is_finished() {
            let parallel = if self.backoff.failures() > 0 { 1 } else { self.settings.in_flight };
            while in_flight.len() < parallel
                && let Some(range) = window.next_range(self.page_size.ask())
            {
                in_flight.push(fetch(self.client.clone(), range, self.not_before));
            }
            if let Some(fetched) = in_flight.next().await {
                self.judge(fetched, &mut window);
            }
            while let Some(entries) = window.take_arrived() {
                self.publish(entries).await;
                self.moved_to(window.position());
            }
        }
    }

    /// Up to where to fetch under a head of `tree_size`: a tile that is not full yet is left until it is, but
    /// not for longer than its entries may wait. Each partial tile holds again what the one before it held.
    fn end_for_now(&mut self, position: u64, tree_size: u64) -> u64 {
        let full = tree_size - tree_size % self.client.alignment();
        if full == tree_size || position >= tree_size || !self.client.prefers_full_tiles() {
            self.partial_since = None;
            return tree_size;
        }
        if position < full {
            self.partial_since = None;
        }
        let since = *self.partial_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.settings.partial_tile_wait {
            self.partial_since = None;
            return tree_size;
        }
        self.rhythm.no_later_than((since + self.settings.partial_tile_wait).into());
        full.max(position)
    }

    /// Where we are, which the first head decides.
    fn position_under(&mut self, tree_size: u64) -> u64 {
        if let Some(position) = self.position {
            return position;
        }
        let position = match self.settings.start {
            Start::Head => tree_size,
            Start::Index(index) => index,
            Start::BeforeHead(count) => tree_size.saturating_sub(count),
        };
        log::info!("{}: watching from index {position}, tree size {tree_size}", self.name());
        if position > tree_size {
            log::warn!("{}: the log ends before index {position}; waiting for it to grow", self.name());
        }
        self.moved_to(position);
        position
    }

    fn moved_to(&mut self, position: u64) {
        self.position = Some(position);
        self.status.moved_to(position);
    }

    fn judge(&mut self, fetched: Fetched, window: &mut Window<CertEntry>) {
        let range = fetched.range;
        match fetched.page {
            Ok(page) => {
                self.backoff.succeeded();
                self.page_size.learn(range.count(), page.len() as u64);
                window.arrived(range, self.decode(range, page));
            }
            Err(error) => {
                window.failed(range);
                if matches!(error, FetchError::TooLarge { .. }) {
                    self.page_size.too_large();
                }
                // Requests that were under way when the first of them failed tell nothing new.
                if self.last_failure.is_some_and(|last| fetched.asked_at < last) {
                    return;
                }
                let what = format!("get entries {} to {}", range.start, range.end_exclusive - 1);
                let wait = self.failure(&what, &error);
                self.last_failure = Some(Instant::now());
                self.not_before = Instant::now() + wait;
            }
        }
    }

    /// Counts and reports a failed request; returns how long to leave the log alone.
    fn failure(&mut self, what: &str, error: &FetchError) -> Duration {
        let wait = self.backoff.failed(error.retry_after(), rand::random());
        self.status.failed(error);
        log::warn!("{}: failed to {what}: {error}; trying again in {wait:.1?}", self.name());
        wait
    }

    fn decode(&self, range: Range, page: Vec<log_client::Fetched>) -> Vec<Option<CertEntry>> {
        let seen_us = clock::unix_us();
        let entry = |(entry, index): (log_client::Fetched, u64)| match entry {
            Ok(content) => {
                if let Content::Entry(LogEntry { fault: Some(fault), .. }) = &content {
                    self.status.misframed();
                    log::warn!("{}: entry {index} is misframed: {fault}; sent all the same", self.name());
                }
                Some(CertEntry { source: self.status.source().clone(), index, seen_us, content })
            }
            Err(broken) => {
                self.undecodable(&broken, index, range.confirming);
                None
            }
        };
        page.into_iter().zip(range.start..).map(entry).collect()
    }

    /// Passes over an entry that could not be decoded twice; keeps what the log gave.
    fn undecodable(&self, broken: &log_client::Undecodable, index: u64, confirming: bool) {
        let log_client::Undecodable { reason, leaf_input, extra_data } = broken;
        if !confirming {
            log::debug!("{}: entry {index} cannot be decoded: {reason}; asking once more", self.name());
            return;
        }
        self.status.undecodable();
        let url = self.status.source().url();
        let kept =
            match self.undecodable.keep(&UndecodableEntry { url, index, reason, leaf_input, extra_data }) {
                Ok(path) => format!("kept in {}", path.display()),
                Err(error) => format!("not kept: {error}"),
            };
        log::warn!("{}: entry {index} cannot be decoded: {reason}; passed over, {kept}", self.name());
    }

    /// Hands entries to the Broker, waiting for it.
    async fn publish(&mut self, mut entries: Vec<CertEntry>) {
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(BATCH));
            let next = entries.last().map(|last| last.index + 1);
            let count = entries.len() as u64;
            let batch = EntryBatch::new(std::mem::replace(&mut entries, rest));
            batch.prepare(&self.demand);
            if self.broker.send(Publish(batch)).await.is_err() {
                // The Broker goes only when the whole system does, and this future with it.
                log::debug!("{}: the broker is gone", self.name());
                std::future::pending::<()>().await;
            }
            if let Some(position) = next {
                self.status.sent(position, count, std::time::Instant::now());
                self.moved_to(position);
            }
        }
    }

    fn name(&self) -> &str {
        self.status.source().name()
    }
}

async fn fetch(client: Rc<LogClient>, range: Range, not_before: Instant) -> Fetched {
    sleep_until(not_before).await;
    let asked_at = Instant::now();
    let page = client.entries(range).await;
    Fetched { range, asked_at, page }
}
