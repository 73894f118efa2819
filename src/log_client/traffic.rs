//! What became of the requests to one log.

use super::FetchError;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of a request, as far as HTTP goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A whole answer.
    Ok,
    /// What we have is still what there is (304).
    NotModified,
    /// The log asks for patience (429).
    TooManyRequests,
    /// Another status from 300 to 499.
    Refused,
    /// A status from 500 on.
    ServerError,
    /// No complete answer in time.
    Timeout,
    /// No connection, or no answer on it.
    NoConnection,
    /// The answer broke off, or was larger than any honest one.
    BrokenOff,
}

impl Outcome {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Outcome; 8] = [
        Outcome::Ok,
        Outcome::NotModified,
        Outcome::TooManyRequests,
        Outcome::Refused,
        Outcome::ServerError,
        Outcome::Timeout,
        Outcome::NoConnection,
        Outcome::BrokenOff,
    ];

    /// Its name among the metrics' labels.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::NotModified => "not_modified",
            Outcome::TooManyRequests => "too_many_requests",
            Outcome::Refused => "refused",
            Outcome::ServerError => "server_error",
            Outcome::Timeout => "timeout",
            Outcome::NoConnection => "no_connection",
            Outcome::BrokenOff => "broken_off",
        }
    }

    fn of(error: &FetchError) -> Self {
        match error {
            FetchError::Timeout(_) => Outcome::Timeout,
            FetchError::Send(_) | FetchError::NotPublic(_) => Outcome::NoConnection,
            FetchError::Status { status: 429, .. } => Outcome::TooManyRequests,
            FetchError::Status { status: 500.., .. } => Outcome::ServerError,
            FetchError::Status { .. } => Outcome::Refused,
            _ => Outcome::BrokenOff,
        }
    }
}

/// The counts of one log, since the program started.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: [AtomicU64; Outcome::ALL.len()],
    bytes: AtomicU64,
}

impl Traffic {
    /// A body came.
    pub(super) fn body(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.count(Outcome::Ok);
    }

    /// A request brought nothing.
    pub(super) fn failed(&self, error: &FetchError) {
        self.count(Outcome::of(error));
    }

    pub(super) fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.requests.get(outcome as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests had each outcome.
    pub fn requests(&self) -> [(Outcome, u64); Outcome::ALL.len()] {
        let read = |outcome: Outcome| self.requests.get(outcome as usize).map(|n| n.load(Ordering::Relaxed));
        Outcome::ALL.map(|outcome| (outcome, read(outcome).unwrap_or(0)))
    }

    /// Bytes of the bodies that came, decompressed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_outcome_has_a_count_of_its_own() {
        let traffic = Traffic::default();
        for status in [429, 404, 500, 503] {
            traffic.failed(&FetchError::unexpected(status));
        }
        traffic.failed(&FetchError::Timeout(Duration::ZERO));
        traffic.failed(&FetchError::TooLarge { limit: 1 });
        traffic.body(10);
        traffic.body(5);
        assert_eq!(traffic.bytes(), 15);
        assert_eq!(traffic.requests().map(|(_, count)| count), [2, 0, 1, 1, 2, 1, 0, 1]);
    }
}
