//! Tests a server with a low limit on open files when all of them are in use.

use crate::server::{Server, Stream};
use crate::{ALONE, ATTACKER, OTHERS, PATIENCE};
use futures_util::StreamExt;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Message;

/// Opens a stream of events. Returns the status of the response.
async fn events(server: &Server) -> (u16, TcpStream) {
    let mut stream = server.connect(ATTACKER).await.expect("a connection");
    stream
        .write_all(b"GET /sse?stream=domains HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .expect("a request");
    let mut line = [0; 12];
    let begin = Instant::now();
    timeout(PATIENCE, stream.read_exact(&mut line)).await.expect("in time").expect("an answer");
    // A rejected client must get a response without waiting for a timeout.
    assert!(begin.elapsed() < Duration::from_secs(5), "it was answered after {:?}", begin.elapsed());
    let status = std::str::from_utf8(&line[9..]).expect("a status").parse().expect("a number");
    (status, stream)
}

/// Receives messages until one has an index above `index`, and returns that index.
async fn newer(socket: &mut WebSocketStream<Box<dyn Stream>>, index: u64) -> u64 {
    loop {
        let frame = timeout(PATIENCE, socket.next()).await.expect("something in time");
        let Message::Text(text) = frame.expect("the stream goes on").expect("a frame") else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        match message["data"]["cert_index"].as_u64() {
            Some(newest) if newest > index => return newest,
            _ => {}
        }
    }
}

async fn few_open_files(limit: u32) {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), "", &["demo", "--rate", "20"], &[], Some(limit)).await;
    let mut listener = server.subscribe(OTHERS, "/lite-stream").await.expect("a stream");
    let mut open = Vec::new();
    let refused = loop {
        match events(&server).await {
            (200, stream) => open.push(stream),
            (status, _) => break status,
        }
        assert!(open.len() < limit as usize, "more connections than open files");
    };
    assert_eq!(refused, 503);
    assert!(open.len() >= limit as usize / 3, "{} clients with {limit} open files", open.len());
    // While this is so, no other client can connect, each gets an immediate response, and logs are still
    // fetched.
    let mut index = newer(&mut listener, 0).await;
    for _ in 0..3 {
        for _ in 0..50 {
            assert_eq!(events(&server).await.0, 503);
        }
        sleep(Duration::from_millis(500)).await;
        index = newer(&mut listener, index).await;
    }
    assert!(server.descriptors() <= limit as usize);
    let clients = open.len();
    drop(open);
    let begin = Instant::now();
    let mut open = Vec::new();
    while open.len() < clients {
        match events(&server).await {
            (200, stream) => open.push(stream),
            (status, _) => {
                assert!(begin.elapsed() < PATIENCE, "{} of {clients}, then {status}", open.len());
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    newer(&mut listener, index).await;
    let log = server.log();
    let bad = log.lines().find(|line| line.contains(" ERROR ") || line.contains("Too many open files"));
    assert_eq!(bad, None);
    println!("{clients} clients with {limit} open files");
}

#[actix_web::test]
async fn at_the_limit_of_open_files_newcomers_are_told_and_logs_are_fetched() {
    let _alone = ALONE.lock().await;
    for limit in [256, 1024, 2048] {
        few_open_files(limit).await;
    }
}
