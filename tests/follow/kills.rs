//! Nothing is missed, however often the server and the client end, and whatever ends them.

use crate::client::{PATIENCE, command, cursor, until};
use crate::server::Server;
use certstream_server::demo::DemoProtocol;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Child;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often the server ends, half of the times by SIGKILL.
const SERVER_ENDS: usize = 20;
/// How often the client is killed.
const CLIENT_KILLS: usize = 20;
/// How often it is stopped by SIGTERM besides.
const CLIENT_STOPS: usize = 4;
/// Entries per second of each log.
const RATE: f64 = 100.0;

/// What one run of the client has printed: logs and indexes.
type Run = Vec<(String, u64)>;

/// A client that appends to no file of another run.
struct Runs<'a> {
    dir: &'a Path,
    url: String,
    ends: Vec<Signal>,
    child: Option<Child>,
}

impl Runs<'_> {
    fn file(&self, run: usize) -> std::path::PathBuf {
        self.dir.join(format!("run-{run}"))
    }

    fn start(&mut self) {
        let (output, errors) =
            (File::create(self.file(self.ends.len())), File::create(self.dir.join("errors")));
        let cursor_file = self.dir.join("cursor");
        let args = [&*self.url, "--format", "json", "--cursor-file", cursor_file.to_str().unwrap()];
        let mut command = command(&args);
        let child = command.stdout(output.expect("a file")).stderr(errors.expect("a file")).spawn();
        self.child = Some(child.expect("it starts"));
    }

    async fn end(&mut self, signal: Signal) {
        let mut child = self.child.take().expect("it runs");
        assert_eq!(child.try_wait().expect("a status"), None, "it never ends by itself");
        kill_process(Pid::from_child(&child), signal).expect("it runs");
        until("the client ends", || child.try_wait().expect("a status").is_some()).await;
        self.ends.push(signal);
    }

    /// What run number `run` has printed. The last line of one that was killed may be incomplete.
    fn printed(&self, run: usize) -> Run {
        let text = std::fs::read_to_string(self.file(run)).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(entry).collect()
    }
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn entry(line: &str) -> (String, u64) {
    let message: serde_json::Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let data = &message["data"];
    let log = data["source"]["name"].as_str().expect("a log");
    (log.to_string(), data["cert_index"].as_u64().expect("an index"))
}

#[actix_web::test]
async fn nothing_is_missed_over_twenty_ends_of_the_server_and_twenty_of_the_client() {
    let mut server = Server::with("", &[DemoProtocol::Rfc6962, DemoProtocol::StaticCt]).await;
    let dir = tempfile::tempdir().expect("a folder");
    let mut runs = Runs { dir: dir.path(), url: server.url("/lite-stream"), ends: Vec::new(), child: None };
    runs.start();
    until("it is connected", || cursor(&dir.path().join("cursor")).is_some()).await;
    server.logs.iter().for_each(|log| log.set_rate(RATE));

    let mut random = StdRng::seed_from_u64(11);
    let mut server_ends = vec![Signal::KILL; SERVER_ENDS / 2];
    server_ends.resize(SERVER_ENDS, Signal::TERM);
    server_ends.shuffle(&mut random);
    let mut client_ends = vec![Signal::KILL; CLIENT_KILLS];
    client_ends.resize(CLIENT_KILLS + CLIENT_STOPS, Signal::TERM);
    client_ends.shuffle(&mut random);
    let mut pause = |longest: u64| Duration::from_millis(random.random_range(100..longest));
    let server_pauses: Vec<_> = server_ends.iter().map(|_| pause(1_200)).collect();
    let client_pauses: Vec<_> = client_ends.iter().map(|_| pause(1_400)).collect();
    let ending_server = async {
        for (signal, pause) in server_ends.into_iter().zip(server_pauses) {
            sleep(pause).await;
            server.end(signal).await;
            server.run().await;
        }
    };
    let ending_client = async {
        for (signal, pause) in client_ends.into_iter().zip(client_pauses) {
            sleep(pause).await;
            runs.end(signal).await;
            runs.start();
        }
    };
    futures_util::future::join(ending_server, ending_client).await;

    server.logs.iter().for_each(|log| log.set_rate(0.0));
    let sizes: BTreeMap<_, _> =
        server.logs.iter().enumerate().map(|(i, log)| (format!("Log {i}"), log.publish(0))).collect();
    let last_run = runs.ends.len();
    let has_all = async {
        while !sizes.iter().all(|(log, size)| {
            let newest = (0..=last_run).rev().flat_map(|run| runs.printed(run)).filter(|(of, _)| of == log);
            newest.map(|(_, index)| index).max() == size.checked_sub(1)
        }) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    // What is missing then is reported below.
    let _ = timeout(PATIENCE, has_all).await;
    runs.end(Signal::TERM).await;
    judge(&runs, &sizes);
}

/// Checks that each log's entries are complete and in order, and that only what a killed run had printed comes again.
fn judge(runs: &Runs<'_>, sizes: &BTreeMap<String, u64>) {
    let mut next: BTreeMap<String, u64> = sizes.keys().map(|log| (log.clone(), 0)).collect();
    // The last index of each log in the run before, if that was stopped in an orderly way.
    let mut stopped_at: BTreeMap<String, u64> = BTreeMap::new();
    let (mut repeats, mut total) = (0, 0);
    for (run, end) in runs.ends.iter().enumerate() {
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for (log, index) in runs.printed(run) {
            let next = next.get_mut(&log).expect("a known log");
            assert!(index <= *next, "run {run} misses {next} to {index} of {log}");
            match (last.insert(log.clone(), index), stopped_at.get(&log)) {
                (Some(before), _) => assert_eq!(index, before + 1, "run {run} is not in order: {log}"),
                (None, Some(before)) => assert_eq!(index, before + 1, "run {run} after a stop: {log}"),
                (None, None) => {}
            }
            repeats += u64::from(index < *next);
            *next = (*next).max(index + 1);
            total += 1;
        }
        match *end {
            Signal::TERM => stopped_at.extend(last),
            _ => stopped_at.clear(),
        }
    }
    println!("{total} printed, {repeats} of them again after a kill");
    assert_eq!(&next, sizes, "the end of a log is missing");
    assert!(sizes.values().all(|size| *size > 200), "{sizes:?}");
}
