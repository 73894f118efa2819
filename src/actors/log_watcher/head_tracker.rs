//! The first stage: requests the log's tree head at the log's interval, all the time. It does not wait for the other
//! stages, so a fork or a rollback is noticed within one interval, also while the log is caught up with.

use super::head_board::HeadBoard;
use super::heads::Verdict;
use super::log_requests::LogRequests;
use super::poll_schedule::PollSchedule;
use super::report::Reporter;
use crate::backoff::Backoff;
use crate::clock;
use crate::ct::head::Head;
use crate::digest::Topic;
use crate::evidence::Misbehaviour;
use crate::log_client::FetchError;
use log::Level;
use std::cmp::Ordering;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A head with a timestamp this far in the future indicates that the local clock or the log's clock is wrong.
const MAX_AHEAD: Duration = Duration::from_secs(60 * 60);

/// Tracks the heads of one log.
pub(super) struct HeadTracker<L> {
    log: Rc<L>,
    board: Rc<HeadBoard>,
    reporter: Rc<Reporter>,
    schedule: PollSchedule,
    backoff: Backoff,
    /// Whether a warning about the log's clock was written.
    clock_told: bool,
}

impl<L: LogRequests> HeadTracker<L> {
    /// Polls `log` at an interval that is at least `shortest`.
    pub(super) fn new(log: Rc<L>, board: Rc<HeadBoard>, reporter: Rc<Reporter>, shortest: Duration) -> Self {
        let schedule = PollSchedule::new(Instant::now().into_std(), shortest);
        HeadTracker { log, board, reporter, schedule, backoff: Backoff::default(), clock_told: false }
    }

    /// Runs forever.
    pub(super) async fn run(&mut self) {
        loop {
            sleep_until(self.schedule.next().into()).await;
            self.poll().await;
        }
    }

    async fn poll(&mut self) {
        let asked = Instant::now();
        match self.log.head().await {
            Ok(Some(head)) => {
                self.backoff.succeeded();
                self.take(asked, head);
            }
            Ok(None) => {
                self.backoff.succeeded();
                self.reporter.status().heard(asked.into());
                self.schedule.unchanged(asked.into());
            }
            Err(error) => {
                if let FetchError::NotSigned { reason, bytes } = &error {
                    let evidence = Misbehaviour::BadSignature { head: bytes.as_ref().into() };
                    self.reporter.misbehaved(format!("a head is not signed by the log: {reason}"), evidence);
                }
                let wait = self.reporter.failure(&mut self.backoff, "get the tree head", &error);
                self.schedule.failed((Instant::now() + wait).into());
            }
        }
    }

    /// Processes a head. Only a larger head has an effect: front ends that lag behind serve older ones, which is no
    /// fault.
    fn take(&mut self, asked: Instant, head: Head) {
        match self.board.judge(&head) {
            Verdict::Larger | Verdict::Same | Verdict::Lagging => self.believe(asked, head),
            Verdict::Rollback { smaller, larger } => {
                let problem =
                    format!("{} was signed no earlier than {}", described(&smaller), described(&larger));
                let (smaller, larger) = (smaller.bytes.as_ref().into(), larger.bytes.as_ref().into());
                self.distrust(problem, Misbehaviour::Rollback { smaller, larger });
            }
            Verdict::Fork { against } => {
                let problem = format!("{} has another root than {}", described(&head), described(&against));
                let (first, second) = (against.bytes.as_ref().into(), head.bytes.as_ref().into());
                self.distrust(problem, Misbehaviour::Fork { first, second });
            }
        }
    }

    fn believe(&mut self, asked: Instant, head: Head) {
        let status = self.reporter.status();
        status.heard(asked.into());
        self.check_clock(&head);
        match self.board.newest().map(|known| known.tree_size.cmp(&head.tree_size)) {
            Some(Ordering::Greater) => return self.schedule.unchanged(asked.into()),
            Some(Ordering::Equal) => return self.schedule.stayed(asked.into(), head.timestamp_ms),
            Some(Ordering::Less) | None => {}
        }
        let visible_for = self.schedule.grew(asked.into(), head.timestamp_ms);
        let asked: std::time::Instant = asked.into();
        self.reporter.status().saw_head(head.tree_size, asked.checked_sub(visible_for).unwrap_or(asked));
        self.board.publish(head);
    }

    /// Nothing depends on the clocks, because it is unknown which one is wrong.
    fn check_clock(&mut self, head: &Head) {
        let ahead = Duration::from_millis(head.timestamp_ms.saturating_sub(clock::unix_us() / 1000));
        if ahead > MAX_AHEAD && !self.clock_told {
            self.clock_told = true;
            let name = self.reporter.name();
            log::warn!(
                "{name}: {} is {ahead:.0?} in the future; check this machine's clock",
                described(head)
            );
        }
    }

    /// Records heads that contradict each other. The contradicting head is not published, and the next one is requested
    /// after a delay.
    fn distrust(&mut self, problem: String, misbehaviour: Misbehaviour) {
        self.reporter.misbehaved(problem, misbehaviour);
        self.log.forget();
        let wait = self.board.distrusted();
        self.reporter.tell(
            Level::Warn,
            Topic { about: "misbehaviour", problem: "a head is not used" },
            |name| format!("{name}: the head is not used; requesting the next one in {wait:.1?}"),
        );
        self.schedule.failed((Instant::now() + wait).into());
    }
}

/// A head in the words of log lines.
pub(super) fn described(head: &Head) -> String {
    format!("the head of {} entries (signed at {} ms)", head.tree_size, head.timestamp_ms)
}
