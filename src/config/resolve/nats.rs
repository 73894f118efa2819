//! Resolves servers of NATS: those of a cluster, and those of an output.

use super::checks::identity;
use super::{ConfigError, Sources};
use crate::config::nats::NatsConfig;
use crate::config::values::PlainSecret;
use std::path::PathBuf;

/// Maximum number of characters of a name.
const MAX_NAME: usize = 64;

/// The keys for servers, as written. An empty path is none.
pub(super) struct WrittenServers<'w> {
    pub(super) url: &'w [String],
    /// The key that `url` has.
    pub(super) url_key: &'w str,
    pub(super) user: Option<(String, PlainSecret)>,
    pub(super) credentials: &'w str,
    pub(super) tls_ca: &'w str,
    pub(super) tls_certificate: &'w str,
    pub(super) tls_key: &'w str,
}

/// Resolves servers. `key` is how errors name a key.
pub(super) fn servers(
    sources: &Sources,
    key: &dyn Fn(&str) -> String,
    written: &WrittenServers<'_>,
) -> Result<NatsConfig, ConfigError> {
    if written.url.is_empty() || !written.url.iter().all(|url| is_url(url)) {
        let problem = "expected at least one URL such as \"nats://127.0.0.1:4222\"";
        return Err(sources.error(&key(written.url_key), problem));
    }
    Ok(NatsConfig {
        url: written.url.to_vec(),
        user: written.user.clone(),
        credentials: path(written.credentials),
        tls_ca: path(written.tls_ca),
        tls_identity: identity(sources, key, written.tls_certificate, written.tls_key)?,
    })
}

fn path(path: &str) -> Option<PathBuf> {
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// What NATS allows in the name of a stream, without what would be special in a subject.
pub(super) fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn is_url(url: &str) -> bool {
    let host = ["nats://", "tls://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
}
