//! Fetching from logs: one question, one answer or one error. When to ask, and what to do with an error, is
//! decided by whoever asks.
//!
//! Both protocols stand behind [`LogClient`]: the newest head, and the entries of a range. What is between us and
//! the logs, proxies, is settled here too.

mod error;
mod http;
mod issuers;
mod limits;
mod proxy;
mod rfc6962;
mod single_entry;
mod static_ct;
mod tiles;

pub use error::FetchError;
pub use http::tls_connector;
pub use issuers::Issuers;
pub use limits::OperatorLimits;
pub use proxy::{BadProxy, Proxies};
pub use rfc6962::Rfc6962Client;
pub use single_entry::single_entry;
pub use static_ct::{StaticCtClient, StaticCtLog};

use crate::ct::entry::Content;
use crate::ct::tile_path::TILE_WIDTH;
use openssl::ssl::SslConnector;
use std::sync::Arc;
use std::time::Duration;

/// What every request to a log is made with.
#[derive(Clone)]
pub struct FetchSettings {
    /// Whom TLS trusts; see [`tls_connector`].
    pub tls: SslConnector,
    /// What is between us and the log.
    pub proxies: Proxies,
    /// Longest time from the request to the last byte of its answer.
    pub timeout: Duration,
    /// The User-Agent header.
    pub user_agent: String,
    /// What the log's operator gets from us.
    pub limits: Arc<OperatorLimits>,
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
    fn is_tile(&self) -> bool {
        self.start.is_multiple_of(TILE_WIDTH) && self.count() == TILE_WIDTH && !self.confirming
    }
}

/// The newest tree head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of entries.
    pub tree_size: u64,
    /// When it was signed, unix milliseconds.
    pub timestamp_ms: u64,
}

/// An entry in which no certificate could be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// Why.
    pub reason: String,
    /// As get-entries gave it: base64, or what stood in its place.
    pub leaf_input: String,
    /// Likewise.
    pub extra_data: String,
}

/// One entry of an answer.
pub type Fetched = Result<Content, Undecodable>;

/// The client of one log.
pub enum LogClient {
    /// RFC 6962.
    Rfc6962(Box<Rfc6962Client>),
    /// static-ct-api.
    StaticCt(Box<StaticCtClient>),
}

impl LogClient {
    /// The newest head; `None` when it is still the one of the last time.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn head(&self) -> Result<Option<Head>, FetchError> {
        match self {
            LogClient::Rfc6962(client) => client.head().await.map(Some),
            LogClient::StaticCt(client) => client.head().await,
        }
    }

    /// The entries from `range.start` on, at least one and at most up to its end; a log may return fewer than
    /// asked for.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn entries(&self, range: Range) -> Result<Vec<Fetched>, FetchError> {
        match self {
            LogClient::Rfc6962(client) => client.entries(range).await,
            LogClient::StaticCt(client) => client.entries(range).await,
        }
    }

    /// Ranges should not cross multiples of this number.
    pub fn alignment(&self) -> u64 {
        match self {
            LogClient::Rfc6962(client) if !client.may_offer_tiles() => 1,
            LogClient::Rfc6962(_) | LogClient::StaticCt(_) => TILE_WIDTH,
        }
    }

    /// Whether entries are best left alone for a while until they fill a tile.
    pub fn prefers_full_tiles(&self) -> bool {
        match self {
            LogClient::Rfc6962(client) => client.offers_tiles(),
            LogClient::StaticCt(_) => true,
        }
    }
}
