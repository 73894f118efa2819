//! Progress of catching up, for the log file. Pure: the time is an argument.

use std::fmt;
use std::time::{Duration, Instant};

/// Fewer entries are caught up too quickly to report progress.
const WORTH_TELLING: u64 = 10_000;
/// Delay before the first report, when the speed is known.
const FIRST: Duration = Duration::from_secs(5);
/// Interval between later reports.
const INTERVAL: Duration = Duration::from_secs(30);

/// Progress through one range of a log.
#[derive(Debug)]
pub(super) struct Progress {
    from: u64,
    end_exclusive: u64,
    begin: Instant,
    tell_at: Option<Instant>,
}

/// A progress report.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    done: u64,
    all: u64,
    per_second: f64,
    left: Duration,
}

impl Progress {
    /// Progress from index `from` to `end_exclusive`, starting at `begin`.
    pub(super) fn new(from: u64, end_exclusive: u64, begin: Instant) -> Self {
        let tell_at = (end_exclusive.saturating_sub(from) >= WORTH_TELLING).then(|| begin + FIRST);
        Progress { from, end_exclusive, begin, tell_at }
    }

    /// Extends the range to `end_exclusive`.
    pub(super) fn extend_to(&mut self, end_exclusive: u64) {
        self.end_exclusive = self.end_exclusive.max(end_exclusive);
    }

    /// The report at index `next`, if one is due.
    pub(super) fn at(&mut self, next: u64, now: Instant) -> Option<Told> {
        self.tell_at.filter(|at| now >= *at)?;
        self.tell_at = Some(now + INTERVAL);
        let (done, all) = (next.saturating_sub(self.from), self.end_exclusive - self.from);
        let per_second = done as f64 / now.saturating_duration_since(self.begin).as_secs_f64();
        let left = Duration::try_from_secs_f64((all - done.min(all)) as f64 / per_second);
        Some(Told { done, all, per_second, left: left.unwrap_or(Duration::MAX) })
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { done, all, per_second, left } = self;
        write!(f, "caught up with {done} of {all} entries at {per_second:.0}/s, ")?;
        match left.as_secs() {
            s @ 0..120 => write!(f, "about {s} s left"),
            s @ 120..7200 => write!(f, "about {} min left", s / 60),
            s @ 7200..8_640_000 => write!(f, "about {} h left", s / 3600),
            _ => f.write_str("no end in sight"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_way_is_told_of_now_and_then() {
        let begin = Instant::now();
        let at = |s| begin + Duration::from_secs(s);
        let mut progress = Progress::new(1000, 101_000, begin);
        assert_eq!(progress.at(2000, at(4)), None);
        let told = progress.at(11_000, at(10)).unwrap().to_string();
        assert_eq!(told, "caught up with 10000 of 100000 entries at 1000/s, about 90 s left");
        assert_eq!(progress.at(12_000, at(11)), None);
        let told = progress.at(12_000, at(110)).unwrap().to_string();
        assert_eq!(told, "caught up with 11000 of 100000 entries at 100/s, about 14 min left");
        let told = progress.at(1000, at(200)).unwrap().to_string();
        assert!(told.ends_with("/s, no end in sight"), "{told}");
    }

    #[test]
    fn a_short_way_is_not_worth_a_word() {
        let begin = Instant::now();
        assert_eq!(Progress::new(0, 9_999, begin).at(5000, begin + Duration::from_secs(60)), None);
    }
}
