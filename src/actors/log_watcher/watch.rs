//! The watcher's main loop: the tree heads of one log, and the position under them.

use super::backoff::Backoff;
use super::client_wait::ClientWait;
use super::heads::{Heads, Verdict};
use super::log_cursor::{LogCursor, Missing};
use super::page_size::PageSize;
use super::poll_schedule::PollSchedule;
use super::report::Reporter;
use super::{LogStatus, WatchContext};
use crate::actors::broker::Broker;
use crate::clock;
use crate::config::{Start, WatchSettings};
use crate::ct::head::Head;
use crate::digest::{Digest, Topic};
use crate::evidence::{Misbehaviour, OldTree};
use crate::log_client::{AnswerMemory, FetchError, LogClient, ProofFailure};
use crate::message::Demand;
use crate::state::{Positions, UndecodableFolder};
use actix::Addr;
use futures_util::FutureExt;
use log::Level;
use std::cell::Cell;
use std::cmp::Ordering;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// A head with a timestamp this far in the future indicates that the local clock or the log's clock is wrong.
const MAX_AHEAD: Duration = Duration::from_secs(60 * 60);

/// The state of one log's watcher.
pub(super) struct Watch {
    pub(super) client: Rc<LogClient>,
    pub(super) memory: Arc<AnswerMemory>,
    pub(super) settings: WatchSettings,
    pub(super) status: Arc<LogStatus>,
    pub(super) undecodable: Arc<UndecodableFolder>,
    pub(super) positions: Arc<Positions>,
    pub(super) broker: Addr<Broker>,
    pub(super) demand: Arc<Demand>,
    pub(super) gate: ClientWait,
    pub(super) reporter: Reporter,
    digest: Arc<Digest>,
    /// Set when no more entries may be published.
    pub(super) stopped: Rc<Cell<bool>>,
    /// `None` until the first head.
    pub(super) place: Option<LogCursor>,
    pub(super) page_size: PageSize,
    pub(super) backoff: Backoff,
    /// Entries are not requested before this time.
    pub(super) not_before: Instant,
    pub(super) last_failure: Option<Instant>,
    schedule: PollSchedule,
    heads: Heads,
    /// The largest acceptable head.
    head: Option<Head>,
    /// Since when there have been entries in a partial tile.
    partial_since: Option<Instant>,
    /// Backoff after misbehaviour; reset by the next successful proof.
    pub(super) distrust: Backoff,
    /// Whether the first head has been processed.
    began: bool,
    /// Whether a position was saved before a restart.
    resumed: bool,
    /// Whether a warning about the log's clock was written.
    clock_told: bool,
}

impl Watch {
    pub(super) fn new(with: WatchContext, settings: WatchSettings, stopped: Rc<Cell<bool>>) -> Self {
        let WatchContext { client, memory, accused, status, undecodable, evidence, positions, .. } = with;
        let WatchContext { broker, demand, gate, digest, .. } = with;
        Watch {
            client: Rc::new(client),
            memory,
            page_size: PageSize::new(settings.page_size),
            schedule: PollSchedule::new(std::time::Instant::now(), settings.poll_interval),
            settings,
            reporter: Reporter::new(accused, status.clone(), evidence, broker.clone(), digest.clone()),
            digest,
            status,
            undecodable,
            positions,
            broker,
            demand,
            gate,
            stopped,
            place: None,
            backoff: Backoff::default(),
            not_before: Instant::now(),
            last_failure: None,
            heads: Heads::default(),
            head: None,
            partial_since: None,
            distrust: Backoff::default(),
            began: false,
            resumed: false,
            clock_told: false,
        }
    }

    /// Runs forever. A panic is a bug in this program; it is logged, and watching continues after a delay.
    pub(super) async fn run(mut self) {
        self.resume().await;
        loop {
            if AssertUnwindSafe(self.follow()).catch_unwind().await.is_err() {
                let wait = self.backoff.failed(None, rand::random());
                let next = self.place.as_ref().map(LogCursor::next);
                self.tell(Level::Error, Topic { about: "watcher", problem: "panicked" }, |name| {
                    format!("{name}: watcher panicked at index {next:?}; continuing in {wait:.1?}")
                });
                sleep(wait).await;
            }
        }
    }

    /// Continues at the position saved before a restart, if the log's key is the same.
    async fn resume(&mut self) {
        let source = self.status.source().clone();
        let Some(saved) = self.positions.get(source.url()) else { return };
        if let (Some(before), Some(now)) = (saved.log_id, source.log_id())
            && before != now
        {
            let why = "the log's key has changed since its position was saved, so it is treated as a different log; \
                       restore the old key, or move positions.json away to start over";
            self.halt(why.into()).await;
        }
        self.heads = Heads::knowing(saved.head.clone());
        self.place = Some(LogCursor::saved(saved));
        self.resumed = true;
    }

