//! The identity of the log that data came from.

use std::fmt;
use std::sync::OnceLock;

/// The protocol of a log.
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
    /// The protocol's name in configuration files and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Rfc6962 => "rfc6962",
            Protocol::StaticCt => "static-ct",
        }
    }
}

/// The identity of a log, as shown in messages and statistics.
#[derive(Debug)]
pub struct Source {
    url: String,
    name: String,
    operator: String,
    log_id: Option<[u8; 32]>,
    protocol: Protocol,
    written: OnceLock<String>,
}

/// What the position, the evidence and the statistics of a log belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogIdentifier {
    /// SHA-256 of the log's public key.
    LogId([u8; 32]),
    /// The URL of a log whose key is not known, with its scheme.
    Url(String),
}

impl fmt::Display for LogIdentifier {
    /// The log id in base64, as log lists have it, or the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogIdentifier::LogId(id) => f.write_str(&base64_simd::STANDARD.encode_to_string(id)),
            LogIdentifier::Url(url) => f.write_str(url),
        }
    }
}

impl Source {
    /// `url` is the URL for fetching entries, with its scheme. `log_id` is the SHA-256 of the log's public
    /// key.
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

    /// The log's URL without its scheme.
    pub fn bare_url(&self) -> &str {
        bare_url(&self.url)
    }

    /// The log's description.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operator of the log. It may be empty.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// SHA-256 of the log's public key, if it is known.
    pub fn log_id(&self) -> Option<[u8; 32]> {
        self.log_id
    }

    /// What the log's position belongs to.
    pub fn identity(&self) -> LogIdentifier {
        self.log_id.map_or_else(|| LogIdentifier::Url(self.url.clone()), LogIdentifier::LogId)
    }

    /// The protocol of the log.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The log's text in messages. `write` builds it once, not for every message.
    pub(crate) fn written(&self, write: impl FnOnce(&Source) -> String) -> &str {
        self.written.get_or_init(|| write(self))
    }
}

/// A URL without its scheme and the slashes at its end, as messages and other servers' files have it.
pub fn bare_url(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_scheme, rest)| rest).trim_end_matches('/')
}
