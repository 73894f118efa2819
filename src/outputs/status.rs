//! What is told of an output: in the statistics, the metrics and the health check.

use crate::config::OutputConfig;
use crate::message::Stream;
use crate::state::SharedPosition;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The state of one output.
#[derive(Debug)]
pub(crate) struct OutputStatus {
    name: String,
    kind: &'static str,
    stream: Stream,
    filter: String,
    messages: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
    dead_letters: Arc<AtomicU64>,
    /// Everything before the entry with this number was delivered.
    next_seq: AtomicU64,
    moving: Mutex<Moving>,
    /// Where several servers share its position.
    shared: Option<Arc<dyn SharedPosition>>,
}

/// Number of reasons of one failure that are told as soon as they change.
const TOLD_AT_ONCE: u32 = 10;
/// Interval at which further ones are told: libraries alternate between several for the same thing.
const TELL_INTERVAL: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Moving {
    /// The latest moment of which is known that everything that there was then was delivered.
    caught_up_at: Instant,
    /// Why nothing is delivered now.
    failing: Option<Failing>,
}

#[derive(Debug)]
struct Failing {
    error: String,
    since: Instant,
    /// The reason that was told last, when, and how many were.
    told: String,
    told_at: Instant,
    times: u32,
}

impl Failing {
    fn new(error: &str, now: Instant) -> Self {
        Failing { error: error.into(), since: now, told: error.into(), told_at: now, times: 1 }
    }

    /// Records the reason of another failure. Returns whether it is to be told.
    fn again(&mut self, error: &str, now: Instant) -> bool {
        self.error = error.into();
        let may_tell =
            self.times < TOLD_AT_ONCE || now.saturating_duration_since(self.told_at) >= TELL_INTERVAL;
        let is_told = may_tell && self.told != error;
        if is_told {
            (self.told, self.told_at) = (error.into(), now);
            self.times += 1;
        }
        is_told
    }
}

/// The state at one moment.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct OutputFigures {
    /// Its name.
    pub(crate) name: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// The server of the cluster that it runs on, as far as that is known. `None` without a cluster.
    pub(crate) node: Option<String>,
    /// Whether it runs on this server.
    pub(crate) runs_here: bool,
    /// The stream that it delivers.
    pub(crate) stream: Stream,
    /// Which messages of it.
    pub(crate) filter: String,
    /// Number of messages that were delivered since the start.
    pub(crate) messages_delivered: u64,
    /// Their size, without compression.
    pub(crate) bytes_delivered: u64,
    /// Number of messages that the receiver has refused since the start.
    pub(crate) dead_letters: u64,
    /// Number of deliveries that failed since the start.
    pub(crate) failures: u64,
    /// The number of the newest entry before which everything was delivered.
    pub(crate) cursor: u64,
    /// How many numbers the journal is ahead.
    pub(crate) behind: u64,
    /// The age of what it has to deliver, at most.
    pub(crate) behind_seconds: f64,
    /// Why nothing is delivered now.
    pub(crate) error: Option<String>,
    /// Since when.
    pub(crate) failing_seconds: Option<f64>,
}

impl OutputStatus {
    /// The state of the output `config`, which has delivered everything before `next_seq`. `shared` is where several servers
    /// share its position.
    pub(crate) fn new(config: &OutputConfig, next_seq: u64, shared: Option<Arc<dyn SharedPosition>>) -> Self {
        OutputStatus {
            name: config.name.clone(),
            kind: config.target.kind().name(),
            stream: config.stream,
            filter: config.filter.clone(),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            dead_letters: Arc::default(),
            next_seq: AtomicU64::new(next_seq),
            moving: Mutex::new(Moving { caught_up_at: Instant::now(), failing: None }),
            shared,
        }
    }

    /// The number of the first entry that it has not delivered.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.load(Ordering::Relaxed)
    }

    /// Records that it begins to run on this server, with the entry `next_seq`.
    pub(crate) fn begins(&self, next_seq: u64) {
        self.reached(next_seq);
        *self.moving.lock() = Moving { caught_up_at: Instant::now(), failing: None };
    }

    /// The counter of messages that went to the dead-letter file.
    pub(crate) fn dead_letters(&self) -> Arc<AtomicU64> {
        self.dead_letters.clone()
    }

    /// Records that `messages` messages more were delivered.
    pub(crate) fn delivered(&self, messages: usize, bytes: usize) {
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Records that everything before `next_seq` was delivered.
    pub(crate) fn reached(&self, next_seq: u64) {
        self.next_seq.store(next_seq, Ordering::Relaxed);
    }

    /// Records that everything was delivered that there was at `then`.
    pub(crate) fn caught_up(&self, then: Instant) {
        self.moving.lock().caught_up_at = then;
    }

    /// Records that what was due was delivered. Returns whether deliveries have failed before.
    pub(crate) fn succeeded(&self) -> bool {
        self.moving.lock().failing.take().is_some()
    }

    /// Records that a delivery failed. Returns whether that is to be told: if the reason is another one than was told last, and
    /// not too many were.
    pub(crate) fn failed(&self, error: &str, now: Instant) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut moving = self.moving.lock();
        match &mut moving.failing {
            Some(failing) => failing.again(error, now),
            failing => {
                *failing = Some(Failing::new(error, now));
                true
            }
        }
    }

    /// The state now, if the next entry of the journal has the number `journal_next`.
    pub(crate) fn figures(&self, journal_next: u64, now: Instant) -> OutputFigures {
        let runs_here = self.shared.as_ref().is_none_or(|shared| shared.is_held());
        let elsewhere = self.shared.as_ref().filter(|_| !runs_here).and_then(|shared| shared.seen());
        let next_seq = elsewhere.unwrap_or_else(|| self.next_seq());
        let behind = journal_next.saturating_sub(next_seq);
        let moving = self.moving.lock();
        let since = |at: Instant| now.saturating_duration_since(at).as_secs_f64();
        OutputFigures {
            name: self.name.clone(),
            kind: self.kind,
            node: self.shared.as_ref().and_then(|shared| shared.owner()),
            runs_here,
            stream: self.stream,
            filter: self.filter.clone(),
            messages_delivered: self.messages.load(Ordering::Relaxed),
            bytes_delivered: self.bytes.load(Ordering::Relaxed),
            dead_letters: self.dead_letters.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            cursor: next_seq.saturating_sub(1),
            behind,
            behind_seconds: if behind > 0 && runs_here { since(moving.caught_up_at) } else { 0.0 },
            error: moving.failing.as_ref().map(|failing| failing.error.clone()),
            failing_seconds: moving.failing.as_ref().map(|failing| since(failing.since)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_reason_is_known_and_one_that_changes_without_end_is_told_seldom() {
        let begin = Instant::now();
        let mut failing = Failing::new("refused", begin);
        assert!(!failing.again("refused", begin), "it was told");
        let mut told = 1;
        for second in 1..3600 {
            let error = ["refused", "reset"][second % 2];
            told += u32::from(failing.again(error, begin + Duration::from_secs(second as u64)));
            assert_eq!(failing.error, error);
        }
        assert_eq!((told, failing.since), (TOLD_AT_ONCE + 3590 / 600, begin));
    }
}
