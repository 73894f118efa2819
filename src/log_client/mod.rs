//! Fetching from logs: one request, one answer or one error. When to ask, and what to do with an error, is
//! decided by whoever asks.

mod error;
mod rfc6962;

pub use error::FetchError;
pub use rfc6962::{Rfc6962Client, tls_connector};

use openssl::ssl::SslConnector;
use std::time::Duration;

/// What every request to a log is made with.
#[derive(Clone)]
pub struct FetchSettings {
    /// Whom TLS trusts; see [`tls_connector`].
    pub tls: SslConnector,
    /// Longest time from the request to the last byte of its answer.
    pub timeout: Duration,
    /// The User-Agent header.
    pub user_agent: String,
}
