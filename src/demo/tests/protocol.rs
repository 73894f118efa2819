//! Tests of get-sth, get-entries, get-roots, growth and stopping.

use super::*;
use crate::ct::merkle::{empty_root, leaf_hash};
use crate::demo::EntryKind;
use actix_web::rt::time::sleep;
use std::time::Instant;

#[actix_web::test]
async fn an_empty_log_has_a_signed_head_of_size_0() {
    let log = idle_log().await;
    let head = head(&log).await;
    assert_eq!((head.tree_size, head.root_hash), (0, empty_root()));
    head.verify(&public_key(&log)).unwrap();
    let entries = get(&log, "get-entries?start=0&end=0").await;
    assert_eq!(entries.status, StatusCode::BAD_REQUEST);
    log.stop().await;
}

#[actix_web::test]
async fn heads_are_signed_and_their_roots_are_those_of_the_leaves_that_are_served() {
    let log = idle_log().await;
    let mut leaves = Vec::new();
    let mut timestamp_ms = 0;
    for count in [1, 2, 0, 60, 37] {
        let size = log.publish(count);
        let head = head(&log).await;
        assert_eq!(head.tree_size, size);
        assert!(head.timestamp_ms > timestamp_ms);
        head.verify(&public_key(&log)).unwrap();
        let next = leaves.len();
        if count > 0 {
            let page = get(&log, &format!("get-entries?start={next}&end={}", size - 1)).await;
            leaves.extend(decoded(&page).iter().map(|(leaf, _)| leaf_hash(leaf)));
        }
        assert_eq!(leaves.len() as u64, size);
        assert_eq!(head.root_hash, slow_root(&leaves));
        timestamp_ms = head.timestamp_ms;
    }
    log.stop().await;
}

#[actix_web::test]
async fn pages_are_capped_and_end_with_the_tree() {
    let log = log_with(DemoLogOptions { rate: 0.0, max_page: 10, initial: 25, ..Default::default() }).await;
    for (query, count) in [
        ("start=0&end=24", 10),
        ("start=0&end=3", 4),
        ("start=20&end=24", 5),
        ("start=24&end=18446744073709551615", 1),
        ("end=7&start=7", 1),
    ] {
        assert_eq!(get(&log, &format!("get-entries?{query}")).await.entry_count(), count, "{query}");
    }
    log.stop().await;
}

