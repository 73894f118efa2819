//! Tests a server that one address attacks while other clients are connected. The others are not affected,
//! the limits hold, no resources leak, and the log file contains no secret.

#[cfg(target_os = "linux")]
#[path = "../support/certificate.rs"]
mod certificate;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod floods;
mod server;
#[cfg(target_os = "linux")]
mod stateful;

use futures_util::{SinkExt, StreamExt, stream};
use serde_json::Value;
use server::{Server, Stream};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Message;

/// Held by each test while it runs, because the tests measure the whole machine.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Timeout for each step.
const PATIENCE: Duration = Duration::from_secs(60);
/// The addresses of the attacker and of the other clients.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
const OTHERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
/// Maximum number of connections from one address.
const PER_ADDRESS: usize = 200;
/// Timeout for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(3);
const TOKEN: &str = "the-token-of-the-listeners";
const GUESS: &str = "a-guess-at-a-token";
const HANDSHAKE_HEADERS: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Receives the lite stream until told to stop. Returns the received indexes for each log.
async fn listen(
    mut socket: WebSocketStream<Box<dyn Stream>>,
    mut over: tokio::sync::watch::Receiver<bool>,
) -> BTreeMap<String, Vec<u64>> {
    let mut heard: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    loop {
        let frame = tokio::select! {
            frame = timeout(PATIENCE, socket.next()) => frame.expect("something in time"),
            _ = over.changed() => return heard,
        };
        let Message::Text(text) = frame.expect("the stream goes on").expect("a frame") else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        if let Some(index) = message["data"]["cert_index"].as_u64() {
            let log = message["data"]["source"]["url"].as_str().expect("a log");
            heard.entry(log.into()).or_default().push(index);
        }
    }
}

async fn aborted_handshakes(server: &Server) {
    let handshake = format!("GET /lite-stream?token={TOKEN} HTTP/1.1\r\n{HANDSHAKE_HEADERS}\r\n");
    let (server, handshake) = (&server, &handshake);
    stream::iter(0..5000usize)
        .for_each_concurrent(50, |i| async move {
            let mut stream = server.connect(ATTACKER).await.expect("a connection");
            let _ = stream.write_all(&handshake.as_bytes()[..i % (handshake.len() + 1)]).await;
        })
        .await;
}

/// Opens more connections than an address may have. They send little or nothing.
async fn half_open(server: &Server) {
    let mut open = Vec::new();
    for i in 0..500 {
        let mut stream = server.connect(ATTACKER).await.expect("a connection");
        let _ = stream.write_all(if i % 2 == 0 { b"" } else { b"GET / HTTP/1.1\r\nHo" }).await;
        open.push(stream);
    }
    let ends = open.into_iter().map(|mut stream| async move {
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end in time");
        answer.starts_with(b"HTTP/1.1 429")
    });
    let told = futures_util::future::join_all(ends).await.into_iter().filter(|told| *told).count();
    assert!(told > 0, "the limit of an address was told to nobody");
}

