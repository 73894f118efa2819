//! Outputs to a stream of JetStream, of a server without a cluster.

use crate::engine::{Engine, EngineOptions};
use crate::logs::{Logs, ONE_OF_EACH};
use crate::mutual_tls::{tls_keys, write_certificates};
use crate::nodes::{Node, Role};
use crate::wait_until;
use async_nats::ConnectOptions;
use async_nats::jetstream;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;

const STREAM: &str = "CERTIFICATES";
/// `batch_messages` of the outputs.
const BATCH: u64 = 200;

/// A message that the stream has stored.
struct Stored {
    subject: String,
    seq: Option<String>,
    text: Value,
}

impl Stored {
    fn log(&self) -> String {
        self.text["data"]["source"]["name"].as_str().unwrap_or_default().into()
    }

    fn index(&self) -> u64 {
        self.text["data"]["cert_index"].as_u64().expect("an index")
    }
}

async fn engine(options: EngineOptions) -> Option<Engine> {
    let engine = Engine::start(options).await?;
    let version = engine.command("INFO", json!({})).await["api"]["level"].as_u64();
    if version < Some(2) {
        eprintln!("SKIPPED: this nats-server has no atomic batches");
        return None;
    }
    Some(engine)
}

async fn make_stream(engine: &Engine, change: Value) {
    let mut stream =
        json!({ "name": STREAM, "subjects": ["certstream.>"], "allow_atomic": true, "storage": "file" });
    let changes = change.as_object().expect("an object").clone();
    stream.as_object_mut().expect("an object").extend(changes);
    engine.command(&format!("STREAM.CREATE.{STREAM}"), stream).await;
}

/// A server whose output has these further `keys`.
fn server(urls: &[String], logs: &Logs, keys: &str) -> Node {
    let output = format!(
        "[admin]\nallow = ['127.0.0.1']\n[fetch]\noperator_requests_per_second = 10000\npartial_tile_wait = '1s'\n\
         [[outputs]]\nname = 'nats'\ntype = 'nats'\nbegin = 'oldest'\nservers = {urls:?}\njetstream = '{STREAM}'\n\
         batch_wait = '50ms'\nbatch_messages = {BATCH}\n{keys}\n{}",
        logs.configuration()
    );
    Node::new(Role::All, 0, &["nats://127.0.0.1:9".into()], &output)
}

/// Everything that the stream has, once it has what `is_all` wants.
async fn stored(urls: &[String], is_all: impl Fn(&[Stored]) -> bool) -> Vec<Stored> {
    let client = ConnectOptions::new().connect(urls.to_vec()).await.expect("the engine");
    let mut stream = jetstream::new(client).get_stream(STREAM).await.expect("the stream");
    let mut all: Vec<Stored> = Vec::new();
    wait_until("the stream has everything", async || {
        let last = stream.info().await.expect("its state").state.last_sequence;
        while (all.len() as u64) < last {
            let message = stream.get_raw_message(all.len() as u64 + 1).await.expect("a message");
            all.push(Stored {
                subject: message.subject.to_string(),
                seq: message.headers.get("Certstream-Seq").map(|value| value.to_string()),
                text: serde_json::from_slice(&message.payload).expect("JSON"),
            });
        }
        is_all(&all)
    })
    .await;
    all
}

/// Checks that each log has its entries in order, and that after each of `breaks` at most a batch came again.
fn judge(stored: &[Stored], logs: &Logs, breaks: u64) {
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    let (mut repeated, mut newest) = (0, 0);
    for message in stored {
        let next = next.entry(message.log()).or_default();
        assert!(message.index() <= *next, "entries {next} to {} are missing or come later", message.index());
        *next = (*next).max(message.index() + 1);
        let seq = message.text["seq"].as_u64().expect("a number");
        assert_eq!(message.seq, Some(seq.to_string()));
        repeated += u64::from(seq <= newest);
        newest = newest.max(seq);
    }
    assert_eq!(next, logs.sizes());
    assert!(repeated <= breaks * BATCH, "{repeated} messages again after {breaks} breaks");
    println!("{} messages, {repeated} again after {breaks} breaks", stored.len());
}

/// Whether all entries of `logs` are there.
fn has_all(stored: &[Stored], logs: &Logs) -> bool {
    logs.sizes()
        .iter()
        .all(|(log, size)| stored.iter().any(|message| message.log() == *log && message.index() + 1 == *size))
}

