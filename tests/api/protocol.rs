//! Tests the WebSocket protocol from the client's side, frame by frame. Covers the cases of Autobahn's test
//! suite for servers (sections 1 to 7, 9, 12 and 13) that apply to a server that does not echo.

use crate::helpers::{PATIENCE, TestApp, from_the_start, quiet_log, spawn_app};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// The expected outcome for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The connection stays open: a ping gets a pong.
    Lives,
    /// The server closes it with this code.
    Closed(u16),
    /// The server closes it without a code.
    ClosedPlainly,
}

/// A masked frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let (mask, mut frame) = ([0x37, 0xfa, 0x21, 0x3d], vec![first]);
    match payload.len() {
        n @ 0..126 => frame.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Connects a client to the domains stream and completes its handshake.
fn connect(address: SocketAddr, extra: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    write!(stream, "GET /domains-only HTTP/1.1\r\nHost: {address}\r\n{HANDSHAKE}\r\n{extra}\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let agreed = String::from_utf8_lossy(&head).to_lowercase().contains("permessage-deflate");
    assert_eq!(agreed, !extra.is_empty());
    stream
}

/// The next frame: its first byte and its payload. `None` at the end of the connection.
fn read_frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    // If the server closes the connection while the client is still sending, the connection may be reset.
    stream.read_exact(&mut head).ok()?;
    assert!(head[1] < 126, "nothing but short frames is expected here");
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).ok()?;
    Some((head[0], payload))
}

