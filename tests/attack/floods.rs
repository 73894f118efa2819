//! Tests hundreds of connections that use as many resources as they can. The memory that each adds to the
//! server and to the operating system is limited, each is disconnected, and other clients receive everything.
//!
//! ATTACK_SECONDS is the duration for each kind (6, or until its clients have been disconnected),
//! ATTACK_CONNECTIONS their number, and ATTACK_KINDS the kinds, separated by commas (all).

use crate::certificate::{tls, write_certificate};
use crate::server::{Server, Stream};
use crate::{ALONE, ATTACKER, HANDSHAKE_HEADERS, OTHERS, PATIENCE};
use certstream_server::demo::{DemoLog, DemoLogOptions};
use futures_util::StreamExt;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::Message;

/// Default number of simultaneous hostile connections of one kind.
const HOSTILE: usize = 200;
/// Number of normal clients of the lite stream during the attack.
const HONEST: usize = 20;
/// Entries per second for these clients. Without optimization, the test itself cannot process more.
const RATE: f64 = if cfg!(debug_assertions) { 100.0 } else { 500.0 };
/// Bytes that a hostile connection may add to the memory of the server, and to that of the operating system.
const PROCESS_BYTES: usize = 64 << 10;
const KERNEL_BYTES: usize = 512 << 10;
/// Bytes of messages that all connections of one kind may share.
const SHARED_BYTES: usize = 48 << 20;
/// Normal growth of the server's memory during the test.
const NOISE: usize = 8 << 20;
/// The server's timeouts.
const STALL_SECONDS: u64 = 4;
/// How much longer than the timeout a connection may last on a busy machine.
const SLACK: Duration = Duration::from_secs(25);

/// The behaviour of a hostile connection.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Sends small requests endlessly and reads no response.
    Requests,
    /// Sends requests with large responses endlessly and reads no response.
    LargeRequests,
    /// Requests the newest messages over WebSocket and does not read them.
    Develop,
    /// Requests events and does not read them.
    Events,
    /// Subscribes to the full stream and does not read it.
    WebSocket,
    /// Sends pings endlessly.
    Pings,
    /// Sends empty frames endlessly.
    Frames,
    /// Sends a request with an endless body.
    Body,
    /// Sends data that is not a request.
    Garbage,
    /// Sends half of a handshake, and waits.
    HalfOpen,
    /// Sends half of a handshake, and disconnects.
    Aborted,
}

impl Kind {
    const ALL: [Kind; 11] = [
        Kind::Requests,
        Kind::LargeRequests,
        Kind::Develop,
        Kind::Events,
        Kind::WebSocket,
        Kind::Pings,
        Kind::Frames,
        Kind::Body,
        Kind::Garbage,
        Kind::HalfOpen,
        Kind::Aborted,
    ];
    /// The kinds for which TLS makes a difference.
    const UNDER_TLS: [Kind; 6] =
        [Kind::Requests, Kind::WebSocket, Kind::Pings, Kind::Garbage, Kind::HalfOpen, Kind::Aborted];

    /// Whether the server holds messages for the connection that other connections of the kind share.
    fn shares_messages(self) -> bool {
        matches!(self, Kind::Events | Kind::WebSocket)
    }

    /// Whether the server closes the connection. Frames that need no response are read slowly, as long as the
    /// client answers pings.
    fn is_ended(self) -> bool {
        self != Kind::Frames
    }

    /// Whether the connection is closed before any HTTP request.
    fn is_before_http(self) -> bool {
        matches!(self, Kind::HalfOpen | Kind::Aborted)
    }

