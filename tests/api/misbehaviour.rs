//! Tests of logs that misbehave: the server detects it before it sends the entries, stores evidence, reports
//! it, and retries.

use crate::helpers::{Subscriber, TestApp, log_with, spawn_app, spawn_app_among, with_its_key};
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{Defects, DemoLog, DemoLogOptions, DemoProtocol, EntryKind, Fault, FaultOn};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};

const BOTH: [(DemoProtocol, Protocol); 2] =
    [(DemoProtocol::Rfc6962, Protocol::Rfc6962), (DemoProtocol::StaticCt, Protocol::StaticCt)];
const EAGER: &str = "[fetch]\npartial_tile_wait = '0s'\n";

/// A log of 300 entries, a server that has sent them, and the client that has received them.
async fn honest_so_far(demo: DemoProtocol, protocol: Protocol) -> (DemoLog, TestApp, Subscriber) {
    let log = log_with(DemoLogOptions { protocol: demo, ..DemoLogOptions::default() }).await;
    let app = spawn_app(EAGER, vec![with_its_key(&log, protocol)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.publish(300);
    assert_eq!(client.indexes(300).await, (0..300).collect::<Vec<_>>());
    (log, app, client)
}

/// Checks that a log with `fault` in its next entries is detected, and that the server continues at the same
/// position after the fault has ended.
async fn is_caught(fault: Fault, on: FaultOn, kind: &str) {
    for (demo, protocol) in BOTH {
        let (log, app, mut client) = honest_so_far(demo, protocol).await;
        let mut told = app.connect_with_notices("/domains-only").await;
        app.wait_for_clients(2).await;
        log.set_fault(fault.clone(), on, None);
        // Enough entries that they do not lead to the head without a proof.
        log.publish(300);
        // A head that is requested between the two lines above has the old size. If its root is wrong, it is
        // a fork.
        let is_early = |found: &str| fault == Fault::WrongRoot && found == "fork";
        let caught = |app: &TestApp| app.evidence().iter().filter(|e| e.misbehaviour.kind() == kind).count();
        let stats = app.wait_for(|_| caught(&app) >= 2).await;
        let stats = &stats["logs"][log.url()];
        assert_eq!(stats["position"], 300, "{fault:?} on {protocol:?}: nothing of it is sent: {stats}");
        loop {
            let alert = told.message().await;
            assert_eq!(alert["message_type"], "log_alert");
            match alert["data"]["kind"].as_str() {
                Some(early) if is_early(early) => {}
                told => break assert_eq!(told, Some(kind)),
            }
        }
        for evidence in &app.evidence() {
            let found = evidence.misbehaviour.kind();
            assert!(
                found == kind || is_early(found),
                "{fault:?} on {protocol:?}: {found}: {}",
                evidence.problem
            );
            evidence.check().unwrap_or_else(|why| panic!("{fault:?} on {protocol:?}: {why}"));
        }
        log.clear_faults();
        assert_eq!(client.indexes(300).await, (300..600).collect::<Vec<_>>(), "{fault:?} on {protocol:?}");
        let stats = app.log_stats().await;
        assert_eq!((&stats["delivered"], &stats["pending"]), (&600.into(), &0.into()), "{stats}");
        app.stop().await;
    }
}

#[actix_web::test]
async fn a_head_with_a_bad_signature_is_not_used() {
    is_caught(Fault::BadSignature, FaultOn::Heads, "bad_signature").await;
}

#[actix_web::test]
async fn a_head_with_another_root_is_not_used() {
    is_caught(Fault::WrongRoot, FaultOn::Heads, "inconsistent").await;
}

#[actix_web::test]
async fn an_entry_that_is_not_the_one_in_the_tree_is_not_sent() {
    is_caught(Fault::WrongEntry, FaultOn::Entries, "inconsistent").await;
}

#[actix_web::test]
async fn a_log_that_rolls_back_is_caught() {
    for (demo, protocol) in BOTH {
        let (log, app, mut client) = honest_so_far(demo, protocol).await;
        log.set_fault(Fault::Shrink(10), FaultOn::Heads, Some(2));
        app.wait_for(|s| s["logs"][log.url()]["misbehaviours"] == 2).await;
        log.publish(5);
        assert_eq!(client.indexes(5).await, (300..305).collect::<Vec<_>>());
        for evidence in app.evidence() {
            assert_eq!(evidence.misbehaviour.kind(), "rollback");
            evidence.check().expect("a rollback");
        }
        app.stop().await;
    }
}

#[actix_web::test]
async fn a_log_that_forks_at_a_size_that_was_verified_is_caught() {
    for (demo, protocol) in BOTH {
        let (log, app, mut client) = honest_so_far(demo, protocol).await;
        log.set_fault(Fault::WrongRoot, FaultOn::Heads, Some(1));
        app.wait_for(|s| s["logs"][log.url()]["misbehaviours"] == 1).await;
        let [evidence] = app.evidence().try_into().expect("one chunk");
        assert_eq!(evidence.misbehaviour.kind(), "fork");
        evidence.check().expect("a fork");
        log.publish(5);
        assert_eq!(client.indexes(5).await, (300..305).collect::<Vec<_>>());
        app.stop().await;
    }
}

/// Wrong proofs can only be detected where a proof is needed, as when starting in the middle of a log.
#[actix_web::test]
async fn a_start_in_the_middle_needs_a_right_proof() {
    for (demo, protocol) in BOTH {
        for start in [700, 512] {
            let log = log_with(DemoLogOptions { protocol: demo, ..DemoLogOptions::default() }).await;
            log.publish(1000);
            log.set_fault(Fault::WrongProof, FaultOn::Proofs, None);
            let from = certstream_server::config::StartAt::Number(start);
            let watched = certstream_server::config::Log { start: from, ..with_its_key(&log, protocol) };
            let app = spawn_app(EAGER, vec![watched]).await;
            let mut client = app.connect("/lite-stream").await;
            app.wait_for(|s| s["logs"][log.url()]["misbehaviours"].as_u64() > Some(0)).await;
            for evidence in app.evidence() {
                assert_eq!(evidence.misbehaviour.kind(), "inconsistent");
                evidence.check().expect("a proof of nothing");
            }
            assert_eq!(app.log_stats().await["delivered"], 0);
            log.clear_faults();
            let expected: Vec<_> = (start as u64..1000).collect();
            assert_eq!(client.indexes(expected.len()).await, expected);
            app.stop().await;
        }
    }
}

#[actix_web::test]
async fn an_entry_that_says_to_stand_elsewhere_is_sent_and_marked() {
    let (log, app, mut client) = honest_so_far(DemoProtocol::StaticCt, Protocol::StaticCt).await;
    let entry = log.entry(7).expect("the entry");
    let fingerprints: Vec<u8> = entry.chain.iter().flat_map(|der| openssl::sha::sha256(der)).collect();
    let mut behind = Vec::new();
    if entry.kind == EntryKind::Precert {
        behind.extend(&(entry.certificate.len() as u32).to_be_bytes()[1..]);
        behind.extend(&entry.certificate);
    }
    behind.extend((fingerprints.len() as u16).to_be_bytes());
    behind.extend(fingerprints);
    log.publish_raw(entry.leaf_input, behind);
    let message = client.message().await;
    assert_eq!(message["data"]["cert_index"], 300);
    assert_eq!(message["fault"], "leaf_index is 7 at index 300");
    let [evidence] = app.evidence().try_into().expect("one chunk");
    assert_eq!((evidence.misbehaviour.kind(), evidence.misbehaviour.index()), ("wrong_entry", Some(300)));
    evidence.check().expect("a wrong entry");
    let stats = app.log_stats().await;
    assert_eq!((&stats["misframed"], &stats["misbehaviours"]), (&1.into(), &1.into()));
    app.stop().await;
}

#[actix_web::test]
async fn a_precertificate_that_was_not_signed_is_sent_and_marked() {
    let (log, app, mut client) = honest_so_far(DemoProtocol::Rfc6962, Protocol::Rfc6962).await;
    let precerts = |index: &u64| log.entry(*index).is_some_and(|entry| entry.kind == EntryKind::Precert);
    let mut precerts = (0..300).filter(precerts).map(|index| log.entry(index).expect("the entry"));
    let (signed, shown) = (precerts.next().expect("one"), precerts.next().expect("another"));
    log.publish_raw(signed.leaf_input, shown.extra_data);
    let message = client.message().await;
    assert_eq!(message["data"]["cert_index"], 300);
    let fault = message["fault"].as_str().expect("a mark");
    assert!(fault.starts_with("the precertificate is not what the log signed"), "{fault}");
    let [evidence] = app.evidence().try_into().expect("one chunk");
    assert_eq!((evidence.misbehaviour.kind(), evidence.misbehaviour.index()), ("wrong_entry", Some(300)));
    evidence.check().expect("a wrong entry");
    app.stop().await;
}

/// Outdated front ends serve old heads after new ones, or the same head with a new signature. For longer
/// runs, set LAG_ROUNDS to 1000 or more.
async fn lagging_raises_no_alarm(demo: DemoProtocol, protocol: Protocol) {
    let rounds = std::env::var("LAG_ROUNDS").map_or(10, |text| text.parse().expect("a number"));
    let (log, app, mut client) = honest_so_far(demo, protocol).await;
    let mut next = 300;
    for _ in 0..rounds {
        log.set_fault(Fault::Lag, FaultOn::Heads, Some(3));
        log.publish(20);
        assert_eq!(client.indexes(20).await, (next..next + 20).collect::<Vec<_>>());
        next += 20;
    }
    assert!(log.stats().faults_shown >= rounds, "{protocol:?}: {:?}", log.stats());
    let stats = app.log_stats().await;
    assert_eq!((&stats["misbehaviours"], &stats["failures"]), (&0.into(), &0.into()), "{stats}");
    app.stop().await;
}

#[actix_web::test]
async fn lagging_front_ends_of_an_rfc6962_log_raise_no_alarm() {
    lagging_raises_no_alarm(DemoProtocol::Rfc6962, Protocol::Rfc6962).await;
}

#[actix_web::test]
async fn lagging_front_ends_of_a_static_log_raise_no_alarm() {
    lagging_raises_no_alarm(DemoProtocol::StaticCt, Protocol::StaticCt).await;
}

/// A longer run, with figures:
///
/// ```text
/// ENTRIES=500000 cargo test --release --test api caught_up_with -- --nocapture
/// ```
#[actix_web::test]
async fn a_fork_is_noticed_while_the_log_is_caught_up_with() {
    let entries = std::env::var("ENTRIES").map_or(20_000, |text| text.parse().expect("a number"));
    for (demo, protocol) in BOTH {
        let options = DemoLogOptions { protocol: demo, retain: 1_000_000, ..DemoLogOptions::default() };
        let log = log_with(options).await;
        for _ in 0..entries / 1000 {
            log.publish(1000);
            tokio::time::sleep(Duration::ZERO).await;
        }
        log.set_fault(Fault::Delay(Duration::from_millis(200)), FaultOn::Entries, None);
        let interval = Duration::from_secs(1);
        let settings = format!("{EAGER}in_flight = 2\n");
        let variables = [("CERTSTREAM_FETCH_POLL_INTERVAL", "1s")];
        let app = spawn_app_among(&variables, &settings, vec![with_its_key(&log, protocol)]).await;
        app.wait_for(|stats| stats["logs"][log.url()]["delivered"].as_u64() > Some(0)).await;
        log.publish(100);
        app.wait_for(|stats| stats["logs"][log.url()]["tree_size"] == entries + 100).await;
        log.set_fault(Fault::WrongRoot, FaultOn::Heads, Some(1));
        log.publish(100);
        let begin = Instant::now();
        let stats = app.wait_for(|stats| stats["logs"][log.url()]["misbehaviours"].as_u64() > Some(0)).await;
        let (noticed, stats) = (begin.elapsed(), &stats["logs"][log.url()]);
        println!("{protocol:?}: noticed after {noticed:.1?}, at index {} of {entries}", stats["position"]);
        assert!(stats["position"].as_u64() < Some(entries), "{protocol:?}: before its entries come: {stats}");
        assert!(noticed < 20 * interval, "{protocol:?}: {noticed:.1?}");
        let evidence = app.evidence();
        let kinds: Vec<_> = evidence.iter().map(|evidence| evidence.misbehaviour.kind()).collect();
        assert!(kinds.contains(&"inconsistent"), "{protocol:?}: {kinds:?}");
        for evidence in &evidence {
            evidence.check().unwrap_or_else(|why| panic!("{protocol:?}: {why}: {}", evidence.problem));
        }
        app.stop().await;
    }
}

/// Lagging front ends, refused proofs and new URLs, at random. A longer run, for use before a release:
///
/// ```text
/// ODD_SECONDS=1800 cargo test --release --test api odd_but_honest -- --nocapture
/// ```
#[actix_web::test]
async fn a_log_that_is_odd_but_honest_raises_no_alarm() {
    let seconds = std::env::var("ODD_SECONDS").map_or(10, |text| text.parse().expect("a number"));
    let both = BOTH.map(|(demo, protocol)| async move {
        let (log, mut app, mut client) = honest_so_far(demo, protocol).await;
        let mut random = StdRng::seed_from_u64(7);
        let (begin, mut expected, mut moves) = (Instant::now(), 300, 0);
        while begin.elapsed() < Duration::from_secs(seconds) {
            if random.random_bool(0.4) {
                log.set_fault(Fault::Lag, FaultOn::Heads, Some(random.random_range(1..5)));
            }
            if random.random_bool(0.2) {
                log.set_fault(Fault::Status(404), FaultOn::Proofs, Some(random.random_range(1..4)));
            }
            let refused = [None, None, Some(2), Some(3)][random.random_range(0..4)];
            log.set_defects(Defects { no_proof_to_multiples_of: refused, ..Defects::default() });
            if random.random_bool(0.05) {
                log.change_url().await.expect("another port");
                app.reload(EAGER, vec![with_its_key(&log, protocol)]).expect("the new URL");
                moves += 1;
            }
            let count = random.random_range(1..200);
            let tree_size = log.publish(count);
            if random.random_bool(0.7) {
                // Not always: entries of several heads pile up.
                log.set_defects(Defects::default());
                log.publish(1);
                let until = tree_size + 1;
                let heard = client.indexes((until - expected) as usize).await;
                assert_eq!(heard, (expected..until).collect::<Vec<_>>(), "{protocol:?}");
                expected = until;
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
        }
        log.clear_faults();
        log.set_defects(Defects::default());
        let until = log.publish(1);
        let heard = client.indexes((until - expected) as usize).await;
        assert_eq!(heard, (expected..until).collect::<Vec<_>>(), "{protocol:?}");
        let stats = app.log_stats().await;
        let (alarms, failures) = (&stats["misbehaviours"], &stats["failures"]);
        println!("{protocol:?}: {until} entries, {moves} moves, {failures} failed requests, {alarms} alarms");
        assert_eq!((alarms, app.evidence().len()), (&0.into(), 0), "{stats}");
        app.stop().await;
    });
    join_all(both).await;
}
