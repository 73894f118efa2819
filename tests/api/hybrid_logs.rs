//! Tests of RFC 6962 logs with and without data tiles.

use crate::helpers::{from_the_start, log_with, quiet_log, spawn_app};
use certstream_server::config::Log;
use certstream_server::demo::{DemoLog, DemoLogOptions, DemoProtocol, Fault, FaultOn};

/// Fetches the entries of partial tiles immediately, so that tests need not wait.
const EAGER: &str = "[fetch]\npartial_tile_wait = '0s'\n";

async fn hybrid_log(initial: u64) -> DemoLog {
    log_with(DemoLogOptions { protocol: DemoProtocol::Hybrid, initial, ..DemoLogOptions::default() }).await
}

#[actix_web::test]
async fn full_tiles_are_read_as_tiles_and_the_rest_by_get_entries() {
    let log = hybrid_log(0).await;
    let app = spawn_app(EAGER, vec![from_the_start(&log)]).await;
    let mut client = app.connect("/full-stream").await;
    app.wait_for_clients(1).await;
    log.publish(1300);
    for index in 0..1300 {
        let message = client.message().await;
        let data = &message["data"];
        assert_eq!(data["cert_index"], index);
        let entry = log.entry(index).expect("the entry");
        assert_eq!(data["leaf_cert"]["as_der"], base64_simd::STANDARD.encode_to_string(&entry.certificate));
        assert_eq!(data["chain"].as_array().map(Vec::len), Some(entry.chain.len()));
        let link = format!("{}/ct/v1/get-entries?start={index}&end={index}", log.url());
        assert_eq!(data["cert_link"], link);
    }
    let stats = log.stats();
    assert_eq!((stats.entries_served, stats.most_served), (1300, 1), "nothing is fetched twice");
    assert_eq!(stats.entries_requests, 6, "five tiles and one page");
    assert!(stats.issuer_requests > 0, "tiles name their issuers");
    assert_eq!(app.log_stats().await["misframed"], 0, "such entries have no leaf_index, and need none");
    app.stop().await;
}

#[actix_web::test]
async fn a_start_inside_a_tile_is_by_get_entries_up_to_the_next_tile() {
    let log = hybrid_log(700).await;
    let start = certstream_server::config::StartAt::Number(300);
    let app = spawn_app(EAGER, vec![Log { start, ..from_the_start(&log) }]).await;
    app.wait_for(|s| s["logs"][log.url()]["position"] == 700).await;
    log.publish(324);
    app.wait_for(|s| s["logs"][log.url()]["position"] == 1024).await;
    let stats = log.stats();
    assert_eq!((stats.entries_served, stats.most_served), (724, 1));
    app.stop().await;
}

#[actix_web::test]
async fn a_log_without_tiles_is_asked_for_one_once() {
    let log = quiet_log().await;
    let app = spawn_app(EAGER, vec![from_the_start(&log)]).await;
    for round in 1..=3 {
        log.publish(1024);
        app.wait_for(|s| s["logs"][log.url()]["position"] == round * 1024).await;
    }
    let stats = log.stats();
    assert_eq!((stats.other_requests, stats.entries_served, stats.most_served), (1, 3072, 1));
    assert_eq!(app.log_stats().await["failures"], 0, "that there are none is no failure");
    app.stop().await;
}

#[actix_web::test]
async fn trouble_with_tiles_leads_to_get_entries() {
    for fault in [Fault::WiderTile, Fault::NarrowerTile, Fault::UnknownEntryType] {
        let log = hybrid_log(0).await;
        let app = spawn_app(EAGER, vec![from_the_start(&log)]).await;
        let mut client = app.connect("/lite-stream").await;
        app.wait_for_clients(1).await;
        log.publish(256);
        assert_eq!(client.indexes(256).await, (0..256).collect::<Vec<_>>());
        log.set_fault(fault.clone(), FaultOn::Entries, None);
        log.publish(512);
        assert_eq!(client.indexes(512).await, (256..768).collect::<Vec<_>>(), "{fault:?}");
        assert!(log.stats().faults_shown > 0, "{fault:?} was never shown");
        log.clear_faults();
        let issuers = log.stats().issuer_requests;
        log.publish(256);
        assert_eq!(client.indexes(256).await, (768..1024).collect::<Vec<_>>(), "{fault:?}");
        let stats = log.stats();
        assert_eq!(stats.most_served, 1, "{fault:?}: tiles work again, and are the only way that was used");
        assert_eq!(stats.issuer_requests, issuers, "issuers are known");
        app.stop().await;
    }
}
