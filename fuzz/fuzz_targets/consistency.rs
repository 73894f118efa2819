//! Verifies any sizes, roots and hashes as a consistency proof: two sizes of 8 bytes, two roots, then the
//! proof. Also parses the same bytes as the body of a get-sth-consistency response.

#![no_main]

use certstream_server_fuzz::ct::consistency::{self, Node, ProofError};
use certstream_server_fuzz::ct::hash_tile::{HashTile, tiles_for_consistency};
use certstream_server_fuzz::ct::merkle::{CompactTree, Hash, MAX_TREE_SIZE, node_hash};
use certstream_server_fuzz::ct::proof_json::{self, MAX_PROOF_HASHES};
use certstream_server_fuzz::meter;
use libfuzzer_sys::fuzz_target;

/// Memory for the lists of a proof's ranges and of its tiles, which are short for any sizes.
const LISTS: usize = 16 * 1024;

struct Claim {
    first: u64,
    second: u64,
    first_root: Hash,
    second_root: Hash,
    proof: Vec<Hash>,
}

fuzz_target!(|data: &[u8]| {
    meter::limited(8 * data.len() + LISTS, || {
        if let Ok(proof) = proof_json::parse(data) {
            assert!(proof.len() <= MAX_PROOF_HASHES && 32 * proof.len() <= data.len());
        }
    });
    let Some(mut claim) = claim(data) else { return };
    meter::limited(4 * data.len() + LISTS, || {
        check(&claim);
        // Random roots rarely match, so the proof is also verified with the roots that it leads to. These
        // must be accepted.
        if let Some((first_root, second_root)) = roots_by_rfc9162(&claim) {
            (claim.first_root, claim.second_root) = (first_root, second_root);
            if claim.second <= MAX_TREE_SIZE {
                assert!(check(&claim), "RFC 9162 accepts what we refuse");
            }
        }
    });
    check_tiles(&claim);
});

fn claim(data: &[u8]) -> Option<Claim> {
    let (first, rest) = data.split_first_chunk()?;
    let (second, rest) = rest.split_first_chunk()?;
    let ([first_root, second_root, proof @ ..], _) = rest.as_chunks() else { return None };
    let (first, second) = (u64::from_be_bytes(*first), u64::from_be_bytes(*second));
    Some(Claim { first, second, first_root: *first_root, second_root: *second_root, proof: proof.to_vec() })
}

/// Whether the proof is accepted. If so, the extracted tree must match the roots, and the algorithm of RFC
/// 9162 must accept the proof too.
fn check(claim: &Claim) -> bool {
    let Claim { first, second, first_root, second_root, proof } = claim;
    let verified = consistency::verify(*first, first_root, *second, second_root, proof);
    let with_root = consistency::frontier(*first, *second, second_root, proof, Some(first_root));
    let without_root = consistency::frontier(*first, *second, second_root, proof, None);
    if let Ok(tree) = &without_root {
        assert_eq!(tree.size(), *first);
    }
    if verified.is_err() {
        assert!(with_root.is_err());
        return false;
    }
    if *first == 0 {
        assert_eq!((with_root, without_root), (Ok(CompactTree::new()), Ok(CompactTree::new())));
        return true;
    }
    if *first < *second {
        assert_eq!(roots_by_rfc9162(claim), Some((*first_root, *second_root)), "RFC 9162 leads elsewhere");
    }
    match with_root {
        Ok(tree) => {
            assert_eq!((tree.size(), tree.root()), (*first, *first_root));
            let needs_root = ProofError::NeedsRoot { first: *first, second: *second };
            assert!(without_root == Ok(tree) || without_root == Err(needs_root));
        }
        Err(error) => assert!(first == second, "accepted, but {error}"),
    }
    true
}

/// Checks that the tiles of a proof exist, and that each node is in one of them.
fn check_tiles(claim: &Claim) {
    let (first, second) = (claim.first, claim.second);
    let tiles = meter::limited(LISTS, || tiles_for_consistency(first, second));
    for tile in &tiles {
        let end = u128::from(tile.index) * 256 + u128::from(tile.width);
        assert!(end << (8 * tile.level) <= u128::from(second), "{} is not there", tile.path());
    }
    let known = |node: Node| {
        let tile = HashTile::holding(node, second).expect("a node of the tree");
        assert!(tiles.contains(&tile));
        Some(claim.second_root)
    };
    let built = meter::limited(LISTS, || consistency::build(first, second, &mut { known }));
    assert_eq!(built.is_some(), first <= second);
}

/// RFC 9162 section 2.1.4.2, step by step: the roots that the proof leads to. `None` if its length is wrong.
fn roots_by_rfc9162(claim: &Claim) -> Option<(Hash, Hash)> {
    if claim.first == 0 || claim.first >= claim.second {
        return None;
    }
    let leading = claim.first.is_power_of_two().then_some(&claim.first_root);
    let mut path = leading.into_iter().chain(&claim.proof);
    let (mut f, mut s) = (claim.first - 1, claim.second - 1);
    (f, s) = (f >> f.trailing_ones(), s >> f.trailing_ones());
    let mut fr = *path.next()?;
    let mut sr = fr;
    for c in path {
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
    // An empty proof is invalid, even though the path begins with a hash if the first size is a power of two.
    (s == 0 && !claim.proof.is_empty()).then_some((fr, sr))
}
