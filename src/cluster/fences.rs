//! What the next block of each log must follow. Pure.
//!
//! A watcher begins with a position of its log, and each of its blocks follows the one before. A block of an earlier watcher of
//! the same log may still be under way: that it was appended must not make it the one that the next block follows, because
//! the new watcher does not know its entries.

use crate::ct::source::LogIdentifier;
use bytes::Bytes;
use std::collections::HashMap;

/// The newest message of each log, as the log's watcher knows it.
#[derive(Debug, Default)]
pub(super) struct Fences {
    logs: HashMap<LogIdentifier, Newest>,
}

/// The newest message of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Newest {
    /// Its sequence; 0 if there is none.
    pub(super) sequence: u64,
    /// The position behind it, if this server has appended it.
    pub(super) position: Option<Bytes>,
    /// The number of the watcher.
    watcher: u64,
}

impl Fences {
    /// The newest message of `log`.
    pub(super) fn newest(&self, log: &LogIdentifier) -> Newest {
        self.logs.get(log).cloned().unwrap_or_default()
    }

    /// A watcher of `log` begins behind the message `sequence`.
    pub(super) fn begin(&mut self, log: LogIdentifier, sequence: u64) {
        let newest = self.logs.entry(log).or_default();
        *newest = Newest { sequence, position: None, watcher: newest.watcher + 1 };
    }

    /// A block that was to follow `before` was appended with this sequence, and has moved the log to `position`.
    pub(super) fn appended(
        &mut self,
        log: &LogIdentifier,
        before: &Newest,
        sequence: u64,
        position: Option<Bytes>,
    ) {
        if let Some(newest) = self.logs.get_mut(log).filter(|newest| newest.watcher == before.watcher) {
            (newest.sequence, newest.position) = (sequence, position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogIdentifier = LogIdentifier::LogId([7; 32]);

    #[test]
    fn each_block_of_a_watcher_follows_the_one_before() {
        let mut fences = Fences::default();
        assert_eq!(fences.newest(&LOG), Newest::default());
        fences.begin(LOG, 5);
        let before = fences.newest(&LOG);
        assert_eq!((before.sequence, &before.position), (5, &None));
        fences.appended(&LOG, &before, 8, Some("p".into()));
        assert_eq!((fences.newest(&LOG).sequence, fences.newest(&LOG).position), (8, Some("p".into())));
    }

    #[test]
    fn a_block_of_an_earlier_watcher_is_not_followed() {
        let mut fences = Fences::default();
        fences.begin(LOG, 5);
        let under_way = fences.newest(&LOG);
        fences.begin(LOG, 5);
        fences.appended(&LOG, &under_way, 6, Some("p".into()));
        assert_eq!((fences.newest(&LOG).sequence, fences.newest(&LOG).position), (5, None));
    }
}
