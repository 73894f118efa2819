//! Learns how many requests per second an operator accepts. Pure: the time is an argument.
//!
//! Additive increase, multiplicative decrease: a refusal (429, 503) lowers the rate by [`DECREASE`]. After that it rises
//! so slowly that it takes at least [`CLIMB`] to reach the rate that was refused, and then faster and faster, because the operator
//! may have raised its limit. Only requests that had to wait for their turn raise the rate: the others prove nothing.
//!
//! A log that is out of order refuses requests as well. It must not slow down the other logs of its operator, and the rate
//! has to be found again soon when it is back.

use crate::state::LearnedRate;
use std::time::Duration;
use tokio::time::Instant;

/// What a refusal leaves of the rate.
const DECREASE: f64 = 0.85;
/// What a refusal leaves of the rate if it follows another one closely.
const DECREASE_AGAIN: f64 = 0.5;
/// Seconds, and number of requests, after which a refusal does not follow the previous one closely. Both must be reached.
const CLOSE: f64 = 10.0;
/// Seconds, and at least twice as many requests, from the lowered rate up to the one that was refused. Beyond it, the
/// increase doubles in each such time. About one request of [`CLIMB`] times two is refused.
const CLIMB: f64 = 30.0;
/// Largest number of doublings.
const MAX_DOUBLINGS: f64 = 10.0;
/// Below this rate, requests per second, the operator has an outage instead of a limit.
const OUTAGE: f64 = 0.1;
/// The rate that is tried soon after an outage, even if the rate before it is not known.
const AFTER_OUTAGE: f64 = 2.0;
/// Seconds over which accepted requests are counted.
const WINDOW: f64 = 10.0;
/// The lowest rate, requests per second.
const LOWEST: f64 = 1.0 / 60.0;
/// Longest delay that a Retry-After causes here. A log that asks for a longer one is left alone by its watcher.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Requests that were not sent may be sent later, within this time, as long as nothing was refused.
const BURST: Duration = Duration::from_secs(1);

/// The pace of the requests to one operator.
#[derive(Debug)]
pub(super) struct Pace {
    /// The configured maximum, requests per second.
    most: f64,
    learned: Option<LearnedRate>,
    /// The time of the next request if requests are evenly spaced.
    next: Instant,
    /// The last decrease. Requests that were sent before it say nothing about the rate after it.
    decreased_at: Option<Instant>,
    /// Accepted requests: since when they are counted, their number, and the number in the [`WINDOW`] before.
    accepted: (Instant, f64, f64),
    /// Accepted requests per second before the first of several refusals.
    worked: f64,
    /// Whether a request was accepted that was sent after the last decrease.
    has_accepted: bool,
    /// Whether the learned rate was once used for a while without a refusal.
    has_worked: bool,
    /// How long the rate was used since the last decrease, in seconds.
    used: f64,
    /// How much of that was beyond the rate that was refused.
    used_beyond: f64,
}

impl Pace {
    /// At most `most` requests per second.
    pub(super) fn new(most: f64, learned: Option<LearnedRate>, now: Instant) -> Self {
        let is_useful =
            |learned: &LearnedRate| (LOWEST..most).contains(&learned.rate) && learned.refused_at.is_finite();
        let learned = learned.filter(is_useful);
        let has_worked = learned.is_some();
        Pace {
            most,
            learned,
            next: now,
            decreased_at: None,
            accepted: (now, 0.0, 0.0),
            worked: 0.0,
            has_accepted: false,
            has_worked,
            used: f64::INFINITY,
            used_beyond: 0.0,
        }
    }

    /// What was learned; `None` if the configured maximum applies.
    pub(super) fn learned(&self) -> Option<LearnedRate> {
        self.learned
    }

    /// The current rate, requests per second.
    pub(super) fn rate(&self) -> f64 {
        self.learned.map_or(self.most, |learned| learned.rate)
    }

