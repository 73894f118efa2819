//! The part of this server in a cluster: one of several that share a stream of NATS JetStream as their journal.

use super::nats::NatsConfig;
use super::values::{Size, Span};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a server does in a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WrittenRole {
    /// Everything, in one process, without a cluster.
    #[default]
    All,
    /// It watches logs, and appends their entries to the stream.
    Ingest,
    /// It serves clients from the stream.
    Edge,
}

/// `[cluster]`
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The part of this server.
    pub role: WrittenRole,
    /// The servers of the engine.
    pub url: Vec<String>,
    /// Path of a NATS credentials file.
    pub credentials: String,
    /// Path of a PEM file with the certificates that the engine's certificate is verified with.
    pub tls_ca: String,
    /// Path of a PEM file with this server's certificate for the engine.
    pub tls_certificate: String,
    /// Path of a PEM file with its private key.
    pub tls_key: String,
    /// Name of the stream.
    pub stream: String,
    /// Name of this server among the others. Empty: a name is made and kept.
    pub node: String,
    /// Number of copies that the engine keeps.
    pub replicas: usize,
    /// How long entries are kept.
    pub max_age: Span,
    /// Maximum size of what is kept, in bytes.
    pub max_bytes: Size,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            role: WrittenRole::All,
            url: vec!["nats://127.0.0.1:4222".into()],
            credentials: String::new(),
            tls_ca: String::new(),
            tls_certificate: String::new(),
            tls_key: String::new(),
            stream: "certstream".into(),
            node: String::new(),
            replicas: 1,
            max_age: Span::seconds(72 * 3600),
            max_bytes: Size(50 << 30),
        }
    }
}

/// What this server does in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It watches logs, and appends their entries to the stream.
    Ingest,
    /// It serves clients from the stream.
    Edge,
}

/// The cluster that this server is a part of.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// `None`: this server is no part of it; only commands connect to it.
    pub role: Option<Role>,
    /// The servers of the engine.
    pub engine: NatsConfig,
    /// Name of the stream: letters, digits, `-` and `_`.
    pub stream: String,
    /// Name of this server. `None`: one is made and kept.
    pub node: Option<String>,
    /// Number of copies that the engine keeps, 1 to 5.
    pub replicas: usize,
    /// How long entries are kept.
    pub max_age: Duration,
    /// Maximum size of what is kept, in bytes.
    pub max_bytes: u64,
}
