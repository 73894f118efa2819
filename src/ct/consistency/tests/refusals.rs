//! Tests that invalid proofs are rejected, and the cases in which there is little to prove.

use super::*;
use crate::ct::merkle::empty_root;

/// Various pairs of sizes: powers of two, odd and even, close together and far apart.
const PAIRS: [(usize, usize); 12] =
    [(1, 2), (1, 7), (2, 3), (3, 4), (3, 7), (4, 8), (6, 7), (6, 8), (7, 13), (8, 21), (11, 12), (21, 64)];

#[test]
fn a_proof_with_any_bit_changed_is_refused() {
    let leaves = leaves(64);
    let roots = roots(&leaves);
    for (first, second) in PAIRS {
        let proof = slow_proof(first, &leaves[..second]);
        let (m, n) = (first as u64, second as u64);
        for bit in 0..proof.len() * 256 {
            let mut changed = proof.clone();
            changed.as_flattened_mut()[bit / 8] ^= 1 << (bit % 8);
            let error = verify(m, &roots[first], n, &roots[second], &changed);
            assert_eq!(error, Err(ProofError::SecondRoot { first: m, second: n }));
            assert!(frontier(m, n, &roots[second], &changed, None).is_err());
        }
        for bit in 0..256 {
            let flipped = |mut root: Hash| {
                root[bit / 8] ^= 1 << (bit % 8);
                root
            };
            assert!(verify(m, &flipped(roots[first]), n, &roots[second], &proof).is_err());
            assert!(verify(m, &roots[first], n, &flipped(roots[second]), &proof).is_err());
        }
    }
}

#[test]
fn a_proof_with_a_hash_replaced_moved_missing_or_added_is_refused() {
    let leaves = leaves(64);
    let roots = roots(&leaves);
    for (first, second) in PAIRS {
        let proof = slow_proof(first, &leaves[..second]);
        let (m, n) = (first as u64, second as u64);
        let refused = |proof: Vec<Hash>| {
            assert!(verify(m, &roots[first], n, &roots[second], &proof).is_err(), "from {m} to {n}");
            assert!(frontier(m, n, &roots[second], &proof, Some(&roots[first])).is_err());
            assert!(frontier(m, n, &roots[second], &proof, None).is_err());
        };
        for at in 0..proof.len() {
            let with = |change: &dyn Fn(&mut Vec<Hash>)| {
                let mut changed = proof.clone();
                change(&mut changed);
                changed
            };
            refused(with(&|proof| {
                proof.remove(at);
            }));
            for hash in [[0; 32], roots[first], roots[second], proof[at], leaf_hash(b"another")] {
                refused(with(&|proof| proof.insert(at, hash)));
            }
            refused(with(&|proof| proof[at] = leaf_hash(b"another")));
            if at > 0 {
                refused(with(&|proof| proof.swap(at - 1, at)));
            }
        }
        refused([&proof[..], &[[0; 32]]].concat());
        refused(vec![]);
    }
}

#[test]
fn a_proof_between_other_sizes_is_refused() {
    let leaves = leaves(40);
    let roots = roots(&leaves);
    let proof = slow_proof(13, &leaves[..29]);
    for n in 0..=40u64 {
        for m in (0..=40).filter(|m| (*m, n) != (13, 29)) {
            let verified = verify(m, &roots[m as usize], n, &roots[n as usize], &proof);
            assert!(verified.is_err(), "from {m} to {n}");
        }
    }
}

#[test]
fn a_root_that_is_not_the_first_trees_is_told_apart_from_a_damaged_proof() {
    let leaves = leaves(29);
    let roots = roots(&leaves);
    let proof = slow_proof(13, &leaves);
    let forked = verify(13, &roots[12], 29, &roots[29], &proof);
    assert_eq!(forked, Err(ProofError::FirstRoot { first: 13, second: 29 }));
    let text = "the proof from tree size 13 to 29 does not lead to the root of tree size 13";
    assert_eq!(forked.unwrap_err().to_string(), text);
    assert!(frontier(13, 29, &roots[29], &proof, Some(&roots[12])).is_err());
    assert!(frontier(13, 29, &roots[29], &proof, None).is_ok(), "the second root vouches for it");
}

#[test]
fn a_tree_is_consistent_with_itself_by_an_empty_proof() {
    let roots = roots(&leaves(9));
    for size in 0..=9u64 {
        let root = &roots[size as usize];
        assert_eq!(verify(size, root, size, root, &[]), Ok(()));
        let error = verify(size, &[1; 32], size, root, &[]);
        assert_eq!(error, Err(ProofError::FirstRoot { first: size, second: size }));
        let error = verify(size, root, size, root, &[*root]);
        let length = ProofError::Length { first: size, second: size, found: 1, expected: 0 };
        assert_eq!(error, Err(length));
        assert!(frontier(size, size, root, &[], Some(&[1; 32])).is_err(), "at size {size}");
    }
    let of_eight = frontier(8, 8, &roots[8], &[], None).unwrap();
    assert_eq!((of_eight.size(), of_eight.root()), (8, roots[8]));
    assert!(frontier(8, 8, &roots[8], &[], Some(&roots[7])).is_err());
    assert_eq!(frontier(9, 9, &roots[9], &[], None), Err(ProofError::NoFrontier { size: 9 }));
}

#[test]
fn the_empty_tree_is_consistent_with_every_other_by_an_empty_proof() {
    for second in [1, 2, 7, MAX_TREE_SIZE] {
        assert_eq!(verify(0, &empty_root(), second, &[5; 32], &[]), Ok(()));
        assert!(verify(0, &empty_root(), second, &[5; 32], &[[5; 32]]).is_err());
        assert_eq!(frontier(0, second, &[5; 32], &[], None), Ok(CompactTree::new()));
        assert!(frontier(0, second, &[5; 32], &[[5; 32]], None).is_err());
    }
}

#[test]
fn sizes_that_make_no_sense_are_refused_with_a_reason() {
    let of = |first, second| verify(first, &[1; 32], second, &[2; 32], &[]).unwrap_err().to_string();
    assert_eq!(of(5, 4), "the first tree size 5 is beyond the second, 4");
    assert_eq!(of(1, MAX_TREE_SIZE + 1), "the tree size 9223372036854775809 is above 2^63");
    assert_eq!(of(u64::MAX, u64::MAX), "the tree size 18446744073709551615 is above 2^63");
    assert_eq!(of(5, 9), "the proof from tree size 5 to 9 has 0 hashes, expected 5");
    assert_eq!(build(5, 4, &mut |_| Some([0; 32])), None);
    assert_eq!(build(5, 9, &mut |_| None), None, "without nodes there is no proof");
}
