//! Tiles of hashes (c2sp.org/tlog-tiles, static-ct-api "Merkle Tree"): which one holds what a proof needs, and the
//! proof that is made of them.
//!
//! The tile of level L and index N holds the roots of the 256 complete subtrees of height 8 * L from subtree
//! 256 * N on, or of as many as the tree has. Nothing in a tile is signed: what is computed from it is worth
//! something once it has led to a signed root.

#[cfg(test)]
mod tests;

use super::consistency::{Node, build, complete_subtrees, proof_ranges};
use super::merkle::{Hash, subtrees_root};
use super::tile_path::{self, TILE_WIDTH};
use std::collections::{BTreeSet, HashMap};

/// How many levels of the tree one tile spans: 2^8 is [`TILE_WIDTH`].
const TILE_HEIGHT: u8 = 8;

/// A tile of hashes. Ordered from the leaves upwards, and from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashTile {
    /// 0: of leaves.
    pub level: u8,
    pub index: u64,
    /// How many hashes it holds: 256, or fewer if it is partial.
    pub width: u16,
}

/// The body of a tile is not as many hashes as its name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} has {length} bytes, expected {expected}")]
pub struct WrongLength {
    /// Of the tile.
    pub path: String,
    pub length: usize,
    pub expected: usize,
}

impl HashTile {
    /// The tile from which the hash of `node` is computed, as wide as a tree of `tree_size` leaves has it. `None`
    /// if that tree does not hold the whole of `node`.
    pub fn holding(node: Node, tree_size: u64) -> Option<Self> {
        if tree_size.checked_shr(node.height.into())? <= node.index {
            return None;
        }
        let level = node.height / TILE_HEIGHT;
        let index = node.index >> (TILE_HEIGHT - node.height % TILE_HEIGHT);
        // The tree holds the node, so the index times 256 is within it and does not overflow.
        let from_here_on = (tree_size >> (level * TILE_HEIGHT)) - index * TILE_WIDTH;
        let width = from_here_on.min(TILE_WIDTH) as u16;
        Some(Self { level, index, width })
    }

    /// Where it is, without a leading slash: `tile/1/x001/234.p/17`.
    pub fn path(self) -> String {
        tile_path::hash_tile(self.level, self.index, self.width.into())
    }

    /// The full tile of the same place. A log may drop a partial tile once it has that one, which begins with the
    /// same hashes: cut to `width`, they stand for the partial one.
    pub fn full(self) -> Self {
        Self { width: TILE_WIDTH as u16, ..self }
    }

    pub fn is_partial(self) -> bool {
        u64::from(self.width) < TILE_WIDTH
    }

    /// The hashes in a tile's body.
    pub fn parse(self, body: &[u8]) -> Result<Vec<Hash>, WrongLength> {
        let expected = usize::from(self.width) * size_of::<Hash>();
        if body.len() != expected {
            return Err(WrongLength { path: self.path(), length: body.len(), expected });
        }
        Ok(body.as_chunks().0.to_vec())
    }
}

/// The hash of `node`, from the hashes of the tile that is [`holding`](HashTile::holding) it. `None` if the tile
/// does not have them all.
pub fn node_root(node: Node, hashes: &[Hash]) -> Option<Hash> {
    // Below the next multiple of 8, a node is 2^(its height within the tile) hashes of the tile.
    let count = 1u64 << (node.height % TILE_HEIGHT);
    let start = (node.index % (TILE_WIDTH / count) * count) as usize;
    Some(subtrees_root(hashes.get(start..start + count as usize)?))
}

/// The root of a full tile: one of the hashes of the tile above. `None` for a partial one.
pub fn tile_root(hashes: &[Hash]) -> Option<Hash> {
    (hashes.len() as u64 == TILE_WIDTH).then(|| subtrees_root(hashes))
}

/// The tiles that the consistency proof from `first` to `second` is made of, each once and in order; all of them
/// exist in a tree of `second` leaves. None unless 0 < `first` < `second`.
///
/// There are two at most for each level: one on the way down to the end of the first tree, one at the right edge
/// of the second.
pub fn tiles_for_consistency(first: u64, second: u64) -> Vec<HashTile> {
    let nodes = proof_ranges(first, second).into_iter().flat_map(complete_subtrees);
    let tiles: BTreeSet<HashTile> = nodes.filter_map(|node| HashTile::holding(node, second)).collect();
    tiles.into_iter().collect()
}

/// The consistency proof from `first` to `second` (RFC 6962 section 2.1.2) from the hashes of
/// [`tiles_for_consistency`]. `None` if one of those is missing or too short, or if `first` is beyond `second`.
pub fn consistency_proof(first: u64, second: u64, tiles: &HashMap<HashTile, Vec<Hash>>) -> Option<Vec<Hash>> {
    build(first, second, &mut |node| node_root(node, tiles.get(&HashTile::holding(node, second)?)?))
}
