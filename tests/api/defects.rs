//! Tests with logs that cannot serve something for good: everything else is delivered, and what is missing is named.

use crate::helpers::{TestApp, log_with, spawn_app, spawn_app_in, with_its_key};
use certstream_server::config::Log;
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{Defects, DemoLog, DemoLogOptions, DemoProtocol, DemoStats};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const SETTINGS: &str = "[fetch]\npartial_tile_wait = '0s'\npage_size = 256\n";

async fn log(protocol: DemoProtocol) -> (DemoLog, Log) {
    let log = log_with(DemoLogOptions { protocol, ..DemoLogOptions::default() }).await;
    let read_as = if protocol == DemoProtocol::StaticCt { Protocol::StaticCt } else { Protocol::Rfc6962 };
    let watched = with_its_key(&log, read_as);
    (log, watched)
}

async fn stats_when(app: &TestApp, log: &DemoLog, key: &str, value: u64) -> Value {
    let url = log.url();
    app.wait_for(|stats| stats["logs"][&url][key] == value).await["logs"][&url].clone()
}

#[actix_web::test]
async fn a_log_that_refuses_large_pages_is_read_in_small_ones() {
    for defects in [
        Defects { max_requested: Some(1), ..Defects::default() },
        Defects { max_requested: Some(7), ..Defects::default() },
        Defects { max_page_bytes: Some(40_000), ..Defects::default() },
    ] {
        let (log, watched) = log(DemoProtocol::Rfc6962).await;
        log.set_defects(defects.clone());
        let app = spawn_app(SETTINGS, vec![watched]).await;
        let mut client = app.connect("/lite-stream").await;
        app.wait_for_clients(1).await;
        log.publish(60);
        assert_eq!(client.indexes(60).await, (0..60).collect::<Vec<_>>(), "{defects:?}");
        assert_eq!(log.stats().most_served, 1, "nothing is fetched twice");
        app.stop().await;
    }
}

/// Protocol, number of entries, the bad index, and what is missing because of it.
const UNREADABLE: [(DemoProtocol, u64, u64, std::ops::Range<u64>, &str); 3] = [
    (DemoProtocol::Rfc6962, 300, 130, 130..131, "130"),
    (DemoProtocol::StaticCt, 700, 300, 256..512, "256-511"),
    (DemoProtocol::Hybrid, 700, 300, 300..301, "300"),
];

#[actix_web::test]
async fn behind_an_unreadable_entry_the_log_goes_on_and_the_entry_comes_when_it_can() {
    // At the same time, because they mostly wait.
    join_all(UNREADABLE.map(|(protocol, count, bad, missing, named)| async move {
        let (log, watched) = log(protocol).await;
        log.set_defects(Defects { unreadable: BTreeSet::from([bad]), ..Defects::default() });
        let app = spawn_app(SETTINGS, vec![watched]).await;
        let mut client = app.connect("/lite-stream").await;
        app.wait_for_clients(1).await;
        log.publish(count);
        let expected: Vec<_> = (0..count).filter(|index| !missing.contains(index)).collect();
        assert_eq!(client.indexes(expected.len()).await, expected, "{protocol:?}");
        let stats = stats_when(&app, &log, "pending", 0).await;
        let gap = missing.end - missing.start;
        assert_eq!(
            (&stats["missing"], &stats["missing_indexes"]),
            (&json!(gap), &json!([named])),
            "{protocol:?}"
        );
        let metrics = app.metrics().await;
        let is_gauge = |line: &&str| line.starts_with("certstream_log_missing_entries{");
        let line = metrics.lines().find(is_gauge).expect("the gauge");
        assert!(line.ends_with(&format!(" {gap}.0")), "{line}");
        log.set_defects(Defects::default());
        assert_eq!(client.indexes(gap as usize).await, missing.collect::<Vec<_>>(), "{protocol:?}");
        let stats = stats_when(&app, &log, "missing", 0).await;
        assert_eq!((&stats["delivered"], &stats["position"]), (&json!(count), &json!(count)));
        assert_eq!((&stats["misbehaviours"], &stats["missing_indexes"]), (&json!(0), &json!([])));
        assert_eq!(log.stats().most_served, 1, "nothing is fetched twice");
        app.stop().await;
    }))
    .await;
}

