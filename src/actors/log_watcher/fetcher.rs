//! The second stage: fetches the entries under the newest head, several ranges at once, and passes them on in order.
//!
//! The next stage takes pages as fast as the clients take messages. When it does not, this stage stops fetching: at most
//! [`MAX_WAITING_BYTES`] wait here, besides the answers that are being received.
//!
//! A failure that concerns the requested range delays only that range, which is halved when it fails again. Entries
//! before it are passed on, and others are fetched meanwhile. A failure of the log as a whole delays all requests.

use super::head_board::HeadBoard;
use super::log_requests::LogRequests;
use super::missing_board::{FAILURES_ALONE, MissingBoard};
use super::page_size::PageSize;
use super::progress::Progress;
use super::report::Reporter;
use super::unverified::{DecodedEntry, decode};
use super::window::{Passed, Retry, Window};
use crate::backoff::Backoff;
use crate::config::WatchSettings;
use crate::digest::Topic;
use crate::http_client::HttpError;
use crate::log_client::{AnswerMemory, FetchError, FetchedEntry, MemoryPart, Range};
use futures_util::stream::{FuturesUnordered, StreamExt};
use log::Level;
use std::collections::VecDeque;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Approximate limit for the certificates of one log that wait for earlier entries, in bytes. Above it, only the range
/// that blocks the others is fetched. A page of 1,000 entries has about 6 MB.
pub(crate) const MAX_WAITING_BYTES: usize = 24 * 1024 * 1024;
/// Maximum number of tree sizes at which pages are marked. While far more heads arrive than entries, marking each would
/// only cost memory.
const MAX_TARGETS: usize = 64;

/// Consecutive failures of ranges after which the whole log is taken to fail: enough to halve a range of 1,000 entries
/// down to one.
const MAX_RANGE_FAILURES: u32 = 24;
/// Delay between the requests for an issuer that entries wait for.
const ISSUER_PAUSE: Duration = Duration::from_secs(2);
/// Delay between the requests while only failures come.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// Consecutive entries, in order.
#[derive(Debug)]
pub(super) struct FetchedPage {
    pub(super) entries: Vec<DecodedEntry>,
    /// Entries behind these that the log does not serve.
    pub(super) missing: Option<Range>,
    /// Whether they complete the entries under a head, or those before an entry that the log does not serve, so that they
    /// should be proven and published now.
    pub(super) completes: bool,
    /// Counts their memory until the page is dropped.
    pub(super) _memory: MemoryPart,
}

/// The answer to one request for entries.
struct PageResult {
    range: Range,
    asked_at: Instant,
    page: Result<Vec<FetchedEntry>, FetchError>,
}

/// Fetches the entries of one log.
pub(super) struct Fetcher<L> {
    log: Rc<L>,
    board: Rc<HeadBoard>,
    missing: Rc<MissingBoard>,
    reporter: Rc<Reporter>,
    memory: Arc<AnswerMemory>,
    settings: WatchSettings,
    page_size: PageSize,
    /// The failures of the log as a whole.
    backoff: Backoff,
    /// Number of ranges that have failed since the last success.
    range_failures: u32,
    /// Entries are not requested before this time.
    not_before: Instant,
    last_failure: Option<Instant>,
}

/// The ranges that are being fetched in one run.
struct Fetching {
    window: Window<DecodedEntry>,
    /// Tree sizes at which the entries under a head are complete.
    targets: VecDeque<u64>,
    /// The index at which the newest partial tile begins, and since when it has had entries.
    partial: Option<(u64, Instant)>,
    /// The bytes that have arrived and wait for earlier entries, or for the next stage.
    waiting_bytes: usize,
    memory: MemoryPart,
    progress: Option<Progress>,
    /// Whether everything that was passed on may be published.
    is_complete: bool,
}

impl<L: LogRequests> Fetcher<L> {
    pub(super) fn new(
        log: Rc<L>,
        board: Rc<HeadBoard>,
        missing: Rc<MissingBoard>,
        reporter: Rc<Reporter>,
        memory: Arc<AnswerMemory>,
        settings: WatchSettings,
    ) -> Self {
        Fetcher {
            log,
            board,
            missing,
            reporter,
            memory,
            settings,
            page_size: PageSize::new(settings.page_size),
            backoff: Backoff::default(),
            range_failures: 0,
            not_before: Instant::now(),
            last_failure: None,
        }
    }

