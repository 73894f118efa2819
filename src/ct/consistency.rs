//! Consistency proofs (RFC 6962 section 2.1.2): proofs that the tree of `second` leaves begins with the tree
//! of `first` leaves.
//!
//! This module verifies proofs and builds them from inner nodes. From a verified proof it extracts the
//! compact tree of `first` leaves, so that a log can be followed from any index. Callers get the hashes, from
//! get-sth-consistency or from tiles.
//!
//! A proof consists of the hashes of the subtrees beside the path from the root of the second tree down to
//! the last subtree of the first:
//!
//! ```text
//! first = 6, second = 7         root(7)
//!                              /       \
//!                        [0, 4)         .          the proof: [4, 6), [6, 7), [0, 4)
//!                                     /   \        what lies left of 6: the frontier of the tree of 6 leaves
//!                                [4, 6)   [6, 7)
//! ```

#[cfg(test)]
mod tests;

use super::merkle::{CompactTree, Hash, MAX_TREE_SIZE, node_hash};
use std::ops::Range;

/// Why verification of a proof failed, or why a proof gives no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the first tree size {first} is beyond the second, {second}")]
    Reversed { first: u64, second: u64 },
    #[error("the tree size {size} is above 2^63")]
    TooLarge { size: u64 },
    #[error("the proof from tree size {first} to {second} has {found} hashes, expected {expected}")]
    Length { first: u64, second: u64, found: usize, expected: usize },
    #[error("the proof from tree size {first} to {second} does not lead to the root of tree size {first}")]
    FirstRoot { first: u64, second: u64 },
    #[error("the proof from tree size {first} to {second} does not lead to the root of tree size {second}")]
    SecondRoot { first: u64, second: u64 },
    /// The tree is a single complete subtree, whose root a proof leaves out.
    #[error("the tree size {first} is a power of two, so the proof to {second} needs the root of it")]
    NeedsRoot { first: u64, second: u64 },
    /// A proof from a tree to itself is empty, so it has no frontier.
    #[error("the proof from tree size {size} to itself holds no frontier")]
    NoFrontier { size: u64 },
}

/// A complete subtree: 2^`height` leaves, beginning at leaf `index` * 2^`height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Height of the subtree; 0 is a leaf.
    pub height: u8,
    /// Index among the subtrees of this height, counted from the left.
    pub index: u64,
}

/// Verifies that the tree of `second` leaves with root `second_root` begins with the tree of `first` leaves
/// with root `first_root`: RFC 6962 section 2.1.2, with the algorithm of RFC 9162 section 2.1.4.2.
///
/// The proof must have exactly the expected number of hashes. The proof from a tree to itself is empty and
/// requires equal roots. The proof from the empty tree is empty too; the value of `first_root` is then
/// ignored.
pub fn verify(
    first: u64,
    first_root: &Hash,
    second: u64,
    second_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    check_sizes(first, second)?;
    if first == second {
        check_length(first, second, 0, proof)?;
        return if first_root == second_root { Ok(()) } else { Err(ProofError::FirstRoot { first, second }) };
    }
    frontier(first, second, second_root, proof, Some(first_root)).map(drop)
}

/// The compact tree of the first `first` leaves, from a proof that the tree of `second` leaves with root
/// `second_root` begins with them.
///
/// With `first_root`, the proof must also lead to that root, as for [`verify`]. Without it, the second root
/// alone authenticates the tree. That is sufficient: unless SHA-256 is broken, no other frontier leads to
/// that root.
///
/// If `first` is a power of two, the frontier is a single hash, `first_root`, and proofs leave it out.
/// Without `first_root` this is [`ProofError::NeedsRoot`]. A caller that has no root requests the proof from
/// `first` + 1, which must be below `second`, and calls [`CompactTree::without_last_leaf`] on the result.
/// This does not work for 1, since 2 is a power of two as well; such a caller begins at 0.
///
/// If `first` is `second`, the proof is empty. Unless the size is a power of two, there is then no frontier:
/// [`ProofError::NoFrontier`].
pub fn frontier(
    first: u64,
    second: u64,
    second_root: &Hash,
    proof: &[Hash],
    first_root: Option<&Hash>,
) -> Result<CompactTree, ProofError> {
    check_sizes(first, second)?;
    if first == second {
        return itself(first, second_root, proof, first_root);
    }
    if first == 0 {
        check_length(first, second, 0, proof)?;
        return Ok(CompactTree::new());
    }
    let ranges = proof_ranges(first, second);
    check_length(first, second, ranges.len(), proof)?;
    let start = first.is_power_of_two().then(|| first_root.ok_or(ProofError::NeedsRoot { first, second }));
    let climbed = climb(first, start.transpose()?, &ranges, proof);
    if climbed.root != Some(*second_root) {
        return Err(ProofError::SecondRoot { first, second });
    }
    let tree = CompactTree::from_frontier(first, climbed.frontier);
    let tree = tree.ok_or(ProofError::NoFrontier { size: first })?;
    match first_root {
        Some(root) if tree.root() != *root => Err(ProofError::FirstRoot { first, second }),
        _ => Ok(tree),
    }
}

