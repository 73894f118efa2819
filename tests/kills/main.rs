//! Repeatedly kills a server while a log grows and a client is connected. No entry is lost and none is out of
//! order. None is repeated after an orderly stop. After a kill, only entries that the client received in the
//! last 3 seconds before it are repeated, normally only those of the last second.
//!
//! A longer run, for use before a release:
//!
//! ```text
//! KILLS=50 STOPS=20 ENTRIES=100000 RATE=2000 cargo test --release --test kills -- --nocapture
//! ```

use certstream_server::demo::{Defects, DemoLog, DemoLogOptions, DemoProtocol, Fault, FaultOn};
use futures_util::StreamExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;

/// Timeout for each step.
const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum time whose entries a kill may repeat. Positions are at most two saves old, which is 0.6 s. The
/// rest allows for a slow disk, which this test should not report.
const MAX_REPEATED: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Kill,
    Stop,
}

/// The messages that the client received in one run of the server.
struct Run {
    end: End,
    /// The index of each message, and when it arrived.
    heard: Vec<(u64, Instant)>,
    ended: Instant,
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[actix_web::test]
async fn nothing_is_lost_however_an_rfc6962_logs_server_ends() {
    survive(DemoProtocol::Rfc6962, false).await;
}

#[actix_web::test]
async fn nothing_is_lost_however_a_static_logs_server_ends() {
    survive(DemoProtocol::StaticCt, false).await;
}

#[actix_web::test]
async fn nothing_is_lost_either_while_an_rfc6962_log_has_faults() {
    survive(DemoProtocol::Rfc6962, true).await;
}

#[actix_web::test]
async fn nothing_is_lost_either_while_a_static_log_has_faults() {
    survive(DemoProtocol::StaticCt, true).await;
}

/// Switches on faults at random.
fn misbehave(log: &DemoLog, random: &mut StdRng) {
    log.clear_faults();
    let mut chance = |percent: u32| random.random_range(0..100) < percent;
    log.set_defects(Defects {
        max_requested: chance(30).then_some(32),
        max_page_bytes: chance(20).then_some(200_000),
        no_proof_to_multiples_of: chance(40).then_some(3),
        no_issuers: chance(20),
        max_per_second: chance(30).then_some(20),
        cut_each: chance(40).then_some(5),
        ..Defects::default()
    });
    let faults = [
        (Fault::Lag, FaultOn::Heads),
        (Fault::Status(500), FaultOn::Heads),
        (Fault::Status(503), FaultOn::Entries),
        (Fault::TooManyRequests { retry_after_s: 1 }, FaultOn::Entries),
        (Fault::Truncate, FaultOn::Entries),
        (Fault::Garbage, FaultOn::Entries),
        (Fault::Status(404), FaultOn::Proofs),
        (Fault::Delay(Duration::from_millis(300)), FaultOn::Proofs),
    ];
    for (fault, on) in faults {
        if random.random_range(0..100) < 25 {
            log.set_fault(fault, on, Some(random.random_range(1..4)));
        }
    }
}

/// Kills and stops the server. With `has_faults`, the log has other faults in each run.
async fn survive(protocol: DemoProtocol, has_faults: bool) {
    let entries = number("ENTRIES", 3_000);
    let options = DemoLogOptions {
        protocol,
        rate: 0.0,
        head_interval: Duration::from_secs(1),
        max_page: 1000,
        retain: 10_000_000,
        ..DemoLogOptions::default()
    };
    let log = DemoLog::start(options).await.expect("the log starts");
    for _ in 0..entries / 1000 {
        log.publish(1000);
        sleep(Duration::ZERO).await;
    }
    log.set_rate(number("RATE", 300) as f64);
    let dir = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    write_configuration(dir.path(), &log, protocol, port);

    let mut random = StdRng::seed_from_u64(number("SEED", 7));
    let mut ends = vec![End::Kill; number("KILLS", 4) as usize];
    ends.extend(vec![End::Stop; number("STOPS", 2) as usize]);
    ends.shuffle(&mut random);
    let mut runs = Vec::new();
    for (i, end) in ends.into_iter().enumerate() {
        // The first run must last until the server has saved that there is a client.
        let least = if i == 0 { 2500 } else { 0 };
        let after = Duration::from_millis(least + random.random_range(0..1500));
        if has_faults {
            misbehave(&log, &mut random);
        }
        runs.push(run(dir.path(), port, end, after).await);
    }
    // In the end, all entries must arrive.
    log.set_rate(0.0);
    log.clear_faults();
    log.set_defects(Defects::default());
    let least = if has_faults { number("LAST_SECONDS", 12) } else { 4 };
    runs.push(run(dir.path(), port, End::Stop, Duration::from_secs(least)).await);
    judge(&runs, log.publish(0));
    log.stop().await;
}

fn write_configuration(dir: &Path, log: &DemoLog, protocol: DemoProtocol, port: u16) {
    let kind = if protocol == DemoProtocol::StaticCt { "static-ct" } else { "rfc6962" };
    let key = base64_simd::STANDARD.encode_to_string(log.public_key());
    let (url, origin, state) = (log.url(), log.origin(), dir.join("state"));
    let text = format!(
        "[server]\nlisten = '127.0.0.1:{port}'\n[clients]\nqueue_bytes = '2 GiB'\nall_queues_bytes = '4 GiB'\n[state]\ndir = {state:?}\n\
         [log_list]\nenabled = false\n[fetch]\noperator_requests_per_second = 10000\npartial_tile_wait = '1s'\n\
         [[logs]]\nurl = '{url}'\ntype = '{kind}'\nkey = '{key}'\norigin = '{origin}'\nstart = 0\n"
    );
    std::fs::write(dir.join("certstream.toml"), text).expect("a file");
}

/// Runs the server with a client for the duration `after`, then ends it.
async fn run(dir: &Path, port: u16, end: End, after: Duration) -> Run {
    let program = env!("CARGO_BIN_EXE_certstream-server");
    let log_file = std::fs::File::options().create(true).append(true).open(dir.join("log")).expect("a file");
    let mut command = Command::new(program);
    command.arg("--config").arg(dir.join("certstream.toml")).env("RUST_LOG", "info");
    let mut server = command.stderr(log_file).spawn().expect("a server");
    let over = Arc::new(AtomicBool::new(false));
    let listening = actix_web::rt::spawn(listen(port, over.clone()));
    sleep(after).await;
    match end {
        End::Kill => server.kill().expect("it can be killed"),
        End::Stop => terminate(&server),
    }
    let ended = Instant::now();
    let status = actix_web::rt::task::spawn_blocking(move || server.wait());
    let status = timeout(PATIENCE, status).await.expect("it ends").expect("no panic").expect("a status");
    assert_eq!(status.success(), end == End::Stop, "{}", std::fs::read_to_string(dir.join("log")).unwrap());
    over.store(true, Ordering::Relaxed);
    let heard = timeout(PATIENCE, listening).await.expect("the connection ends").expect("no panic");
    Run { end, heard, ended }
}

fn terminate(server: &Child) {
    let killed = Command::new("kill").arg("-TERM").arg(server.id().to_string()).status();
    assert!(killed.expect("kill(1)").success());
}

/// Connects as soon as the server is available. Receives until the server ends, or until it is `over` without
/// a connection.
async fn listen(port: u16, over: Arc<AtomicBool>) -> Vec<(u64, Instant)> {
    let mut socket = loop {
        match connect_async(format!("ws://127.0.0.1:{port}/lite-stream")).await {
            Ok((socket, _)) => break socket,
            Err(_) if over.load(Ordering::Relaxed) => return Vec::new(),
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    };
    let mut heard = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        let Ok(text) = message.into_text() else { continue };
        if let Some(index) = cert_index(&text) {
            heard.push((index, Instant::now()));
        }
    }
    heard
}

/// Does not parse the whole message, so that the client keeps up.
fn cert_index(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(r#""cert_index":"#)?;
    rest.split(',').next()?.parse().ok()
}

/// Checks that each index arrived exactly once and in order, except for those shortly before a kill.
fn judge(runs: &[Run], tree_size: u64) {
    let (mut next, mut repeated, mut longest) = (0, 0, Duration::ZERO);
    let mut before: Option<&Run> = None;
    for (i, run) in runs.iter().enumerate() {
        let Some((first, _)) = run.heard.first() else { continue };
        assert!(*first <= next, "run {i} began at {first}: {next} to {} are lost", first - 1);
        if let Some(before) = before.filter(|_| *first < next) {
            assert_eq!(before.end, End::Kill, "run {i} repeated {first} to {} after a stop", next - 1);
            let (_, came) = before.heard.iter().find(|(index, _)| index == first).expect("it came before");
            repeated += next - first;
            longest = longest.max(before.ended - *came);
        }
        for ((one, _), (other, _)) in run.heard.iter().zip(&run.heard[1..]) {
            assert_eq!(one + 1, *other, "run {i}");
        }
        next = run.heard.last().map_or(next, |(last, _)| last + 1);
        before = Some(run);
    }
    let heard: usize = runs.iter().map(|run| run.heard.len()).sum();
    println!(
        "{} runs, {tree_size} entries, {heard} heard, {repeated} repeated, of the last {longest:?}",
        runs.len()
    );
    assert_eq!(next, tree_size, "the last entries are missing");
    assert!(longest <= MAX_REPEATED, "entries of the last {longest:?} were repeated");
}
