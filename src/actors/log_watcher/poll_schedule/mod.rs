//! Schedules the polls for a log's tree head: as soon as possible after a new one is visible. Pure: the time is an
//! argument.
//!
//! Logs sign tree heads at a regular interval, and each head has a timestamp. The differences between timestamps give
//! the interval. The smallest difference between a head's timestamp and the time of the request that returned it gives
//! the delay until a head becomes visible. This works even if the log's clock and ours differ. Polls aim at that moment
//! and slightly before it, until one comes too early.
//!
//! If the interval is unknown, polls search for it after a head: frequently at first, then at growing steps. The search
//! starts again if the interval seems to have become longer, because a pause, or heads that were not polled for, look
//! the same. From time to time one poll at half the interval (a probe) checks whether the log has become faster.
//!
//! Many logs sign their tree at every interval even if it has not grown. From such heads the interval is known before
//! the first entry arrives. A log that does not grow is polled ever more rarely, and, if its interval is known, right
//! after a head is due.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longest time between polls of a log that does not grow, seconds.
const LONGEST: f64 = 60.0;
/// Interval assumed before one is known, seconds.
const FIRST_PERIOD: f64 = 1.0;
/// Number of observed intervals that the median is taken of.
const HISTORY: usize = 5;
/// Number of heads between two probes for a shorter interval.
const PROBE_EVERY: u32 = 16;
/// Average number of requests allowed per new head; it also bounds the polls of a log without a regular interval.
const REQUESTS_PER_HEAD: f64 = 2.0;
/// Largest number of unused requests that can be saved.
const MAX_SAVED: f64 = 24.0;
/// Saved requests that a head costs if it is new but no larger than the one before.
const COST_OF_NO_GROWTH: f64 = 0.5;
/// Length of a search step relative to the time since the last head.
const SEARCH_STEP: f64 = 0.3;
/// Time between polls of a log until it first changes, seconds.
const BEGINNING: f64 = 0.2;
/// Time without growth after which a log is considered paused, seconds.
const PAUSE: f64 = 10.0;
/// Amount added to the smallest delay with each head, seconds, because clocks drift and networks change.
const FORGET: f64 = 0.001;

/// The poll schedule of one log. Times are in seconds since `begin`.
#[derive(Debug)]
pub(super) struct PollSchedule {
    begin: Instant,
    shortest: f64,
    period: f64,
    intervals: VecDeque<f64>,
    /// Timestamp of the newest head, Unix milliseconds.
    signed_ms: Option<u64>,
    /// When the newest head was requested.
    met_at: f64,
    /// When the newest larger head was requested.
    grew_at: f64,
    /// Whether a different head was observed since the first one.
    moving: bool,
    /// Whether intervals were skipped before the next request.
    resting: bool,
    /// Whether polls are sent before the next head is expected, to find the interval.
    searching: bool,
    /// The smallest time from a head's timestamp to the request that returned it; the two clocks may differ.
    lateness: f64,
    /// The largest such time after which a request came too early.
    too_early: f64,
    /// How much earlier than the last success the next request is aimed.
    nudge: f64,
    expected: f64,
    next: f64,
    probing: bool,
    heads_to_probe: u32,
    /// Consecutive requests without a new head, not counting probes.
    misses: u32,
    /// When the last request without a new head was sent.
    missed_at: f64,
    saved: f64,
}

impl PollSchedule {
    /// The first poll is due at `begin`. The interval is never assumed to be shorter than `shortest`.
    pub(super) fn new(begin: Instant, shortest: Duration) -> Self {
        let shortest = shortest.as_secs_f64().min(LONGEST);
        PollSchedule {
            begin,
            shortest,
            period: FIRST_PERIOD.max(shortest),
            intervals: VecDeque::with_capacity(HISTORY),
            signed_ms: None,
            met_at: 0.0,
            grew_at: 0.0,
            moving: false,
            resting: false,
            searching: false,
            lateness: f64::INFINITY,
            too_early: f64::NEG_INFINITY,
            nudge: 0.0,
            expected: 0.0,
            next: 0.0,
            probing: false,
            heads_to_probe: 0,
            misses: 0,
            missed_at: 0.0,
            saved: MAX_SAVED,
        }
    }

