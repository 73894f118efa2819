//! Tests consistency proofs against their definitions.

mod refusals;
mod wide;

use super::*;
use crate::ct::merkle::leaf_hash;
use crate::ct::slow_tree::{hex, leaves, reference_leaves, slow_proof, slow_root};

/// The roots of all prefixes of a list, by size.
fn roots(leaves: &[Hash]) -> Vec<Hash> {
    let mut tree = CompactTree::new();
    let mut roots = vec![tree.root()];
    for leaf in leaves {
        tree.push(*leaf);
        roots.push(tree.root());
    }
    roots
}

/// The compact tree of the leaves, built by appending them.
fn compact(leaves: &[Hash]) -> CompactTree {
    let mut tree = CompactTree::new();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree
}

/// Computes a node's hash from all leaves.
fn node_of(leaves: &[Hash]) -> impl FnMut(Node) -> Option<Hash> {
    |node| {
        let start = (node.index << node.height) as usize;
        Some(slow_root(leaves.get(start..start + (1 << node.height))?))
    }
}

/// Checks all properties of the proof, as defined, between two prefixes of a list.
fn check(leaves: &[Hash], roots: &[Hash], first: usize, second: usize) {
    let (m, n) = (first as u64, second as u64);
    let (first_root, second_root) = (&roots[first], &roots[second]);
    let proof = build(m, n, &mut node_of(&leaves[..second])).expect("all nodes are there");
    if first > 0 {
        assert_eq!(proof, slow_proof(first, &leaves[..second]), "PROOF({m}, D[{n}])");
    }
    assert_eq!(verify(m, first_root, n, second_root, &proof), Ok(()), "from {m} to {n}");
    let tree = compact(&leaves[..first]);
    let with_root = frontier(m, n, second_root, &proof, Some(first_root));
    let without_root = frontier(m, n, second_root, &proof, None);
    if first == second && m.count_ones() > 1 {
        assert_eq!(with_root, Err(ProofError::NoFrontier { size: m }));
        assert_eq!(without_root, Err(ProofError::NoFrontier { size: m }));
    } else if m.is_power_of_two() && first < second {
        assert_eq!(with_root, Ok(tree));
        assert_eq!(without_root, Err(ProofError::NeedsRoot { first: m, second: n }));
    } else {
        assert_eq!((with_root, without_root), (Ok(tree.clone()), Ok(tree)), "from {m} to {n}");
    }
}

#[test]
fn proofs_between_all_sizes_up_to_130_are_those_of_the_definition() {
    let leaves = leaves(130);
    let roots = roots(&leaves);
    for second in 0..=130 {
        for first in 0..=second {
            check(&leaves, &roots, first, second);
        }
    }
}

#[test]
fn proofs_to_all_sizes_up_to_1100_are_those_of_the_definition() {
    let leaves = leaves(1_100);
    let roots = roots(&leaves);
    for second in 131..=1_100usize {
        let power = second.next_power_of_two() / 2;
        for first in [1, second / 3, power, power + 1, second - 1] {
            check(&leaves, &roots, first.min(second), second);
        }
    }
}

#[test]
fn the_proofs_of_the_rfcs_example_are_found() {
    // RFC 6962 section 2.1.3: a to f are subtrees of the tree of seven leaves that is drawn there.
    let d = leaves(7);
    let [a, b, c, d_, e, f, j] = [d[0], d[1], d[2], d[3], d[4], d[5], d[6]];
    let (g, h, i) = (node_hash(&a, &b), node_hash(&c, &d_), node_hash(&e, &f));
    let (k, l) = (node_hash(&g, &h), node_hash(&i, &j));
    let proof = |first| build(first, 7, &mut node_of(&d)).unwrap();
    assert_eq!(proof(3), [c, d_, g, l]);
    assert_eq!(proof(4), [l]);
    assert_eq!(proof(6), [i, j, k]);
}

#[test]
fn the_proofs_are_those_of_the_reference_test_vectors() {
    let leaves = reference_leaves().map(leaf_hash);
    let roots = roots(&leaves);
    let of_2_and_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
    let to_8 = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        of_2_and_3,
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ];
    let from_6 = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    let to_5 = [of_2_and_3, "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"];
    for (first, second, expected) in [(1, 8, &to_8[..]), (6, 8, &from_6), (2, 5, &to_5)] {
        let proof = build(first, second, &mut node_of(&leaves[..second as usize])).unwrap();
        assert_eq!(proof.iter().map(hex).collect::<Vec<_>>(), expected, "from {first} to {second}");
        let (first_root, second_root) = (&roots[first as usize], &roots[second as usize]);
        assert_eq!(verify(first, first_root, second, second_root, &proof), Ok(()));
    }
}

#[test]
fn where_the_size_is_a_power_of_two_the_tree_of_one_leaf_more_helps() {
    let leaves = leaves(100);
    let roots = roots(&leaves);
    for first in [2usize, 4, 8, 16, 32, 64] {
        let proof = slow_proof(first + 1, &leaves);
        let more = frontier(first as u64 + 1, 100, &roots[100], &proof, None).unwrap();
        assert_eq!(more.without_last_leaf(), Some(compact(&leaves[..first])));
    }
    let proof = slow_proof(2, &leaves);
    let error = frontier(2, 100, &roots[100], &proof, None);
    assert_eq!(error, Err(ProofError::NeedsRoot { first: 2, second: 100 }), "1 has no such neighbour");
}

#[test]
fn a_log_can_be_followed_from_the_middle() {
    let leaves = leaves(300);
    let roots = roots(&leaves);
    let mut tree = frontier(200, 250, &roots[250], &slow_proof(200, &leaves[..250]), None).unwrap();
    for (size, leaf) in leaves.iter().enumerate().skip(200) {
        assert_eq!(tree.root(), roots[size]);
        tree.push(*leaf);
    }
    assert_eq!(tree.root(), roots[300]);
}
