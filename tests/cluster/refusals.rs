//! Engines that a node cannot use as they are, and TLS.

use crate::cluster::{Cluster, Options};
use crate::engine::{Engine, EngineOptions, STREAM};
use crate::logs::{Logs, ONE_OF_EACH};
use crate::nodes::{Node, Role};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use serde_json::{Value, json};
use std::path::Path;

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

pub fn tls_keys(authority: &Path, client: Option<&Path>) -> String {
    let mut text = format!("tls_ca = '{}'\n", authority.join("ca.pem").display());
    if let Some(client) = client {
        let path = |name: &str| client.join(name).display().to_string();
        text += &format!("tls_certificate = '{}'\ntls_key = '{}'\n", path("cert.pem"), path("key.pem"));
    }
    text
}

/// Writes an authority (`ca.pem`) and a certificate for 127.0.0.1 that it has issued (`cert.pem`, `key.pem`).
pub fn write_certificates(dir: &Path) {
    let (authority_key, key) = (new_key(), new_key());
    let mut authority = certificate("Authority", "Authority", &authority_key, 1);
    authority
        .append_extension(BasicConstraints::new().critical().ca().build().expect("an extension"))
        .expect("space");
    authority.sign(&authority_key, MessageDigest::sha256()).expect("a signature");
    let authority = authority.build();
    let mut leaf = certificate("127.0.0.1", "Authority", &key, 2);
    let names =
        SubjectAlternativeName::new().ip("127.0.0.1").build(&leaf.x509v3_context(Some(&authority), None));
    leaf.append_extension(names.expect("an extension")).expect("space");
    leaf.sign(&authority_key, MessageDigest::sha256()).expect("a signature");
    let write = |name: &str, pem: Vec<u8>| std::fs::write(dir.join(name), pem).expect("a file");
    write("ca.pem", authority.to_pem().expect("PEM"));
    write("cert.pem", leaf.build().to_pem().expect("PEM"));
    write("key.pem", key.private_key_to_pem_pkcs8().expect("PEM"));
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key")
}

fn certificate(subject: &str, issuer: &str, key: &PKey<Private>, serial: u32) -> X509Builder {
    let name = |text: &str| {
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", text).expect("a name");
        name.build()
    };
    let serial = BigNum::from_u32(serial).and_then(|number| number.to_asn1_integer()).expect("a number");
    let mut certificate = X509::builder().expect("a certificate");
    certificate.set_version(2 /* v3 */).expect("a version");
    certificate.set_serial_number(&serial).expect("a number");
    certificate.set_subject_name(&name(subject)).expect("a subject");
    certificate.set_issuer_name(&name(issuer)).expect("an issuer");
    certificate.set_pubkey(key).expect("a key");
    certificate.set_not_before(&Asn1Time::days_from_now(0).expect("a time")).expect("a time");
    certificate.set_not_after(&Asn1Time::days_from_now(1).expect("a time")).expect("a time");
    certificate
}
