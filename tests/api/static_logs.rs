//! Tests of static-ct logs: the same entries, from checkpoints and tiles.

use crate::helpers::{TestApp, log_with, spawn_app, with_its_key};
use certstream_server::config::Log;
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{DemoLog, DemoLogOptions, DemoProtocol, Fault, FaultOn};
use futures_util::{StreamExt, stream};
use std::collections::BTreeSet;
use std::time::Duration;

/// Fetches partial tiles immediately, so that tests need not wait.
const EAGER: &str = "[fetch]\npartial_tile_wait = '0s'\n";
/// The same with a short timeout for responses of the log.
const IMPATIENT: &str = "[fetch]\npartial_tile_wait = '0s'\ntimeout = '1s'\n";
/// Maximum number of simultaneous servers, so that each of them has enough CPU time.
const AT_ONCE: usize = 6;

async fn static_log(options: DemoLogOptions) -> DemoLog {
    log_with(DemoLogOptions { protocol: DemoProtocol::StaticCt, ..options }).await
}

fn watched(log: &DemoLog) -> Log {
    with_its_key(log, Protocol::StaticCt)
}

async fn wait_for_position(app: &TestApp, log: &DemoLog, position: u64) {
    app.wait_for(|s| s["logs"][log.url()]["position"] == position).await;
}

#[actix_web::test]
async fn every_entry_of_a_static_log_arrives_once_with_its_chain() {
    let log = static_log(DemoLogOptions::default()).await;
    let app = spawn_app(EAGER, vec![watched(&log)]).await;
    let mut client = app.connect("/full-stream").await;
    app.wait_for_clients(1).await;
    log.publish(600);
    for index in 0..600 {
        let entry = log.entry(index).expect("the entry");
        let message = client.message().await;
        let data = &message["data"];
        assert_eq!(data["cert_index"], index);
        assert_eq!(data["leaf_cert"]["as_der"], base64_simd::STANDARD.encode_to_string(&entry.certificate));
        let chain: Vec<_> = entry.chain.iter().map(|c| base64_simd::STANDARD.encode_to_string(c)).collect();
        let sent: Vec<_> = data["chain"]
            .as_array()
            .expect("a chain")
            .iter()
            .map(|c| c["as_der"].as_str().unwrap())
            .collect();
        assert_eq!(sent, chain);
        assert_eq!(data["source"]["type"], "static-ct");
        assert_eq!(data["cert_link"], format!("{}/tile/data/00{}", log.url(), index / 256));
    }
    let stats = log.stats();
    assert_eq!((stats.entries_served, stats.entries_requests), (600, 3));
    let issuers: BTreeSet<_> = (0..600).flat_map(|i| log.entry(i).expect("the entry").chain).collect();
    assert_eq!(stats.issuer_requests, issuers.len() as u64, "each issuer once");
    app.stop().await;
}

#[actix_web::test]
async fn a_tile_that_is_not_full_is_left_until_it_is_or_its_entries_have_waited() {
    let log = static_log(DemoLogOptions::default()).await;
    let app = spawn_app("[fetch]\npartial_tile_wait = '6s'", vec![watched(&log)]).await;
    log.publish(300);
    wait_for_position(&app, &log, 256).await;
    log.publish(212);
    wait_for_position(&app, &log, 512).await;
    assert_eq!(log.stats().most_served, 1, "full tiles alone, each once");
    log.publish(10);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(app.log_stats().await["position"], 512, "entries wait for their tile to fill");
    wait_for_position(&app, &log, 522).await;
    app.stop().await;
}

#[actix_web::test]
async fn an_idle_log_costs_conditional_checkpoint_requests_and_nothing_else() {
    let quiet =
        DemoLogOptions { head_interval: Duration::from_secs(3600), initial: 300, ..Default::default() };
    let log = static_log(quiet).await;
    let app = spawn_app(EAGER, vec![watched(&log)]).await;
    wait_for_position(&app, &log, 300).await;
    let before = log.stats();
    app.wait_for(|_| {
        let now = log.stats();
        let requests = now.head_requests - before.head_requests;
        // One may be under way.
        requests >= 5 && now.not_modified - before.not_modified == requests
    })
    .await;
    let after = log.stats();
    assert_eq!(after.entries_requests, before.entries_requests);
    assert_eq!(after.issuer_requests, before.issuer_requests);
    app.stop().await;
}

