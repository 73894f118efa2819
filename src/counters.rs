//! Event counters of clients since the program started, exported by `/metrics`.

use crate::access::Refusal;
use crate::message::Stream;
use enum_map::EnumMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why the server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, enum_map::Enum)]
pub enum Ending {
    /// It accepted no bytes for too long.
    Stalled,
    /// It sent nothing for too long.
    Silent,
    /// Its next message was no longer in memory.
    TooFarBehind,
    /// Clients that take old messages kept too many of them in memory, and it was the slowest.
    Shed,
    /// New access rules do not admit it.
    NotAllowed,
    /// It exceeded the rate limit of control frames.
    Flooding,
    /// All connections together exceeded their budget, and it accepted the fewest bytes.
    OverBudget,
    /// It sent an invalid handshake or request, or none in time.
    BadRequest,
}

impl Ending {
    /// The value of the metrics' label.
    pub fn name(self) -> &'static str {
        match self {
            Ending::Stalled => "stalled",
            Ending::Silent => "silent",
            Ending::TooFarBehind => "too_far_behind",
            Ending::Shed => "shed",
            Ending::NotAllowed => "not_allowed",
            Ending::Flooding => "flooding",
            Ending::OverBudget => "over_budget",
            Ending::BadRequest => "bad_request",
        }
    }
}

/// All counters.
#[derive(Debug, Default)]
pub struct Counters {
    streams: EnumMap<Stream, StreamCounters>,
    ended: EnumMap<Ending, AtomicU64>,
    refused: EnumMap<Refusal, AtomicU64>,
}

/// Counters of one stream, over all of its clients.
#[derive(Debug, Default)]
pub struct StreamCounters {
    messages: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

impl StreamCounters {
    /// Counts messages and bytes passed to a connection.
    pub fn sent(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts messages that a client did not receive.
    pub fn dropped(&self, messages: u64) {
        self.dropped.fetch_add(messages, Ordering::Relaxed);
    }

    /// Messages sent, bytes sent and messages dropped.
    pub fn read(&self) -> (u64, u64, u64) {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (read(&self.messages), read(&self.bytes), read(&self.dropped))
    }
}

impl Counters {
    /// The counters of `stream`.
    pub fn of(&self, stream: Stream) -> &StreamCounters {
        &self.streams[stream]
    }

    /// Counts a client that the server ended.
    pub fn ended(&self, why: Ending) {
        self.ended[why].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a refused connection or request.
    pub fn refused(&self, why: Refusal) {
        self.refused[why].fetch_add(1, Ordering::Relaxed);
    }

    /// Number of ended clients, by reason.
    pub fn endings(&self) -> impl Iterator<Item = (Ending, u64)> {
        self.ended.iter().map(|(why, count)| (why, count.load(Ordering::Relaxed)))
    }

    /// Number of refusals, by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        self.refused.iter().map(|(why, count)| (why, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_count_of_its_own() {
        let counters = Counters::default();
        for (i, (why, _)) in counters.endings().enumerate() {
            (0..=i).for_each(|_| counters.ended(why));
        }
        for (i, (why, _)) in counters.refusals().enumerate() {
            (0..=i).for_each(|_| counters.refused(why));
        }
        assert!(counters.endings().enumerate().all(|(i, (_, count))| count == i as u64 + 1));
        assert!(counters.refusals().enumerate().all(|(i, (_, count))| count == i as u64 + 1));
    }
}
