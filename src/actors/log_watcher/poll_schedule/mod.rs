//! When to ask a log for its head: just after it has a new one. Pure: the time comes as an argument.
//!
//! Logs sign heads at a steady beat, and every head says when it was signed. From these times comes the beat;
//! from the smallest difference between such a time and that of the request which brought it, how long after
//! its signature a head becomes visible. That difference holds whatever the two clocks show. Requests are aimed
//! at that moment and a little before it, until one comes too early.
//!
//! A beat that is not known is searched for after a head: soon at first, then at ever longer steps. It is searched for
//! anew where it seems to have become slower, since a pause, and heads that were not asked for, look like that too.
//! Now and then one request at half the beat finds out whether the log has become faster.
//!
//! Many logs sign their tree anew at every beat, though it has not grown: from such heads the beat is known before the
//! first entry comes. A log that does not grow is asked ever more rarely, and where it has a beat just after one.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A log that has not grown for long is asked this often, seconds.
const LONGEST: f64 = 60.0;
/// The beat that is assumed before one is known, seconds.
const FIRST_PERIOD: f64 = 1.0;
/// Intervals that the beat is the median of.
const HISTORY: usize = 5;
/// Heads between two tries whether the log has become faster.
const PROBE_EVERY: u32 = 16;
/// Requests that each new head allows for, on average; a log without a beat is not asked more often.
const REQUESTS_PER_HEAD: f64 = 2.0;
/// Requests that may be saved up.
const MAX_SAVED: f64 = 24.0;
/// What of them a head costs that is new, but covers no more than the one before.
const COST_OF_NO_GROWTH: f64 = 0.5;
/// By how much each step of a search is longer than all before it together.
const SEARCH_STEP: f64 = 0.3;
/// A log that has only just been begun to be watched is asked this often, seconds.
const BEGINNING: f64 = 0.2;
/// A pause that is longer than this, seconds, may well last.
const PAUSE: f64 = 10.0;
/// By how much the smallest lateness is forgotten with every head, seconds: clocks drift, networks change.
const FORGET: f64 = 0.001;

/// The beat of one log. Times are seconds since `begin`.
#[derive(Debug)]
pub struct PollSchedule {
    begin: Instant,
    shortest: f64,
    period: f64,
    intervals: VecDeque<f64>,
    /// When the newest head was signed, unix milliseconds.
    signed_ms: Option<u64>,
    /// When the newest head was asked for.
    met_at: f64,
    /// When the newest head that covers more than those before it was asked for.
    grew_at: f64,
    /// Whether there was another head since the first one.
    moving: bool,
    /// Beats were left out before the next request.
    resting: bool,
    /// Requests go out before the next head is expected, to find out when it comes.
    searching: bool,
    /// The smallest time from a head's signature to the request that brought it, by clocks that may differ.
    lateness: f64,
    /// The largest such time after which a request came too early for it.
    too_early: f64,
    /// By how much the next request is aimed before the moment at which the last one came.
    nudge: f64,
    expected: f64,
    next: f64,
    probing: bool,
    heads_to_probe: u32,
    /// Requests in a row that brought nothing new, probes aside.
    misses: u32,
    /// When the last request was made that brought nothing new.
    missed_at: f64,
    saved: f64,
}

