//! When to ask a log for its head: just after it has a new one. Pure: the time comes as an argument.
//!
//! Logs sign heads at a steady beat, and every head says when it was signed. From these times comes the beat;
//! from the smallest difference between such a time and that of the request which brought it, how long after
//! its signature a head becomes visible. That difference holds whatever the two clocks show. Requests are aimed
//! at that moment and a little before it, until one comes too early. Now and then one at half the beat finds out
//! whether the log has become faster; at once where the beat seems to have become slower, since a pause, and heads
//! that were not asked for, look like that too. A log that does not grow is asked ever more rarely.

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
const MOST_SAVED: f64 = 12.0;
/// By how much the smallest lateness is forgotten with every head, seconds: clocks drift, networks change.
const FORGET: f64 = 0.001;

/// The beat of one log. Times are seconds since `begin`.
#[derive(Debug)]
pub struct Rhythm {
    begin: Instant,
    shortest: f64,
    period: f64,
    intervals: VecDeque<f64>,
    /// When the newest head was signed, unix milliseconds.
    signed_ms: Option<u64>,
    /// The smallest time from a head's signature to the request that brought it, by clocks that may differ.
    lateness: f64,
    /// By how much the next request is aimed before the moment at which the last one came.
    nudge: f64,
    expected: f64,
    next: f64,
    probing: bool,
    heads_to_probe: u32,
    /// Requests in a row that brought nothing new, probes aside.
    misses: u32,
    saved: f64,
}

