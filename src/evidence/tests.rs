//! Tests that evidence proves actual misbehaviour and nothing else.

use super::*;
use crate::ct::consistency;
use crate::ct::merkle::leaf_hash;
use crate::ct::sth::SignedTreeHead;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn log(key: &PKey<Private>) -> LogIdentity {
    LogIdentity {
        url: "https://ct.example/2026".into(),
        name: "A log".into(),
        protocol: Protocol::Rfc6962,
        key: Some(Base64(key.public_key_to_der().unwrap())),
        origin: None,
    }
}

/// A head of the first `size` leaves. The leaf with the index `other`, if given, is different.
fn head(key: &PKey<Private>, size: u64, timestamp_ms: u64, other: Option<u64>) -> Base64 {
    let root = tree(size, other).root();
    let head = SignedTreeHead::sign(timestamp_ms, size, root, key).unwrap();
    Base64(head.to_json().into_bytes())
}

fn leaf(i: u64, other: Option<u64>) -> Hash {
    leaf_hash(&if other == Some(i) { u64::MAX } else { i }.to_be_bytes())
}

fn tree(size: u64, other: Option<u64>) -> CompactTree {
    let mut tree = CompactTree::new();
    (0..size).for_each(|i| tree.push(leaf(i, other)));
    tree
}

fn check(log: &LogIdentity, misbehaviour: Misbehaviour) -> Result<(), Unconfirmed> {
    let evidence = Evidence::new(1, log.clone(), "why".into(), misbehaviour);
    let read: Evidence = serde_json::from_str(&serde_json::to_string(&evidence).unwrap()).unwrap();
    assert_eq!(read, evidence);
    read.check()
}

/// Checks that `convicting` is confirmed, and that none of `innocent` is.
fn judged(log: &LogIdentity, convicting: Misbehaviour, innocent: impl IntoIterator<Item = Misbehaviour>) {
    assert_eq!(check(log, convicting.clone()), Ok(()));
    for innocent in innocent {
        assert!(matches!(check(log, innocent.clone()), Err(Unconfirmed::Innocent(_))), "{innocent:?}");
    }
    let stranger = log_of_nobody(log);
    assert_eq!(check(&stranger, convicting), Err(Unconfirmed::NoKey));
}

fn log_of_nobody(log: &LogIdentity) -> LogIdentity {
    LogIdentity { key: None, ..log.clone() }
}

#[test]
fn a_signature_is_bad_or_good() {
    let (key, other_key) = (key(), key());
    judged(
        &log(&key),
        Misbehaviour::BadSignature { head: head(&other_key, 5, 10, None) },
        [Misbehaviour::BadSignature { head: head(&key, 5, 10, None) }],
    );
}

#[test]
fn a_smaller_tree_must_have_been_signed_no_earlier() {
    let key = key();
    let rollback = |small: (u64, u64), large: (u64, u64)| Misbehaviour::Rollback {
        smaller: head(&key, small.0, small.1, None),
        larger: head(&key, large.0, large.1, None),
    };
    let innocent = [rollback((5, 9), (6, 10)), rollback((6, 11), (6, 10)), rollback((7, 11), (6, 10))];
    judged(&log(&key), rollback((5, 10), (6, 10)), innocent);
}

#[test]
fn a_fork_needs_two_roots_of_one_size() {
    let key = key();
    let fork = |first, second| Misbehaviour::Fork { first, second };
    let one = || head(&key, 5, 10, None);
    judged(
        &log(&key),
        fork(one(), head(&key, 5, 9, Some(3))),
        [fork(one(), head(&key, 5, 11, None)), fork(one(), head(&key, 6, 11, None))],
    );
}

#[test]
fn heads_of_others_convict_nobody() {
    let (key, other_key) = (key(), key());
    let forged =
        Misbehaviour::Fork { first: head(&key, 5, 10, None), second: head(&other_key, 5, 10, Some(3)) };
    assert!(matches!(check(&log(&key), forged), Err(Unconfirmed::NotTheLogs(_))));
}

/// The consistency proof from `first` to `second` leaves.
fn proof(first: u64, second: u64) -> Vec<Hash> {
    let mut node = |node: consistency::Node| {
        let mut tree = CompactTree::new();
        let start = node.index << node.height;
        (start..start + (1 << node.height)).for_each(|i| tree.push(leaf(i, None)));
        Some(tree.root())
    };
    consistency::build(first, second, &mut node).unwrap()
}

#[test]
fn entries_that_do_not_lead_to_the_head_convict() {
    let key = key();
    let entries = |other| {
        let leaf_hashes: Vec<Hash> = (5..8).map(|i| leaf(i, other)).collect();
        OldTree::entries(&tree(5, None), &leaf_hashes)
    };
    let inconsistent = |other, size: u64, proof| Misbehaviour::Inconsistent {
        beginning: entries(other),
        proof,
        head: head(&key, size, 10, None),
    };
    let same = || Proof::Consistency(Vec::new());
    judged(&log(&key), inconsistent(Some(6), 8, same()), [inconsistent(None, 8, same())]);
    let larger = || Proof::Consistency(base64s(&proof(8, 13)));
    judged(&log(&key), inconsistent(Some(6), 13, larger()), [inconsistent(None, 13, larger())]);
    let subtrees = || {
        let behind = tree(12, None).frontier()[1];
        Proof::Subtrees(base64s(&[behind, leaf(12, None)]))
    };
    judged(&log(&key), inconsistent(Some(6), 13, subtrees()), [inconsistent(None, 13, subtrees())]);
    let short = Proof::Subtrees(base64s(&[leaf(12, None)]));
    assert_eq!(check(&log(&key), inconsistent(None, 13, short)), Err(Unconfirmed::Malformed("its proof")));
}

#[test]
fn an_earlier_root_that_is_no_beginning_convicts() {
    let key = key();
    let inconsistent = |root: Option<Hash>| Misbehaviour::Inconsistent {
        beginning: OldTree::Root { size: 6, root: root.map(|root| root.as_slice().into()) },
        proof: Proof::Consistency(base64s(&proof(6, 13))),
        head: head(&key, 13, 10, None),
    };
    let right = [inconsistent(Some(tree(6, None).root())), inconsistent(None)];
    judged(&log(&key), inconsistent(Some(tree(6, Some(2)).root())), right);
}

#[test]
fn a_later_version_is_not_judged() {
    let mut evidence = Evidence::new(
        1,
        log(&key()),
        String::new(),
        Misbehaviour::WrongEntry {
            index: 1,
            leaf_input: Base64(vec![]),
            precertificate: None,
            chain: vec![],
        },
    );
    assert_eq!(evidence.check(), Err(Unconfirmed::Malformed("its leaf")));
    evidence.version = 2;
    assert_eq!(evidence.check(), Err(Unconfirmed::Version(2)));
}
