//! How many entries the journal got in each of the last seconds; pure.

use std::collections::VecDeque;
use std::ops::Range;

/// Number of seconds that are counted: five minutes, and the current second, which is not over yet.
pub(crate) const SECONDS: u64 = 5 * 60 + 1;
/// Microseconds in a second.
const SECOND_US: u64 = 1_000_000;

/// The entries of each second.
#[derive(Debug)]
pub(crate) struct EntriesPerSecond {
    /// The counts of the last [`SECONDS`] up to `newest`.
    counts: VecDeque<u64>,
    /// The unix time of the last count.
    newest: u64,
}

impl EntriesPerSecond {
    /// Nothing before the moment `now_us`, in unix microseconds.
    pub(crate) fn new(now_us: u64) -> Self {
        EntriesPerSecond { counts: (0..SECONDS).map(|_| 0).collect(), newest: now_us / SECOND_US }
    }

    /// Counts `count` entries at `time_us`.
    pub(crate) fn add(&mut self, time_us: u64, count: u64) {
        let second = time_us / SECOND_US;
        if second + SECONDS <= self.newest {
            // The clock was set back. What was counted is of a time that has not come yet.
            *self = Self::new(time_us);
        }
        for _ in 0..second.saturating_sub(self.newest).min(SECONDS) {
            self.counts.pop_front();
            self.counts.push_back(0);
        }
        self.newest = self.newest.max(second);
        if let Some(counted) = self.place(second).and_then(|place| self.counts.get_mut(place)) {
            *counted += count;
        }
    }

    /// The counts of all seconds of five minutes before the one of `now_us`, from the oldest on, and the unix time of
    /// the second behind them.
    pub(crate) fn before(&self, now_us: u64) -> (u64, Vec<u64>) {
        let now = now_us / SECOND_US;
        let Range { start, end } = (now + 1).saturating_sub(SECONDS)..now;
        let count = |second| self.place(second).and_then(|place| self.counts.get(place)).copied();
        (now, (start..end).map(|second| count(second).unwrap_or(0)).collect())
    }

    fn place(&self, second: u64) -> Option<usize> {
        let ago = self.newest.checked_sub(second)?;
        usize::try_from(SECONDS.checked_sub(ago + 1)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_460_507;

    fn counted(entries: &EntriesPerSecond, now: u64) -> Vec<(u64, u64)> {
        let (end, counts) = entries.before(now * SECOND_US);
        assert_eq!((end, counts.len()), (now, 300));
        let seconds = (end - 300..).zip(counts);
        seconds.filter(|(_, count)| *count > 0).collect()
    }

    #[test]
    fn seconds_are_counted_until_they_are_five_minutes_old() {
        let mut entries = EntriesPerSecond::new(NOW * SECOND_US);
        for (second, count) in [(NOW, 3), (NOW, 4), (NOW + 2, 5), (NOW + 1, 1)] {
            entries.add(second * SECOND_US + 7, count);
        }
        assert_eq!(counted(&entries, NOW), [], "the second is not over");
        assert_eq!(counted(&entries, NOW + 1), [(NOW, 7)]);
        assert_eq!(counted(&entries, NOW + 3), [(NOW, 7), (NOW + 1, 1), (NOW + 2, 5)]);
        assert_eq!(counted(&entries, NOW + 300), [(NOW, 7), (NOW + 1, 1), (NOW + 2, 5)]);
        assert_eq!(counted(&entries, NOW + 301), [(NOW + 1, 1), (NOW + 2, 5)], "although nothing came");
        entries.add((NOW + 302) * SECOND_US, 2);
        assert_eq!(counted(&entries, NOW + 302), [(NOW + 2, 5)]);
        entries.add((NOW + 9000) * SECOND_US, 1);
        assert_eq!(counted(&entries, NOW + 9001), [(NOW + 9000, 1)]);
    }

    #[test]
    fn after_the_clock_was_set_back_the_counts_begin_again() {
        let mut entries = EntriesPerSecond::new(NOW * SECOND_US);
        entries.add((NOW + 5000) * SECOND_US, 1);
        entries.add(NOW * SECOND_US, 2);
        assert_eq!(counted(&entries, NOW + 1), [(NOW, 2)]);
    }
}