/// The compact tree of a whole tree, where its root determines it: the root of a power of two is the
/// frontier, and the empty tree has no frontier.
fn itself(
    size: u64,
    root: &Hash,
    proof: &[Hash],
    first_root: Option<&Hash>,
) -> Result<CompactTree, ProofError> {
    check_length(size, size, 0, proof)?;
    if first_root.is_some_and(|first_root| first_root != root) {
        return Err(ProofError::FirstRoot { first: size, second: size });
    }
    let frontier = if size == 0 { vec![] } else { vec![*root] };
    CompactTree::from_frontier(size, frontier).ok_or(ProofError::NoFrontier { size })
}

/// The result of following a proof.
struct Climbed {
    /// Root of the second tree. `None` for a proof without hashes and without a start.
    root: Option<Hash>,
    /// Frontier of the first tree, the largest subtree first.
    frontier: Vec<Hash>,
}

/// Computes the path from the last subtree of the first tree to the root of the second. `start` is that
/// subtree's hash if the proof leaves it out.
fn climb(first: u64, start: Option<&Hash>, ranges: &[Range<u64>], proof: &[Hash]) -> Climbed {
    let mut root = start.copied();
    let mut frontier = Vec::from_iter(root);
    for (range, hash) in ranges.iter().zip(proof) {
        let beyond_first = range.start >= first;
        root = match root {
            Some(below) if beyond_first => Some(node_hash(&below, hash)),
            Some(below) => Some(node_hash(hash, &below)),
            None => Some(*hash),
        };
        if !beyond_first {
            frontier.push(*hash);
        }
    }
    frontier.reverse();
    Climbed { root, frontier }
}

fn check_sizes(first: u64, second: u64) -> Result<(), ProofError> {
    if first > second {
        return Err(ProofError::Reversed { first, second });
    }
    if second > MAX_TREE_SIZE {
        return Err(ProofError::TooLarge { size: second });
    }
    Ok(())
}

fn check_length(first: u64, second: u64, expected: usize, proof: &[Hash]) -> Result<(), ProofError> {
    let found = proof.len();
    if found == expected { Ok(()) } else { Err(ProofError::Length { first, second, found, expected }) }
}

/// The ranges of leaves whose Merkle Tree Hashes are PROOF(first, D\[second\]) of RFC 6962 section 2.1.2, in
/// the order of the proof. There are at most 64 ranges for sizes up to [`MAX_TREE_SIZE`], and 65 for larger
/// ones. Empty unless 0 < `first` < `second`.
pub fn proof_ranges(first: u64, second: u64) -> Vec<Range<u64>> {
    let mut beside = Vec::new();
    if first == 0 || first >= second {
        return beside;
    }
    // SUBPROOF from the root downwards lists the subtrees beside the path in reverse order.
    let mut subtree = 0..second;
    while first < subtree.end {
        let middle = subtree.start + largest_power_of_two_below(subtree.end - subtree.start);
        if first <= middle {
            beside.push(middle..subtree.end);
            subtree.end = middle;
        } else {
            beside.push(subtree.start..middle);
            subtree.start = middle;
        }
    }
    // Here m = n. The flag b of SUBPROOF is true if the path never went right.
    if subtree.start > 0 {
        beside.push(subtree);
    }
    beside.reverse();
    beside
}

/// k of RFC 6962 section 2.1, for n >= 2.
fn largest_power_of_two_below(n: u64) -> u64 {
    1 << (n - 1).checked_ilog2().unwrap_or(0)
}

/// The complete subtrees that make up a range of leaves, from the left, each as large as its position allows.
/// For a whole tree, these are the subtrees of its frontier. For a range that follows a tree, these are the
/// subtrees to append to it.
pub fn complete_subtrees(range: Range<u64>) -> impl Iterator<Item = Node> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let height = range.end.checked_sub(start)?.checked_ilog2()?.min(start.trailing_zeros());
        let node = Node { height: height as u8, index: start >> height };
        start += 1 << height;
        Some(node)
    })
}

/// The Merkle Tree Hash of a subtree of a log's tree, computed from complete subtrees. `None` if `node` does
/// not know one of them.
pub fn range_root(range: Range<u64>, node: &mut impl FnMut(Node) -> Option<Hash>) -> Option<Hash> {
    let size = range.end.saturating_sub(range.start);
    let frontier: Option<Vec<Hash>> = complete_subtrees(range).map(node).collect();
    Some(CompactTree::from_frontier(size, frontier?)?.root())
}

/// Builds the consistency proof from `first` to `second` from the hashes of complete subtrees, all within the
/// tree of `second` leaves. Empty for `first` = 0 and for `first` = `second`. `None` if `first` > `second`,
/// or if `node` does not know a hash.
pub fn build(first: u64, second: u64, node: &mut impl FnMut(Node) -> Option<Hash>) -> Option<Vec<Hash>> {
    if first > second {
        return None;
    }
    proof_ranges(first, second).into_iter().map(|range| range_root(range, node)).collect()
}
