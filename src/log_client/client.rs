//! One client for both protocols.

use super::answer::{FetchedEntry, ProofFailure, Proven};
use super::error::FetchError;
use super::request::Range;
use super::rfc6962::Rfc6962Client;
use super::static_ct::StaticCtClient;
use crate::ct::consistency::{self, ProofError};
use crate::ct::head::Head;
use crate::ct::merkle::{CompactTree, Hash};
use crate::ct::tile_path::TILE_WIDTH;
use crate::evidence::{Proof, base64s};

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
    pub async fn entries(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
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
                    Err(ProofFailure { reason, proof: Proof::Subtrees(base64s(&roots)) })
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

fn refuted(error: &ProofError, proof: &[Hash]) -> ProofFailure {
    ProofFailure { reason: error.to_string(), proof: Proof::Consistency(base64s(proof)) }
}
