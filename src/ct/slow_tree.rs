//! The definitions of RFC 6962 section 2.1, implemented literally as a reference for tests, and a tree of any
//! size whose hashes are known without its leaves.

use super::merkle::{Hash, empty_root, leaf_hash, node_hash};
use hex_simd::AsciiCase;
use std::ops::Range;

/// The hashes of `count` leaves of different content.
pub fn leaves(count: u32) -> Vec<Hash> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// The leaves of the common test tree for implementations of RFC 6962.
pub fn reference_leaves() -> [&'static [u8]; 8] {
    [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ]
}

pub fn hex(hash: &Hash) -> String {
    hex_simd::encode_to_string(hash, AsciiCase::Lower)
}

/// k of RFC 6962 section 2.1: the largest power of two smaller than n.
fn k(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// MTH(D), over leaf hashes.
pub fn slow_root(d: &[Hash]) -> Hash {
    match d {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = d.split_at(k(d.len()));
            node_hash(&slow_root(left), &slow_root(right))
        }
    }
}

/// PROOF(m, D), over leaf hashes.
pub fn slow_proof(m: usize, d: &[Hash]) -> Vec<Hash> {
    slow_subproof(m, d, true)
}

/// SUBPROOF(m, D, b), over leaf hashes.
fn slow_subproof(m: usize, d: &[Hash], b: bool) -> Vec<Hash> {
    if m == d.len() {
        return if b { vec![] } else { vec![slow_root(d)] };
    }
    let (left, right) = d.split_at(k(d.len()));
    if m <= left.len() {
        [slow_subproof(m, left, b), vec![slow_root(right)]].concat()
    } else {
        [slow_subproof(m - left.len(), right, false), vec![slow_root(left)]].concat()
    }
}

/// A tree of any size in which all leaves but one are equal. The hash of a subtree without that leaf depends
/// only on its size.
pub struct WideTree {
    /// The index of the leaf that differs. Without it, tests could not detect that left and right were
    /// exchanged.
    odd_one: u64,
    /// Hashes of complete subtrees of equal leaves, by height.
    alike: Vec<Hash>,
}

impl WideTree {
    pub fn new(odd_one: u64) -> Self {
        let leaf = leaf_hash(b"one of many");
        Self {
            odd_one,
            alike: std::iter::successors(Some(leaf), |h| Some(node_hash(h, h))).take(64).collect(),
        }
    }

    /// MTH(D[start:end]) by the same recursion, which stops where all leaves are equal.
    pub fn root(&self, range: Range<u64>) -> Hash {
        let n = range.end - range.start;
        match n {
            0 => empty_root(),
            1 if range.start == self.odd_one => leaf_hash(b"the odd one"),
            _ if n.is_power_of_two() && !range.contains(&self.odd_one) => {
                self.alike[n.trailing_zeros() as usize]
            }
            _ => {
                let middle = range.start + (1 << (63 - (n - 1).leading_zeros()));
                node_hash(&self.root(range.start..middle), &self.root(middle..range.end))
            }
        }
    }

    /// PROOF(m, D[n]).
    pub fn proof(&self, m: u64, n: u64) -> Vec<Hash> {
        self.subproof(m, 0..n, true)
    }

    /// SUBPROOF. Both m and the range are counted from the first leaf of the log.
    fn subproof(&self, m: u64, d: Range<u64>, b: bool) -> Vec<Hash> {
        if m == d.end {
            return if b { vec![] } else { vec![self.root(d)] };
        }
        let middle = d.start + (1 << (63 - (d.end - d.start - 1).leading_zeros()));
        if m <= middle {
            [self.subproof(m, d.start..middle, b), vec![self.root(middle..d.end)]].concat()
        } else {
            [self.subproof(m, middle..d.end, false), vec![self.root(d.start..middle)]].concat()
        }
    }
}
