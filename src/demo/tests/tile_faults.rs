//! Tests that each fault has its effect on static-ct logs.

use super::faults::raw_answer;
use super::*;
use crate::ct::checkpoint::{Checkpoint, CheckpointError};
use crate::ct::sth::SthError;
use crate::ct::tile::TileError;
use crate::demo::gzip::BOMB_SIZE;
use crate::demo::{Fault, FaultOn};
use actix_web::rt::spawn;
use actix_web::rt::time::sleep;
use openssl::sha::sha256;
use std::time::Instant;

const FULL: &str = "/tile/data/000";
const PARTIAL: &str = "/tile/data/001.p/44";

/// A log of one full data tile and a partial one.
async fn small_log() -> DemoLog {
    still_log(DemoProtocol::StaticCt, 300).await
}

async fn assert_tiles_are_whole(log: &DemoLog) {
    for (path, width) in [(FULL, 256), (PARTIAL, 44)] {
        assert_eq!(fetch(log, path).await.leaves().len(), width);
    }
}

fn verified(log: &DemoLog, got: &Got) -> Result<SignedTreeHead, CheckpointError> {
    Checkpoint::parse(&got.body)?.verify(&log.origin(), &sha256(log.public_key()), &public_key(log))
}

/// The path of an issuer, and the certificate's hash.
async fn some_issuer(log: &DemoLog) -> (String, Hash) {
    let hash = fetch(log, PARTIAL).await.leaves()[0].chain[0];
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    (format!("/issuer/{hex}"), hash)
}