    /// The time of the next poll.
    pub(super) fn next(&self) -> Instant {
        self.begin + Duration::from_secs_f64(self.next)
    }

    /// Records that the request sent at `asked` returned a larger tree, signed at `signed_ms` (Unix milliseconds).
    /// Returns the approximate time for which that head had been visible.
    pub(super) fn grew(&mut self, asked: Instant, signed_ms: u64) -> Duration {
        let asked = self.seconds(asked);
        let behind = self.met(asked, signed_ms, true);
        self.grew_at = asked;
        self.saved = (self.saved + REQUESTS_PER_HEAD - 1.0).min(MAX_SAVED);
        self.heads_to_probe = self.heads_to_probe.saturating_sub(1);
        let known = self.moving && !self.searching;
        self.probing = known && self.heads_to_probe == 0 && self.period / 2.0 >= self.shortest;
        if self.probing {
            // Slightly after half the interval, so that a head that becomes visible at exactly half is not missed.
            let half = asked + (self.expected - asked) / 2.0 + self.period / 20.0;
            self.next = self.expected.min(half);
        }
        Duration::from_secs_f64(behind.clamp(0.0, LONGEST))
    }

    /// Records that the request sent at `asked` returned a tree of the known size, signed at `signed_ms` (Unix
    /// milliseconds).
    pub(super) fn stayed(&mut self, asked: Instant, signed_ms: u64) {
        if self.signed_ms.is_some_and(|before| before >= signed_ms) {
            return self.unchanged(asked);
        }
        let asked = self.seconds(asked);
        self.met(asked, signed_ms, false);
        self.probing = false;
        self.saved = (self.saved - COST_OF_NO_GROWTH).max(0.0);
        if self.moving && !self.searching {
            let earliest = asked + self.rest(asked);
            let intervals = ((earliest - self.expected) / self.period).ceil().max(0.0);
            self.resting = intervals > 0.0;
            self.expected += intervals * self.period;
            self.next = self.expected;
        }
    }

    /// Records that the request sent at `asked` returned no new head.
    pub(super) fn unchanged(&mut self, asked: Instant) {
        let asked = self.seconds(asked);
        self.saved = (self.saved - 1.0).max(0.0);
        if std::mem::take(&mut self.probing) {
            self.heads_to_probe = PROBE_EVERY;
            self.next = self.expected.max(asked);
        } else if self.searching && asked + self.shortest / 4.0 < self.expected {
            self.search_on(asked);
        } else {
            self.searching = false;
            self.next = asked + self.wait(asked);
            self.misses = self.misses.saturating_add(1);
        }
        self.missed_at = asked;
    }

    /// Updates the estimates from a newer head and schedules the next poll. Returns the approximate time, in seconds,
    /// for which the head had been visible.
    fn met(&mut self, asked: f64, signed_ms: u64, grew: bool) -> f64 {
        if let Some(before) = self.signed_ms.replace(signed_ms) {
            self.learn(signed_ms.saturating_sub(before) as f64 / 1000.0, grew);
        }
        let late = asked - signed_ms as f64 / 1000.0;
        let behind = late - self.lateness.min(late);
        // A wrong timestamp, or a log that has become slower, must not distort the estimate for good.
        self.lateness = if behind > PAUSE { late } else { late.min(self.lateness + FORGET) };
        let since_signing = (late - self.lateness).rem_euclid(self.period);
        let sooner = self.sooner(signed_ms);
        self.expected = (asked + self.period - since_signing - sooner).max(asked + self.shortest / 2.0);
        self.next = match (self.moving, self.searching) {
            (false, _) => asked + BEGINNING,
            (true, true) => self.expected.min(asked + self.shortest),
            (true, false) => self.expected,
        };
        self.met_at = asked;
        self.misses = 0;
        self.resting = false;
        behind
    }

