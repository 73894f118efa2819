//! Counts the bytes of logs' responses in memory, and shares the limit among logs when many send much at
//! once.
//!
//! Each log has limits of its own. With many logs these add up, so the total is counted as well, from the
//! first byte of a response until the Broker has received its entries. Below [`ROOM`] there are no
//! restrictions. Above it, a log that has used its share is asked for one page at a time. Above [`MOST`],
//! which only malicious responses can reach, the responses of such logs are cancelled and requested again in
//! smaller parts. Above twice [`MOST`], no response may have more than [`LEAST`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Below this many bytes, requests are made in parallel as configured.
pub(crate) const ROOM: usize = 256 * 1024 * 1024;
/// Below this many bytes, no response is cancelled because of other logs.
pub(crate) const MOST: usize = 1024 * 1024 * 1024;

/// Number of bytes that each log may always use.
pub(crate) const LEAST: usize = 256 * 1024;

/// The usage of all logs.
#[derive(Debug)]
struct All {
    bytes: AtomicUsize,
    /// Number of logs that use any memory.
    logs: AtomicUsize,
    large_batch: Arc<Semaphore>,
}

impl Default for All {
    fn default() -> Self {
        All {
            bytes: AtomicUsize::new(0),
            logs: AtomicUsize::new(0),
            large_batch: Arc::new(Semaphore::new(1)),
        }
    }
}

impl All {
    /// Whether a log that uses `own` bytes may use more if all logs together may use `limit`. The limit is
    /// shared evenly.
    fn has_room(&self, own: usize, limit: usize) -> bool {
        let share = limit / self.logs.load(Ordering::Relaxed).max(1);
        self.bytes.load(Ordering::Relaxed) < limit || own <= share
    }
}

/// The usage of one log. The counts are approximate at any moment, which is sufficient for limits.
#[derive(Debug, Default)]
pub(crate) struct AnswerMemory {
    all: Arc<All>,
    bytes: AtomicUsize,
}

impl AnswerMemory {
    /// The usage of another log, which shares the limits with this one.
    pub(crate) fn of_another_log(&self) -> Self {
        AnswerMemory { all: self.all.clone(), bytes: AtomicUsize::new(0) }
    }

    /// Bytes that the log uses.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether to request more than one page.
    pub(crate) fn has_room(&self) -> bool {
        self.all.has_room(self.bytes.load(Ordering::Relaxed), ROOM)
    }

    /// Whether responses may continue to grow.
    pub(super) fn may_grow(&self) -> bool {
        let own = self.bytes.load(Ordering::Relaxed);
        let is_bounded = self.all.bytes.load(Ordering::Relaxed) < 2 * MOST || own <= LEAST;
        is_bounded && self.all.has_room(own, MOST)
    }

    /// Waits until the Broker processes no other large batch, because the messages of such a batch may be
    /// large.
    pub(crate) async fn turn_for_large_batch(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.all.large_batch.clone().acquire_owned().await.ok()
    }

    /// A new part of the usage, with no bytes.
    pub(crate) fn part(self: &Arc<Self>) -> Part {
        Part { of: self.clone(), bytes: 0 }
    }

    fn change(&self, from: usize, to: usize) {
        // A negative difference wraps around, and so do the sums.
        let more = to.wrapping_sub(from);
        self.all.bytes.fetch_add(more, Ordering::Relaxed);
        let before = self.bytes.fetch_add(more, Ordering::Relaxed);
        match (before, before.wrapping_add(more)) {
            (0, 1..) => drop(self.all.logs.fetch_add(1, Ordering::Relaxed)),
            (1.., 0) => drop(self.all.logs.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
    }
}

/// A number of bytes that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    of: Arc<AnswerMemory>,
    bytes: usize,
}

impl Part {
    /// Sets the part to `bytes`.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.of.change(self.bytes, bytes);
        self.bytes = bytes;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs<const N: usize>() -> [Arc<AnswerMemory>; N] {
        let first = AnswerMemory::default();
        std::array::from_fn(|_| Arc::new(first.of_another_log()))
    }

    #[test]
    fn one_log_may_have_all_there_is() {
        let [log, other] = logs();
        let mut part = log.part();
        part.set(ROOM);
        assert!(log.has_room(), "it is all of its share");
        part.set(ROOM + 1);
        assert!(!log.has_room() && log.may_grow());
        assert!(other.has_room(), "another has its share still");
        part.set(MOST + 1);
        assert!(!log.may_grow() && other.may_grow());
        drop(part);
        assert!(log.has_room());
    }

    #[test]
    fn many_logs_do_not_add_up_without_end() {
        let logs = logs::<20>();
        let mut parts: Vec<_> = logs.iter().map(|log| log.part()).collect();
        // The first logs use the available memory while they are few, and do not free any.
        for (k, part) in parts.iter_mut().enumerate() {
            let mut bytes = 0;
            while logs[k].may_grow() {
                bytes += LEAST;
                part.set(bytes);
            }
        }
        let all = logs[0].all.bytes.load(Ordering::Relaxed);
        assert!(all <= 2 * MOST + logs.len() * 2 * LEAST, "{all}");
    }

    #[test]
    fn what_there_is_is_shared_by_those_who_have_any() {
        let [a, b, c, idle] = logs();
        let mut parts = [a.part(), b.part(), c.part(), b.part()];
        for (part, bytes) in parts.iter_mut().zip([ROOM / 3 + 2, ROOM / 6, ROOM / 3 - 5, ROOM / 6]) {
            part.set(bytes);
        }
        assert!([&a, &b, &c, &idle].iter().all(|log| log.has_room()), "there is some left");
        parts[2].set(ROOM / 3);
        assert_eq!([&a, &b, &c, &idle].map(|log| log.has_room()), [false, true, true, true]);
        parts[3].set(0);
        assert!(a.has_room());
        parts[0].set(0);
        parts[1].set(0);
        parts[2].set(ROOM + 1);
        assert!(!c.has_room(), "the others have nothing now, and still it is more than its share");
        assert_eq!(c.all.logs.load(Ordering::Relaxed), 1);
        drop(parts);
        let all = &idle.all;
        assert_eq!((all.bytes.load(Ordering::Relaxed), all.logs.load(Ordering::Relaxed)), (0, 0));
    }
}
