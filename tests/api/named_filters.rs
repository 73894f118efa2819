//! Tests of the named filters of the configuration, and of tokens that are restricted to one.

use crate::filtered::{
    HEARTBEAT, contains, is_precert, names, parsed, put, put_with, refused, seq, until_seq,
};
use crate::helpers::{TestApp, body, from_the_start, quiet_log, spawn_app, spawn_app_in};
use serde_json::{Value, json};
use std::time::Duration;

/// A configuration with the filter `brands`, whose values are in a file.
const BRANDS: &str = "[[filters]]\nname = 'brands'\ncontains_file = 'lists/brands.txt'\n";

/// Writes the list of `brands` in the folder `dir`.
fn write_list(dir: &std::path::Path, text: &str) {
    std::fs::create_dir_all(dir.join("lists")).expect("a folder");
    std::fs::write(dir.join("lists/brands.txt"), text).expect("a file");
}

async fn spawn_with_list(toml: &str, list: &str, log: &certstream_server::demo::DemoLog) -> TestApp {
    let dir = tempfile::tempdir().expect("a folder");
    write_list(dir.path(), list);
    spawn_app_in(dir, &[], toml, vec![from_the_start(log)]).await
}

/// Waits until the filter `brands` has so many values.
async fn wait_for_values(app: &TestApp, values: u64) {
    app.wait_for(|stats| stats["filters"]["brands"]["values"] == values).await;
}

