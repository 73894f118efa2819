//! Tests the program with hostile logs: a million malformed entries, pages of empty entries, responses of 64
//! MiB, endless bodies and headers. Its use of memory and disk is limited, and the honest logs are not
//! affected.
//!
//! A longer run, for use before a release:
//!
//! ```text
//! SECONDS=600 ENTRIES=10000000 cargo test --release --test hostile_logs -- --nocapture
//! ```
//!
//! `PROGRAM=...` selects another build of the program, for comparison.

#![cfg(target_os = "linux")]

mod log;

use certstream_server::demo::{DemoLog, DemoLogOptions, DemoProtocol};
use futures_util::StreamExt;
use log::{HostileLog, Hostility};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;

/// Timeout for each step.
const PATIENCE: Duration = Duration::from_secs(120);
/// Maximum memory of the program, in bytes.
const MAX_MEMORY: u64 = 200 << 20;
/// Maximum size of its log file, in bytes.
const MAX_LOG_FILE: u64 = 1 << 20;
/// Maximum average number of lines in it per second.
const MAX_LINES_PER_SECOND: f64 = 10.0;
/// Entries per second of each honest log.
const RATE: f64 = 40.0;
/// How long the program runs without hostile logs, for comparison.
const PEACE: Duration = Duration::from_secs(8);

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// The program. It is killed when this is dropped.
struct Server {
    child: Child,
    port: u16,
    begun: Instant,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(dir: &Path, logs: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let state = dir.join("state");
        let text = format!(
            "[server]\nlisten = '127.0.0.1:{port}'\nworkers = 1\n[admin]\nallow = ['127.0.0.0/8']\n\
             [state]\ndir = {state:?}\n[log_list]\nenabled = false\n[fetch]\ntimeout = '4s'\n\
             operator_requests_per_second = 10000\npartial_tile_wait = '1s'\n{logs}"
        );
        std::fs::write(dir.join("certstream.toml"), text).expect("a file");
        let log_file = std::fs::File::create(dir.join("log")).expect("a file");
        let program = std::env::var("PROGRAM").unwrap_or(env!("CARGO_BIN_EXE_certstream-server").into());
        let mut command = Command::new(program);
        command.arg("--config").arg(dir.join("certstream.toml")).env_remove("RUST_LOG");
        let child = command.stderr(log_file).spawn().expect("a server");
        Server { child, port, begun: Instant::now() }
    }

