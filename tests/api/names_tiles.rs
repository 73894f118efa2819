//! Tests of names tiles, which are read if only names are needed.

use crate::helpers::{from_the_start, log_with, spawn_app};
use certstream_server::config::Log;
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{DemoLog, DemoLogOptions, DemoProtocol};
use serde_json::json;

const NAMES_ALONE: &str =
    "[server]\nstreams = ['domains']\n[fetch]\nnames_tiles = true\npartial_tile_wait = '0s'\n";

async fn log_of_tiles(names_tiles: bool) -> DemoLog {
    let protocol = DemoProtocol::StaticCt;
    log_with(DemoLogOptions { protocol, names_tiles, ..DemoLogOptions::default() }).await
}

fn watched(log: &DemoLog) -> Log {
    let key = Some(base64_simd::STANDARD.encode_to_string(log.public_key()));
    Log { protocol: Protocol::StaticCt, key, origin: Some(log.origin()), ..from_the_start(log) }
}

#[actix_web::test]
async fn where_names_are_all_that_is_wanted_names_tiles_are_all_that_is_fetched() {
    let log = log_of_tiles(true).await;
    let app = spawn_app(NAMES_ALONE, vec![watched(&log)]).await;
    let (mut root, mut client) = (app.connect("/").await, app.connect("/domains-only").await);
    app.wait_for_clients(2).await;
    log.publish(300);
    for index in 0..300 {
        let Some(name) = log.entry(index).expect("the entry").first_dns_name else { continue };
        let message = client.message().await;
        assert_eq!((&message["message_type"], &message["data"][0]), (&json!("dns_entries"), &json!(name)));
        assert_eq!(root.message().await, message, "the only stream is the root's too");
    }
    let stats = log.stats();
    assert_eq!((stats.names_requests, stats.entries_requests, stats.issuer_requests), (2, 0, 0));
    assert_eq!(app.get("/latest.json").await, json!({ "messages": [] }), "there are no full messages");
    assert_eq!(app.get("/example.json").await["message_type"], "dns_entries");
    app.stop().await;
}

#[actix_web::test]
async fn a_log_without_names_tiles_is_asked_for_one_once_and_read_by_its_data_tiles() {
    let log = log_of_tiles(false).await;
    let app = spawn_app(NAMES_ALONE, vec![watched(&log)]).await;
    let mut client = app.connect("/").await;
    app.wait_for_clients(1).await;
    for round in 1..=2 {
        log.publish(256);
        for index in (round - 1) * 256..round * 256 {
            let Some(name) = log.entry(index).expect("the entry").first_dns_name else { continue };
            assert_eq!(client.message().await["data"][0], *name);
        }
    }
    let stats = log.stats();
    assert_eq!((stats.other_requests, stats.entries_requests, stats.most_served), (1, 2, 1));
    assert_eq!(app.log_stats().await["failures"], 0);
    app.stop().await;
}

#[actix_web::test]
async fn streams_that_are_not_offered_are_not_there() {
    let log = log_of_tiles(false).await;
    let app = spawn_app("[server]\nstreams = ['lite']", vec![watched(&log)]).await;
    for (path, status) in
        [("/lite-stream", 426), ("/full-stream", 404), ("/domains-only", 404), ("/develop", 404)]
    {
        let response = awc::Client::default().get(app.http(path)).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
    let mut client = app.connect("/").await;
    app.wait_for_clients(1).await;
    log.publish(256);
    let message = client.message().await;
    assert_eq!(message["message_type"], "certificate_update");
    assert_eq!(message["data"]["leaf_cert"].get("as_der"), None, "the lite stream, for it is all there is");
    app.stop().await;
}
