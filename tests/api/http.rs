//! Tests of HTTP/1.1 with normal, slow and hostile clients: one request at a time, limited in size and time.

use crate::helpers::{PATIENCE, TestApp, from_the_start, quiet_log, spawn_app};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A client whose operating system buffers only a few KB of unread data.
fn connect(address: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads a response with a Content-Length. Returns its head in lower case, and its body.
fn read_answer(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // Data sent to a closed connection may reset it.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

async fn app(toml: &str) -> TestApp {
    let log = quiet_log().await;
    log.publish(100);
    let app = spawn_app(toml, vec![from_the_start(&log)]).await;
    app.wait_for(|stats| stats["logs"].as_object().unwrap().values().all(|log| log["position"] == 100)).await;
    app
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    actix_web::rt::task::spawn_blocking(run).await.unwrap()
}

#[actix_web::test]
async fn requests_that_come_together_are_all_answered_in_order() {
    let app = app("").await;
    let address = app.address;
    blocking(move || {
        let mut stream = connect(address);
        for _ in 0..20 {
            for path in ["/health", "/no-such-path", "/example.json", "/health"].repeat(4) {
                write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            }
            for (status, found) in
                [("200", "alive"), ("404", "not found"), ("200", "leaf_cert"), ("200", "alive")].repeat(4)
            {
                let (head, body) = read_answer(&mut stream);
                assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
                assert!(String::from_utf8(body).unwrap().to_lowercase().contains(found));
            }
        }
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn a_head_has_one_answer_however_it_is_cut() {
    let app = app("").await;
    let address = app.address;
    blocking(move || {
        let request = b"GET /example.json HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        for cut in [1, 7, 50, 1000] {
            let mut stream = connect(address);
            stream.set_nodelay(true).unwrap();
            for part in request.chunks(cut) {
                stream.write_all(part).unwrap();
            }
            assert!(read_answer(&mut stream).0.starts_with("http/1.1 200 "));
            let head = read_to_end(&mut stream).to_lowercase();
            assert!(head.starts_with("http/1.1 200 ") && head.contains("connection: close"), "{head}");
            assert!(head.contains("content-length: ") && head.ends_with("\r\n\r\n"), "HEAD has no body: {head}");
        }
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn what_is_no_request_or_too_long_is_told_so_and_ended() {
    let app = app("").await;
    let address = app.address;
    blocking(move || {
        let long = "x".repeat(20_000);
        for (status, request) in [
            ("400", "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03".to_string()),
            ("400", "GET / HTTP/1.1\r\n\r\n".into()),
            ("400", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into()),
            (
                "400",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            ),
            ("431", format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")),
            ("431", format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {long}\r\n\r\n")),
            ("431", format!("{}{long}", "\n".repeat(20_000))),
        ] {
            let mut stream = connect(address);
            stream.write_all(request.as_bytes()).unwrap();
            let answer = read_to_end(&mut stream);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{:.60}: {answer}", request);
            assert!(answer.contains("connection: close"), "{answer}");
        }
    })
    .await;
    assert_eq!(app.ended_clients("bad_request").await, 7);
    app.stop().await;
}

/// Otherwise a client could occupy its slot for as long as it likes.
#[actix_web::test]
async fn bodies_are_not_waited_for() {
    let app = app("").await;
    let address = app.address;
    blocking(move || {
        for length in [
            "Transfer-Encoding: chunked",
            "Content-Length: 1000000",
            "Expect: 100-continue\r\nContent-Length: 9",
        ] {
            let mut stream = connect(address);
            write!(stream, "GET /health HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n1\r\nx").unwrap();
            let (head, body) = read_answer(&mut stream);
            assert!(head.starts_with("http/1.1 200 ") && head.contains("connection: close"), "{head}");
            assert!(String::from_utf8(body).unwrap().contains("alive"));
            assert_eq!(read_to_end(&mut stream), "", "it ends though the body does not");
        }
    })
    .await;
    app.stop().await;
}

/// However it comes, and whatever follows it on the same connection.
#[actix_web::test]
async fn a_body_is_read_where_a_route_uses_it() {
    let app = app("").await;
    let address = app.address;
    blocking(move || {
        let body = r#"{"domain":["a.example"]}"#;
        let (first, second) = body.split_at(7);
        let length = format!("Content-Length: {}\r\n\r\n", body.len());
        let chunked = format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len()
        );
        let mut stream = connect(address);
        stream.set_nodelay(true).unwrap();
        for rest in [format!("{length}{body}"), chunked] {
            let request = format!("POST /filters HTTP/1.1\r\nHost: localhost\r\n{rest}");
            for cut in [7, 1000] {
                for part in request.as_bytes().chunks(cut) {
                    stream.write_all(part).unwrap();
                }
                write!(stream, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
                let (head, answer) = read_answer(&mut stream);
                assert!(head.starts_with("http/1.1 200 "), "{head}");
                assert!(String::from_utf8(answer).unwrap().starts_with(r#"{"expires":"2"#));
                assert!(read_answer(&mut stream).0.starts_with("http/1.1 200 "), "the next request");
            }
        }
        write!(stream, "POST /filters HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{length}").unwrap();
        assert!(read_answer(&mut stream).0.starts_with("http/1.1 100 "));
        stream.write_all(body.as_bytes()).unwrap();
        assert!(read_answer(&mut stream).0.starts_with("http/1.1 200 "));
    })
    .await;
    app.stop().await;
}

/// A client cannot make the server wait for a body, or keep one that is too large.
#[actix_web::test]
async fn a_body_has_to_come_in_time_and_completely() {
    let app = app("[access]\nhandshake_timeout = '1s'").await;
    let address = app.address;
    blocking(move || {
        for (length, sent, message) in [
            ("Content-Length: 100", "{", "has not come completely"),
            ("Transfer-Encoding: chunked", "1\r\n{\r\n", "has not come completely"),
            ("Transfer-Encoding: chunked", "x\r\n{\r\n", "has not come completely"),
            ("Content-Length: 9999999", &" ".repeat(5 << 20), "has more than 4194304 bytes"),
        ] {
            let mut stream = connect(address);
            let begin = Instant::now();
            write!(stream, "POST /filters HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n").unwrap();
            // The server may answer before it has read everything.
            let _ = stream.write_all(sent.as_bytes());
            let (head, answer) = read_answer(&mut stream);
            assert!(head.starts_with("http/1.1 400 ") && head.contains("connection: close"), "{head}");
            assert!(String::from_utf8(answer).unwrap().contains(message), "{length}");
            assert!(sent.len() > 100 || begin.elapsed() < Duration::from_secs(20));
        }
        let mut stream = connect(address);
        write!(stream, "POST /latest.json HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1").unwrap();
        let (head, _) = read_answer(&mut stream);
        assert!(head.starts_with("http/1.1 405 ") && head.contains("connection: close"), "{head}");
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn a_request_has_to_be_whole_in_time() {
    let app = app("[access]\nhandshake_timeout = '1s'").await;
    let address = app.address;
    blocking(move || {
        let mut silent = connect(address);
        assert_eq!(read_to_end(&mut silent), "", "one that says nothing is told nothing");
        let mut dripping = connect(address);
        let begin = Instant::now();
        while dripping.write_all(b"G").is_ok() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
            if begin.elapsed() > Duration::from_millis(1500) {
                break;
            }
        }
        assert!(read_to_end(&mut dripping).starts_with("HTTP/1.1 408 "));
        let mut again = connect(address);
        write!(again, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        assert!(read_answer(&mut again).0.starts_with("http/1.1 200 "));
        assert_eq!(read_to_end(&mut again), "", "nor is one waited for that asks no more");
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn answers_that_are_not_taken_end_the_connection_and_nothing_is_read_meanwhile() {
    let app = app("[clients]\nstall_timeout = '2s'").await;
    let address = app.address;
    let written = blocking(move || {
        let mut stream = connect(address);
        let requests = "GET /latest.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
        let mut written = 0;
        // The buffers of the server's and the client's operating system fill up. After that, nothing is
        // accepted until the connection is closed.
        while stream.write_all(requests.as_bytes()).is_ok() {
            written += requests.len();
        }
        written
    })
    .await;
    assert!(written < 8 << 20, "{written} bytes of requests were taken");
    assert_eq!(app.ended_clients("stalled").await, 1);
    app.stop().await;
}

#[actix_web::test]
async fn one_who_reads_slowly_gets_the_whole_answer() {
    let app = app("[newest]\nmessages = 100\n[clients]\nstall_timeout = '3s'").await;
    let address = app.address;
    let answer = blocking(move || {
        let mut stream = connect(address);
        write!(stream, "GET /latest.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let (mut answer, mut part) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match stream.read(&mut part).unwrap() {
                0 => return String::from_utf8(answer).unwrap(),
                n => answer.extend(&part[..n]),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
    .await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let latest: serde_json::Value = serde_json::from_str(body).expect("whole JSON");
    assert_eq!(latest["messages"].as_array().unwrap().len(), 100);
    assert_eq!(app.ended_clients("stalled").await, 0);
    app.stop().await;
}

#[actix_web::test]
async fn connections_that_ask_nothing_end_when_the_server_stops() {
    let app = app("[access]\nhandshake_timeout = '10m'").await;
    let address = app.address;
    let mut idle = blocking(move || {
        let mut stream = connect(address);
        write!(stream, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        read_answer(&mut stream);
        stream
    })
    .await;
    app.stop().await;
    assert_eq!(blocking(move || read_to_end(&mut idle)).await, "");
}

/// A proxy's rules for a path must apply to every spelling of it.
#[actix_web::test]
async fn paths_have_one_spelling() {
    let app = app("").await;
    let address = app.address;
    blocking(move || {
        for path in [
            "//stats",
            "/%73tats",
            "/stats/",
            "/./stats",
            "/x/../stats",
            "/STATS",
            "/metrics/",
            "//metrics",
            "/stats;x",
        ] {
            let mut stream = connect(address);
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            assert!(read_answer(&mut stream).0.starts_with("http/1.1 404 "), "{path}");
        }
    })
    .await;
    app.stop().await;
}

/// A client that requests HTTP/2 over clear text, such as Java's, gets HTTP/1.1 and the notice that the
/// connection is closed.
#[actix_web::test]
async fn other_protocols_are_not_spoken_and_a_body_of_nothing_is_none() {
    let app = app("").await;
    let address = app.address;
    blocking(move || {
        let mut stream = connect(address);
        let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk";
        write!(stream, "GET /health HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n\r\n").unwrap();
        let (head, _) = read_answer(&mut stream);
        assert!(head.starts_with("http/1.1 200 ") && head.contains("connection: close"), "{head}");
        assert_eq!(read_to_end(&mut stream), "");
        let mut stream = connect(address);
        let handshake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0";
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\n{handshake}\r\n\r\n").unwrap();
        assert!(read_answer(&mut stream).0.starts_with("http/1.1 101 "));
    })
    .await;
    app.stop().await;
}
