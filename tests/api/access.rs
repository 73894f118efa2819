//! Tests of which clients may connect, and of the responses to the others.

use crate::helpers::{Subscriber, TestApp, from_the_start, quiet_log, spawn_app};
use actix_web::http::header::HeaderMap;
use serde_json::Value;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

const TOKENS: &str = "
[[tokens]]
name = 'alice'
token = 'alice-has-this-token'
streams = ['lite']
connections = 2
[[tokens]]
name = 'bob'
sha256 = '350bc5f8d059529d18cb330953077e9d993dc597196a2b439b6dae64d474701e'
";

const LOCAL_ADMINS: &str = "[admin]\nallow = ['127.0.0.0/8', '::1']\n";

async fn app(toml: &str) -> TestApp {
    let log = quiet_log().await;
    log.publish(3);
    spawn_app(&format!("[heartbeat]\ninterval = '200ms'\n{toml}"), vec![from_the_start(&log)]).await
}

fn request(app: &TestApp, path: &str, headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = format!("ws://{}{path}", app.address).into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    request
}

/// The status and the reason for which a stream is refused.
async fn refused(app: &TestApp, path: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
    match tokio_tungstenite::connect_async(request(app, path, headers)).await {
        Err(Error::Http(response)) => {
            let body: Value =
                serde_json::from_slice(response.body().as_deref().unwrap_or_default()).expect("a reason");
            (response.status().as_u16(), body["error"].as_str().expect("a text").into())
        }
        other => panic!("{other:?}"),
    }
}

