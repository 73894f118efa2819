//! A client for both protocols.

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
pub(crate) enum LogClient {
    /// RFC 6962.
    Rfc6962(Box<Rfc6962Client>),
    /// static-ct-api.
    StaticCt(Box<StaticCtClient>),
}

impl LogClient {
    /// The newest head. `None` if it has not changed since the last request.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn head(&self) -> Result<Option<Head>, FetchError> {
        match self {
            LogClient::Rfc6962(client) => client.head().await.map(Some),
            LogClient::StaticCt(client) => client.head().await,
        }
    }

    /// Fetches entries from `range.start` on: at least one, and none beyond the end of the range. A log may
    /// return fewer than requested.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn entries(&self, range: Range) -> Result<Vec<FetchedEntry>, FetchError> {
        match self {
            LogClient::Rfc6962(client) => client.entries(range).await,
            LogClient::StaticCt(client) => client.entries(range).await,
        }
    }

    /// Verifies that `tree` is a prefix of the tree of `head`, which must not be smaller.
    ///
    /// From an RFC 6962 log this requests a consistency proof. For a static-ct log, the hashes of the entries
    /// still to come are sufficient: they are mostly in one partial tile, whereas a proof would need tiles of
    /// each level.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn prove(&self, tree: &CompactTree, head: &Head) -> Proven<()> {
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
            _ => self.prove_prefix(size, &root, head).await,
        }
    }

    /// Verifies that the tree of `old` is a prefix of the tree of `new`, which must not be smaller.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn prove_head(&self, old: &Head, new: &Head) -> Proven<()> {
        self.prove_prefix(old.tree_size, &old.root_hash, new).await
    }

    async fn prove_prefix(&self, size: u64, root: &Hash, head: &Head) -> Proven<()> {
        let proof = self.consistency(size, head.tree_size).await?;
        judged(consistency::verify(size, root, head.tree_size, &head.root_hash, &proof), &proof)
    }

    /// The verified tree of the first `size` entries, where 0 < `size` < the size of `head`. With `root`, the
    /// tree's root must be equal to it. Without `root`, `size` must not be a power of two.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub(crate) async fn tree_at(&self, size: u64, root: Option<&Hash>, head: &Head) -> Proven<CompactTree> {
        let proof = self.consistency(size, head.tree_size).await?;
        judged(consistency::frontier(size, head.tree_size, &head.root_hash, &proof, root), &proof)
    }

    /// Fetches a consistency proof. The proof is empty from a tree to itself and from the empty tree.
    async fn consistency(&self, first: u64, second: u64) -> Result<Vec<Hash>, FetchError> {
        match self {
            _ if first == 0 || first == second => Ok(Vec::new()),
            LogClient::Rfc6962(client) => client.consistency(first, second).await,
            LogClient::StaticCt(client) => client.consistency(first, second).await,
        }
    }

    /// Discards cached data, because something in it was wrong.
    pub(crate) fn forget(&self) {
        if let LogClient::StaticCt(client) = self {
            client.forget();
        }
    }

    /// Ranges should not cross multiples of this number.
    pub(crate) fn alignment(&self) -> u64 {
        match self {
            LogClient::Rfc6962(client) if !client.may_offer_tiles() => 1,
            LogClient::Rfc6962(_) | LogClient::StaticCt(_) => TILE_WIDTH,
        }
    }

    /// Whether a part of a range can be served when the whole range cannot. Tiles are served whole.
    pub(crate) fn serves_any_range(&self) -> bool {
        matches!(self, LogClient::Rfc6962(_))
    }

    /// Whether the caller should delay requesting new entries until they fill a tile.
    pub(crate) fn prefers_full_tiles(&self) -> bool {
        match self {
            LogClient::Rfc6962(client) => client.offers_tiles(),
            LogClient::StaticCt(_) => true,
        }
    }
}

/// The root of `tree` extended to `size` entries by the subtrees with these roots.
fn extended(mut tree: CompactTree, size: u64, roots: &[Hash]) -> Option<Hash> {
    for (node, root) in consistency::complete_subtrees(tree.size()..size).zip(roots) {
        tree.push_subtree(node.height, *root)?;
    }
    (tree.size() == size).then(|| tree.root())
}

/// Distinguishes a proof that contradicts the head from one that proves nothing: a proof of the wrong length may be one
/// between other trees.
fn judged<T>(verified: Result<T, ProofError>, proof: &[Hash]) -> Proven<T> {
    match verified {
        Err(error @ ProofError::Length { .. }) => Err(FetchError::ProofLength(error)),
        Err(error) => {
            let proof = Proof::Consistency(base64s(proof));
            Ok(Err(ProofFailure { reason: error.to_string(), proof }))
        }
        Ok(proven) => Ok(Ok(proven)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::slow_tree::{leaves, slow_proof, slow_root};

    fn verified(first: usize, proof: &[Hash]) -> Proven<()> {
        let leaves = leaves(10);
        let (first_root, root) = (slow_root(&leaves[..first]), slow_root(&leaves));
        judged(consistency::verify(first as u64, &first_root, 10, &root, proof), proof)
    }

    #[test]
    fn only_a_proof_that_leads_elsewhere_is_a_contradiction() {
        let proof = slow_proof(6, &leaves(10));
        assert!(matches!(verified(6, &proof), Ok(Ok(()))));
        let mut wrong = proof.clone();
        wrong[0] = [7; 32];
        assert!(matches!(verified(6, &wrong), Ok(Err(_))));
        for length in 0..proof.len() {
            assert!(matches!(verified(6, &proof[..length]), Err(FetchError::ProofLength(_))), "{length}");
        }
    }
}
