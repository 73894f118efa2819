//! Reports what happens to a log: failed requests and other problems to the status and to the log file; misbehaviour also
//! as evidence, and to the clients that asked for notices.

use super::LogStatus;
use crate::actors::broker::Alert;
use crate::backoff::Backoff;
use crate::clock;
use crate::digest::{Digest, Topic};
use crate::evidence::{Evidence, LogIdentity, Misbehaviour};
use crate::log_client::FetchError;
use crate::message::log_alert;
use crate::state::EvidenceFolder;
use actix::Recipient;
use log::Level;
use std::cell::Cell;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Number of misencoded entries per interval for which evidence is stored and clients are notified. A hostile log could
/// send nothing else.
pub(crate) const MAX_ENTRIES: u32 = 20;
/// The interval after which the same number is allowed again.
pub(crate) const ENTRIES_INTERVAL: Duration = Duration::from_secs(60);

/// Reports for one log; all its stages share it.
pub(super) struct Reporter {
    accused: LogIdentity,
    status: Arc<LogStatus>,
    folder: Arc<EvidenceFolder>,
    alerts: Recipient<Alert>,
    digest: Arc<Digest>,
    /// The number of further entries that are reported in this interval, and the end of the interval.
    entries: Cell<(u32, Instant)>,
}

impl Reporter {
    pub(super) fn new(
        accused: LogIdentity,
        status: Arc<LogStatus>,
        folder: Arc<EvidenceFolder>,
        alerts: Recipient<Alert>,
        digest: Arc<Digest>,
    ) -> Self {
        Reporter {
            accused,
            status,
            folder,
            alerts,
            digest,
            entries: Cell::new((MAX_ENTRIES, Instant::now())),
        }
    }

    /// The log's status.
    pub(super) fn status(&self) -> &LogStatus {
        &self.status
    }

    /// The log's name.
    pub(super) fn name(&self) -> &str {
        self.status.source().name()
    }

    /// Writes a problem to the log file, immediately or in a summary.
    pub(super) fn tell(&self, level: Level, topic: Topic, text: impl FnOnce(&str) -> String) {
        self.digest.tell(level, topic, self.name(), || text(self.name()));
    }

    /// Counts and reports a failed request. Returns the delay before the next attempt.
    pub(super) fn failure(&self, backoff: &mut Backoff, what: &str, error: &FetchError) -> Duration {
        let wait = backoff.failed(error.retry_after(), rand::random());
        self.status.failed(error);
        self.tell(Level::Warn, Topic { about: "failed request", problem: error.kind() }, |name| {
            format!("{name}: failed to {what}: {error}; trying again in {wait:.1?}")
        });
        wait
    }

    /// Records that this log is no longer watched, because continuing would lose or repeat entries. Never returns.
    pub(super) async fn halt<T>(&self, why: &str) -> T {
        log::error!("{}: stopped: {why}", self.name());
        self.status.halted(why);
        pending().await
    }

    /// Records that the log lied about its tree. The caller decides what follows.
    pub(super) fn misbehaved(&self, problem: String, misbehaviour: Misbehaviour) {
        // The evidence is stored before the count changes, so it exists once the count is visible.
        let kind = misbehaviour.kind();
        self.accuse(problem.clone(), misbehaviour);
        self.status.misbehaved(kind, &problem);
    }

    /// Records an entry whose encoding is wrong, but which is published nevertheless.
    pub(super) fn wrong_entry(&self, problem: String, misbehaviour: impl FnOnce() -> Misbehaviour) {
        let now = Instant::now();
        let (left, end) = match self.entries.get() {
            (_, end) if now >= end => (MAX_ENTRIES, now + ENTRIES_INTERVAL),
            entries => entries,
        };
        self.entries.set((left.saturating_sub(1), end));
        if left > 0 {
            self.accuse(problem.clone(), misbehaviour());
        }
        self.status.misbehaved("wrong_entry", &problem);
    }

    fn accuse(&self, problem: String, misbehaviour: Misbehaviour) {
        let (kind, index) = (misbehaviour.kind(), misbehaviour.index());
        let now_us = clock::unix_us();
        let evidence = Evidence::new(now_us / 1000, self.accused.clone(), problem, misbehaviour);
        let kept = match self.folder.keep(&evidence) {
            Ok(path) => format!("evidence is in {}", path.display()),
            Err(error) => format!("failed to save the evidence: {error}"),
        };
        let problem = &evidence.problem;
        self.tell(Level::Error, Topic { about: "misbehaviour", problem: kind }, |name| {
            format!("{name}: the log misbehaves: {kind}: {problem}; {kept}")
        });
        self.alert(kind, problem, index, now_us);
    }

    /// Notifies the clients that asked for notices.
    pub(super) fn alert(&self, kind: &str, problem: &str, index: Option<u64>, now_us: u64) {
        let alert = Alert(log_alert(self.status.source(), kind, problem, index, now_us));
        if self.alerts.try_send(alert).is_err() {
            let topic = Topic { about: "alert", problem: "too many" };
            self.tell(Level::Warn, topic, |name| format!("{name}: no alert was sent: too many wait"));
        }
    }
}