    /// When the next request may be sent.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// Records that a request is sent.
    pub(super) fn sent(&mut self, now: Instant) {
        // A learned rate leaves no room for a burst.
        let burst = if self.learned.is_some() { Duration::ZERO } else { BURST };
        self.next = self.next.max(now.checked_sub(burst).unwrap_or(now)) + self.interval();
    }

    /// Records that a request was accepted that was sent at `sent_at`. `was_delayed` says whether it had to wait for its turn.
    pub(super) fn accepted(&mut self, sent_at: Instant, was_delayed: bool) {
        self.count_windows(sent_at);
        self.accepted.1 += 1.0;
        let interval = self.interval();
        if self.decreased_at.is_some_and(|at| sent_at < at) {
            return;
        }
        self.has_accepted = true;
        let Some(learned) = self.learned.as_mut().filter(|_| was_delayed) else { return };
        let interval = interval.as_secs_f64();
        self.used += interval;
        let worked = learned.refused_at * DECREASE;
        if learned.rate < worked {
            // Several refusals in a row have led far below a rate that had worked.
            learned.rate = (learned.rate * (1.0 + interval / CLOSE)).min(worked);
        } else {
            let climb = CLIMB.max(2.0 * CLIMB / learned.refused_at);
            let slope = (learned.refused_at - worked) / climb;
            learned.rate += slope * interval * (self.used_beyond / climb).min(MAX_DOUBLINGS).exp2();
        }
        self.has_worked |= learned.rate >= worked && self.used >= CLOSE.max(CLOSE / learned.rate);
        if learned.rate >= learned.refused_at {
            self.used_beyond += interval;
        }
        if learned.rate >= self.most {
            self.learned = None;
        }
    }

    /// Records that a request was refused that was sent at `sent_at`. The next one waits for `retry_after`, at most
    /// [`LONGEST_PAUSE`], and then for its turn. `is_log_alone` says whether the log's previous request was refused as well,
    /// and other logs' requests were accepted since. Then the log is out of order, and the rate is not the reason.
    pub(super) fn refused(
        &mut self,
        sent_at: Instant,
        is_log_alone: bool,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        if is_log_alone && self.has_accepted {
            return;
        }
        let pause = retry_after.unwrap_or_default().min(LONGEST_PAUSE);
        if self.decreased_at.is_none_or(|at| sent_at >= at) {
            let rate = self.rate();
            let is_close = self.used < CLOSE.max(CLOSE / rate);
            if is_close {
                self.worked *= DECREASE;
            } else {
                self.count_windows(now);
                self.worked = self.accepted.1.max(self.accepted.2) / WINDOW;
            }
            let outage = if rate < OUTAGE { AFTER_OUTAGE.min(self.most) } else { 0.0 };
            let refused_at = match self.learned {
                // A limit that is exceeded for a while refuses several requests in a row.
                Some(learned) if is_close && self.has_worked => {
                    (learned.refused_at * DECREASE).max(rate).max(outage)
                }
                Some(_) if is_close => rate.max(self.worked).max(outage),
                _ => rate.max(outage),
            };
            let decrease = if is_close || self.learned.is_none() { DECREASE_AGAIN } else { DECREASE };
            self.learned = Some(LearnedRate { rate: (rate * decrease).max(LOWEST), refused_at });
            (self.used, self.used_beyond, self.decreased_at) = (0.0, 0.0, Some(now));
            self.has_accepted = false;
            self.next = now + self.interval();
        }
        self.next = self.next.max(now + pause);
    }

    /// Begins another window when the current one is over.
    fn count_windows(&mut self, now: Instant) {
        let (since, count, _) = self.accepted;
        let elapsed = now.saturating_duration_since(since).as_secs_f64();
        if elapsed >= WINDOW {
            self.accepted = (now, 0.0, if elapsed < 2.0 * WINDOW { count } else { 0.0 });
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate())
    }
}

#[cfg(test)]
mod tests;