#[actix_web::test]
async fn what_is_missing_is_requested_again_after_a_restart() {
    let (log, watched) = log(DemoProtocol::Rfc6962).await;
    log.set_defects(Defects { unreadable: BTreeSet::from([30]), ..Defects::default() });
    let app = spawn_app(SETTINGS, vec![watched.clone()]).await;
    log.publish(150);
    stats_when(&app, &log, "missing", 1).await;
    stats_when(&app, &log, "pending", 0).await;
    let dir = app.stop().await;
    log.set_defects(Defects::default());
    let settings = SETTINGS.to_string();
    let app = spawn_app_in(dir, &[], &settings, vec![watched]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    assert_eq!(client.indexes(1).await, [30]);
    let stats = stats_when(&app, &log, "missing", 0).await;
    assert_eq!(stats["delivered"], 150);
    app.stop().await;
}

/// The log knows each head and refuses the proofs to some of them for good.
#[actix_web::test]
async fn a_head_that_cannot_be_proven_is_replaced_by_the_next() {
    let (log, watched) = log(DemoProtocol::Rfc6962).await;
    log.set_defects(Defects { no_proof_to_multiples_of: Some(2), ..Defects::default() });
    log.publish(5_000);
    let app = spawn_app(SETTINGS, vec![watched]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    // The catch-up is proven in steps, which need a proof to the head.
    app.wait_for(|stats| stats["logs"][log.url()]["last_error"].to_string().contains("answered 400")).await;
    log.publish(1);
    assert_eq!(client.indexes(5_001).await, (0..5_001).collect::<Vec<_>>());
    let stats = app.log_stats().await;
    assert_eq!((&stats["misbehaviours"], &stats["verified_size"]), (&json!(0), &json!(5_001)));
    assert!(stats["last_error"].as_str().expect("a failure").contains("answered 400"), "{stats}");
    app.stop().await;
}

/// An entry is sent with the chain that is there after a time, and completely again once the log serves its issuers.
#[actix_web::test]
async fn an_issuer_that_the_log_does_not_serve_is_waited_for_for_a_while() {
    let (log, watched) = log(DemoProtocol::StaticCt).await;
    log.set_defects(Defects { no_issuers: true, ..Defects::default() });
    let app = spawn_app(&format!("{SETTINGS}issuer_wait = '3s'\n"), vec![watched]).await;
    let mut client = app.connect("/full-stream").await;
    app.wait_for_clients(1).await;
    let begin = Instant::now();
    log.publish(5);
    for index in 0..5 {
        let message = client.message().await;
        assert!(begin.elapsed() >= Duration::from_secs(3));
        assert_eq!((&message["data"]["cert_index"], &message["data"]["chain"]), (&json!(index), &json!([])));
        let fault = message["fault"].as_str().expect("a fault");
        assert!(
            fault.starts_with("the chain lacks an issuer that the log does not serve, with SHA-256 "),
            "{fault}"
        );
    }
    let url = format!("{}/issuer/", log.url());
    let stats = stats_when(&app, &log, "incomplete_chains", 5).await;
    assert_eq!(
        (&stats["misbehaviours"], &stats["misframed"], &stats["missing"]),
        (&json!(0), &json!(0), &json!(0))
    );
    let requests = log.stats();
    let issuers: BTreeSet<_> = (0..5).flat_map(|i| log.entry(i).expect("the entry").chain).collect();
    // The shortest delays of the backoff are 0.5, 1 and 2 seconds.
    let most = 4 * issuers.len() as u64;
    assert!(requests.issuer_requests <= most, "{} requests for {url}, {most}", requests.issuer_requests);
    assert_eq!(requests.most_served, 1, "the tile is fetched once");
    log.publish(1);
    assert_eq!(client.message().await["data"]["cert_index"], 5, "it does not wait again");
    app.stop().await;
}

#[actix_web::test]
async fn streams_without_chains_do_not_wait_for_issuers() {
    let (log, watched) = log(DemoProtocol::StaticCt).await;
    log.set_defects(Defects { no_issuers: true, ..Defects::default() });
    let app = spawn_app(&format!("{SETTINGS}issuer_wait = '1h'\n"), vec![watched]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.publish(300);
    assert_eq!(client.indexes(300).await, (0..300).collect::<Vec<_>>());
    let stats = app.log_stats().await;
    assert_eq!((&stats["delivered"], &stats["misbehaviours"]), (&json!(300), &json!(0)));
    app.stop().await;
}

/// The log limits requests and does not say how many it accepts. A longer run, with figures:
///
/// ```text
/// ENTRIES=6000 PER_SECOND=2 WARM_SECONDS=300 cargo test --release --test api rate_is_learned -- --nocapture
/// ```
#[actix_web::test]
async fn the_rate_that_a_log_accepts_is_learned_and_kept() {
    let (entries, per_second) = (number("ENTRIES", 1_500), number("PER_SECOND", 20));
    let (log, watched) = log(DemoProtocol::Rfc6962).await;
    log.set_defects(Defects { max_per_second: Some(per_second as u32), ..Defects::default() });
    let settings = "[fetch]\npage_size = 5\n";
    let app = spawn_app(settings, vec![watched.clone()]).await;
    let mut client = app.connect("/lite-stream").await;
    // All entries are proven together, after the last page.
    client.patience += Duration::from_secs(entries / per_second);
    app.wait_for_clients(1).await;
    log.publish(entries);
    let warm = async {
        tokio::time::sleep(Duration::from_secs(number("WARM_SECONDS", 10))).await;
        (Instant::now(), log.stats())
    };
    let (received, (since, before)) = tokio::join!(client.indexes(entries as usize), warm);
    assert_eq!(received, (0..entries).collect::<Vec<_>>());
    let after = stats_when(&app, &log, "pending", 0).await;
    let (seconds, now) = (since.elapsed().as_secs_f64(), log.stats());
    let requests = |stats: &DemoStats| stats.entries_requests + stats.head_requests + stats.proof_requests;
    let (sent, refused) = (requests(&now) - requests(&before), now.rate_limited - before.rate_limited);
    println!(
        "{sent} requests in {seconds:.0} s, {refused} of them refused; {:.1}% of the limit used",
        (sent - refused) as f64 / seconds / per_second as f64 * 100.0
    );
    assert_eq!((&after["delivered"], &after["misbehaviours"]), (&json!(entries), &json!(0)));
    assert_eq!(now.most_served, 1, "nothing is fetched twice");
    assert!(now.rate_limited * 5 < requests(&now), "{} of {} refused", now.rate_limited, requests(&now));
    let operator = app.get("/stats").await["operators"][""].clone();
    assert_eq!(operator["is_learned"], true);
    assert!(operator["refused"].as_u64() >= Some(now.rate_limited), "{operator}");
    assert!(app.metrics().await.contains("\ncertstream_operator_refused_total{operator=\"\"} "));
    let dir = app.stop().await;
    let app = spawn_app_in(dir, &[], settings, vec![watched]).await;
    let kept = app.get("/stats").await["operators"][""].clone();
    assert_eq!(kept["requests_per_second"], operator["requests_per_second"]);
    app.stop().await;
}

/// Everything at once. A longer run, for use before a release:
///
/// ```text
/// ENTRIES=50000 UNREADABLE=20 REFUSAL_SECONDS=60 cargo test --release --test api many_defects -- --nocapture
/// ```
#[actix_web::test]
async fn a_log_with_many_defects_loses_nothing() {
    let entries = number("ENTRIES", 4_000);
    let options = DemoLogOptions { max_page: 1000, retain: 10_000_000, ..DemoLogOptions::default() };
    let log = log_with(options).await;
    let watched = with_its_key(&log, Protocol::Rfc6962);
    for _ in 0..entries / 1000 {
        log.publish(1000);
        tokio::time::sleep(Duration::ZERO).await;
    }
    let step = entries / number("UNREADABLE", 5);
    let unreadable: BTreeSet<u64> = (0..entries).filter(|index| index % step == step / 2).collect();
    let defects = Defects {
        unreadable: unreadable.clone(),
        no_proof_to_multiples_of: Some(3),
        cut_each: Some(10),
        ..Defects::default()
    };
    log.set_defects(Defects { max_requested: Some(32), ..defects.clone() });
    let app = spawn_app("", vec![watched]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    let begin = Instant::now();
    // A proof is served to the head that follows.
    let added = if (entries + 1).is_multiple_of(3) { 2 } else { 1 };
    let refusal = async {
        tokio::time::sleep(Duration::from_secs(number("REFUSAL_SECONDS", 5))).await;
        log.set_defects(defects);
        log.publish(added);
    };
    let expected: Vec<_> = (0..entries).filter(|index| !unreadable.contains(index)).collect();
    let (received, ()) = tokio::join!(client.indexes(expected.len()), refusal);
    assert_eq!(received, expected, "in order, each once");
    let (delivered, stats) = (begin.elapsed(), log.stats());
    let failures = app.log_stats().await["failures"].clone();
    println!(
        "all but {} delivered after {delivered:.1?}; {} requests, {failures} failures",
        unreadable.len(),
        stats.entries_requests
    );
    log.set_defects(Defects::default());
    let mut late = client.indexes(unreadable.len() + added as usize).await;
    println!("the others {:.1?} later", begin.elapsed() - delivered);
    late.sort_unstable();
    late.dedup();
    assert!(unreadable.iter().all(|index| late.contains(index)), "{late:?}");
    let stats = stats_when(&app, &log, "missing", 0).await;
    assert_eq!((&stats["misbehaviours"], &stats["undecodable"]), (&json!(0), &json!(0)));
    assert!(stats["position"].as_u64() >= Some(entries));
    app.stop().await;
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}
