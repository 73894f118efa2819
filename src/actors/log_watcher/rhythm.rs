//! When to ask a log for its head: just after it has a new one. Pure: the time comes as an argument.
//!
//! Logs sign heads at a steady beat, and every head says when it was signed. From these times comes the beat;
//! from the smallest difference between such a time and that of the request which brought it, how long after
//! its signature a head becomes visible. That difference holds whatever the two clocks show. Requests are aimed
//! at that moment and a little before it, until one comes too early.
//!
//! A beat that is not known is searched for after a head: soon at first, then at ever longer steps. It is searched for
//! anew where it seems to have become slower, since a pause, and heads that were not asked for, look like that too.
//! Now and then one request at half the beat finds out whether the log has become faster. A log that does not grow is
//! asked ever more rarely.

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
const MOST_SAVED: f64 = 24.0;
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
pub struct Rhythm {
    begin: Instant,
    shortest: f64,
    period: f64,
    intervals: VecDeque<f64>,
    /// When the newest head was signed, unix milliseconds.
    signed_ms: Option<u64>,
    /// When the newest head was asked for.
    grew_at: f64,
    /// Whether it has grown since the first head.
    seen_growing: bool,
    /// Requests go out before the next head is expected, to find out when it comes.
    searching: bool,
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
            grew_at: 0.0,
            seen_growing: false,
            searching: false,
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
        self.grew_at = asked;
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
        let known = self.seen_growing && !self.searching;
        self.probing = known && self.heads_to_probe == 0 && self.period / 2.0 >= self.shortest;
        // A little after half the beat: a head that comes then must not be missed.
        let half = asked + (self.period - behind) / 2.0 + self.period / 20.0;
        self.next = match (self.searching, self.probing) {
            (true, _) => self.expected.min(asked + self.shortest),
            (_, true) => self.expected.min(half),
            _ => self.expected,
        };
        if !self.seen_growing {
            self.next = asked + BEGINNING;
        }
        Duration::from_secs_f64(behind.clamp(0.0, LONGEST))
    }

    /// The request sent at `asked` brought nothing new.
    pub fn unchanged(&mut self, asked: Instant) {
        let asked = self.seconds(asked);
        self.saved = (self.saved - 1.0).max(0.0);
        if std::mem::take(&mut self.probing) {
            self.heads_to_probe = PROBE_EVERY;
            self.next = self.expected.max(asked);
        } else if self.searching && asked < self.expected {
            self.search_on(asked);
        } else {
            self.searching = false;
            self.next = asked + self.wait(asked);
            self.misses = self.misses.saturating_add(1);
        }
    }

    fn search_on(&mut self, asked: f64) {
        let step = self.shortest.max((asked - self.grew_at) * SEARCH_STEP);
        self.next = if self.saved < 1.0 { self.expected } else { self.expected.min(asked + step) };
    }

    /// How long to leave a log alone whose next head is overdue.
    fn wait(&self, asked: f64) -> f64 {
        let idle = asked - self.grew_at;
        let wait = if !self.seen_growing && idle < PAUSE {
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

    fn learn(&mut self, interval: f64) {
        // For how long the log had not grown when we came to it says nothing.
        if !std::mem::replace(&mut self.seen_growing, true) {
            self.searching = true;
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How late each head is met of a log whose heads become visible at the intervals that are given, asked over a
    /// network that takes 10 ms each way; and how many requests were made for it and those that were met with it.
    fn met(heads: usize, mut interval: impl FnMut(usize) -> Duration) -> Vec<(Duration, u32)> {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start, Duration::from_millis(100));
        let trip = Duration::from_millis(10);
        let mut visible = vec![start];
        while visible.len() <= heads {
            visible.push(*visible.last().unwrap() + interval(visible.len()));
        }
        let (mut met, mut requests, mut free): (Vec<(Duration, u32)>, _, _) = (Vec::new(), 0, start);
        while met.len() <= heads {
            let asked = rhythm.next().max(free);
            let answered = asked + trip;
            free = answered + trip;
            let newest = visible.partition_point(|v| *v <= answered);
            requests += 1;
            if newest > met.len() {
                for v in &visible[met.len()..newest] {
                    met.push((free - *v, std::mem::take(&mut requests)));
                }
                rhythm.grew(asked, 5_000_000 + (visible[newest - 1] - start).as_millis() as u64);
            } else {
                rhythm.unchanged(asked);
            }
        }
        met
    }

    /// Requests per head, and how late a head is met in the median and at the 99th percentile, after a while.
    fn run(heads: usize, interval: impl FnMut(usize) -> Duration) -> (f64, Duration, Duration) {
        let met = met(heads, interval).split_off(heads / 3);
        let requests = met.iter().map(|(_, requests)| f64::from(*requests)).sum::<f64>() / met.len() as f64;
        let mut delays: Vec<_> = met.into_iter().map(|(late, _)| late).collect();
        delays.sort_unstable();
        let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
        (requests, at(0.5), at(0.99))
    }

    #[test]
    fn a_log_that_begins_to_grow_is_met_soon_and_its_beat_known_from_the_second_head_on() {
        for pause_ms in [500, 1900, 2700, 3800] {
            for beat_ms in [100, 250, 1000] {
                let met = met(24, |i| Duration::from_millis(if i == 1 { pause_ms } else { beat_ms }));
                // Of heads that are met together the oldest counts.
                let first = met.iter().filter(|(_, requests)| *requests > 0);
                let late: Vec<_> = first.map(|(late, _)| late.as_millis() as u64).collect();
                let requests: u32 = met.iter().map(|(_, requests)| requests).sum();
                assert!(late[1] < 220 + pause_ms / 8, "{pause_ms}, {beat_ms}: {late:?}");
                assert!(late[2] < 130 + beat_ms * 3 / 10, "{pause_ms}, {beat_ms}: {late:?}");
                assert!(late[3..].iter().all(|late| *late < 160), "{pause_ms}, {beat_ms}: {late:?}");
                assert!(requests < 70, "{pause_ms}, {beat_ms}: {requests} requests");
            }
        }
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