    /// The bytes to send first, and those to send repeatedly after that.
    fn says(self, has_tls: bool) -> (String, Vec<u8>) {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let handshake = |path: &str| format!("GET {path} HTTP/1.1\r\n{HANDSHAKE_HEADERS}\r\n");
        match self {
            Kind::Requests => {
                (String::new(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000).into_bytes())
            }
            Kind::LargeRequests => (String::new(), get("/latest.json").repeat(1000).into_bytes()),
            Kind::Develop => (handshake("/develop"), Vec::new()),
            Kind::Events => (get("/sse?stream=full"), Vec::new()),
            Kind::WebSocket => (handshake("/full-stream"), Vec::new()),
            Kind::Pings => (handshake("/domains-only"), b"\x89\x8e\0\0\0\0fourteen bytes".repeat(1000)),
            Kind::Frames => (handshake("/domains-only"), b"\x82\x80\0\0\0\0".repeat(5000)),
            Kind::Body => {
                let begin = "GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
                (begin.into(), b"1\r\nx\r\n".to_vec())
            }
            Kind::Garbage => (String::new(), vec![0x16; 100]),
            Kind::HalfOpen | Kind::Aborted if has_tls => ("\x16\x03\x01\x02".into(), Vec::new()),
            Kind::HalfOpen | Kind::Aborted => ("GET / HTTP/1.1\r\nHo".into(), Vec::new()),
        }
    }
}

/// Measurements of the attackers.
#[derive(Default)]
struct Seen {
    ended: AtomicUsize,
    /// The longest duration of a connection, in milliseconds.
    longest_ms: AtomicUsize,
}

/// Attacks until `over`, and reconnects whenever the connection is closed.
async fn attack(server: Arc<Server>, kind: Kind, over: Arc<AtomicBool>, seen: Arc<Seen>) {
    let (first, again) = kind.says(server.has_tls);
    let is_over = || over.load(Ordering::Relaxed);
    while !is_over() {
        let socket = TcpSocket::new_v4().expect("a socket");
        // The attacker's buffer is small, because its content does not count for the server.
        socket.set_send_buffer_size(16 << 10).expect("a small buffer");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let begin = Instant::now();
        let opened = if kind.is_before_http() {
            let connected = socket.bind((ATTACKER, 0).into()).map(|()| socket.connect(server.address));
            match connected {
                Ok(connecting) => connecting.await.map(|tcp| Box::new(tcp) as Box<dyn Stream>),
                Err(error) => Err(error),
            }
        } else {
            server.open(socket, ATTACKER).await
        };
        let Ok(mut stream) = opened else {
            sleep(Duration::from_millis(200)).await;
            continue;
        };
        let ended = timeout(PATIENCE, async {
            if stream.write_all(first.as_bytes()).await.is_err() || kind == Kind::Aborted {
                return;
            }
            let pause = |ms| sleep(Duration::from_millis(ms));
            if kind == Kind::HalfOpen {
                let _ = stream.read_to_end(&mut Vec::new()).await;
            } else if again.is_empty() {
                // Without reading, a closed connection is detected only when a write fails. This writes an
                // unsolicited pong.
                while !is_over() && stream.write_all(b"\x8a\x80\0\0\0\0").await.is_ok() {
                    pause(200).await;
                }
            } else if kind == Kind::Body {
                while !is_over() && stream.write_all(&again).await.is_ok() {
                    pause(300).await;
                }
            } else {
                let write = async { while stream.write_all(&again).await.is_ok() {} };
                let end = async {
                    while !is_over() {
                        pause(50).await;
                    }
                };
                tokio::select! { () = write => {}, () = end => {} }
            }
        });
        assert!(ended.await.is_ok(), "{kind:?}: a connection is not ended");
        if !is_over() {
            seen.ended.fetch_add(1, Ordering::Relaxed);
            seen.longest_ms.fetch_max(begin.elapsed().as_millis() as usize, Ordering::Relaxed);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Receives the lite stream until `over`. Fails if anything is missing.
async fn listen(server: Arc<Server>, over: Arc<AtomicBool>) -> usize {
    let mut socket = server.subscribe(OTHERS, "/lite-stream").await.expect("a stream");
    let mut expected: Option<u64> = None;
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let frame = timeout(PATIENCE, socket.next()).await.expect("something in time");
        let Message::Text(text) = frame.expect("the stream goes on").expect("a frame") else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        let Some(index) = message["data"]["cert_index"].as_u64() else { continue };
        assert!(expected.is_none_or(|expected| expected == index), "{expected:?} is missing, {index} came");
        expected = Some(index + 1);
        count += 1;
    }
    count
}

/// Requests `/health` every 100 ms until `stop`, and returns the sorted milliseconds until each response.
/// It runs in a thread of its own, because the attackers' thread is busy and would be measured instead.
fn measure_health(server: Arc<Server>, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<u128>> {
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                answers.push(health(&server).await);
                sleep(Duration::from_millis(100)).await;
            }
            answers.sort_unstable();
            answers
        })
    })
}

