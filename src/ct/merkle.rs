//! The Merkle tree hash of RFC 6962 §2.1, computed as leaves arrive.
//!
//! Owns the three hash rules and a tree that remembers only its right edge: enough to append leaves
//! and to know the root, in 32 bytes per level. Proofs need inner nodes and are not made here.

use openssl::sha::{Sha256, sha256};

/// A SHA-256 digest: of a leaf, an inner node or a whole tree.
pub type Hash = [u8; 32];

/// Domain separation of RFC 6962 §2.1: without it an inner node could be passed off as a leaf.
const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

/// The hash of one leaf: SHA-256(0x00 || leaf). For a CT log, `leaf` is the encoded MerkleTreeLeaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(&[LEAF_PREFIX]);
    hasher.update(leaf);
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

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha256(b"")
}

/// An append-only Merkle tree that keeps the roots of its complete subtrees only.
///
/// A tree of `n` leaves splits into one complete subtree for each bit set in `n`, the largest
/// leftmost; those roots are all that later leaves and the tree's root depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactTree {
    size: u64,
    /// Roots of the complete subtrees, left (largest) to right (smallest): one per bit set in
    /// `size`.
    frontier: Vec<Hash>,
}

impl CompactTree {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf, given as its [`leaf_hash`].
    pub fn push(&mut self, leaf_hash: Hash) {
        let mut hash = leaf_hash;
        // Adding one to `size` carries through its trailing ones: each carry joins two subtrees of
        // equal height.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.frontier.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.frontier.push(hash);
        self.size += 1;
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The Merkle Tree Hash of all leaves so far.
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

    /// MTH of RFC 6962 §2.1, word for word, over leaf hashes.
    fn slow_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(b""),
            [leaf] => *leaf,
            _ => {
                // k: the largest power of two smaller than n.
                let k = leaves.len().next_power_of_two() / 2;
                node_hash(&slow_root(&leaves[..k]), &slow_root(&leaves[k..]))
            }
        }
    }

    fn hex(hash: &Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_root_equals_the_recursive_definition_at_every_size_up_to_1100() {
        let leaves: Vec<Hash> = (0..1_100u32).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut tree = CompactTree::new();
        for (size, leaf) in leaves.iter().enumerate() {
            assert_eq!(tree.size(), size as u64);
            assert_eq!(tree.root(), slow_root(&leaves[..size]), "at size {size}");
            tree.push(*leaf);
        }
        assert_eq!(tree.root(), slow_root(&leaves));
    }

    #[test]
    fn the_roots_are_those_of_the_reference_test_vectors() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
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
        for (leaf, root) in leaves.iter().zip(roots) {
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
}
