//! Tests of static-ct-api: checkpoints, both kinds of tiles, and issuers.

use super::*;
use crate::ct::checkpoint::Checkpoint;
use crate::ct::entry::LogEntryType;
use crate::ct::merkle::leaf_hash;
use crate::ct::sth::signature_input;
use crate::demo::EntryKind;
use openssl::hash::MessageDigest;
use openssl::sha::sha256;
use openssl::sign::Verifier;
use std::collections::HashSet;
use std::io::Read;

async fn tiled_log(initial: u64) -> DemoLog {
    still_log(DemoProtocol::StaticCt, initial).await
}

/// The verified tree head in the checkpoint.
async fn checkpoint(log: &DemoLog) -> SignedTreeHead {
    let note = Checkpoint::parse(&fetch(log, "/checkpoint").await.body).unwrap();
    note.verify(&log.origin(), &sha256(log.public_key()), &public_key(log)).unwrap()
}

/// The leaf hash of an entry in a tile.
fn hash_of(leaf: &TileLeaf<'_>) -> Hash {
    leaf_hash(&[&[0, 0], leaf.timestamped_entry].concat())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[actix_web::test]
async fn a_checkpoint_is_a_note_with_the_signature_of_the_rfc() {
    let log = tiled_log(5).await;
    let got = fetch(&log, "/checkpoint").await;
    assert_eq!(got.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(got.header("cache-control"), Some("no-cache"));
    let note = String::from_utf8(got.body).unwrap();
    let lines: Vec<&str> = note.split('\n').collect();
    let [origin, "5", root, "", signature, ""] = lines[..] else { panic!("{note}") };
    assert_eq!(origin, log.address().to_string());
    assert_eq!(origin, log.origin());
    let root = STANDARD.decode_to_vec(root).unwrap().try_into().unwrap();

    let signature = signature.strip_prefix(&format!("\u{2014} {origin} ")).unwrap();
    let signature = STANDARD.decode_to_vec(signature).unwrap();
    let (key_id, signature) = signature.split_at(4);
    let log_id = sha256(log.public_key());
    assert_eq!(*key_id, sha256(&[origin.as_bytes(), &[0x0A, 0x05], &log_id].concat())[..4]);
    let (timestamp_ms, signature) = signature.split_at(8);
    let timestamp_ms = u64::from_be_bytes(timestamp_ms.try_into().unwrap());
    assert_eq!(signature[..2], [4, 3], "SHA-256 with ECDSA");
    let key = public_key(&log);
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    assert!(verifier.verify_oneshot(&signature[4..], &signature_input(timestamp_ms, 5, &root)).unwrap());
    log.stop().await;
}

#[actix_web::test]
async fn the_origin_can_be_chosen() {
    let origin = Some("ct.example/2026".to_owned());
    let protocol = DemoProtocol::StaticCt;
    let log = log_with(DemoLogOptions { protocol, origin, rate: 0.0, ..Default::default() }).await;
    assert_eq!(log.origin(), "ct.example/2026");
    assert_eq!(checkpoint(&log).await.root_hash, empty_root());
    log.stop().await;
}

#[actix_web::test]
async fn data_tiles_hold_the_entries_under_the_root_with_their_places() {
    let log = tiled_log(600).await;
    let mut hashes = Vec::new();
    for path in ["/tile/data/000", "/tile/data/001", "/tile/data/002.p/88"] {
        let tile = fetch(&log, path).await;
        assert_eq!(tile.header("content-type"), Some("application/octet-stream"));
        assert_eq!(tile.header("cache-control"), Some("public, max-age=604800, immutable"));
        for leaf in tile.leaves() {
            let entry = log.entry(hashes.len() as u64).unwrap();
            assert_eq!(leaf.leaf_index, Some(entry.index));
            assert_eq!(leaf.timestamp_ms, entry.timestamp_ms);
            let precert = leaf.entry_type == LogEntryType::Precert;
            assert_eq!(precert, entry.kind == EntryKind::Precert);
            assert_eq!(leaf.certificate, entry.certificate);
            assert_eq!(leaf.timestamped_entry, &entry.leaf_input[2..]);
            let fingerprints: Vec<Hash> = entry.chain.iter().map(|der| sha256(der)).collect();
            assert_eq!(leaf.chain, fingerprints);
            hashes.push(hash_of(&leaf));
        }
    }
    let head = checkpoint(&log).await;
    assert_eq!((head.tree_size, head.root_hash), (hashes.len() as u64, slow_root(&hashes)));
    log.stop().await;
}

#[actix_web::test]
async fn a_partial_tile_is_the_beginning_of_the_full_one() {
    let log = tiled_log(256).await;
    let full = fetch(&log, "/tile/data/000").await;
    let full_hashes = fetch(&log, "/tile/0/000").await.body;
    assert_eq!((full.leaves().len(), full_hashes.len()), (256, 256 * 32));
    for width in [1, 2, 100, 255] {
        let partial = fetch(&log, &format!("/tile/data/000.p/{width}")).await;
        assert_eq!(partial.leaves(), full.leaves()[..width]);
        assert!(full.body.starts_with(&partial.body));
        let hashes = fetch(&log, &format!("/tile/0/000.p/{width}")).await.body;
        assert_eq!(hashes, full_hashes[..width * 32]);
    }
    log.stop().await;
}

#[actix_web::test]
async fn tiles_of_hashes_agree_with_the_entries_at_every_level() {
    let log = tiled_log(700).await;
    let mut subtrees = Vec::new();
    for index in 0..2 {
        let leaves = fetch(&log, &format!("/tile/data/00{index}")).await.leaves();
        let hashes: Vec<Hash> = leaves.iter().map(hash_of).collect();
        let tile = fetch(&log, &format!("/tile/0/00{index}")).await;
        assert_eq!(tile.header("content-type"), Some("application/octet-stream"));
        assert_eq!(tile.body, hashes.concat());
        subtrees.push(slow_root(&hashes));
    }
    assert_eq!(fetch(&log, "/tile/1/000.p/2").await.body, subtrees.concat());
    assert_eq!(fetch(&log, "/tile/1/000.p/1").await.body, subtrees[0]);
    for beyond in ["/tile/1/000.p/3", "/tile/1/000", "/tile/2/000.p/1", "/tile/0/002"] {
        assert_eq!(fetch(&log, beyond).await.status, StatusCode::NOT_FOUND, "{beyond}");
    }
    log.stop().await;
}

#[actix_web::test]
async fn a_tile_exists_as_soon_as_a_checkpoint_covers_it() {
    let log = tiled_log(0).await;
    assert_eq!(fetch(&log, "/tile/data/000.p/1").await.status, StatusCode::NOT_FOUND);
    for size in 1..=5 {
        log.publish(1);
        let tile = fetch(&log, &format!("/tile/data/000.p/{size}")).await;
        assert_eq!(tile.leaves().len(), size);
        let next = fetch(&log, &format!("/tile/data/000.p/{}", size + 1)).await;
        assert_eq!(next.status, StatusCode::NOT_FOUND);
    }
    for nonsense in ["/tile/data/0", "/tile/data/000.p/0", "/tile/6/000", "/tile/data/x999/999", "/tile/"] {
        assert_eq!(fetch(&log, nonsense).await.status, StatusCode::NOT_FOUND, "{nonsense}");
    }
    log.stop().await;
}

#[actix_web::test]
async fn a_data_tile_that_reaches_back_to_forgotten_entries_is_gone_but_its_hashes_are_not() {
    let (protocol, retain) = (DemoProtocol::StaticCt, 300);
    let options = DemoLogOptions { protocol, retain, rate: 0.0, initial: 812, ..Default::default() };
    let log = log_with(options).await;
    assert_eq!(log.stats().oldest_kept, 512);
    for gone in ["/tile/data/000", "/tile/data/001", "/tile/data/001.p/255"] {
        assert_eq!(fetch(&log, gone).await.status, StatusCode::NOT_FOUND, "{gone}");
    }
    let mut hashes = Vec::new();
    for kept in ["/tile/0/000", "/tile/0/001", "/tile/0/002", "/tile/0/003.p/44"] {
        hashes.extend(fetch(&log, kept).await.body.as_chunks::<32>().0);
    }
    assert_eq!(checkpoint(&log).await.root_hash, slow_root(&hashes));
    let subtrees: Vec<Hash> = hashes[..768].chunks(256).map(slow_root).collect();
    assert_eq!(fetch(&log, "/tile/1/000.p/3").await.body, subtrees.concat());
    assert_eq!(fetch(&log, "/tile/data/002").await.leaves().len(), 256);
    assert_eq!(fetch(&log, "/tile/data/003.p/44").await.leaves().len(), 44);
    log.publish(1);
    assert_eq!(fetch(&log, "/tile/data/002").await.status, StatusCode::NOT_FOUND);
    log.stop().await;
}

#[actix_web::test]
async fn every_issuer_is_served_under_its_hash() {
    let log = tiled_log(100).await;
    let leaves = fetch(&log, "/tile/data/000.p/100").await.leaves();
    let fingerprints: HashSet<Hash> = leaves.into_iter().flat_map(|leaf| leaf.chain).collect();
    assert!(fingerprints.len() > 3);
    for fingerprint in &fingerprints {
        let issuer = fetch(&log, &format!("/issuer/{}", hex(fingerprint))).await;
        assert_eq!(issuer.status, StatusCode::OK);
        assert_eq!(issuer.header("content-type"), Some("application/pkix-cert"));
        assert_eq!(issuer.header("cache-control"), Some("public, max-age=604800, immutable"));
        assert_eq!(sha256(&issuer.body), *fingerprint);
        let upper_case = fetch(&log, &format!("/issuer/{}", hex(fingerprint).to_uppercase())).await;
        assert_eq!(upper_case.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(fetch(&log, &format!("/issuer/{}", hex(&[7; 32]))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(log.stats().issuer_requests, 2 * fingerprints.len() as u64 + 1);
    log.stop().await;
}

#[actix_web::test]
async fn a_checkpoint_that_the_reader_has_is_not_sent_again() {
    let log = tiled_log(3).await;
    let first = fetch(&log, "/checkpoint").await;
    let etag = first.header("etag").unwrap();
    let again = |tag: String| {
        let log = log.clone();
        async move { try_fetch(&log, "/checkpoint", &[("if-none-match", &tag)]).await.unwrap() }
    };
    for tag in [etag.to_owned(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let unchanged = again(tag).await;
        assert_eq!((unchanged.status, unchanged.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(unchanged.header("etag"), Some(etag));
    }
    assert_eq!(again("\"other\"".to_owned()).await.body, first.body);
    log.publish(0);
    let changed = again(etag.to_owned()).await;
    assert_eq!(changed.status, StatusCode::OK, "a later head of the same tree is another one");
    assert_ne!(changed.header("etag"), Some(etag));
    let stats = log.stats();
    assert_eq!((stats.head_requests, stats.not_modified), (7, 4));
    log.stop().await;
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut content).unwrap();
    content
}

#[actix_web::test]
async fn data_tiles_are_packed_for_readers_who_say_that_they_unpack() {
    let log = tiled_log(256).await;
    let plain = fetch(&log, "/tile/data/000").await;
    assert_eq!(plain.header("content-encoding"), None);
    for accepted in ["gzip", "br, GZIP;q=0.5, identity"] {
        let packed = try_fetch(&log, "/tile/data/000", &[("accept-encoding", accepted)]).await.unwrap();
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(unpacked(&packed.body), plain.body);
    }
    for refused in ["identity", "br", "gzip;q=0", "*"] {
        let sent = try_fetch(&log, "/tile/data/000", &[("accept-encoding", refused)]).await.unwrap();
        assert_eq!(sent.body, plain.body, "{refused}");
    }
    log.stop().await;
}

#[actix_web::test]
async fn every_way_to_ask_has_its_counter() {
    let log = tiled_log(300).await;
    for path in
        ["/checkpoint", "/tile/data/000", "/tile/data/001.p/10", "/tile/data/001.p/44", "/tile/data/9"]
    {
        fetch(&log, path).await;
    }
    let stats = log.stats();
    assert_eq!((stats.head_requests, stats.entries_requests, stats.other_requests), (1, 3, 1));
    assert_eq!((stats.entries_served, stats.most_served), (256 + 10 + 44, 2), "refetched tiles show");
    for path in ["/tile/0/000", "/tile/names/000", "/ct/v1/get-sth", "/ct/v1/get-roots", "/favicon.ico"] {
        fetch(&log, path).await;
    }
    let stats = log.stats();
    assert_eq!((stats.head_requests, stats.entries_requests, stats.other_requests), (1, 3, 5));
    assert_eq!(stats.proof_requests, 1);
    assert_eq!((stats.tree_size, stats.entries_in_flight), (300, 0));
    log.stop().await;
}

#[actix_web::test]
async fn the_addresses_of_one_face_are_unknown_to_the_other() {
    let tiled = tiled_log(1).await;
    for path in ["get-sth", "get-entries?start=0&end=0"] {
        assert_eq!(get(&tiled, path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(get(&tiled, "get-roots").await.status, StatusCode::OK, "submitters ask for it");
    let paged = still_log(DemoProtocol::Rfc6962, 1).await;
    for path in ["/checkpoint", "/tile/data/000.p/1", "/tile/0/000.p/1"] {
        assert_eq!(fetch(&paged, path).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(paged.stats().other_requests, 3);
    tiled.stop().await;
    paged.stop().await;
}

#[actix_web::test]
async fn raw_entries_stand_in_tiles_without_their_first_two_bytes() {
    let log = tiled_log(1).await;
    let first = fetch(&log, "/tile/data/000.p/1").await;
    let leaf = [&[0, 0], first.leaves()[0].timestamped_entry].concat();
    let rest = first.body[leaf.len() - 2..].to_vec();
    assert_eq!(log.publish_raw(leaf, rest), 2);
    log.publish_raw(&b"?"[..], Vec::new());
    let tile = fetch(&log, "/tile/data/000.p/3").await;
    assert_eq!(tile.leaves(), [&first.leaves()[..], &first.leaves()[..]].concat(), "a copy, and nothing");
    let hashes: Vec<Hash> = (0..3).map(|index| leaf_hash(&log.entry(index).unwrap().leaf_input)).collect();
    assert_eq!(checkpoint(&log).await.root_hash, slow_root(&hashes));
    log.stop().await;
}