impl PollSchedule {
    /// To be asked first at `begin`; the beat is never taken to be shorter than `shortest`.
    pub fn new(begin: Instant, shortest: Duration) -> Self {
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

    /// When to ask next.
    pub fn next(&self) -> Instant {
        self.begin + Duration::from_secs_f64(self.next)
    }

    /// The request sent at `asked` brought a larger tree, signed at `signed_ms` (unix milliseconds). Returns for
    /// about how long that had been visible.
    pub fn grew(&mut self, asked: Instant, signed_ms: u64) -> Duration {
        let asked = self.seconds(asked);
        let behind = self.met(asked, signed_ms, true);
        self.grew_at = asked;
        self.saved = (self.saved + REQUESTS_PER_HEAD - 1.0).min(MAX_SAVED);
        self.heads_to_probe = self.heads_to_probe.saturating_sub(1);
        let known = self.moving && !self.searching;
        self.probing = known && self.heads_to_probe == 0 && self.period / 2.0 >= self.shortest;
        if self.probing {
            // A little after half the beat: a head that comes then must not be missed.
            let half = asked + (self.expected - asked) / 2.0 + self.period / 20.0;
            self.next = self.expected.min(half);
        }
        Duration::from_secs_f64(behind.clamp(0.0, LONGEST))
    }

    /// The request sent at `asked` brought the tree that was known, signed at `signed_ms` (unix milliseconds).
    pub fn stayed(&mut self, asked: Instant, signed_ms: u64) {
        if self.signed_ms.is_some_and(|before| before >= signed_ms) {
            return self.unchanged(asked);
        }
        let asked = self.seconds(asked);
        self.met(asked, signed_ms, false);
        self.probing = false;
        self.saved = (self.saved - COST_OF_NO_GROWTH).max(0.0);
        if self.moving && !self.searching {
            let earliest = asked + self.rest(asked);
            let beats = ((earliest - self.expected) / self.period).ceil().max(0.0);
            self.resting = beats > 0.0;
            self.expected += beats * self.period;
            self.next = self.expected;
        }
    }

    /// The request sent at `asked` brought nothing new.
    pub fn unchanged(&mut self, asked: Instant) {
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

    /// Learns from a head that is newer than those before it, and aims at the next one. Returns for about how long it
    /// had been visible.
    fn met(&mut self, asked: f64, signed_ms: u64, grew: bool) -> f64 {
        if let Some(before) = self.signed_ms.replace(signed_ms) {
            self.learn(signed_ms.saturating_sub(before) as f64 / 1000.0, grew);
        }
        let late = asked - signed_ms as f64 / 1000.0;
        let behind = late - self.lateness.min(late);
        // A time that was wrong once, or a log that has become slower, is not to mislead us for ever.
        self.lateness = if behind > PAUSE { late } else { late.min(self.lateness + FORGET) };
        let since_beat = (late - self.lateness).rem_euclid(self.period);
        let sooner = self.sooner(signed_ms);
        self.expected = (asked + self.period - since_beat - sooner).max(asked + self.shortest / 2.0);
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

    /// By how much to try sooner next time. Without a request that came too early we may be late, and become ever
    /// bolder; with one the moment lies between the last that was too early and the first that was late enough.
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

    /// For how long to leave a log alone whose head is new but covers no more than the one before it.
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

    /// How long to leave a log alone whose next head is overdue.
    fn wait(&self, asked: f64) -> f64 {
        let idle = asked - self.grew_at;
        let wait = if !self.moving && idle < PAUSE {
            BEGINNING.max(idle / 8.0)
        } else {
            // A head that is a little late is met soon; the longer it is overdue, the less the next moment matters.
            let soon = (self.period / 40.0).clamp(0.02, 2.0) * f64::from(1u32 << self.misses.min(2));
            soon.max((asked - self.expected) / 4.0)
        };
        let wait = wait.clamp(self.shortest / 4.0, LONGEST);
        if self.saved < 1.0 { wait.max(self.period / 2.0) } else { wait }
    }

    /// Something else is due at `at`; ask then, if not before.
    pub fn no_later_than(&mut self, at: Instant) {
        let at = self.seconds(at);
        if at < self.next {
            self.next = at;
            self.probing = false;
        }
    }

    /// The log failed; ask at `at`.
    pub fn failed(&mut self, at: Instant) {
        self.next = self.seconds(at);
        self.probing = false;
    }

    fn seconds(&self, time: Instant) -> f64 {
        time.saturating_duration_since(self.begin).as_secs_f64()
    }

    fn learn(&mut self, interval: f64, grew: bool) {
        // How old its head was when we came to the log says nothing.
        if !std::mem::replace(&mut self.moving, true) {
            self.searching = true;
            return;
        }
        let idle = !grew && (self.resting || interval > PAUSE);
        if idle {
            // A tree that is signed anew from time to time has no beat, and of ours we have left some out.
            self.searching = false;
            return;
        }
        let beats = if self.resting { (interval / self.period).round().max(1.0) } else { 1.0 };
        let interval = interval / beats;
        let found = std::mem::take(&mut self.searching);
        let faster = std::mem::take(&mut self.probing);
        if found || faster {
            // What we knew of the log is worth nothing.
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
