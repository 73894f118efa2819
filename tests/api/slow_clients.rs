//! Tests of clients that read slowly or not at all. They lose nothing, unless the configuration says so.

use crate::helpers::{PATIENCE, from_the_start, quiet_log, spawn_app};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A client that has subscribed to the full stream and reads nothing. Its receive buffer is small, so that
/// the server notices soon.
fn stalled_client(address: SocketAddr) -> TcpStream {
    stalled_client_of(address, "/full-stream")
}

fn stalled_client_of(address: SocketAddr, path: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    let head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{head}\r\n\r\n").unwrap();
    stream
}

fn dropped(stats: &Value) -> u64 {
    let clients = stats["clients"].as_object().into_iter().flatten();
    clients.filter_map(|(_, c)| c["messages_dropped"].as_u64()).sum()
}

fn replaying(stats: &Value) -> bool {
    stats["clients"].as_object().is_some_and(|clients| clients.values().any(|c| c["replaying"] == true))
}

/// The ring is much smaller than what is sent, so that the slow client needs the journal.
#[actix_web::test]
async fn a_client_that_pauses_misses_nothing_and_delays_nobody() {
    let log = quiet_log().await;
    let app = spawn_app("[clients]\nring_bytes = '1 MiB'", vec![from_the_start(&log)]).await;
    let mut good = app.connect("/full-stream").await;
    let stalled = stalled_client_of(app.address, "/full-stream?notices=1");
    app.wait_for_clients(2).await;
    let published = 3_000;
    for start in (0..published).step_by(100) {
        log.publish(100);
        assert_eq!(good.indexes(100).await, (start..start + 100).collect::<Vec<_>>());
    }
    let text = app.metrics().await;
    let ring = text.lines().find_map(|line| line.strip_prefix("certstream_ring_bytes ")?.parse::<f64>().ok());
    assert!(ring.expect("a size") <= 2.0 * f64::from(1 << 20), "{ring:?}");
    let reading = actix_web::rt::task::spawn_blocking(move || numbers(stalled, published + 50));
    app.wait_for(replaying).await;
    app.wait_for(|stats| !replaying(stats)).await;
    log.publish(50);
    let (numbers, notices) = reading.await.expect("the stream goes on");
    assert_eq!((numbers, notices), ((0..published + 50).collect::<Vec<_>>(), 0));
    assert_eq!(dropped(&app.get("/stats").await), 0);
    app.stop().await;
}

#[actix_web::test]
async fn a_slow_client_is_closed_if_the_configuration_says_so() {
    let log = quiet_log().await;
    let settings = "[clients]\nring_bytes = '1 MiB'\nwhen_behind = 'disconnect'";
    let app = spawn_app(settings, vec![from_the_start(&log)]).await;
    let mut good = app.connect("/full-stream").await;
    let mut stalled = stalled_client(app.address);
    app.wait_for_clients(2).await;
    for start in (0..3_000).step_by(100) {
        log.publish(100);
        assert_eq!(good.indexes(100).await, (start..start + 100).collect::<Vec<_>>());
    }
    let received = actix_web::rt::task::spawn_blocking(move || {
        let mut received = Vec::new();
        stalled.set_read_timeout(Some(PATIENCE))?;
        stalled.read_to_end(&mut received).map(|_| received)
    });
    let received = received.await.unwrap().expect("the connection ends in order");
    let told = b"\x88\x0a\x03\xe9too slow";
    assert!(received.windows(told.len()).any(|w| w == told));
    assert_eq!(app.ended_clients("too_far_behind").await, 1);
    app.stop().await;
}

#[actix_web::test]
async fn a_client_that_takes_nothing_is_gone_after_its_time() {
    let log = quiet_log().await;
    let clients = "[clients]\nstall_timeout = '2s'\npong_timeout = '10m'";
    let app = spawn_app(clients, vec![from_the_start(&log)]).await;
    let mut good = app.connect("/full-stream").await;
    let mut stalled = stalled_client(app.address);
    app.wait_for_clients(2).await;
    let (begin, mut published) = (Instant::now(), 0);
    while app.get("/stats").await["connected_client_count"] == 2 {
        assert!(begin.elapsed() < 2 * PATIENCE, "the stalled client stays");
        log.publish(50);
        assert_eq!(good.indexes(50).await, (published..published + 50).collect::<Vec<_>>());
        published += 50;
    }
    let ended = actix_web::rt::task::spawn_blocking(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match stalled.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    });
    ended.await.expect("the connection has ended for the client too");
    log.publish(1);
    good.indexes(1).await;
    app.stop().await;
}

