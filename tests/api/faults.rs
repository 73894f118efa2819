//! Tests with misbehaving logs: no entry is lost or sent twice, and other logs are not affected.

use crate::helpers::{PATIENCE, from_the_start, quiet_log, spawn_app};
use crate::ports::free_port;
use certstream_server::demo::{DemoLog, Fault, FaultOn};
use futures_util::future::join_all;
use serde_json::Value;
use std::time::{Duration, Instant};

const ENTRIES: u64 = 120;

/// Publishes entries with a fault, and checks that a client receives all of them once and in order.
async fn survives(fault: Fault, on: FaultOn, count: u64) -> (DemoLog, Value) {
    let log = quiet_log().await;
    let app = spawn_app("[fetch]\ntimeout = '1s'\npage_size = 50", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.set_fault(fault.clone(), on, Some(count));
    log.publish(ENTRIES);
    assert_eq!(client.indexes(ENTRIES as usize).await, (0..ENTRIES).collect::<Vec<_>>(), "{fault:?}");
    log.clear_faults();
    log.publish(10);
    assert_eq!(client.indexes(10).await, (ENTRIES..ENTRIES + 10).collect::<Vec<_>>(), "{fault:?}");
    let mut stats = app.log_stats().await;
    assert_eq!(stats["undecodable"], 0, "{fault:?}");
    stats["refused"] = app.get("/stats").await["operators"][""]["refused"].clone();
    app.stop().await;
    (log, stats)
}

/// Tests each fault on a separate log and server. They run concurrently because they mostly wait.
async fn all_are_survived(faults: &[Fault], on: FaultOn, count: u64) {
    let runs = faults.iter().map(|fault| survives(fault.clone(), on, count));
    for (fault, (_, stats)) in faults.iter().zip(join_all(runs).await) {
        // A request that is refused with 429 or 503 is sent once more before it counts as failed.
        let is_counted = stats["failures"].as_u64() > Some(0) && stats["last_error"].is_string();
        assert!(is_counted || stats["refused"].as_u64() > Some(0), "{fault:?}: {stats}");
    }
}

#[actix_web::test]
async fn failed_pages_are_asked_for_again() {
    let faults = [
        Fault::Status(500),
        Fault::Status(404),
        Fault::TooManyRequests { retry_after_s: 1 },
        Fault::Truncate,
        Fault::Cut,
        Fault::Empty,
        Fault::Garbage,
        Fault::Hang,
    ];
    all_are_survived(&faults, FaultOn::Entries, 2).await;
}

#[actix_web::test]
async fn failed_heads_are_asked_for_again() {
    let faults = [Fault::Status(503), Fault::Truncate, Fault::Cut, Fault::Garbage, Fault::Hang];
    all_are_survived(&faults, FaultOn::Heads, 1).await;
}

#[actix_web::test]
async fn short_pages_are_no_failure_and_cost_nothing() {
    let (log, stats) = survives(Fault::Short(3), FaultOn::Entries, 30).await;
    assert_eq!(stats["failures"], 0);
    assert_eq!(log.stats().most_served, 1);
}

#[actix_web::test]
async fn an_entry_damaged_on_its_way_is_fetched_again_alone() {
    let (log, stats) = survives(Fault::GarbageEntry, FaultOn::Entries, 1).await;
    assert_eq!(stats["failures"], 0);
    // The damaged page does not count as served, so only one entry was served more than once.
    assert_eq!(log.stats().most_served, 1);
}

#[actix_web::test]
async fn a_tree_head_that_shrinks_repeats_nothing() {
    let (log, stats) = survives(Fault::Shrink(60), FaultOn::Heads, 5).await;
    assert_eq!(stats["tree_size"], ENTRIES + 10);
    assert_eq!(log.stats().most_served, 1);
}

#[actix_web::test]
async fn a_log_that_asks_for_time_gets_it() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.set_fault(Fault::TooManyRequests { retry_after_s: 3 }, FaultOn::Entries, Some(1));
    let begin = Instant::now();
    log.publish(10);
    client.indexes(10).await;
    assert!(begin.elapsed() >= Duration::from_secs(3), "asked again after {:?}", begin.elapsed());
    app.stop().await;
}