    async fn stats(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/stats", self.port);
        loop {
            if let Ok(mut response) = awc::Client::default().get(&url).send().await
                && let Ok(body) = response.body().limit(10 << 20).await
            {
                return serde_json::from_slice(&body).expect("JSON");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The program's peak memory.
    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    async fn stop(mut self) -> Duration {
        let killed = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(killed.expect("kill(1)").success());
        let ended = async {
            while self.child.try_wait().expect("its status").is_none() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("it ends");
        self.begun.elapsed()
    }
}

async fn honest(protocol: DemoProtocol) -> DemoLog {
    let head_interval = Duration::from_millis(500);
    let options = DemoLogOptions { protocol, rate: RATE, head_interval, ..DemoLogOptions::default() };
    DemoLog::start(options).await.expect("the log starts")
}

fn honest_section(log: &DemoLog, protocol: DemoProtocol) -> String {
    let kind = if protocol == DemoProtocol::StaticCt { "static-ct" } else { "rfc6962" };
    let key = base64_simd::STANDARD.encode_to_string(log.public_key());
    let (url, origin) = (log.url(), log.origin());
    format!(
        "[[logs]]\nurl = '{url}'\ntype = '{kind}'\noperator = 'honest {kind}'\nkey = '{key}'\norigin = '{origin}'\n\
         start = 0\n"
    )
}

/// The median delay of the messages of each log.
fn medians(stats: &Value, urls: &[String]) -> Vec<u64> {
    urls.iter().map(|url| stats["logs"][url]["freshness"]["median_ms"].as_u64().expect("a median")).collect()
}

/// A log's URL in messages.
fn bare(url: &str) -> String {
    url.trim_start_matches("http://").trim_end_matches('/').into()
}

/// The received indexes by log, without scheme.
async fn listen(port: u16) -> BTreeMap<String, Vec<u64>> {
    let mut socket = loop {
        match connect_async(format!("ws://127.0.0.1:{port}/lite-stream")).await {
            Ok((socket, _)) => break socket,
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    };
    let mut heard: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    while let Some(Ok(message)) = socket.next().await {
        let Ok(text) = message.into_text() else { continue };
        if !text.is_empty()
            && let Ok(message) = serde_json::from_str::<Value>(&text)
            && let (Some(index), Some(url)) =
                (message["data"]["cert_index"].as_u64(), message["data"]["source"]["url"].as_str())
        {
            heard.entry(bare(url)).or_default().push(index);
        }
    }
    heard
}

#[actix_web::test]
async fn hostile_logs_hurt_nobody() {
    let protocols = [DemoProtocol::Rfc6962, DemoProtocol::StaticCt];
    let mut logs = Vec::new();
    for protocol in protocols {
        logs.push(honest(protocol).await);
    }
    let urls: Vec<String> = logs.iter().map(DemoLog::url).collect();
    let sections: String =
        logs.iter().zip(protocols).map(|(log, protocol)| honest_section(log, protocol)).collect();

    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), &sections);
    sleep(PEACE).await;
    let in_peace = medians(&server.stats().await, &urls);
    let memory_in_peace = server.memory();
    server.stop().await;

    let dir = tempfile::tempdir().expect("a folder");
    // A debug build takes a minute for this many.
    let entries = number("ENTRIES", if cfg!(debug_assertions) { 200_000 } else { 1_000_000 });
    let hostile = [
        HostileLog::start(Hostility::Malformed, entries).await,
        HostileLog::start(Hostility::Outrageous, 1_000_000).await,
        HostileLog::start(Hostility::Outrageous, 1_000_000).await,
    ];
    let hostile_sections: String = hostile
        .iter()
        .enumerate()
        .map(|(i, log)| format!("[[logs]]\nurl = '{}'\noperator = 'hostile {i}'\nstart = 0\n", log.url))
        .collect();
    let server = Server::start(dir.path(), &(sections + &hostile_sections));
    let listening = actix_web::rt::spawn(listen(server.port));
    let (begun, at_least) = (Instant::now(), Duration::from_secs(number("SECONDS", 30)));
    let undecodable = |stats: &Value| stats["logs"][&hostile[0].url]["undecodable"].as_u64().unwrap_or(0);
    while begun.elapsed() < at_least || undecodable(&server.stats().await) < entries {
        assert!(begun.elapsed() < at_least + PATIENCE, "{}", server.stats().await);
        sleep(Duration::from_millis(500)).await;
    }
    let took = begun.elapsed();
    let ends: Vec<u64> = logs
        .iter()
        .map(|log| {
            log.set_rate(0.0);
            log.publish(0)
        })
        .collect();
    let position = |stats: &Value, i: usize| stats["logs"][&urls[i]]["position"].as_u64().unwrap_or(0);
    let mut stats = server.stats().await;
    while (0..logs.len()).any(|i| position(&stats, i) < ends[i]) {
        assert!(begun.elapsed() < at_least + 2 * PATIENCE, "{stats}");
        sleep(Duration::from_millis(200)).await;
        stats = server.stats().await;
    }

    let (at_war, memory) = (medians(&stats, &urls), server.memory());
    let ran = server.stop().await;
    let heard = timeout(PATIENCE, listening).await.expect("the connection ends").expect("no panic");
    let log_file = std::fs::read_to_string(dir.path().join("log")).expect("UTF-8, whatever logs have said");
    let lines = log_file.lines().count();
    let figures: Vec<_> = hostile.iter().map(HostileLog::figures).collect();
    println!(
        "{entries} malformed entries in {took:.1?}, served and outrages {figures:?}; memory {} MB, in peace {} MB; log \
         file {} bytes, {lines} lines in {ran:.0?}; median freshness {at_war:?} ms, in peace {in_peace:?} ms",
        memory >> 20,
        memory_in_peace >> 20,
        log_file.len(),
    );
    if std::env::var_os("SHOW_LOG").is_some() {
        println!("{log_file}");
    }
    assert!(memory < MAX_MEMORY, "{} MB", memory >> 20);
    assert!((log_file.len() as u64) < MAX_LOG_FILE, "{} bytes", log_file.len());
    assert!((lines as f64) < MAX_LINES_PER_SECOND * ran.as_secs_f64(), "{lines} lines in {ran:?}");
    let unsafe_in = |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c);
    assert!(!log_file.contains(unsafe_in), "{log_file}");
    for (url, end) in urls.iter().zip(ends) {
        let indexes = heard.get(&bare(url)).map_or(&[][..], Vec::as_slice);
        // Entries from before the client connected are not checked.
        let first = *indexes.first().expect("something of each honest log");
        assert!(indexes.iter().copied().eq(first..end), "{url}: {first} to {end}, {} heard", indexes.len());
    }
    for log in logs {
        log.stop().await;
    }
}
