//! Tests that each fault has its effect on the right responses, the right number of times.

use super::*;
use crate::ct::merkle::CompactTree;
use crate::ct::merkle::leaf_hash;
use crate::ct::sth::SthError;
use crate::demo::{Fault, FaultOn};
use actix_web::rt::spawn;
use actix_web::rt::time::{sleep, timeout};
use std::time::Instant;

const PAGE: &str = "get-entries?start=0&end=9";

/// A log of ten entries.
async fn small_log() -> DemoLog {
    log_with(DemoLogOptions { rate: 0.0, initial: 10, ..Default::default() }).await
}

async fn assert_page_is_whole(log: &DemoLog) {
    let page = get(log, PAGE).await;
    assert_eq!((page.status, page.entry_count()), (StatusCode::OK, 10));
}

#[actix_web::test]
async fn too_many_requests_says_when_to_come_back() {
    let log = small_log().await;
    let fault = Fault::TooManyRequests { retry_after_s: 7 };
    log.set_fault(fault, FaultOn::Entries, Some(2));
    for _ in 0..2 {
        let page = get(&log, PAGE).await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(page.header("retry-after"), Some("7"));
    }
    assert_page_is_whole(&log).await;
    let stats = log.stats();
    assert_eq!((stats.faults_shown, stats.entries_served, stats.entries_requests), (2, 10, 3));
    log.stop().await;
}

