//! Limits requests to an operator, over all its logs: requests at the same time, and requests per second.

use crate::http_client::Reach;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// The request limits of one operator.
#[derive(Debug)]
pub(crate) struct OperatorLimits {
    at_once: Semaphore,
    /// Number of requests that are running or waiting for their turn.
    under_way: AtomicUsize,
    /// Permits for all but one of these requests. All operators share them.
    beside: Arc<Semaphore>,
    /// Interval between requests at the maximum rate.
    interval: Duration,
    /// The time of the next request if requests are evenly spaced.
    next: Mutex<Instant>,
}

/// A permit. The request counts as running until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    under_way: &'a AtomicUsize,
    _of_operator: Option<SemaphorePermit<'a>>,
    _beside: Option<SemaphorePermit<'a>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Maximum number of requests to all operators together, in addition to one for each operator. Every request
/// needs an open file.
pub(crate) const MAX_BESIDE: usize = 256;

/// The 256 permits that all operators share.
pub(crate) fn requests_beside() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_BESIDE))
}

impl OperatorLimits {
    /// At most `at_once` requests run at the same time (at least 1), and on average `per_second` start per
    /// second (at least 1). A burst may contain the requests of one second. All but one of the running
    /// requests need a permit of `beside`.
    pub(crate) fn new(at_once: usize, per_second: u32, beside: Arc<Semaphore>) -> Self {
        OperatorLimits {
            at_once: Semaphore::new(at_once.max(1)),
            under_way: AtomicUsize::new(0),
            beside,
            interval: Duration::from_secs(1) / per_second.max(1),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits until a request may start.
    pub(super) async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        let of_operator = self.at_once.acquire().await.ok();
        let is_first = self.under_way.fetch_add(1, Ordering::Relaxed) == 0;
        let mut turn = Turn { under_way: &self.under_way, _of_operator: of_operator, _beside: None };
        if !is_first {
            turn._beside = self.beside.acquire().await.ok();
        }
        sleep_until(self.reserve(Instant::now())).await;
        turn
    }

    /// Reserves the next slot and returns its time.
    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock();
        // Unused slots are kept for one second.
        let turn = (*next).max(now.checked_sub(Duration::from_secs(1)).unwrap_or(now));
        *next = turn + self.interval;
        turn
    }
}

/// The limits of all operators.
#[derive(Debug)]
pub(crate) struct Operators {
    at_once: usize,
    per_second: u32,
    beside: Arc<Semaphore>,
    limits: HashMap<(String, Reach), Arc<OperatorLimits>>,
}

impl Operators {
    /// All operators get the same limits; see [`OperatorLimits::new`].
    pub(crate) fn new(at_once: usize, per_second: u32) -> Self {
        Operators { at_once, per_second, beside: requests_beside(), limits: HashMap::new() }
    }

    /// The limits of the operator with this name. Logs without an operator share one set of limits. Logs with
    /// restricted reach are on an untrusted list, which may name any operator. They therefore do not share
    /// limits with trusted logs.
    pub(crate) fn limits(&mut self, operator: &str, reach: Reach) -> Arc<OperatorLimits> {
        // Removes unused limits, because a list may change the operators' names repeatedly.
        self.limits.retain(|_, limits| Arc::strong_count(limits) > 1);
        let new = || Arc::new(OperatorLimits::new(self.at_once, self.per_second, self.beside.clone()));
        self.limits.entry((operator.to_string(), reach)).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_the_rate_holds() {
        let limits = OperatorLimits::new(1, 10, requests_beside());
        let now = Instant::now() + Duration::from_secs(60);
        let turns: Vec<_> = (0..30).map(|_| limits.reserve(now)).collect();
        assert!(turns[9] <= now, "a second's worth is free after a pause");
        assert!(turns[11] > now);
        assert_eq!(turns[29] - turns[19], Duration::from_secs(1));
    }

    #[actix::test]
    async fn no_more_requests_than_allowed_are_under_way() {
        let limits = OperatorLimits::new(2, 1000, requests_beside());
        let (one, _two) = (limits.turn().await, limits.turn().await);
        let third = tokio::time::timeout(Duration::from_millis(50), limits.turn()).await;
        assert!(third.is_err());
        drop(one);
        assert!(tokio::time::timeout(Duration::from_millis(500), limits.turn()).await.is_ok());
    }

    #[actix::test]
    async fn each_operator_has_one_request_under_way_whatever_others_have() {
        let beside = Arc::new(Semaphore::new(1));
        let [greedy, other] = [0; 2].map(|_| OperatorLimits::new(8, 1000, beside.clone()));
        let soon = Duration::from_millis(50);
        let (_first, second) = (greedy.turn().await, greedy.turn().await);
        assert!(
            tokio::time::timeout(soon, greedy.turn()).await.is_err(),
            "all that there are beside one are taken"
        );
        let of_other = tokio::time::timeout(soon, other.turn()).await.expect("its first");
        assert!(tokio::time::timeout(soon, other.turn()).await.is_err());
        drop(second);
        let beside_it = tokio::time::timeout(soon, other.turn()).await.expect("its second");
        drop((of_other, beside_it));
        assert!(
            tokio::time::timeout(soon, greedy.turn()).await.is_ok(),
            "and who gives up leaves nothing behind"
        );
    }

    #[test]
    fn operators_are_known_by_name_for_as_long_as_they_have_logs() {
        let mut operators = Operators::new(8, 10);
        let one = operators.limits("one", Reach::Anywhere);
        assert!(Arc::ptr_eq(&one, &operators.limits("one", Reach::Anywhere)));
        assert!(
            !Arc::ptr_eq(&one, &operators.limits("one", Reach::PublicOnly)),
            "it only says that it is the same"
        );
        (0..1000).for_each(|n| drop(operators.limits(&n.to_string(), Reach::Anywhere)));
        assert!(operators.limits.len() <= 2, "{}", operators.limits.len());
    }
}
