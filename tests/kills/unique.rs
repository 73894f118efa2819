//! A client that wants each issuance once, while the server, which watches two logs with the same entries, is killed.

use super::{End, PATIENCE, REPEAT_PATIENCE, lines, number, run, start, terminate};
use crate::ports::free_port;
use certstream_server::demo::{DemoLog, DemoLogOptions};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The number of a message, and the hash of its issuance.
type Issuance = (u64, String);

#[actix_web::test]
async fn each_issuance_comes_once_however_the_server_of_two_equal_logs_ends() {
    let options =
        DemoLogOptions { rate: 0.0, max_page: 1000, retain: 1_000_000, ..DemoLogOptions::default() };
    let log = DemoLog::start(options).await.expect("the log starts");
    log.publish(500);
    log.set_rate(number("RATE", 200) as f64);
    let dir = tempfile::tempdir().expect("a folder");
    let port = free_port();
    write_configuration(dir.path(), &log, port);

    let (over, received) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let follower = actix_web::rt::spawn(follow(port, over.clone(), received.clone()));
    let mut ends = vec![End::Kill; number("KILLS", 4) as usize];
    ends.extend(vec![End::Stop; number("STOPS", 2) as usize]);
    let mut random = StdRng::seed_from_u64(number("SEED", 7));
    ends.shuffle(&mut random);
    for (i, end) in ends.into_iter().enumerate() {
        // The first run must last until there is a client.
        let least = if i == 0 { 2500 } else { 300 };
        run(dir.path(), end, Duration::from_millis(least + random.random_range(0..1000))).await;
    }
    log.set_rate(0.0);
    let mut server = start(dir.path());
    let everything = async {
        loop {
            let all = search(port, "follow=0").await;
            if all.len() as u64 >= 2 * log.publish(0) {
                return all;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let all = timeout(PATIENCE, everything).await.expect("everything comes");
    sleep(REPEAT_PATIENCE).await;
    let again = search(port, "follow=0&unique=issuance").await;
    over.store(true, Ordering::Relaxed);
    timeout(PATIENCE, follower).await.expect("the client ends").expect("no panic");
    terminate(&server);
    server.wait().expect("a status");

    let mut first = HashMap::new();
    for (seq, tbs_sha256) in &all {
        first.entry(tbs_sha256).or_insert(*seq);
    }
    assert!(all.len() > 2 * first.len(), "{} entries of {} issuances", all.len(), first.len());
    let mut expected: Vec<u64> = first.into_values().collect();
    expected.sort_unstable();
    let numbers = |issuances: &[Issuance]| issuances.iter().map(|(seq, _)| *seq).collect::<Vec<_>>();
    let received = std::mem::take(&mut *received.lock().expect("no panic"));
    assert!(numbers(&received) == expected, "{} of {}", received.len(), expected.len());
    assert!(numbers(&again) == expected, "a search gives the same: {} of {}", again.len(), expected.len());
    println!("{} entries of {} issuances, each received once", all.len(), expected.len());
    log.stop().await;
}

/// The same log, under two names.
fn write_configuration(dir: &Path, log: &DemoLog, port: u16) {
    let (url, state) = (log.url(), dir.join("state"));
    let same = url.replace("127.0.0.1", "localhost");
    assert_ne!(url, same);
    let logs = [url, same].map(|url| format!("[[logs]]\nurl = '{url}'\nstart = 0\n")).concat();
    let text = format!(
        "[server]\nlisten = '127.0.0.1:{port}'\n[state]\ndir = {state:?}\n[log_list]\nenabled = false\n\
         [fetch]\noperator_requests_per_second = 10000\n{logs}"
    );
    std::fs::write(dir.join("certstream.toml"), text).expect("a file");
}

/// Receives each issuance once, and comes back with its cursor whenever the connection ends, until it is `over`.
async fn follow(port: u16, over: Arc<AtomicBool>, received: Arc<Mutex<Vec<Issuance>>>) {
    while !over.load(Ordering::Relaxed) {
        let last = received.lock().expect("no panic").last().map(|(seq, _): &Issuance| *seq);
        let from = last.map_or("since=1h".into(), |seq| format!("cursor={seq}"));
        read(port, &format!("unique=issuance&{from}"), &over, |issuance| {
            received.lock().expect("no panic").push(issuance);
        })
        .await;
        sleep(Duration::from_millis(5)).await;
    }
}

/// The result of a search.
async fn search(port: u16, query: &str) -> Vec<Issuance> {
    let mut found = Vec::new();
    read(port, query, &AtomicBool::new(false), |issuance| found.push(issuance)).await;
    found
}

/// Gives what comes to `take`, until it ends or is `over`.
async fn read(port: u16, query: &str, over: &AtomicBool, mut take: impl FnMut(Issuance)) {
    let url = format!("http://127.0.0.1:{port}/ndjson?stream=lite&{query}");
    lines(&url, over, |line| {
        let message: Value = serde_json::from_str(line).expect("JSON");
        assert_ne!(message["message_type"], "gap", "{message}");
        if message["message_type"] == "certificate_update" {
            let seq = message["seq"].as_u64().expect("a number");
            // What cannot be compared is sent each time.
            let tbs_sha256 = message["data"]["leaf_cert"]["tbs_sha256"].as_str();
            take((seq, tbs_sha256.map_or_else(|| seq.to_string(), String::from)));
        }
    })
    .await;
}
