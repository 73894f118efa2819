//! Bytes of logs' answers that are in memory, and how they are shared when many logs give much at once.
//!
//! Each log has bounds of its own. With many logs these add up, so what all of them have is counted as well, from the first
//! byte of an answer until its entries are with the Broker. Below [`ROOM`] nobody notices. Above it a log whose share is used
//! up is asked for one page at a time. Above [`MOST`], which only answers that nobody honest gives lead to, answers of such
//! logs are given up, and asked for in smaller pieces. Above twice that no answer may have more than [`LEAST`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes up to which logs are asked for as much at once as is configured.
pub(crate) const ROOM: usize = 256 * 1024 * 1024;
/// Bytes up to which no answer is given up for the others' sake.
pub(crate) const MOST: usize = 1024 * 1024 * 1024;

/// Bytes that each log may have in any case.
pub(crate) const LEAST: usize = 256 * 1024;

/// What all logs have.
#[derive(Debug)]
struct All {
    bytes: AtomicUsize,
    /// Logs that have any.
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
    /// Whether a log with `own` bytes may have more where all may have `limit`. The limit is shared evenly.
    fn has_room(&self, own: usize, limit: usize) -> bool {
        let share = limit / self.logs.load(Ordering::Relaxed).max(1);
        self.bytes.load(Ordering::Relaxed) < limit || own <= share
    }
}

/// What one log has. The counts are not exact at every moment, which bounds need not be.
#[derive(Debug, Default)]
pub struct AnswerMemory {
    all: Arc<All>,
    bytes: AtomicUsize,
}

impl AnswerMemory {
    /// That of another log, which shares the limits with this one.
    pub fn of_another_log(&self) -> Self {
        AnswerMemory { all: self.all.clone(), bytes: AtomicUsize::new(0) }
    }

    /// What the log has, bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether more than one page should be asked for.
    pub(crate) fn has_room(&self) -> bool {
        self.all.has_room(self.bytes.load(Ordering::Relaxed), ROOM)
    }

    /// Whether answers may go on growing.
    pub(super) fn may_grow(&self) -> bool {
        let own = self.bytes.load(Ordering::Relaxed);
        let is_bounded = self.all.bytes.load(Ordering::Relaxed) < 2 * MOST || own <= LEAST;
        is_bounded && self.all.has_room(own, MOST)
    }

    /// Waits until no other log has a batch of more bytes than usual with the Broker: its messages may be large.
    pub(crate) async fn turn_for_large_batch(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.all.large_batch.clone().acquire_owned().await.ok()
    }

    /// A part of it that is empty as yet.
    pub(crate) fn part(self: &Arc<Self>) -> Part {
        Part { of: self.clone(), bytes: 0 }
    }

    fn change(&self, from: usize, to: usize) {
        // A difference that is negative wraps around, as the sums do.
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

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    of: Arc<AnswerMemory>,
    bytes: usize,
}

impl Part {
    /// There are `bytes` now.
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
        // Those that come first take what there is while they are few, and give nothing back.
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
