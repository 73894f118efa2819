//! Which log something came from.

use std::sync::OnceLock;

/// The protocol that a log is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum Protocol {
    /// RFC 6962: get-sth and get-entries.
    #[serde(rename = "rfc6962")]
    Rfc6962,
    /// static-ct-api: checkpoints and tiles.
    #[serde(rename = "static-ct")]
    StaticCt,
}

impl Protocol {
    /// The name in configuration files and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Rfc6962 => "rfc6962",
            Protocol::StaticCt => "static-ct",
        }
    }
}

/// A log as others name it.
#[derive(Debug)]
pub struct Source {
    url: String,
    name: String,
    operator: String,
    log_id: Option<[u8; 32]>,
    protocol: Protocol,
    written: OnceLock<String>,
}

impl Source {
    /// `url` is where entries are fetched, with its scheme; `log_id` the SHA-256 of the log's public key.
    pub fn new(url: &str, name: &str, operator: &str, log_id: Option<[u8; 32]>, protocol: Protocol) -> Self {
        Source {
            url: url.trim_end_matches('/').into(),
            name: name.into(),
            operator: operator.into(),
            log_id,
            protocol,
            written: OnceLock::new(),
        }
    }

    /// The log's URL with its scheme and without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same without the scheme.
    pub fn bare_url(&self) -> &str {
        bare_url(&self.url)
    }

    /// The log's description.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operator of the log; may be empty.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// SHA-256 of the log's public key, if that is known.
    pub fn log_id(&self) -> Option<[u8; 32]> {
        self.log_id
    }

    /// The protocol that the log is read with.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What messages say of the log: `write` makes it once, not per message.
    pub(crate) fn written(&self, write: impl FnOnce(&Source) -> String) -> &str {
        self.written.get_or_init(|| write(self))
    }
}

/// A URL without its scheme and the slashes at its end, as messages and other servers' files have it.
pub fn bare_url(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_scheme, rest)| rest).trim_end_matches('/')
}