/// Milliseconds until a response to another address.
async fn health(server: &Server) -> u128 {
    let begin = Instant::now();
    let socket = TcpSocket::new_v4().expect("a socket");
    let mut stream = server.open(socket, Ipv4Addr::new(127, 0, 0, 77)).await.expect("a connection");
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("a request");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    begin.elapsed().as_millis()
}

/// Memory of the operating system's TCP, in bytes.
fn kernel_memory() -> usize {
    let sockets = std::fs::read_to_string("/proc/net/sockstat").expect("its figures");
    let line = sockets.lines().find(|line| line.starts_with("TCP:")).expect("those of TCP");
    let pages = line.split(" mem ").nth(1).expect("its memory");
    pages.trim().parse::<usize>().expect("a number") * 4096
}

/// Number of connections that the server has ended for `reason`, according to its statistics.
async fn ended(server: &Server, reason: &str) -> usize {
    let mut stream = server.open(TcpSocket::new_v4().expect("a socket"), OTHERS).await.expect("a connection");
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let name = format!("certstream_clients_ended_total{{reason=\"{reason}\"}} ");
    answer.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).expect("a figure")
}

#[actix_web::test]
async fn hostile_connections_are_bounded_and_ended_and_others_miss_nothing() {
    flood(&Kind::ALL, false).await;
}

#[actix_web::test]
async fn so_are_those_under_tls() {
    flood(&Kind::UNDER_TLS, true).await;
}

/// A number from the environment, for measurements.
fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    let Ok(text) = std::env::var(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name}: {text} is not a number"))
}

/// What the connections of one kind have used.
struct Measured {
    /// Bytes of all connections together.
    process: usize,
    kernel: usize,
    /// Number of connections that the server closed, and the longest duration of one.
    ended: usize,
    longest_ms: usize,
    /// Durations of requests for `/health`.
    median_ms: u128,
    slow_ms: u128,
}

/// Attacks with `connections` at the same time, for `seconds` or until as many have been closed.
async fn measure(server: &Arc<Server>, kind: Kind, connections: usize, seconds: u64) -> Measured {
    let (process, kernel) = (server.memory(), kernel_memory());
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Seen::default()));
    let attackers: Vec<_> = (0..connections)
        .map(|_| actix_web::rt::spawn(attack(server.clone(), kind, stop.clone(), seen.clone())))
        .collect();
    let probe = measure_health(server.clone(), stop.clone());
    let (begin, mut most) = (Instant::now(), (process, kernel));
    let goes_on = |seen: &Seen| {
        let waits = kind.is_ended() && seen.ended.load(Ordering::Relaxed) < connections;
        waits && begin.elapsed() < PATIENCE || begin.elapsed() < Duration::from_secs(seconds)
    };
    while goes_on(&seen) {
        most = (most.0.max(server.memory()), most.1.max(kernel_memory()));
        sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.await.expect("no panic");
    }
    let answers = probe.join().expect("a response to each request");
    Measured {
        process: most.0 - process,
        kernel: most.1 - kernel,
        ended: seen.ended.load(Ordering::Relaxed),
        longest_ms: seen.longest_ms.load(Ordering::Relaxed),
        median_ms: answers[answers.len() / 2],
        slow_ms: answers[answers.len() * 99 / 100],
    }
}

