//! Politeness towards an operator, whatever number of logs it runs: requests at the same time, and per second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// What one operator's servers get from us.
#[derive(Debug)]
pub struct OperatorLimits {
    at_once: Semaphore,
    /// Time between requests when they come steadily.
    interval: Duration,
    /// The moment of the next request's turn, were they spaced evenly.
    next: Mutex<Instant>,
}

/// As long as it lives, the request counts as one of those under way.
#[derive(Debug)]
pub(super) struct Turn<'a>(#[allow(dead_code, reason = "held for its Drop")] Option<SemaphorePermit<'a>>);

impl OperatorLimits {
    /// At most `at_once` requests under way (at least 1), and `per_second` (at least 1) on average; a second's
    /// worth may come together.
    pub fn new(at_once: usize, per_second: u32) -> Self {
        OperatorLimits {
            at_once: Semaphore::new(at_once.max(1)),
            interval: Duration::from_secs(1) / per_second.max(1),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for a request's turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        let permit = self.at_once.acquire().await.ok();
        sleep_until(self.reserve(Instant::now())).await;
        Turn(permit)
    }

    /// Takes the next turn and returns its moment.
    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // Unused turns are kept for a second.
        let turn = (*next).max(now.checked_sub(Duration::from_secs(1)).unwrap_or(now));
        *next = turn + self.interval;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_the_rate_holds() {
        let limits = OperatorLimits::new(1, 10);
        let now = Instant::now() + Duration::from_secs(60);
        let turns: Vec<_> = (0..30).map(|_| limits.reserve(now)).collect();
        assert!(turns[9] <= now, "a second's worth is free after a pause");
        assert!(turns[11] > now);
        assert_eq!(turns[29] - turns[19], Duration::from_secs(1));
    }

    #[actix::test]
    async fn no_more_requests_than_allowed_are_under_way() {
        let limits = OperatorLimits::new(2, 1000);
        let (one, _two) = (limits.turn().await, limits.turn().await);
        let third = tokio::time::timeout(Duration::from_millis(50), limits.turn()).await;
        assert!(third.is_err());
        drop(one);
        assert!(tokio::time::timeout(Duration::from_millis(500), limits.turn()).await.is_ok());
    }
}
