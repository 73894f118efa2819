//! Resolves the part of this server in a cluster.

use super::{ConfigError, Sources};
use crate::config::cluster::{ClusterConfig, Role, WrittenRole};
use std::path::PathBuf;

/// Maximum number of replicas that JetStream allows.
const MAX_REPLICAS: usize = 5;
/// Maximum number of characters of the stream's and the node's name.
const MAX_NAME: usize = 64;
/// The smallest stream.
const LEAST_BYTES: usize = 64 << 20;

pub(super) fn cluster(sources: &Sources) -> Result<ClusterConfig, ConfigError> {
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
