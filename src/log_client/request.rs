//! What is asked of a log.

use super::limits::OperatorLimits;
use super::memory::AnswerMemory;
use super::proxy::Proxies;
use super::reach::Reach;
use super::traffic::Traffic;
use crate::ct::tile_path::TILE_WIDTH;
use openssl::ssl::SslConnector;
use std::sync::Arc;
use std::time::Duration;

/// What every request to a log is made with.
#[derive(Clone)]
pub struct FetchSettings {
    /// Whom TLS trusts; see [`tls_connector`](super::tls_connector).
    pub tls: SslConnector,
    /// What is between us and the log.
    pub proxies: Proxies,
    /// Where the log may be.
    pub reach: Reach,
    /// Longest time from the request to the last byte of its answer.
    pub timeout: Duration,
    /// The User-Agent header.
    pub user_agent: String,
    /// What the log's operator gets from us.
    pub limits: Arc<OperatorLimits>,
    /// Where requests are counted.
    pub traffic: Arc<Traffic>,
    /// What the log has in memory.
    pub memory: Arc<AnswerMemory>,
    /// Whether names are enough: of static-ct logs that offer names tiles, these are read.
    pub names_tiles: bool,
}

/// Indexes `start..end_exclusive` to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first index.
    pub start: u64,
    /// One past the last index.
    pub end_exclusive: u64,
    /// These entries came back undecodable once: if they do again, that is how the log has them.
    pub confirming: bool,
}

impl Range {
    /// Number of indexes.
    pub fn count(&self) -> u64 {
        self.end_exclusive - self.start
    }

    /// Whether it is all that one full tile holds. Entries to be confirmed are asked for by themselves.
    pub(super) fn is_tile(&self) -> bool {
        self.start.is_multiple_of(TILE_WIDTH) && self.count() == TILE_WIDTH && !self.confirming
    }
}
