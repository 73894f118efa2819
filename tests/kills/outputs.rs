//! Outputs while the server is killed and a receiver is down: everything is delivered, in order, and repeated are at most
//! the batches that were being delivered.
//!
//! The long form:
//!
//! ```text
//! KILLS=10 RATE=1000 DOWN=600 cargo test --release --test kills outputs -- --nocapture
//! ```

use super::{End, Numbers, PATIENCE, log_of, number, numbers, run, start, terminate, write_configuration};
use crate::ports::free_port;
use actix_web::rt::time::sleep;
use actix_web::{App, HttpResponse, HttpServer, web};
use certstream_server::demo::{DemoLog, DemoProtocol};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Maximum number of messages in a request.
const BATCH: usize = 100;

/// What a receiver has got: for each request, its messages.
#[derive(Default)]
struct Receiver {
    is_down: AtomicBool,
    refused: AtomicUsize,
    requests: Mutex<Vec<Vec<Numbers>>>,
}

impl Receiver {
    async fn receive(receiver: web::Data<Receiver>, body: web::Bytes) -> HttpResponse {
        if receiver.is_down.load(Ordering::Relaxed) {
            receiver.refused.fetch_add(1, Ordering::Relaxed);
            return HttpResponse::ServiceUnavailable().finish();
        }
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let messages = body["messages"].as_array().expect("messages").iter();
        let messages: Vec<_> = messages.map(|message| numbers_of(message).expect("an entry")).collect();
        assert!((1..=BATCH).contains(&messages.len()), "{} messages", messages.len());
        receiver.requests.lock().expect("no panic").push(messages);
        HttpResponse::NoContent().finish()
    }

    fn newest(&self) -> Option<Numbers> {
        self.requests.lock().expect("no panic").last()?.last().copied()
    }
}

fn numbers_of(message: &Value) -> Option<Numbers> {
    Some((message["seq"].as_u64()?, message["data"]["cert_index"].as_u64()))
}

#[actix_web::test]
async fn outputs_deliver_everything_however_the_server_ends_and_while_a_receiver_is_down() {
    let log = log().await;
    let dir = tempfile::tempdir().expect("a folder");
    let receiver = web::Data::new(Receiver::default());
    let port = serve(&receiver);
    configure(dir.path(), &log, port);
    let rate = number("RATE", 300);
    log.set_rate(rate as f64);

    let mut random = StdRng::seed_from_u64(number("SEED", 7));
    let ends = |random: &mut StdRng| {
        let mut ends = vec![End::Kill; number("KILLS", 4) as usize / 2];
        ends.extend(vec![End::Stop; number("STOPS", 2) as usize / 2]);
        ends.shuffle(random);
        ends
    };
    receiver.is_down.store(true, Ordering::Relaxed);
    let down_until = Instant::now() + Duration::from_secs(number("DOWN", 5));
    let first = ends(&mut random);
    let mut runs = first.len();
    for end in first {
        run(dir.path(), end, Duration::from_millis(2000 + random.random_range(0..1000))).await;
    }
    let mut server = start(dir.path());
    sleep(down_until.saturating_duration_since(Instant::now()).max(Duration::from_secs(3))).await;
    let (archive, hook) = (position(dir.path(), "archive"), position(dir.path(), "hook"));
    assert!(archive > hook && receiver.newest().is_none(), "the file does not wait for the receiver");
    assert!(receiver.refused.load(Ordering::Relaxed) > 0, "it was tried");
    let memory = peak_memory(server.id());
    server.kill().expect("it can be killed");
    server.wait().expect("a status");
    receiver.is_down.store(false, Ordering::Relaxed);
    let second = ends(&mut random);
    runs += second.len() + 1;
    for end in second {
        run(dir.path(), end, Duration::from_millis(1500 + random.random_range(0..1500))).await;
    }
    log.set_rate(0.0);
    let mut server = start(dir.path());
    let last = log.publish(0) - 1;
    let everything = async {
        let has_all = || {
            let is_last = |newest: Option<Numbers>| newest.is_some_and(|(_, index)| index == Some(last));
            is_last(receiver.newest()) && is_last(lines_of(&dir.path().join("archive")).last().copied())
        };
        while !has_all() {
            sleep(Duration::from_millis(500)).await;
        }
    };
    // What is missing then is reported with what was delivered.
    let _ = timeout(PATIENCE + 2 * Duration::from_secs(number("DOWN", 5)), everything).await;
    terminate(&server);
    server.wait().expect("a status");

    let archived = lines_of(&dir.path().join("archive"));
    let indexes = archived.iter().map(|(_, index)| index.expect("an index"));
    assert!(indexes.eq(0..=last), "each once and in order in the files");
    let requests = std::mem::take(&mut *receiver.requests.lock().expect("no panic"));
    let repeated = judge(&requests, last, runs);
    println!(
        "{} entries, in the files once each; {} requests, {repeated} messages again in {runs} runs; {memory} MB",
        last + 1,
        requests.len()
    );
    log.stop().await;
}

