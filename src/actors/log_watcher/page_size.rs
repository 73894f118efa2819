//! Learns how many entries to request from a log at once. Pure.
//!
//! A log that returns fewer entries than requested either has a limit or ends its pages at multiples of some number.
//! Only the same number twice in a row counts as a limit. Requesting that number keeps ranges in flight from being
//! split.

/// Number of full pages after which a larger page is requested again.
const PROBE_AFTER: u32 = 64;

/// The page size of one log.
#[derive(Debug)]
pub(super) struct PageSize {
    most: u64,
    ask: u64,
    last_short: Option<u64>,
    /// Full pages that remain before a larger page is requested.
    hold: u32,
}

impl PageSize {
    /// Starts with `most` entries per request (at least 1) and never exceeds it.
    pub(super) fn new(most: u64) -> Self {
        let most = most.max(1);
        PageSize { most, ask: most, last_short: None, hold: 0 }
    }

    /// Number of entries to request now.
    pub(super) fn ask(&self) -> u64 {
        self.ask
    }

    /// Records a page of `got` entries for a request of `asked` entries.
    pub(super) fn learn(&mut self, asked: u64, got: u64) {
        if got >= asked {
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
    fn pages_that_are_too_large_are_halved_down_to_single_entries() {
        let mut size = PageSize::new(1000);
        (0..20).for_each(|_| size.too_large());
        assert_eq!(size.ask(), 1);
    }
}
