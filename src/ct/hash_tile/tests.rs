use super::*;
use crate::ct::consistency::{frontier, verify};
use crate::ct::merkle::MAX_TREE_SIZE;
use crate::ct::slow_tree::{WideTree, leaves, slow_proof, slow_root};
use proptest::prelude::*;

fn tile(level: u8, index: u64, width: u16) -> HashTile {
    HashTile { level, index, width }
}

/// The tile's hashes by definition: each is the root of a complete subtree of the tree of `tree_size` leaves.
fn hashes_of(tile: HashTile, tree_size: u64, root: impl Fn(std::ops::Range<u64>) -> Hash) -> Vec<Hash> {
    let each = 1u64 << (8 * tile.level);
    let hashes = (0..u64::from(tile.width)).map(|position| {
        let start = (tile.index * 256 + position) * each;
        assert!(start + each <= tree_size, "{} is not there at tree size {tree_size}", tile.path());
        root(start..start + each)
    });
    hashes.collect()
}

#[test]
fn the_path_of_a_tile_is_that_of_the_specification() {
    assert_eq!(tile(0, 0, 256).path(), "tile/0/000");
    assert_eq!(tile(2, 1_234_067, 17).path(), "tile/2/x001/x234/067.p/17");
    assert_eq!(tile(2, 1_234_067, 17).full().path(), "tile/2/x001/x234/067");
    assert!(tile(0, 0, 255).is_partial() && !tile(0, 0, 256).is_partial());
}

#[test]
fn a_body_must_have_exactly_its_hashes() {
    let body: Vec<u8> = (0..96).collect();
    let hashes = tile(1, 0, 3).parse(&body).unwrap();
    assert_eq!((hashes.len(), hashes[1][0], hashes[2][31]), (3, 32, 95));
    for wrong in [&body[..0], &body[..64], &body[..95], &[&body[..], &[1]].concat()] {
        assert!(tile(1, 0, 3).parse(wrong).is_err(), "{} bytes", wrong.len());
    }
    let error = tile(1, 0, 256).parse(&body).unwrap_err();
    assert_eq!(error.to_string(), "tile/1/000 has 96 bytes, expected 8192");
}

#[test]
fn a_node_is_in_the_tile_of_its_height_as_wide_as_the_tree_has_it() {
    let at = |height, index, tree_size| HashTile::holding(Node { height, index }, tree_size);
    assert_eq!(at(0, 0, 1), Some(tile(0, 0, 1)));
    assert_eq!(at(0, 299, 300), Some(tile(0, 1, 44)));
    assert_eq!(at(0, 5, 300), Some(tile(0, 0, 256)));
    assert_eq!(at(7, 1, 256), Some(tile(0, 0, 256)));
    assert_eq!(at(7, 3, 700), Some(tile(0, 1, 256)));
    assert_eq!(at(8, 1, 700), Some(tile(1, 0, 2)));
    assert_eq!(at(9, 0, 700), Some(tile(1, 0, 2)));
    assert_eq!(at(16, 3, 1 << 20), Some(tile(2, 0, 16)));
    assert_eq!(at(63, 0, MAX_TREE_SIZE), Some(tile(7, 0, 128)));
    for (height, index, tree_size) in [(0, 0, 0), (0, 300, 300), (9, 1, 1_023), (63, 0, u64::MAX >> 1)] {
        assert_eq!(at(height, index, tree_size), None, "no such subtree");
    }
    assert_eq!(at(64, 0, u64::MAX), None);
    assert_eq!(at(255, u64::MAX, u64::MAX), None);
}

#[test]
fn the_root_of_a_node_is_that_of_its_leaves() {
    let leaves = leaves(700);
    for (height, index) in [(0, 0), (0, 699), (1, 349), (3, 17), (7, 0), (7, 4), (8, 1), (9, 0)] {
        let node = Node { height, index };
        let tile = HashTile::holding(node, 700).unwrap();
        let hashes = hashes_of(tile, 700, |d| slow_root(&leaves[d.start as usize..d.end as usize]));
        let start = (index << height) as usize;
        let expected = slow_root(&leaves[start..start + (1 << height)]);
        assert_eq!(node_root(node, &hashes), Some(expected), "{node:?}");
        assert_eq!(node_root(node, &hashes[..(node.index as usize) % hashes.len()]), None, "{node:?}");
    }
    assert_eq!(tile_root(&leaves[256..512]), Some(slow_root(&leaves[256..512])));
    assert_eq!(tile_root(&leaves[..255]), None);
}

