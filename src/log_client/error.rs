//! Why a request to a log brought nothing.

use super::reach::NotPublic;
use crate::ct::checkpoint::CheckpointError;
use crate::ct::get_entries::NotAPage;
use crate::ct::hash_tile::WrongLength;
use crate::ct::names_tile::NamesTileError;
use crate::ct::proof_json::NotAProof;
use crate::ct::sth::SthError;
use crate::ct::tile::TileError;
use bytes::Bytes;
use std::time::Duration;

/// A failed request. All of them are worth another try later.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No complete answer in time.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// No connection, or no answer on it.
    #[error("{0}")]
    Send(String),
    /// An unsigned list names the log, and it is not on the public internet.
    #[error("{0}")]
    NotPublic(#[from] NotPublic),
    /// The answer's body broke off.
    #[error("answer broke off: {0}")]
    Body(String),
    /// The log answered with another status than 200.
    #[error("status {status}{}{}", retry_after_text(.retry_after), detail_text(.detail))]
    Status {
        /// The HTTP status.
        status: u16,
        /// How long the log asked us to wait.
        retry_after: Option<Duration>,
        /// The beginning of the body.
        detail: String,
    },
    /// More bytes than any honest answer has.
    #[error("answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit that was passed, in bytes.
        limit: usize,
    },
    /// The answers of all logs take much memory, and this log has more than its share.
    #[error("no memory left for more of this log's answers")]
    NoRoom,
    /// The tree head makes no sense.
    #[error(transparent)]
    Sth(#[from] SthError),
    /// The page makes no sense.
    #[error(transparent)]
    Page(#[from] NotAPage),
    /// The checkpoint makes no sense, or the log did not sign it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log's own tree head, but not with its signature, or with a signature of something else.
    #[error("the tree head is not signed by the log: {reason}")]
    NotSigned {
        /// What is wrong with the signature.
        reason: String,
        /// The head as it came.
        bytes: Bytes,
    },
    /// The proof makes no sense.
    #[error("no proof: {0}")]
    Proof(#[from] NotAProof),
    /// A tile of hashes has more or fewer of them than its name says.
    #[error(transparent)]
    HashTile(#[from] WrongLength),
    /// Tiles of hashes do not hold what they should.
    #[error("the tiles of hashes hold no proof")]
    HashTiles,
    /// The tile breaks off or makes no sense.
    #[error("no data tile: {0}")]
    Tile(#[from] TileError),
    /// The names tile has a line that makes no sense.
    #[error(transparent)]
    NamesTile(#[from] NamesTileError),
    /// The tile has more or fewer entries than its name says.
    #[error("{path} holds {found} entries, not {expected}")]
    TileWidth {
        /// The tile's path.
        path: String,
        /// Entries by its name.
        expected: u64,
        /// Entries in it.
        found: usize,
    },
    /// What the log serves as an issuer has another hash.
    #[error("issuer {fingerprint} is something else")]
    WrongIssuer {
        /// SHA-256 of the issuer, hexadecimal.
        fingerprint: String,
    },
    /// A page without entries for a range that the log has.
    #[error("page is empty")]
    EmptyPage,
}

fn retry_after_text(retry_after: &Option<Duration>) -> String {
    retry_after.map_or(String::new(), |d| format!(", retry after {} s", d.as_secs()))
}

fn detail_text(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail:?}") }
}

impl FetchError {
    /// A status that makes no sense here.
    pub(super) fn unexpected(status: u16) -> Self {
        FetchError::Status { status, retry_after: None, detail: String::new() }
    }

    /// Whether the log said for good that it has nothing of the kind, or something else in its place: no
    /// time-out, no broken connection, no error of the log's own.
    pub(super) fn is_final(&self) -> bool {
        match self {
            FetchError::Status { status, .. } => (300..500).contains(status) && ![408, 429].contains(status),
            FetchError::Tile(_) | FetchError::NamesTile(_) => true,
            FetchError::TileWidth { .. } | FetchError::TooLarge { .. } => true,
            _ => false,
        }
    }

    /// What everybody may know: the kind of the failure, and nothing that the log has said. What an answer holds can
    /// come from where only this server may look.
    pub fn public_text(&self) -> String {
        match self {
            FetchError::Status { status, .. } => format!("answered {status}"),
            other => other.kind().into(),
        }
    }

    /// The kind of the failure. Failures of one kind are summed up in the log file.
    pub fn kind(&self) -> &'static str {
        match self {
            FetchError::Timeout(_) => "no complete answer in time",
            FetchError::Send(_) => "no connection",
            FetchError::NotPublic(_) => "not on the public internet",
            FetchError::Body(_) => "the answer broke off",
            FetchError::Status { status: 429, .. } => "answered 429",
            FetchError::Status { status: 500.., .. } => "answered with a server error",
            FetchError::Status { .. } => "answered with an unexpected status",
            FetchError::TooLarge { .. } => "the answer is too large",
            FetchError::NoRoom => "no memory left for the answer",
            FetchError::NotSigned { .. } => "the tree head is not signed by the log",
            FetchError::Sth(_) | FetchError::Checkpoint(_) => "the answer is no tree head",
            FetchError::Page(_) => "the answer is no page of entries",
            FetchError::Tile(_) | FetchError::TileWidth { .. } => "the answer is no data tile",
            FetchError::NamesTile(_) => "the answer is no names tile",
            FetchError::Proof(_) | FetchError::HashTile(_) | FetchError::HashTiles => {
                "the answer is no proof"
            }
            FetchError::WrongIssuer { .. } => "the issuer is something else",
            FetchError::EmptyPage => "the page is empty",
        }
    }

    /// How long the log asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            FetchError::Status { retry_after, .. } => *retry_after,
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
        let page = crate::ct::get_entries::parse(br#"{"entries":[{"root:x:0:0":1}]}"#, 1).unwrap_err();
        for (error, public) in [
            (FetchError::Status { status: 500, retry_after: None, detail: secret() }, "answered 500"),
            (FetchError::Status { status: 302, retry_after: None, detail: secret() }, "answered 302"),
            (FetchError::Send(secret()), "no connection"),
            (FetchError::Page(page), "the answer is no page of entries"),
            (
                FetchError::NotSigned { reason: secret(), bytes: Bytes::new() },
                "the tree head is not signed by the log",
            ),
        ] {
            assert_eq!(error.public_text(), public);
        }
    }
}
