//! The validators of a response, for conditional requests (RFC 9110 section 8.8).

use awc::http::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use serde::{Deserialize, Serialize};

/// Maximum length of a validator that is stored, in bytes. Normal ones have about 30.
pub(crate) const MAX_VALIDATOR_BYTES: usize = 1024;

/// The validators of the local copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Validators {
    /// The validators in a response.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            (value.len() <= MAX_VALIDATOR_BYTES).then(|| value.to_string())
        };
        Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }

    /// Only the ETag. Last-Modified has a resolution of one second, and a tree head can change twice in one.
    pub(crate) fn exact(self) -> Self {
        Validators { last_modified: None, ..self }
    }

    /// The request headers for these validators. A server that supports both evaluates only If-None-Match.
    pub(super) fn conditions(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value.as_deref()?).ok()?)))
    }

    /// Whether a request with these validators is not conditional.
    pub(crate) fn is_empty(&self) -> bool {
        self.conditions().next().is_none()
    }
}
