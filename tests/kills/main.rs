//! Repeatedly kills a server while a log grows and clients are connected that come back with their cursor: over WebSocket,
//! Server-Sent Events and lines of JSON. No entry is lost, none is repeated, and none is out of order.
//!
//! A longer run, for use before a release:
//!
//! ```text
//! KILLS=50 STOPS=20 POWER_FAILURES=20 ENTRIES=100000 RATE=2000 cargo test --release --test kills -- --nocapture
//! ```

#[cfg(all(feature = "kafka", feature = "nats"))]
mod brokers;
mod outputs;
#[path = "../support/ports.rs"]
mod ports;
mod power;
mod unique;

use certstream_server::demo::{Defects, DemoLog, DemoLogOptions, DemoProtocol, Fault, FaultOn};
use futures_util::StreamExt;
use ports::free_port;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;

/// Timeout for each step.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time in which what was received a second time would come.
const REPEAT_PATIENCE: Duration = Duration::from_secs(1);

/// The `seq` of a message, and the index if the message has one.
type Numbers = (u64, Option<u64>);
/// What a client has received so far.
type Received = Arc<Mutex<Vec<Numbers>>>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Kill,
    Stop,
    PowerFailure,
}

/// How a client receives its stream.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wire {
    WebSocket,
    Events,
    Lines,
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

#[actix_web::test]
async fn after_a_power_failure_an_rfc6962_logs_entries_come_again_at_most() {
    lose_power(DemoProtocol::Rfc6962).await;
}

#[actix_web::test]
async fn after_a_power_failure_a_static_logs_entries_come_again_at_most() {
    lose_power(DemoProtocol::StaticCt).await;
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
    let mut ends = vec![End::Kill; number("KILLS", 4) as usize];
    ends.extend(vec![End::Stop; number("STOPS", 2) as usize]);
    let clients = [(Wire::WebSocket, "lite"), (Wire::Events, "full"), (Wire::Lines, "domains")];
    let outcome = run_all(protocol, has_faults, ends, clients, |log, [lite, full, domains]| {
        let tree_size = log.publish(0);
        lite.len().min(full.len()) as u64 >= tree_size && domains.len() >= with_names(log, lite).count()
    })
    .await;
    judge(&outcome.received, &outcome.log);
    outcome.log.stop().await;
}

/// Kills the server, and loses a part of what it had not synced.
async fn lose_power(protocol: DemoProtocol) {
    let ends = vec![End::PowerFailure; number("POWER_FAILURES", 5) as usize];
    let clients = [(Wire::WebSocket, "lite"), (Wire::Events, "full"), (Wire::Lines, "lite")];
    let outcome = run_all(protocol, false, ends, clients, |log, clients| {
        let last = log.publish(0).checked_sub(1);
        clients.iter().all(|client| client.last().and_then(|(_, index)| *index) == last)
    })
    .await;
    judge_repeats(&outcome);
    outcome.log.stop().await;
}

struct Outcome {
    log: DemoLog,
    /// What each client has received.
    received: [Vec<Numbers>; 3],
    /// For each power failure, the number of entries that were lost with it.
    lost: Vec<u64>,
}

