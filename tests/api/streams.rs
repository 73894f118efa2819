//! Tests of the messages that subscribers of each stream receive.

use crate::helpers::{Subscriber, from_the_start, quiet_log, spawn_app};
use certstream_server::demo::EntryKind;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[actix_web::test]
async fn each_stream_sends_each_entry_in_its_own_form() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut full = app.connect("/full-stream").await;
    let mut lite = app.connect("/lite-stream").await;
    let mut domains = app.connect("/domains-only").await;
    app.wait_for_clients(3).await;
    log.publish(30);
    for index in 0..30 {
        let entry = log.entry(index).expect("the entry");
        let full = full.message().await;
        let data = &full["data"];
        assert_eq!(full["message_type"], "certificate_update");
        let (update_type, poison) = match entry.kind {
            EntryKind::X509 => ("X509LogEntry", Value::Null),
            EntryKind::Precert => ("PrecertLogEntry", Value::Bool(true)),
            EntryKind::Raw => unreachable!("nothing raw was published"),
        };
        assert_eq!(data["update_type"], update_type);
        assert_eq!(data["leaf_cert"]["extensions"]["ctlPoisonByte"], poison);
        assert_eq!(data["cert_index"], index);
        assert_eq!(data["leaf_cert"]["as_der"], base64(&entry.certificate));
        let chain: Vec<_> = entry.chain.iter().map(|c| Value::from(base64(c))).collect();
        let sent: Vec<_> =
            data["chain"].as_array().expect("a chain").iter().map(|c| c["as_der"].clone()).collect();
        assert_eq!(sent, chain);
        assert_eq!(data["source"]["timestamp"].as_f64(), Some(entry.timestamp_ms as f64 / 1000.0));
        assert_eq!(data["source"]["name"], "Test log");
        let link = data["cert_link"].as_str().expect("a link");
        assert_eq!(link, format!("{}/ct/v1/get-entries?start={index}&end={index}", log.url()));

        let mut without = full.clone();
        without["data"].as_object_mut().map(|d| d.remove("chain"));
        without["data"]["leaf_cert"].as_object_mut().map(|l| l.remove("as_der"));
        assert_eq!(lite.message().await, without);

        let all_domains = &data["leaf_cert"]["all_domains"];
        if *all_domains != json!([]) {
            let names = domains.message().await;
            assert_eq!((&names["message_type"], &names["data"]), (&json!("dns_entries"), all_domains));
        }
    }
    app.stop().await;
}

fn base64(der: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(der)
}

#[actix_web::test]
async fn the_root_is_the_full_stream_with_and_without_a_query() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut plain = app.connect("/").await;
    let mut query = app.connect("/?token=x&stream=full").await;
    app.wait_for_clients(2).await;
    log.publish(1);
    for client in [&mut plain, &mut query] {
        let message = client.message().await;
        assert!(message["data"]["leaf_cert"]["as_der"].is_string());
        assert!(message["data"]["chain"].is_array());
    }
    app.stop().await;
}

#[actix_web::test]
async fn the_root_can_be_made_the_lite_stream() {
    let log = quiet_log().await;
    let app = spawn_app("[server]\nroot_stream = 'lite'", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/").await;
    app.wait_for_clients(1).await;
    log.publish(1);
    let message = client.message().await;
    assert!(message["data"]["leaf_cert"]["subject"].is_object());
    assert_eq!(message["data"]["leaf_cert"].get("as_der"), None);
    assert_eq!(message["data"].get("chain"), None);
    app.stop().await;
}

#[actix_web::test]
async fn the_lite_stream_is_the_same_whether_it_is_cut_or_made() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut lite = app.connect("/lite-stream").await;
    let mut domains = app.connect("/domains-only").await;
    app.wait_for_clients(2).await;
    log.publish(3);
    let mut made = Vec::new();
    for _ in 0..3 {
        let lite = lite.message().await;
        let has_names = lite["data"]["leaf_cert"]["all_domains"] != json!([]);
        made.push((lite, if has_names { domains.message().await["data"].clone() } else { json!([]) }));
    }
    let latest = app.get("/latest.json").await;
    for (i, (lite, domains)) in made.into_iter().enumerate() {
        let mut cut = latest["messages"][i].clone();
        assert_eq!(cut["data"]["leaf_cert"]["all_domains"], domains);
        cut["data"].as_object_mut().map(|d| d.remove("chain"));
        cut["data"]["leaf_cert"].as_object_mut().map(|l| l.remove("as_der"));
        assert_eq!(lite, cut);
    }
    app.stop().await;
}

