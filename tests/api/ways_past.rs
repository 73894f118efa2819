//! Tests of logs that move, and of logs that a person has to help past something.

use crate::helpers::{TestApp, log_with, spawn_app, spawn_app_in, with_its_key};
use certstream_server::config::{Log, StartAt, Verify};
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{Defects, DemoLog, DemoLogOptions, DemoProtocol, Fault, FaultOn};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const BOTH: [(DemoProtocol, Protocol); 2] =
    [(DemoProtocol::Rfc6962, Protocol::Rfc6962), (DemoProtocol::StaticCt, Protocol::StaticCt)];
const EAGER: &str = "[fetch]\npartial_tile_wait = '0s'\n";

async fn stats_when(app: &TestApp, log: &DemoLog, what: impl Fn(&Value) -> bool) -> Value {
    let url = log.url();
    app.wait_for(|stats| what(&stats["logs"][&url])).await["logs"][&url].clone()
}

#[actix_web::test]
async fn a_log_whose_url_changes_goes_on_where_it_was() {
    for (demo, protocol) in BOTH {
        let log = log_with(DemoLogOptions { protocol: demo, ..DemoLogOptions::default() }).await;
        let mut app = spawn_app(EAGER, vec![with_its_key(&log, protocol)]).await;
        let mut client = app.connect("/lite-stream").await;
        app.wait_for_clients(1).await;
        log.publish(10);
        assert_eq!(client.indexes(10).await, (0..10).collect::<Vec<_>>());

        // While the server runs.
        let old = log.url();
        log.change_url().await.expect("another port");
        log.publish(10);
        app.reload(EAGER, vec![with_its_key(&log, protocol)]).expect("the new URL");
        let sources: Vec<Value> = [client.message().await, client.message().await]
            .map(|message| json!([message["data"]["cert_index"], message["data"]["source"]["url"]]))
            .into();
        let new = log.url().replace("http://", "");
        assert_eq!(sources.len(), 2);
        for (source, index) in sources.iter().zip([10, 11]) {
            assert_eq!(source[0], index, "{protocol:?}");
            assert!(source[1].as_str().expect("a URL").contains(&new), "{source}");
        }
        assert_eq!(client.indexes(8).await, (12..20).collect::<Vec<_>>());
        let stats = stats_when(&app, &log, |stats| stats["delivered"] == 20).await;
        assert_eq!(
            (&stats["first"], &stats["skipped"], &stats["misbehaviours"]),
            (&json!(0), &json!(0), &json!(0))
        );
        assert!(app.get("/stats").await["logs"].get(&old).is_none(), "it is one log");

        // While it is stopped.
        let dir = app.stop().await;
        log.change_url().await.expect("another port");
        log.publish(10);
        let app = spawn_app_in(dir, &[], EAGER, vec![with_its_key(&log, protocol)]).await;
        let mut client = app.connect("/lite-stream").await;
        stats_when(&app, &log, |stats| stats["delivered"] == 30).await;
        log.publish(5);
        let heard = client.indexes(5).await;
        assert_eq!(heard.last().map(|last| last < &35), Some(true));
        app.stop().await;
    }
}

