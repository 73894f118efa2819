//! Exponential backoff for a log or a target of messages that fails. Pure: the random number and the time are arguments.

use std::time::Duration;

/// Delay after the first failure, before jitter.
const FIRST: Duration = Duration::from_secs(1);
/// Longest delay that failures lead to, unless another one is given.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Longest delay that a server can request with Retry-After, so that none can suspend what concerns it for good.
const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// Doubles the delay with each consecutive failure.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff::up_to(LONGEST)
    }
}

impl Backoff {
    /// Without failures so far. They lead to delays of up to `longest`.
    pub(crate) fn up_to(longest: Duration) -> Self {
        Backoff { failures: 0, longest }
    }

    /// Records a failure and returns the delay before the next attempt. Jitter reduces the doubled delay by up to half,
    /// depending on `chance` (0 to 1), so that many clients of one log do not return at the same time. The delay is
    /// never shorter than the server's Retry-After.
    pub(crate) fn failed(&mut self, retry_after: Option<Duration>, chance: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let jittered = doubled.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        jittered.max(retry_after.unwrap_or_default().min(LONGEST_ASKED))
    }

    /// Records a success, which resets the delay.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Number of failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..12).map(|_| backoff.failed(None, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        backoff.succeeded();
        assert_eq!(backoff.failed(None, 1.0), FIRST);
    }

    #[test]
    fn jitter_takes_away_up_to_half() {
        for _ in 0..40 {
            assert_eq!(Backoff::default().failed(None, 0.0), FIRST / 2);
        }
        let mut long = Backoff { failures: u32::MAX, longest: LONGEST };
        assert_eq!(long.failed(None, 0.5), LONGEST * 3 / 4);
    }

    #[test]
    fn a_log_that_asks_for_more_time_gets_it_within_reason() {
        let ask = |s| Backoff::default().failed(Some(Duration::from_secs(s)), 1.0);
        assert_eq!(ask(0), FIRST);
        assert_eq!(ask(30), Duration::from_secs(30));
        assert_eq!(ask(u64::MAX), LONGEST_ASKED);
    }
}