#[actix_web::test]
async fn messages_come_by_log_each_once_and_in_order() {
    let Some(engine) = engine(EngineOptions::default()).await else { return };
    make_stream(&engine, json!({})).await;
    let logs = Logs::start(&ONE_OF_EACH).await;
    let mut server = server(&engine.urls(), &logs, "");
    server.start().await;
    for _ in 0..5 {
        logs.publish(300);
        sleep(Duration::from_millis(300)).await;
    }
    let all = stored(&engine.urls(), |stored| has_all(stored, &logs)).await;
    judge(&all, &logs, 0);
    for message in &all {
        let url = message.text["data"]["source"]["url"].as_str().expect("a URL");
        let word: String = url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        assert_eq!(message.subject, format!("certstream.lite.{word}"));
    }
    logs.stop().await;
}

#[actix_web::test]
async fn everything_arrives_in_order_however_the_engine_and_the_server_end() {
    let Some(mut engine) = engine(EngineOptions::default()).await else { return };
    make_stream(&engine, json!({})).await;
    let logs = Logs::start(&ONE_OF_EACH).await;
    let mut server = server(&engine.urls(), &logs, "");
    server.start().await;
    logs.grow(600.0);
    for round in 0..4 {
        sleep(Duration::from_millis(1200 + 130 * round)).await;
        engine.restart_with(|_| {}).await;
        sleep(Duration::from_millis(900 + 170 * round)).await;
        server.process.kill();
        server.start().await;
    }
    logs.end_growth().await;
    judge(&stored(&engine.urls(), |stored| has_all(stored, &logs)).await, &logs, 8);
    logs.stop().await;
}

/// Single messages, each with an acknowledgement, would be out of order then.
#[actix_web::test]
async fn everything_arrives_in_order_when_the_leader_of_the_stream_is_killed() {
    let Some(mut engine) = engine(EngineOptions { nodes: 3, ..EngineOptions::default() }).await else {
        return;
    };
    make_stream(&engine, json!({ "num_replicas": 3 })).await;
    let logs = Logs::start(&ONE_OF_EACH).await;
    let mut server = server(&engine.urls(), &logs, "");
    server.start().await;
    logs.grow(600.0);
    for _ in 0..3 {
        sleep(Duration::from_secs(2)).await;
        engine.command(&format!("STREAM.LEADER.STEPDOWN.{STREAM}"), json!({})).await;
        sleep(Duration::from_secs(1)).await;
        let leader = engine.wait_for_leader_of(STREAM).await;
        engine.nodes[leader].process.kill();
        sleep(Duration::from_secs(2)).await;
        engine.nodes[leader].process.start();
        engine.wait_until_healthy().await;
    }
    logs.end_growth().await;
    judge(&stored(&engine.urls(), |stored| has_all(stored, &logs)).await, &logs, 6);
    logs.stop().await;
}

#[actix_web::test]
async fn what_is_wrong_with_the_stream_is_said_and_then_everything_arrives() {
    let Some(engine) = engine(EngineOptions::default()).await else { return };
    let logs = Logs::start(&ONE_OF_EACH).await;
    let mut server = server(&engine.urls(), &logs, "");
    server.start().await;
    logs.publish(50);
    server.process.wait_for_log(&["the stream certificates cannot be used: stream not found"]).await;
    make_stream(&engine, json!({ "allow_atomic": false, "subjects": ["other.>"] })).await;
    server.process.wait_for_log(&["does not take atomic batches"]).await;
    let update = |subjects: Value| json!({ "name": STREAM, "subjects": subjects, "allow_atomic": true, "storage": "file" });
    engine.command(&format!("STREAM.UPDATE.{STREAM}"), update(json!(["other.>"]))).await;
    server.process.wait_for_log(&["no stream takes the subject certstream.lite."]).await;
    engine.command(&format!("STREAM.UPDATE.{STREAM}"), update(json!(["certstream.>"]))).await;
    judge(&stored(&engine.urls(), |stored| has_all(stored, &logs)).await, &logs, 0);
    server.process.wait_for_log(&["output nats: it delivers again"]).await;
    logs.stop().await;
}