async fn flood(kinds: &[Kind], has_tls: bool) {
    let _alone = ALONE.lock().await;
    let (seconds, hostile) = (setting("ATTACK_SECONDS", 6), setting("ATTACK_CONNECTIONS", HOSTILE));
    let only = std::env::var("ATTACK_KINDS").ok();
    let is_chosen =
        |kind: &Kind| only.as_ref().is_none_or(|only| only.split(',').any(|k| k == format!("{kind:?}")));
    let dir = tempfile::tempdir().expect("a folder");
    let options = DemoLogOptions { rate: RATE, ..DemoLogOptions::default() };
    let log = DemoLog::start(options).await.expect("the log starts");
    write_certificate(dir.path(), "localhost");
    let tls = if has_tls { tls(dir.path()) } else { String::new() };
    // Hostile connections may reconnect without limit: they represent connections from many addresses.
    let rules = format!(
        "{tls}[log_list]\nenabled = false\n[access]\nnew_connections_per_address = 0\nhandshake_timeout = '{STALL_SECONDS}s'\n\
         [clients]\nstall_timeout = '{STALL_SECONDS}s'\n[[logs]]\nurl = '{}'\n",
        log.url()
    );
    let server = Arc::new(Server::start(dir.path(), &rules, &[], &[], None).await);
    let over = Arc::new(AtomicBool::new(false));
    let listeners: Vec<_> =
        (0..HONEST).map(|_| actix_web::rt::spawn(listen(server.clone(), over.clone()))).collect();
    // Waits until all buffers have reached their normal size.
    sleep(Duration::from_secs(5)).await;
    let began = Instant::now();
    for kind in kinds.iter().copied().filter(is_chosen) {
        // The messages that one connection alone would hold as well.
        let (shared, beside) = if kind.shares_messages() {
            (measure(&server, kind, 1, seconds).await.process, 1)
        } else {
            (0, 0)
        };
        let Measured { process, kernel, ended, longest_ms, median_ms, slow_ms } =
            measure(&server, kind, hostile, seconds).await;
        let process = process.saturating_sub(shared) / (hostile - beside).max(1);
        let kernel = kernel / hostile;
        println!(
            "{kind:?}: {process} bytes in the process and {kernel} in the kernel for each, {shared} shared; {ended} \
             ended, the longest after {longest_ms} ms; /health: median {median_ms} ms, 99th {slow_ms} ms"
        );
        assert!(process <= PROCESS_BYTES + NOISE / hostile, "{kind:?}: {process} bytes each");
        assert!(shared <= SHARED_BYTES, "{kind:?}: {shared} bytes shared");
        assert!(kernel <= KERNEL_BYTES, "{kind:?}: {kernel} bytes of the kernel each");
        if kind.is_ended() {
            assert!(ended >= hostile, "{kind:?}: {ended} were ended");
            let most = Duration::from_secs(STALL_SECONDS) + SLACK;
            assert!(Duration::from_millis(longest_ms as u64) <= most, "{kind:?}: one lasted {longest_ms} ms");
        }
    }
    for (kind, reason) in [(Kind::Pings, "flooding"), (Kind::Garbage, "bad_request")] {
        assert!(!is_chosen(&kind) || ended(&server, reason).await >= hostile, "{kind:?}");
    }
    over.store(true, Ordering::Relaxed);
    for listener in listeners {
        assert!(listener.await.expect("nothing is missing") > 100);
    }
    let (log, seconds) = (server.log(), began.elapsed().as_secs() as usize);
    let lines = log.lines().count();
    println!("{lines} lines of log, {} bytes, in {seconds} s", log.len());
    assert!(lines < 10 * seconds, "{lines} lines in {seconds} s");
    let bad = log.lines().find(|line| line.contains("panicked") || line.contains(" ERROR "));
    assert_eq!(bad, None);
}
