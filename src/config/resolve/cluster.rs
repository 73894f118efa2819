//! Resolves the part of this server in a cluster.

use super::nats::{self, WrittenServers, is_name};
use super::{ConfigError, Sources};
use crate::config::cluster::{ClusterConfig, Role, WrittenRole};

/// Maximum number of replicas that JetStream allows.
const MAX_REPLICAS: usize = 5;
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
    let engine = nats::servers(
        sources,
        &|key| format!("cluster.{key}"),
        &WrittenServers {
            url: &written.url,
            url_key: "url",
            user: None,
            credentials: &written.credentials,
            tls_ca: &written.tls_ca,
            tls_certificate: &written.tls_certificate,
            tls_key: &written.tls_key,
        },
    )?;
    Ok(ClusterConfig {
        role,
        engine,
        stream: written.stream.clone(),
        node: (!written.node.is_empty()).then(|| written.node.clone()),
        replicas: written.replicas,
        max_age: written.max_age.0,
        max_bytes: written.max_bytes.0 as u64,
    })
}
