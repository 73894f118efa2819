//! Learns how many entries to request from a log at once. Pure.
//!
//! A log that returns fewer entries than requested either has a limit or ends its pages at multiples of some number.
//! Only the same number twice in a row counts as a limit. Requesting that number keeps ranges in flight from being
//! split.
//!
//! A log that refuses large pages shows that with two different ranges of one size, or when it serves smaller ones. A
//! single range that is refused may contain an entry that the log cannot serve.

/// Number of full pages after which a larger page is requested again.
pub(super) const PROBE_AFTER: u32 = 64;

/// The page size of one log.
#[derive(Debug)]
pub(super) struct PageSize {
    most: u64,
    ask: u64,
    last_short: Option<u64>,
    /// The largest page that has come; 0 if none has.
    works: u64,
    /// Whether the log has shown a limit. Before that, small pages only show that it has few new entries.
    is_limited: bool,
    /// The start and the size of the last range that was refused, unless a page of that size has come since.
    refused: Option<(u64, u64)>,
    /// Full pages that remain before a larger page is requested.
    hold: u32,
}

impl PageSize {
    /// Starts with `most` entries per request (at least 1) and never exceeds it.
    pub(super) fn new(most: u64) -> Self {
        let most = most.max(1);
        PageSize { most, ask: most, last_short: None, works: 0, is_limited: false, refused: None, hold: 0 }
    }

    /// Number of entries to request now.
    pub(super) fn ask(&self) -> u64 {
        self.ask
    }

    /// Records a page of `got` entries for a request of `asked` entries.
    pub(super) fn learn(&mut self, asked: u64, got: u64) {
        self.refused = self.refused.filter(|(_, size)| got < *size);
        if got >= asked {
            self.works = self.works.max(got);
            if asked >= self.ask {
                self.full_page();
            }
        } else if self.last_short == Some(got) {
            self.ask = got.max(1);
            self.hold = PROBE_AFTER;
        } else {
            self.last_short = Some(got);
        }
    }

    /// Records that a page exceeded the size limit of answers.
    pub(super) fn too_large(&mut self) {
        self.ask = (self.ask / 2).max(1);
        self.hold = PROBE_AFTER;
    }

    /// Records that a range of `size` entries failed. Returns whether that is explained by its size: the log has a limit,
    /// smaller pages have come, and none of this size.
    pub(super) fn is_beyond(&mut self, size: u64) -> bool {
        let is_beyond = self.is_limited && self.works > 0 && size > self.works;
        if is_beyond {
            self.ask = self.ask.min(self.works);
            self.hold = PROBE_AFTER;
        }
        is_beyond
    }

    /// Records that the range of `size` entries from `start` on was refused, more than once.
    pub(super) fn refused(&mut self, start: u64, size: u64) {
        if self.refused.is_some_and(|(other, least)| other != start && size <= least) {
            self.ask = (size / 2).clamp(1, self.ask);
            self.works = self.works.min(self.ask);
            self.is_limited = true;
            self.hold = PROBE_AFTER;
        }
        self.refused = Some((start, size));
    }

    fn full_page(&mut self) {
        self.last_short = None;
        if self.hold > 0 {
            self.hold -= 1;
        } else {
            self.ask = self.ask.saturating_mul(2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `n` requests to a log with the given limit. Returns the page sizes learned.
    fn run(size: &mut PageSize, limit: u64, n: u32) -> Vec<u64> {
        (0..n)
            .map(|_| {
                let asked = size.ask();
                size.learn(asked, asked.min(limit));
                size.ask()
            })
            .collect()
    }

    #[test]
    fn a_limit_is_learned_from_two_short_pages() {
        assert_eq!(run(&mut PageSize::new(1000), 256, 4), [1000, 256, 256, 256]);
    }

    #[test]
    fn one_page_that_ends_at_a_round_index_is_no_limit() {
        let mut size = PageSize::new(1000);
        size.learn(1000, 24);
        size.learn(976, 976);
        size.learn(1000, 1000);
        assert_eq!(size.ask(), 1000);
    }

    #[test]
    fn a_limit_that_was_lifted_is_noticed() {
        let mut size = PageSize::new(1000);
        run(&mut size, 7, 2);
        assert_eq!(size.ask(), 7);
        let later = run(&mut size, 1000, PROBE_AFTER + 10);
        assert_eq!(later.last(), Some(&1000));
    }

    #[test]
    fn two_different_ranges_that_are_refused_are_a_limit_and_one_is_none() {
        let mut size = PageSize::new(1000);
        size.refused(0, 1000);
        size.refused(0, 500);
        size.refused(0, 250);
        assert_eq!(size.ask(), 1000, "it may be one entry");
        size.learn(125, 125);
        size.refused(250, 250);
        assert_eq!(size.ask(), 125, "another one is refused as well");
        size.learn(125, 125);
        size.learn(125, 125);
        assert_eq!(size.ask(), 125);
        let later = run(&mut size, 1000, PROBE_AFTER + 10);
        assert_eq!(later.last(), Some(&1000), "larger ones are tried again");

        let mut size = PageSize::new(1000);
        size.refused(0, 1000);
        size.learn(1000, 1000);
        size.refused(5000, 1000);
        assert_eq!(size.ask(), 1000, "pages of this size are served");
    }

    #[test]
    fn a_page_larger_than_all_before_shows_the_limit_when_it_fails() {
        let mut size = PageSize::new(1000);
        assert!(!size.is_beyond(1000), "nothing is known");
        size.learn(1, 1);
        assert!(!size.is_beyond(1000), "it may have had one new entry");
        size.refused(0, 1000);
        size.refused(1000, 1000);
        size.learn(32, 32);
        assert!(!size.is_beyond(32));
        assert_eq!(size.ask(), 500);
        assert!(size.is_beyond(64));
        assert_eq!(size.ask(), 32);
    }

    #[test]
    fn pages_that_are_too_large_are_halved_down_to_single_entries() {
        let mut size = PageSize::new(1000);
        (0..20).for_each(|_| size.too_large());
        assert_eq!(size.ask(), 1);
    }
}
