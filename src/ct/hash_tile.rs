//! Hash tiles (c2sp.org/tlog-tiles, static-ct-api "Merkle Tree"): which tile contains the hashes that a proof
//! needs, and how a proof is built from tiles.
//!
//! The tile of level L and index N contains the roots of the 256 complete subtrees of height 8 * L, beginning
//! at subtree 256 * N. A partial tile contains as many as the tree has. Tiles are not signed. A hash computed
//! from a tile is trusted only after it has led to a signed root.

#[cfg(test)]
mod tests;

use super::consistency::{Node, build, complete_subtrees, proof_ranges};
use super::merkle::{Hash, subtrees_root};
use super::tile_path::{self, TILE_WIDTH};
use std::collections::{BTreeSet, HashMap};

/// Number of tree levels that one tile spans: 2^8 is [`TILE_WIDTH`].
const TILE_HEIGHT: u8 = 8;

/// A hash tile. The order is from the leaves upwards, and from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashTile {
    /// Level of the tile; level 0 contains leaf hashes.
    pub level: u8,
    pub index: u64,
    /// Number of hashes: 256, or fewer if the tile is partial.
    pub width: u16,
}

/// The number of hashes in the body of a tile differs from the width in its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} has {length} bytes, expected {expected}")]
pub struct WrongLength {
    /// Path of the tile.
    pub path: String,
    pub length: usize,
    pub expected: usize,
}

impl HashTile {
    /// The tile from which the hash of `node` is computed, with its width in a tree of `tree_size` leaves.
    /// `None` if that tree does not contain all of `node`.
    pub fn holding(node: Node, tree_size: u64) -> Option<Self> {
        if tree_size.checked_shr(node.height.into())? <= node.index {
            return None;
        }
        let level = node.height / TILE_HEIGHT;
        let index = node.index >> (TILE_HEIGHT - node.height % TILE_HEIGHT);
        // The tree contains the node, so index * 256 is within the tree and does not overflow.
        let from_here_on = (tree_size >> (level * TILE_HEIGHT)) - index * TILE_WIDTH;
        let width = from_here_on.min(TILE_WIDTH) as u16;
        Some(Self { level, index, width })
    }

    /// The tile's path, without a leading slash: `tile/1/x001/234.p/17`.
    pub fn path(self) -> String {
        tile_path::hash_tile(self.level, self.index, self.width.into())
    }

    /// The full tile at the same place. A log may delete a partial tile once the full one exists. The full
    /// tile begins with the same hashes, so its first `width` hashes replace the partial tile.
    pub fn full(self) -> Self {
        Self { width: TILE_WIDTH as u16, ..self }
    }

    pub fn is_partial(self) -> bool {
        u64::from(self.width) < TILE_WIDTH
    }

    /// Parses the hashes in a tile's body.
    pub fn parse(self, body: &[u8]) -> Result<Vec<Hash>, WrongLength> {
        let expected = usize::from(self.width) * size_of::<Hash>();
        if body.len() != expected {
            return Err(WrongLength { path: self.path(), length: body.len(), expected });
        }
        Ok(body.as_chunks().0.to_vec())
    }
}

/// The hash of `node`, from the hashes of the tile that contains it (see [`holding`](HashTile::holding)).
/// `None` if the tile does not have all the hashes.
pub fn node_root(node: Node, hashes: &[Hash]) -> Option<Hash> {
    // The height of the node within the tile is its height modulo 8. The node covers 2^(that height) hashes
    // of the tile.
    let count = 1u64 << (node.height % TILE_HEIGHT);
    let start = (node.index % (TILE_WIDTH / count) * count) as usize;
    Some(subtrees_root(hashes.get(start..start + count as usize)?))
}

/// The root of a full tile, which is one of the hashes of the tile above. `None` for a partial tile.
pub fn tile_root(hashes: &[Hash]) -> Option<Hash> {
    (hashes.len() as u64 == TILE_WIDTH).then(|| subtrees_root(hashes))
}

/// The tiles that are needed for the consistency proof from `first` to `second`, in order and without
/// duplicates. All of them exist in a tree of `second` leaves. Empty unless 0 < `first` < `second`.
///
/// There are at most two tiles for each level: one on the path to the end of the first tree, and one at the
/// right edge of the second.
pub fn tiles_for_consistency(first: u64, second: u64) -> Vec<HashTile> {
    let nodes = proof_ranges(first, second).into_iter().flat_map(complete_subtrees);
    let tiles: BTreeSet<HashTile> = nodes.filter_map(|node| HashTile::holding(node, second)).collect();
    tiles.into_iter().collect()
}

/// Builds the consistency proof from `first` to `second` (RFC 6962 section 2.1.2) from the hashes of
/// [`tiles_for_consistency`]. `None` if one of the tiles is missing or too short, or if `first` > `second`.
pub fn consistency_proof(first: u64, second: u64, tiles: &HashMap<HashTile, Vec<Hash>>) -> Option<Vec<Hash>> {
    build(first, second, &mut |node| node_root(node, tiles.get(&HashTile::holding(node, second)?)?))
}
