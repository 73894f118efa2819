//! How long to wait before connecting again. Pure.

use std::time::Duration;

/// The delay after the first failure.
const FIRST: Duration = Duration::from_millis(500);
/// The largest delay that grows by itself.
const LONGEST: Duration = Duration::from_secs(60);
/// The largest delay that a server can demand.
const LONGEST_DEMANDED: Duration = Duration::from_secs(3600);

/// Delays that double with each failure in a row.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after another failure. `random` (0 to 1) spreads clients that lost their connections at the same time over
    /// half of it. `retry_after` is the least that the server demands.
    pub(super) fn delay(&mut self, random: f64, retry_after: Option<Duration>) -> Duration {
        let longest = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let delay = longest.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0));
        match retry_after {
            Some(demanded) => delay.saturating_add(demanded.min(LONGEST_DEMANDED)),
            None => delay,
        }
    }

    /// A connection worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_minute_and_begin_again_after_a_success() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..9).map(|_| backoff.delay(1.0, None).as_millis()).collect();
        assert_eq!(delays, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        backoff.reset();
        assert_eq!(backoff.delay(0.0, None).as_millis(), 250);
    }

    #[test]
    fn a_server_can_demand_more_within_reason() {
        let delay = |seconds| Backoff::default().delay(1.0, Some(Duration::from_secs(seconds))).as_millis();
        assert_eq!(delay(7), 7_500);
        assert_eq!(delay(u64::MAX), 3_600_500);
    }
}
