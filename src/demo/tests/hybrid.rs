//! Tests of an RFC 6962 log whose entries are in tiles as well.

use super::*;
use crate::ct::merkle::leaf_hash;
use crate::ct::reader::Reader;
use openssl::sha::sha256;

async fn hybrid_log(initial: u64) -> DemoLog {
    still_log(DemoProtocol::Hybrid, initial).await
}

/// The TileLeaf of a get-entries entry.
fn tile_leaf(leaf_input: &[u8], extra_data: &[u8]) -> Vec<u8> {
    let mut leaf = leaf_input[2..].to_vec();
    let mut extra = Reader::new(extra_data);
    if leaf_input[11] == 1 {
        let pre_certificate = extra.vector("pre_certificate", 3).unwrap();
        leaf.extend(&(pre_certificate.len() as u32).to_be_bytes()[1..]);
        leaf.extend(pre_certificate);
    }
    let mut chain = Reader::new(extra.vector("certificate_chain", 3).unwrap());
    let mut fingerprints = Vec::new();
    while !chain.rest().is_empty() {
        fingerprints.extend(sha256(chain.vector("certificate", 3).unwrap()));
    }
    leaf.extend((fingerprints.len() as u16).to_be_bytes());
    leaf.extend(fingerprints);
    leaf
}

#[actix_web::test]
async fn tiles_and_pages_hold_the_same_entries_under_the_same_root() {
    let log = hybrid_log(512).await;
    let mut hashes = Vec::new();
    for index in 0..2 {
        let start = index * 256;
        let page = decoded(&get(&log, &format!("get-entries?start={start}&end={}", start + 255)).await);
        let expected: Vec<Vec<u8>> = page.iter().map(|(leaf, extra)| tile_leaf(leaf, extra)).collect();
        let tile = fetch(&log, &format!("/tile/data/00{index}")).await;
        assert_eq!(tile.body, expected.concat());
        for (leaf, _) in &page {
            assert!(leaf.ends_with(&[0, 0]), "no extensions");
            hashes.push(leaf_hash(leaf));
        }
    }
    let head = head(&log).await;
    head.verify(&public_key(&log)).unwrap();
    assert_eq!((head.tree_size, head.root_hash), (512, slow_root(&hashes)));
    let stats = log.stats();
    assert_eq!((stats.entries_requests, stats.entries_served, stats.most_served), (4, 1_024, 2));
    log.stop().await;
}

#[actix_web::test]
async fn its_tiles_name_issuers_that_it_serves() {
    let log = hybrid_log(1).await;
    let entry = log.entry(0).unwrap();
    for certificate in &entry.chain {
        let hash: String = sha256(certificate).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(fetch(&log, &format!("/issuer/{hash}")).await.body, *certificate);
    }
    log.stop().await;
}

#[actix_web::test]
async fn it_has_neither_checkpoints_nor_what_only_they_ask_for() {
    let log = hybrid_log(300).await;
    for path in ["/checkpoint", "/tile/0/000", "/tile/data/000.p/9", "/tile/data/001.p/44", "/tile/data/001"]
    {
        assert_eq!(fetch(&log, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!fetch(&log, "/tile/data/000").await.body.is_empty());
    let stats = log.stats();
    assert_eq!((stats.head_requests, stats.entries_requests, stats.other_requests), (0, 4, 2));
    log.stop().await;
}
