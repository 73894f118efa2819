//! A fuzzer that sends sequences of client actions over sockets: complete and partial requests, handshakes,
//! valid and invalid frames, bodies, pauses, and disconnects. The server must keep running, respond to
//! others, lose nothing, and release all resources.
//!
//! FUZZ_SECONDS is the duration (default 10). FUZZ_SEED sets the first seed; the seed is printed.

use crate::server::Server;
use crate::{ALONE, ATTACKER, HANDSHAKE_HEADERS, OTHERS, PATIENCE};
use futures_util::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Number of simultaneous connections.
const AT_ONCE: usize = 60;
/// Maximum growth of the server's memory over the whole test.
const MEMORY: usize = 32 << 20;

/// Performs one action of a client.
async fn act(stream: &mut TcpStream, rng: &mut StdRng) -> std::io::Result<()> {
    let paths = [
        "/",
        "/full-stream",
        "/lite-stream?notices=1",
        "/domains-only",
        "/lite-stream?domain=test&explain=1",
        "/full-stream?regex=((a%7B99%7D)%7B99%7D)%7B99%7D",
        "/sse?contains=%00&contains=%ff",
        "/sse?stream=lite",
        "/latest.json",
        "/stats",
        "/metrics",
        "/health",
        "/develop",
        "//stats",
        "/%2e",
        "*",
        "/example.json?token=x",
    ];
    let path = paths[rng.random_range(0..paths.len())];
    let method = ["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "PRI", "get"][rng.random_range(0..7)];
    let version =
        ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9"][rng.random_range(0..6)];
    match rng.random_range(0..14) {
        0..=2 => stream.write_all(format!("{method} {path} {version}\r\nHost: a\r\n\r\n").as_bytes()).await,
        3..=4 => stream.write_all(format!("GET {path} HTTP/1.1\r\n{HANDSHAKE_HEADERS}\r\n").as_bytes()).await,
        5 => {
            let request = format!("GET {path} HTTP/1.1\r\n{HANDSHAKE_HEADERS}\r\n");
            stream.write_all(&request.as_bytes()[..rng.random_range(0..request.len())]).await
        }
        6 => {
            let body = [
                "Content-Length: 5",
                "Transfer-Encoding: chunked",
                "Content-Length: 99999999999999999999",
                "Expect: 100-continue",
                "Connection: close",
                "Connection: upgrade, keep-alive",
            ];
            let body = body[rng.random_range(0..body.len())];
            stream
                .write_all(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{body}\r\n\r\n5\r\n").as_bytes())
                .await
        }
        7..=8 => {
            let (first, length): (u8, u8) = (rng.random(), rng.random_range(0..126));
            let mut frame = vec![first, 0x80 | length, 1, 2, 3, 4];
            frame.extend((0..length).map(|_| rng.random::<u8>()));
            stream.write_all(&frame.repeat(rng.random_range(1..50))).await
        }
        9 => {
            let noise: Vec<u8> = (0..rng.random_range(1..5000)).map(|_| rng.random()).collect();
            stream.write_all(&noise).await
        }
        10 => stream.write_all(&b"\r\n".repeat(rng.random_range(1..10_000))).await,
        11 => stream.shutdown().await,
        12 => {
            let mut read = vec![0; rng.random_range(1..100_000)];
            let _ = timeout(Duration::from_millis(50), stream.read(&mut read)).await;
            Ok(())
        }
        _ => {
            sleep(Duration::from_millis(rng.random_range(0..300))).await;
            Ok(())
        }
    }
}

async fn client(server: &Server, seed: u64, end: Instant) {
    let mut rng = StdRng::seed_from_u64(seed);
    while Instant::now() < end {
        let Ok(mut stream) = server.connect(ATTACKER).await else { continue };
        for _ in 0..rng.random_range(0..12) {
            // No action may take longer than the server's timeouts.
            let acted =
                timeout(PATIENCE, act(&mut stream, &mut rng)).await.expect("it is not held up for ever");
            if acted.is_err() {
                break;
            }
        }
        if rng.random() {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Receives messages until `end` and returns their number. Panics if one is missing.
async fn listen(server: &Server, end: Instant) -> usize {
    let mut socket = server.subscribe(OTHERS, "/lite-stream").await.expect("a stream");
    let mut next = std::collections::BTreeMap::new();
    let mut count = 0;
    while Instant::now() < end {
        let frame = timeout(PATIENCE, socket.next()).await.expect("something in time").expect("more");
        let message: Value = match frame.expect("a frame").into_text() {
            Ok(text) => serde_json::from_str(&text).unwrap_or_default(),
            Err(_) => continue,
        };
        let Some(index) = message["data"]["cert_index"].as_u64() else { continue };
        let log = message["data"]["source"]["url"].to_string();
        let expected = next.insert(log, index + 1);
        assert!(expected.is_none_or(|expected| expected == index), "{expected:?} is missing, {index} came");
        count += 1;
    }
    count
}

#[actix_web::test]
async fn whatever_clients_do_in_whatever_order_nothing_is_lost_or_left_over() {
    let _alone = ALONE.lock().await;
    let seconds = std::env::var("FUZZ_SECONDS").map_or(10, |s| s.parse().expect("FUZZ_SECONDS: a number"));
    let seed: u64 =
        std::env::var("FUZZ_SEED").map_or_else(|_| rand::random(), |s| s.parse().expect("a number"));
    println!("FUZZ_SEED={seed}");
    let dir = tempfile::tempdir().expect("a folder");
    let rules = "[access]\nhandshake_timeout = '2s'\n[clients]\nstall_timeout = '3s'\n[admin]\nallow = ['127.0.0.1/32']";
    let server = Server::start(dir.path(), rules, &["demo", "--rate", "50"], &[], None).await;
    sleep(Duration::from_secs(2)).await;
    let (descriptors, memory) = (server.descriptors(), server.memory());
    let end = Instant::now() + Duration::from_secs(seconds);
    let clients = stream::iter(0..AT_ONCE as u64)
        .for_each_concurrent(None, |i| client(&server, seed.wrapping_add(i), end));
    let (count, ()) = tokio::join!(listen(&server, end), clients);
    assert!(count > 50, "{count} messages");
    // The server must release all resources.
    let begin = Instant::now();
    loop {
        let stats = server.stats(OTHERS, "").await;
        // Each thread that serves clients keeps three descriptors after it has sent data to many clients.
        let kept = 3 * std::thread::available_parallelism().expect("a count").get();
        if stats["connected_client_count"] == 0 && server.descriptors() <= descriptors + 4 + kept {
            break;
        }
        let left = (&stats["connected_client_count"], server.descriptors(), descriptors);
        assert!(begin.elapsed() < PATIENCE, "clients, descriptors, descriptors before: {left:?}");
        sleep(Duration::from_millis(100)).await;
    }
    // The demo's logs are in the same process, and grow.
    let grown = server.memory().saturating_sub(memory);
    assert!(grown < MEMORY + seconds as usize * (1 << 20), "{grown} bytes of memory more");
    let log = server.log();
    let bad = log.lines().find(|line| ["panicked", " ERROR "].iter().any(|bad| line.contains(bad)));
    assert_eq!(bad, None);
}
