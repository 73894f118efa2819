//! The part of this server in a cluster: one of several that share a stream of NATS JetStream as their journal.

use super::error::ConfigError;
use super::read::Sources;
use super::values::{Size, Span};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Maximum number of replicas that JetStream allows.
const MAX_REPLICAS: usize = 5;
/// Maximum number of characters of the stream's and the node's name.
const MAX_NAME: usize = 64;
/// The smallest stream.
const LEAST_BYTES: usize = 64 << 20;

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
    /// The servers of the engine, at least one.
    pub url: Vec<String>,
    /// The NATS credentials file.
    pub credentials: Option<PathBuf>,
    /// The certificates that the engine's certificate is verified with. `None`: the system's.
    pub tls_ca: Option<PathBuf>,
    /// This server's certificate for the engine, and its private key.
    pub tls_identity: Option<(PathBuf, PathBuf)>,
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

pub(super) fn resolve(sources: &Sources) -> Result<ClusterConfig, ConfigError> {
    let written = &sources.written.cluster;
    let role = match written.role {
        WrittenRole::All => None,
        WrittenRole::Ingest => Some(Role::Ingest),
        WrittenRole::Edge => Some(Role::Edge),
    };
    let error = |key: &str, problem: &str| Err(sources.error(&format!("cluster.{key}"), problem));
    if role.is_some() && !cfg!(feature = "cluster") {
        return error(
            "role",
            "expected \"all\": this program was built without clusters; build it with --features cluster",
        );
    }
    if written.url.is_empty() || !written.url.iter().all(|url| is_url(url)) {
        return error("url", "expected at least one URL such as \"nats://127.0.0.1:4222\"");
    }
    if !is_name(&written.stream) {
        return error("stream", "expected 1 to 64 letters, digits, \"-\" and \"_\"");
    }
    if !written.node.is_empty() && !is_name(&written.node) {
        return error("node", "expected at most 64 letters, digits, \"-\" and \"_\"");
    }
    if !(1..=MAX_REPLICAS).contains(&written.replicas) {
        return error("replicas", "expected from 1 to 5");
    }
    if written.max_age.0.is_zero() {
        return error("max_age", "expected more than 0s");
    }
    if written.max_bytes.0 < LEAST_BYTES {
        return error("max_bytes", "expected at least 64 MiB");
    }
    let path = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
    let tls_identity = match (path(&written.tls_certificate), path(&written.tls_key)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (None, Some(_)) => {
            return error("tls_certificate", "expected a PEM file, because cluster.tls_key is set");
        }
        (Some(_), None) => {
            return error("tls_key", "expected a PEM file, because cluster.tls_certificate is set");
        }
    };
    Ok(ClusterConfig {
        role,
        url: written.url.clone(),
        credentials: path(&written.credentials),
        tls_ca: path(&written.tls_ca),
        tls_identity,
        stream: written.stream.clone(),
        node: (!written.node.is_empty()).then(|| written.node.clone()),
        replicas: written.replicas,
        max_age: written.max_age.0,
        max_bytes: written.max_bytes.0 as u64,
    })
}

/// What the engine allows in the name of a stream, without what would be special in a subject.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn is_url(url: &str) -> bool {
    let host = ["nats://", "tls://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
}
