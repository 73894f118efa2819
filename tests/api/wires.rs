//! Tests of the other wire formats: compressed, and Server-Sent Events.

use crate::helpers::{from_the_start, quiet_log, spawn_app};
use flate2::{Decompress, FlushDecompress};
use futures_util::StreamExt;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Connects a client that offers these extensions. Returns the response header, and the connection.
fn connect(address: SocketAddr, path: &str, offer: &str) -> (Option<String>, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{head}\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut extension = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let (name, value) = line.split_once(':').unwrap_or((line.trim(), ""));
        if name.eq_ignore_ascii_case("sec-websocket-extensions") {
            extension = Some(value.trim().to_string());
        }
        if line == "\r\n" {
            return (extension, reader);
        }
    }
}

/// The next frame: its first byte and its payload.
fn frame(reader: &mut impl Read) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    reader.read_exact(&mut head).unwrap();
    let length = match head[1] {
        126 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length).unwrap();
            u16::from_be_bytes(length).into()
        }
        127 => {
            let mut length = [0; 8];
            reader.read_exact(&mut length).unwrap();
            u64::from_be_bytes(length) as usize
        }
        length => length.into(),
    };
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

/// The next message of the stream.
fn message(reader: &mut impl Read) -> (bool, Value) {
    loop {
        let (first, mut payload) = frame(reader);
        let compressed = first & 0x40 != 0;
        if first & 0x0f != 1 {
            continue;
        }
        if compressed {
            payload.extend([0, 0, 0xff, 0xff]);
            let mut text = Vec::with_capacity(1 << 20);
            Decompress::new(false).decompress_vec(&payload, &mut text, FlushDecompress::Sync).unwrap();
            payload = text;
        }
        let message: Value = serde_json::from_slice(&payload).expect("JSON");
        if message["message_type"] != "heartbeat" {
            return (compressed, message);
        }
    }
}

#[actix_web::test]
async fn who_offers_it_gets_the_same_messages_compressed() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let address = app.address;
    let connecting = actix_web::rt::task::spawn_blocking(move || {
        let offered = connect(address, "/lite-stream", "permessage-deflate; client_max_window_bits");
        let small = connect(address, "/lite-stream", "permessage-deflate; server_max_window_bits=9");
        (offered, small)
    });
    let ((answer, mut compressed), (declined, mut plain)) = connecting.await.unwrap();
    assert_eq!(answer.as_deref(), Some("permessage-deflate; server_no_context_takeover"));
    assert_eq!(declined, None);
    app.wait_for_clients(2).await;
    // The client's messages may be compressed as well. They have no effect.
    compressed.get_mut().write_all(&[0xc1, 0x83, 0, 0, 0, 0, 0xaa, 0x56, 0x2a]).unwrap();
    compressed.get_mut().write_all(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
    log.publish(50);
    let reading = actix_web::rt::task::spawn_blocking(move || {
        for index in 0..50 {
            let ((is_compressed, message_1), (is_plain, message_2)) =
                (message(&mut compressed), message(&mut plain));
            assert!(is_compressed && !is_plain);
            assert_eq!(message_1, message_2);
            assert_eq!(message_1["data"]["cert_index"], index);
        }
    });
    reading.await.unwrap();
    app.stop().await;
}

#[actix_web::test]
async fn compression_can_be_turned_off() {
    let log = quiet_log().await;
    let app = spawn_app("[clients]\ndeflate = false", vec![from_the_start(&log)]).await;
    let address = app.address;
    let offered = actix_web::rt::task::spawn_blocking(move || connect(address, "/", "permessage-deflate").0);
    assert_eq!(offered.await.unwrap(), None);
    app.stop().await;
}