    /// How much earlier to poll next time, seconds. If no request came too early, the polls may be late, so the step
    /// doubles each time. Otherwise the right moment lies between the last request that was too early and the first
    /// that was late enough.
    fn sooner(&mut self, signed_ms: u64) -> f64 {
        let (cautious, boldest) = ((self.period / 100.0).clamp(0.002, 0.05), self.period / 8.0);
        if self.misses == 0 {
            let sooner = self.nudge;
            self.nudge = (self.nudge * 2.0).min(boldest).max(cautious);
            return sooner;
        }
        let too_early = self.missed_at - signed_ms as f64 / 1000.0;
        self.too_early = too_early.max(self.too_early - FORGET);
        let half = ((self.lateness - self.too_early) / 2.0).min(boldest);
        self.nudge = half.max(cautious);
        if half > self.period / 40.0 { half } else { 0.0 }
    }

    /// Seconds before the next poll of a log whose head is new but no larger than the one before.
    fn rest(&self, asked: f64) -> f64 {
        let idle = asked - self.grew_at;
        let rest = match (self.saved < 1.0, idle < PAUSE) {
            (true, _) => idle,
            (false, true) => 0.0,
            (false, false) => idle / 4.0,
        };
        rest.clamp(BEGINNING, LONGEST)
    }

    fn search_on(&mut self, asked: f64) {
        let step = self.shortest.max((asked - self.met_at) * SEARCH_STEP);
        self.next = if self.saved < 1.0 { self.expected } else { self.expected.min(asked + step) };
    }

    /// Seconds before the next poll of a log whose head is overdue.
    fn wait(&self, asked: f64) -> f64 {
        let idle = asked - self.grew_at;
        let wait = if !self.moving && idle < PAUSE {
            BEGINNING.max(idle / 8.0)
        } else {
            // A head that is slightly late is found soon. The longer it is overdue, the less the exact moment matters.
            let soon = (self.period / 40.0).clamp(0.02, 2.0) * f64::from(1u32 << self.misses.min(2));
            soon.max((asked - self.expected) / 4.0)
        };
        let wait = wait.clamp(self.shortest / 4.0, LONGEST);
        if self.saved < 1.0 { wait.max(self.period / 2.0) } else { wait }
    }

    /// Records a failed request; the next poll is at `at`.
    pub(super) fn failed(&mut self, at: Instant) {
        self.next = self.seconds(at);
        self.probing = false;
    }

    fn seconds(&self, time: Instant) -> f64 {
        time.saturating_duration_since(self.begin).as_secs_f64()
    }

    fn learn(&mut self, interval: f64, grew: bool) {
        // The age of the first observed head says nothing about the interval.
        if !std::mem::replace(&mut self.moving, true) {
            self.searching = true;
            return;
        }
        let idle = !grew && (self.resting || interval > PAUSE);
        if idle {
            // A tree that is signed only from time to time has no regular interval, and after skipped intervals this
            // one cannot be measured.
            self.searching = false;
            return;
        }
        let intervals = if self.resting { (interval / self.period).round().max(1.0) } else { 1.0 };
        let interval = interval / intervals;
        let found = std::mem::take(&mut self.searching);
        let faster = std::mem::take(&mut self.probing);
        if found || faster {
            // The intervals observed so far no longer apply.
            self.intervals.clear();
            self.heads_to_probe = PROBE_EVERY;
        }
        if self.intervals.len() == HISTORY {
            self.intervals.pop_front();
        }
        self.intervals.push_back(interval);
        let mut sorted: Vec<f64> = self.intervals.iter().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(interval);
        let before = self.period;
        self.period = median.min(2.0 * before).clamp(self.shortest, LONGEST);
        let slower = self.period > before * 1.5;
        self.searching = faster || slower && !found;
    }
}
