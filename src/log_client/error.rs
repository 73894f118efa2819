//! Why a request to a log failed.

use crate::ct::checkpoint::CheckpointError;
use crate::ct::consistency::ProofError;
use crate::ct::get_entries::NotAPage;
use crate::ct::hash_tile::WrongLength;
use crate::ct::names_tile::NamesTileError;
use crate::ct::proof_json::NotAProof;
use crate::ct::sth::SthError;
use crate::ct::tile::TileError;
use crate::http_client::HttpError;
use bytes::Bytes;
use std::time::Duration;

/// A failed request. All of these errors can be retried later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// There is no complete response.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The log responded with a status other than 200.
    #[error("status {status}{}{}", retry_after_text(.retry_after), detail_text(.detail))]
    Status {
        /// The HTTP status.
        status: u16,
        /// The delay from the log's Retry-After header.
        retry_after: Option<Duration>,
        /// The first part of the response body.
        detail: String,
    },
    /// An HTML page with status 200.
    #[error("the response is an HTML page, {}", titled(title))]
    Html {
        /// The title of the page; empty if it has none.
        title: String,
    },
    /// The tree head is invalid.
    #[error(transparent)]
    Sth(#[from] SthError),
    /// The page is invalid.
    #[error(transparent)]
    Page(#[from] NotAPage),
    /// The checkpoint is invalid, or the log did not sign it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log's own tree head, but its signature is missing or does not match.
    #[error("the tree head is not signed by the log: {reason}")]
    NotSigned {
        /// The error in the signature.
        reason: String,
        /// The head as the log served it.
        bytes: Bytes,
    },
    /// The proof is invalid.
    #[error("no proof: {0}")]
    Proof(#[from] NotAProof),
    /// The proof has another length than a proof between these trees, so it proves nothing.
    #[error("no proof: {0}")]
    ProofLength(ProofError),
    /// The number of hashes in a hash tile differs from the width in its name.
    #[error(transparent)]
    HashTile(#[from] WrongLength),
    /// Hash tiles do not contain the required hashes.
    #[error("the hash tiles do not contain a proof")]
    HashTiles,
    /// The tile is truncated or invalid.
    #[error("no data tile: {0}")]
    Tile(#[from] TileError),
    /// A line of the names tile is invalid.
    #[error(transparent)]
    NamesTile(#[from] NamesTileError),
    /// The number of entries in the tile differs from the width in its name.
    #[error("{path} has {found} entries, not {expected}")]
    TileWidth {
        /// The tile's path.
        path: String,
        /// Number of entries according to the name.
        expected: u64,
        /// Number of entries in the tile.
        found: usize,
    },
    /// The hash of an issuer that the log served is not its fingerprint.
    #[error("issuer {fingerprint}: the content does not match the fingerprint")]
    WrongIssuer {
        /// SHA-256 of the issuer, hexadecimal.
        fingerprint: String,
    },
    /// An issuer that an entry of a tile references cannot be fetched.
    #[error("issuer {url} cannot be fetched: {error}")]
    Issuer {
        /// The issuer's URL, which ends with its fingerprint.
        url: String,
        /// Why the last request for it failed.
        error: Box<FetchError>,
    },
    /// A page without entries for a range that the log has.
    #[error("the page is empty")]
    EmptyPage,
}

fn retry_after_text(retry_after: &Option<Duration>) -> String {
    retry_after.map_or(String::new(), |d| format!(", retry after {} s", d.as_secs()))
}

fn detail_text(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail:?}") }
}

fn titled(title: &str) -> String {
    if title.is_empty() { "without a title".into() } else { format!("with the title {title:?}") }
}

impl FetchError {
    /// The error for a status without any detail.
    pub(super) fn status(status: u16) -> Self {
        FetchError::Status { status, retry_after: None, detail: String::new() }
    }

    /// Whether the log definitively does not have the requested data, or returned something else instead.
    /// False for a timeout, a broken connection and a server error.
    pub(super) fn is_final(&self) -> bool {
        match self {
            FetchError::Status { status, .. } => (300..500).contains(status) && ![408, 429].contains(status),
            FetchError::Tile(_) | FetchError::NamesTile(_) => true,
            FetchError::TileWidth { .. } | FetchError::Http(HttpError::TooLarge { .. }) => true,
            _ => false,
        }
    }

    /// A text for the public: only the kind of the failure, without any text from the log. A response can
    /// come from an address that only this server can reach.
    pub(crate) fn public_text(&self) -> String {
        match self {
            FetchError::Status { status, .. } => format!("answered {status}"),
            other => other.kind().into(),
        }
    }

    /// The kind of the failure. Failures of one kind are summarized in the log file.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            FetchError::Http(error) => error.kind(),
            FetchError::Status { status: 429, .. } => "answered 429",
            FetchError::Status { status: 500.., .. } => "answered with a server error",
            FetchError::Status { .. } => "answered with an unexpected status",
            FetchError::Html { .. } => "the response is an HTML page",
            FetchError::NotSigned { .. } => "the tree head is not signed by the log",
            FetchError::Sth(_) | FetchError::Checkpoint(_) => "the response is not a tree head",
            FetchError::Page(_) => "the response is not a page of entries",
            FetchError::Tile(_) | FetchError::TileWidth { .. } => "the response is not a data tile",
            FetchError::NamesTile(_) => "the response is not a names tile",
            FetchError::Proof(_)
            | FetchError::ProofLength(_)
            | FetchError::HashTile(_)
            | FetchError::HashTiles => "the response is not a proof",
            FetchError::WrongIssuer { .. } => "the issuer does not match its fingerprint",
            FetchError::Issuer { .. } => "an issuer cannot be fetched",
            FetchError::EmptyPage => "the page is empty",
        }
    }

    /// Whether the failure may be due to the requested entries, so that a request for fewer of them may succeed.
    pub(crate) fn concerns_range(&self) -> bool {
        match self {
            FetchError::Http(error) => !matches!(
                error,
                HttpError::Send(_) | HttpError::Tls(_) | HttpError::NotPublic(_) | HttpError::NoRoom
            ),
            FetchError::Issuer { error, .. } => error.concerns_range(),
            _ => !self.is_overload(),
        }
    }

    /// Whether the log asks for fewer requests.
    pub(crate) fn is_overload(&self) -> bool {
        match self {
            FetchError::Issuer { error, .. } => error.is_overload(),
            FetchError::Status { status: 429 | 503, .. } => true,
            _ => self.retry_after().is_some(),
        }
    }

    /// The delay from the log's Retry-After header.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            FetchError::Status { retry_after, .. } => *retry_after,
            FetchError::Issuer { error, .. } => error.retry_after(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_may_know_holds_nothing_that_the_log_has_said() {
        let secret = || "root:x:0:0".to_string();
        let page =
            crate::ct::get_entries::parse(br#"{"entries":[{"root:x:0:0":1}]}"#, 1, |_| ()).unwrap_err();
        for (error, public) in [
            (FetchError::Status { status: 500, retry_after: None, detail: secret() }, "answered 500"),
            (FetchError::Status { status: 302, retry_after: None, detail: secret() }, "answered 302"),
            (HttpError::Send(secret()).into(), "no connection"),
            (FetchError::Page(page), "the response is not a page of entries"),
            (
                FetchError::NotSigned { reason: secret(), bytes: Bytes::new() },
                "the tree head is not signed by the log",
            ),
        ] {
            assert_eq!(error.public_text(), public);
        }
    }
}
