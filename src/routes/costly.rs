//! Work that one request can make expensive, such as compiling the regular expressions of a filter. It is done for one
//! request after the other, and its time is rate limited, so that it takes little from the clients of the same thread.

use crate::rate::{Rate, TokenBucket};
use actix_web::error::BlockingError;
use actix_web::web;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::time::sleep;

/// Rate limit of the time spent, in microseconds: a fifth of a core, after a burst. 10,000 clients with 14 domains each
/// connect within two seconds.
pub(crate) const WORK: Rate = Rate { per_second: 200_000, burst: 500_000 };

/// Longest delay before the work for one request.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Work for one request after the other.
#[derive(Debug)]
pub(super) struct Costly(Mutex<TokenBucket>);

impl Default for Costly {
    fn default() -> Self {
        Costly(Mutex::new(TokenBucket::new(WORK, Instant::now())))
    }
}

impl Costly {
    /// Does `work` when those who came before have been served and the time that they took has passed often enough.
    pub(super) async fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        self.run_in_turn(async { work() }).await
    }

    /// The same for work that may take long or waits for the disk, on another thread.
    ///
    /// # Errors
    /// If `work` panics.
    pub(super) async fn run_aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        self.run_in_turn(web::block(work)).await
    }

    async fn run_in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        let mut time = self.0.lock().await;
        let pause = time.take(0, Instant::now()).min(LONGEST_PAUSE);
        // The shortest sleep takes a millisecond.
        if !pause.is_zero() {
            sleep(pause).await;
        }
        let begin = Instant::now();
        let done = work.await;
        let now = Instant::now();
        time.take((now - begin).as_micros() as u64, now);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use std::cell::Cell;

    /// Uses a core for so many milliseconds.
    fn work(ms: u64) {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(ms) {}
    }

    #[actix_web::test]
    async fn the_time_of_all_together_is_bounded_and_nobody_waits_for_ever() {
        let (costly, done, begin) = (Costly::default(), Cell::new(0), Instant::now());
        let all = (0..60).map(|_| async {
            costly.run(|| work(20)).await;
            done.set(done.get() + 1);
            begin.elapsed()
        });
        let ended = join_all(all).await;
        assert_eq!(done.get(), 60);
        // 500 ms at once, and then a fifth of the time. A slow machine takes longer for each.
        assert!(ended[59] >= Duration::from_secs(3), "{:?}", ended[59]);
        assert!(ended.is_sorted(), "first come, first served");
    }

    #[actix_web::test]
    async fn what_costs_little_does_not_wait() {
        let costly = Costly::default();
        let is_done_at_once = || costly.run(|| ()).now_or_never().is_some();
        assert!((0..50).all(|_| is_done_at_once()));
        costly.run(|| work(1000)).await;
        assert!(!is_done_at_once(), "others have taken their time");
    }
}