#[actix_web::test]
async fn a_stalled_client_that_reads_again_is_told_to_come_back() {
    let log = quiet_log().await;
    // Such a client sends no pongs either, but it must not be disconnected for that reason.
    let clients = "[clients]\nstall_timeout = '1s'\npong_timeout = '10m'\nflush_interval = '0ms'";
    let app = spawn_app(clients, vec![from_the_start(&log)]).await;
    let mut stalled = stalled_client(app.address);
    app.wait_for_clients(1).await;
    let begin = Instant::now();
    // The poll interval is short, because the client is informed only within a few seconds of being
    // disconnected.
    while app.ended_clients("stalled").await == 0 {
        assert!(begin.elapsed() < 4 * PATIENCE, "the stalled client is kept");
        log.publish(5);
        sleep(Duration::from_millis(20)).await;
    }
    let received = actix_web::rt::task::spawn_blocking(move || {
        let mut received = Vec::new();
        stalled.set_read_timeout(Some(PATIENCE))?;
        stalled.read_to_end(&mut received).map(|_| received)
    });
    let received = received.await.unwrap().expect("the connection ends in order");
    let told = b"\x88\x0a\x03\xe9too slow";
    assert!(received.windows(told.len()).any(|w| w == told), "close frame 1001 after what was under way");
    app.wait_for_clients(0).await;
    app.stop().await;
}

/// Reads frames until the number of messages, plus the number that gap notices report as missing, reaches
/// `count`.
fn numbers(mut stream: TcpStream, count: u64) -> (Vec<u64>, usize) {
    let (mut bytes, mut numbers, mut notices, mut base) = (Vec::new(), Vec::new(), 0, 0);
    let mut buffer = [0; 1 << 16];
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    while numbers.last() != Some(&(count - 1)) {
        let n = stream.read(&mut buffer).expect("the rest of the stream");
        assert!(n > 0, "the stream ended after {:?}", numbers.last());
        bytes.extend_from_slice(&buffer[..n]);
        if bytes.starts_with(b"HTTP") {
            let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            bytes.drain(..end + 4);
        }
        while let Some((text, length)) = frame(&bytes) {
            let message: Value = serde_json::from_slice(text).expect("JSON");
            match message["message_type"].as_str() {
                Some("gap") => {
                    notices += 1;
                    let (from, to) =
                        (message["from_seq"].as_u64().unwrap(), message["to_seq"].as_u64().unwrap());
                    assert_eq!(message["dropped"], to - from + 1);
                    numbers.extend(from - base..=to - base);
                }
                Some("certificate_update") => {
                    let index = message["data"]["cert_index"].as_u64().expect("an index");
                    base = message["seq"].as_u64().expect("a number") - index;
                    numbers.push(index);
                }
                _ => {}
            }
            bytes.drain(..length);
        }
    }
    (numbers, notices)
}

/// The text of the first frame in `bytes`, and the length of the frame. `None` until it is complete. Pings
/// have no text.
fn frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (&length, at) = (bytes.get(1)?, 2);
    let (length, at) = match length {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize, 10),
        length => (usize::from(length), at),
    };
    let text = bytes.get(at..at + length)?;
    Some((if text.is_empty() { b"{}" } else { text }, at + length))
}

#[actix_web::test]
async fn who_asks_is_told_in_the_stream_which_messages_are_missing() {
    let log = quiet_log().await;
    let settings = "[clients]\nring_bytes = '1 MiB'\nwhen_behind = 'skip'";
    let app = spawn_app(settings, vec![from_the_start(&log)]).await;
    let mut good = app.connect_with_notices("/").await;
    let stalled = stalled_client_of(app.address, "/full-stream?notices=true");
    app.wait_for_clients(2).await;
    let mut published = 0;
    while published < 3_000 {
        log.publish(100);
        assert_eq!(good.indexes(100).await, (published..published + 100).collect::<Vec<_>>());
        published += 100;
    }
    // When it reads again, it receives what was under way, then the notice, then new messages.
    let reading = actix_web::rt::task::spawn_blocking(move || numbers(stalled, published + 50));
    app.wait_for(|stats| dropped(stats) > 0).await;
    log.publish(50);
    let (numbers, notices) = reading.await.expect("the stream goes on");
    assert_eq!(numbers, (0..published + 50).collect::<Vec<_>>());
    assert!(notices >= 1);
    app.stop().await;
}

/// Its session has ended, but the server's response is never sent, so nothing else would end the connection.
#[actix_web::test]
async fn a_client_that_says_goodbye_and_takes_nothing_is_gone_after_its_time() {
    let log = quiet_log().await;
    let clients = "[clients]\nstall_timeout = '2s'\npong_timeout = '10m'\n[heartbeat]\ninterval = '500ms'";
    let app = spawn_app(clients, vec![from_the_start(&log)]).await;
    let mut good = app.connect("/full-stream").await;
    let mut stalled = stalled_client(app.address);
    app.wait_for_clients(2).await;
    // More than the operating system buffers for a client that does not read.
    for i in 0..4 {
        log.publish(100);
        assert_eq!(good.indexes(100).await, (i * 100..i * 100 + 100).collect::<Vec<_>>());
    }
    stalled.write_all(&[0x88, 0x80, 0, 0, 0, 0]).unwrap();
    let begin = Instant::now();
    while app.get("/stats").await["connected_client_count"] == 2 {
        assert!(begin.elapsed() < PATIENCE, "the client stays");
        let _ = tokio::time::timeout(Duration::from_millis(100), good.any_message()).await;
    }
    app.stop().await;
}
