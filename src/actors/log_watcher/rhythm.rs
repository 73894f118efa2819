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
pub struct Rhythm {
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
    /// By how much the next request is aimed before the moment at which the last one came.
    nudge: f64,
    expected: f64,
    next: f64,
    probing: bool,
    heads_to_probe: u32,
    /// Requests in a row that brought nothing new, probes aside.
    misses: u32,
    /// When the last of them was made.
    missed_at: f64,
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
            met_at: 0.0,
            grew_at: 0.0,
            moving: false,
            resting: false,
            searching: false,
            lateness: f64::INFINITY,
            nudge: 0.0,
            expected: 0.0,
            next: 0.0,
            probing: false,
            heads_to_probe: 0,
            misses: 0,
            missed_at: 0.0,
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
        let behind = self.met(asked, signed_ms, true);
        self.grew_at = asked;
        self.saved = (self.saved + REQUESTS_PER_HEAD - 1.0).min(MOST_SAVED);
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
    /// bolder; with one the moment lies between it and the soonest that was late enough.
    fn sooner(&mut self, signed_ms: u64) -> f64 {
        let (cautious, boldest) = ((self.period / 100.0).clamp(0.002, 0.05), self.period / 8.0);
        if self.misses == 0 {
            let sooner = self.nudge;
            self.nudge = (self.nudge * 2.0).min(boldest).max(cautious);
            return sooner;
        }
        let too_early = self.missed_at - signed_ms as f64 / 1000.0;
        let half = ((self.lateness - too_early) / 2.0).min(boldest);
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

    /// A log that signs its tree anew at every beat, first `phase_ms` after we came to it, and grows from its head
    /// number `grows_from` on. How late each head after that is met, milliseconds, and how many requests were made up
    /// to the last one and for how many heads that grew.
    fn met_of_beating(phase_ms: u64, beat_ms: u64, grows_from: u64, heads: u64) -> (Vec<u64>, u32) {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start, Duration::from_millis(100));
        let (mut late, mut requests, mut known) = (Vec::new(), 0, 0);
        while known < heads {
            let asked = rhythm.next();
            let now = (asked - start).as_millis() as u64;
            requests += 1;
            let newest = (now + beat_ms - phase_ms.min(now + beat_ms)) / beat_ms;
            let signed_ms = 5_000_000 + phase_ms + newest * beat_ms;
            if newest > known.max(grows_from) {
                late.push(now + beat_ms - phase_ms - newest * beat_ms);
                known = newest;
                rhythm.grew(asked, signed_ms);
            } else {
                known = newest;
                rhythm.stayed(asked, signed_ms);
            }
        }
        (late, requests)
    }

    #[test]
    fn a_tree_that_is_signed_anew_gives_its_beat_away_before_it_grows() {
        for phase_ms in (0..1000).step_by(37) {
            for idle in [3, 4, 6, 9] {
                let (late, requests) = met_of_beating(phase_ms, 1000, idle, idle + 24);
                assert!(late.len() >= 23, "{phase_ms}, {idle}: {} of 24 heads", late.len());
                assert!(late.iter().all(|late| *late < 120), "{phase_ms}, {idle}: {late:?}");
                assert!(requests < 66, "{phase_ms}, {idle}: {requests} requests");
            }
        }
    }

    #[test]
    fn an_idle_log_that_is_signed_anew_is_asked_ever_more_rarely_too() {
        for beat_ms in [1, 100, 1000, 5000] {
            let now = Instant::now();
            let mut rhythm = Rhythm::new(now, Duration::from_millis(100));
            let mut requests = 0;
            while rhythm.next() < now + Duration::from_secs(3600) {
                let asked = rhythm.next();
                let beat = (asked - now).as_millis() as u64 / beat_ms;
                rhythm.stayed(asked, 5_000_000 + beat * beat_ms);
                requests += 1;
            }
            assert!(requests < 60 + 90, "{beat_ms}: {requests} requests in an hour");
        }
    }

    #[test]
    fn a_log_that_signs_for_whoever_asks_is_not_asked_more_for_it() {
        let now = Instant::now();
        for growth_ms in [2000, 7000] {
            let mut rhythm = Rhythm::new(now, Duration::from_millis(100));
            let (mut requests, mut grown, heads) = (0, 0, 200);
            while grown < heads {
                let asked = rhythm.next();
                let ms = (asked - now).as_millis() as u64;
                if ms / growth_ms > grown {
                    grown = ms / growth_ms;
                    rhythm.grew(asked, 5_000_000 + ms);
                } else {
                    rhythm.stayed(asked, 5_000_000 + ms);
                }
                requests += 1;
            }
            assert!(requests < heads * 6, "{growth_ms}: {requests} requests for {heads} heads");
        }
    }

    #[test]
    fn a_wrong_time_of_signature_does_not_mislead_for_long() {
        let now = Instant::now();
        for wrong_ms in [0, 4_000_000, 5_600_000, u64::MAX] {
            let mut rhythm = Rhythm::new(now, Duration::from_millis(100));
            let mut known = 0;
            let mut late = Vec::new();
            while known < 120 {
                let asked = rhythm.next();
                let ms = (asked - now).as_millis() as u64;
                let newest = (ms + 300) / 1000;
                if newest > known {
                    late.push(ms + 300 - newest * 1000);
                    known = newest;
                    rhythm.grew(asked, if newest == 20 { wrong_ms } else { 5_000_000 + newest * 1000 });
                } else {
                    rhythm.unchanged(asked);
                }
            }
            assert!(late.len() > 100, "{wrong_ms}: {} of 120 heads", late.len());
            assert!(late[late.len() - 50..].iter().all(|late| *late < 150), "{wrong_ms}: {late:?}");
        }
    }
}