/// Sends data that is not a handshake, and handshakes that are too large.
async fn bad_requests(server: &Server) {
    let get = |rest: &str| format!("GET /lite-stream?token={TOKEN} HTTP/1.1\r\n{rest}\r\n").into_bytes();
    let without = |header: &str| {
        let kept = HANDSHAKE_HEADERS.split_inclusive("\r\n").filter(|line| !line.starts_with(header));
        get(&format!("{}Connection: close\r\n", kept.collect::<String>()))
    };
    let requests = [
        without("Sec-WebSocket-Key"),
        without("Sec-WebSocket-Version"),
        without("Upgrade"),
        get(&format!("{}\r\n", HANDSHAKE_HEADERS.replace("13", "99"))),
        get(&HANDSHAKE_HEADERS.replace("Host:", "Host\0:")),
        get(&format!("X-Long: {}\r\n", "x".repeat(300_000))),
        get(&"X-Many: x\r\n".repeat(500)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(300_000)).into_bytes(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"POST /lite-stream HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz".to_vec(),
        vec![0; 200_000],
        vec![b'\n'; 200_000],
    ];
    for request in &requests {
        let answer = server.attack(request).await;
        let begin = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        assert!(answer.is_empty() || begin.starts_with("HTTP/1.1 4"), "{begin}");
    }
}

/// Sends frames that are too long, and others that violate RFC 6455.
async fn bad_frames(server: &Server) {
    let frames: [&[u8]; 5] = [
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",
        b"\x81\xff\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00",
        b"\x81\x05hello",
        b"\xf1\x80\x00\x00\x00\x00",
        b"\x89\xfe\x10\x00\x00\x00\x00\x00",
    ];
    for frame in frames.into_iter().cycle().take(50) {
        let handshake = format!("GET /lite-stream?token={TOKEN} HTTP/1.1\r\n{HANDSHAKE_HEADERS}\r\n");
        let request = [handshake.as_bytes(), frame, &[0x55; 4096]].concat();
        assert!(server.attack(&request).await.starts_with(b"HTTP/1.1 101"), "the handshake itself is right");
    }
}

async fn wrong_tokens(server: &Server) {
    stream::iter(0..1000)
        .for_each_concurrent(20, |i| async move {
            let request = if i % 2 == 0 {
                format!("GET /lite-stream?token={GUESS}-{i} HTTP/1.1\r\n{HANDSHAKE_HEADERS}\r\n")
            } else {
                let header = format!("Authorization: Bearer {GUESS}-{i}\r\nConnection: close\r\n");
                format!("GET /latest.json HTTP/1.1\r\nHost: localhost\r\n{header}\r\n")
            };
            let answer = server.attack(request.as_bytes()).await;
            assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
        })
        .await;
}

/// Claims to have another address. The connections must not be counted for that address, and must not get its
/// privileges.
async fn spoofed_addresses(server: &Server) {
    for header in
        ["X-Forwarded-For: 127.0.0.1\r\n", "Forwarded: for=127.0.0.1\r\n", "X-Real-IP: 127.0.0.1\r\n"]
    {
        let seen = server.stats(ATTACKER, header).await.to_string();
        assert!(seen.contains("hidden") && !seen.contains("127.0.0.1-"), "{seen}");
    }
}

#[actix_web::test]
async fn others_notice_nothing_of_an_attack_and_nothing_is_left_of_it() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().expect("a folder");
    let rules = format!(
        "[access]\nconnections = 1000\nconnections_per_address = {PER_ADDRESS}\nhandshake_timeout = '{}s'\n\
         [admin]\nallow = ['{OTHERS}']\n[[tokens]]\nname = 'listeners'\ntoken = '{TOKEN}'\n",
        HANDSHAKE.as_secs()
    );
    let arguments = ["demo", "--rate", "100"];
    let server = Server::start(dir.path(), &rules, &arguments, &[("RUST_LOG", "debug")], None).await;
    let path = format!("/lite-stream?token={TOKEN}");
    let (end, over) = tokio::sync::watch::channel(false);
    let mut listeners = Vec::new();
    for _ in 0..3 {
        let socket = server.subscribe(OTHERS, &path).await.expect("a stream");
        listeners.push(actix_web::rt::spawn(listen(socket, over.clone())));
    }
    sleep(Duration::from_secs(1)).await;
    #[cfg(target_os = "linux")]
    let before = server.descriptors();

    aborted_handshakes(&server).await;
    // Connections that ended during the handshake keep their slot until the handshake timeout.
    sleep(HANDSHAKE + Duration::from_secs(1)).await;
    half_open(&server).await;
    bad_requests(&server).await;
    bad_frames(&server).await;
    wrong_tokens(&server).await;
    spoofed_addresses(&server).await;

    // Every slot of the attacker's address is free again: it can use all of them, and not one more.
    let mut sockets = Vec::new();
    let begin = Instant::now();
    while sockets.len() < PER_ADDRESS {
        match server.subscribe(ATTACKER, &path).await {
            Ok(socket) => sockets.push(socket),
            Err(error) => assert!(begin.elapsed() < PATIENCE, "{} slots, then: {error}", sockets.len()),
        }
    }
    let refusal = server.subscribe(ATTACKER, &path).await.expect_err("one too many");
    assert!(refusal.contains("429"), "{refusal}");
    for mut socket in sockets {
        let _ = socket.close(None).await;
        let _ = socket.flush().await;
    }
    let stats = loop {
        let stats = server.stats(OTHERS, "").await;
        if stats["connected_client_count"] == 3 {
            break stats;
        }
        assert!(begin.elapsed() < PATIENCE, "{} clients", stats["connected_client_count"]);
        sleep(Duration::from_millis(100)).await;
    };
    for client in stats["clients"].as_object().expect("clients").values() {
        assert_eq!((&client["messages_dropped"], &client["token"]), (&0.into(), &"listeners".into()));
    }
    // Each thread that serves clients keeps three descriptors after it has sent data to many clients.
    #[cfg(target_os = "linux")]
    let kept = 3 * std::thread::available_parallelism().expect("a count").get();
    #[cfg(target_os = "linux")]
    while server.descriptors() > before + 2 + kept {
        assert!(begin.elapsed() < PATIENCE, "{} descriptors, {before} before", server.descriptors());
        sleep(Duration::from_millis(100)).await;
    }

    end.send(true).expect("listeners");
    for listener in listeners {
        let heard = listener.await.expect("a listener");
        assert_eq!(heard.len(), 2, "both logs are heard");
        for (log, indexes) in heard {
            let whole = indexes.windows(2).all(|pair| pair[1] == pair[0] + 1);
            assert!(whole && indexes.len() > 100, "{log}: {indexes:?}");
        }
    }
    let log = server.log();
    for secret in [TOKEN, GUESS] {
        assert!(!log.contains(secret), "a token is in the log file");
    }
    for bad in ["panicked", " ERROR ", " WARN "] {
        // Warnings about the configuration itself at the start.
        let of_the_start =
            |line: &&str| ["fetch.contact", "admin.allow"].iter().any(|key| line.contains(key));
        let line = log.lines().find(|line| line.contains(bad) && !of_the_start(line));
        assert_eq!(line, None);
    }
}