    async fn follow(&mut self) {
        loop {
            sleep_until(self.schedule.next().into()).await;
            let asked = Instant::now();
            match self.client.head().await {
                Ok(head) => {
                    self.backoff.succeeded();
                    if self.take_head(asked, head) {
                        self.catch_up().await;
                    }
                }
                Err(error) => {
                    if let FetchError::NotSigned { reason, bytes } = &error {
                        let evidence = Misbehaviour::BadSignature { head: bytes.as_ref().into() };
                        self.reporter
                            .misbehaved(format!("a head is not signed by the log: {reason}"), evidence);
                    }
                    let wait = self.failure("get the tree head", &error);
                    self.schedule.failed((Instant::now() + wait).into());
                }
            }
        }
    }

    /// Processes a head; `None` means that it is unchanged. Only a larger head has an effect: front ends that lag
    /// behind serve older ones, which is no fault. Returns `false` if the head contradicts another one.
    fn take_head(&mut self, asked: Instant, head: Option<Head>) -> bool {
        let Some(head) = head else {
            self.status.heard(asked.into());
            self.schedule.unchanged(asked.into());
            return true;
        };
        match self.heads.judge(&head) {
            Verdict::Larger | Verdict::Same | Verdict::Lagging => {
                self.believe(asked, head);
                return true;
            }
            Verdict::Rollback { smaller, larger } => {
                let problem =
                    format!("{} was signed no earlier than {}", described(&smaller), described(&larger));
                let (smaller, larger) = (smaller.bytes.as_ref().into(), larger.bytes.as_ref().into());
                self.hold(problem, Misbehaviour::Rollback { smaller, larger });
            }
            Verdict::Fork { against } => {
                let problem = format!("{} has another root than {}", described(&head), described(&against));
                let (first, second) = (against.bytes.as_ref().into(), head.bytes.as_ref().into());
                self.hold(problem, Misbehaviour::Fork { first, second });
            }
        }
        false
    }

    fn believe(&mut self, asked: Instant, head: Head) {
        self.status.heard(asked.into());
        self.check_clock(&head);
        match self.head.as_ref().map(|known| known.tree_size.cmp(&head.tree_size)) {
            Some(Ordering::Greater) => return self.schedule.unchanged(asked.into()),
            Some(Ordering::Equal) => return self.schedule.stayed(asked.into(), head.timestamp_ms),
            Some(Ordering::Less) | None => {}
        }
        let visible_for = self.schedule.grew(asked.into(), head.timestamp_ms);
        let asked: std::time::Instant = asked.into();
        self.status.saw_head(head.tree_size, asked.checked_sub(visible_for).unwrap_or(asked));
        self.head = Some(head);
    }

    /// Nothing depends on the clocks, because it is unknown which one is wrong.
    fn check_clock(&mut self, head: &Head) {
        let ahead = Duration::from_millis(head.timestamp_ms.saturating_sub(clock::unix_us() / 1000));
        if ahead > MAX_AHEAD && !self.clock_told {
            self.clock_told = true;
            log::warn!(
                "{}: {} is {ahead:.0?} in the future; check this machine's clock",
                self.name(),
                described(head)
            );
        }
    }

    /// Records misbehaviour, and stops using the log for a while.
    fn hold(&mut self, problem: String, misbehaviour: Misbehaviour) {
        self.reporter.misbehaved(problem, misbehaviour);
        self.client.forget();
        let wait = self.distrust.failed(None, rand::random());
        self.tell(Level::Warn, Topic { about: "misbehaviour", problem: "the log is on hold" }, |name| {
            format!("{name}: on hold; trying again in {wait:.1?}")
        });
        self.schedule.failed((Instant::now() + wait).into());
    }

    /// Discards `head`, because the log's entries do not lead to it. The next head is requested after a delay.
    pub(super) fn disbelieve(&mut self, head: &Head, beginning: OldTree, refutation: ProofFailure) {
        self.heads.forget(head);
        self.head = None;
        let (problem, proof) = (format!("{}: {}", described(head), refutation.reason), refutation.proof);
        let head = head.bytes.as_ref().into();
        self.hold(problem, Misbehaviour::Inconsistent { beginning, proof, head });
    }

    /// Fetches and publishes all entries that are due.
    async fn catch_up(&mut self) {
        let Some(head) = self.head.clone() else { return };
        loop {
            let next = self.begin(&head);
            let end_exclusive = self.end_for_now(next, head.tree_size);
            if next >= end_exclusive || !self.bootstrap_tree(&head).await {
                return;
            }
            if !self.catch_up_to(end_exclusive, &head).await {
                return;
            }
        }
    }

