//! Tests of following logs: where to start, and how pages are combined.

use crate::helpers::{from_the_start, log_with, quiet_log, spawn_app};
use certstream_server::config::{Log, StartAt};
use certstream_server::demo::{DemoLogOptions, Fault, FaultOn};

#[actix_web::test]
async fn an_empty_log_is_followed_from_its_first_entry() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![Log::rfc6962(&log.url())]).await;
    let mut client = app.connect("/").await;
    app.wait_for_clients(1).await;
    app.wait_for(|_| log.stats().head_requests > 2).await;
    log.publish(5);
    assert_eq!(client.indexes(5).await, [0, 1, 2, 3, 4]);
    app.stop().await;
}

#[actix_web::test]
async fn a_log_is_followed_from_where_the_configuration_says() {
    for (start, first) in [
        (StartAt::Head, 100),
        (StartAt::Number(0), 0),
        (StartAt::Number(40), 40),
        (StartAt::Number(-10), 90),
        (StartAt::Number(-1000), 0),
        (StartAt::Number(103), 103),
    ] {
        let log = log_with(DemoLogOptions { initial: 100, ..DemoLogOptions::default() }).await;
        let app = spawn_app("", vec![Log { start, ..from_the_start(&log) }]).await;
        app.wait_for(|_| log.stats().head_requests > 2).await;
        log.publish(10);
        app.wait_for(|s| s["logs"][log.url()]["position"] == 110).await;
        let latest = app.get("/latest.json").await;
        let messages = latest["messages"].as_array().expect("messages");
        assert_eq!(
            log.stats().entries_served,
            110 - first,
            "{start:?}: nothing more and nothing less is fetched"
        );
        assert_eq!(messages.last().unwrap()["data"]["cert_index"], 109, "{start:?}");
        let oldest = first.max(110 - 25);
        assert_eq!(messages[0]["data"]["cert_index"], oldest, "{start:?}");
        app.stop().await;
    }
}

#[actix_web::test]
async fn pages_of_any_size_are_put_together_without_a_hole_or_a_repeat() {
    for max_page in [1, 7, 64, 1000] {
        let log = log_with(DemoLogOptions { max_page, ..DemoLogOptions::default() }).await;
        let app = spawn_app("", vec![from_the_start(&log)]).await;
        let mut client = app.connect("/lite-stream").await;
        app.wait_for_clients(1).await;
        log.publish(300);
        assert_eq!(client.indexes(300).await, (0..300).collect::<Vec<_>>(), "pages of {max_page}");
        let stats = log.stats();
        assert_eq!((stats.entries_served, stats.most_served), (300, 1), "nothing is fetched twice");
        app.stop().await;
    }
}

#[actix_web::test]
async fn catching_up_asks_for_several_pages_at_once_but_not_for_more_than_allowed() {
    let log = log_with(DemoLogOptions { initial: 500, ..DemoLogOptions::default() }).await;
    // Responses hang until all permitted requests have been sent, so the test does not depend on timing.
    log.set_fault(Fault::Hang, FaultOn::Entries, None);
    let app = spawn_app("[fetch]\nin_flight = 3\npage_size = 20", vec![from_the_start(&log)]).await;
    app.wait_for(|_| log.stats().entries_in_flight == 3).await;
    log.clear_faults();
    app.wait_for(|s| s["logs"][log.url()]["position"] == 500).await;
    let stats = log.stats();
    assert_eq!((stats.most_entries_in_flight, stats.most_served), (3, 1));
    app.stop().await;
}

#[actix_web::test]
async fn how_fresh_messages_are_is_measured_from_the_head_that_first_showed_them() {
    let log = log_with(DemoLogOptions { initial: 50, ..DemoLogOptions::default() }).await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    app.wait_for(|s| s["logs"][log.url()]["position"] == 50).await;
    assert_eq!(app.log_stats().await["freshness"]["entries"], 0, "nobody knows how old the first ones are");
    let published = std::time::Instant::now();
    log.publish(30);
    let stats = app.wait_for(|s| s["logs"][log.url()]["position"] == 80).await;
    let freshness = &stats["logs"][log.url()]["freshness"];
    assert_eq!(freshness["entries"], 30);
    let late = freshness["p99_ms"].as_u64().expect("milliseconds");
    assert!(late <= published.elapsed().as_millis() as u64, "{freshness}");
    app.stop().await;
}

#[actix_web::test]
async fn several_logs_are_followed_side_by_side() {
    let logs = [quiet_log().await, quiet_log().await, quiet_log().await];
    let app = spawn_app("", logs.iter().map(from_the_start).collect()).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    for log in &logs {
        log.publish(50);
    }
    let mut next = std::collections::BTreeMap::new();
    for _ in 0..150 {
        let message = client.message().await;
        let url = message["data"]["source"]["url"].as_str().expect("a url").to_string();
        let expected: &mut u64 = next.entry(url).or_default();
        assert_eq!(message["data"]["cert_index"], *expected);
        *expected += 1;
    }
    assert_eq!(next.into_values().collect::<Vec<_>>(), [50, 50, 50]);
    app.stop().await;
}