#[actix_web::test]
async fn a_start_inside_a_tile_fetches_no_tile_twice() {
    let log = static_log(DemoLogOptions { initial: 700, ..DemoLogOptions::default() }).await;
    let start = certstream_server::config::StartAt::Number(300);
    let app = spawn_app(EAGER, vec![Log { start, ..watched(&log) }]).await;
    wait_for_position(&app, &log, 700).await;
    let stats = log.stats();
    assert_eq!((stats.entries_requests, stats.most_served), (2, 1));
    assert_eq!(app.get("/example.json").await["data"]["cert_index"], 699);
    app.stop().await;
}

async fn survives(fault: Fault, on: FaultOn, count: u64) {
    let log = static_log(DemoLogOptions::default()).await;
    let app = spawn_app(IMPATIENT, vec![watched(&log)]).await;
    let mut client = app.connect("/full-stream").await;
    app.wait_for_clients(1).await;
    log.set_fault(fault.clone(), on, Some(count));
    log.publish(300);
    assert_eq!(client.indexes(300).await, (0..300).collect::<Vec<_>>(), "{fault:?}");
    log.clear_faults();
    log.publish(300);
    assert_eq!(client.indexes(300).await, (300..600).collect::<Vec<_>>(), "{fault:?}");
    let stats = app.log_stats().await;
    assert!(log.stats().faults_shown > 0, "{fault:?} was never shown");
    // A request that was refused with 429 is sent once more before it counts as failed.
    let refused = app.get("/stats").await["operators"][""]["refused"].as_u64();
    assert!(stats["failures"].as_u64().max(refused) > Some(0), "{fault:?}: {stats}");
    app.stop().await;
}

#[actix_web::test]
async fn faults_of_tiles_checkpoints_and_issuers_are_outlasted() {
    let tiles = [
        Fault::Status(500),
        Fault::TooManyRequests { retry_after_s: 1 },
        Fault::Hang,
        Fault::Truncate,
        Fault::Cut,
        Fault::Garbage,
        Fault::Empty,
        Fault::WiderTile,
        Fault::NarrowerTile,
        Fault::UnknownEntryType,
        Fault::GzipBomb,
    ];
    let heads = [Fault::Status(500), Fault::Truncate, Fault::Garbage, Fault::BadSignature, Fault::GzipBomb];
    let issuers = [Fault::Status(404), Fault::WrongIssuer, Fault::Hang];
    let of = |faults: &[Fault], on| faults.iter().map(|f| (f.clone(), on)).collect::<Vec<_>>();
    let all =
        [of(&tiles, FaultOn::Entries), of(&heads, FaultOn::Heads), of(&issuers, FaultOn::Issuers)].concat();
    let outlasted = stream::iter(all).map(|(fault, on)| survives(fault, on, 1));
    outlasted.buffer_unordered(AT_ONCE).collect::<()>().await;
}

#[actix_web::test]
async fn a_partial_tile_that_is_gone_is_no_loss() {
    let log = static_log(DemoLogOptions::default()).await;
    let app = spawn_app(EAGER, vec![watched(&log)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.set_fault(Fault::MissingPartial, FaultOn::Entries, None);
    log.publish(100);
    app.wait_for(|s| s["logs"][log.url()]["failures"].as_u64() > Some(0)).await;
    log.publish(156);
    assert_eq!(client.indexes(256).await, (0..256).collect::<Vec<_>>());
    app.stop().await;
}

#[actix_web::test]
async fn issuers_are_fetched_once() {
    let log = static_log(DemoLogOptions::default()).await;
    let app = spawn_app(EAGER, vec![watched(&log)]).await;
    log.publish(512);
    wait_for_position(&app, &log, 512).await;
    let requests = log.stats().issuer_requests;
    log.publish(256);
    wait_for_position(&app, &log, 768).await;
    assert_eq!(log.stats().issuer_requests, requests);
    app.stop().await;
}