    /// The end of the range to fetch under a head of `tree_size`. Entries of a partial tile are left until the tile is
    /// full, but at most for `partial_tile_wait`: each partial tile repeats the entries of the previous one.
    fn end_for_now(&mut self, next: u64, tree_size: u64) -> u64 {
        let full = tree_size - tree_size % self.client.alignment();
        if full == tree_size || next >= tree_size || !self.client.prefers_full_tiles() {
            self.partial_since = None;
            return tree_size;
        }
        if next < full {
            self.partial_since = None;
        }
        let since = *self.partial_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.settings.partial_tile_wait {
            self.partial_since = None;
            return tree_size;
        }
        self.schedule.no_later_than((since + self.settings.partial_tile_wait).into());
        full.max(next)
    }

    /// The current position. The first head determines it unless a position was saved.
    fn begin(&mut self, head: &Head) -> u64 {
        let name = self.status.source().name();
        let place = self.place.get_or_insert_with(|| {
            let next = match self.settings.start {
                Start::Head => head.tree_size,
                Start::Index(index) => index,
                Start::BeforeHead(count) => head.tree_size.saturating_sub(count),
            };
            log::info!("{name}: watching from index {next}, tree size {}", head.tree_size);
            LogCursor::starting(next, head)
        });
        if self.resumed && !self.began {
            limit_catch_up(name, place, head, self.settings.catch_up);
        }
        let next = place.next();
        if !self.began {
            self.began = true;
            if next > head.tree_size {
                log::warn!("{name}: the log ends before index {next}; waiting for it to grow");
            }
            self.note_place();
        }
        next
    }

    /// Publishes the position to the status and to the saved positions.
    pub(super) fn note_place(&self) {
        if let Some(place) = &self.place {
            self.status.account(place.ledger);
            let source = self.status.source();
            self.positions.set(source.url(), place.to_save(source.log_id()));
        }
    }

    /// Ensures that there is a verified tree to start from. Returns `false` if that has to wait.
    async fn bootstrap_tree(&mut self, head: &Head) -> bool {
        if !self.settings.verify {
            return true;
        }
        loop {
            let Some(place) = &mut self.place else { return false };
            let Some(Missing { size, root }) = place.missing_tree() else { return true };
            if size >= head.tree_size {
                return false;
            }
            match self.client.tree_at(size, root.as_ref(), head).await {
                Ok(Ok(tree)) => {
                    self.backoff.succeeded();
                    place.tree = Some(tree);
                    return true;
                }
                Ok(Err(refutation)) => {
                    let root = root.map(|root| root.as_slice().into());
                    self.disbelieve(head, OldTree::Root { size, root }, refutation);
                    return false;
                }
                Err(error) => sleep(self.failure(&format!("prove the tree of {size} entries"), &error)).await,
            }
        }
    }

    /// Counts and reports a failed request. Returns the delay before the next attempt.
    pub(super) fn failure(&mut self, what: &str, error: &FetchError) -> Duration {
        let wait = self.backoff.failed(error.retry_after(), rand::random());
        self.status.failed(error);
        self.tell(Level::Warn, Topic { about: "failed request", problem: error.kind() }, |name| {
            format!("{name}: failed to {what}: {error}; trying again in {wait:.1?}")
        });
        wait
    }

    /// Stops watching this log for good, because continuing would lose or repeat entries.
    pub(super) async fn halt(&self, why: String) {
        log::error!("{}: stopped: {why}", self.name());
        self.status.halted(&why);
        pending().await
    }

    /// Writes a problem to the log file, immediately or in a summary.
    pub(super) fn tell(&self, level: Level, topic: Topic, text: impl FnOnce(&str) -> String) {
        self.digest.tell(level, topic, self.name(), || text(self.name()));
    }

    pub(super) fn name(&self) -> &str {
        self.status.source().name()
    }
}

/// Logs how far the position is behind the head after a restart, and skips entries beyond the limit `most`.
fn limit_catch_up(name: &str, place: &mut LogCursor, head: &Head, most: Option<u64>) {
    let (next, behind) = (place.next(), head.tree_size.saturating_sub(place.next()));
    log::info!("{name}: resuming at index {next}, {behind} entries behind the head");
    if let Some(most) = most.filter(|most| behind > *most) {
        let from = head.tree_size - most;
        log::warn!("{name}: skipping entries {next} to {}, because fetch.catch_up is {most}", from - 1);
        place.skip_to(from);
    }
}

fn described(head: &Head) -> String {
    format!("the head of {} entries (signed at {} ms)", head.tree_size, head.timestamp_ms)
}
