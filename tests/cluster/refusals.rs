//! Engines that a node cannot use as they are, and TLS.

use crate::cluster::{Cluster, Options};
use crate::engine::{Engine, EngineOptions, STREAM};
use crate::logs::{Logs, ONE_OF_EACH};
use crate::mutual_tls::{tls_keys, write_certificates};
use crate::nodes::{Node, Role};
use serde_json::{Value, json};

#[actix_web::test]
async fn wrong_credentials_are_named_as_the_reason() {
    let user = Some(("streamer", "right"));
    let options =
        Options { engine: EngineOptions { user, ..EngineOptions::default() }, ..Options::default() };
    let Some(cluster) = Cluster::start(options).await else { return };
    let clients = cluster.clients(1, 21);
    cluster.logs.publish(10);
    clients.wait_for_entries(20).await;
    for (role, user) in [(Role::Ingest, "streamer:wrong@"), (Role::Edge, "streamer:wrong@"), (Role::Edge, "")]
    {
        let mut node = Node::new(role, 9, &cluster.engine.urls_for(user), &cluster.logs.configuration());
        node.process.start();
        node.process.wait_for_log(&["credentials"]).await;
        assert!(!node.process.log().contains("streamer:wrong"), "a password in the log file");
        if let Some(status) = node.process.ended() {
            assert!(!status.success(), "{status}");
        }
    }
    cluster.finish(clients).await;
}

#[actix_web::test]
async fn the_engine_is_reached_over_tls_with_certificates_on_both_sides() {
    let dir = tempfile::tempdir().expect("a folder");
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    for folder in [&own, &other] {
        std::fs::create_dir(folder).expect("a folder");
        write_certificates(folder);
    }
    let engine = EngineOptions { tls: Some(own.clone()), ..EngineOptions::default() };
    let keys = tls_keys(&own, Some(&own));
    let Some(cluster) = Cluster::start(Options { engine, keys, ..Options::default() }).await else { return };
    let clients = cluster.clients(1, 22);
    cluster.logs.publish(100);
    clients.wait_for_entries(200).await;
    let wrong = [tls_keys(&other, Some(&own)), tls_keys(&own, Some(&other)), tls_keys(&own, None)];
    for section in wrong {
        let mut edge = Node::new(Role::Edge, 9, &cluster.engine.urls(), &section);
        edge.process.start();
        edge.process.wait_for_log(&["certificate", "unknownca"]).await;
        let answer = edge.get("/ndjson?stream=lite&since=1h&follow=0").await;
        assert!(answer.is_none_or(|(status, body)| status != 200 || body.is_empty()), "{section}");
    }
    cluster.finish(clients).await;
}

/// A stream that someone else has made is not changed, but it has to be one that the server can use.
#[actix_web::test]
async fn a_stream_with_other_settings_is_refused_by_their_name() {
    let Some(engine) = Engine::start(EngineOptions::default()).await else { return };
    let logs = Logs::start(&ONE_OF_EACH).await;
    let right = settings_of_the_server(&engine, &logs).await;
    for (setting, value, named) in [
        ("retention", json!("workqueue"), "retention"),
        ("subjects", json!(["another.>"]), "subjects"),
        ("max_msgs_per_subject", json!(1), "messages per subject"),
        ("discard", json!("new"), "discard"),
        ("max_age", json!(3_600_000_000_000_u64), "max_age"),
        ("max_bytes", json!(100 << 20), "max_bytes"),
        ("storage", json!("memory"), "storage"),
    ] {
        let mut stream = right.clone();
        stream[setting] = value;
        engine.command(&format!("STREAM.CREATE.{STREAM}"), stream).await;
        let mut node = Node::new(Role::Ingest, 0, &engine.urls(), &logs.configuration());
        node.process.start();
        let status = node.process.wait_for_end().await;
        assert!(!status.success(), "{setting}: {status}");
        assert!(node.process.log().contains(named), "{setting}: {}", node.process.log());
        engine.command(&format!("STREAM.DELETE.{STREAM}"), json!({})).await;
    }
}

/// The settings of the stream that the server makes. It does not exist any more.
async fn settings_of_the_server(engine: &Engine, logs: &Logs) -> Value {
    let mut node = Node::new(Role::Ingest, 0, &engine.urls(), &logs.configuration());
    node.start().await;
    let stream = engine.command(&format!("STREAM.INFO.{STREAM}"), json!({})).await;
    node.process.terminate();
    assert!(node.process.wait_for_end().await.success());
    engine.command(&format!("STREAM.DELETE.{STREAM}"), json!({})).await;
    stream["config"].clone()
}

#[actix_web::test]
async fn a_stream_larger_than_the_engines_disk_is_refused() {
    let engine = EngineOptions { max_file_store: Some(64 << 20), ..EngineOptions::default() };
    let Some(engine) = Engine::start(engine).await else { return };
    let logs = Logs::start(&ONE_OF_EACH).await;
    let mut node = Node::new(Role::Ingest, 0, &engine.urls(), &logs.configuration());
    node.process.start();
    node.process.wait_for_log(&["max_bytes"]).await;
}