#[actix_web::test]
async fn a_range_that_makes_no_sense_is_refused_with_a_reason() {
    let log = log_with(DemoLogOptions { rate: 0.0, initial: 5, ..Default::default() }).await;
    for (query, reason) in [
        ("", "the parameter \"start\" is missing"),
        ("?start=1", "the parameter \"end\" is missing"),
        ("?start=-1&end=2", "the parameter \"start\" is not an integer from 0 to 2^64-1"),
        ("?start=3&end=2", "start 3 is beyond end 2"),
        ("?start=5&end=9", "start 5 is not below the tree size 5"),
    ] {
        let refused = get(&log, &format!("get-entries{query}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(refused.json()["error_message"], reason, "{query}");
        assert_eq!(refused.json()["success"], false);
    }
    assert_eq!(log.stats().entries_served, 0);
    log.stop().await;
}

#[actix_web::test]
async fn old_entries_are_forgotten_while_the_tree_stays_exact() {
    let log = log_with(DemoLogOptions { rate: 0.0, retain: 8, ..Default::default() }).await;
    let mut leaves = Vec::new();
    for index in 0..30 {
        log.publish(1);
        leaves.push(leaf_hash(&log.entry(index).unwrap().leaf_input));
    }
    assert_eq!(head(&log).await.root_hash, slow_root(&leaves));
    assert_eq!(log.stats().oldest_kept, 22);
    assert!(log.entry(21).is_none());
    let gone = get(&log, "get-entries?start=21&end=25").await;
    assert_eq!(gone.status, StatusCode::BAD_REQUEST);
    let reason = "entry 21 is no longer kept, the oldest that is has index 22";
    assert_eq!(gone.json()["error_message"], reason);
    assert_eq!(get(&log, "get-entries?start=22&end=29").await.entry_count(), 8);
    log.stop().await;
}

#[actix_web::test]
async fn raw_entries_are_served_byte_for_byte() {
    let log = idle_log().await;
    log.publish(1);
    assert_eq!(log.publish_raw(&b"no leaf at all"[..], Vec::new()), 2);
    assert_eq!(log.publish_raw(Vec::new(), vec![0xFF; 5]), 3);
    let served = decoded(&get(&log, "get-entries?start=1&end=2").await);
    assert_eq!(served[0], (b"no leaf at all".to_vec(), Vec::new()));
    assert_eq!(served[1], (Vec::new(), vec![0xFF; 5]));
    assert_eq!(log.entry(1).unwrap().kind, EntryKind::Raw);
    log.stop().await;
}

#[actix_web::test]
async fn get_roots_names_the_roots_that_chains_end_in() {
    let log = log_with(DemoLogOptions { rate: 0.0, initial: 50, ..Default::default() }).await;
    let roots = get(&log, "get-roots").await.json();
    let roots: Vec<Vec<u8>> = roots["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|root| STANDARD.decode_to_vec(root.as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(roots.len(), 3);
    for index in 0..50 {
        let entry = log.entry(index).unwrap();
        assert!(roots.iter().any(|root| Some(root.as_slice()) == entry.chain.last().map(AsRef::as_ref)));
    }
    log.stop().await;
}

#[actix_web::test]
async fn served_entries_are_counted_so_that_refetches_show() {
    let log = log_with(DemoLogOptions { rate: 0.0, initial: 9, ..Default::default() }).await;
    get(&log, "get-sth").await;
    get(&log, "get-entries?start=0&end=4").await;
    get(&log, "get-entries?start=5&end=8").await;
    let stats = log.stats();
    assert_eq!((stats.entries_served, stats.most_served), (9, 1));
    get(&log, "get-entries?start=4&end=5").await;
    let stats = log.stats();
    assert_eq!((stats.entries_served, stats.most_served), (11, 2));
    assert_eq!((stats.head_requests, stats.entries_requests), (1, 3));
    assert_eq!((stats.tree_size, stats.entries_in_flight), (9, 0));
    log.stop().await;
}

#[actix_web::test]
async fn the_log_grows_at_its_rate() {
    let head_interval = Duration::from_millis(50);
    let log = log_with(DemoLogOptions { rate: 0.0, head_interval, ..Default::default() }).await;
    let first = head(&log).await;
    sleep(Duration::from_millis(500)).await;
    let idle = head(&log).await;
    assert_eq!(idle.tree_size, 0);
    assert!(idle.timestamp_ms > first.timestamp_ms, "heads are signed without growth too");

    log.set_rate(100.0);
    let started = Instant::now();
    sleep(Duration::from_millis(1_500)).await;
    let (size, elapsed) = (head(&log).await.tree_size as f64, started.elapsed().as_secs_f64());
    assert!((elapsed * 100.0 * 0.4..=elapsed * 100.0 + 10.0).contains(&size), "{size}");

    log.set_rate(f64::NAN);
    sleep(Duration::from_millis(500)).await;
    let stopped = head(&log).await.tree_size;
    sleep(Duration::from_millis(150)).await;
    assert_eq!(head(&log).await.tree_size, stopped);
    log.stop().await;
}

#[actix_web::test]
async fn a_stopped_log_frees_its_port() {
    let log = idle_log().await;
    let listen = log.address();
    let other_handle = log.clone();
    log.stop().await;
    assert!(try_get(&other_handle, "get-sth").await.is_err());
    other_handle.stop().await; // stopping twice is not an error
    let again = log_with(DemoLogOptions { listen, rate: 0.0, ..Default::default() }).await;
    assert_eq!(again.url(), format!("http://{listen}"));
    assert_ne!(again.public_key(), log.public_key());
    again.stop().await;
}

#[actix_web::test]
async fn a_port_in_use_is_an_error() {
    let log = idle_log().await;
    let listen = log.address();
    let error = DemoLog::start(DemoLogOptions { listen, ..Default::default() }).await.err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    log.stop().await;
}

#[actix_web::test]
async fn a_log_ends_with_its_last_handle() {
    let log = idle_log().await;
    let (log_again, shared) = (log.clone(), std::sync::Arc::downgrade(&log.running.log));
    drop(log);
    assert_eq!(head(&log_again).await.tree_size, 0);
    drop(log_again);
    let deadline = Instant::now() + Duration::from_secs(5);
    while shared.strong_count() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shared.strong_count(), 0, "neither thread nor HTTP worker holds the log any more");
}
