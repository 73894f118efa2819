//! Tests of logs behind an HTTP proxy.

use crate::helpers::{from_the_start, quiet_log, spawn_app_among};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that opens tunnels or refuses to.
#[derive(Clone)]
struct Proxy {
    address: SocketAddr,
    tunnels: Arc<AtomicUsize>,
    /// The response to CONNECT if the proxy refuses.
    refusal: Arc<Mutex<Option<&'static str>>>,
    authorized: Arc<AtomicBool>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Proxy {
            address: listener.local_addr().expect("an address"),
            tunnels: Arc::default(),
            refusal: Arc::default(),
            authorized: Arc::default(),
        };
        let serving = proxy.clone();
        actix_web::rt::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                actix_web::rt::spawn(serving.clone().serve(client));
            }
        });
        proxy
    }

    async fn serve(self, mut client: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.expect("a request"));
        }
        let head = String::from_utf8(head).expect("text");
        let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).expect("CONNECT");
        // "me:pass word"
        let authorized = head.contains("Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n");
        self.authorized.store(authorized, Ordering::SeqCst);
        let refusal = *self.refusal.lock().expect("the refusal");
        if let Some(refusal) = refusal {
            client.write_all(refusal.as_bytes()).await.expect("it takes the answer");
            return;
        }
        let mut server = TcpStream::connect(target).await.expect("the log");
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("it takes the answer");
        self.tunnels.fetch_add(1, Ordering::SeqCst);
        // The tunnel ends when either side closes its connection.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }

    fn url(&self) -> String {
        format!("http://me:pass%20word@{}", self.address)
    }
}

#[actix_web::test]
async fn logs_are_followed_through_the_proxy_that_the_environment_names() {
    let (log, proxy) = (quiet_log().await, Proxy::start().await);
    let app = spawn_app_among(&[("http_proxy", &proxy.url())], "", vec![from_the_start(&log)]).await;
    let mut client = app.connect("/lite-stream").await;
    app.wait_for_clients(1).await;
    log.publish(300);
    assert_eq!(client.indexes(300).await, (0..300).collect::<Vec<_>>());
    assert!(proxy.tunnels.load(Ordering::SeqCst) > 0);
    assert!(proxy.authorized.load(Ordering::SeqCst), "with the name and password of its URL");
    app.stop().await;
}

#[actix_web::test]
async fn what_is_excepted_goes_around_the_proxy() {
    let (log, proxy) = (quiet_log().await, Proxy::start().await);
    let variables = [("ALL_PROXY", proxy.url()), ("NO_PROXY", "127.0.0.1".to_string())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let app = spawn_app_among(&variables, "", vec![from_the_start(&log)]).await;
    log.publish(5);
    app.wait_for(|s| s["logs"][log.url()]["position"] == 5).await;
    assert_eq!(proxy.tunnels.load(Ordering::SeqCst), 0);
    app.stop().await;
}

#[actix_web::test]
async fn a_proxy_that_refuses_is_named_and_outlasted() {
    for (refusal, problem) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "status 407"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502"),
        ("220 mail.example ESMTP\r\n\r\n", "not HTTP"),
        ("HTTP/1.1 200", "closed the connection"),
    ] {
        let (log, proxy) = (quiet_log().await, Proxy::start().await);
        *proxy.refusal.lock().expect("the refusal") = Some(refusal);
        let admins = "[admin]\nallow = ['127.0.0.0/8']";
        let app = spawn_app_among(&[("HTTP_PROXY", &proxy.url())], admins, vec![from_the_start(&log)]).await;
        log.publish(5);
        let stats = app.wait_for(|s| s["logs"][log.url()]["failures"].as_u64() > Some(0)).await;
        let error = stats["logs"][log.url()]["last_error"].as_str().expect("an error").to_string();
        assert!(error.contains(&format!("proxy {}: ", proxy.address)) && error.contains(problem), "{error}");
        assert!(!error.contains("pass"), "{error}");
        *proxy.refusal.lock().expect("the refusal") = None;
        app.wait_for(|s| s["logs"][log.url()]["position"] == 5).await;
        app.stop().await;
    }
}
