//! Tests of the metrics for Prometheus, and of their documentation.

use crate::helpers::{PATIENCE, TestApp, from_the_start, log_with, quiet_log, spawn_app, with_its_key};
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{DemoLogOptions, Fault, FaultOn};
use std::collections::BTreeSet;

async fn asked(app: &TestApp, accept: &str) -> (String, String) {
    let request = awc::Client::default().get(app.http("/metrics")).insert_header(("Accept", accept));
    let mut response = request.send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    let kind = response.headers().get("content-type").expect("a type").to_str().expect("text").to_string();
    let body = response.body().await.expect("a body");
    (kind, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

/// Polls the metrics until they contain all of `lines`.
async fn wait_for_lines(app: &TestApp, lines: &[String]) {
    let begin = std::time::Instant::now();
    loop {
        let text = app.metrics().await;
        let Some(missing) = lines.iter().find(|line| !text.lines().any(|found| found == line.as_str()))
        else {
            return;
        };
        assert!(begin.elapsed() < PATIENCE, "{missing} is not in:\n{text}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn metrics_say_what_became_of_each_logs_entries_and_requests() {
    let log = log_with(DemoLogOptions { max_page: 10, ..DemoLogOptions::default() }).await;
    let app = spawn_app("", vec![with_its_key(&log, Protocol::Rfc6962)]).await;
    // Entries that existed before the start have an unknown delay, so the test first waits until the head has
    // been observed.
    app.wait_for(|s| s["logs"][log.url()]["heard_seconds"].is_u64()).await;
    log.set_fault(Fault::Status(503), FaultOn::Entries, Some(2));
    log.publish(30);
    app.wait_for(|s| s["logs"][log.url()]["position"] == 30).await;
    let url = log.url();
    wait_for_lines(
        &app,
        &[
            format!("certstream_log_delivering{{log=\"{url}\"}} 1.0"),
            format!("certstream_log_tree_size{{log=\"{url}\"}} 30.0"),
            format!("certstream_log_verified_size{{log=\"{url}\"}} 30.0"),
            format!("certstream_log_pending{{log=\"{url}\"}} 0.0"),
            format!("certstream_log_entries_total{{log=\"{url}\",outcome=\"delivered\"}} 30"),
            format!("certstream_log_requests_total{{log=\"{url}\",outcome=\"server_error\"}} 2"),
            format!("certstream_log_misbehaviours_total{{log=\"{url}\",kind=\"fork\"}} 0"),
            format!("certstream_log_latency_seconds_count{{log=\"{url}\"}} 30"),
            "certstream_positions_saved 1.0".into(),
            "certstream_logs 1.0".into(),
        ],
    )
    .await;
    let text = app.metrics().await;
    let of_type = |kind: &str| {
        let name = format!("certstream_log_certificates_total{{log=\"{url}\",type=\"{kind}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).expect("a count")
    };
    assert_eq!(of_type("x509") + of_type("precert"), 30);
    app.stop().await;
}

#[actix_web::test]
async fn metrics_remember_clients_that_have_gone() {
    let log = quiet_log().await;
    // The messages come from the journal too, and no heartbeat is counted among them.
    let toml = "[clients]\nring_bytes = '20 KiB'\n[heartbeat]\ninterval = '1h'";
    let app = spawn_app(toml, vec![from_the_start(&log)]).await;
    let (mut full, mut domains) = (app.connect("/full-stream").await, app.connect("/domains-only").await);
    let reading = [
        actix_web::rt::spawn(async move { while full.frame().await.is_some() {} }),
        actix_web::rt::spawn(async move { while domains.frame().await.is_some() {} }),
    ];
    app.wait_for_clients(2).await;
    log.publish(2000);
    app.wait_for(|s| {
        let clients = s["clients"].as_object().expect("clients");
        s["logs"][log.url()]["position"] == 2000 && clients.values().all(|client| client["queue_size"] == 0)
    })
    .await;
    reading.iter().for_each(actix_web::rt::task::JoinHandle::abort);
    app.wait_for_clients(0).await;
    let text = app.metrics().await;
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        line.unwrap_or_else(|| panic!("{name} is not in:\n{text}"))
    };
    // A certificate without names has no message in the domains stream.
    let named =
        (0..2000).filter(|index| log.entry(*index).is_some_and(|entry| entry.first_dns_name.is_some()));
    for (stream, messages) in [("full", 2000.0), ("domains", named.count() as f64)] {
        let sent = count(&format!("certstream_sent_messages_total{{stream=\"{stream}\"}}"));
        let dropped = count(&format!("certstream_dropped_messages_total{{stream=\"{stream}\"}}"));
        assert_eq!((sent, dropped), (messages, 0.0), "{stream}");
        assert_eq!(count(&format!("certstream_clients{{stream=\"{stream}\",wire=\"websocket\"}}")), 0.0);
    }
    assert!(count("certstream_sent_bytes_total{stream=\"full\"}") > 1000.0);
    app.stop().await;
}

#[actix_web::test]
async fn metrics_are_in_openmetrics_for_who_asks_for_that() {
    let app = spawn_app("", vec![from_the_start(&quiet_log().await)]).await;
    let (kind, text) = asked(&app, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    assert!(text.contains("# TYPE certstream_refused counter\n") && text.ends_with("# EOF\n"), "{text}");
    let (kind, text) = asked(&app, "*/*").await;
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    assert!(text.contains("# TYPE certstream_refused_total counter\n") && !text.contains("# EOF"), "{text}");
    app.stop().await;
}

/// The names of all metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("certstream_") || word.starts_with("process_"));
    ours.map(|word| word.trim_end_matches("_bucket").into()).collect()
}

#[actix_web::test]
async fn the_page_explains_what_is_served_and_dashboard_and_alerts_use_nothing_else() {
    let log = quiet_log().await;
    let dir = tempfile::tempdir().expect("a folder");
    let toml = format!(
        "[[filters]]\nname = 'a'\ndomain = ['a.example']\n[[outputs]]\nname = 'a'\ntype = 'file'\ndir = {:?}",
        dir.path()
    );
    let app = spawn_app(&toml, vec![from_the_start(&log)]).await;
    log.publish(1);
    wait_for_lines(&app, &[format!("certstream_log_position{{log=\"{}\"}} 1.0", log.url())]).await;
    let begin = std::time::Instant::now();
    let mut served: BTreeSet<String> = loop {
        let text = app.metrics().await;
        let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        let families: BTreeSet<_> = families.map(String::from).collect();
        // This metric exists only after positions have been saved once.
        if families.contains("certstream_positions_saved_age_seconds") {
            break families;
        }
        assert!(begin.elapsed() < PATIENCE, "{families:?}");
    };
    // This server follows no list.
    served.insert("certstream_log_list_age_seconds".into());
    // It is no part of a cluster.
    let of_clusters = ["behind_blocks", "engine_age_seconds", "ingester_logs", "ingester_pending_entries"];
    served.extend(of_clusters.map(|name| format!("certstream_cluster_{name}")));
    let page = include_str!("../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.map(String::from).collect::<BTreeSet<_>>(), served);
    for used in [
        include_str!("../../config/grafana/dashboard.json"),
        include_str!("../../config/prometheus/alerts.yml"),
    ] {
        let unknown: Vec<_> = names(used).difference(&served).cloned().collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
    let alerts = include_str!("../../config/prometheus/alerts.yml");
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(page.contains(&format!("| {alert} |")), "docs/metrics.md does not explain {alert}");
    }
    app.stop().await;
}
