//! Fetching from logs: one question, one answer or one error. When to ask, and what to do with an error, is
//! decided by whoever asks.
//!
//! Both protocols stand behind [`LogClient`]: the newest head, the entries of a range, and proofs that a tree is the
//! beginning of the one under a head. What is between us and the logs, proxies, is settled here too.

mod error;
mod hash_tiles;
pub(crate) mod http;
pub(crate) mod issuers;
mod limits;
pub(crate) mod memory;
mod proxy;
mod reach;
pub(crate) mod rfc6962;
mod single_entry;
pub(crate) mod static_ct;
pub(crate) mod tiles;
mod traffic;

pub use error::FetchError;
pub use http::tls_connector;
pub use issuers::Issuers;
pub use limits::OperatorLimits;
pub use memory::AnswerMemory;
pub use proxy::{BadProxy, Proxies};
pub use reach::{NotPublic, Reach, is_internal_url};
pub use rfc6962::Rfc6962Client;
pub use single_entry::single_entry;
pub use static_ct::{StaticCtClient, StaticCtLog};
pub use traffic::{Outcome, Traffic};

use crate::ct::consistency::{self, ProofError};
use crate::ct::entry::Content;
use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::ct::tile_path::TILE_WIDTH;
use crate::evidence::{Proof, base64s};
use bytes::Bytes;
use openssl::ssl::SslConnector;
use std::sync::Arc;
use std::time::Duration;

/// What every request to a log is made with.
#[derive(Clone)]
pub struct FetchSettings {
    /// Whom TLS trusts; see [`tls_connector`].
    pub tls: SslConnector,
    /// What is between us and the log.
    pub proxies: Proxies,
    /// Where the log may be.
    pub reach: Reach,
    /// Longest time from the request to the last byte of its answer.
    pub timeout: Duration,
    /// The User-Agent header.
    pub user_agent: String,
    /// What the log's operator gets from us.
    pub limits: Arc<OperatorLimits>,
    /// Where requests are counted.
    pub traffic: Arc<Traffic>,
    /// What the log has in memory.
    pub memory: Arc<AnswerMemory>,
    /// Whether names are enough: of static-ct logs that offer names tiles, these are read.
    pub names_tiles: bool,
}

/// Indexes `start..end_exclusive` to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first index.
    pub start: u64,
    /// One past the last index.
    pub end_exclusive: u64,
    /// These entries came back undecodable once: if they do again, that is how the log has them.
    pub confirming: bool,
}

impl Range {
    /// Number of indexes.
    pub fn count(&self) -> u64 {
        self.end_exclusive - self.start
    }

    /// Whether it is all that one full tile holds. Entries to be confirmed are asked for by themselves.
    fn is_tile(&self) -> bool {
        self.start.is_multiple_of(TILE_WIDTH) && self.count() == TILE_WIDTH && !self.confirming
    }
}

/// What a log serves does not fit the head that it has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refutation {
    /// What does not fit.
    pub reason: String,
    /// What it served to prove that it does.
    pub proof: Proof,
}

/// Whether something is so, as soon as the log has been asked.
pub type Proven<T> = Result<Result<T, Refutation>, FetchError>;

/// An entry in which no certificate could be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// Why.
    pub reason: String,
    /// As get-entries gave it: base64, or what stood in its place.
    pub leaf_input: String,
    /// Likewise.
    pub extra_data: String,
}

/// One entry of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its place in the tree, RFC 6962 section 2.1. Unknown where only names were read, or where there are no bytes
    /// that could be hashed.
    pub leaf_hash: Option<Hash>,
    /// What stands there.
    pub content: Result<Content, Undecodable>,
    /// Its MerkleTreeLeaf, RFC 6962 section 3.4, where that shows a misbehaviour of the log.
    pub evidence: Option<Bytes>,
}

/// The client of one log.
pub enum LogClient {
    /// RFC 6962.
    Rfc6962(Box<Rfc6962Client>),
    /// static-ct-api.
    StaticCt(Box<StaticCtClient>),
}

