//! Clients with a filter of their own each, which come and go while a log grows: at the moment of a change, nobody misses
//! anything and nobody gets what another one wanted.
//!
//! A longer run, for use before a release:
//!
//! ```text
//! VISITS=10000 VISITS_PER_SECOND=500 RATE=1000 cargo test --release --test api churn -- --nocapture
//! ```

use crate::helpers::{Subscriber, TestApp, body, from_the_start, quiet_log, spawn_app};
use actix_web::rt::{spawn, task::JoinHandle};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::{Instant, interval, timeout};

/// Longest time that a client stays.
const LONGEST_STAY_MS: u64 = 3000;

/// What a client asked for, and what it got.
struct Visit {
    /// Wants names that contain one of these texts.
    contains: Vec<String>,
    cursor: Option<u64>,
    /// The numbers of the messages.
    got: Vec<u64>,
    /// Everything up to this number was sent to it.
    end: u64,
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[actix_web::test]
async fn whoever_comes_and_goes_gets_what_it_wants_without_a_hole() {
    let (visits, per_second) = (number("VISITS", 400), number("VISITS_PER_SECOND", 100));
    let log = quiet_log().await;
    log.publish(200);
    let toml = "[heartbeat]\ninterval = '100ms'\n[clients]\nrestart_grace = '0s'\nfilter_bytes = '512 MiB'\n\
                [access]\nconnections_per_address = 0\nnew_connections_per_address = 0\n\
                [fetch]\noperator_requests_per_second = 1000";
    let app = spawn_app(toml, vec![from_the_start(&log)]).await;
    app.wait_for(|stats| stats["logs"][log.url()]["position"] == 200).await;
    log.set_rate(number("RATE", 300) as f64);

    let mut random = StdRng::seed_from_u64(number("SEED", 7));
    let mut arrivals = interval(Duration::from_secs_f64(1.0 / per_second as f64));
    let mut under_way: Vec<JoinHandle<Visit>> = Vec::new();
    let mut newest = None;
    for i in 0..visits {
        arrivals.tick().await;
        if i % per_second == 0 {
            newest = app.get("/status.json").await["journal"]["newest_seq"].as_u64();
        }
        let texts = (0..random.random_range(1..=3)).map(|_| text(&mut random)).collect();
        let cursor = newest.filter(|_| random.random_bool(0.5));
        let stay = Duration::from_millis(random.random_range(0..LONGEST_STAY_MS));
        under_way.push(spawn(visit(app.address.to_string(), texts, cursor, stay)));
    }
    let mut over = Vec::new();
    for visit in under_way {
        over.push(visit.await.expect("no panic"));
    }
    log.set_rate(0.0);
    judge(&app, &over).await;
    app.stop().await;
    log.stop().await;
}

/// Two letters, which are in a few names of a hundred.
fn text(random: &mut StdRng) -> String {
    (0..2).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}

async fn visit(address: String, contains: Vec<String>, cursor: Option<u64>, stay: Duration) -> Visit {
    let wanted: String = contains.iter().map(|text| format!("&contains={text}")).collect();
    let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    let mut client = Subscriber::connect(format!("ws://{address}/?stream=domains{wanted}{from}")).await;
    let (mut got, mut end, leaves) = (Vec::new(), cursor.unwrap_or_default(), Instant::now() + stay);
    while let Ok(message) =
        timeout(leaves.saturating_duration_since(Instant::now()), client.any_message()).await
    {
        end = message["seq"].as_u64().expect("a number");
        match message["message_type"].as_str() {
            Some("dns_entries") => got.push(end),
            Some("heartbeat") => {}
            _ => panic!("{message}"),
        }
    }
    Visit { contains, cursor, got, end }
}

/// Compares what each client got with all entries.
async fn judge(app: &TestApp, visits: &[Visit]) {
    let (_, all) = body(app, "/ndjson?stream=domains&follow=0", None).await;
    let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let all: Vec<(u64, String)> = all
        .iter()
        // A slow response has heartbeats, whose data is null: "nu" is not in that.
        .filter(|message| message["message_type"] == "dns_entries")
        .map(|message| {
            (message["seq"].as_u64().expect("a number"), message["data"].to_string().to_lowercase())
        })
        .collect();
    for Visit { contains, cursor, got, end } in visits {
        // Without a cursor, it began somewhere before its first message.
        let begin = cursor.map(|cursor| cursor + 1).or(got.first().copied()).unwrap_or(*end + 1);
        let within = all.iter().filter(|(seq, _)| (begin..=*end).contains(seq));
        let wanted = within.filter(|(_, names)| contains.iter().any(|text| names.contains(text)));
        let wanted: Vec<_> = wanted.map(|(seq, _)| *seq).collect();
        assert!(*got == wanted, "{contains:?} from {cursor:?} to {end}: {} of {}", got.len(), wanted.len());
    }
    let got: usize = visits.iter().map(|visit| visit.got.len()).sum();
    let filters: HashSet<_> = visits.iter().map(|visit| &visit.contains).collect();
    assert!(got > 10 * visits.len(), "{got} messages to {} clients", visits.len());
    println!(
        "{} clients with {} filters got the {got} messages that they wanted",
        visits.len(),
        filters.len()
    );
}