/// Builds the proof from tiles, compares it with `expected`, and checks that every tile is needed.
fn check(first: u64, second: u64, root: impl Fn(std::ops::Range<u64>) -> Hash, expected: &[Hash]) {
    let wanted = tiles_for_consistency(first, second);
    assert!(wanted.is_sorted() && wanted.windows(2).all(|pair| pair[0] != pair[1]));
    let tiles: HashMap<_, _> = wanted.iter().map(|t| (*t, hashes_of(*t, second, &root))).collect();
    let proof = consistency_proof(first, second, &tiles);
    assert_eq!(proof.as_deref(), Some(expected), "from {first} to {second}");
    for tile in &wanted {
        let mut less = tiles.clone();
        less.remove(tile);
        assert_eq!(consistency_proof(first, second, &less), None, "{} is needed", tile.path());
        let on_its_level = wanted.iter().filter(|other| other.level == tile.level).count();
        assert!(on_its_level <= 2, "{wanted:?}");
    }
}

#[test]
fn proofs_of_tiles_are_those_of_the_definition() {
    let leaves = leaves(1_100);
    let root = |d: std::ops::Range<u64>| slow_root(&leaves[d.start as usize..d.end as usize]);
    for second in [1usize, 2, 3, 7, 255, 256, 257, 300, 511, 512, 513, 700, 768, 1_024, 1_025, 1_100] {
        for first in (1..=second).filter(|first| first % 37 == 1 || first % 64 <= 1 || second - first < 3) {
            check(first as u64, second as u64, root, &slow_proof(first, &leaves[..second]));
        }
    }
}

#[test]
fn between_near_sizes_of_a_large_tree_few_tiles_are_needed() {
    let second = (1 << 30) + 12_345;
    let paths: Vec<String> =
        tiles_for_consistency(second - 1_000, second).into_iter().map(HashTile::path).collect();
    let expected =
        ["tile/0/x004/x194/348", "tile/0/x004/x194/352.p/57", "tile/1/x016/384.p/48", "tile/3/000.p/64"];
    assert_eq!(paths, expected);
}

#[test]
fn where_nothing_is_proved_no_tile_is_needed() {
    for (first, second) in [(0, 0), (0, 9), (9, 9), (u64::MAX, u64::MAX)] {
        assert_eq!(tiles_for_consistency(first, second), []);
        assert_eq!(consistency_proof(first, second, &HashMap::new()), Some(vec![]));
    }
    assert_eq!(tiles_for_consistency(9, 8), []);
    assert_eq!(consistency_proof(9, 8, &HashMap::new()), None);
}

#[test]
fn a_damaged_tile_gives_a_proof_that_is_refused() {
    let leaves = leaves(700);
    let root = |d: std::ops::Range<u64>| slow_root(&leaves[d.start as usize..d.end as usize]);
    let (first_root, second_root) = (root(0..333), root(0..700));
    let tiles: HashMap<_, _> =
        tiles_for_consistency(333, 700).into_iter().map(|t| (t, hashes_of(t, 700, root))).collect();
    let (mut refused, mut unused) = (0, 0);
    for (tile, hashes) in &tiles {
        for position in 0..hashes.len() {
            let mut damaged = tiles.clone();
            damaged.get_mut(tile).unwrap()[position][7] ^= 0x10;
            let proof = consistency_proof(333, 700, &damaged).unwrap();
            match verify(333, &first_root, 700, &second_root, &proof) {
                Err(_) => refused += 1,
                Ok(()) => unused += 1,
            }
        }
    }
    // In the tile of level 1, the second hash is the root of the tile in which the first tree ends.
    assert_eq!((refused, unused), (256 + 188 + 1, 1));
}

proptest! {
    #[test]
    fn tiles_of_trees_of_up_to_a_trillion_leaves_give_the_proof_and_the_compact_tree(
        bits in 1u32..=40, places: [prop::sample::Index; 3], near: bool,
    ) {
        let second = places[0].index(1 << bits) as u64 + 1;
        let first = match places[1].index(second as usize) as u64 + 1 {
            first if near => second.saturating_sub(first % 1_000).max(1),
            first => first,
        };
        let tree = WideTree::new(places[2].index(second as usize) as u64);
        let expected = tree.proof(first, second);
        check(first, second, |d| tree.root(d), &expected);
        if first < second {
            let (first_root, second_root) = (tree.root(0..first), tree.root(0..second));
            let compact = frontier(first, second, &second_root, &expected, Some(&first_root)).unwrap();
            prop_assert_eq!(compact.root(), first_root);
        }
    }

    #[test]
    fn any_sizes_name_tiles_that_exist(first: u64, second: u64) {
        for tile in tiles_for_consistency(first, second) {
            let end = u128::from(tile.index) * 256 + u128::from(tile.width);
            prop_assert!(end << (8 * tile.level) <= u128::from(second));
            prop_assert!((1..=256).contains(&tile.width));
        }
    }
}
