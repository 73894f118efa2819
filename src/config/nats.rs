//! Servers of NATS, and how this server shows them who it is.

use super::values::PlainSecret;
use std::path::PathBuf;

/// Servers of NATS.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// Their URLs, at least one. They may contain a user and a password, or a token.
    pub url: Vec<String>,
    /// The name of the user and the password, if they are not in a URL.
    pub user: Option<(String, PlainSecret)>,
    /// The credentials file.
    pub credentials: Option<PathBuf>,
    /// The certificates that the servers' certificates are verified with. `None`: the system's.
    pub tls_ca: Option<PathBuf>,
    /// This server's certificate, and its private key.
    pub tls_identity: Option<(PathBuf, PathBuf)>,
}
