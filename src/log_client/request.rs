//! The parameters of requests to a log.

use super::limits::OperatorLimits;
use super::memory::AnswerMemory;
use super::traffic::Traffic;
use crate::ct::tile_path::TILE_WIDTH;
use crate::http_client::HttpSettings;
use std::sync::Arc;
use std::time::Duration;

/// The settings of all requests to a log.
#[derive(Clone)]
pub(crate) struct FetchSettings {
    /// The settings of each request.
    pub http: HttpSettings,
    /// The request limits of the log's operator.
    pub limits: Arc<OperatorLimits>,
    /// The statistics of requests.
    pub traffic: Arc<Traffic>,
    /// The memory that the log's responses use.
    pub memory: Arc<AnswerMemory>,
    /// How long an entry waits for an issuer of its chain that the log does not serve.
    pub issuer_wait: Duration,
    /// Whether a client receives chains at the moment. If not, entries wait for their issuers less.
    pub sends_chains: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Whether names are sufficient. If so, names tiles are read from static-ct logs that offer them.
    pub names_tiles: bool,
}

/// The indexes `start..end_exclusive` to request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first index.
    pub start: u64,
    /// One past the last index.
    pub end_exclusive: u64,
    /// Whether entries of this range were undecodable before. If they are undecodable again, the log contains
    /// them that way.
    pub confirming: bool,
}

impl Range {
    /// Number of indexes.
    pub(crate) fn count(&self) -> u64 {
        self.end_exclusive - self.start
    }

    /// Whether the range is exactly one full tile. Ranges that confirm entries never count as a tile.
    pub(super) fn is_tile(&self) -> bool {
        self.start.is_multiple_of(TILE_WIDTH) && self.count() == TILE_WIDTH && !self.confirming
    }
}
