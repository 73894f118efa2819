//! Token buckets: rate limits with a burst. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// A rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Average units per second, at least 1.
    pub(crate) per_second: u32,
    /// Units that can be taken at once from a full bucket, at least 1.
    pub(crate) burst: u32,
}

impl Rate {
    /// Time in which the bucket refills by `units`.
    fn time_for(self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// A token bucket that enforces a [`Rate`].
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    /// When the bucket will be full, if nothing more is taken.
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        TokenBucket { rate, full_at: now }
    }

    /// Takes `units`, even if fewer are left. Returns the delay until the bucket is out of debt; zero if it is not in
    /// debt.
    pub(crate) fn take(&mut self, units: u64, now: Instant) -> Duration {
        let (full_at, wait) = self.after(units, now);
        self.full_at = full_at;
        wait
    }

    /// Takes `units` if the delay would be at most `longest`; takes nothing otherwise.
    pub(crate) fn take_within(&mut self, units: u64, now: Instant, longest: Duration) -> Option<Duration> {
        let (full_at, wait) = self.after(units, now);
        (wait <= longest).then(|| {
            self.full_at = full_at;
            wait
        })
    }

    /// The time at which the bucket would be full, and how long it would be in debt, if `units` were taken now.
    fn after(&self, units: u64, now: Instant) -> (Instant, Duration) {
        let full_at = self.full_at.max(now) + self.rate.time_for(units);
        let whole = self.rate.time_for(self.rate.burst.into());
        (full_at, full_at.saturating_duration_since(now).saturating_sub(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { per_second: 10, burst: 30 };

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut bucket = TokenBucket::new(RATE, begin);
        assert!((0..30).all(|_| bucket.take(1, begin).is_zero()));
        assert_eq!(bucket.take(1, begin), Duration::from_millis(100));
        assert_eq!(bucket.take(1, at(100)), Duration::from_millis(100));
        assert_eq!(bucket.take(1, at(300)), Duration::ZERO);
        // After a long pause the bucket is full, but not overfull.
        assert_eq!(bucket.take(31, at(60_000)), Duration::from_millis(100));
    }

    #[test]
    fn who_would_wait_too_long_takes_nothing() {
        let begin = Instant::now();
        let mut bucket = TokenBucket::new(RATE, begin);
        let second = Duration::from_secs(1);
        assert_eq!(bucket.take_within(40, begin, second), Some(second));
        assert_eq!(bucket.take_within(1, begin, second), None);
        let later = begin + Duration::from_millis(100);
        assert_eq!(bucket.take_within(1, later, second), Some(second), "the attempt cost nothing");
    }

    proptest! {
        /// A caller that waits as told takes no more than the burst plus what refilled in the meantime.
        #[test]
        fn no_more_is_taken_than_the_rate_allows(units in prop::collection::vec(1u64..100, 1..50), pause in 0u64..200) {
            let begin = Instant::now();
            let (mut now, mut bucket, mut taken) = (begin, TokenBucket::new(RATE, begin), 0);
            for units in units {
                taken += units;
                now += bucket.take(units, now) + Duration::from_millis(pause);
                let earned = 30.0 + (now - begin).as_secs_f64() * 10.0;
                prop_assert!(taken as f64 <= earned + 0.01, "{taken} of {earned}");
            }
        }
    }
}
