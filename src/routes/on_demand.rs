//! Answers that are expensive to make, such as the statistics of ten thousand clients. Only one answer is made at a
//! time, and all requests that arrived before it was begun share it. The time spent on making answers is rate limited.
//! No request gets an answer that was begun before the request arrived.

use crate::rate::{Rate, TokenBucket};
use actix_web::http::StatusCode;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::sleep;

/// Rate limit of the time spent on answers of one kind, in microseconds: a twentieth of a core, after a burst.
pub(crate) const MAKING: Rate = Rate { per_second: 50_000, burst: 200_000 };

/// Longest delay of an answer.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An answer's status and body.
pub(super) type StatusAndBody = (StatusCode, Bytes);

/// Answers of one kind.
#[derive(Debug)]
pub(super) struct OnDemand<T = StatusAndBody> {
    /// Number of answers begun.
    begun: AtomicU64,
    /// Number of requests that wait.
    asking: AtomicUsize,
    last: Mutex<Last<T>>,
}

#[derive(Debug)]
struct Last<T> {
    /// The newest answer and its number, while other requests wait.
    answer: Option<(u64, T)>,
    time: TokenBucket,
    not_before: Instant,
}

impl<T> Default for OnDemand<T> {
    fn default() -> Self {
        let now = Instant::now();
        let last = Last { answer: None, time: TokenBucket::new(MAKING, now), not_before: now };
        OnDemand { begun: AtomicU64::new(0), asking: AtomicUsize::new(0), last: Mutex::new(last) }
    }
}

/// Counts a waiting request until it is dropped.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Asking(count)
    }

    fn is_alone(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 1
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<T: Clone> OnDemand<T> {
    /// Returns an answer that was begun after this call, made by `make` or by a concurrent request.
    ///
    /// # Errors
    /// If the answer cannot be made.
    pub(super) async fn get<E>(&self, make: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let asking = Asking::new(&self.asking);
        let begun_before = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        let answer = match last.answer.take() {
            Some((number, answer)) if number > begun_before => (number, answer),
            _ => {
                sleep(last.not_before.saturating_duration_since(Instant::now())).await;
                let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
                let (answer, took) = timed(make).await;
                let now = Instant::now();
                let pause = last.time.take(took.as_micros() as u64, now);
                last.not_before = now + pause.min(LONGEST_PAUSE);
                (number, answer?)
            }
        };
        // The answer is only kept while other requests wait.
        if !asking.is_alone() {
            last.answer = Some(answer.clone());
        }
        Ok(answer.1)
    }
}

/// The output of `future` and the time spent in polling it, without the time that it waited.
async fn timed<F: Future>(future: F) -> (F::Output, Duration) {
    let (mut future, mut took) = (pin!(future), Duration::ZERO);
    let output = poll_fn(|cx| {
        let begin = Instant::now();
        let polled = future.as_mut().poll(cx);
        took += begin.elapsed();
        polled
    });
    let output = output.await;
    (output, took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{FutureExt, join_all};
    use std::convert::Infallible;
    use tokio::time::timeout;

    async fn number(made: &AtomicUsize) -> Result<StatusAndBody, Infallible> {
        sleep(Duration::from_millis(20)).await;
        let number = made.fetch_add(1, Ordering::SeqCst);
        Ok((StatusCode::OK, Bytes::from(number.to_string())))
    }

    #[actix_web::test]
    async fn those_who_ask_at_once_share_an_answer_and_it_is_not_kept() {
        let (answers, made) = (OnDemand::default(), AtomicUsize::new(0));
        let all = join_all((0..100).map(|_| answers.get(number(&made)))).await;
        // The first answer was begun after all requests had arrived.
        assert!(all.iter().all(|answer| answer == &Ok((StatusCode::OK, Bytes::from_static(b"0")))));
        assert!(answers.last.lock().await.answer.is_none());
        assert_eq!(answers.get(number(&made)).await, Ok((StatusCode::OK, Bytes::from_static(b"1"))));
    }

    #[actix_web::test]
    async fn nobody_gets_an_answer_that_was_begun_before_the_question() {
        let (answers, made) = (OnDemand::default(), AtomicUsize::new(0));
        let mut first = Box::pin(answers.get(number(&made)));
        while answers.begun.load(Ordering::SeqCst) == 0 {
            assert!(first.as_mut().now_or_never().is_none(), "it is under way");
            tokio::task::yield_now().await;
        }
        let (first, second) = tokio::join!(first, answers.get(number(&made)));
        assert_eq!((first, second).0, Ok((StatusCode::OK, Bytes::from_static(b"0"))));
        assert_eq!(made.load(Ordering::SeqCst), 2, "the second was made after the first");
    }

    /// Uses 20 ms of a core.
    async fn costly(made: &AtomicUsize) -> Result<StatusAndBody, Infallible> {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(20) {}
        made.fetch_add(1, Ordering::SeqCst);
        Ok((StatusCode::OK, Bytes::new()))
    }

    #[actix_web::test]
    async fn what_making_takes_is_bounded_and_one_who_gives_up_blocks_nobody() {
        let (answers, made) = (OnDemand::default(), AtomicUsize::new(0));
        let asked = async {
            loop {
                let _ = answers.get(costly(&made)).await;
            }
        };
        assert!(timeout(Duration::from_secs(1), asked).await.is_err(), "it has no end");
        // 200 ms at once and a twentieth of the rest would allow 12; without the limit there were 50.
        let count = made.load(Ordering::SeqCst);
        assert!((1..=14).contains(&count), "{count}");
        assert_eq!(answers.asking.load(Ordering::SeqCst), 0);
        assert!(timeout(Duration::from_secs(30), answers.get(costly(&made))).await.is_ok());
    }

    /// A Broker that answers late must not delay the next answer for long.
    #[actix_web::test]
    async fn waiting_for_others_is_not_counted() {
        let (answers, made) = (OnDemand::default(), AtomicUsize::new(0));
        for _ in 0..30 {
            answers.get(number(&made)).await.expect("an answer");
        }
        assert!(answers.last.lock().await.not_before <= Instant::now());
    }
}
