//! Tests with trees too large for a list of leaves, and with proofs of arbitrary hashes.

use super::*;
use crate::ct::slow_tree::WideTree;
use proptest::prelude::*;

fn node_of_wide(tree: &WideTree) -> impl FnMut(Node) -> Option<Hash> {
    |node| {
        let start = node.index << node.height;
        Some(tree.root(start..start + (1 << node.height)))
    }
}

/// RFC 9162 section 2.1.4.2, step by step: the two roots that a proof leads to. `None` if its length is
/// wrong.
fn roots_by_rfc9162(first: u64, first_root: &Hash, second: u64, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if proof.is_empty() {
        return None;
    }
    let mut path = proof.to_vec();
    if first.is_power_of_two() {
        path.insert(0, *first_root);
    }
    let (mut f, mut s) = (first - 1, second - 1);
    while f & 1 == 1 {
        (f, s) = (f >> 1, s >> 1);
    }
    let (mut fr, mut sr) = (path[0], path[0]);
    for c in &path[1..] {
        if s == 0 {
            return None;
        }
        if f & 1 == 1 || f == s {
            (fr, sr) = (node_hash(c, &fr), node_hash(c, &sr));
            while f & 1 == 0 && f != 0 {
                (f, s) = (f >> 1, s >> 1);
            }
        } else {
            sr = node_hash(&sr, c);
        }
        (f, s) = (f >> 1, s >> 1);
    }
    (s == 0).then_some((fr, sr))
}

#[test]
fn a_proof_leads_to_the_roots_to_which_rfc_9162_leads() {
    let leaves = leaves(70);
    let roots = roots(&leaves);
    for second in 2..=70usize {
        for first in 1..second {
            let proof = slow_proof(first, &leaves[..second]);
            let led = roots_by_rfc9162(first as u64, &roots[first], second as u64, &proof);
            assert_eq!(led, Some((roots[first], roots[second])));
        }
    }
}

#[test]
fn the_largest_trees_have_the_longest_proofs_and_they_verify() {
    for odd_one in [0, (1 << 62) + 12_345, MAX_TREE_SIZE - 2] {
        let tree = WideTree::new(odd_one);
        for (first, second, length) in [
            (MAX_TREE_SIZE - 1, MAX_TREE_SIZE, 64),
            ((1 << 62) + 1, MAX_TREE_SIZE, 64),
            (1, MAX_TREE_SIZE, 63),
            (1 << 62, MAX_TREE_SIZE - 1, 1),
            (0x5555_5555_5555_5555, 0x7AAA_AAAA_AAAA_AAAA, 64),
        ] {
            let (first_root, second_root) = (tree.root(0..first), tree.root(0..second));
            let proof = build(first, second, &mut node_of_wide(&tree)).unwrap();
            assert_eq!(proof, tree.proof(first, second));
            assert_eq!(proof.len(), length, "from {first} to {second}");
            assert_eq!(verify(first, &first_root, second, &second_root, &proof), Ok(()));
        }
    }
}

/// An ordered pair of sizes of all orders of magnitude up to 2^40.
fn sizes() -> impl Strategy<Value = (u64, u64)> {
    let size = (0u32..=40).prop_flat_map(|bits| 0..=(1u64 << bits));
    let near = (0u64..1 << 40, 0u64..600).prop_map(|(first, more)| (first, first + more));
    prop_oneof![(size.clone(), size).prop_map(|(a, b)| (a.min(b), a.max(b))), near]
}

proptest! {
    #[test]
    fn proofs_in_trees_of_up_to_a_trillion_leaves_are_those_of_the_definition(
        (first, second) in sizes(), odd_one: prop::sample::Index,
    ) {
        let tree = WideTree::new(odd_one.index((second as usize).max(1)) as u64);
        let proof = build(first, second, &mut node_of_wide(&tree)).unwrap();
        let (first_root, second_root) = (tree.root(0..first), tree.root(0..second));
        prop_assert_eq!(verify(first, &first_root, second, &second_root, &proof), Ok(()));
        if first > 0 {
            prop_assert_eq!(&proof, &tree.proof(first, second));
        }
        if 0 < first && first < second {
            let compact = frontier(first, second, &second_root, &proof, Some(&first_root)).unwrap();
            let expected: Vec<Hash> =
                complete_subtrees(0..first).map(|node| node_of_wide(&tree)(node).unwrap()).collect();
            prop_assert_eq!(compact.size(), first);
            prop_assert_eq!(compact.frontier(), expected);
            prop_assert_eq!(compact.root(), first_root);
        }
    }

    #[test]
    fn a_proof_of_any_hashes_proves_what_it_leads_to_and_nothing_else(
        (first, second) in sizes(), first_root: Hash, hashes: [Hash; 64], at: prop::sample::Index, bit in 0..256usize,
    ) {
        prop_assume!(0 < first && first < second);
        let length = proof_ranges(first, second).len();
        let mut proof = hashes[..length].to_vec();
        let (led, second_root) = roots_by_rfc9162(first, &first_root, second, &proof).unwrap();
        prop_assert_eq!(verify(first, &led, second, &second_root, &proof), Ok(()));
        prop_assert!(roots_by_rfc9162(first, &first_root, second, &hashes[..length - 1]).is_none());
        at.get_mut(&mut proof)[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify(first, &led, second, &second_root, &proof).is_err());
    }

    #[test]
    fn any_sizes_and_proofs_are_judged_without_a_panic(
        first: u64, second: u64, roots: [Hash; 2], proof in prop::collection::vec(any::<Hash>(), 0..70),
    ) {
        let verified = verify(first, &roots[0], second, &roots[1], &proof);
        prop_assert_eq!(verified.is_ok(), first == 0 && second <= MAX_TREE_SIZE && proof.is_empty());
        prop_assert!(proof_ranges(first, second).len() <= 65);
    }
}
