//! Tests of TLS and of replacing certificates.

use crate::certificate::{tls, write_certificate};
use crate::helpers::{PATIENCE, TestApp, from_the_start, quiet_log, spawn_app_in};
use certstream_server::demo::DemoLog;
use futures_util::StreamExt;
use openssl::ssl::{Ssl, SslConnector, SslMethod, SslVerifyMode};
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;
use tokio_tungstenite::WebSocketStream;

async fn app_with_certificate_of(name: &str) -> (DemoLog, TestApp) {
    let dir = tempfile::tempdir().expect("a folder");
    write_certificate(dir.path(), name);
    let (log, toml) = (quiet_log().await, tls(dir.path()));
    let app = spawn_app_in(dir, &[], &toml, vec![from_the_start(&log)]).await;
    (log, app)
}

/// A connection with TLS, and the name in the server's certificate.
async fn connect(app: &TestApp) -> (SslStream<TcpStream>, String) {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("a connector");
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_alpn_protos(b"\x02h2\x08http/1.1").expect("protocols");
    let ssl = Ssl::new(connector.build().context()).expect("a session");
    let tcp = TcpStream::connect(app.address).await.expect("a connection");
    let mut stream = SslStream::new(ssl, tcp).expect("a stream");
    Pin::new(&mut stream).connect().await.expect("a handshake");
    assert_eq!(stream.ssl().selected_alpn_protocol(), Some(&b"http/1.1"[..]));
    let certificate = stream.ssl().peer_certificate().expect("a certificate");
    let name =
        certificate.subject_name().entries().next().expect("a name").data().to_string().expect("UTF-8");
    let name = name.to_string();
    (stream, name)
}

async fn subscribe(app: &TestApp) -> (WebSocketStream<SslStream<TcpStream>>, String) {
    let (stream, name) = connect(app).await;
    let (socket, _) =
        tokio_tungstenite::client_async("ws://localhost/full-stream", stream).await.expect("a stream");
    (socket, name)
}

/// The indexes of the next `count` messages.
async fn indexes(socket: &mut WebSocketStream<SslStream<TcpStream>>, count: usize) -> Vec<u64> {
    let mut indexes = Vec::new();
    while indexes.len() < count {
        let frame = timeout(PATIENCE, socket.next()).await.expect("a message in time").expect("a message");
        let Ok(text) = frame.expect("a frame").into_text() else { continue };
        let Ok(message) = serde_json::from_str::<serde_json::Value>(&text) else { continue };
        indexes.extend(message["data"]["cert_index"].as_u64());
    }
    indexes
}

#[actix_web::test]
async fn a_certificate_is_replaced_while_a_stream_goes_on() {
    let (log, mut app) = app_with_certificate_of("first.example").await;
    let (mut old, name) = subscribe(&app).await;
    assert_eq!(name, "first.example");
    log.publish(400);
    assert_eq!(indexes(&mut old, 400).await, (0..400).collect::<Vec<_>>());
    let dir = app.file("");
    write_certificate(&dir, "second.example");
    app.reload(&tls(&dir), vec![from_the_start(&log)]).expect("a reload");
    let (mut new, name) = subscribe(&app).await;
    assert_eq!(name, "second.example");
    log.publish(300);
    let expected = (400..700).collect::<Vec<_>>();
    assert_eq!(indexes(&mut old, 300).await, expected, "the old connection lives on");
    assert_eq!(indexes(&mut new, 300).await, expected);
    app.stop().await;
}

#[actix_web::test]
async fn a_renewed_certificate_is_found_without_being_told() {
    let (_log, app) = app_with_certificate_of("first.example").await;
    assert_eq!(connect(&app).await.1, "first.example");
    write_certificate(&app.file(""), "second.example");
    let begin = std::time::Instant::now();
    while connect(&app).await.1 != "second.example" {
        assert!(begin.elapsed() < PATIENCE, "the certificate is still the old one");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_certificate_that_cannot_be_used_changes_nothing() {
    let (log, mut app) = app_with_certificate_of("first.example").await;
    let dir = app.file("");
    let certificate = std::fs::read(dir.join("cert.pem")).expect("a certificate");
    write_certificate(&dir, "second.example");
    std::fs::write(dir.join("cert.pem"), certificate).expect("a file");
    let why = app.reload(&tls(&dir), vec![from_the_start(&log)]).expect_err("the key is another one's");
    assert!(why.contains("key.pem") && why.contains("mismatch"), "{why}");
    assert_eq!(connect(&app).await.1, "first.example");
    let why = app.reload("", vec![from_the_start(&log)]).expect_err("TLS cannot be turned off");
    assert!(why.contains("tls.certificate, tls.key cannot change"), "{why}");
    app.stop().await;
}

#[actix_web::test]
async fn clear_text_is_no_tls_and_is_ended() {
    let (_log, app) = app_with_certificate_of("first.example").await;
    let answer = awc::Client::default().get(app.http("/health")).send().await;
    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(connect(&app).await.1, "first.example");
    app.stop().await;
}

/// OpenSSL would buffer an endless handshake message until the handshake timeout.
#[actix_web::test]
async fn a_handshake_that_does_not_end_is_ended() {
    let dir = tempfile::tempdir().expect("a folder");
    write_certificate(dir.path(), "localhost");
    let (log, toml) = (quiet_log().await, tls(dir.path()) + "[access]\nhandshake_timeout = '10m'");
    let app = spawn_app_in(dir, &[], &toml, vec![from_the_start(&log)]).await;
    let mut stream = TcpStream::connect(app.address).await.expect("a connection");
    // A ClientHello of 128 KiB in records of 16 KiB.
    let mut hello = vec![1, 2, 0, 0];
    hello.resize(128 << 10, 3);
    let sending = async {
        for part in hello.chunks(16 << 10) {
            let mut record = vec![22, 3, 1];
            record.extend((part.len() as u16).to_be_bytes());
            record.extend(part);
            if stream.write_all(&record).await.is_err() {
                break;
            }
        }
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    timeout(PATIENCE, sending).await.expect("it is ended");
    app.stop().await;
}