#[actix_web::test]
async fn a_status_shows_on_checkpoints_tiles_and_issuers_as_it_was_set() {
    let log = small_log().await;
    let (issuer, _) = some_issuer(&log).await;
    let paths = ["/checkpoint", FULL, PARTIAL, &issuer, "/tile/0/000", "/nowhere"];
    for (on, hit) in [
        (FaultOn::Heads, 0..1),
        (FaultOn::Entries, 1..3),
        (FaultOn::Issuers, 3..4),
        (FaultOn::All, 0..paths.len()),
    ] {
        log.set_fault(Fault::TooManyRequests { retry_after_s: 9 }, on, None);
        for (position, path) in paths.iter().enumerate() {
            let got = fetch(&log, path).await;
            let refused = hit.contains(&position);
            assert_eq!(got.status == StatusCode::TOO_MANY_REQUESTS, refused, "{on:?} {path}");
            assert_eq!(got.header("retry-after").is_some(), refused);
        }
        log.clear_faults();
    }
    log.set_fault(Fault::Status(503), FaultOn::Issuers, Some(1));
    assert_eq!(fetch(&log, &issuer).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(fetch(&log, &issuer).await.status, StatusCode::OK);
    log.stop().await;
}

#[actix_web::test]
async fn hanging_and_delayed_tiles_are_whole_in_the_end() {
    let log = small_log().await;
    log.set_fault(Fault::Hang, FaultOn::Entries, Some(1));
    let hanging = spawn({
        let log = log.clone();
        async move { fetch(&log, FULL).await.leaves().len() }
    });
    while log.stats().entries_in_flight == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(fetch(&log, PARTIAL).await.leaves().len(), 44);
    assert!(!hanging.is_finished());
    log.clear_faults();
    assert_eq!(hanging.await.unwrap(), 256);
    log.set_fault(Fault::Delay(Duration::from_millis(150)), FaultOn::Entries, None);
    let started = Instant::now();
    assert_tiles_are_whole(&log).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(log.stats().entries_served, 44 + 256 + 256 + 44);
    log.stop().await;
}

#[actix_web::test]
async fn truncated_garbled_and_empty_tiles_serve_nothing() {
    let log = small_log().await;
    let whole = fetch(&log, FULL).await.body;
    log.set_fault(Fault::Truncate, FaultOn::Entries, Some(1));
    assert_eq!(fetch(&log, FULL).await.body, whole[..whole.len() / 2]);
    log.set_fault(Fault::Garbage, FaultOn::Entries, Some(1));
    let garbage = fetch(&log, FULL).await;
    assert_eq!(garbage.body.len(), whole.len());
    assert!(leaves(&garbage.body).next().unwrap().is_err());
    log.set_fault(Fault::Empty, FaultOn::Entries, Some(1));
    assert!(fetch(&log, FULL).await.leaves().is_empty());
    log.set_fault(Fault::Garbage, FaultOn::Heads, Some(1));
    assert!(Checkpoint::parse(&fetch(&log, "/checkpoint").await.body).is_err());
    let stats = log.stats();
    assert_eq!((stats.entries_served, stats.faults_shown), (256, 4));
    log.stop().await;
}

#[actix_web::test]
async fn cut_tiles_and_checkpoints_break_off_halfway() {
    let log = small_log().await;
    let whole = fetch(&log, PARTIAL).await.body;
    log.set_fault(Fault::Cut, FaultOn::All, None);
    for path in [PARTIAL, "/checkpoint"] {
        let address = log.address();
        let answer = actix_web::web::block(move || raw_answer(address, path)).await.unwrap();
        let body_at = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let header = String::from_utf8_lossy(&answer[..body_at]).to_lowercase();
        let (_, declared) = header.split_once("content-length: ").unwrap();
        let declared: usize = declared.split_once("\r\n").unwrap().0.parse().unwrap();
        assert_eq!(answer.len() - body_at, declared / 2, "{path}");
        assert!(path != PARTIAL || whole.starts_with(&answer[body_at..]));
    }
    log.stop().await;
}

#[actix_web::test]
async fn checkpoints_lie_as_tree_heads_do() {
    let log = small_log().await;
    let proper = fetch(&log, "/checkpoint").await;
    let proper_head = verified(&log, &proper).unwrap();
    let etag = proper.header("etag").unwrap().to_owned();
    let show = |fault| {
        log.set_fault(fault, FaultOn::Heads, Some(1));
        // A client with a copy of the correct response gets the faulty one nevertheless.
        let (log, etag) = (log.clone(), etag.clone());
        async move { try_fetch(&log, "/checkpoint", &[("if-none-match", &etag)]).await.unwrap() }
    };
    let wrong = verified(&log, &show(Fault::WrongRoot).await).unwrap();
    assert_eq!(wrong.tree_size, 300);
    assert_ne!(wrong.root_hash, proper_head.root_hash);
    let error = verified(&log, &show(Fault::BadSignature).await).unwrap_err();
    assert!(matches!(error, CheckpointError::Signature(SthError::SignatureMismatch { .. })), "{error}");
    assert_eq!(verified(&log, &show(Fault::Shrink(44)).await).unwrap().tree_size, 256);
    assert_eq!(show(Fault::Truncate).await.body, proper.body[..proper.body.len() / 2]);
    let late = show(Fault::Delay(Duration::from_millis(1))).await;
    assert_eq!(late.status, StatusCode::NOT_MODIFIED, "a delay is no reason for a body");
    log.stop().await;
}

#[actix_web::test]
async fn wider_and_narrower_tiles_differ_from_their_names_by_one_entry() {
    let log = small_log().await;
    let entries = [fetch(&log, FULL).await.leaves(), fetch(&log, PARTIAL).await.leaves()].concat();
    log.set_fault(Fault::WiderTile, FaultOn::Entries, Some(2));
    assert_eq!(fetch(&log, FULL).await.leaves(), entries[..257]);
    let wider = fetch(&log, PARTIAL).await.leaves();
    assert_eq!((&wider[..44], &wider[44..]), (&entries[256..], &entries[299..]), "its last one twice");
    log.set_fault(Fault::NarrowerTile, FaultOn::Entries, Some(2));
    assert_eq!(fetch(&log, FULL).await.leaves(), entries[..255]);
    assert_eq!(fetch(&log, PARTIAL).await.leaves(), entries[256..299]);
    assert_eq!(log.stats().entries_served, 300, "damaged tiles serve nothing");
    assert_tiles_are_whole(&log).await;
    log.stop().await;
}

#[actix_web::test]
async fn a_missing_partial_tile_leaves_the_full_ones_alone() {
    let log = small_log().await;
    log.set_fault(Fault::MissingPartial, FaultOn::Entries, Some(2));
    assert_eq!(fetch(&log, FULL).await.leaves().len(), 256);
    for path in [PARTIAL, "/tile/data/000.p/3"] {
        assert_eq!(fetch(&log, path).await.status, StatusCode::NOT_FOUND);
    }
    assert_tiles_are_whole(&log).await;
    log.stop().await;
}

#[actix_web::test]
async fn an_unknown_entry_type_ends_the_reading_in_the_middle() {
    let log = small_log().await;
    let proper = fetch(&log, PARTIAL).await.leaves();
    log.set_fault(Fault::UnknownEntryType, FaultOn::Entries, Some(1));
    let tile = fetch(&log, PARTIAL).await.body;
    let mut read: Vec<_> = leaves(&tile).collect();
    let error = read.pop().unwrap().unwrap_err();
    assert!(matches!(error, TileError::UnknownType { entry_type: 9, .. }), "{error}");
    let read: Vec<TileLeaf<'_>> = read.into_iter().map(Result::unwrap).collect();
    assert_eq!(read, proper[..22]);
    assert_tiles_are_whole(&log).await;
    log.stop().await;
}

#[actix_web::test]
async fn a_wrong_leaf_index_is_one_entrys_only() {
    let log = small_log().await;
    log.set_fault(Fault::WrongLeafIndex, FaultOn::Entries, Some(1));
    let indexes = fetch(&log, FULL).await.leaves().into_iter().map(|leaf| leaf.leaf_index);
    let expected = (0..256).map(|index| Some(if index == 128 { 129 } else { index }));
    assert!(indexes.eq(expected));
    assert_tiles_are_whole(&log).await;
    let hybrid = still_log(DemoProtocol::Hybrid, 256).await;
    hybrid.set_fault(Fault::WrongLeafIndex, FaultOn::Entries, Some(1));
    fetch(&hybrid, FULL).await;
    assert_eq!(hybrid.stats().faults_shown, 0, "there is no leaf_index to be wrong");
    log.stop().await;
    hybrid.stop().await;
}

#[actix_web::test]
async fn a_wrong_issuer_is_another_ones_certificate() {
    let log = small_log().await;
    let (address, hash) = some_issuer(&log).await;
    log.set_fault(Fault::WrongIssuer, FaultOn::Issuers, Some(1));
    let wrong = fetch(&log, &address).await;
    assert_eq!(wrong.status, StatusCode::OK);
    assert_ne!(sha256(&wrong.body), hash);
    openssl::x509::X509::from_der(&wrong.body).unwrap();
    assert_eq!(sha256(&fetch(&log, &address).await.body), hash);
    log.stop().await;
}

#[actix_web::test]
async fn a_gzip_bomb_is_small_until_it_is_unpacked() {
    let log = small_log().await;
    log.set_fault(Fault::GzipBomb, FaultOn::All, Some(3));
    for path in [FULL, PARTIAL, "/checkpoint"] {
        let bomb = fetch(&log, path).await;
        assert_eq!((bomb.status, bomb.header("content-encoding")), (StatusCode::OK, Some("gzip")));
        assert!(bomb.body.len() < 300_000);
        assert!(bomb.body.ends_with(&BOMB_SIZE.to_le_bytes()));
    }
    assert_tiles_are_whole(&log).await;
    log.stop().await;
}
