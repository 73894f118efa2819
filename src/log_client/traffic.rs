//! Statistics of the requests to one log.

use super::FetchError;
use crate::http_client::HttpError;
use enum_map::EnumMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The outcome of a request at the HTTP level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, enum_map::Enum)]
pub(crate) enum Outcome {
    /// A complete response.
    Ok,
    /// The local copy is still current (304).
    NotModified,
    /// The log limits the rate of requests (429).
    TooManyRequests,
    /// Any other status from 300 to 499.
    Refused,
    /// A status of 500 or above.
    ServerError,
    /// The response was not complete within the timeout.
    Timeout,
    /// The connection failed, or no response arrived on it.
    NoConnection,
    /// The response ended early, or was larger than any valid response.
    BrokenOff,
}

impl Outcome {
    /// The outcome's name in the labels of metrics.
    pub(crate) fn name(self) -> &'static str {
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
            FetchError::Http(HttpError::Timeout(_)) => Outcome::Timeout,
            FetchError::Http(HttpError::Send(_) | HttpError::Tls(_) | HttpError::NotPublic(_)) => {
                Outcome::NoConnection
            }
            FetchError::Status { status: 429, .. } => Outcome::TooManyRequests,
            FetchError::Status { status: 500.., .. } => Outcome::ServerError,
            FetchError::Status { .. } => Outcome::Refused,
            _ => Outcome::BrokenOff,
        }
    }
}

/// The counters of one log since the program started.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    requests: EnumMap<Outcome, AtomicU64>,
    bytes: AtomicU64,
}

impl Traffic {
    /// Counts a request that returned a body.
    pub(super) fn body(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.count(Outcome::Ok);
    }

    /// Counts a failed request.
    pub(super) fn failed(&self, error: &FetchError) {
        self.count(Outcome::of(error));
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.requests[outcome].fetch_add(1, Ordering::Relaxed);
    }

    /// Number of requests by outcome.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (Outcome, u64)> {
        self.requests.iter().map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    /// Number of body bytes that were received, after decompression.
    pub(crate) fn bytes(&self) -> u64 {
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
            traffic.failed(&FetchError::status(status));
        }
        traffic.failed(&HttpError::Timeout(Duration::ZERO).into());
        traffic.failed(&HttpError::TooLarge { limit: 1 }.into());
        traffic.body(10);
        traffic.body(5);
        assert_eq!(traffic.bytes(), 15);
        assert_eq!(traffic.requests().map(|(_, count)| count).collect::<Vec<_>>(), [2, 0, 1, 1, 2, 1, 0, 1]);
    }
}