#[actix_web::test]
async fn a_failing_log_does_not_disturb_another() {
    let (dead, live) = (quiet_log().await, quiet_log().await);
    dead.set_fault(Fault::Hang, FaultOn::All, None);
    let app = spawn_app("", vec![from_the_start(&dead), from_the_start(&live)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    dead.publish(10);
    for round in 0..5 {
        live.publish(10);
        assert_eq!(client.indexes(10).await, (round * 10..round * 10 + 10).collect::<Vec<_>>());
    }
    app.stop().await;
    dead.clear_faults();
}

#[actix_web::test]
async fn an_entry_that_is_broken_in_the_log_is_counted_and_passed_over() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/full-stream").await;
    app.wait_for_clients(1).await;
    log.publish(3);
    log.publish_raw(vec![0, 0, 1], vec![]);
    let unknown_type = [&[0; 10][..], &[0, 9], &[0; 20]].concat();
    log.publish_raw(unknown_type, vec![]);
    log.publish(3);
    assert_eq!(client.indexes(6).await, [0, 1, 2, 5, 6, 7]);
    assert_eq!(app.log_stats().await["undecodable"], 2);
    let host = log.url().replace("http://", "").replace(':', "_");
    assert_eq!(app.undecodable(), [format!("{host}-3.json"), format!("{host}-4.json")]);
    assert!(log.stats().most_served <= 2, "a broken entry is confirmed once, not fetched for ever");
    app.stop().await;
}

#[actix_web::test]
async fn an_entry_whose_certificate_is_no_certificate_is_still_sent() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/full-stream").await;
    app.wait_for_clients(1).await;
    let mut leaf = vec![0; 12];
    leaf.extend([0, 0, 7]);
    leaf.extend(b"garbage");
    leaf.extend([0, 0]);
    log.publish_raw(leaf, vec![0, 0, 0]);
    let message = client.message().await;
    assert_eq!(message["data"]["leaf_cert"]["as_der"], "Z2FyYmFnZQ==");
    assert!(message["data"]["leaf_cert"]["parse_error"].is_string());
    app.stop().await;
}

#[actix_web::test]
async fn a_log_that_is_not_there_yet_is_found_when_it_comes() {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let url = format!("http://{address}");
    let watched = certstream_server::config::Log {
        start: certstream_server::config::StartAt::Number(0),
        ..certstream_server::config::Log::rfc6962(&url)
    };
    let app = spawn_app("", vec![watched]).await;
    app.wait_for(|s| s["logs"][&url]["failures"].as_u64() > Some(0)).await;
    let options =
        certstream_server::demo::DemoLogOptions { listen: address, initial: 5, ..Default::default() };
    let log = crate::helpers::log_with(options).await;
    let begin = Instant::now();
    app.wait_for(|s| s["logs"][&url]["position"] == 5).await;
    assert!(begin.elapsed() < PATIENCE);
    app.stop().await;
    log.stop().await;
}

/// A log's response can come from an address that only this server can reach.
#[actix_web::test]
async fn what_a_log_answers_is_for_admins_alone() {
    let log = quiet_log().await;
    log.set_fault(Fault::Status(500), FaultOn::Heads, None);
    let [admins, others] = ["127.0.0.0/8", "192.0.2.0/24"];
    let app = |allow: &str| {
        let toml = format!("[admin]\nallow = ['{allow}']\n[health]\nlog_patience = '1s'");
        let log = from_the_start(&log);
        async move { spawn_app(&toml, vec![log]).await }
    };
    let (for_admins, for_others) = (app(admins).await, app(others).await);
    let failed = |stats: &Value| stats["logs"][log.url()]["failures"].as_u64() > Some(0);
    let detailed = for_admins.wait_for(failed).await["logs"][log.url()]["last_error"].clone();
    let detailed = detailed.as_str().expect("an error").to_string();
    assert!(detailed.starts_with("status 500: \""), "{detailed}");
    let stats = for_others.wait_for(failed).await;
    assert_eq!(stats["logs"][log.url()]["last_error"], "answered 500");
    for app in [for_admins, for_others] {
        let status = app.get("/status.json").await;
        assert_eq!(status["logs"][0]["last_error"], "answered 500", "{status}");
        let mut response =
            awc::Client::default().get(app.http("/health/ready")).send().await.expect("an answer");
        let body = response.body().await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["not_delivering"][0]["last_error"], "answered 500", "{body}");
        app.stop().await;
    }
}