    /// Sends the entries from index `from` on to `pages`, until its receiver is closed.
    pub(super) async fn run(&mut self, from: u64, pages: mpsc::Sender<FetchedPage>) {
        let mut heads = self.board.subscribe();
        let span = self.settings.page_size.saturating_mul(self.settings.in_flight as u64);
        let mut fetching = Fetching {
            window: Window::new(from, span),
            targets: VecDeque::new(),
            partial: None,
            waiting_bytes: 0,
            memory: self.memory.part(),
            progress: None,
            is_complete: true,
        };
        let mut in_flight = FuturesUnordered::new();
        loop {
            let head = heads.borrow_and_update().as_ref().map(|head| head.tree_size);
            let partial_due = head.and_then(|tree_size| self.extend(&mut fetching, tree_size));
            while let Some(range) = self.next_range(&mut fetching, in_flight.len()) {
                in_flight.push(fetch(self.log.clone(), range, self.not_before));
            }
            // A retry that is due already waits for one of the requests in flight.
            let retry_due = fetching.window.next_retry().filter(|due| *due > Instant::now());
            tokio::select! {
                permit = pages.reserve(), if fetching.has_page() => {
                    let Ok(permit) = permit else { return };
                    permit.send(self.next_page(&mut fetching));
                }
                Some(answer) = in_flight.next(), if !in_flight.is_empty() => self.judge(answer, &mut fetching),
                // The board outlives this stage, so the channel is not closed.
                _ = heads.changed() => {}
                () = sleep_until_some(partial_due) => {}
                () = sleep_until_some(retry_due) => {}
                () = pages.closed() => return,
            }
        }
    }

    /// Extends the window to the entries that are due under a head of `tree_size`. Returns when those of a partial tile
    /// will be due: they are left until the tile is full, but at most for `partial_tile_wait`, because each partial tile
    /// repeats the entries of the previous one.
    fn extend(&self, fetching: &mut Fetching, tree_size: u64) -> Option<Instant> {
        let alignment = self.log.alignment();
        fetching.window.align(alignment);
        let planned = fetching.window.planned();
        if tree_size <= planned {
            return None;
        }
        let full = tree_size - tree_size % alignment;
        if full == tree_size || !self.log.prefers_full_tiles() {
            fetching.extend_to(tree_size);
            return None;
        }
        let since = match fetching.partial {
            Some((start, since)) if start == full => since,
            _ => Instant::now(),
        };
        let due = since + self.settings.partial_tile_wait;
        if Instant::now() >= due {
            // What is added to the tile later waits anew.
            fetching.partial = None;
            fetching.extend_to(tree_size);
            return None;
        }
        fetching.partial = Some((full, since));
        fetching.extend_to(full);
        Some(due)
    }

    /// The next range to request while `in_flight` requests are being answered.
    fn next_range(&self, fetching: &mut Fetching, in_flight: usize) -> Option<Range> {
        let is_failing = self.backoff.failures() > 0 || self.range_failures > 1;
        let parallel = if is_failing { 1 } else { self.settings.in_flight };
        let has_room = fetching.waiting_bytes < MAX_WAITING_BYTES && self.memory.has_room();
        if in_flight >= parallel || in_flight > 0 && !has_room {
            return None;
        }
        // Without requests in flight, nothing that has arrived can wait for an earlier answer.
        if in_flight == 0 && !has_room && fetching.window.has_arrived() {
            return None;
        }
        fetching.window.next_range(self.page_size.ask(), Instant::now())
    }

    /// The next entries in order. A page without entries only says that those before it may be published.
    fn next_page(&self, fetching: &mut Fetching) -> FetchedPage {
        let (entries, missing) = match fetching.window.take_arrived() {
            Some(Passed::Entries(entries)) => (entries, None),
            Some(Passed::Missing(range)) => (Vec::new(), Some(range)),
            None => (Vec::new(), None),
        };
        let bytes = entries.iter().map(DecodedEntry::bytes).sum();
        fetching.waiting_bytes = fetching.waiting_bytes.saturating_sub(bytes);
        fetching.memory.set(fetching.waiting_bytes);
        let mut memory = self.memory.part();
        memory.set(bytes);
        let position = fetching.window.position();
        if let Some(told) = fetching.progress.as_mut().and_then(|p| p.at(position, Instant::now().into_std()))
        {
            log::info!("{}: {told}", self.reporter.name());
        }
        fetching.is_complete =
            fetching.completes_at(position) || missing.is_some() || fetching.window.is_stuck();
        FetchedPage { entries, missing, completes: fetching.is_complete, _memory: memory }
    }

    /// Processes the answer to a request.
    fn judge(&mut self, answer: PageResult, fetching: &mut Fetching) {
        let range = answer.range;
        match answer.page {
            Ok(page) => {
                self.backoff.succeeded();
                self.range_failures = 0;
                self.page_size.learn(range.count(), page.len() as u64);
                let arrived = decode(range, page, &self.reporter);
                fetching.waiting_bytes += arrived.iter().flatten().map(DecodedEntry::bytes).sum::<usize>();
                fetching.memory.set(fetching.waiting_bytes);
                fetching.window.arrived(range, arrived);
            }
            Err(error) => {
                self.reporter.status().retried(range.count());
                // Requests that were in flight when the first of them failed do not count as further failures.
                let is_new = self.last_failure.is_none_or(|last| answer.asked_at >= last);
                if matches!(error, FetchError::Issuer { .. }) && error.concerns_range() {
                    // The entries are here. They wait for the issuer at most for the configured time.
                    fetching.window.postponed(range, Instant::now() + ISSUER_PAUSE);
                    self.reporter.status().failed(&error);
                    let topic = Topic { about: "issuer", problem: "not served" };
                    self.reporter.tell(Level::Warn, topic, |name| {
                        format!("{name}: {error}; {} waiting for it", waiting(range))
                    });
                } else if error.concerns_range() {
                    self.range_failed(range, &error, is_new, fetching);
                } else {
                    fetching.window.interrupted(range);
                    self.log_failed(range, &error, is_new);
                }
                self.last_failure = self.last_failure.max(is_new.then(Instant::now));
            }
        }
    }