/// At each moment, clients get what the list of that moment wants: those at the tail, and those that read the journal.
#[actix_web::test]
async fn a_list_that_changes_during_a_stream_loses_and_repeats_nothing() {
    let log = quiet_log().await;
    let toml = format!("{HEARTBEAT}[admin]\nallow = ['127.0.0.1']\n{BRANDS}");
    let mut app = spawn_with_list(&toml, "# those with an a\na\n", &log).await;
    let mut all = app.connect("/full-stream").await;
    let mut live = app.connect("/full-stream?filter=brands&notices=1").await;
    assert_eq!(live.any_message().await["filter"], json!({ "filter": ["brands"] }));
    let mut also = app.connect("/full-stream?filter=brands&type=precert").await;
    app.wait_for_clients(3).await;
    log.publish(150);
    let mut whole = Vec::new();
    while whole.len() < 150 {
        whole.push(all.message().await);
    }
    let search = async || parsed(&body(&app, "/ndjson?stream=full&filter=brands&follow=0", None).await.1);
    assert!(search().await.iter().map(seq).eq(whole.iter().filter(|m| contains(m, "a")).map(seq)));
    // Entries are published while the list changes.
    write_list(&app.file(""), "e\n!z\n");
    let changed = wait_for_values(&app, 2);
    let publishing = async {
        for _ in 0..200 {
            log.publish(5);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::join!(changed, publishing);
    log.publish(50);
    while whole.len() < 150 + 1000 + 50 {
        whole.push(all.message().await);
    }
    let end = seq(whole.last().expect("a message"));
    let old = |m: &Value| contains(m, "a");
    let new = |m: &Value| names(m).iter().any(|name| name.contains('e') && !name.contains('z'));
    let by = |change: usize, also: &dyn Fn(&Value) -> bool| -> Vec<u64> {
        let (before, after) = whole.split_at(change);
        let wanted = before.iter().filter(|m| old(m)).chain(after.iter().filter(|m| new(m)));
        wanted.filter(|m| also(m)).map(seq).collect()
    };
    let got: Vec<_> = until_seq(&mut live, end).await.iter().map(seq).collect();
    let change = (150..whole.len() - 50).find(|change| by(*change, &|_| true) == got);
    let change = change.expect("one moment at which the list changes");
    let got: Vec<_> = until_seq(&mut also, end).await.iter().map(seq).collect();
    assert!((150..whole.len() - 50).any(|change| by(change, &is_precert) == got));
    assert!(by(change, &|_| true) != by(150, &|_| true), "entries were published before the change");
    let search = parsed(&body(&app, "/ndjson?stream=full&filter=brands&follow=0", None).await.1);
    assert!(
        search.iter().map(seq).eq(whole.iter().filter(|m| new(m)).map(seq)),
        "the journal by the new list"
    );

    // What cannot be used changes nothing.
    write_list(&app.file(""), "\n# empty\n");
    tokio::time::sleep(Duration::from_secs(4)).await;
    log.publish(50);
    for _ in 0..50 {
        whole.push(all.message().await);
    }
    let (more, end) = (&whole[whole.len() - 50..], seq(whole.last().expect("a message")));
    let got: Vec<_> = until_seq(&mut live, end).await.iter().map(seq).collect();
    assert_eq!(got, more.iter().filter(|m| new(m)).map(seq).collect::<Vec<_>>());
    write_list(&app.file(""), "no-such-name\n");
    let changed = app.reload(&toml, vec![from_the_start(&log)]);
    assert_eq!(changed, Ok(vec!["filters".into()]), "a reload reads files that have just changed");
    log.publish(20);
    for _ in 0..20 {
        whole.push(all.message().await);
    }
    let got = until_seq(&mut live, seq(whole.last().expect("a message"))).await;
    assert_eq!(got, Vec::<Value>::new());
    app.stop().await;
}

#[actix_web::test]
async fn a_reload_exchanges_named_filters_and_metrics_count_their_clients() {
    let log = quiet_log().await;
    let logs = || vec![from_the_start(&log)];
    let filter = |values: &str| {
        format!("{HEARTBEAT}[admin]\nallow = ['127.0.0.1']\n[[filters]]\nname = 'mine'\n{values}\n")
    };
    let toml = filter("type = ['precert']");
    let mut app = spawn_app(&toml, logs()).await;
    let (mut all, mut client) =
        (app.connect("/full-stream").await, app.connect("/full-stream?filter=mine").await);
    app.wait_for_clients(2).await;
    let mut rounds = Vec::new();
    for values in ["type = ['x509']", "contains = ['a']", ""] {
        log.publish(60);
        let mut whole = Vec::new();
        while whole.len() < 60 {
            whole.push(all.message().await);
        }
        let end = seq(whole.last().expect("a message"));
        rounds.push((until_seq(&mut client, end).await, whole));
        let (without, _) = toml.split_once("[[filters]]").expect("a filter");
        let toml = if values.is_empty() { without.into() } else { filter(values) };
        let changed = app.reload(&toml, logs()).expect("a reload");
        assert!(changed.contains(&"filters".to_string()), "{changed:?}");
    }
    let wants: [fn(&Value) -> bool; 3] = [is_precert, |m| !is_precert(m), |m| contains(m, "a")];
    for ((got, whole), wants) in rounds.iter().zip(wants) {
        assert!(got.iter().eq(whole.iter().filter(|m| wants(m))) && !got.is_empty());
    }
    let (status, error) = refused(&app, "/?filter=mine").await;
    assert_eq!(status, 400, "it is gone for new clients: {error}");
    assert!(!app.metrics().await.contains("filter=\"mine\""));
    app.reload(&filter("type = ['x509']"), logs()).expect("a reload");
    log.publish(60);
    let whole: Vec<_> = {
        let mut w = Vec::new();
        while w.len() < 60 {
            w.push(all.message().await);
        }
        w
    };
    let got = until_seq(&mut client, seq(whole.last().expect("a message"))).await;
    assert!(got.iter().eq(whole.iter().filter(|m| !is_precert(m))), "it has come back");
    let sent = rounds.iter().map(|(got, _)| got.len()).sum::<usize>() + got.len();
    let metrics = app.metrics().await;
    let stats = app.get("/stats").await;
    let bytes = stats["filters"]["mine"]["memory_bytes"].as_u64().expect("a number");
    assert!((100..2000).contains(&bytes), "{bytes}");
    for line in [
        "certstream_filter_clients{filter=\"mine\"} 1.0".to_string(),
        format!("certstream_filter_messages_total{{filter=\"mine\"}} {sent}"),
        "certstream_filter_values{filter=\"mine\"} 1.0".to_string(),
        format!("certstream_filter_memory_bytes{{filter=\"mine\"}} {bytes}.0"),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    let expected =
        json!({ "connected_client_count": 1, "messages_sent": sent, "values": 1, "memory_bytes": bytes });
    assert_eq!(stats["filters"]["mine"], expected);
    assert!(stats["clients"].to_string().contains("\"filter=mine\""), "{stats}");
    app.stop().await;
}

const TOKENS: &str = "\
[[tokens]]
name = 'free'
token = 'free-token-of-sixteen'
[[tokens]]
name = 'bound'
token = 'bound-token-of-sixteen'
filter = 'customer-7'
[[filters]]
name = 'customer-7'
contains = ['w']
[[filters]]
name = 'precerts'
type = ['precert']
";

#[actix_web::test]
async fn a_token_with_a_filter_gets_nothing_else_on_any_route() {
    let log = quiet_log().await;
    let toml = format!("{HEARTBEAT}{TOKENS}");
    let app = spawn_app(&toml, vec![from_the_start(&log)]).await;
    let bound = "token=bound-token-of-sixteen";
    let mut all = app.connect("/full-stream?token=free-token-of-sixteen").await;
    let mut plain = app.connect(&format!("/full-stream?{bound}&notices=1")).await;
    assert_eq!(plain.any_message().await["filter"], json!({ "filter": ["customer-7"] }));
    let queries =
        ["contains=e", "type=precert", "filter=precerts", "filter=customer-7", "contains=e&filter=precerts"];
    let wants: [fn(&Value) -> bool; 5] =
        [|m| contains(m, "e"), is_precert, is_precert, |_| true, |m| contains(m, "e") && is_precert(m)];
    let mut clients = Vec::new();
    for query in queries {
        clients.push(app.connect(&format!("/full-stream?{bound}&{query}")).await);
    }
    app.wait_for_clients(2 + queries.len() as u64).await;
    log.publish(200);
    let mut whole = Vec::new();
    while whole.len() < 200 {
        whole.push(all.message().await);
    }
    let end = seq(whole.last().expect("a message"));
    let allowed: Vec<_> = whole.iter().filter(|m| contains(m, "w")).cloned().collect();
    assert!(allowed.len() < 200 && until_seq(&mut plain, end).await == allowed);
    for ((client, query), wants) in clients.iter_mut().zip(queries).zip(wants) {
        let got = until_seq(client, end).await;
        assert!(got.iter().eq(allowed.iter().filter(|m| wants(m))), "{query}: {}", got.len());
        for route in ["ndjson", "sse"] {
            let path = format!("/{route}?stream=full&follow=0&{bound}&{query}");
            let got = parsed(&body(&app, &path, None).await.1);
            assert!(got.iter().eq(allowed.iter().filter(|m| wants(m))), "{route}, {query}: {}", got.len());
        }
    }
    for path in [
        "/latest.json",
        "/example.json",
        "/full-stream/example.json",
        "/lite-stream/example.json",
        "/domains-only/example.json",
    ] {
        let (status, text) = body(&app, &format!("{path}?{bound}"), None).await;
        assert_eq!(status, 403, "{path}: {text}");
        assert!(text.contains("only valid for what its filter wants"), "{text}");
        assert_eq!(body(&app, &format!("{path}?token=free-token-of-sixteen"), None).await.0, 200, "{path}");
    }
    let (status, error) = refused(&app, &format!("/develop?{bound}")).await;
    assert_eq!(status, 403, "{error}");
    let forbidden = names(whole.iter().find(|m| !contains(m, "w")).expect("one"));
    for path in ["/status.json", "/stats", "/metrics", "/health/ready"] {
        let (_, text) = body(&app, &format!("{path}?{bound}"), None).await;
        assert!(forbidden.iter().all(|name| !text.contains(name)), "{path}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn putting_a_filter_needs_a_token_where_streams_do() {
    let log = quiet_log().await;
    let app = spawn_app(TOKENS, vec![from_the_start(&log)]).await;
    let (status, error) = put(&app, r#"{"domain":["a.example"]}"#).await;
    assert_eq!(status, 401, "{error}");
    for (token, expected) in [("free-token-of-sixteen", 200), ("bound-token-of-sixteen", 200), ("other", 401)]
    {
        let (status, answer) = put_with(&app, token, r#"{"domain":["a.example"]}"#).await;
        assert_eq!(status, expected, "{token}: {answer}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_token_whose_filter_changes_or_is_new_ends_its_clients() {
    let log = quiet_log().await;
    let logs = || vec![from_the_start(&log)];
    let mut app = spawn_app(TOKENS, logs()).await;
    let mut free = app.connect("/lite-stream?token=free-token-of-sixteen").await;
    let mut bound = app.connect("/lite-stream?token=bound-token-of-sixteen").await;
    app.wait_for_clients(2).await;
    let other = TOKENS.replace("filter = 'customer-7'", "filter = 'precerts'");
    let why = app.reload(&other, logs()).expect_err("a refusal");
    assert!(
        why.contains("the token of \"bound\" is valid for more than the filter \"customer-7\" wants"),
        "{why}"
    );
    let stricter = TOKENS.replace("of-sixteen'\n[[tokens]]", "of-sixteen'\nfilter = 'precerts'\n[[tokens]]");
    app.reload(&stricter, logs()).expect("a reload");
    let (_, close) = free.until_closed().await;
    assert_eq!(u16::from(close.expect("a close frame").code), 1008);
    app.wait_for_clients(1).await;
    let opening = format!("[access]\nallow_opening = true\n{other}");
    app.reload(&opening, logs()).expect("a reload");
    assert_eq!(u16::from(bound.until_closed().await.1.expect("a close frame").code), 1008);
    app.stop().await;
}

/// What is the first of each depends on the filter, also on a named one.
#[actix_web::test]
async fn unique_goes_by_the_named_filters_too_and_ends_when_they_change_that() {
    let log = quiet_log().await;
    let logs = || vec![from_the_start(&log)];
    let filter = |values: &str| format!("{HEARTBEAT}[[filters]]\nname = 'mine'\n{values}\n");
    let mut app = spawn_app(&filter("type = ['x509']"), logs()).await;
    let mut all = app.connect("/full-stream").await;
    let mut client = app.connect("/full-stream?filter=mine&unique=issuance").await;
    let mut certificates = app.connect("/full-stream?filter=mine&unique=certificate").await;
    app.wait_for_clients(3).await;
    log.publish(100);
    let mut whole = Vec::new();
    while whole.len() < 100 {
        whole.push(all.message().await);
    }
    let end = seq(whole.last().expect("a message"));
    let mut seen = std::collections::HashSet::new();
    let expected: Vec<_> = whole
        .iter()
        .filter(|m| !is_precert(m) && seen.insert(m["data"]["leaf_cert"]["tbs_sha256"].clone()))
        .map(seq)
        .collect();
    let got: Vec<_> = until_seq(&mut client, end).await.iter().map(seq).collect();
    assert!(!got.is_empty() && got == expected, "{} of {}", got.len(), expected.len());
    app.reload(&filter("type = ['precert']"), logs()).expect("a reload");
    for client in [&mut client, &mut certificates] {
        assert_eq!(u16::from(client.until_closed().await.1.expect("a close frame").code), 1001);
    }
    let mut certificates = app.connect("/full-stream?filter=mine&unique=certificate").await;
    // What is the first of each stays the same.
    app.reload(&filter("type = ['precert']\ncontains = ['a']"), logs()).expect("a reload");
    log.publish(10);
    until_seq(&mut certificates, end + 10).await;
    app.reload(&filter("log = ['a']"), logs()).expect("a reload");
    let (status, error) = refused(&app, "/?filter=mine&unique=certificate").await;
    assert_eq!((status, &error["parameter"]), (400, &json!("unique")), "{error}");
    assert!(error["message"].as_str().expect("a text").ends_with("log"), "{error}");
    assert_eq!(u16::from(certificates.until_closed().await.1.expect("a close frame").code), 1001);
    app.stop().await;
}