async fn asked(
    address: impl std::fmt::Display,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, HeaderMap, String) {
    let mut request = awc::Client::default().get(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.append_header((*name, *value));
    }
    let mut response = request.send().await.expect("an answer");
    let body = response.body().limit(10 << 20).await.expect("a body");
    let mut all = HeaderMap::new();
    response.headers().iter().for_each(|(name, value)| all.append(name.clone(), value.clone()));
    (response.status().as_u16(), all, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

#[actix_web::test]
async fn without_a_token_nothing_is_heard_where_there_are_some() {
    let app = app(TOKENS).await;
    for path in ["/", "/full-stream", "/lite-stream", "/domains-only", "/develop"] {
        let (status, why) = refused(&app, path, &[]).await;
        assert_eq!(status, 401, "{path}");
        assert!(why.contains("?token=TOKEN"), "{why}");
    }
    for path in ["/latest.json", "/example.json", "/lite-stream/example.json", "/sse?stream=lite"] {
        let (status, headers, _) = asked(app.address, path, &[]).await;
        assert_eq!(status, 401, "{path}");
        assert_eq!(headers.get("www-authenticate").expect("a header"), "Bearer");
    }
    for path in ["/", "/health", "/stats", "/metrics"] {
        assert_eq!(asked(app.address, path, &[]).await.0, 200, "{path}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_token_in_the_header_or_the_query_opens_its_own_streams() {
    let app = app(&format!("{LOCAL_ADMINS}{TOKENS}")).await;
    let header = [("authorization", "Bearer alice-has-this-token")];
    let mut by_header = Subscriber::connect(request(&app, "/lite-stream", &header)).await;
    let mut by_query =
        Subscriber::connect(request(&app, "/lite-stream?notices=1&token=alice-has-this-token", &[])).await;
    by_header.any_message().await;
    by_query.any_message().await;
    let (status, why) = refused(&app, "/full-stream", &header).await;
    assert_eq!((status, why.as_str()), (403, "this token is not valid for this stream"));
    assert_eq!(asked(app.address, "/latest.json", &header).await.0, 403);
    assert_eq!(asked(app.address, "/lite-stream/example.json", &header).await.0, 200);
    for wrong in ["alice-has-this-toke", "Alice-has-this-token", ""] {
        let (status, why) = refused(&app, &format!("/lite-stream?token={wrong}"), &[]).await;
        assert_eq!((status, why.as_str()), (401, "unknown token"), "{wrong}");
    }
    let stats = app.get("/stats").await;
    assert!(stats["clients"].as_object().expect("clients").values().all(|client| client["token"] == "alice"));
    app.stop().await;
}

#[actix_web::test]
async fn a_token_known_by_its_digest_opens_every_stream() {
    let app = app(TOKENS).await;
    for path in ["/", "/lite-stream", "/domains-only"] {
        let path = format!("{path}?token=bob-is-known-by-a-digest");
        Subscriber::connect(request(&app, &path, &[])).await.any_message().await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_token_has_so_many_connections_and_gets_them_back() {
    let app = app(TOKENS).await;
    let path = "/lite-stream?token=alice-has-this-token";
    let one = app.connect(path).await;
    let _two = app.connect(path).await;
    assert_eq!(refused(&app, path, &[]).await.0, 429);
    drop(one);
    app.wait_for_clients(1).await;
    let _three = app.connect(path).await;
    assert_eq!(refused(&app, path, &[]).await.0, 429);
    app.stop().await;
}

#[actix_web::test]
async fn all_and_each_address_have_so_many_connections() {
    for (access, status) in [("connections = 3", 503), ("connections_per_address = 3", 429)] {
        let app = app(&format!("[access]\n{access}")).await;
        let clients = [app.connect("/").await, app.connect("/").await, app.connect("/").await];
        let (refused_with, why) = refused(&app, "/", &[]).await;
        assert_eq!(refused_with, status, "{why}");
        drop(clients);
        // The server notices a moment later that its client has disconnected.
        let begin = std::time::Instant::now();
        while tokio_tungstenite::connect_async(request(&app, "/", &[])).await.is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "a slot was not given back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        app.stop().await;
    }
}

#[actix_web::test]
async fn a_handshake_that_is_aborted_gives_its_slot_back() {
    use tokio::io::AsyncWriteExt;
    let app = app("[access]\nconnections = 2").await;
    let handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for end in (0..handshake.len()).step_by(7) {
        let mut stream = tokio::net::TcpStream::connect(app.address).await.expect("a connection");
        // Writing may fail, because the server may already have closed a refused connection.
        let _ = stream.write_all(&handshake.as_bytes()[..end]).await;
        drop(stream);
    }
    let begin = std::time::Instant::now();
    loop {
        let both = [
            tokio_tungstenite::connect_async(request(&app, "/", &[])).await,
            tokio_tungstenite::connect_async(request(&app, "/", &[])).await,
        ];
        if both.iter().all(Result::is_ok) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "a slot was not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn networks_are_let_in_or_not() {
    let denied = app("[access]\ndeny = ['127.0.0.0/8']").await;
    let (status, _, body) = asked(denied.address, "/health", &[]).await;
    assert_eq!((status, body.contains("may not connect")), (403, true));
    assert_eq!(refused(&denied, "/", &[]).await.0, 403);
    denied.stop().await;
    let elsewhere = app("[access]\nallow = ['192.0.2.0/24']").await;
    assert_eq!(refused(&elsewhere, "/", &[]).await.0, 403);
    elsewhere.stop().await;
}

/// Sends a request from the address `from` on a new connection, and returns the status.
async fn status_from(app: &TestApp, from: &str) -> u16 {
    status_at(app.address, from).await
}

async fn connected(to: std::net::SocketAddr, from: &str) -> tokio::net::TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(format!("{from}:0").parse().expect("an address")).expect("its address");
    socket.connect(to).await.expect("a connection")
}

async fn status_at(to: std::net::SocketAddr, from: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = connected(to, from).await;
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).expect("a status line");
    status.parse().expect("a status")
}

#[actix_web::test]
async fn an_address_that_opens_many_connections_waits_for_its_turn_and_others_do_not() {
    let app = app("[access]\nnew_connections_per_address = 1\nhandshake_timeout = '2s'").await;
    let begin = std::time::Instant::now();
    let answers = futures_util::future::join_all((0..40).map(|_| status_from(&app, "127.0.0.2"))).await;
    let let_in = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), answers.len() - let_in);
    // Twenty at once, plus one for each second that passes.
    let most = 22 + begin.elapsed().as_secs() as usize;
    assert!((22..=most).contains(&let_in), "{let_in} of {most}");
    assert!(begin.elapsed() >= Duration::from_millis(1500), "the last of them waited");
    assert_eq!(status_from(&app, "127.0.0.3").await, 200);
    let metrics = app.metrics().await;
    let refused = answers.len() - let_in;
    assert!(metrics.contains(&format!("reason=\"address_rate\"}} {refused}\n")), "{metrics}");
    app.stop().await;

    let proxied =
        self::app("[access]\nnew_connections_per_address = 1\ntrusted_proxies = ['127.0.0.2']").await;
    let begin = std::time::Instant::now();
    for _ in 0..40 {
        assert_eq!(status_from(&proxied, "127.0.0.2").await, 200);
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "none of them waited");
    proxied.stop().await;
}

#[actix_web::test]
async fn only_a_trusted_proxy_says_who_asks() {
    let rules =
        "[access]\ntrusted_proxies = ['127.0.0.1']\ndeny = ['198.51.100.66']\nconnections_per_address = 1";
    let app = app(&format!("{LOCAL_ADMINS}{rules}")).await;
    let from = |address| [("x-forwarded-for", address)];
    let _one = Subscriber::connect(request(&app, "/", &from("203.0.113.5"))).await;
    assert_eq!(refused(&app, "/", &from("203.0.113.5")).await.0, 429);
    let _other = Subscriber::connect(request(&app, "/", &from("192.0.2.1, 203.0.113.6"))).await;
    assert_eq!(refused(&app, "/", &from("198.51.100.66")).await.0, 403);
    assert_eq!(refused(&app, "/", &from("nonsense")).await.0, 400);
    app.wait_for_clients(2).await;
    let stats = app.get("/stats").await.to_string();
    assert!(!stats.contains("203.0.113.5"), "the proxy itself is no admin here: {stats}");
    app.stop().await;

    let app = self::app(&format!("{LOCAL_ADMINS}[access]\ndeny = ['198.51.100.66']")).await;
    let _client = Subscriber::connect(request(&app, "/", &from("198.51.100.66"))).await;
    app.wait_for_clients(1).await;
    let stats = app.get("/stats").await.to_string();
    assert!(stats.contains("127.0.0.1") && !stats.contains("198.51.100.66"), "{stats}");
    app.stop().await;
}

#[actix_web::test]
async fn nobody_sees_where_clients_are_unless_they_are_named_as_admins() {
    // By default, a request through a proxy on this machine without a header would look exactly like this
    // one.
    for rules in ["", "[admin]\nallow = ['192.0.2.1']\n"] {
        let app = app(rules).await;
        let _client = app.connect("/").await;
        app.wait_for_clients(1).await;
        let stats = app.get("/stats").await;
        let (name, client) = stats["clients"].as_object().expect("clients").iter().next().expect("a client");
        assert!(name.starts_with("hidden-"), "{name}");
        assert_eq!(client["ip_address"], "hidden");
        app.stop().await;
    }

    // A client behind an unknown proxy is not an admin, even if the proxy is on this machine.
    let app = self::app(LOCAL_ADMINS).await;
    let _client = app.connect("/").await;
    app.wait_for_clients(1).await;
    assert!(asked(app.address, "/stats", &[]).await.2.contains("127.0.0.1"));
    for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let (_, _, body) = asked(app.address, "/stats", &[(header, "203.0.113.5")]).await;
        assert!(!body.contains("127.0.0.1\""), "{header}: {body}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn statistics_and_metrics_can_be_for_admins_alone() {
    let app = app("[admin]\nallow = ['192.0.2.1']\nonly = true").await;
    for path in ["/stats", "/metrics"] {
        let (status, _, body) = asked(app.address, path, &[]).await;
        assert_eq!((status, body.contains("[admin]")), (403, true), "{path}");
    }
    assert_eq!(asked(app.address, "/health", &[]).await.0, 200);
    app.stop().await;

    let app = self::app(&format!("{LOCAL_ADMINS}only = true")).await;
    for path in ["/stats", "/metrics"] {
        assert_eq!(asked(app.address, path, &[]).await.0, 200, "{path}");
        let (status, _, body) = asked(app.address, path, &[("host", "attacker.example")]).await;
        assert_eq!((status, body.contains("admin.hosts")), (403, true), "{path}: {body}");
        let (status, _, body) = asked(app.address, path, &[("sec-fetch-site", "cross-site")]).await;
        assert_eq!((status, body.contains("pages of other sites")), (403, true), "{path}: {body}");
    }
    app.stop().await;
}

/// Headers of requests that a page of another site, or of a name that resolves to this server, can make an
/// admin's browser send.
const FOREIGN: [(&str, &str); 6] = [
    ("host", "attacker.example"),
    ("host", "127.0.0.1.attacker.example:8080"),
    ("origin", "http://attacker.example"),
    ("origin", "null"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
];

#[actix_web::test]
async fn an_admins_browser_shows_other_sites_nothing_of_what_admins_see() {
    let app = app(&format!("{LOCAL_ADMINS}hosts = ['stats.example']")).await;
    let _client = app.connect("/").await;
    app.wait_for_clients(1).await;
    let own = format!("http://{}", app.address);
    for header in [("host", "localhost"), ("host", "Stats.example:8080"), ("origin", own.as_str())] {
        let (status, headers, body) = asked(app.address, "/stats", &[header]).await;
        assert_eq!((status, body.contains("\"127.0.0.1\"")), (200, true), "{header:?}: {body}");
        assert!(headers.get("access-control-allow-origin").is_none(), "{header:?}");
        assert_eq!(headers.get("cache-control").expect("a header"), "no-store", "{header:?}");
    }
    for header in FOREIGN {
        let (status, headers, body) = asked(app.address, "/stats", &[header]).await;
        assert_eq!((status, body.contains("\"127.0.0.1\"")), (200, false), "{header:?}: {body}");
        assert_eq!(headers.get("access-control-allow-origin").expect("a header"), "*", "{header:?}");
    }
    app.stop().await;

    let app = self::app("[admin]\nlisten = '127.0.0.1:0'").await;
    let admin = app.admin_address.expect("an address");
    for header in FOREIGN {
        for path in ["/stats", "/metrics"] {
            let (status, _, body) = asked(admin, path, &[header]).await;
            assert_eq!(status, 403, "{header:?} {path}: {body}");
        }
    }
    let (status, headers, _) = asked(admin, "/stats", &[]).await;
    assert_eq!((status, headers.get("access-control-allow-origin")), (200, None));
    app.stop().await;
}

/// A connection for several consecutive requests.
struct KeptAlive(tokio::net::TcpStream);

impl KeptAlive {
    /// The status of the response; `None` if the connection has been closed.
    async fn get(&mut self, path: &str) -> Option<u16> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.ok()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).expect("a head").to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.expect("a length").parse().expect("a number")];
        self.0.read_exact(&mut body).await.expect("a body");
        Some(head.split(' ').nth(1).expect("a status").parse().expect("a number"))
    }
}

#[actix_web::test]
async fn an_address_that_is_denied_later_is_denied_on_its_connections_too() {
    let log = quiet_log().await;
    log.publish(3);
    let logs = || vec![from_the_start(&log)];
    let mut app = spawn_app("", logs()).await;
    app.wait_for(|stats| stats["logs"][log.url()]["position"] == 3).await;
    let mut connection = KeptAlive(tokio::net::TcpStream::connect(app.address).await.expect("a connection"));
    assert_eq!(connection.get("/latest.json").await, Some(200));
    app.reload("[access]\ndeny = ['127.0.0.1']", logs()).expect("a reload");
    assert_eq!(connection.get("/latest.json").await, None);
    assert_eq!(asked(app.address, "/latest.json", &[]).await.0, 403);
    app.stop().await;
}

#[actix_web::test]
async fn statistics_and_metrics_can_have_an_address_of_their_own() {
    let app = app("[admin]\nlisten = '127.0.0.1:0'").await;
    let admin = app.admin_address.expect("an address");
    for path in ["/stats", "/metrics"] {
        assert_eq!(asked(app.address, path, &[]).await.0, 404, "{path}");
        assert_eq!(asked(admin, path, &[]).await.0, 200, "{path}");
    }
    for path in ["/", "/full-stream", "/latest.json", "/sse"] {
        assert_eq!(asked(admin, path, &[]).await.0, 404, "{path}");
    }
    assert_eq!(asked(admin, "/health", &[]).await.0, 200);
    app.stop().await;

    let app = self::app("[admin]\nlisten = '127.0.0.1:0'\nallow = []").await;
    assert_eq!(asked(app.admin_address.expect("an address"), "/stats", &[]).await.0, 403);
    app.stop().await;
}

/// Admins need access most when clients use up all resources.
#[actix_web::test]
async fn clients_and_admins_take_nothing_up_of_each_other() {
    let app = app("[admin]\nlisten = '127.0.0.1:0'\nallow = ['127.0.0.1']\n[access]\nconnections = 2").await;
    let admin = app.admin_address.expect("an address");
    let open = async |address| {
        let mut connection = KeptAlive(tokio::net::TcpStream::connect(address).await.expect("a connection"));
        (connection.get("/health").await.expect("an answer"), connection)
    };
    let mut clients = vec![open(app.address).await, open(app.address).await];
    assert_eq!(open(app.address).await.0, 503);
    let mut admins = Vec::new();
    let refused = loop {
        match open(admin).await {
            (200, connection) => admins.push(connection),
            (status, _) => break status,
        }
    };
    assert_eq!((refused, admins.len()), (503, 16));
    // Other addresses are rejected before they use any resources.
    assert_eq!(status_at(admin, "127.0.0.2").await, 403);
    let strangers: Vec<_> =
        futures_util::future::join_all((0..20).map(|_| connected(admin, "127.0.0.2"))).await;
    drop(admins);
    let begin = std::time::Instant::now();
    while open(admin).await.0 != 200 {
        assert!(begin.elapsed() < crate::helpers::PATIENCE, "silent strangers keep the admins out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(strangers);
    for (status, client) in &mut clients {
        assert_eq!((*status, client.get("/health").await), (200, Some(200)));
    }
    app.stop().await;
}

#[actix_web::test]
async fn who_says_nothing_is_not_waited_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = app("[access]\nhandshake_timeout = '500ms'").await;
    for said in ["", "GET / HTTP/1.1\r\nHost: "] {
        let mut stream = tokio::net::TcpStream::connect(app.address).await.expect("a connection");
        stream.write_all(said.as_bytes()).await.expect("a beginning");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(crate::helpers::PATIENCE, stream.read_to_end(&mut answer)).await;
        read.expect("an end in time").expect("an end");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn networks_of_ipv4_mapped_addresses_hold_for_ipv4_clients() {
    let denied = app("[access]\ndeny = ['::ffff:127.0.0.0/104']").await;
    assert_eq!(asked(denied.address, "/health", &[]).await.0, 403);
    denied.stop().await;
    let app = app("[access]\ntrusted_proxies = ['::ffff:127.0.0.1/128']\ndeny = ['198.51.100.66']").await;
    let from = [("x-forwarded-for", "198.51.100.66")];
    assert_eq!(asked(app.address, "/health", &from).await.0, 403);
    app.stop().await;
}

#[actix_web::test]
async fn new_rules_end_those_whom_they_do_not_let_in() {
    let mut app = app(TOKENS).await;
    let mut alice = app.connect("/lite-stream?token=alice-has-this-token").await;
    let mut bob = app.connect("/lite-stream?token=bob-is-known-by-a-digest").await;
    app.wait_for_clients(2).await;
    let without_alice = TOKENS.split_once("[[tokens]]\nname = 'bob'").expect("bob's").1;
    let log = quiet_log().await;
    let changed = app.reload(
        &format!("[heartbeat]\ninterval = '200ms'\n[[tokens]]\nname = 'bob'{without_alice}"),
        vec![from_the_start(&log)],
    );
    assert_eq!(changed, Ok(vec!["logs".into(), "tokens".into()]));
    let (_, close) = alice.until_closed().await;
    assert_eq!(close.expect("a close frame").code, CloseCode::Policy);
    assert_eq!(refused(&app, "/lite-stream?token=alice-has-this-token", &[]).await.0, 401);
    log.publish(2);
    assert_eq!(bob.message().await["message_type"], "certificate_update");
    app.stop().await;
}