    /// Processes a failure that has nothing to do with the requested range.
    fn log_failed(&mut self, range: Range, error: &FetchError, is_new: bool) {
        if matches!(error, FetchError::Http(HttpError::NoRoom)) {
            self.page_size.too_large();
        }
        if is_new {
            let wait = self.reporter.failure(&mut self.backoff, &described(range), error);
            self.not_before = Instant::now() + wait;
        }
    }

    /// Processes a failure that may be due to the requested range.
    fn range_failed(&mut self, range: Range, error: &FetchError, is_new: bool, fetching: &mut Fetching) {
        if matches!(error, FetchError::Http(HttpError::TooLarge { .. })) {
            self.page_size.too_large();
        }
        if self.page_size.is_beyond(range.count()) {
            fetching.window.interrupted(range);
            return self.reporter.status().failed(error);
        }
        self.range_failures += u32::from(is_new);
        if is_new && self.range_failures > MAX_RANGE_FAILURES {
            fetching.window.interrupted(range);
            return self.log_failed(range, error, is_new);
        }
        if self.range_failures > 1 {
            self.not_before = Instant::now() + FAILURE_PAUSE.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        }
        let retry =
            fetching.window.failed(range, self.log.serves_any_range(), Instant::now(), rand::random());
        if retry == Retry::Halved {
            self.page_size.refused(range.start, range.count());
        }
        let (topic, next) = match retry {
            Retry::Again(wait) => (("failed request", error.kind()), format!("trying again in {wait:.1?}")),
            Retry::Halved => (("failed request", error.kind()), "requesting its halves".into()),
            Retry::Alone { failures, .. } if self.may_miss(range, failures, fetching) => {
                fetching.window.miss(range);
                (("entry", "missing"), "going on behind it, and requesting it again later".into())
            }
            Retry::Alone { wait, .. } => (
                ("entry", "not served"),
                format!("the entries after it wait; requesting it alone again in {wait:.1?}"),
            ),
        };
        self.reporter.status().failed(error);
        let topic = Topic { about: topic.0, problem: topic.1 };
        self.reporter.tell(Level::Warn, topic, |name| {
            format!("{name}: failed to {}: {error}; {next}", described(range))
        });
    }
}

impl<L: LogRequests> Fetcher<L> {
    /// Whether to go on behind `range`, which has failed alone: the log must serve what comes after it, or the log as a
    /// whole may be failing.
    fn may_miss(&self, range: Range, failures: u32, fetching: &Fetching) -> bool {
        failures >= FAILURES_ALONE
            && fetching.window.has_arrived_behind(range)
            && self.missing.has_room(fetching.window.missing())
    }
}

impl Fetching {
    /// Whether the next stage can be given something: entries, or that those before a failed range are complete.
    fn has_page(&self) -> bool {
        self.window.has_arrived() || self.window.is_stuck() && !self.is_complete
    }

    fn extend_to(&mut self, end_exclusive: u64) {
        if end_exclusive <= self.window.end_exclusive() {
            return;
        }
        if self.window.is_finished() {
            let position = self.window.position();
            self.progress = Some(Progress::new(position, end_exclusive, Instant::now().into_std()));
        } else if let Some(progress) = &mut self.progress {
            progress.extend_to(end_exclusive);
        }
        self.window.extend_to(end_exclusive);
        if self.targets.len() == MAX_TARGETS {
            self.targets.pop_back();
        }
        self.targets.push_back(end_exclusive);
    }

    /// Whether the entries before `position` complete those under a head that were not complete before.
    fn completes_at(&mut self, position: u64) -> bool {
        let before = self.targets.len();
        self.targets.retain(|target| *target > position);
        self.targets.len() < before
    }
}

/// Entries that wait, in the words of log lines.
fn waiting(range: Range) -> String {
    match range.count() {
        1 => format!("entry {} is", range.start),
        _ => format!("entries {} to {} are", range.start, range.end_exclusive - 1),
    }
}

/// A request for entries in the words of log lines.
fn described(range: Range) -> String {
    match range.count() {
        1 => format!("get entry {}", range.start),
        _ => format!("get entries {} to {}", range.start, range.end_exclusive - 1),
    }
}

async fn fetch<L: LogRequests>(log: Rc<L>, range: Range, not_before: Instant) -> PageResult {
    sleep_until(not_before).await;
    let asked_at = Instant::now();
    let page = log.entries(range).await;
    PageResult { range, asked_at, page }
}

async fn sleep_until_some(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
