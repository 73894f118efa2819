//! Measures the cost of clients: a log that grows by one tree head per second, the server as a separate
//! process, and clients that count the messages they receive. Prints a table; docs/capacity.md explains it.
//!
//! `cargo bench --bench fanout` runs all rows. `cargo bench --bench fanout -- lite` runs the rows whose names
//! contain `lite`. FANOUT_SECONDS is the duration of the log's growth in each row (default 10). FANOUT_ROWS
//! replaces the default rows with a list such as `lite:200:5000 full+deflate:50:500`: stream, clients,
//! entries per second.

use actix_web::rt::net::TcpStream;
use actix_web::rt::task::spawn_blocking;
use certstream_server::demo::{DemoLog, DemoLogOptions};
use futures_util::future::join_all;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

const ROWS: &str = "domains:1000:500 lite:1:500 lite:100:500 lite:500:500 lite:1000:500 lite+deflate:500:500 \
                    full:100:500 full:500:500 full+deflate:500:500";
/// Timeout for the last messages.
const PATIENCE: Duration = Duration::from_secs(20);

/// One line of the table.
struct Row {
    stream: String,
    deflate: bool,
    clients: usize,
    /// Number of entries that the log grows by with each head, once per second.
    rate: u64,
}

impl Row {
    /// Parses `stream[+deflate]:clients:rate`.
    fn parse(text: &str) -> Option<Row> {
        let mut parts = text.split(':');
        let (stream, clients, rate) =
            (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (stream, deflate) =
            stream.strip_suffix("+deflate").map_or((stream, false), |stream| (stream, true));
        Some(Row { stream: stream.into(), deflate, clients, rate })
    }

    fn path(&self) -> &'static str {
        match self.stream.as_str() {
            "full" => "/full-stream",
            "lite" => "/lite-stream",
            "domains" => "/domains-only",
            other => panic!("no stream is called {other}"),
        }
    }
}

/// The messages that one client received.
#[derive(Default)]
struct Heard {
    bytes: u64,
    /// Milliseconds from the head that contains a message to its arrival, in order.
    latencies: Vec<u32>,
}

/// The growth of the log.
#[derive(Default)]
struct Growth {
    /// Tree sizes, and when they were published.
    heads: Vec<(usize, Instant)>,
    /// The last tree size, after the log has stopped growing.
    last: Option<usize>,
}

impl Growth {
    /// When the head with message `n` was published.
    fn shown_at(&self, n: usize) -> Option<Instant> {
        let head = self.heads.partition_point(|(size, _)| *size <= n);
        self.heads.get(head).map(|(_, at)| *at)
    }
}

/// Counts frames without parsing their payload.
#[derive(Default)]
struct Counter {
    header: Vec<u8>,
    left: usize,
}

impl Counter {
    /// Number of frames that end in `bytes`.
    fn count(&mut self, mut bytes: &[u8]) -> usize {
        let mut ended = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let here = self.left.min(bytes.len());
                (self.left, bytes) = (self.left - here, &bytes[here..]);
                ended += usize::from(self.left == 0);
                continue;
            }
            self.header.push(bytes[0]);
            bytes = &bytes[1..];
            let length = match self.header[..] {
                [_, 126, a, b] => usize::from(u16::from_be_bytes([a, b])),
                [_, 127, _, _, _, _, a, b, c, d] => u32::from_be_bytes([a, b, c, d]) as usize,
                [_, short @ 0..126] => usize::from(short),
                _ => continue,
            };
            self.header.clear();
            self.left = length;
        }
        ended
    }
}

