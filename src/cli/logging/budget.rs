//! Limits the number of lines in the log file: one budget for each place in the code that writes lines, and
//! one for all places together. Pure: the time is an argument.
//!
//! This is the last line of defence. Repetitions that are expected are summarized where they occur. The
//! budgets handle unexpected ones, so that no log and no client can fill the disk.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Number of lines that one place in the code may write at once. A start writes a line for each log of a
/// list, about 70.
pub(crate) const PLACE_BURST: u32 = 100;
/// Average number of lines per second that one place may write.
pub(crate) const PLACE_PER_SECOND: u32 = 1;
/// Number of lines that all places together may write at once.
pub(crate) const ALL_BURST: u32 = 500;
/// Average number of lines per second that all places together may write.
pub(crate) const ALL_PER_SECOND: u32 = 5;
/// Interval between two lines that report how many lines of a place were left out.
pub(crate) const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum number of places with a budget of their own. The other places share one budget.
pub(crate) const MAX_PLACES: usize = 1_024;

/// A place in the code that writes lines: module and line.
pub(super) type Place = (&'static str, u32);
/// Represents all places beyond [`MAX_PLACES`], and those without a static name.
const OTHERS: Place = ("elsewhere", 0);

/// The number of lines of a place that were left out since the last report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) place: Place,
    pub(super) level: log::Level,
    pub(super) count: u64,
}

/// A token bucket that refills by `per_second` lines a second, up to `burst`.
#[derive(Debug)]
struct Bucket {
    lines: f64,
    at: Instant,
}

impl Bucket {
    fn full(burst: u32, now: Instant) -> Self {
        Bucket { lines: burst.into(), at: now }
    }

    fn fill(&mut self, burst: u32, per_second: u32, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(per_second);
        self.lines = (self.lines + gained).min(burst.into());
        self.at = self.at.max(now);
    }
}

#[derive(Debug)]
struct PlaceBudget {
    bucket: Bucket,
    level: log::Level,
    left_out: u64,
    /// Time of the last report, or of the first line that was left out.
    told: Instant,
}

/// The budgets of all places, and the budget for all of them together.
#[derive(Debug)]
pub(super) struct Budgets {
    places: HashMap<Place, PlaceBudget>,
    all: Bucket,
    /// Whether lines have been left out that are not reported yet.
    owing: bool,
}

impl Budgets {
    pub(super) fn new(now: Instant) -> Self {
        Budgets { places: HashMap::new(), all: Bucket::full(ALL_BURST, now), owing: false }
    }

    /// Whether `place` may write a line. `None` is a place without a static name. A line that may not be
    /// written is counted.
    pub(super) fn take(&mut self, place: Option<Place>, level: log::Level, now: Instant) -> bool {
        let known = place.filter(|place| self.places.len() < MAX_PLACES || self.places.contains_key(place));
        let budget = self.places.entry(known.unwrap_or(OTHERS)).or_insert_with(|| PlaceBudget {
            bucket: Bucket::full(PLACE_BURST, now),
            level,
            left_out: 0,
            told: now,
        });
        budget.bucket.fill(PLACE_BURST, PLACE_PER_SECOND, now);
        self.all.fill(ALL_BURST, ALL_PER_SECOND, now);
        budget.level = budget.level.min(level);
        if budget.bucket.lines >= 1.0 && self.all.lines >= 1.0 {
            budget.bucket.lines -= 1.0;
            self.all.lines -= 1.0;
            return true;
        }
        if budget.left_out == 0 {
            budget.told = budget.told.max(now);
        }
        budget.left_out += 1;
        self.owing = true;
        false
    }

