//! Tests of the routes for HTTP clients.

use crate::helpers::{PATIENCE, TestApp, from_the_start, quiet_log, spawn_app, spawn_app_in};
use awc::http::Method;
use awc::http::header::HeaderMap;
use certstream_server::demo::{Fault, FaultOn};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Status, headers and body of a response.
async fn ask(app: &TestApp, method: Method, path: &str) -> (u16, HeaderMap, String) {
    let mut response =
        awc::Client::default().request(method, app.http(path)).send().await.expect("an answer");
    let body = response.body().limit(10 << 20).await.expect("a body");
    (response.status().as_u16(), response.headers().clone(), String::from_utf8(body.to_vec()).expect("UTF-8"))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

async fn app_with(entries: u64) -> TestApp {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    log.publish(entries);
    app.wait_for(|s| s["logs"][log.url()]["position"] == entries).await;
    app
}

#[actix_web::test]
async fn before_the_first_entry_the_json_routes_are_empty_but_there() {
    let app = app_with(0).await;
    assert_eq!(app.get("/latest.json").await, json!({ "messages": [] }));
    for path in ["/example.json", "/full-stream/example.json", "/domains-only/example.json"] {
        assert_eq!(app.get(path).await, json!({}), "{path}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn latest_shows_the_newest_25_oldest_first_and_example_the_newest() {
    let app = app_with(60).await;
    let latest = app.get("/latest.json").await;
    let messages = latest["messages"].as_array().expect("messages");
    let indexes: Vec<_> = messages.iter().filter_map(|m| m["data"]["cert_index"].as_u64()).collect();
    assert_eq!(indexes, (35..60).collect::<Vec<_>>());
    assert!(messages[0]["data"]["chain"][0]["as_der"].is_string(), "messages are full ones");
    assert_eq!(app.get("/example.json").await, messages[24]);
    app.stop().await;
}

#[actix_web::test]
async fn a_document_is_sent_once_and_pages_of_any_origin_may_read_it() {
    let app = app_with(0).await;
    for path in ["/openapi.json", "/asyncapi.json", "/schemas/certificate_update.json"] {
        let (status, headers, body) = ask(&app, Method::GET, path).await;
        assert_eq!((status, header(&headers, "content-type")), (200, "application/json"), "{path}");
        assert_eq!(header(&headers, "access-control-allow-origin"), "*", "{path}");
        assert_eq!(header(&headers, "cache-control"), "public, max-age=3600", "{path}");
        let document: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert!(document.is_object(), "{path}");
        assert_eq!(ask(&app, Method::HEAD, path).await.0, 200, "{path}");
        assert_eq!(ask(&app, Method::OPTIONS, path).await.0, 204, "{path}");
        let tag = header(&headers, "etag").to_string();
        for (known, status) in
            [(tag.as_str(), 304), (&format!("\"a\", W/{tag}"), 304), ("\"a\"", 200), ("", 200)]
        {
            let request = awc::Client::default().get(app.http(path)).insert_header(("if-none-match", known));
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), status, "{path}: {known}");
            assert_eq!(header(answer.headers(), "etag"), tag, "{path}: {known}");
        }
    }
    for path in ["/schemas/none.json", "/schemas/", "/schemas", "/schemas/../mod.rs", "/schemas/a/gap.json"] {
        assert_eq!(ask(&app, Method::GET, path).await.0, 404, "{path}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn every_stream_path_has_an_example_in_its_form() {
    // One of them has names.
    let app = app_with(20).await;
    assert_eq!(app.get("/full-stream/example.json").await, app.get("/example.json").await);
    assert_eq!(app.get("/lite-stream/example.json").await["data"].get("chain"), None);
    assert_eq!(app.get("/domains-only/example.json").await["message_type"], "dns_entries");
    app.stop().await;
}

#[actix_web::test]
async fn json_routes_can_be_read_by_pages_of_any_origin() {
    let app = app_with(1).await;
    for path in ["/latest.json", "/example.json", "/lite-stream/example.json", "/stats", "/status.json"] {
        for method in [Method::GET, Method::HEAD] {
            let (status, headers, body) = ask(&app, method.clone(), path).await;
            assert_eq!(status, 200, "{method} {path}");
            assert_eq!(header(&headers, "access-control-allow-origin"), "*", "{method} {path}");
            assert_eq!(header(&headers, "content-type"), "application/json", "{method} {path}");
            assert_eq!(body.is_empty(), method == Method::HEAD);
        }
        let (status, headers, _) = ask(&app, Method::OPTIONS, path).await;
        assert_eq!((status, header(&headers, "access-control-allow-origin")), (204, "*"));
    }
    app.stop().await;
}

#[actix_web::test]
async fn statistics_list_every_client_once() {
    let app = app_with(3).await;
    let (_one, _two) = (app.connect("/").await, app.connect("/domains-only").await);
    app.wait_for_clients(2).await;
    let stats = app.get("/stats").await;
    let clients = stats["clients"].as_object().expect("clients");
    assert_eq!(clients.len(), 2, "two of one address in one second are two");
    for (name, client) in clients {
        assert!(name.starts_with("hidden-"), "{name}");
        assert_eq!(client["ip_address"], "hidden");
        assert_eq!(client["connection_length"], "just now");
        assert_eq!(client["queue_size"], 0);
        assert_eq!(client["messages_dropped"], 0);
        assert!(client["connection_time"].as_u64().is_some_and(|t| t > 1_700_000_000));
        assert_eq!(client["connection_time"], client["conection_time"]);
    }
    let streams: Vec<_> = clients.values().map(|c| c["stream"].as_str().unwrap_or("")).collect();
    assert!(streams.contains(&"full") && streams.contains(&"domains"));
    app.stop().await;
}

#[actix_web::test]
async fn statistics_can_be_moved() {
    let log = quiet_log().await;
    let app = spawn_app("[server]\nstats_path = '/a/secret'", vec![from_the_start(&log)]).await;
    assert_eq!(app.get("/a/secret").await["connected_client_count"], 0);
    assert_eq!(ask(&app, Method::GET, "/stats").await.0, 404);
    app.stop().await;
}

#[actix_web::test]
async fn the_status_shows_logs_and_numbers_of_clients_and_no_addresses() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let _client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.publish(3);
    app.wait_for(|s| s["logs"][log.url()]["position"] == 3).await;
    let status = app.get("/status.json").await;
    assert_eq!(status["clients"], json!({ "full": 0, "lite": 1, "domains": 0 }));
    let shown = &status["logs"][0];
    for (key, value) in [
        ("name", json!("Test log")),
        ("url", json!(log.url())),
        ("protocol", json!("rfc6962")),
        ("state", json!("delivering")),
        ("tree_size", json!(3)),
        ("position", json!(3)),
        ("last_error", json!(null)),
    ] {
        assert_eq!(shown[key], value, "{key} of {shown}");
    }
    assert!(!status.to_string().contains("ip_address"));
    app.stop().await;
}

#[actix_web::test]
async fn the_status_says_what_the_journal_has_also_after_a_restart() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let empty = app.get("/status.json").await;
    assert_eq!(
        (&empty["journal"]["oldest_time"], &empty["journal"]["newest_time"]),
        (&json!(null), &json!(null))
    );
    log.publish(40);
    app.wait_for(|s| s["logs"][log.url()]["position"] == 40).await;
    let newest = app.get("/example.json").await;
    // Until the second in which the entries came is over.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let status = app.get("/status.json").await;
    let app = spawn_app_in(app.stop().await, &[], "", vec![from_the_start(&log)]).await;
    let after_restart = app.get("/status.json").await;
    assert_eq!(status["journal"], after_restart["journal"]);
    for status in [status, after_restart] {
        let (journal, per_second) = (&status["journal"], &status["entries_per_second"]);
        assert_eq!(journal["newest_seq"], newest["seq"], "{journal}");
        assert_eq!(journal["oldest_seq"].as_u64(), newest["seq"].as_u64().map(|newest| newest - 39));
        let [oldest_time, newest_time] =
            ["oldest_time", "newest_time"].map(|time| journal[time].as_f64().expect("a time") as u64);
        let counts: Vec<u64> = serde_json::from_value(per_second["counts"].clone()).expect("counts");
        assert_eq!(counts.len(), 300);
        let begin = per_second["end"].as_u64().expect("a time") - 300;
        assert!(oldest_time >= begin && newest_time < begin + 300, "{status}");
        let between = &counts[(oldest_time - begin) as usize..=(newest_time - begin) as usize];
        assert_eq!((between.iter().sum::<u64>(), counts.iter().sum::<u64>()), (40, 40));
        assert!(between[0] > 0 && between[between.len() - 1] > 0, "{between:?}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn the_front_page_runs_only_its_own_script() {
    let app = app_with(0).await;
    let (status, headers, body) = ask(&app, Method::GET, "/").await;
    assert_eq!((status, header(&headers, "content-type")), (200, "text/html; charset=utf-8"));
    let policy = header(&headers, "content-security-policy");
    for (directive, tag) in [("script-src", "script"), ("style-src", "style")] {
        let parts: Vec<_> = body.split(&format!("<{tag}>")).collect();
        assert_eq!(parts.len(), 2, "one {tag}");
        let (inside, _) = parts[1].split_once(&format!("</{tag}>")).expect("its end");
        let hash = base64_simd::STANDARD.encode_to_string(openssl::sha::sha256(inside.as_bytes()));
        assert!(policy.contains(&format!("{directive} 'sha256-{hash}';")), "{policy}");
    }
    assert!(!body.contains("https://") && !body.contains("src="), "nothing is loaded from elsewhere");
    app.stop().await;
}

#[actix_web::test]
async fn the_front_page_gives_away_no_token_in_its_address() {
    let app = app_with(0).await;
    let (_, headers, _) = ask(&app, Method::GET, "/?token=a-token-of-sixteen").await;
    assert_eq!(header(&headers, "referrer-policy"), "no-referrer");
    assert_eq!(header(&headers, "cache-control"), "no-store");
    app.stop().await;
}

#[actix_web::test]
async fn what_is_no_handshake_is_told_what_to_do() {
    let app = app_with(0).await;
    for path in ["/full-stream", "/lite-stream", "/domains-only", "/develop", "/full-stream/"] {
        // awc treats any response with an Upgrade header as one without a body.
        let mut stream = tokio::net::TcpStream::connect(app.address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 426 "), "{path}: {answer}");
        assert!(answer.contains("upgrade: websocket"), "{path}: {answer}");
        let told = r#"{"error":"Please use this url with a websocket client!"}"#;
        assert!(answer.ends_with(told), "{path}: {answer}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_handshake_that_lacks_something_is_told_what() {
    let app = app_with(0).await;
    let whole = "HTTP/1.1|Host: localhost|Upgrade: websocket|Connection: upgrade|Sec-WebSocket-Version: 13|\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (right, wrong, told) in [
        ("Upgrade: websocket", "Upgrade: websocket|Content-Length: 5", "must not have a body"),
        ("Upgrade: websocket", "Upgrade: websocket|Transfer-Encoding: chunked", "must not have a body"),
        ("HTTP/1.1|", "HTTP/1.0|", "HTTP/1.1"),
        ("Sec-WebSocket-Version: 13|", "", "must be 13"),
        ("Version: 13", "Version: 8", "must be 13"),
        ("Version: 13", "Version: 13|Sec-WebSocket-Version: 13", "must be 13"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "junk", "base64 of 16 bytes"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", "base64 of 16 bytes"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZTE=", "base64 of 16 bytes"),
        ("|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "base64 of 16 bytes"),
        ("Connection: upgrade", "Connection: keep-alive", "is expected"),
    ] {
        let request = format!("GET / {}\r\n\r\n", whole.replacen(right, wrong, 1).replace('|', "\r\n"));
        let mut stream = tokio::net::TcpStream::connect(app.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "),
            "{request}{answer}"
        );
        assert!(answer.contains("sec-websocket-version: 13") && answer.contains(told), "{request}{answer}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_refused() {
    let app = app_with(0).await;
    for path in ["/nothing", "/ct/v1/get-sth", "/latest.json/more"] {
        let (status, _, body) = ask(&app, Method::GET, path).await;
        assert_eq!((status, body.as_str()), (404, "404: Not Found"), "{path}");
    }
    for path in ["/", "/latest.json", "/stats", "/full-stream"] {
        assert_eq!(ask(&app, Method::POST, path).await.0, 405, "{path}");
    }
    app.stop().await;
}

async fn asked(app: &TestApp, path: &str) -> (u16, serde_json::Value) {
    let mut response = awc::Client::default().get(app.http(path)).send().await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&response.body().await.unwrap()).unwrap())
}

/// Polls until the server's readiness is `ready`, and checks the status.
async fn until_ready_is(app: &TestApp, ready: bool) -> serde_json::Value {
    let begin = std::time::Instant::now();
    loop {
        let (status, body) = asked(app, "/health/ready").await;
        assert_eq!(status, if body["ready"] == true { 200 } else { 503 }, "{body}");
        if body["ready"] == ready {
            return body;
        }
        assert!(begin.elapsed() < PATIENCE, "{body}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn the_server_is_ready_while_enough_logs_deliver() {
    let (good, silent) = (quiet_log().await, quiet_log().await);
    silent.set_fault(Fault::Status(500), FaultOn::Heads, None);
    let health = "[health]\nlog_patience = '5s'\nready_percent = 100";
    let app = spawn_app(health, vec![from_the_start(&good), from_the_start(&silent)]).await;
    let (status, alive) = asked(&app, "/health").await;
    assert_eq!((status, &alive["status"]), (200, &"alive".into()));
    let body = until_ready_is(&app, false).await;
    let others = body["not_delivering"].as_array().expect("logs");
    assert!(others.iter().any(|log| log["url"] == silent.url()), "{body}");
    silent.clear_faults();
    assert_eq!(until_ready_is(&app, true).await["delivering"], 2);
    // Entries that the head covers but that cannot be fetched.
    good.set_fault(Fault::Status(500), FaultOn::Entries, None);
    good.publish(10);
    let body = until_ready_is(&app, false).await;
    let behind = &body["not_delivering"][0];
    assert_eq!((&behind["url"], &behind["state"]), (&good.url().into(), &"behind".into()), "{body}");
    assert_eq!(behind["pending"], 10);
    good.clear_faults();
    until_ready_is(&app, true).await;
    assert_eq!(asked(&app, "/health").await.0, 200, "alive all the time");
    app.stop().await;
}
