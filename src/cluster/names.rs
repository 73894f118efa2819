//! The names that a cluster has in its engine, and the numbers of entries. Pure.

use crate::ct::source::LogIdentifier;
use hex_simd::AsciiCase;
use openssl::sha::sha256;

/// The numbers of one message: more than entries fit in it.
pub(super) const PER_MESSAGE: u64 = 1024;
/// Bytes of the hash that stands for the URL of a log whose key is not known.
const HASH_BYTES: usize = 16;

/// The names of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    stream: String,
}

impl Names {
    /// The names of the cluster whose stream is called `stream`.
    pub(super) fn new(stream: &str) -> Self {
        Names { stream: stream.into() }
    }

    /// The stream of blocks.
    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    /// The key-value bucket.
    pub(super) fn bucket(&self) -> &str {
        &self.stream
    }

    /// The subject of the blocks of a log.
    pub(super) fn subject(&self, log: &LogIdentifier) -> String {
        format!("{}.log.{}", self.stream, key_of(log))
    }

    /// The subject of messages without a block, which only use up numbers.
    pub(super) fn empty(&self) -> String {
        format!("{}.log.none", self.stream)
    }

    /// The subjects of all messages.
    pub(super) fn subjects(&self) -> String {
        format!("{}.log.*", self.stream)
    }

    /// The subject of notices about logs.
    pub(super) fn alerts(&self) -> String {
        format!("{}.alert", self.stream)
    }
}

/// The key in the bucket of a log's position.
pub(super) fn position_key(log: &LogIdentifier) -> String {
    format!("position.{}", key_of(log))
}

/// What stands for a log in subjects and keys: its id, or a hash of its URL.
fn key_of(log: &LogIdentifier) -> String {
    let hex = |bytes: &[u8]| hex_simd::encode_to_string(bytes, AsciiCase::Lower);
    match log {
        LogIdentifier::LogId(id) => hex(id),
        LogIdentifier::Url(url) => {
            let hash = sha256(url.as_bytes());
            format!("u-{}", hex(hash.get(..HASH_BYTES).unwrap_or(&hash)))
        }
    }
}

/// The number of the first entry in the message `sequence` of the stream. The messages follow each other without a gap, and
/// so do their numbers: those of a message that has fewer entries are left out.
pub(super) fn first_seq(sequence: u64) -> u64 {
    sequence.saturating_mul(PER_MESSAGE)
}

/// The message in which the entry `seq` is, or would be.
pub(super) fn sequence_of(seq: u64) -> u64 {
    seq / PER_MESSAGE
}

/// The sequence that a new stream begins with: above all numbers given so far, as long as fewer than 976 blocks a second
/// were appended, because it follows the clock; and above `known`, the newest sequence that is known of a stream before.
pub(super) fn first_sequence(now_us: u64, known: u64) -> u64 {
    (now_us / PER_MESSAGE).max(known) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_in_subjects_and_keys() {
        let names = Names::new("ct-1");
        let id = LogIdentifier::LogId([0xab; 32]);
        assert_eq!(names.subject(&id), format!("ct-1.log.{}", "ab".repeat(32)));
        let url = LogIdentifier::Url("https://log.example/2026 *>/".into());
        let key = position_key(&url);
        assert_eq!(key.len(), "position.u-".len() + 32);
        assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'), "{key}");
        assert_ne!(key, position_key(&LogIdentifier::Url("https://log.example/2027/".into())));
    }

    #[test]
    fn numbers_follow_the_clock_and_fit_in_53_bits() {
        let now_us = 1_795_460_507_875_404;
        let first = first_seq(first_sequence(now_us, 0));
        assert!(first > now_us && first - now_us <= 2 * PER_MESSAGE);
        assert_eq!(
            first_seq(first_sequence(now_us, now_us)),
            first_seq(now_us + 1),
            "the clock was set back"
        );
        assert_eq!((sequence_of(first), sequence_of(first + 1023), sequence_of(first + 1024) - 1), {
            let sequence = first / 1024;
            (sequence, sequence, sequence)
        });
        let in_the_year_2200_us = 7_258_118_400_000_000;
        assert!(first_seq(first_sequence(in_the_year_2200_us, 0)) < 1 << 53);
    }
}
