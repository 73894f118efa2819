//! What cannot be followed, and what is said about it.

use crate::certificate::{tls, write_certificate};
use crate::client::{Client, command, cursor};
use crate::fake::{Act, Fake};
use crate::server::Server;
use certstream_server::demo::DemoProtocol;
use rustix::process::Signal;
use std::path::Path;

/// What is said if the program ends with status 2.
async fn refused(args: &[&str]) -> String {
    let mut client = Client::start(args);
    assert_eq!(client.status().await, 2, "{}", client.said());
    assert!(client.lines().is_empty());
    assert_eq!(client.said().lines().count(), 1, "{}", client.said());
    client.said()
}

#[actix_web::test]
async fn what_the_server_refuses_is_told_in_its_words() {
    let server = Server::start().await;
    for (path, args, expected) in [
        ("/", &["--filter", "domian=x"][..], "400: domian: no such parameter; did you mean domain?"),
        ("/lite-stream", &["--since", "yesterday"], "since: expected a duration such as 1h"),
        ("/?cursor=9000000000000000", &[], "has not been given yet"),
        ("/no-such-path", &[], "404"),
        ("/stats", &[], "not a WebSocket stream"),
        ("/ndjson?stream=lite", &[], "is not a WebSocket stream"),
        ("/full-stream", &["--stream", "lite"], "--stream lite cannot be used with it"),
    ] {
        let said = refused(&[&[&*server.url(path)], args].concat()).await;
        assert!(said.contains(expected), "{said}");
    }
    let said = refused(&["localhost:8080"]).await;
    assert!(said.contains("expected one such as wss://"), "{said}");
}

#[actix_web::test]
async fn a_cursor_file_of_another_stream_or_server_is_refused() {
    let server = Server::start().await;
    let file = server.file("cursor");
    let path = file.to_str().unwrap();
    let url = server.url("/lite-stream");
    let mut first = Client::start(&[&url, "--domain", "test", "--cursor-file", path]);
    crate::client::until("a cursor", || cursor(&file).is_some()).await;
    let said = refused(&[&url, "--domain", "test", "--cursor-file", path]).await;
    assert!(said.contains("in use by another process"), "{said}");
    first.signal(Signal::TERM);
    assert_eq!(first.status().await, 0);
    let said = refused(&[&url, "--domain", "other", "--cursor-file", path]).await;
    assert!(
        said.contains("belongs to another stream or filter") && said.contains("delete this one"),
        "{said}"
    );
    // A number that this server has not given.
    let text = std::fs::read_to_string(&file).unwrap();
    let seq = cursor(&file).unwrap();
    std::fs::write(&file, text.replace(&seq.to_string(), "9000000000000000")).unwrap();
    let said = refused(&[&url, "--domain", "test", "--cursor-file", path]).await;
    assert!(said.contains("cursor: 9000000000000000 has not been given yet"), "{said}");
    assert!(said.contains("delete the cursor file"), "{said}");
    let said = refused(&[&url, "--cursor-file", "/dev/null/cursor"]).await;
    assert!(said.contains("/dev/null/cursor: "), "{said}");
}

#[actix_web::test]
async fn a_redirect_is_not_followed_but_told() {
    let moved =
        "HTTP/1.1 301 Moved Permanently\r\nLocation: https://other.example/\r\nContent-Length: 0\r\n\r\n";
    let fake = Fake::start(vec![Act::Answer(moved)]).await;
    let said = refused(&[&fake.url("/")]).await;
    assert!(said.contains("refers to https://other.example/"), "{said}");
}

#[actix_web::test]
async fn a_server_that_cannot_be_reached_is_tried_again_until_a_signal() {
    let mut client = Client::start(&["ws://127.0.0.1:1/"]);
    crate::client::until("two attempts", || client.said().matches("connecting again in").count() >= 2).await;
    assert!(client.said().contains("refused") && client.is_running(), "{}", client.said());
    client.signal(Signal::INT);
    assert_eq!(client.status().await, 0);
}

#[actix_web::test]
async fn a_certificate_has_to_be_trusted() {
    let dir = tempfile::tempdir().unwrap();
    write_certificate(dir.path(), "localhost");
    let server = Server::with(&tls(dir.path()), &[DemoProtocol::Rfc6962]).await;
    server.log().publish(3);
    let url = format!("wss://localhost:{}/?since=1h", server.port);
    let said = refused(&[&url]).await;
    assert!(
        said.contains("the server's certificate is not accepted") && said.contains("self-signed"),
        "{said}"
    );
    let trusting = |url: &str, file: &Path| {
        let mut command = command(&[url, "--count", "3"]);
        command.env("SSL_CERT_FILE", file);
        Client::spawn(command)
    };
    let mut client = trusting(&url, &dir.path().join("cert.pem"));
    assert_eq!(client.status().await, 0, "{}", client.said());
    assert_eq!(client.lines().len(), 3);
    let by_address = url.replace("localhost", "127.0.0.1");
    let mut client = trusting(&by_address, &dir.path().join("cert.pem"));
    assert_eq!(client.status().await, 2, "it is for another name");
}