#[actix_web::test]
async fn a_status_fault_shows_on_what_it_was_set_for() {
    let log = small_log().await;
    log.set_fault(Fault::Status(503), FaultOn::Heads, None);
    for _ in 0..3 {
        assert_eq!(get(&log, "get-sth").await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_page_is_whole(&log).await;
    log.set_fault(Fault::Status(500), FaultOn::All, None);
    for path in [PAGE, "get-roots"] {
        assert_eq!(get(&log, path).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    log.set_fault(Fault::Status(77), FaultOn::Entries, None);
    assert_eq!(get(&log, PAGE).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    log.clear_faults();
    assert_eq!(head(&log).await.tree_size, 10);
    assert_page_is_whole(&log).await;
    log.stop().await;
}

#[actix_web::test]
async fn a_hanging_answer_holds_up_no_other_and_comes_when_faults_are_cleared() {
    let log = small_log().await;
    log.set_fault(Fault::Hang, FaultOn::Entries, Some(3));
    let hanging: Vec<_> = (0..3)
        .map(|_| {
            let log = log.clone();
            spawn(async move { get(&log, PAGE).await.entry_count() })
        })
        .collect();
    while log.stats().entries_in_flight < 3 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_page_is_whole(&log).await;
    assert_eq!(head(&log).await.tree_size, 10);
    assert!(hanging.iter().all(|answer| !answer.is_finished()));
    log.clear_faults();
    for answer in hanging {
        assert_eq!(answer.await.unwrap(), 10);
    }
    let stats = log.stats();
    assert_eq!((stats.entries_in_flight, stats.most_entries_in_flight), (0, 4));
    log.stop().await;
}

#[actix_web::test]
async fn a_hanging_answer_does_not_hold_up_the_end() {
    let log = small_log().await;
    log.set_fault(Fault::Hang, FaultOn::All, None);
    let reader = spawn({
        let log = log.clone();
        async move { try_get(&log, "get-sth").await.is_ok() }
    });
    while log.stats().head_requests == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    timeout(Duration::from_secs(3), log.stop()).await.expect("stop waits for nobody");
    timeout(Duration::from_secs(3), reader).await.expect("the reader is let go").unwrap();
}

#[actix_web::test]
async fn a_delayed_answer_is_whole_and_late() {
    let log = small_log().await;
    log.set_fault(Fault::Delay(Duration::from_secs(2)), FaultOn::Entries, None);
    let started = Instant::now();
    let answers: Vec<_> = (0..4)
        .map(|_| {
            let log = log.clone();
            spawn(async move { assert_page_is_whole(&log).await })
        })
        .collect();
    for answer in answers {
        answer.await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert!(started.elapsed() < Duration::from_secs(7), "answers are delayed side by side");
    assert_eq!(log.stats().most_entries_in_flight, 4);
    log.stop().await;
}

#[actix_web::test]
async fn a_truncated_body_is_well_framed_and_half() {
    let log = small_log().await;
    let whole = get(&log, PAGE).await.body;
    log.set_fault(Fault::Truncate, FaultOn::Entries, Some(1));
    let half = get(&log, PAGE).await;
    assert_eq!(half.status, StatusCode::OK);
    assert_eq!(half.body, whole[..whole.len() / 2]);
    assert_eq!(log.stats().entries_served, 10, "damaged pages serve nothing");
    assert_page_is_whole(&log).await;
    log.stop().await;
}

/// The bytes that one request returns until the connection closes. Does not use awc, which does not detect a
/// truncated body.
pub fn raw_answer(address: std::net::SocketAddr, path: &str) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: demo\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("the connection is closed in time");
    answer
}

#[actix_web::test]
async fn a_cut_answer_sends_half_of_what_it_declared_and_drops_the_connection() {
    let log = small_log().await;
    log.set_fault(Fault::Cut, FaultOn::All, None);
    for path in [PAGE, "get-sth", "get-roots"] {
        let (address, path) = (log.address(), format!("/ct/v1/{path}"));
        let answer = actix_web::web::block(move || raw_answer(address, &path)).await.unwrap();
        let body_at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let header = String::from_utf8_lossy(&answer[..body_at]).to_lowercase();
        let (_, declared) = header.split_once("content-length: ").unwrap();
        let declared: usize = declared.split_once("\r\n").unwrap().0.parse().unwrap();
        assert!(declared > 100);
        assert_eq!(answer.len() - body_at, declared / 2);
    }
    log.clear_faults();
    assert_page_is_whole(&log).await;
    log.stop().await;
}

#[actix_web::test]
async fn a_short_page_holds_fewer_entries_but_never_none() {
    let log = small_log().await;
    for (fault, count) in [(Fault::Short(3), 3), (Fault::Short(0), 1), (Fault::Short(99), 10)] {
        log.set_fault(fault, FaultOn::Entries, Some(1));
        assert_eq!(get(&log, PAGE).await.entry_count(), count);
    }
    assert_eq!(log.stats().entries_served, 14, "short pages serve what they hold");
    log.stop().await;
}

#[actix_web::test]
async fn an_empty_page_holds_no_entries() {
    let log = small_log().await;
    log.set_fault(Fault::Empty, FaultOn::Entries, Some(1));
    assert_eq!(get(&log, PAGE).await.body, b"{\"entries\":[]}");
    assert_page_is_whole(&log).await;
    log.stop().await;
}

#[actix_web::test]
async fn garbage_has_the_length_of_the_answer_and_is_no_json() {
    let log = small_log().await;
    let whole = get(&log, PAGE).await.body;
    log.set_fault(Fault::Garbage, FaultOn::All, Some(2));
    let garbage = get(&log, PAGE).await;
    assert_eq!((garbage.status, garbage.body.len()), (StatusCode::OK, whole.len()));
    assert!(serde_json::from_slice::<Value>(&garbage.body).is_err());
    let head = get(&log, "get-sth").await;
    assert!(matches!(SignedTreeHead::from_json(&head.body), Err(SthError::NotJson(_))));
    log.stop().await;
}

#[actix_web::test]
async fn a_garbage_entry_spoils_the_first_of_a_page_only() {
    let log = small_log().await;
    log.set_fault(Fault::GarbageEntry, FaultOn::Entries, Some(1));
    let page = get(&log, PAGE).await;
    assert_eq!(page.entry_count(), 10);
    for (position, entry) in page.json()["entries"].as_array().unwrap().iter().enumerate() {
        let leaf = entry["leaf_input"].as_str().unwrap();
        assert_eq!(STANDARD.decode_to_vec(leaf).is_ok(), position > 0);
    }
    log.stop().await;
}

#[actix_web::test]
async fn a_wrong_root_is_properly_signed() {
    let log = small_log().await;
    let proper = head(&log).await;
    log.set_fault(Fault::WrongRoot, FaultOn::Heads, Some(1));
    let wrong = head(&log).await;
    assert_eq!(wrong.tree_size, proper.tree_size);
    assert_ne!(wrong.root_hash, proper.root_hash);
    wrong.verify(&public_key(&log)).unwrap();
    assert_eq!(head(&log).await.root_hash, proper.root_hash);
    log.stop().await;
}

#[actix_web::test]
async fn a_bad_signature_is_well_formed_and_does_not_verify() {
    let log = small_log().await;
    log.set_fault(Fault::BadSignature, FaultOn::Heads, Some(1));
    let error = head(&log).await.verify(&public_key(&log)).unwrap_err();
    assert!(matches!(error, SthError::SignatureMismatch { tree_size: 10, .. }), "{error}");
    head(&log).await.verify(&public_key(&log)).unwrap();
    log.stop().await;
}

#[actix_web::test]
async fn a_shrunken_head_is_the_signed_head_of_an_earlier_tree() {
    let log = log_with(DemoLogOptions { rate: 0.0, retain: 8, ..Default::default() }).await;
    let mut roots = vec![CompactTree::new().root()];
    let mut tree = CompactTree::new();
    for index in 0..20 {
        log.publish(1);
        tree.push(leaf_hash(&log.entry(index).unwrap().leaf_input));
        roots.push(tree.root());
    }
    for (by, size) in [(1, 19), (5, 15), (8, 12), (19, 1), (20, 0), (u64::MAX, 0)] {
        log.set_fault(Fault::Shrink(by), FaultOn::Heads, Some(1));
        let shrunken = head(&log).await;
        shrunken.verify(&public_key(&log)).unwrap();
        assert_eq!((shrunken.tree_size, shrunken.root_hash), (size, roots[size as usize]));
    }
    log.stop().await;
}
