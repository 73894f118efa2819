//! Whether the blocks of each log follow one another, as the edge reads them. Each names the message that it follows. Pure.
//!
//! They always do, unless the engine has lost messages that it had acknowledged, and others have got their numbers.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;

/// Number of messages of each log that are remembered. If more than these were lost, clients are told of a gap that may not be
/// one.
const MAX_REMEMBERED: usize = 256;

/// The newest messages of each subject that were read, the newest last.
#[derive(Debug, Default)]
pub(super) struct Chains {
    subjects: HashMap<String, VecDeque<u64>>,
}

/// How a message follows those before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It follows the one that was read before it.
    Next,
    /// The engine has lost the messages of the log from this one on. Their entries come again.
    Again(u64),
    /// The same, and messages in this range were not read, because others had their numbers before.
    Unread(RangeInclusive<u64>),
}

impl Chains {
    /// Adds the message `sequence`, which follows `previous` by its own account; 0 if it follows none.
    pub(super) fn add(&mut self, subject: &str, sequence: u64, previous: u64) -> Link {
        if !self.subjects.contains_key(subject) {
            self.subjects.insert(subject.into(), VecDeque::new());
        }
        let Some(read) = self.subjects.get_mut(subject) else { return Link::Next };
        let link = match read.back() {
            // A subject that was empty begins with 0.
            Some(newest) if previous > 0 && *newest != previous => {
                let before = read.iter().rev().find(|read| **read <= previous).copied();
                let lost =
                    before.and_then(|before| read.iter().find(|read| **read > before)).or(read.front());
                match before {
                    Some(before) if before == previous => Link::Again(lost.copied().unwrap_or(sequence)),
                    _ => Link::Unread(before.map_or(previous, |before| before + 1)..=previous),
                }
            }
            _ => Link::Next,
        };
        if read.len() == MAX_REMEMBERED {
            read.pop_front();
        }
        read.push_back(sequence);
        link
    }

    /// Forgets all messages, because some were missed.
    pub(super) fn clear(&mut self) {
        self.subjects.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains(sequences: &[u64]) -> Chains {
        let (mut chains, mut previous) = (Chains::default(), 0);
        for sequence in sequences {
            assert_eq!(chains.add("a", *sequence, previous), Link::Next);
            previous = *sequence;
        }
        chains
    }

    #[test]
    fn each_log_has_a_chain_of_its_own() {
        let mut chains = chains(&[3, 5]);
        assert_eq!(chains.add("b", 6, 2), Link::Next, "the first one that is read");
        assert_eq!(chains.add("a", 7, 5), Link::Next);
        assert_eq!(chains.add("b", 8, 6), Link::Next);
        assert_eq!(chains.add("a", 9, 0), Link::Next, "the stream was made anew");
    }

    #[test]
    fn a_block_that_follows_an_earlier_one_repeats_those_between() {
        for (previous, lost) in [(5, 8), (3, 5)] {
            assert_eq!(chains(&[3, 5, 8]).add("a", 11, previous), Link::Again(lost));
        }
    }

    #[test]
    fn a_block_that_follows_one_with_the_number_of_a_lost_one_shows_that_it_was_not_read() {
        for (previous, unread) in [(9, 9..=9), (7, 6..=7), (2, 2..=2)] {
            assert_eq!(chains(&[3, 5, 8]).add("a", 11, previous), Link::Unread(unread), "{previous}");
        }
    }

    #[test]
    fn after_a_gap_and_behind_many_messages_the_chain_begins_anew() {
        let mut forgetful = chains(&[3, 5]);
        forgetful.clear();
        assert_eq!(forgetful.add("a", 11, 9), Link::Next);
        let sequences: Vec<u64> = (1..=MAX_REMEMBERED as u64 + 1).collect();
        assert_eq!(chains(&sequences).add("a", 1000, 2), Link::Again(3));
        assert_eq!(chains(&sequences).add("a", 1000, 1), Link::Unread(1..=1), "not remembered");
    }
}