#[actix_web::test]
async fn two_entries_with_one_key_are_one_log() {
    let log = log_with(DemoLogOptions::default()).await;
    let watched = with_its_key(&log, Protocol::Rfc6962);
    let other = Log { url: watched.url.replace("127.0.0.1", "localhost"), ..watched.clone() };
    let app = spawn_app(EAGER, vec![watched, other]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.publish(10);
    assert_eq!(client.indexes(10).await, (0..10).collect::<Vec<_>>());
    log.publish(1);
    assert_eq!(client.indexes(1).await, [10], "each entry once");
    assert_eq!(app.get("/stats").await["logs"].as_object().map(serde_json::Map::len), Some(1));
    app.stop().await;
}

/// Runs the `skip` command on the state of a server in `dir`. Returns the output, or what is wrong.
fn skip(dir: &tempfile::TempDir, args: &[&str]) -> Result<String, String> {
    skip_in(&dir.path().join("state"), args)
}

fn skip_in(state: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_certstream-server"))
        .arg("skip")
        .args(args)
        .env("CERTSTREAM_STATE_DIR", state)
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// A log that cannot serve its newest entry, whose number is `bad`, and nothing behind it.
async fn held(demo: DemoProtocol, protocol: Protocol, bad: u64) -> (DemoLog, TestApp) {
    let log = log_with(DemoLogOptions { protocol: demo, ..DemoLogOptions::default() }).await;
    log.set_defects(Defects { unreadable: BTreeSet::from([bad]), ..Defects::default() });
    let app = spawn_app(EAGER, vec![with_its_key(&log, protocol)]).await;
    log.publish(bad + 1);
    (log, app)
}

#[actix_web::test]
async fn what_stays_broken_is_passed_over_if_the_configuration_says_so() {
    for (demo, protocol) in BOTH {
        let (log, mut app) = held(demo, protocol, 300).await;
        let before = stats_when(&app, &log, |stats| stats["position"].as_u64() >= Some(256)).await;
        let position = before["position"].as_u64().expect("a position");
        let mut client = app.connect("/lite-stream?notices=1").await;
        app.wait_for_clients(1).await;
        let because = Some("entry 300 is lost".into());
        let decided = Log { resume_from: Some(301), because, ..with_its_key(&log, protocol) };
        app.reload(EAGER, vec![decided]).expect("a decision");
        let skipped = 301 - position;
        let mut alert = client.any_message().await;
        while alert["message_type"] != "log_alert" {
            alert = client.any_message().await;
        }
        let text = format!("{skipped} of the entries {position} to 300 are skipped: entry 300 is lost");
        assert_eq!((&alert["data"]["kind"], &alert["data"]["problem"]), (&json!("skipped"), &json!(text)));
        assert_eq!(alert["data"]["index"], position);
        // The tile that holds the entry can be served once the entry has been replaced.
        log.set_defects(Defects::default());
        log.publish(50);
        assert_eq!(client.indexes(50).await, (301..351).collect::<Vec<_>>(), "{protocol:?}");
        let stats = stats_when(&app, &log, |stats| stats["pending"] == 0).await;
        assert_eq!((&stats["skipped"], &stats["misbehaviours"]), (&json!(skipped), &json!(0)));
        assert_eq!(stats["verified_size"], 351, "verified again");
        let [shown] = stats["skips"].as_array().expect("a list").as_slice() else { panic!("{stats}") };
        assert_eq!((&shown["start"], &shown["end_exclusive"]), (&json!(position), &json!(301)));
        assert_eq!(shown["because"], "entry 300 is lost");
        let [record] = records(&app).try_into().expect("one record");
        assert_eq!((&record["start"], &record["entries"]), (&json!(position), &json!(skipped)));
        assert!(record["last_failure"].as_str().expect("a failure").contains("status 500"), "{record}");

        let dir = app.stop().await;
        let acknowledged = skip(&dir, &[&log.url(), "--acknowledge"]).expect("acknowledged");
        assert!(acknowledged.contains("1 skips acknowledged"), "{acknowledged}");
        let app = spawn_app_in(dir, &[], EAGER, vec![with_its_key(&log, protocol)]).await;
        let stats = stats_when(&app, &log, |stats| stats["position"] == 351).await;
        assert_eq!((&stats["skips"], &stats["skipped"]), (&json!([]), &json!(skipped)));
        app.stop().await;
    }
}

/// What was written down about skips.
fn records(app: &TestApp) -> Vec<Value> {
    let files = std::fs::read_dir(app.state().join("skipped")).expect("a folder");
    let read = |file: std::io::Result<std::fs::DirEntry>| std::fs::read(file.expect("a file").path());
    files.map(|file| serde_json::from_slice(&read(file).expect("a record")).expect("JSON")).collect()
}

#[actix_web::test]
async fn entries_that_differ_from_the_tree_are_passed_over() {
    for (demo, protocol) in BOTH {
        let log = log_with(DemoLogOptions { protocol: demo, ..DemoLogOptions::default() }).await;
        let mut app = spawn_app(EAGER, vec![with_its_key(&log, protocol)]).await;
        log.publish(300);
        stats_when(&app, &log, |stats| stats["position"] == 300).await;
        log.set_fault(Fault::WrongEntry, FaultOn::Entries, None);
        log.publish(300);
        let stats = stats_when(&app, &log, |stats| stats["misbehaviours"].as_u64() > Some(0)).await;
        assert_eq!(stats["position"], 300, "nothing of it is sent");
        let mut client = app.connect("/lite-stream").await;
        app.wait_for_clients(1).await;
        let because = Some("what is logged is not what is served".into());
        let decided = Log { resume_from: Some(600), because, ..with_its_key(&log, protocol) };
        app.reload(EAGER, vec![decided]).expect("a decision");
        stats_when(&app, &log, |stats| stats["position"] == 600).await;
        log.clear_faults();
        log.publish(50);
        assert_eq!(client.indexes(50).await, (600..650).collect::<Vec<_>>(), "{protocol:?}");
        let stats = stats_when(&app, &log, |stats| stats["pending"] == 0).await;
        assert_eq!((&stats["skipped"], &stats["verified_size"]), (&json!(300), &json!(650)));
        let [record] = records(&app).try_into().expect("one record");
        assert!(record["last_misbehaviour"].is_string() && record["verified_tree"][0] == 300, "{record}");
        app.stop().await;
    }
}

#[actix_web::test]
async fn what_stays_broken_is_passed_over_by_a_command() {
    let (log, app) = held(DemoProtocol::Rfc6962, Protocol::Rfc6962, 20).await;
    stats_when(&app, &log, |stats| stats["position"] == 20).await;
    let because = ["--because", "it is lost"];
    let to = |index: &'static str| [&["127.0.0.1", "--to", index][..], &because].concat();
    let running = skip_in(&app.state(), &to("21")).expect_err("the server runs");
    assert!(running.contains("stop the server first"), "{running}");
    let dir = app.stop().await;
    let unknown = skip(&dir, &to("21")).expect_err("another log");
    assert!(unknown.contains("it has those of") && unknown.contains(&log.url()), "{unknown}");
    let url = log.url();
    let done = skip(&dir, &[&url, "--to", "21", "--because", "it is lost"]).expect("a decision");
    assert!(done.contains("skips 1 entries before index 21"), "{done}");
    let app = spawn_app_in(dir, &[], EAGER, vec![with_its_key(&log, Protocol::Rfc6962)]).await;
    log.publish(5);
    let stats = stats_when(&app, &log, |stats| stats["position"] == 26).await;
    assert_eq!((&stats["delivered"], &stats["skipped"]), (&json!(25), &json!(1)));
    app.stop().await;
}

#[actix_web::test]
async fn verification_can_be_switched_off_for_one_log() {
    let log = log_with(DemoLogOptions::default()).await;
    log.set_defects(Defects { no_proof_to_multiples_of: Some(1), ..Defects::default() });
    log.publish(50);
    let watched = with_its_key(&log, Protocol::Rfc6962);
    let mut app = spawn_app(EAGER, vec![Log { start: StartAt::Number(10), ..watched.clone() }]).await;
    let stats = stats_when(&app, &log, |stats| stats["failures"].as_u64() > Some(0)).await;
    assert_eq!((&stats["verification"], &stats["position"]), (&json!("signed"), &json!(10)));
    let off = Log { start: StartAt::Number(10), verify: Some(Verify::Off), ..watched.clone() };
    app.reload(EAGER, vec![off]).expect("a decision");
    let stats = stats_when(&app, &log, |stats| stats["position"] == 50).await;
    assert_eq!(stats["verification"], "off");
    // From there on it is verified again, once the log can prove its tree.
    log.set_defects(Defects::default());
    app.reload(EAGER, vec![watched]).expect("a decision");
    log.publish(5);
    let stats = stats_when(&app, &log, |stats| stats["position"] == 55).await;
    assert_eq!((&stats["verification"], &stats["verified_size"]), (&json!("signed"), &json!(55)));
    app.stop().await;
}
