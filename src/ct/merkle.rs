//! The Merkle tree hash of RFC 6962 section 2.1, computed as leaves arrive.
//!
//! Contains the three hash rules and a tree that stores only its right edge. This is enough to append leaves
//! and to compute the root, and takes 32 bytes per level. Proofs are in `consistency`; they need inner nodes,
//! which the caller provides.

use openssl::sha::{Sha256, sha256};

/// A SHA-256 digest: of a leaf, an inner node or a whole tree.
pub type Hash = [u8; 32];

/// Maximum number of leaves in a tree. RFC 6962 counts leaves in 64 bits. No log will ever need the last bit;
/// without it, no sum of sizes overflows, whatever tree size a log claims.
pub const MAX_TREE_SIZE: u64 = 1 << 63;

/// Domain separation of RFC 6962 section 2.1. Without it, an inner node could be presented as a leaf.
const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

/// The hash of one leaf: SHA-256(0x00 || leaf). For a CT log, `leaf` is the encoded MerkleTreeLeaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    leaf_hash_of(&[leaf])
}

/// The hash of one leaf whose bytes are in several parts.
pub fn leaf_hash_of(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(&[LEAF_PREFIX]);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finish()
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(&[NODE_PREFIX]);
    hasher.update(left);
    hasher.update(right);
    hasher.finish()
}

/// The Merkle Tree Hash over subtrees of equal height, given by their roots in order. For leaves, the roots
/// are the leaf hashes.
pub fn subtrees_root(roots: &[Hash]) -> Hash {
    let mut tree = CompactTree::new();
    roots.iter().for_each(|root| tree.push(*root));
    tree.root()
}

/// The root of the empty tree: SHA-256 of the empty string.
pub fn empty_root() -> Hash {
    sha256(b"")
}

/// An append-only Merkle tree that stores only the roots of its complete subtrees.
///
/// A tree of `n` leaves consists of one complete subtree for each bit set in `n`, the largest leftmost. Later
/// leaves and the tree's root depend only on the roots of these subtrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactTree {
    size: u64,
    /// Roots of the complete subtrees, from left (largest) to right (smallest): one per bit set in `size`.
    frontier: Vec<Hash>,
}

impl CompactTree {
    /// Creates a tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the tree of `size` leaves from the roots of its complete subtrees, the largest (leftmost)
    /// first. `None` if the number of roots is not the number of bits set in `size`, or if `size` is above
    /// [`MAX_TREE_SIZE`].
    ///
    /// This does not verify that the roots are those of a log. [`consistency`](super::consistency) returns
    /// verified trees.
    pub fn from_frontier(size: u64, frontier: Vec<Hash>) -> Option<Self> {
        let fits = size <= MAX_TREE_SIZE && frontier.len() as u64 == u64::from(size.count_ones());
        fits.then_some(Self { size, frontier })
    }

    /// The roots of the complete subtrees, the largest (leftmost) first: one for each bit set in the size.
    pub fn frontier(&self) -> &[Hash] {
        &self.frontier
    }

    /// The tree without its last leaf, if its size is odd. Only then is the last leaf a subtree by itself,
    /// and the other subtrees remain complete without it.
    pub fn without_last_leaf(mut self) -> Option<Self> {
        if self.size.is_multiple_of(2) {
            return None;
        }
        self.frontier.pop();
        self.size -= 1;
        Some(self)
    }

    /// Appends a leaf by its [`leaf_hash`].
    pub fn push(&mut self, leaf_hash: Hash) {
        self.append(0, leaf_hash);
    }

    /// Appends the 2^`height` leaves of a complete subtree by its root. Returns `None` and appends nothing if
    /// the subtree would not be complete in this tree, that is, if the size is not a multiple of 2^`height`
    /// or would become too large.
    pub fn push_subtree(&mut self, height: u8, root: Hash) -> Option<()> {
        let leaves = 1u64.checked_shl(height.into())?;
        if !self.size.is_multiple_of(leaves) || self.size + leaves > MAX_TREE_SIZE {
            return None;
        }
        self.append(height, root);
        Some(())
    }

