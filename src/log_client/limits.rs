//! Limits requests to an operator, over all its logs: requests at the same time, and requests per second, at most as many
//! as are configured, and fewer if the operator refuses them (see `pace`).

use super::pace::Pace;
use crate::http_client::Reach;
use crate::state::LearnedRate;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    /// Only the request that is next waits for its time, so a slower pace applies to all that wait behind it.
    line: tokio::sync::Mutex<()>,
    pace: Mutex<Pace>,
    accepted: AtomicU64,
    refused: AtomicU64,
}

/// What the operator answered to one log's requests.
#[derive(Debug, Default)]
pub(super) struct AnswersToLog {
    /// Number of accepted requests.
    accepted: Cell<u64>,
    /// If the last request was refused: the number of the other logs' requests that had been accepted by then.
    refused_at: Cell<Option<u64>>,
}

/// A permit. The request counts as running until this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    limits: &'a OperatorLimits,
    sent_at: Instant,
    /// Whether the pace delayed the request.
    was_delayed: bool,
    _of_operator: Option<SemaphorePermit<'a>>,
    _beside: Option<SemaphorePermit<'a>>,
}

impl Turn<'_> {
    /// Records that the operator answered the request of the log with these answers.
    pub(super) fn accepted(&self, log: &AnswersToLog) {
        log.accepted.update(|count| count + 1);
        log.refused_at.set(None);
        self.limits.accepted.fetch_add(1, Ordering::Relaxed);
        self.limits.pace.lock().accepted(self.sent_at, self.was_delayed);
    }

    /// Records that the operator asked the log with these answers for fewer requests.
    pub(super) fn refused(&self, log: &AnswersToLog, retry_after: Option<Duration>) {
        let others = self.limits.accepted.load(Ordering::Relaxed).saturating_sub(log.accepted.get());
        let is_log_alone = log.refused_at.replace(Some(others)).is_some_and(|before| before < others);
        self.limits.refused.fetch_add(1, Ordering::Relaxed);
        self.limits.pace.lock().refused(self.sent_at, is_log_alone, retry_after, Instant::now());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.limits.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Maximum number of requests to all operators together, in addition to one for each operator. Every request
/// needs an open file.
pub(crate) const MAX_BESIDE: usize = 256;
/// Maximum number of operators whose learned rates are kept while none of their logs is watched.
pub(crate) const MAX_LEARNED: usize = 1_000;

/// The 256 permits that all operators share.
pub(crate) fn requests_beside() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_BESIDE))
}

impl OperatorLimits {
    /// At most `at_once` requests run at the same time (at least 1), and on average `per_second` start per
    /// second (at least 1). A burst may contain the requests of one second. All but one of the running
    /// requests need a permit of `beside`.
    pub(crate) fn new(at_once: usize, per_second: u32, beside: Arc<Semaphore>) -> Self {
        OperatorLimits::with_learned(at_once, per_second, beside, None)
    }

    fn with_learned(
        at_once: usize,
        per_second: u32,
        beside: Arc<Semaphore>,
        learned: Option<LearnedRate>,
    ) -> Self {
        OperatorLimits {
            at_once: Semaphore::new(at_once.max(1)),
            under_way: AtomicUsize::new(0),
            beside,
            line: tokio::sync::Mutex::new(()),
            pace: Mutex::new(Pace::new(per_second.max(1).into(), learned, Instant::now())),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Waits until a request may start.
    pub(super) async fn turn(&self) -> Turn<'_> {
        // The semaphore is never closed.
        let of_operator = self.at_once.acquire().await.ok();
        let is_first = self.under_way.fetch_add(1, Ordering::Relaxed) == 0;
        let mut turn = Turn {
            limits: self,
            sent_at: Instant::now(),
            was_delayed: false,
            _of_operator: of_operator,
            _beside: None,
        };
        if !is_first {
            turn._beside = self.beside.acquire().await.ok();
        }
        let _next_in_line = self.line.lock().await;
        loop {
            let (due, now) = (self.pace.lock().due(), Instant::now());
            if due <= now {
                turn.sent_at = now;
                self.pace.lock().sent(now);
                return turn;
            }
            turn.was_delayed = true;
            sleep_until(due).await;
        }
    }
}

/// What is known about the limits of one operator.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct OperatorFigures {
    /// The current limit, requests per second: the configured one, or a lower one that was learned.
    pub(crate) requests_per_second: f64,
    /// Whether the operator has refused requests at the configured rate.
    pub(crate) is_learned: bool,
    /// Number of requests that the operator refused with 429 or 503 since the program started.
    pub(crate) refused: u64,
}

/// The limits of all operators.
#[derive(Debug)]
pub(crate) struct Operators {
    at_once: usize,
    per_second: u32,
    beside: Arc<Semaphore>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    limits: HashMap<(String, Reach), Arc<OperatorLimits>>,
    /// The rates of operators whose logs are not watched.
    learned: BTreeMap<String, LearnedRate>,
}

impl Operators {
    /// All operators get the same limits; see [`OperatorLimits::new`]. Those in `learned` begin with the learned rate.
    pub(crate) fn new(at_once: usize, per_second: u32, learned: BTreeMap<String, LearnedRate>) -> Self {
        let known = Known { limits: HashMap::new(), learned };
        Operators { at_once, per_second, beside: requests_beside(), known: Mutex::new(known) }
    }

    /// The limits of the operator with this name. Logs without an operator share one set of limits. Logs with
    /// restricted reach are on an untrusted list, which may name any operator. They therefore do not share
    /// limits with trusted logs.
    pub(crate) fn limits(&self, operator: &str, reach: Reach) -> Arc<OperatorLimits> {
        let mut known = self.known.lock();
        known.forget_unused();
        let Known { limits, learned } = &mut *known;
        let new = || {
            let learned = if reach == Reach::Anywhere { learned.remove(operator) } else { None };
            let beside = self.beside.clone();
            Arc::new(OperatorLimits::with_learned(self.at_once, self.per_second, beside, learned))
        };
        limits.entry((operator.to_string(), reach)).or_insert_with(new).clone()
    }

