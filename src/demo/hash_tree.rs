//! The hashes of the log's tree that are in its hash tiles, so that proofs can be built without the leaves.
//!
//! Leaf hashes are discarded together with their entries. The roots of full tiles of leaves are kept forever
//! and take an eighth of a byte per entry. The remaining hashes are enough for every proof from a size whose
//! leaves are still stored.

use crate::ct::consistency::{self, Node};
use crate::ct::hash_tile::{HashTile, node_root, tile_root};
use crate::ct::merkle::Hash;
use crate::ct::tile_path::TILE_WIDTH;

/// Number of leaf tiles that are discarded together, so that the remaining ones are seldom moved.
const FORGET_TILES: usize = 16;

#[derive(Default)]
pub(super) struct HashTree {
    /// Hashes by level of tiles: leaves, full tiles of leaves, full tiles of those, and so on.
    levels: Vec<Vec<Hash>>,
    /// Number of discarded leaves, a multiple of the tile width.
    forgotten: usize,
}

impl HashTree {
    /// Appends a leaf by its hash.
    pub(super) fn push(&mut self, leaf_hash: Hash) {
        let mut carried = Some(leaf_hash);
        for level in 0.. {
            let Some(hash) = carried else { return };
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            carried = self.levels.get_mut(level).and_then(|hashes| push_to_level(hashes, hash));
        }
    }

    /// Discards the leaves before `index`. This may happen later.
    pub(super) fn forget_before(&mut self, index: u64) {
        let (step, index) =
            (FORGET_TILES * TILE_WIDTH as usize, usize::try_from(index).unwrap_or(usize::MAX));
        let Some(leaves) = self.levels.first_mut() else { return };
        let old = (index.saturating_sub(self.forgotten) / step * step).min(leaves.len() / step * step);
        leaves.drain(..old);
        self.forgotten += old;
    }

    /// The hashes of a tile, if all of them are available.
    pub(super) fn tile(&self, tile: HashTile) -> Option<&[Hash]> {
        let forgotten = if tile.level == 0 { self.forgotten } else { 0 };
        let start = usize::try_from(tile.index.checked_mul(TILE_WIDTH)?).ok()?.checked_sub(forgotten)?;
        let end = start.checked_add(tile.width.into())?;
        self.levels.get(usize::from(tile.level))?.get(start..end)
    }

    /// The consistency proof between two previous sizes of the tree.
    pub(super) fn consistency_proof(&self, first: u64, second: u64) -> Option<Vec<Hash>> {
        consistency::build(first, second, &mut |node| self.node(node, second))
    }

    /// The root of the tree at a previous size.
    pub(super) fn root(&self, tree_size: u64) -> Option<Hash> {
        consistency::range_root(0..tree_size, &mut |node| self.node(node, tree_size))
    }

    fn node(&self, node: Node, tree_size: u64) -> Option<Hash> {
        node_root(node, self.tile(HashTile::holding(node, tree_size)?)?)
    }
}

/// Appends the hash. Returns the root of the tile if the hash completes one.
fn push_to_level(hashes: &mut Vec<Hash>, hash: Hash) -> Option<Hash> {
    hashes.push(hash);
    if !(hashes.len() as u64).is_multiple_of(TILE_WIDTH) {
        return None;
    }
    tile_root(hashes.rchunks(TILE_WIDTH as usize).next()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::slow_tree::{leaves, slow_proof, slow_root};

    fn tree_of(leaves: &[Hash]) -> HashTree {
        let mut tree = HashTree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree
    }

    #[test]
    fn the_levels_hold_the_roots_of_full_tiles() {
        let leaves = leaves(256 * 256 + 300);
        let tree = tree_of(&leaves);
        assert_eq!(tree.levels.iter().map(Vec::len).collect::<Vec<_>>(), [65_836, 257, 1]);
        assert_eq!(tree.levels[1][256], slow_root(&leaves[65_536..65_792]));
        assert_eq!(tree.levels[2][0], slow_root(&leaves[..65_536]));
        for size in [0, 1, 255, 256, 257, 65_535, 65_536, 65_792, 65_836] {
            assert_eq!(tree.root(size as u64), Some(slow_root(&leaves[..size])), "at size {size}");
        }
        assert_eq!(tree.root(65_837), None);
    }

    #[test]
    fn forgotten_leaves_are_in_no_tile_but_in_every_root_and_in_the_proofs_from_later_sizes() {
        let leaves = leaves(10_000);
        let (mut tree, whole) = (HashTree::default(), tree_of(&leaves));
        for (i, leaf) in leaves.iter().enumerate() {
            tree.push(*leaf);
            tree.forget_before((i as u64).saturating_sub(1_000));
        }
        assert_eq!((tree.forgotten, tree.levels[0].len()), (8_192, 1_808));
        let tile = |level, index, width| HashTile { level, index, width };
        assert_eq!(tree.tile(tile(0, 31, 256)), None);
        for kept in [tile(0, 32, 256), tile(0, 39, 16), tile(1, 0, 39)] {
            assert_eq!(tree.tile(kept), whole.tile(kept));
        }
        for (first, second) in [(8_192, 10_000), (8_300, 9_000), (9_999, 10_000), (4_096, 9_500)] {
            let proof = whole.consistency_proof(first, second);
            assert!(proof.is_some() && tree.consistency_proof(first, second) == proof, "{first} to {second}");
            assert_eq!(tree.root(second), whole.root(second));
        }
        assert_eq!(tree.consistency_proof(5, 10_000), None);
    }

    #[test]
    fn tiles_are_as_wide_as_asked_for_and_no_wider_than_the_tree() {
        let leaves = leaves(600);
        let tree = tree_of(&leaves);
        let tile = |level, index, width| tree.tile(HashTile { level, index, width });
        assert_eq!(tile(0, 1, 256), Some(&leaves[256..512]));
        assert_eq!(tile(0, 1, 3), Some(&leaves[256..259]));
        assert_eq!(tile(0, 2, 88), Some(&leaves[512..]));
        assert_eq!(tile(1, 0, 2), Some(&[slow_root(&leaves[..256]), slow_root(&leaves[256..512])][..]));
        for (level, index, width) in
            [(0, 2, 89), (0, 3, 1), (1, 0, 3), (2, 0, 1), (0, u64::MAX, 1), (9, 0, 1)]
        {
            assert_eq!(tile(level, index, width), None);
        }
    }

    #[test]
    fn proofs_between_all_past_sizes_are_those_of_the_definition() {
        let leaves = leaves(1_000);
        let tree = tree_of(&leaves);
        for second in (1..=1_000).step_by(111).chain([256, 512, 513, 768]) {
            for first in (1..=second).step_by(17) {
                let proof = tree.consistency_proof(first as u64, second as u64);
                assert_eq!(proof, Some(slow_proof(first, &leaves[..second])), "from {first} to {second}");
            }
        }
        assert_eq!(tree.consistency_proof(5, 1_001), None);
        assert_eq!(tree.consistency_proof(5, 4), None);
    }
}
