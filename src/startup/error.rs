//! Why the server did not start.

use super::journal::JournalError;
use crate::state::{OutputPositionError, PositionsError, StateLockError};
use crate::transport::TlsError;
use std::io;
use std::net::SocketAddr;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}; choose another with {key}")]
    Listen {
        /// The address from the configuration.
        address: SocketAddr,
        /// The key that the address comes from.
        key: &'static str,
        /// The operating system's error.
        error: io::Error,
    },
    /// Another server uses the state folder.
    #[error(transparent)]
    StateLock(#[from] StateLockError),
    /// The positions cannot be read.
    #[error(transparent)]
    Positions(#[from] PositionsError),
    /// The server cannot be a part of its cluster.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Cluster(#[from] crate::cluster::ClusterError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It is not known how far an output has come.
    #[error(transparent)]
    Output(#[from] OutputPositionError),
    /// An output cannot be set up.
    #[error("output {name}: {problem}")]
    Target {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] openssl::error::ErrorStack),
    /// The front page cannot be rendered.
    #[error("the front page cannot be rendered: {0}")]
    FrontPage(#[from] askama::Error),
    /// The server's own certificate cannot be used.
    #[error(transparent)]
    ServerTls(#[from] TlsError),
}
