//! A histogram of message delays over the whole run. `freshness` keeps the newest delays exactly.

use std::time::Duration;

/// Upper bounds of the buckets, seconds.
pub(crate) const STEPS: [f64; 13] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// Numbers of entries by the time from the entry becoming visible to its message being in the clients' queues.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Latency {
    steps: [u64; STEPS.len()],
    longer: u64,
    /// Sum of all delays, seconds.
    sum: f64,
}

impl Latency {
    /// Adds `entries` entries with the same delay.
    pub(super) fn add(&mut self, delay: Duration, entries: u64) {
        let seconds = delay.as_secs_f64();
        let step = self.steps.iter_mut().zip(STEPS).find(|(_, end)| seconds <= *end);
        *step.map_or(&mut self.longer, |(count, _)| count) += entries;
        self.sum += seconds * entries as f64;
    }

    /// Sum of the delays of all entries, seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.sum
    }

    /// Number of entries.
    pub(crate) fn count(&self) -> u64 {
        self.steps.iter().sum::<u64>() + self.longer
    }

    /// Upper bound and number of entries of each bucket; the last bucket is unbounded.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (f64, u64)> {
        STEPS.into_iter().zip(self.steps).chain([(f64::MAX, self.longer)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted_in_the_step_that_they_fit_in() {
        let mut latency = Latency::default();
        for (ms, entries) in [(0, 1), (10, 2), (11, 4), (300_000, 8), (300_001, 16)] {
            latency.add(Duration::from_millis(ms), entries);
        }
        let steps: Vec<_> = latency.steps().filter(|(_, entries)| *entries > 0).collect();
        assert_eq!(steps, [(0.01, 3), (0.025, 4), (300.0, 8), (f64::MAX, 16)]);
        assert_eq!(latency.count(), 31);
        assert!((latency.sum() - (0.02 + 0.044 + 2400.0 + 4800.016)).abs() < 1e-9);
    }
}
