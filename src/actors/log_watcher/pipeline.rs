//! Connects the stages of one log.
//!
//! ```text
//!                 ┌────────────── newest head ──────────────┐
//! HeadTracker ────┤ (watch)     Reconciler ◄─ other heads   ▼
//!                 └──► Fetcher ══ pages, 1 waiting ══► Verifier ══ batches, 1 waiting ══► Publisher ──► Broker
//!                         ▲                                                                  │  ▲
//!                         └────── from the position, after the log contradicted itself ◄─────┤  │
//!                                                                                            ▼  │
//!                                                                   missing entries ─► Retriever
//! ```
//!
//! The stages run at the same time. `══` are bounded channels: a stage waits while the next one is busy, so a log is
//! fetched as fast as its clients read. The HeadTracker waits for nobody.

use super::WatchContext;
use super::fetcher::Fetcher;
use super::head_board::HeadBoard;
use super::head_tracker::HeadTracker;
use super::log_cursor::LogCursor;
use super::log_requests::LogRequests;
use super::missing_board::MissingBoard;
use super::publisher::{Published, Publisher};
use super::reconciler::Reconciler;
use super::report::Reporter;
use super::retriever::Retriever;
use super::verifier::{VerificationEnd, Verifier};
use crate::backoff::Backoff;
use crate::config::WatchSettings;
use crate::digest::Topic;
use crate::log_client::LogClient;
use futures_util::FutureExt;
use log::Level;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Pages that wait for the Verifier, and batches that wait for the Publisher.
const WAITING: usize = 1;

/// The stages of one log.
pub(super) struct Pipeline<L> {
    pub(super) reporter: Rc<Reporter>,
    pub(super) board: Rc<HeadBoard>,
    pub(super) tracker: HeadTracker<L>,
    pub(super) reconciler: Reconciler<L>,
    pub(super) entries: EntryStages<L>,
    pub(super) retriever: Retriever<L>,
}

/// The stages that entries pass.
pub(super) struct EntryStages<L> {
    pub(super) fetcher: Fetcher<L>,
    pub(super) verifier: Verifier<L>,
    pub(super) publisher: Publisher,
    pub(super) verifies: bool,
}

impl Pipeline<LogClient> {
    /// Nothing is published once `stopped` is set.
    pub(super) fn new(with: WatchContext, settings: WatchSettings, stopped: Rc<Cell<bool>>) -> Self {
        let WatchContext { client, memory, accused, status, undecodable, evidence, positions, .. } = with;
        let WatchContext { skipped, decision, outlet, alerts, grace_end, digest, journal, issuers, .. } =
            with;
        let (log, board) = (Rc::new(client), Rc::new(HeadBoard::default()));
        let reporter = Rc::new(Reporter::new(accused, status, evidence, alerts, digest));
        let (verifies, shortest) = (settings.verify, settings.poll_interval);
        let shared = || (log.clone(), board.clone(), reporter.clone());
        let tracker = {
            let (log, board, reporter) = shared();
            HeadTracker::new(log, board, reporter, shortest)
        };
        let reconciler = {
            let (log, board, reporter) = shared();
            let far = settings.page_size.saturating_mul(settings.in_flight as u64);
            Reconciler::new(log, board, reporter, far)
        };
        let missing = Rc::new(MissingBoard::new(positions.clone()));
        let fetcher = {
            let (log, board, reporter) = shared();
            Fetcher::new(log, board, missing.clone(), reporter, memory.clone(), settings)
        };
        let verifier = {
            let (log, board, reporter) = shared();
            Verifier::new(log, board, reporter, memory.clone(), !verifies)
        };
        let (recovered_in, recovered) = mpsc::channel(WAITING);
        let retriever = {
            let (log, _, reporter) = shared();
            let (missing, memory) = (missing.clone(), memory.clone());
            Retriever { log, missing, reporter, memory, recovered: recovered_in }
        };
        let publisher = Publisher {
            reporter: reporter.clone(),
            board: board.clone(),
            memory,
            settings,
            undecodable,
            positions,
            skipped,
            decision,
            outlet,
            grace_end,
            journal,
            issuers,
            stopped,
            recovered,
            missing,
            announcements: Vec::new(),
            cursor: None,
            began: false,
            is_kept: true,
            is_superseded: false,
        };
        let entries = EntryStages { fetcher, verifier, publisher, verifies };
        Pipeline { reporter, board, tracker, reconciler, entries, retriever }
    }
}

impl<L: LogRequests> Pipeline<L> {
    /// Runs forever.
    pub(super) async fn run(self) {
        let Pipeline { reporter, board, mut tracker, mut reconciler, mut entries, mut retriever } = self;
        let verifies = entries.verifies;
        if !verifies {
            board.switch_off();
        }
        if let Some(saved) = entries.publisher.resume().await {
            board.know(saved);
        }
        tokio::join!(
            keep_running(&reporter, "head tracker", async || tracker.run().await),
            keep_running(&reporter, "watcher", async || entries.run(&board).await),
            keep_running(&reporter, "retriever", async || retriever.run().await),
            async {
                if verifies {
                    keep_running(&reporter, "reconciler", async || reconciler.run().await).await;
                }
            },
        );
    }
}

impl<L: LogRequests> EntryStages<L> {
    /// Passes entries from the log to the Broker, from the position on. Runs forever.
    async fn run(&mut self, board: &HeadBoard) {
        loop {
            if self.publisher.is_superseded {
                self.publisher.resume().await;
            }
            let cursor = self.publisher.begin(&board.first().await);
            let end = {
                let (pages_in, pages) = mpsc::channel(WAITING);
                let (verified_in, verified) = mpsc::channel(WAITING);
                let fetching = self.fetcher.run(fetch_from(&cursor, self.verifies), pages_in);
                let verifying = self.verifier.run(cursor, pages, verified_in);
                let mut proving = pin!(async { tokio::join!(fetching, verifying).1 });
                let mut publishing = pin!(self.publisher.run(verified));
                tokio::select! {
                    end = &mut proving => {
                        publishing.await;
                        Some(end)
                    }
                    published = &mut publishing => match published {
                        Published::All => Some(proving.await),
                        // The other stages may be waiting for the log, which need not grow.
                        Published::Superseded => None,
                    }
                }
            };
            if let Some(VerificationEnd::Contradicted(wait)) = end {
                sleep(wait).await;
            }
        }
    }
}

/// The first index to fetch: entries before the position are fetched only if the tree has to be completed by them.
fn fetch_from(cursor: &LogCursor, verifies: bool) -> u64 {
    match cursor.missing_tree().filter(|_| verifies) {
        Some(missing) => missing.size,
        None => cursor.fetch_from(),
    }
}

/// Runs `stage` forever. A panic is a bug in this program; it is logged, and a delay follows.
async fn keep_running(reporter: &Reporter, what: &str, mut stage: impl AsyncFnMut()) {
    let mut panics = Backoff::default();
    loop {
        if AssertUnwindSafe(stage()).catch_unwind().await.is_err() {
            let wait = panics.failed(None, rand::random());
            let next = reporter.status().position();
            reporter.tell(Level::Error, Topic { about: "watcher", problem: "panicked" }, |name| {
                format!("{name}: {what} panicked at index {next:?}; continuing in {wait:.1?}")
            });
            sleep(wait).await;
        }
    }
}
