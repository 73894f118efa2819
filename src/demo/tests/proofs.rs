//! Tests that consistency proofs and hash tiles lead from one signed head to the next, except with a fault.

use super::*;
use crate::ct::consistency::{ProofError, frontier, verify};
use crate::ct::hash_tile::{consistency_proof, tiles_for_consistency};
use crate::ct::merkle::{CompactTree, leaf_hash};
use crate::ct::proof_json;
use crate::demo::{Fault, FaultOn};
use std::collections::HashMap;

/// The proof from get-sth-consistency.
async fn asked_for(log: &DemoLog, first: u64, second: u64) -> Vec<Hash> {
    let got = get(log, &format!("get-sth-consistency?first={first}&second={second}")).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, Some("application/json")));
    proof_json::parse(&got.body).unwrap()
}

/// The proof built from tiles.
async fn of_tiles(log: &DemoLog, first: u64, second: u64) -> Vec<Hash> {
    let mut tiles = HashMap::new();
    for tile in tiles_for_consistency(first, second) {
        let got = fetch(log, &format!("/{}", tile.path())).await;
        assert_eq!(got.status, StatusCode::OK, "{}", tile.path());
        tiles.insert(tile, tile.parse(&got.body).unwrap());
    }
    consistency_proof(first, second, &tiles).unwrap()
}

/// The hashes of all leaves, while the log stores them.
fn leaf_hashes(log: &DemoLog) -> Vec<Hash> {
    (0..).map_while(|index| log.entry(index)).map(|entry| leaf_hash(&entry.leaf_input)).collect()
}

#[actix_web::test]
async fn a_proof_leads_from_any_head_to_any_later_one() {
    let log = idle_log().await;
    let mut heads = vec![head(&log).await];
    for count in [1, 1, 5, 249, 1, 70] {
        log.publish(count);
        heads.push(head(&log).await);
    }
    for (position, second) in heads.iter().enumerate() {
        for first in &heads[..=position] {
            let proof = asked_for(&log, first.tree_size, second.tree_size).await;
            let (m, n) = (first.tree_size, second.tree_size);
            assert_eq!(verify(m, &first.root_hash, n, &second.root_hash, &proof), Ok(()), "from {m} to {n}");
        }
    }
    log.stop().await;
}

#[actix_web::test]
async fn proofs_by_request_and_by_tiles_are_the_same_for_the_same_leaves() {
    let paged = still_log(DemoProtocol::Hybrid, 700).await;
    let tiled = still_log(DemoProtocol::StaticCt, 0).await;
    for index in 0..700 {
        tiled.publish_raw(paged.entry(index).unwrap().leaf_input, Vec::new());
    }
    for (first, second) in
        [(1, 700), (2, 3), (255, 256), (256, 700), (333, 600), (511, 513), (699, 700), (9, 9)]
    {
        assert_eq!(of_tiles(&tiled, first, second).await, asked_for(&paged, first, second).await);
    }
    paged.stop().await;
    tiled.stop().await;
}

#[actix_web::test]
async fn a_reader_can_begin_in_the_middle_and_follow_with_a_verified_tree() {
    for protocol in [DemoProtocol::Rfc6962, DemoProtocol::StaticCt] {
        let log = still_log(protocol, 600).await;
        let leaves = leaf_hashes(&log);
        let root = slow_root(&leaves);
        let proof = match protocol {
            DemoProtocol::StaticCt => of_tiles(&log, 500, 600).await,
            _ => asked_for(&log, 500, 600).await,
        };
        let mut tree = frontier(500, 600, &root, &proof, None).unwrap();
        leaves[500..].iter().for_each(|leaf| tree.push(*leaf));
        assert_eq!(tree.root(), root);
        log.stop().await;
    }
}

#[actix_web::test]
async fn proofs_reach_back_to_forgotten_entries() {
    for protocol in [DemoProtocol::Rfc6962, DemoProtocol::StaticCt] {
        let options = DemoLogOptions { protocol, rate: 0.0, retain: 8, ..Default::default() };
        let log = log_with(options).await;
        let mut tree = CompactTree::new();
        let mut trees = vec![tree.clone()];
        for index in 0..300 {
            log.publish_raw(vec![index as u8; 4], Vec::new());
            tree.push(leaf_hash(&log.entry(index).unwrap().leaf_input));
            trees.push(tree.clone());
        }
        assert_eq!(log.stats().oldest_kept, 292);
        for (first, second) in [(1, 300), (5, 9), (100, 257), (299, 300)] {
            let proof = match protocol {
                DemoProtocol::StaticCt => of_tiles(&log, first, second).await,
                _ => asked_for(&log, first, second).await,
            };
            let (first_tree, second_tree) = (&trees[first as usize], &trees[second as usize]);
            let verified = frontier(first, second, &second_tree.root(), &proof, Some(&first_tree.root()));
            assert_eq!(verified.as_ref(), Ok(first_tree));
        }
        log.stop().await;
    }
}