/// Checks that the requests have everything in order, and that after each of `runs` at most one was repeated. Returns the
/// number of messages that came again.
fn judge(requests: &[Vec<Numbers>], last: u64, runs: usize) -> u64 {
    let (mut next, mut repeated, mut steps_back) = (0, 0, 0);
    for request in requests {
        let first = request[0].1.expect("an index");
        assert!(first <= next, "the entries {next} to {first} are missing");
        assert!(next - first <= BATCH as u64, "no more than the last request again");
        steps_back += usize::from(first < next);
        repeated += next - first;
        for (i, (_, index)) in request.iter().enumerate() {
            assert_eq!(*index, Some(first + i as u64), "in order");
        }
        next = next.max(first + request.len() as u64);
    }
    assert_eq!(next, last + 1, "everything was delivered");
    assert!(steps_back <= runs, "{steps_back} requests again after {runs} runs");
    repeated
}

/// A disk that fills holds the output to it. Nothing else waits, and nothing is lost.
#[actix_web::test]
async fn a_full_disk_holds_its_output_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = dir.path().join("archive");
    fs::create_dir(&disk).expect("a folder");
    let mount = |arguments: &[&str]| std::process::Command::new("mount").args(arguments).status();
    let small = disk.to_str().expect("a path");
    if !mount(&["-t", "tmpfs", "-o", "size=300k", "tmpfs", small]).is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED a_full_disk_holds_its_output_and_nothing_else: one may not mount here");
        return;
    }
    let _mounted = Mounted(small.to_string());
    let log = log().await;
    let receiver = web::Data::new(Receiver::default());
    let port = serve(&receiver);
    configure(dir.path(), &log, port);
    log.set_rate(300.0);
    let mut server = start(dir.path());
    let is_held = async {
        while !fs::read_to_string(dir.path().join("log"))
            .unwrap_or_default()
            .contains("No space left on device")
        {
            sleep(Duration::from_millis(200)).await;
        }
        let held = position(dir.path(), "archive");
        // The others go on.
        while position(dir.path(), "hook") <= position(dir.path(), "archive") + 100 {
            sleep(Duration::from_millis(200)).await;
        }
        held
    };
    let held = timeout(PATIENCE, is_held).await.expect("the disk fills");
    assert!(mount(&["-o", "remount,size=64m", small]).expect("mount(8)").success());
    log.set_rate(0.0);
    let last = log.publish(0) - 1;
    let everything = async {
        while lines_of(&disk).last().and_then(|(_, index)| *index) != Some(last) {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, everything).await.expect("it goes on once there is room");
    terminate(&server);
    server.wait().expect("a status");
    assert!(lines_of(&disk).iter().map(|(_, index)| index.expect("an index")).eq(0..=last), "each once");
    println!("held at {held}, then all {} entries", last + 1);
    log.stop().await;
}

/// A file system that is unmounted when it is dropped.
struct Mounted(String);

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.expect("umount(8)").success());
    }
}

pub async fn log() -> DemoLog {
    let log = log_of(DemoProtocol::Rfc6962).await;
    log.publish(100);
    log
}

/// Serves the receiver. Returns its port.
fn serve(receiver: &web::Data<Receiver>) -> u16 {
    let receiver = receiver.clone();
    let app = move || {
        let limit = web::PayloadConfig::new(64 << 20);
        App::new()
            .app_data(receiver.clone())
            .app_data(limit)
            .route("/hook", web::post().to(Receiver::receive))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a port");
    let port = server.addrs()[0].port();
    actix_web::rt::spawn(server.run());
    port
}

fn configure(dir: &Path, log: &DemoLog, receiver: u16) {
    let port = free_port();
    write_configuration(dir, log, DemoProtocol::Rfc6962, port);
    let mut file = fs::File::options().append(true).open(dir.join("certstream.toml")).expect("a file");
    write!(
        file,
        "[[outputs]]\nname = 'archive'\ntype = 'file'\ndir = {:?}\nrotate_bytes = '1 MiB'\n\
         [[outputs]]\nname = 'hook'\ntype = 'webhook'\nurl = 'http://127.0.0.1:{receiver}/hook'\n\
         allow_internal = true\nbatch_messages = {BATCH}\nbatch_wait = '100ms'\n",
        dir.join("archive")
    )
    .expect("it is written");
}

/// How far the output `name` has come.
pub fn position(dir: &Path, name: &str) -> u64 {
    let text = fs::read(dir.join("state/outputs").join(format!("{name}.json"))).expect("a position");
    serde_json::from_slice::<Value>(&text).expect("JSON")["next_seq"].as_u64().expect("a number")
}

/// The numbers of all lines of the files in `dir`, in the order of their names, whether they are whole or not.
fn lines_of(dir: &Path) -> Vec<Numbers> {
    let files = fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).unwrap_or_default();
        // While it is being written, the last frame may be incomplete.
        let mut text = Vec::new();
        let _ = zstd::stream::copy_decode(&bytes[..], &mut text);
        found.extend(String::from_utf8(text).expect("text").lines().filter_map(numbers));
    }
    found
}

/// The largest memory that the process has had, in MB.
pub fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}