/// Runs the server until each of `ends`, in any order, and then until everything `has_arrived`.
async fn run_all(
    protocol: DemoProtocol,
    has_faults: bool,
    mut ends: Vec<End>,
    clients: [(Wire, &'static str); 3],
    has_arrived: impl Fn(&DemoLog, [&[Numbers]; 3]) -> bool,
) -> Outcome {
    let entries = number("ENTRIES", 3_000);
    let log = log_of(protocol).await;
    for _ in 0..entries / 1000 {
        log.publish(1000);
        sleep(Duration::ZERO).await;
    }
    log.set_rate(number("RATE", 300) as f64);
    let dir = tempfile::tempdir().expect("a folder");
    let port = free_port();
    write_configuration(dir.path(), &log, protocol, port);

    let mut random = StdRng::seed_from_u64(number("SEED", 7));
    ends.shuffle(&mut random);
    let over = Arc::new(AtomicBool::new(false));
    let received: [Received; 3] = Default::default();
    let mut followers = Vec::new();
    for ((wire, stream), received) in clients.into_iter().zip(&received) {
        followers.push(actix_web::rt::spawn(follow(port, wire, stream, over.clone(), received.clone())));
    }
    let mut lost = Vec::new();
    for (i, end) in ends.into_iter().enumerate() {
        // The first run must last until there are clients.
        let least = if i == 0 { 2500 } else { 0 };
        let after = Duration::from_millis(least + random.random_range(0..1500));
        if has_faults {
            misbehave(&log, &mut random);
        }
        run(dir.path(), end, after).await;
        if end == End::PowerFailure {
            lost.push(power::fail(&dir.path().join("state"), &mut random));
        }
    }
    // In the end, all entries must arrive.
    log.set_rate(0.0);
    log.clear_faults();
    log.set_defects(Defects::default());
    let mut server = start(dir.path());
    let everything = async {
        let has_all = || {
            let [a, b, c] = received.each_ref().map(|client| client.lock().expect("no panic"));
            has_arrived(&log, [&a, &b, &c])
        };
        while !has_all() {
            sleep(Duration::from_millis(200)).await;
        }
        sleep(REPEAT_PATIENCE).await;
    };
    // What is missing then is reported with what was received.
    let _ = timeout(PATIENCE, everything).await;
    over.store(true, Ordering::Relaxed);
    for follower in followers {
        timeout(PATIENCE, follower).await.expect("the client ends").expect("no panic");
    }
    let received = received.map(|client| std::mem::take(&mut *client.lock().expect("no panic")));
    terminate(&server);
    server.wait().expect("a status");
    Outcome { log, received, lost }
}

/// A log that does not grow by itself yet.
async fn log_of(protocol: DemoProtocol) -> DemoLog {
    let options = DemoLogOptions {
        protocol,
        rate: 0.0,
        head_interval: Duration::from_secs(1),
        max_page: 1000,
        retain: 10_000_000,
        ..DemoLogOptions::default()
    };
    DemoLog::start(options).await.expect("the log starts")
}

fn write_configuration(dir: &Path, log: &DemoLog, protocol: DemoProtocol, port: u16) {
    let kind = if protocol == DemoProtocol::StaticCt { "static-ct" } else { "rfc6962" };
    let key = base64_simd::STANDARD.encode_to_string(log.public_key());
    let (url, origin, state) = (log.url(), log.origin(), dir.join("state"));
    let text = format!(
        "[server]\nlisten = '127.0.0.1:{port}'\n[state]\ndir = {state:?}\n\
         [log_list]\nenabled = false\n[fetch]\noperator_requests_per_second = 10000\npartial_tile_wait = '1s'\n\
         [[logs]]\nurl = '{url}'\ntype = '{kind}'\nkey = '{key}'\norigin = '{origin}'\nstart = 0\n"
    );
    std::fs::write(dir.join("certstream.toml"), text).expect("a file");
}

fn start(dir: &Path) -> Child {
    let program = env!("CARGO_BIN_EXE_certstream-server");
    let log_file = std::fs::File::options().create(true).append(true).open(dir.join("log")).expect("a file");
    let mut command = Command::new(program);
    command.arg("--config").arg(dir.join("certstream.toml")).env("RUST_LOG", "info");
    command.stderr(log_file).spawn().expect("a server")
}

/// Runs the server for the duration `after`, then ends it. Only a server that has started can stop in an orderly way.
async fn run(dir: &Path, end: End, after: Duration) {
    let log_file = dir.join("log");
    let before = std::fs::metadata(&log_file).map_or(0, |file| file.len() as usize);
    let mut server = start(dir);
    if end == End::Stop {
        timeout(PATIENCE, listening(&log_file, before)).await.expect("it listens");
    }
    sleep(after).await;
    match end {
        End::Kill | End::PowerFailure => server.kill().expect("it can be killed"),
        End::Stop => terminate(&server),
    }
    let status = actix_web::rt::task::spawn_blocking(move || server.wait());
    let status = timeout(PATIENCE, status).await.expect("it ends").expect("no panic").expect("a status");
    assert_eq!(status.success(), end == End::Stop, "{}", std::fs::read_to_string(log_file).unwrap());
}

/// Returns once the server has written to its log file, of which `before` bytes were there already, that it listens.
async fn listening(log_file: &Path, before: usize) {
    let listens = || {
        let text = std::fs::read(log_file).unwrap_or_default();
        String::from_utf8_lossy(text.get(before..).unwrap_or_default()).contains("listening on")
    };
    while !listens() {
        sleep(Duration::from_millis(5)).await;
    }
}

fn terminate(server: &Child) {
    let killed = Command::new("kill").arg("-TERM").arg(server.id().to_string()).status();
    assert!(killed.expect("kill(1)").success());
}

/// Receives `stream` on `wire` and comes back with its cursor whenever the connection ends, until it is `over`.
async fn follow(port: u16, wire: Wire, stream: &str, over: Arc<AtomicBool>, received: Received) {
    while !over.load(Ordering::Relaxed) {
        // Before the first message, everything that the journal has.
        let last = received.lock().expect("no panic").last().copied();
        let from = last.map_or("since=1h".into(), |(seq, _)| format!("cursor={seq}"));
        let until = over.clone();
        match wire {
            Wire::WebSocket => web_socket(port, stream, &from, until, &received).await,
            Wire::Events => {
                body(&format!("http://127.0.0.1:{port}/sse?stream={stream}&{from}"), until, &received).await
            }
            Wire::Lines => {
                body(&format!("http://127.0.0.1:{port}/ndjson?stream={stream}&{from}"), until, &received)
                    .await
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn web_socket(port: u16, stream: &str, from: &str, over: Arc<AtomicBool>, received: &Received) {
    let url = format!("ws://127.0.0.1:{port}/{stream}-stream?{from}");
    let Ok((mut socket, _)) = connect_async(url).await else { return };
    while !over.load(Ordering::Relaxed) {
        match timeout(Duration::from_millis(200), socket.next()).await {
            Ok(Some(Ok(message))) => {
                let numbers = message.into_text().ok().and_then(|text| numbers(&text));
                received.lock().expect("no panic").extend(numbers);
            }
            Ok(_) => return,
            Err(_) => {}
        }
    }
}

async fn body(url: &str, over: Arc<AtomicBool>, received: &Received) {
    let take = |line: &str| received.lock().expect("no panic").extend(numbers(line));
    lines(url, &over, take).await;
}

/// Gives each message of the response to `take`, until it ends or is `over`.
async fn lines(url: &str, over: &AtomicBool, mut take: impl FnMut(&str)) {
    let Ok(mut response) = awc::Client::default().get(url).no_decompress().send().await else { return };
    assert_eq!(response.status(), 200, "{url}");
    let mut rest = Vec::new();
    while !over.load(Ordering::Relaxed) {
        match timeout(Duration::from_millis(200), response.next()).await {
            Ok(Some(Ok(chunk))) => rest.extend_from_slice(&chunk),
            Ok(_) => return,
            Err(_) => {}
        }
        // What is not a whole line yet has not arrived.
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8(line).expect("text");
            take(line.strip_prefix("data: ").unwrap_or(&line));
        }
    }
}

/// The `seq` and the `cert_index` of a message about an entry. Does not parse the whole message, so that the client keeps
/// up.
fn numbers(text: &str) -> Option<Numbers> {
    assert!(!text.contains(r#""message_type":"gap""#), "{text}");
    if !text.starts_with(r#"{"message_type":"certificate_update""#)
        && !text.starts_with(r#"{"message_type":"dns_entries""#)
    {
        return None;
    }
    let of = |name: &str, end: &[char]| text.rsplit_once(name)?.1.split(end).next()?.parse().ok();
    Some((of(r#""seq":"#, &['}'])?, of(r#""cert_index":"#, &[','])))
}

/// Checks that each client received each entry, and again at most those that were lost. After a power failure, what it receives
/// may begin again with the first one of these.
fn judge_repeats(Outcome { log, received, lost }: &Outcome) {
    let tree_size = log.publish(0);
    for client in received {
        assert!(client.is_sorted_by(|a, b| a.0 < b.0), "the numbers rise");
        let (mut next, mut repeated) = (0, 0);
        for index in client.iter().map(|(_, index)| index.expect("an index")) {
            assert!(index <= next, "the entries {next} to {} are missing", index - 1);
            repeated += next - index;
            next = index + 1;
        }
        assert_eq!(next, tree_size);
        let all_lost: u64 = lost.iter().sum();
        assert!(repeated <= all_lost, "{repeated} entries again, of {lost:?} lost");
    }
    println!("{tree_size} entries, none missing; {lost:?} entries were lost with the power");
}

/// Checks that each client received each entry exactly once and in order.
fn judge(received: &[Vec<Numbers>; 3], log: &DemoLog) {
    let tree_size = log.publish(0);
    let [lite, full, domains] = received;
    for client in received {
        assert!(client.is_sorted_by(|a, b| a.0 < b.0), "the numbers rise");
    }
    for client in [lite, full] {
        let indexes: Vec<_> = client.iter().map(|(_, index)| index.expect("an index")).collect();
        let missing = (0..tree_size).find(|index| indexes.get(*index as usize) != Some(index));
        assert_eq!((indexes.len() as u64, missing), (tree_size, None), "each once, in order");
    }
    assert_eq!(lite, full, "the same numbers on every stream");
    let named = with_names(log, lite).map(|(seq, _)| *seq);
    assert!(named.eq(domains.iter().map(|(seq, _)| *seq)), "names of the same entries");
    println!("{tree_size} entries, each received once and in order by {} clients", received.len());
}

/// The messages about entries with names.
fn with_names<'a>(log: &'a DemoLog, messages: &'a [Numbers]) -> impl Iterator<Item = &'a Numbers> {
    let has_names = |index: u64| log.entry(index).is_some_and(|entry| entry.first_dns_name.is_some());
    messages.iter().filter(move |(_, index)| index.is_some_and(has_names))
}
