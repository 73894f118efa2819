//! Reports misbehaviour: counts it, stores evidence, writes to the log file and notifies the clients that asked for
//! notices.

use super::LogStatus;
use crate::actors::broker::{Alert, Broker};
use crate::clock;
use crate::digest::{Digest, Topic};
use crate::evidence::{Evidence, LogIdentity, Misbehaviour};
use crate::message::log_alert;
use crate::state::EvidenceFolder;
use actix::Addr;
use log::Level;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Number of misencoded entries per interval for which evidence is stored and clients are notified. A hostile log could
/// send nothing else.
pub(crate) const MAX_ENTRIES: u32 = 20;
/// The interval after which the same number is allowed again.
pub(crate) const ENTRIES_INTERVAL: Duration = Duration::from_secs(60);

/// Reports the misbehaviour of one log.
pub(super) struct Reporter {
    accused: LogIdentity,
    status: Arc<LogStatus>,
    folder: Arc<EvidenceFolder>,
    broker: Addr<Broker>,
    digest: Arc<Digest>,
    /// The number of further entries that are reported in this interval, and the end of the interval.
    entries: (u32, Instant),
}

impl Reporter {
    pub(super) fn new(
        accused: LogIdentity,
        status: Arc<LogStatus>,
        folder: Arc<EvidenceFolder>,
        broker: Addr<Broker>,
        digest: Arc<Digest>,
    ) -> Self {
        Reporter { accused, status, folder, broker, digest, entries: (MAX_ENTRIES, Instant::now()) }
    }

    /// Records that the log lied about its tree. The caller decides what follows.
    pub(super) fn misbehaved(&mut self, problem: String, misbehaviour: Misbehaviour) {
        // The evidence is stored before the count changes, so it exists once the count is visible.
        let kind = misbehaviour.kind();
        self.tell(problem.clone(), misbehaviour);
        self.status.misbehaved(kind, &problem);
    }

    /// Records an entry whose encoding is wrong, but which is published nevertheless.
    pub(super) fn wrong_entry(&mut self, problem: String, misbehaviour: impl FnOnce() -> Misbehaviour) {
        let now = Instant::now();
        if now >= self.entries.1 {
            self.entries = (MAX_ENTRIES, now + ENTRIES_INTERVAL);
        }
        if self.entries.0 > 0 {
            self.entries.0 -= 1;
            self.tell(problem.clone(), misbehaviour());
        }
        self.status.misbehaved("wrong_entry", &problem);
    }

    fn tell(&self, problem: String, misbehaviour: Misbehaviour) {
        let (kind, index) = (misbehaviour.kind(), misbehaviour.index());
        let (now_us, source) = (clock::unix_us(), self.status.source());
        let evidence = Evidence::new(now_us / 1000, self.accused.clone(), problem, misbehaviour);
        let kept = match self.folder.keep(&evidence) {
            Ok(path) => format!("evidence is in {}", path.display()),
            Err(error) => format!("failed to save the evidence: {error}"),
        };
        let problem = &evidence.problem;
        self.digest.tell(Level::Error, Topic { about: "misbehaviour", problem: kind }, source.name(), || {
            format!("{}: the log misbehaves: {kind}: {problem}; {kept}", source.name())
        });
        let alert = Alert(log_alert(source, kind, problem, index, now_us));
        if self.broker.try_send(alert).is_err() {
            let topic = Topic { about: "alert", problem: "the broker is busy" };
            let text = || format!("{}: no alert was sent: the Broker is busy", source.name());
            self.digest.tell(Level::Warn, topic, source.name(), text);
        }
    }
}