#[actix_web::test]
async fn develop_sends_the_newest_messages_and_closes_normally() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    log.publish(40);
    app.wait_for(|s| s["logs"].as_object().is_some_and(|l| l.values().any(|l| l["position"] == 40))).await;
    let (messages, close) = app.connect("/develop").await.until_closed().await;
    let indexes: Vec<_> = messages.iter().filter_map(|m| m["data"]["cert_index"].as_u64()).collect();
    assert_eq!(indexes, (15..40).collect::<Vec<_>>());
    assert_eq!(close.expect("a close frame").code, CloseCode::Normal);
    app.wait_for_clients(0).await;
    app.stop().await;
}

#[actix_web::test]
async fn heartbeats_come_on_every_stream() {
    let log = quiet_log().await;
    let app = spawn_app("[heartbeat]\ninterval = '1s'", vec![from_the_start(&log)]).await;
    let mut clients = Vec::new();
    for path in ["/", "/full-stream", "/lite-stream", "/domains-only"] {
        clients.push((path, app.connect(path).await));
    }
    for (path, client) in &mut clients {
        let first = client.any_message().await;
        let second = client.any_message().await;
        assert_eq!(first["message_type"], "heartbeat", "{path}");
        let apart = second["timestamp"].as_f64().unwrap() - first["timestamp"].as_f64().unwrap();
        assert!(apart > 0.5, "{path}: {apart} s apart");
    }
    app.stop().await;
}

#[actix_web::test]
async fn pings_and_close_frames_are_answered() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/").await;
    client.send(Message::Ping("are you there".into())).await;
    assert_eq!(client.frame().await, Some(Message::Pong("are you there".into())));
    client.send(Message::Text("clients may say anything".into())).await;
    client.send(Message::Binary(vec![0; 1000].into())).await;
    client.send(Message::Close(None)).await;
    assert!(matches!(client.frame().await, Some(Message::Close(_))));
    assert_eq!(client.frame().await, None, "and the connection ends");
    app.wait_for_clients(0).await;
    app.stop().await;
}

#[actix_web::test]
async fn the_server_pings_clients_and_closes_those_that_never_answer() {
    let log = quiet_log().await;
    let keepalive =
        "[clients]\nping_interval = '200ms'\npong_timeout = '1s'\n[heartbeat]\ninterval = '100ms'";
    let app = spawn_app(keepalive, vec![from_the_start(&log)]).await;
    let mut good = app.connect("/").await;
    let mut silent = silent_client(&app.address.to_string()).await;
    let begin = Instant::now();
    let ended = actix_web::rt::task::spawn_blocking(move || {
        let mut received = Vec::new();
        std::io::Read::read_to_end(&mut silent, &mut received).map(|_| received)
    });
    let mut pings = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        pings += u32::from(matches!(good.frame().await, Some(Message::Ping(_))));
    }
    let received = ended.await.unwrap().expect("the connection ends in order");
    assert!(received.windows(2).any(|w| w == [0x89, 0]), "it was pinged");
    let close = [&[0x88, 22, 0x03, 0xe9][..], b"no answer to pings"].concat();
    assert!(received.windows(close.len() - 2).any(|w| w == &close[2..]), "it was told why, with 1001");
    assert!(pings > 5, "{pings} pings");
    app.wait_for_clients(1).await;
    app.stop().await;
}

/// A client that sends nothing after its handshake.
async fn silent_client(host: &str) -> std::net::TcpStream {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    write!(
        stream,
        "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    .unwrap();
    actix_web::rt::task::spawn_blocking(move || {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        stream
    })
    .await
    .unwrap()
}

#[actix_web::test]
async fn pages_of_any_origin_may_connect() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let mut request = format!("ws://{}/", app.address).into_client_request().unwrap();
    request.headers_mut().insert("Origin", "https://elsewhere.example".parse().unwrap());
    let mut client = Subscriber::connect(request).await;
    app.wait_for_clients(1).await;
    log.publish(1);
    assert_eq!(client.indexes(1).await, [0]);
    app.stop().await;
}

/// For many clients, the server uses a different way of sending than for few. The messages must be the same.
#[actix_web::test]
async fn many_clients_hear_what_one_hears() {
    let log = quiet_log().await;
    let app = spawn_app("[clients]\nflush_interval = '100ms'", vec![from_the_start(&log)]).await;
    let mut one = app.connect("/lite-stream").await;
    let mut many = Vec::new();
    for _ in 0..12 {
        many.push(app.connect("/full-stream").await);
    }
    app.wait_for_clients(13).await;
    for round in 0..3 {
        log.publish(200);
        for index in 0..200 {
            let lite = one.message().await;
            assert_eq!(lite["data"]["cert_index"], round * 200 + index);
            let full = many[0].message().await;
            assert_eq!(full["data"]["leaf_cert"]["fingerprint"], lite["data"]["leaf_cert"]["fingerprint"]);
            for client in &mut many[1..] {
                assert_eq!(client.message().await, full);
            }
        }
    }
    app.stop().await;
}