#[actix_web::test]
async fn each_registered_domain_has_a_subject() {
    let Some(engine) = engine(EngineOptions::default()).await else { return };
    make_stream(&engine, json!({})).await;
    let logs = Logs::start(&ONE_OF_EACH[..1]).await;
    let mut server = server(&engine.urls(), &logs, "stream = 'domains'\nsubject = 'certstream.of.{domain}'");
    server.start().await;
    let mut expected = BTreeMap::new();
    let mut published = 0;
    // One certificate in a hundred is for several domains.
    while !expected.values().any(|subjects: &Vec<String>| subjects.len() > 1) {
        assert!(published < 5000, "none of {published} entries is for several domains");
        logs.publish(300);
        published += 300;
        expected = subjects_by_domain(&server.search_for(published, "").await);
    }
    let count = expected.values().map(Vec::len).sum::<usize>();
    let all = stored(&engine.urls(), |stored| stored.len() >= count).await;
    let mut found: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for message in &all {
        found
            .entry(message.text["seq"].as_u64().expect("a number"))
            .or_default()
            .push(message.subject.clone());
    }
    for (seq, subjects) in expected {
        assert_eq!(found.get(&seq), Some(&subjects), "{seq}");
    }
    logs.stop().await;
}

/// The subjects that a message of the domains stream has, by its number: one for each registered domain.
fn subjects_by_domain(messages: &[String]) -> BTreeMap<u64, Vec<String>> {
    let mut subjects = BTreeMap::new();
    for message in messages {
        let message: Value = serde_json::from_str(message).expect("JSON");
        let Some(seq) = message["seq"].as_u64().filter(|_| message["message_type"] == "certificate_update")
        else {
            continue;
        };
        let names = message["data"]["leaf_cert"]["all_domains"].as_array().expect("names");
        // The domains stream has no message without names.
        if names.is_empty() {
            continue;
        }
        let domains = names.iter().filter_map(|name| {
            let name = name.as_str()?.trim_start_matches("*.").to_ascii_lowercase();
            let domain = psl::domain_str(&name)?;
            Some(format!("certstream.of.{}", domain.rsplit('.').collect::<Vec<_>>().join(".")))
        });
        let mut domains: Vec<_> = domains.collect();
        domains.sort();
        domains.dedup();
        if domains.is_empty() {
            domains.push("certstream.of._".to_string());
        }
        subjects.insert(seq, domains);
    }
    subjects
}

#[actix_web::test]
async fn the_servers_are_reached_with_a_password() {
    let options = EngineOptions { user: Some(("writer", "se/cret")), ..EngineOptions::default() };
    let Some(engine) = engine(options).await else { return };
    make_stream(&engine, json!({})).await;
    let logs = Logs::start(&ONE_OF_EACH[..1]).await;
    let urls = engine.urls_for("");
    let mut refused = server(&urls, &logs, "username = 'writer'\npassword = 'wrong'");
    refused.start().await;
    refused.process.wait_for_log(&["nats cannot be reached at nats://127.0.0.1"]).await;
    assert!(!refused.process.log().contains("wrong"), "a password in the log file");
    let mut admitted = server(&urls, &logs, "username = 'writer'\npassword = 'se/cret'");
    admitted.start().await;
    logs.publish(20);
    wait_until("the stream has everything", async || {
        engine.command(&format!("STREAM.INFO.{STREAM}"), json!({})).await["state"]["messages"] == 20
    })
    .await;
    logs.stop().await;
}

#[actix_web::test]
async fn the_servers_are_reached_over_tls_with_certificates_on_both_sides() {
    let dir = tempfile::tempdir().expect("a folder");
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    for folder in [&own, &other] {
        std::fs::create_dir(folder).expect("a folder");
        write_certificates(folder);
    }
    let options = EngineOptions { tls: Some(own.clone()), ..EngineOptions::default() };
    let Some(engine) = Engine::start(options).await else { return };
    let logs = Logs::start(&ONE_OF_EACH[..1]).await;
    for (keys, expected) in [
        (tls_keys(&own, Some(&own)), "the stream certificates cannot be used: stream not found"),
        (tls_keys(&other, Some(&own)), "nats cannot be reached at tls://127.0.0.1"),
        (tls_keys(&own, Some(&other)), "nats cannot be reached at tls://127.0.0.1"),
        (tls_keys(&own, None), "nats cannot be reached at tls://127.0.0.1"),
    ] {
        let mut server = server(&engine.urls(), &logs, &keys);
        server.start().await;
        server.process.wait_for_log(&[expected]).await;
    }
    logs.stop().await;
}
