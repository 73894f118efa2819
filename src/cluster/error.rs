//! Why this server cannot be a part of a cluster, or why the engine does not do what was asked.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why this server cannot be a part of the cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The engine cannot be reached.
    #[error(
        "the engine of the cluster cannot be reached at {urls}: {why}; is it running, is cluster.url right, and with TLS, \
         are cluster.tls_ca and cluster.tls_certificate?"
    )]
    Unreachable {
        /// Where it was tried, without credentials.
        urls: String,
        /// The last error.
        why: String,
    },
    /// The engine refuses the credentials.
    #[error(
        "the engine of the cluster at {0} refuses the credentials; check the user and password or the token in \
         cluster.url, or cluster.credentials"
    )]
    Credentials(String),
    /// A file for the connection cannot be used.
    #[error("cluster.{0}")]
    File(String),
    /// The stream has other settings.
    #[error("{0}")]
    Settings(String),
    /// The stream or the bucket cannot be opened or made now.
    #[error("{0}")]
    Stream(String),
    /// A file of the state folder cannot be used.
    #[error("{}: {error}", path.display())]
    State {
        /// Its path.
        path: PathBuf,
        /// The operating system's error.
        error: io::Error,
    },
    /// A thread cannot be started.
    #[error("a thread for the cluster cannot be started: {0}")]
    Thread(io::Error),
    /// The engine does not answer as expected.
    #[error("the engine of the cluster: {0}")]
    Engine(String),
}

impl ClusterError {
    /// For `map_err`.
    pub(super) fn engine(error: impl fmt::Display) -> Self {
        ClusterError::Engine(error.to_string())
    }
}