    fn append(&mut self, height: u8, root: Hash) {
        let mut hash = root;
        // As in binary addition, adding one at `height` carries through the bits that are set from there on.
        // Each carry joins two subtrees of equal height.
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.frontier.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.frontier.push(hash);
        self.size += 1 << height;
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Merkle Tree Hash of all leaves.
    pub fn root(&self) -> Hash {
        let mut subtrees = self.frontier.iter().rev();
        match subtrees.next() {
            Some(smallest) => subtrees.fold(*smallest, |right, left| node_hash(left, &right)),
            None => empty_root(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::slow_tree::{hex, leaves, reference_leaves, slow_root};

    #[test]
    fn the_root_equals_the_recursive_definition_at_every_size_up_to_1100() {
        let leaves = leaves(1_100);
        let mut tree = CompactTree::new();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.size(), size as u64);
            assert_eq!(tree.root(), slow_root(&leaves[..size]), "at size {size}");
            tree.push(*leaf);
        }
        assert_eq!(tree.root(), slow_root(&leaves));
    }

    #[test]
    fn whole_subtrees_are_appended_as_their_leaves_would_be() {
        let leaves = leaves(600);
        for (start, end) in [(0u64, 600usize), (1, 600), (256, 300), (37, 512), (512, 512), (599, 600)] {
            let mut tree = CompactTree::new();
            leaves[..start as usize].iter().for_each(|leaf| tree.push(*leaf));
            for node in crate::ct::consistency::complete_subtrees(start..end as u64) {
                let first = (node.index << node.height) as usize;
                let root = slow_root(&leaves[first..first + (1 << node.height)]);
                assert_eq!(tree.push_subtree(node.height, root), Some(()));
            }
            assert_eq!((tree.size(), tree.root()), (end as u64, slow_root(&leaves[..end])));
        }
        let mut odd = CompactTree::new();
        odd.push(leaves[0]);
        assert_eq!(odd.push_subtree(1, leaves[1]), None);
        assert_eq!(odd.push_subtree(64, leaves[1]), None);
        assert_eq!(CompactTree::new().push_subtree(63, leaves[1]), Some(()));
        assert_eq!(odd.size(), 1, "what does not fit changes nothing");
    }

    #[test]
    fn the_roots_are_those_of_the_reference_test_vectors() {
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = CompactTree::new();
        assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (leaf, root) in reference_leaves().into_iter().zip(roots) {
            tree.push(leaf_hash(leaf));
            assert_eq!(hex(&tree.root()), root, "at size {}", tree.size());
        }
    }

    #[test]
    fn the_tree_keeps_one_hash_per_bit_set_in_its_size() {
        let mut tree = CompactTree::new();
        for i in 0..1_000u32 {
            tree.push(leaf_hash(&i.to_be_bytes()));
            assert_eq!(tree.frontier.len(), tree.size().count_ones() as usize);
        }
    }
    #[test]
    fn a_tree_goes_on_from_its_frontier() {
        let leaves = leaves(300);
        let mut whole = CompactTree::new();
        for (size, leaf) in leaves.iter().enumerate() {
            let mut tree = CompactTree::from_frontier(size as u64, whole.frontier().to_vec()).unwrap();
            assert_eq!(tree, whole);
            tree.push(*leaf);
            whole.push(*leaf);
            assert_eq!(tree.root(), slow_root(&leaves[..=size]));
        }
    }

    #[test]
    fn a_frontier_has_one_hash_per_bit_set_in_its_size() {
        let with = |size, hashes| CompactTree::from_frontier(size, vec![[7; 32]; hashes]);
        assert_eq!(with(0, 0), Some(CompactTree::new()));
        for (size, hashes) in
            [(1, 1), (6, 2), ((1 << 40) - 1, 40), (MAX_TREE_SIZE - 1, 63), (MAX_TREE_SIZE, 1)]
        {
            let tree = with(size, hashes).unwrap();
            assert_eq!((tree.size(), tree.frontier().len()), (size, hashes));
            assert!(with(size, hashes - 1).is_none() && with(size, hashes + 1).is_none());
        }
        assert!(with(MAX_TREE_SIZE + 1, 2).is_none() && with(u64::MAX, 64).is_none());
    }

    #[test]
    fn a_tree_of_2_to_the_63_leaves_takes_its_last_one_and_more() {
        // All subtrees of one height are equal, so each root follows from the one below it.
        let heights: Vec<Hash> =
            std::iter::successors(Some([7; 32]), |h| Some(node_hash(h, h))).take(64).collect();
        let frontier = heights[..63].iter().rev().copied().collect();
        let mut tree = CompactTree::from_frontier(MAX_TREE_SIZE - 1, frontier).unwrap();
        tree.push(heights[0]);
        assert_eq!((tree.size(), tree.root()), (MAX_TREE_SIZE, heights[63]));
        tree.push(heights[0]);
        assert_eq!(tree.root(), node_hash(&heights[63], &heights[0]));
    }

    #[test]
    fn the_last_leaf_can_be_taken_off_where_it_stands_alone() {
        let mut tree = CompactTree::new();
        assert_eq!(tree.clone().without_last_leaf(), None, "there is none");
        for leaf in leaves(70) {
            let before = tree.clone();
            tree.push(leaf);
            let expected = (tree.size() % 2 == 1).then_some(before);
            assert_eq!(tree.clone().without_last_leaf(), expected);
        }
    }

    #[test]
    fn subtrees_of_equal_height_join_to_the_root_of_their_leaves() {
        let leaves = leaves(1_024);
        let tiles: Vec<Hash> = leaves.chunks(256).map(subtrees_root).collect();
        assert_eq!(tiles[1], slow_root(&leaves[256..512]));
        assert_eq!(subtrees_root(&tiles), slow_root(&leaves));
        assert_eq!(subtrees_root(&[]), empty_root());
    }
}
