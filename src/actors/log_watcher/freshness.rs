//! Freshness of messages: the time from an entry becoming visible in a tree head to its message being in the clients'
//! queues. Pure: the time is an argument.

use super::latency::Latency;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Largest number of heads whose entries have not all been sent. A log that is further behind is not fresh in any case.
const MAX_HEADS: usize = 4096;
/// Number of batches that the figures cover.
const MAX_BATCHES: usize = 1024;

/// The delays of one log's newest messages.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    /// The tree size of the first head, and when it was fetched. When it became visible is unknown.
    base: Option<(u64, Instant)>,
    /// Tree sizes in ascending order, each with the time since when it has been visible.
    heads: VecDeque<(u64, Instant)>,
    /// Delays, each with the number of entries that had it.
    delays: VecDeque<(Duration, u64)>,
    latency: Latency,
}

/// Delay statistics over at most the newest 1,024 batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub(crate) struct FreshnessFigures {
    /// Number of entries that the statistics cover.
    pub entries: u64,
    /// Median delay, milliseconds.
    pub median_ms: u64,
    /// 99th percentile of the delays, milliseconds.
    pub p99_ms: u64,
}

impl Freshness {
    /// Records a larger head, visible since about `visible`.
    pub(super) fn head(&mut self, tree_size: u64, visible: Instant) {
        if self.base.is_none() {
            self.base = Some((tree_size, visible));
        } else if self.heads.len() < MAX_HEADS {
            self.heads.push_back((tree_size, visible));
        }
    }

    /// Records that `count` entries, the last one before index `end_exclusive`, were sent at `now`.
    pub(super) fn sent(&mut self, end_exclusive: u64, count: u64, now: Instant) {
        if self.base.is_none_or(|(base, _)| end_exclusive <= base) {
            return;
        }
        // The delay of a batch is that of its first entries, counted from the oldest head that covers any of them.
        let start = end_exclusive.saturating_sub(count);
        while self.heads.front().is_some_and(|(size, _)| *size <= start) {
            self.heads.pop_front();
        }
        let Some((_, visible)) = self.heads.front() else { return };
        if self.delays.len() == MAX_BATCHES {
            self.delays.pop_front();
        }
        let delay = now.saturating_duration_since(*visible);
        self.delays.push_back((delay, count));
        self.latency.add(delay, count);
    }

    /// All delays so far, as a histogram.
    pub(super) fn latency(&self) -> Latency {
        self.latency
    }

    /// Since when the entry at `position` has been visible; `None` if no known head covers it.
    pub(super) fn visible_since(&self, position: u64) -> Option<Instant> {
        let mut heads = self.base.iter().chain(&self.heads);
        heads.find(|(size, _)| *size > position).map(|(_, visible)| *visible)
    }

    /// The current statistics.
    pub(super) fn figures(&self) -> FreshnessFigures {
        let mut sorted: Vec<_> = self.delays.iter().copied().collect();
        sorted.sort_unstable();
        let entries = sorted.iter().map(|(_, count)| count).sum();
        let at = |per_cent: u64| {
            let mut before = 0;
            let reached = |(_, count): &&(Duration, u64)| {
                before += count;
                before * 100 >= entries * per_cent
            };
            sorted.iter().find(reached).map_or(0, |(delay, _)| delay.as_millis() as u64)
        };
        FreshnessFigures { entries, median_ms: at(50), p99_ms: at(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_count_from_the_head_that_first_covered_an_entry() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut freshness = Freshness::default();
        freshness.head(1000, at(0));
        freshness.sent(1000, 500, at(50));
        assert_eq!(freshness.figures(), FreshnessFigures::default(), "of old entries nothing is known");
        freshness.head(1100, at(1000));
        freshness.head(1200, at(2000));
        freshness.sent(1100, 100, at(1040));
        freshness.sent(1200, 100, at(2090));
        assert_eq!(freshness.figures(), FreshnessFigures { entries: 200, median_ms: 40, p99_ms: 90 });
    }

    #[test]
    fn entries_that_waited_over_several_heads_are_as_old_as_their_own_head() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut freshness = Freshness::default();
        freshness.head(0, at(0));
        (1..=5).for_each(|n| freshness.head(n * 10, at(n * 1000)));
        freshness.sent(50, 50, at(5000));
        assert_eq!(freshness.figures().p99_ms, 4000);
    }

    #[test]
    fn an_entry_is_visible_since_the_head_that_first_covered_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut freshness = Freshness::default();
        assert_eq!(freshness.visible_since(0), None);
        freshness.head(10, at(0));
        freshness.head(20, at(1000));
        freshness.head(30, at(2000));
        let since = |position| freshness.visible_since(position);
        assert_eq!(
            [since(9), since(10), since(29), since(30)],
            [Some(at(0)), Some(at(1000)), Some(at(2000)), None]
        );
    }

    #[test]
    fn one_late_message_in_a_hundred_is_beyond_the_99th_percentile() {
        let mut freshness = Freshness::default();
        let start = Instant::now();
        freshness.head(0, start);
        freshness.head(1000, start);
        for n in 1..=1000 {
            let late = if n > 990 { 500 } else { 10 };
            freshness.sent(n, 1, start + Duration::from_millis(late));
        }
        assert_eq!(freshness.figures(), FreshnessFigures { entries: 1000, median_ms: 10, p99_ms: 10 });
    }
}