/// Sends `bytes` in parts of `cut`, then a ping. Returns the outcome, and the pongs received before that.
fn say(stream: &mut TcpStream, bytes: &[u8], cut: usize) -> (End, Vec<Vec<u8>>) {
    let ping = frame(0x89, b"still there?");
    for part in bytes.chunks(cut).chain([&ping[..]]) {
        // The server may close the connection before everything has been sent.
        if stream.write_all(part).is_err() {
            break;
        }
    }
    let mut pongs = Vec::new();
    loop {
        match read_frame(stream) {
            Some((0x8a, payload)) if payload == b"still there?" => return (End::Lives, pongs),
            Some((0x8a, payload)) => pongs.push(payload),
            Some((0x88, payload)) => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                return (code.map_or(End::ClosedPlainly, End::Closed), pongs);
            }
            // Slow cases receive pings and heartbeats in between.
            Some((0x89 | 0x81, _)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Runs all cases, each on a separate connection.
async fn hold(app: &TestApp, extra: &'static str, cases: Vec<(&'static str, Vec<u8>, End)>) {
    let address = app.address;
    let run = move || {
        for (what, bytes, end) in cases {
            for cut in [1 << 20, 1] {
                // Only short cases are sent byte by byte.
                if cut == 1 && bytes.len() > 1000 {
                    continue;
                }
                assert_eq!(
                    say(&mut connect(address, extra), &bytes, cut).0,
                    end,
                    "{what}, in parts of {cut}"
                );
            }
        }
    };
    actix_web::rt::task::spawn_blocking(run).await.unwrap();
}

async fn app() -> TestApp {
    spawn_app("", vec![from_the_start(&quiet_log().await)]).await
}

#[actix_web::test]
async fn messages_of_any_length_and_fragments_are_taken() {
    use End::{Closed, Lives};
    let app = app().await;
    let mut cases = Vec::new();
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 4 << 20] {
        cases.push(("1.1 text", frame(0x81, &vec![b'*'; length]), Lives));
        cases.push(("1.2 binary", frame(0x82, &vec![0xfe; length]), Lives));
    }
    let million_parts: Vec<u8> =
        [frame(0x02, b"")].into_iter().chain((0..10_000).map(|_| frame(0x00, &[7; 64]))).flatten().collect();
    cases.push(("9 a long message in short fragments", [million_parts, frame(0x80, b"")].concat(), Lives));
    cases.push(("5.3 fragments", [frame(0x01, b"a"), frame(0x80, b"b")].concat(), Lives));
    cases.push((
        "5.6 a ping between",
        [frame(0x01, b"a"), frame(0x89, b"x"), frame(0x80, b"b")].concat(),
        Lives,
    ));
    cases.push(("5.1 a ping in fragments", frame(0x09, b"a"), Closed(1002)));
    cases.push(("5.9 a continuation of nothing", frame(0x80, b"a"), Closed(1002)));
    cases.push(("5.18 a text within a text", [frame(0x01, b"a"), frame(0x01, b"b")].concat(), Closed(1002)));
    hold(&app, "", cases).await;
    app.stop().await;
}

#[actix_web::test]
async fn pings_are_answered_with_what_they_said() {
    let app = app().await;
    let address = app.address;
    let run = move || {
        for payload in [&b""[..], b"Hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", &[0xfe; 125]] {
            let mut stream = connect(address, "");
            for octet in frame(0x89, payload) {
                stream.write_all(&[octet]).unwrap();
            }
            assert_eq!(read_frame(&mut stream), Some((0x8a, payload.to_vec())), "2.1 to 2.6");
            assert_eq!(say(&mut stream, b"", 1), (End::Lives, vec![]));
        }
        let ten: Vec<u8> = (0..10).flat_map(|i| frame(0x89, &[i])).collect();
        let (end, pongs) = say(&mut connect(address, ""), &ten, 1 << 20);
        // Older pings that arrive together with a newer one need no pong (RFC 6455 section 5.5.3).
        assert!(
            end == End::Lives && pongs.is_sorted() && pongs.iter().all(|pong| pong.len() == 1),
            "2.10 {pongs:?}"
        );
    };
    actix_web::rt::task::spawn_blocking(run).await.unwrap();
    let pong_and_long = vec![
        ("2.7 a pong that nobody asked for", frame(0x8a, b"x"), End::Lives),
        ("2.5", frame(0x89, &[0; 126]), End::Closed(1002)),
    ];
    hold(&app, "", pong_and_long).await;
    app.stop().await;
}

#[actix_web::test]
async fn what_is_reserved_closes_with_1002() {
    let app = app().await;
    let mut cases = Vec::new();
    for first in [0xc1, 0xa1, 0x91, 0xf1, 0xc9, 0xb8] {
        cases.push(("3 reserved bits", frame(first, b"x"), End::Closed(1002)));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push(("4 reserved opcodes", frame(0x80 | opcode, b""), End::Closed(1002)));
    }
    cases.push(("a frame without a mask", vec![0x81, 1, b'x'], End::Closed(1002)));
    hold(&app, "", cases).await;
    app.stop().await;
}

#[actix_web::test]
async fn text_that_is_not_utf8_closes_with_1007() {
    let app = app().await;
    let good = "Hello-µ@ßöäüàá-UTF-8!!\u{10ffff}".as_bytes();
    let mut cases = vec![("6.2 text", frame(0x81, good), End::Lives)];
    let octets: Vec<u8> = good.iter().flat_map(|octet| frame(0x00, &[*octet])).collect();
    cases.push((
        "6.2.3 octets as fragments",
        [frame(0x01, b""), octets, frame(0x80, b"")].concat(),
        End::Lives,
    ));
    for bad in [
        &b"\xce\xba\xed\xa0\x80edited"[..],
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xff",
        b"\xe0\x80\x80",
        b"\xce",
    ] {
        cases.push(("6.3 to 6.21", frame(0x81, bad), End::Closed(1007)));
    }
    // The error must be detected before the message ends.
    cases.push(("6.4 fail fast", frame(0x01, b"\xce\xba\xf4\x90"), End::Closed(1007)));
    hold(&app, "", cases).await;
    app.stop().await;
}

#[actix_web::test]
async fn close_frames_are_answered_and_bad_ones_refused() {
    let app = app().await;
    let mut cases = vec![("7.1.1 without a code", frame(0x88, b""), End::ClosedPlainly)];
    for code in [1000u16, 1001, 1002, 1003, 1007, 1011, 3000, 3999, 4000, 4999] {
        let payload = [&code.to_be_bytes()[..], b"bye"].concat();
        cases.push(("7.7 codes that may be sent", frame(0x88, &payload), End::Closed(code)));
    }
    for code in [0u16, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        cases.push(("7.9 codes that may not", frame(0x88, &code.to_be_bytes()), End::Closed(1002)));
    }
    cases.push(("7.3.2 half a code", frame(0x88, &[3]), End::Closed(1002)));
    cases.push(("7.3.6 too long", frame(0x88, &[3; 126]), End::Closed(1002)));
    cases.push((
        "7.5.1 a reason that is no text",
        frame(0x88, b"\x03\xe8\xce\xba\xed\xa0\x80"),
        End::Closed(1007),
    ));
    let with_more = [frame(0x88, &1000u16.to_be_bytes()), frame(0x81, b"\xff"), frame(0x83, b"")].concat();
    cases.push(("7.1.3 what comes after it is ignored", with_more, End::Closed(1000)));
    hold(&app, "", cases).await;
    app.stop().await;
}

#[actix_web::test]
async fn compressed_messages_are_taken_from_those_who_agreed_on_it() {
    let app = app().await;
    let compressed = b"\xf2\x48\xcd\xc9\xc9\x07\x00"; // "Hello", RFC 7692 section 7.2.3.1
    let cases = vec![
        ("12 a compressed text", frame(0xc1, compressed), End::Lives),
        (
            "13 in fragments",
            [frame(0x41, &compressed[..3]), frame(0x80, &compressed[3..])].concat(),
            End::Lives,
        ),
        ("not compressed", frame(0x81, b"Hello"), End::Lives),
        ("RSV1 on a continuation", [frame(0x41, b""), frame(0xc0, b"")].concat(), End::Closed(1002)),
        ("RSV1 on a ping", frame(0xc9, b""), End::Closed(1002)),
        ("RSV2", frame(0xa1, b""), End::Closed(1002)),
    ];
    hold(&app, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", cases).await;
    app.stop().await;
}

/// Requests for an upgrade that is not possible get a normal response, and the connection is closed.
#[actix_web::test]
async fn an_upgrade_that_cannot_be_is_answered() {
    let app = app().await;
    let address = app.address;
    let run = move || {
        for (request, status, word) in [
            (format!("GET /nothing HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n\r\n"), "404", "Not Found"),
            (
                format!("GET /stats HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n\r\n"),
                "200",
                "connected_client_count",
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".into(),
                "200",
                "<html",
            ),
            (
                format!(
                    "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{HANDSHAKE}\r\n\r\n0\r\n\r\n"
                ),
                "400",
                "must not have a body",
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".into(),
                "400",
                "error",
            ),
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answer}");
            assert!(answer.contains(word), "{request}{answer}");
        }
    };
    actix_web::rt::task::spawn_blocking(run).await.unwrap();
    app.stop().await;
}