    /// The rates that were learned, by operator. Those of untrusted lists are not among them.
    pub(crate) fn learned(&self) -> BTreeMap<String, LearnedRate> {
        let known = self.known.lock();
        let mut all = known.learned.clone();
        all.extend(known.learned_now());
        all
    }

    /// The figures of each operator whose logs are watched.
    pub(crate) fn figures(&self) -> BTreeMap<String, OperatorFigures> {
        let known = self.known.lock();
        let trusted = known.limits.iter().filter(|((_, reach), _)| *reach == Reach::Anywhere);
        let figures = |limits: &OperatorLimits| {
            let pace = limits.pace.lock();
            OperatorFigures {
                requests_per_second: (pace.rate() * 1000.0).round() / 1000.0,
                is_learned: pace.learned().is_some(),
                refused: limits.refused.load(Ordering::Relaxed),
            }
        };
        trusted.map(|((name, _), limits)| (name.clone(), figures(limits))).collect()
    }
}

impl Known {
    /// Removes unused limits, because a list may change the operators' names repeatedly.
    fn forget_unused(&mut self) {
        let is_unused = |limits: &Arc<OperatorLimits>| Arc::strong_count(limits) == 1;
        if self.limits.values().any(is_unused) {
            let learned: Vec<_> = self.learned_now().collect();
            self.limits.retain(|_, limits| !is_unused(limits));
            self.learned.extend(learned);
            while self.learned.len() > MAX_LEARNED {
                self.learned.pop_first();
            }
        }
    }

    fn learned_now(&self) -> impl Iterator<Item = (String, LearnedRate)> {
        let trusted = self.limits.iter().filter(|((_, reach), _)| *reach == Reach::Anywhere);
        trusted.filter_map(|((name, _), limits)| Some((name.clone(), limits.pace.lock().learned()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_slows_down_those_that_wait_already() {
        let limits = OperatorLimits::new(8, 10, requests_beside());
        let begin = Instant::now();
        let turn = |n: u32| {
            let limits = &limits;
            async move {
                let turn = limits.turn().await;
                if n == 1 {
                    turn.refused(&AnswersToLog::default(), None);
                }
                begin.elapsed().as_secs_f64()
            }
        };
        let times = futures_util::future::join_all((0..5).map(turn)).await;
        let expected = [0.0, 0.1, 0.3, 0.5, 0.7];
        assert!(times.iter().zip(expected).all(|(time, due)| (time - due).abs() < 0.01), "{times:?}");
        assert_eq!(limits.refused.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_log_that_is_refused_alone_does_not_slow_down_the_others() {
        let limits = OperatorLimits::new(8, 100, requests_beside());
        let [broken, other] = [AnswersToLog::default(), AnswersToLog::default()];
        let mut rates = Vec::new();
        for other_is_served in [false, true, true, false, false] {
            limits.turn().await.refused(&broken, None);
            rates.push(limits.pace.lock().rate());
            if other_is_served {
                limits.turn().await.accepted(&other);
            }
        }
        assert!(rates[1] < rates[0], "the first refusals count: {rates:?}");
        assert!(rates[1..4].is_sorted(), "those after the other log was served do not: {rates:?}");
        assert!(rates[4] < rates[3], "{rates:?}");

        let limits = OperatorLimits::new(8, 100, requests_beside());
        let only = AnswersToLog::default();
        let [first, second] = [limits.turn().await, limits.turn().await];
        first.refused(&only, None);
        second.accepted(&only);
        let before = limits.pace.lock().rate();
        limits.turn().await.refused(&only, None);
        assert!(limits.pace.lock().rate() < before, "its own answers do not excuse it");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learned_survives_the_logs_and_the_program() {
        let operators = Operators::new(8, 10, BTreeMap::new());
        let limits = operators.limits("one", Reach::Anywhere);
        let figures = |operators: &Operators| operators.figures()["one"].clone();
        let configured = OperatorFigures { requests_per_second: 10.0, is_learned: false, refused: 0 };
        assert_eq!(figures(&operators), configured);
        limits.turn().await.refused(&AnswersToLog::default(), None);
        let learned = OperatorFigures { requests_per_second: 5.0, is_learned: true, refused: 1 };
        assert_eq!(figures(&operators), learned);
        drop(limits);
        drop(operators.limits("other", Reach::Anywhere));
        assert!(!operators.figures().contains_key("one"));
        let saved = operators.learned();
        assert_eq!(saved["one"], LearnedRate { rate: 5.0, refused_at: 10.0 });
        let after = Operators::new(8, 10, saved.clone());
        assert_eq!(after.learned(), saved);
        let _limits = after.limits("one", Reach::PublicOnly);
        assert!(after.figures().is_empty(), "an untrusted list has no part in it");
        let _limits = after.limits("one", Reach::Anywhere);
        assert_eq!(figures(&after), OperatorFigures { refused: 0, ..learned });
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
        let operators = Operators::new(8, 10, BTreeMap::new());
        let one = operators.limits("one", Reach::Anywhere);
        assert!(Arc::ptr_eq(&one, &operators.limits("one", Reach::Anywhere)));
        assert!(
            !Arc::ptr_eq(&one, &operators.limits("one", Reach::PublicOnly)),
            "it only says that it is the same"
        );
        (0..1000).for_each(|n| drop(operators.limits(&n.to_string(), Reach::Anywhere)));
        assert!(operators.known.lock().limits.len() <= 2);
    }
}
