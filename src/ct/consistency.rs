//! Consistency proofs (RFC 6962 section 2.1.2): that a tree of `second` leaves begins with the tree of `first`.
//!
//! Verifies them, makes them from inner nodes, and takes from a verified one the compact tree of `first` leaves, so
//! that a log can be followed from the middle. Where the hashes come from, get-sth-consistency or tiles, is the
//! business of others.
//!
//! A proof is the hashes of the subtrees beside the way from the root of the second tree down to the last subtree
//! of the first:
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

/// Why a proof proves nothing.
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
    /// The only subtree of such a tree is the tree itself, whose root a proof leaves out.
    #[error("the tree size {first} is a power of two, so the proof to {second} needs the root of it")]
    NeedsRoot { first: u64, second: u64 },
    /// A proof from a tree to itself is empty.
    #[error("the proof from tree size {size} to itself holds no frontier")]
    NoFrontier { size: u64 },
}

/// A complete subtree: the 2^`height` leaves from `index` * 2^`height` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// 0: a leaf.
    pub height: u8,
    /// Counted from the left among those of its height.
    pub index: u64,
}

/// Checks that the tree of `second` leaves under `second_root` begins with that of `first` leaves under
/// `first_root`: RFC 6962 section 2.1.2, as in RFC 9162 section 2.1.4.2.
///
/// The proof must have exactly the hashes that belong to it. A tree is consistent with itself by an empty proof if
/// the roots are equal, and the empty tree with any other by an empty proof, whatever its root is said to be.
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

/// The compact tree of the first `first` leaves, from a proof that they are the beginning of the tree of `second`
/// leaves under `second_root`.
///
/// With `first_root` the proof must also lead to it, as for [`verify`]. Without, the second root alone
/// authenticates the tree, which is as good: no other frontier leads to that root, unless SHA-256 is broken.
///
/// Where `first` is a power of two, the one hash of its frontier is `first_root`, and proofs leave it out: without
/// `first_root` that is [`ProofError::NeedsRoot`]. A caller who has no root asks for the proof from `first` + 1,
/// which has to be below `second`, and takes [`CompactTree::without_last_leaf`] of what it gives. For 1 that does
/// not help, since 2 is a power of two as well; such a caller begins at 0.
///
/// Where `first` is `second`, the proof is empty, and unless that is a power of two there is no frontier to be had:
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

/// The compact tree of the whole of a tree, as far as its root tells it: of a power of two the root is the frontier,
/// and the empty tree has none.
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

/// What a proof leads to.
struct Climbed {
    /// Of the second tree. `None` for a proof without hashes and without a start.
    root: Option<Hash>,
    /// Of the first tree, the largest subtree first.
    frontier: Vec<Hash>,
}

/// Climbs from the last subtree of the first tree to the root of the second. `start`: that subtree's hash where the
/// proof leaves it out.
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

/// The leaves whose Merkle Tree Hashes are PROOF(first, D\[second\]) of RFC 6962 section 2.1.2, in the proof's
/// order: at most 64 ranges for sizes up to [`MAX_TREE_SIZE`], 65 beyond. None unless 0 < `first` < `second`.
pub fn proof_ranges(first: u64, second: u64) -> Vec<Range<u64>> {
    let mut beside = Vec::new();
    if first == 0 || first >= second {
        return beside;
    }
    // SUBPROOF from the root downwards, which lists what is beside the way from its end.
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
    // Here m = n: b of SUBPROOF is true if the way never went right.
    if subtree.start > 0 {
        beside.push(subtree);
    }
    beside.reverse();
    beside
}

/// k of RFC 6962 section 2.1, for n of at least 2.
fn largest_power_of_two_below(n: u64) -> u64 {
    1 << (n - 1).checked_ilog2().unwrap_or(0)
}

/// The complete subtrees that lie in a range of leaves, each as large as its place allows, from the left. For the
/// whole tree: what its frontier holds the hashes of. For what lies behind a tree: what has to be appended to it.
pub fn complete_subtrees(range: Range<u64>) -> impl Iterator<Item = Node> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let height = range.end.checked_sub(start)?.checked_ilog2()?.min(start.trailing_zeros());
        let node = Node { height: height as u8, index: start >> height };
        start += 1 << height;
        Some(node)
    })
}

/// The Merkle Tree Hash of a subtree of a log's tree, from complete subtrees. `None` if `node` does not know one.
pub fn range_root(range: Range<u64>, node: &mut impl FnMut(Node) -> Option<Hash>) -> Option<Hash> {
    let size = range.end.saturating_sub(range.start);
    let frontier: Option<Vec<Hash>> = complete_subtrees(range).map(node).collect();
    Some(CompactTree::from_frontier(size, frontier?)?.root())
}

/// The consistency proof from `first` to `second`, made from the hashes of complete subtrees, all within the tree
/// of `second` leaves. Empty for `first` 0 and for `first` = `second`. `None` if `first` is beyond `second`, or if
/// `node` does not know a hash.
pub fn build(first: u64, second: u64, node: &mut impl FnMut(Node) -> Option<Hash>) -> Option<Vec<Hash>> {
    if first > second {
        return None;
    }
    proof_ranges(first, second).into_iter().map(|range| range_root(range, node)).collect()
}