    /// The reports that are due now. At the end of the program, all of them.
    pub(super) fn due(&mut self, now: Instant, at_end: bool) -> Vec<LeftOut> {
        if !self.owing {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (place, budget) in &mut self.places {
            let is_due = at_end || now.saturating_duration_since(budget.told) >= SUMMARY_INTERVAL;
            if budget.left_out > 0 && is_due {
                due.push(LeftOut { place: *place, level: budget.level, count: budget.left_out });
                (budget.left_out, budget.told) = (0, now);
            }
        }
        self.owing = self.places.values().any(|budget| budget.left_out > 0);
        due.sort_by_key(|left_out| left_out.place);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;
    use proptest::prelude::*;

    const HERE: Option<Place> = Some(("here", 1));

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_burst_is_written_and_then_one_line_a_second() {
        let begin = Instant::now();
        let mut budgets = Budgets::new(begin);
        let written = (0..10_000).filter(|_| budgets.take(HERE, Level::Warn, begin)).count();
        assert_eq!(written, PLACE_BURST as usize);
        let later = begin + seconds(10);
        let written = (0..10_000).filter(|_| budgets.take(HERE, Level::Warn, later)).count();
        assert_eq!(written, 10);
        assert!(budgets.take(Some(("there", 1)), Level::Warn, later), "others are not touched");
    }

    #[test]
    fn what_was_left_out_is_told_once_a_minute_and_at_the_end() {
        let begin = Instant::now();
        let mut budgets = Budgets::new(begin);
        (0..PLACE_BURST + 7).for_each(|_| _ = budgets.take(HERE, Level::Warn, begin));
        assert_eq!(budgets.due(begin + seconds(59), false), []);
        let told = [LeftOut { place: ("here", 1), level: Level::Warn, count: 7 }];
        assert_eq!(budgets.due(begin + SUMMARY_INTERVAL, false), told);
        assert_eq!(budgets.due(begin + 2 * SUMMARY_INTERVAL, false), []);
        let later = begin + SUMMARY_INTERVAL;
        (0..60 + 7).for_each(|_| _ = budgets.take(HERE, Level::Warn, later));
        assert_eq!(budgets.due(later, true), told);
    }

    #[test]
    fn all_places_together_are_bounded_and_so_is_their_number() {
        let begin = Instant::now();
        let mut budgets = Budgets::new(begin);
        let flood = |budgets: &mut Budgets, now| {
            let places = (0..5_000).map(|line| Some(("flood", line)));
            places.filter(|place| budgets.take(*place, Level::Error, now)).count()
        };
        assert_eq!(flood(&mut budgets, begin), ALL_BURST as usize);
        assert_eq!(flood(&mut budgets, begin + seconds(10)), 10 * ALL_PER_SECOND as usize);
        assert!(budgets.places.len() <= MAX_PLACES + 1);
        let left_out: u64 = budgets.due(begin, true).iter().map(|left_out| left_out.count).sum();
        assert_eq!(left_out, 10_000 - u64::from(ALL_BURST + 10 * ALL_PER_SECOND), "each is counted");
    }

    proptest! {
        /// For any sequence of lines, the rate is limited and each line is either written or counted.
        #[test]
        fn the_rate_holds_and_no_line_is_forgotten(steps in prop::collection::vec((0u32..5, 0u64..3_000), 1..600)) {
            let begin = Instant::now();
            let (mut budgets, mut now) = (Budgets::new(begin), begin);
            let (mut written, mut told) = (0u64, 0u64);
            for (line, pause_ms) in &steps {
                now += Duration::from_millis(*pause_ms);
                for _ in 0..40 {
                    written += u64::from(budgets.take(Some(("p", *line)), Level::Info, now));
                }
                told += budgets.due(now, false).iter().map(|l| l.count).sum::<u64>();
            }
            let elapsed = (now - begin).as_secs_f64();
            prop_assert!(written as f64 <= f64::from(ALL_BURST) + elapsed * f64::from(ALL_PER_SECOND) + 1.0);
            told += budgets.due(now, true).iter().map(|l| l.count).sum::<u64>();
            prop_assert_eq!(written + told, steps.len() as u64 * 40);
        }
    }
}