impl Rhythm {
    /// To be asked first at `begin`; the beat is never taken to be shorter than `shortest`.
    pub fn new(begin: Instant, shortest: Duration) -> Self {
        let shortest = shortest.as_secs_f64().min(LONGEST);
        Rhythm {
            begin,
            shortest,
            period: FIRST_PERIOD.max(shortest),
            intervals: VecDeque::with_capacity(HISTORY),
            signed_ms: None,
            lateness: f64::INFINITY,
            nudge: 0.0,
            expected: 0.0,
            next: 0.0,
            probing: false,
            heads_to_probe: 0,
            misses: 0,
            saved: MOST_SAVED,
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
        if let Some(before) = self.signed_ms.replace(signed_ms) {
            self.learn(signed_ms.saturating_sub(before) as f64 / 1000.0);
        }
        // Without a request that came too early we may be late, and try sooner next time, ever bolder.
        let sooner = if self.misses == 0 { self.nudge } else { 0.0 };
        let cautious = (self.period / 100.0).clamp(0.002, 0.05);
        self.nudge =
            if self.misses == 0 { (self.nudge * 2.0).min(self.period / 8.0) } else { 0.0 }.max(cautious);
        let late = asked - signed_ms as f64 / 1000.0;
        self.lateness = late.min(self.lateness + FORGET);
        let behind = late - self.lateness;
        self.expected = (asked + self.period - behind - sooner).max(asked + self.shortest / 2.0);
        self.misses = 0;
        self.saved = (self.saved + REQUESTS_PER_HEAD - 1.0).min(MOST_SAVED);
        self.heads_to_probe = self.heads_to_probe.saturating_sub(1);
        self.probing = self.heads_to_probe == 0 && self.period / 2.0 >= self.shortest;
        // A little after half the beat: a head that comes then must not be missed.
        let half = asked + (self.period - behind) / 2.0 + self.period / 20.0;
        self.next = if self.probing { half.min(self.expected) } else { self.expected };
        Duration::from_secs_f64(behind.clamp(0.0, LONGEST))
    }

    /// The request sent at `asked` brought nothing new.
    pub fn unchanged(&mut self, asked: Instant) {
        let asked = self.seconds(asked);
        self.saved = (self.saved - 1.0).max(0.0);
        if std::mem::take(&mut self.probing) {
            self.heads_to_probe = PROBE_EVERY;
            self.next = self.expected.max(asked);
            return;
        }
        // A head that is a little late is met soon; the longer it is overdue, the less the next moment matters.
        let soon = (self.period / 40.0).clamp(0.02, 2.0) * f64::from(1u32 << self.misses.min(2));
        let wait = soon.max((asked - self.expected) / 4.0).min(LONGEST);
        self.misses = self.misses.saturating_add(1);
        self.next = asked + if self.saved < 1.0 { wait.max(self.period / 2.0) } else { wait };
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

    fn learn(&mut self, interval: f64) {
        if std::mem::take(&mut self.probing) {
            // The log is faster than we thought: what we knew of it is worth nothing.
            self.intervals.clear();
            self.heads_to_probe = 0;
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
        if self.period > before * 1.5 {
            self.heads_to_probe = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log whose heads become visible at the times that `next_head` gives, asked over a network that takes
    /// 10 ms each way.
    fn run(heads: usize, mut interval: impl FnMut(usize) -> Duration) -> (f64, Duration, Duration) {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start, Duration::from_millis(100));
        let trip = Duration::from_millis(10);
        let (mut visible, mut seen) = (vec![start], 0);
        while visible.len() <= heads {
            visible.push(*visible.last().unwrap() + interval(visible.len()));
        }
        let (mut requests, mut delays, warm_up) = (0, Vec::new(), heads / 3);
        let mut free = start;
        while seen < heads {
            let asked = rhythm.next().max(free);
            let answered = asked + trip;
            free = answered + trip;
            let newest = visible.partition_point(|v| *v <= answered) - 1;
            requests += u32::from(seen >= warm_up);
            if newest > seen {
                if seen >= warm_up {
                    delays.extend(visible[seen + 1..=newest].iter().map(|v| free - *v));
                }
                seen = newest;
                rhythm.grew(asked, 5_000_000 + (visible[newest] - start).as_millis() as u64);
            } else {
                rhythm.unchanged(asked);
            }
        }
        delays.sort_unstable();
        let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
        (f64::from(requests) / delays.len() as f64, at(0.5), at(0.99))
    }

    #[test]
    fn a_steady_log_is_asked_little_more_than_once_a_head_and_just_after_it() {
        for ms in [200, 500, 1000, 1700, 5000, 30_000] {
            let (requests, median, most) = run(300, |_| Duration::from_millis(ms));
            let late = Duration::from_millis(40 + ms / 20);
            assert!(requests < 2.2, "{ms}: {requests} requests per head");
            assert!(median < late, "{ms}: {median:?} late");
            assert!(most < late * 2 + Duration::from_millis(ms / 10), "{ms}: {most:?} late at worst");
        }
    }

    #[test]
    fn a_beat_that_wavers_is_followed_too() {
        let mut state = 7u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 33
        };
        let (requests, median, most) = run(400, |_| Duration::from_millis(970 + random() % 60));
        assert!(requests < 2.2, "{requests} requests per head");
        assert!(
            median < Duration::from_millis(80) && most < Duration::from_millis(250),
            "{median:?} {most:?}"
        );
    }

    #[test]
    fn a_log_without_a_beat_is_not_asked_more_than_is_allowed_for() {
        let mut state = 7u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 33
        };
        let (requests, _, _) = run(400, |_| Duration::from_millis(100 + random() % 4000));
        assert!(requests < 2.4, "{requests} requests per head");
    }

    #[test]
    fn a_log_that_becomes_faster_or_slower_is_followed() {
        let change = |from, to| move |i| Duration::from_millis(if i < 100 { from } else { to });
        for (from, to) in [(4000, 500), (500, 4000)] {
            let (requests, median, _) = run(300, change(from, to));
            assert!(requests < 2.2, "{from} to {to}: {requests} requests per head");
            assert!(median < Duration::from_millis(40 + to / 20), "{from} to {to}: {median:?} late");
        }
    }

    #[test]
    fn a_log_that_begins_to_grow_after_a_pause_is_followed_at_its_beat() {
        for pause_ms in [300, 1300, 2700, 4300, 6300, 10_300, 30_000] {
            let interval = |i| Duration::from_millis(if i == 1 { pause_ms } else { 1000 });
            let (requests, median, most) = run(90, interval);
            assert!(requests < 2.2, "{pause_ms}: {requests} requests per head");
            let late = Duration::from_millis(90);
            assert!(median < late && most < late * 2, "{pause_ms}: {median:?}, {most:?} at worst");
        }
    }

    #[test]
    fn an_idle_log_is_asked_ever_more_rarely_down_to_once_a_minute() {
        let mut now = Instant::now();
        let mut rhythm = Rhythm::new(now, Duration::from_millis(100));
        let end = now + Duration::from_secs(3600);
        let mut requests = 0;
        while now < end {
            rhythm.unchanged(now);
            now = rhythm.next();
            requests += 1;
        }
        assert!(requests < 60 + 40, "{requests} requests in an hour");
    }
}