#[actix_web::test]
async fn streams_are_there_as_events_too() {
    let log = quiet_log().await;
    let app = spawn_app("[heartbeat]\ninterval = '200ms'", vec![from_the_start(&log)]).await;
    let mut response = awc::Client::default().get(app.http("/sse?stream=lite")).send().await.unwrap();
    assert_eq!(response.headers().get("content-type").unwrap(), "text/event-stream");
    assert_eq!(response.headers().get("x-accel-buffering").unwrap(), "no");
    app.wait_for_clients(1).await;
    log.publish(3);
    let mut text = String::new();
    while text.matches("data: ").count() < 3 || !text.contains("\n\n: heartbeat\nid: ") {
        text.push_str(std::str::from_utf8(&response.next().await.expect("more").unwrap()).unwrap());
    }
    let events: Vec<_> = text.split("\n\n").filter(|event| event.starts_with("id: ")).collect();
    assert_eq!(events.len(), 3);
    for event in events {
        let (id, data) = event.split_once("\ndata: ").expect("an id and data");
        let message: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(id, format!("id: {}", message["seq"]));
        assert_eq!(message["message_type"], "certificate_update");
    }
    drop(response);
    app.wait_for_clients(0).await;
    let mut wrong = awc::Client::default().get(app.http("/sse?stream=all")).send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    let body = wrong.body().await.unwrap();
    assert!(std::str::from_utf8(&body).unwrap().contains("full, lite, domains"));
    app.stop().await;
}

/// Connects a client of events with this version of HTTP. Returns the head of the response, and the
/// connection.
fn events_over(address: SocketAddr, version: &str) -> (String, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET /sse?stream=domains {version}\r\nHost: {address}\r\n\r\n").unwrap();
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    (head.to_lowercase(), reader)
}

/// HTTP/1.0 has no chunked encoding, and some proxies support only HTTP/1.0.
#[actix_web::test]
async fn events_go_in_chunks_only_to_those_who_know_them() {
    let log = quiet_log().await;
    let app = spawn_app("", vec![from_the_start(&log)]).await;
    let address = app.address;
    let connecting = actix_web::rt::task::spawn_blocking(move || {
        (events_over(address, "HTTP/1.0"), events_over(address, "HTTP/1.1"))
    });
    let ((plain_head, mut plain), (chunked_head, mut chunked)) = connecting.await.unwrap();
    assert!(
        !plain_head.contains("transfer-encoding") && !plain_head.contains("content-length"),
        "{plain_head}"
    );
    assert!(chunked_head.contains("transfer-encoding: chunked"), "{chunked_head}");
    app.wait_for_clients(2).await;
    // Messages of various sizes that arrive at once: combined with others, and alone.
    for count in [1, 300, 2000] {
        log.publish(count);
    }
    let stopping = actix_web::rt::spawn(app.stop());
    let reading = actix_web::rt::task::spawn_blocking(move || {
        let mut events = String::new();
        plain.read_to_string(&mut events).unwrap();
        let (mut joined, mut size) = (Vec::new(), String::new());
        loop {
            size.clear();
            chunked.read_line(&mut size).unwrap();
            let length = usize::from_str_radix(size.trim_end(), 16).expect("a length");
            let mut chunk = vec![0; length + 2];
            chunked.read_exact(&mut chunk).unwrap();
            assert!(chunk.ends_with(b"\r\n"));
            joined.extend(&chunk[..length]);
            if length == 0 {
                assert_eq!(chunked.read(&mut [0]).unwrap(), 0, "the last chunk ends it");
                return (events, String::from_utf8(joined).unwrap());
            }
        }
    });
    let (plain, joined) = reading.await.unwrap();
    stopping.await.unwrap();
    assert_eq!(plain, joined);
    assert!(plain.starts_with("id: 1") && plain.ends_with("}\n\n"));
}

/// No message is sent meanwhile, so no failed write can reveal the disconnect.
#[actix_web::test]
async fn a_client_of_events_that_hangs_up_is_gone_at_once() {
    let log = quiet_log().await;
    let app = spawn_app("[heartbeat]\ninterval = '1h'", vec![from_the_start(&log)]).await;
    let address = app.address;
    let client = actix_web::rt::task::spawn_blocking(move || events_over(address, "HTTP/1.1")).await.unwrap();
    app.wait_for_clients(1).await;
    drop(client);
    app.wait_for_clients(0).await;
    app.stop().await;
}