#[actix_web::test]
async fn sizes_between_which_there_is_no_proof_are_refused_with_a_reason() {
    let log = still_log(DemoProtocol::Rfc6962, 5).await;
    for (query, reason) in [
        ("", "the parameter \"first\" is missing"),
        ("?first=1", "the parameter \"second\" is missing"),
        ("?first=-1&second=2", "the parameter \"first\" is not an integer from 0 to 2^64-1"),
        ("?first=3&second=2", "first 3 is beyond second 2"),
        ("?first=3&second=6", "second 6 is beyond the tree size 5"),
        (
            "?first=18446744073709551615&second=18446744073709551615",
            "second 18446744073709551615 is beyond the tree size 5",
        ),
    ] {
        let refused = get(&log, &format!("get-sth-consistency{query}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(refused.json()["error_message"], reason, "{query}");
    }
    for (first, second) in [(0, 5), (0, 0), (5, 5)] {
        assert_eq!(asked_for(&log, first, second).await, <[Hash; 0]>::default());
    }
    let stats = log.stats();
    assert_eq!((stats.proof_requests, stats.other_requests), (9, 0));
    log.stop().await;
}

#[actix_web::test]
async fn only_logs_of_rfc_6962_answer_get_sth_consistency_and_only_static_ct_logs_have_hash_tiles() {
    let tiled = still_log(DemoProtocol::StaticCt, 5).await;
    let got = get(&tiled, "get-sth-consistency?first=1&second=5").await;
    assert_eq!(got.status, StatusCode::NOT_FOUND);
    assert_eq!((tiled.stats().proof_requests, tiled.stats().other_requests), (0, 1));
    fetch(&tiled, "/tile/0/000.p/5").await;
    fetch(&tiled, "/tile/0/000.p/6").await;
    assert_eq!((tiled.stats().proof_requests, tiled.stats().other_requests), (2, 1));
    for protocol in [DemoProtocol::Rfc6962, DemoProtocol::Hybrid] {
        let paged = still_log(protocol, 5).await;
        assert_eq!(asked_for(&paged, 1, 5).await.len(), 3);
        assert_eq!(fetch(&paged, "/tile/0/000.p/5").await.status, StatusCode::NOT_FOUND);
        assert_eq!((paged.stats().proof_requests, paged.stats().other_requests), (1, 1));
        paged.stop().await;
    }
    tiled.stop().await;
}

#[actix_web::test]
async fn a_wrong_proof_is_well_formed_and_refused() {
    let log = still_log(DemoProtocol::Rfc6962, 300).await;
    let leaves = leaf_hashes(&log);
    let (first, second) = (slow_root(&leaves[..77]), slow_root(&leaves));
    let proper = asked_for(&log, 77, 300).await;
    log.set_fault(Fault::WrongProof, FaultOn::Proofs, Some(2));
    let wrong = asked_for(&log, 77, 300).await;
    assert_eq!(wrong.len(), proper.len());
    assert_eq!(wrong.iter().zip(&proper).filter(|(wrong, proper)| wrong != proper).count(), 1);
    let error = verify(77, &first, 300, &second, &wrong);
    assert_eq!(error, Err(ProofError::SecondRoot { first: 77, second: 300 }));
    assert_eq!(asked_for(&log, 300, 300).await.len(), 1, "a hash where none should be");
    assert_eq!(asked_for(&log, 77, 300).await, proper);
    assert_eq!(log.stats().faults_shown, 2);
    log.stop().await;
}

#[actix_web::test]
async fn a_proof_of_a_wrong_tile_is_refused_whichever_tile_it_is() {
    let log = still_log(DemoProtocol::StaticCt, 700).await;
    let leaves = leaf_hashes(&log);
    let (first, second) = (slow_root(&leaves[..300]), slow_root(&leaves));
    let tiles = tiles_for_consistency(300, 700);
    assert_eq!(tiles.len(), 3);
    for wrong in &tiles {
        let mut hashes = HashMap::new();
        for tile in &tiles {
            if tile == wrong {
                log.set_fault(Fault::WrongProof, FaultOn::Proofs, Some(1));
            }
            let got = fetch(&log, &format!("/{}", tile.path())).await;
            hashes.insert(*tile, tile.parse(&got.body).unwrap());
        }
        let proof = consistency_proof(300, 700, &hashes).unwrap();
        assert!(verify(300, &first, 700, &second, &proof).is_err(), "{}", wrong.path());
    }
    let proof = of_tiles(&log, 300, 700).await;
    assert_eq!(verify(300, &first, 700, &second, &proof), Ok(()));
    log.stop().await;
}

#[actix_web::test]
async fn faults_of_proofs_leave_heads_and_entries_alone() {
    let log = still_log(DemoProtocol::Rfc6962, 10).await;
    log.set_fault(Fault::Status(503), FaultOn::Proofs, None);
    assert_eq!(head(&log).await.tree_size, 10);
    assert_eq!(get(&log, "get-entries?start=0&end=9").await.entry_count(), 10);
    let got = get(&log, "get-sth-consistency?first=1&second=10").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    log.clear_faults();
    asked_for(&log, 1, 10).await;
    log.set_fault(Fault::Status(503), FaultOn::All, None);
    let got = get(&log, "get-sth-consistency?first=1&second=10").await;
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    log.stop().await;
}

#[actix_web::test]
async fn a_wrong_entry_of_a_page_is_well_formed_but_not_in_the_tree() {
    let log = still_log(DemoProtocol::Rfc6962, 11).await;
    let proper = decoded(&get(&log, "get-entries?start=0&end=10").await);
    log.set_fault(Fault::WrongEntry, FaultOn::Entries, Some(1));
    let wrong = decoded(&get(&log, "get-entries?start=0&end=10").await);
    let differing: Vec<usize> = (0..11).filter(|index| wrong[*index] != proper[*index]).collect();
    assert_eq!(differing, [5], "the middle one only");
    let (leaf_input, extra_data) = wrong[5].clone();
    let entry =
        crate::ct::entry::decode(&leaf_input, &extra_data, crate::certificate::Issuer::unshared).unwrap();
    assert_eq!(entry.timestamp_ms.abs_diff(log.entry(5).unwrap().timestamp_ms), 1);
    let hashes =
        |entries: &[(Vec<u8>, Vec<u8>)]| entries.iter().map(|(leaf, _)| leaf_hash(leaf)).collect::<Vec<_>>();
    let root = head(&log).await.root_hash;
    assert_eq!(slow_root(&hashes(&proper)), root);
    assert_ne!(slow_root(&hashes(&wrong)), root);
    assert_eq!(log.stats().entries_served, 11, "a wrong page serves nothing");
    log.stop().await;
}

#[actix_web::test]
async fn a_wrong_entry_of_a_data_tile_is_well_formed_but_not_in_the_tree() {
    let log = still_log(DemoProtocol::StaticCt, 256).await;
    let proper = fetch(&log, "/tile/data/000").await.leaves();
    log.set_fault(Fault::WrongEntry, FaultOn::Entries, Some(1));
    let wrong = fetch(&log, "/tile/data/000").await.leaves();
    for (index, (wrong, proper)) in wrong.iter().zip(&proper).enumerate() {
        assert_eq!((wrong.leaf_index, &wrong.certificate), (proper.leaf_index, &proper.certificate));
        let away = wrong.timestamp_ms.abs_diff(proper.timestamp_ms);
        assert_eq!(away, u64::from(index == 128), "entry {index}");
    }
    assert_eq!(fetch(&log, "/tile/data/000").await.leaves(), proper);
    log.stop().await;
}

#[actix_web::test]
async fn the_data_tiles_of_a_hybrid_log_can_have_a_wrong_entry_too() {
    let log = still_log(DemoProtocol::Hybrid, 256).await;
    let proper = fetch(&log, "/tile/data/000").await.body;
    log.set_fault(Fault::WrongEntry, FaultOn::Entries, Some(1));
    let wrong = fetch(&log, "/tile/data/000").await.body;
    assert_eq!(wrong.len(), proper.len());
    assert_eq!(wrong.iter().zip(&proper).filter(|(wrong, proper)| wrong != proper).count(), 1);
    log.stop().await;
}