impl LogClient {
    /// The newest head; `None` when it is still the one of the last time.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn head(&self) -> Result<Option<Head>, FetchError> {
        match self {
            LogClient::Rfc6962(client) => client.head().await.map(Some),
            LogClient::StaticCt(client) => client.head().await,
        }
    }

    /// The entries from `range.start` on, at least one and at most up to its end; a log may return fewer than
    /// asked for.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn entries(&self, range: Range) -> Result<Vec<Fetched>, FetchError> {
        match self {
            LogClient::Rfc6962(client) => client.entries(range).await,
            LogClient::StaticCt(client) => client.entries(range).await,
        }
    }

    /// Whether `tree` is the beginning of the one under `head`, which must not be smaller.
    ///
    /// RFC 6962 logs are asked for a consistency proof. Of static-ct logs the hashes of what is still to come are
    /// enough: they are mostly one partial tile, where a proof would take some of each level.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn prove(&self, tree: &CompactTree, head: &Head) -> Proven<()> {
        let (size, root) = (tree.size(), tree.root());
        match self {
            LogClient::StaticCt(client) if size < head.tree_size => {
                let roots = client.between(size, head.tree_size).await?;
                let leads = extended(tree.clone(), head.tree_size, &roots) == Some(head.root_hash);
                Ok(if leads {
                    Ok(())
                } else {
                    let reason = format!("entries and tiles do not lead to the root of {}", head.tree_size);
                    Err(Refutation { reason, proof: Proof::Subtrees(base64s(&roots)) })
                })
            }
            _ => {
                let proof = self.consistency(size, head.tree_size).await?;
                let verified = consistency::verify(size, &root, head.tree_size, &head.root_hash, &proof);
                Ok(verified.map_err(|error| refuted(&error, &proof)))
            }
        }
    }

    /// The verified tree of the first `size` entries, 0 < `size` < that of `head`. Its root must be `root` where that
    /// is given; where it is not, `size` must be no power of two.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn tree_at(&self, size: u64, root: Option<&Hash>, head: &Head) -> Proven<CompactTree> {
        let proof = self.consistency(size, head.tree_size).await?;
        let tree = consistency::frontier(size, head.tree_size, &head.root_hash, &proof, root);
        Ok(tree.map_err(|error| refuted(&error, &proof)))
    }

    /// A consistency proof; from a tree to itself, or from the empty one, it is empty.
    async fn consistency(&self, first: u64, second: u64) -> Result<Vec<Hash>, FetchError> {
        match self {
            _ if first == 0 || first == second => Ok(Vec::new()),
            LogClient::Rfc6962(client) => client.consistency(first, second).await,
            LogClient::StaticCt(client) => client.consistency(first, second).await,
        }
    }

    /// Forgets what need not be fetched again, since something in it was wrong.
    pub fn forget(&self) {
        if let LogClient::StaticCt(client) = self {
            client.forget();
        }
    }

    /// Ranges should not cross multiples of this number.
    pub fn alignment(&self) -> u64 {
        match self {
            LogClient::Rfc6962(client) if !client.may_offer_tiles() => 1,
            LogClient::Rfc6962(_) | LogClient::StaticCt(_) => TILE_WIDTH,
        }
    }

    /// Whether entries are best left alone for a while until they fill a tile.
    pub fn prefers_full_tiles(&self) -> bool {
        match self {
            LogClient::Rfc6962(client) => client.offers_tiles(),
            LogClient::StaticCt(_) => true,
        }
    }
}

/// The root of `tree` after the subtrees that lie between it and one of `size` entries.
fn extended(mut tree: CompactTree, size: u64, roots: &[Hash]) -> Option<Hash> {
    for (node, root) in consistency::complete_subtrees(tree.size()..size).zip(roots) {
        tree.push_subtree(node.height, *root)?;
    }
    (tree.size() == size).then(|| tree.root())
}

fn refuted(error: &ProofError, proof: &[Hash]) -> Refutation {
    Refutation { reason: error.to_string(), proof: Proof::Consistency(base64s(proof)) }
}