fn main() {
    let rows = std::env::var("FANOUT_ROWS").unwrap_or_else(|_| ROWS.into());
    let seconds =
        std::env::var("FANOUT_SECONDS").map_or(10, |s| s.parse().expect("FANOUT_SECONDS: a number"));
    let wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    println!(
        "| stream | clients | entries/s | µs of CPU per message | bytes per message | MB/s | lost | median / 99th ms | KB per idle client | RSS at most, MB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for text in
        rows.split_whitespace().filter(|row| wanted.is_empty() || wanted.iter().any(|w| row.contains(w)))
    {
        let row = Row::parse(text).unwrap_or_else(|| panic!("{text}: expected STREAM:CLIENTS:RATE"));
        actix::System::new().block_on(run(row, seconds));
    }
}

async fn run(row: Row, seconds: u64) {
    let dir = tempfile::tempdir().expect("a folder");
    let retain = (row.rate * (seconds + 2)) as usize;
    let head_interval = Duration::from_secs(1);
    let options = DemoLogOptions { rate: 0.0, head_interval, retain, ..DemoLogOptions::default() };
    let log = DemoLog::start(options).await.expect("the demo log");
    let port = free_port();
    let mut server = start(dir.path(), &log, port);
    wait_until_ready(port).await;

    let idle_kb = memory_kb(&server, "VmRSS");
    let mut sockets = Vec::with_capacity(row.clients);
    while sockets.len() < row.clients {
        let some = (row.clients - sockets.len()).min(50);
        sockets.extend(join_all((0..some).map(|_| connect(port, &row))).await);
    }
    let each_kb = memory_kb(&server, "VmRSS").saturating_sub(idle_kb) as f64 / row.clients as f64;
    let before = cpu(&server);
    let rate = row.rate;
    let (growth, growing) = watch::channel(Growth::default());
    let hearing = sockets.into_iter().map(|socket| hear(socket, growing.clone()));
    let grow = spawn_blocking(move || grow(&log, rate, seconds, &growth));
    let (heard, grown) = tokio::join!(join_all(hearing), grow);
    let (log, expected) = grown.expect("no panic");
    let spent = cpu(&server) - before;

    let messages: usize = heard.iter().map(|heard| heard.latencies.len()).sum();
    let bytes: u64 = heard.iter().map(|heard| heard.bytes).sum();
    let mut latencies: Vec<_> = heard.into_iter().flat_map(|heard| heard.latencies).collect();
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(0);
    println!(
        "| {}{} | {} | {rate} | {:.2} | {} | {:.0} | {} | {} / {} | {each_kb:.1} | {:.0} |",
        row.stream,
        if row.deflate { ", deflate" } else { "" },
        row.clients,
        spent.as_secs_f64() * 1e6 / messages.max(1) as f64,
        bytes / messages.max(1) as u64,
        bytes as f64 / 1e6 / seconds as f64,
        expected * row.clients - messages,
        at(0.5),
        at(0.99),
        memory_kb(&server, "VmHWM") as f64 / 1000.0,
    );
    server.kill().expect("it can be killed");
    server.wait().expect("it has ended");
    log.stop().await;
}

/// Grows the log and records the time of each head. Returns the final number of entries.
fn grow(log: &DemoLog, rate: u64, seconds: u64, growth: &watch::Sender<Growth>) -> (DemoLog, usize) {
    let end = Instant::now() + Duration::from_secs(seconds);
    log.set_rate(rate as f64);
    let mut seen = 0;
    while Instant::now() < end {
        let size = log.stats().tree_size as usize;
        if size > seen {
            seen = size;
            growth.send_modify(|growth| growth.heads.push((size, Instant::now())));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    log.set_rate(0.0);
    std::thread::sleep(Duration::from_millis(1500));
    let last = log.stats().tree_size as usize;
    growth.send_modify(|growth| {
        growth.heads.push((last, Instant::now()));
        growth.last = Some(last);
    });
    (log.clone(), last)
}

/// Counts the messages from `socket` until all have arrived, or until no more arrive.
async fn hear(mut socket: TcpStream, growing: watch::Receiver<Growth>) -> Heard {
    let (mut heard, mut counter) = (Heard::default(), Counter::default());
    let mut buffer = vec![0; 256 * 1024];
    let mut quiet_since = Instant::now();
    while growing.borrow().last != Some(heard.latencies.len()) && quiet_since.elapsed() < PATIENCE {
        let read = match timeout(Duration::from_millis(200), socket.read(&mut buffer)).await {
            Ok(Ok(read @ 1..)) => read,
            Ok(_) => break,
            Err(_) => continue,
        };
        let now = Instant::now();
        quiet_since = now;
        heard.bytes += read as u64;
        let growth = growing.borrow();
        for _ in 0..counter.count(&buffer[..read]) {
            // The delay of a message counts as zero if it arrives before its head has been recorded.
            let shown = growth.shown_at(heard.latencies.len()).unwrap_or(now);
            heard.latencies.push(now.saturating_duration_since(shown).as_millis() as u32);
        }
    }
    heard
}

async fn connect(port: u16, row: &Row) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
    let extension = if row.deflate { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extension}\r\n",
        row.path()
    );
    socket.write_all(request.as_bytes()).await.expect("the handshake goes out");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.expect("an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket
}

fn start(dir: &Path, log: &DemoLog, port: u16) -> Child {
    let key = base64_simd::STANDARD.encode_to_string(log.public_key());
    let (url, state, config) = (log.url(), dir.join("state"), dir.join("certstream.toml"));
    // Disables heartbeats and pings, which would be counted as messages.
    let text = format!(
        "[server]\nlisten = '127.0.0.1:{port}'\n[heartbeat]\ninterval = '1h'\n[clients]\nping_interval = '1h'\n\
         pong_timeout = '2h'\n[state]\ndir = {state:?}\n[log_list]\nenabled = false\n\
         [[logs]]\nurl = '{url}'\nkey = '{key}'\nstart = 0\n"
    );
    std::fs::write(&config, text).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_certstream-server"));
    command.arg("--config").arg(&config).env("RUST_LOG", "error").stderr(Stdio::inherit());
    command.spawn().expect("the server")
}

async fn wait_until_ready(port: u16) {
    let listens = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, listens).await.expect("the server listens");
    sleep(Duration::from_millis(500)).await;
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// CPU time of the server so far, including its time in the kernel.
fn cpu(server: &Child) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).expect("Linux's /proc");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}

fn memory_kb(server: &Child, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("Linux's /proc");
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
