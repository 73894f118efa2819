//! Tests with servers whose behaviour no HTTP library supports.

use super::*;
use crate::http_client::{ALPN, HttpError, HttpSettings, NotPublic, Proxies, Reach, TlsClient, tls_builder};
use crate::log_client::memory::MOST;
use crate::log_client::requests_beside;
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{AlpnError, Ssl, SslAcceptor, SslMethod, SslVerifyMode, select_next_proto};
use openssl::x509::{X509, X509NameBuilder};
use std::pin::Pin;
use std::sync::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_openssl::SslStream;

/// Timeout for everything in these tests.
const PATIENCE: Duration = Duration::from_secs(30);
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A client that accepts every certificate. Otherwise it has the same settings as for real logs.
fn client(timeout: Duration, reach: Reach) -> Http {
    let tls = TlsClient::with(tls_builder().unwrap(), SslVerifyMode::NONE);
    Http::new(&FetchSettings {
        http: HttpSettings {
            tls,
            proxies: Proxies::none(),
            reach,
            timeout,
            user_agent: "certstream-server-test".into(),
        },
        limits: Arc::new(OperatorLimits::new(10, 1000, requests_beside())),
        traffic: Arc::default(),
        memory: Arc::default(),
        issuer_wait: Duration::ZERO,
        sends_chains: Arc::new(|| true),
        names_tiles: false,
    })
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A TLS acceptor with `choose` as its ALPN selection.
fn acceptor(
    choose: impl for<'a> Fn(&'a [u8]) -> Result<&'a [u8], AlpnError> + Sync + Send + 'static,
) -> SslAcceptor {
    let key = EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap();
    let key = PKey::from_ec_key(key).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let (name, mut certificate) = (name.build(), X509::builder().unwrap());
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&certificate.build()).unwrap();
    acceptor.set_alpn_select_callback(move |_, offered| choose(offered));
    acceptor.build()
}

async fn accept(acceptor: &SslAcceptor, stream: TcpStream) -> Option<SslStream<TcpStream>> {
    let mut stream = SslStream::new(Ssl::new(acceptor.context()).unwrap(), stream).unwrap();
    Pin::new(&mut stream).accept().await.ok()?;
    Some(stream)
}

/// Writes an endless body until the client stops reading.
async fn drip(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut request = [0; 1024];
    if stream.read(&mut request).await.unwrap_or(0) == 0 || stream.write_all(CHUNKED).await.is_err() {
        return;
    }
    while stream.write_all(b"1\r\n \r\n").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix::test]
async fn a_log_that_offers_http2_is_spoken_to_in_http1() {
    let (listener, port) = listen().await;
    let (tell, told) = oneshot::channel();
    let offers = Arc::new(Mutex::new(Vec::new()));
    let noted = offers.clone();
    let acceptor = acceptor(move |offered| {
        noted.lock().unwrap().extend_from_slice(offered);
        select_next_proto(b"\x02h2\x08http/1.1", offered).ok_or(AlpnError::NOACK)
    });
    actix::spawn(async move {
        let mut stream = accept(&acceptor, listener.accept().await.unwrap().0).await.unwrap();
        let mut request = vec![0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        tell.send(String::from_utf8(request[..length].to_vec()).unwrap()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        stream.flush().await.unwrap();
    });
    let http = client(PATIENCE, Reach::Anywhere);
    assert_eq!(http.body(&format!("https://localhost:{port}/a"), 10).await.unwrap(), "ok");
    assert!(told.await.unwrap().starts_with("GET /a HTTP/1.1\r\n"));
    assert_eq!(*offers.lock().unwrap(), ALPN, "HTTP/2 is not offered");
}

/// RFC 7301 does not allow the server to do this. The client does not speak HTTP/2 even then.
#[actix::test]
async fn a_log_that_insists_on_http2_gets_none() {
    let (listener, port) = listen().await;
    let (tell, told) = oneshot::channel();
    let acceptor = acceptor(|_| Ok(b"h2"));
    actix::spawn(async move {
        let mut first = Vec::new();
        if let Some(mut stream) = accept(&acceptor, listener.accept().await.unwrap().0).await {
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap_or(0);
            first.extend_from_slice(&request[..length]);
        }
        tell.send(first).unwrap();
    });
    let http = client(Duration::from_secs(2), Reach::Anywhere);
    assert!(http.body(&format!("https://localhost:{port}/"), 10).await.is_err());
    let first = tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
    assert!(!first.starts_with(b"PRI * HTTP/2"), "{:?}", String::from_utf8_lossy(&first));
}

#[actix::test]
async fn what_is_given_up_is_not_read_on() {
    for with_tls in [false, true] {
        let (listener, port) = listen().await;
        let (tell, closed) = oneshot::channel();
        let acceptor =
            acceptor(|offered| select_next_proto(b"\x02h2\x08http/1.1", offered).ok_or(AlpnError::NOACK));
        actix::spawn(async move {
            let stream = listener.accept().await.unwrap().0;
            if with_tls {
                drip(accept(&acceptor, stream).await.unwrap()).await;
            } else {
                drip(stream).await;
            }
            tell.send(()).unwrap();
        });
        let http = client(Duration::from_millis(500), Reach::Anywhere);
        let url = format!("http{}://localhost:{port}/", if with_tls { "s" } else { "" });
        let error = http.body(&url, usize::MAX).await.unwrap_err();
        assert!(matches!(error, FetchError::Http(HttpError::Timeout(_))), "{error}");
        tokio::time::timeout(PATIENCE, closed).await.expect("the socket is closed").unwrap();
    }
}

#[actix::test]
async fn a_body_that_is_too_large_is_refused_by_what_it_declares_and_by_what_comes() {
    for head in
        ["HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n", std::str::from_utf8(CHUNKED).unwrap()]
    {
        let (listener, port) = listen().await;
        let (tell, closed) = oneshot::channel();
        actix::spawn(async move {
            let mut stream = listener.accept().await.unwrap().0;
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.write_all(b"10\r\n0123456789abcdef\r\n").await.is_ok() {}
            tell.send(()).unwrap();
        });
        let error =
            client(PATIENCE, Reach::Anywhere).body(&format!("http://127.0.0.1:{port}/"), 1 << 20).await;
        assert!(
            matches!(error, Err(FetchError::Http(HttpError::TooLarge { limit: 0x10_0000 }))),
            "{error:?}"
        );
        tokio::time::timeout(PATIENCE, closed).await.expect("the socket is closed").unwrap();
    }
}

#[actix::test]
async fn an_answer_is_counted_while_it_comes_and_given_up_where_all_logs_have_too_much() {
    let (listener, port) = listen().await;
    actix::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            actix::spawn(drip(stream));
        }
    });
    let http = client(PATIENCE, Reach::Anywhere);
    let url = format!("http://127.0.0.1:{port}/");
    let another = Arc::new(http.memory.of_another_log());
    let (mut of_another, mut own) = (another.part(), http.memory.part());
    let fails = http.body(&url, 1 << 20);
    let others_take_more = async {
        // The responses use most of the memory, and the larger part belongs to another log.
        own.set(MOST / 4);
        of_another.set(MOST / 2);
        tokio::time::sleep(Duration::from_millis(500)).await;
        of_another.set(MOST);
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Now this log uses more than its half.
        own.set(MOST / 2);
    };
    let begin = std::time::Instant::now();
    let (failed, ()) = futures_util::future::join(fails, others_take_more).await;
    assert!(matches!(failed, Err(FetchError::Http(HttpError::NoRoom))), "{failed:?}");
    assert!(begin.elapsed() >= Duration::from_secs(1), "not while it has less than its share");
    of_another.set(0);
    assert!(http.memory.may_grow(), "nothing is left of the answer");
    assert!(matches!(http.body(&url, 10).await, Err(FetchError::Http(HttpError::TooLarge { limit: 10 }))));
}

#[actix::test]
async fn large_bodies_of_one_log_are_read_one_at_a_time_and_small_ones_beside_them() {
    let (listener, port) = listen().await;
    actix::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            actix::spawn(async move {
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                let large = request[..length].starts_with(b"GET /large");
                let size = if large { 2 * MAX_BESIDE_BYTES } else { 10 };
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                // Writing fails if the client cancels the request.
                let _ = stream.write_all(&vec![b' '; size]).await;
            });
        }
    });
    let http = client(Duration::from_secs(1), Reach::Anywhere);
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let turn = http.large.acquire().await.unwrap();
    assert!(
        matches!(http.body(&url("large"), 100 << 20).await, Err(FetchError::Http(HttpError::Timeout(_)))),
        "it has to wait"
    );
    assert_eq!(http.body(&url("small"), 100 << 20).await.unwrap().len(), 10);
    drop(turn);
    let http = client(PATIENCE, Reach::Anywhere);
    let url = url("large");
    let three = [0; 3].map(|_| http.body(&url, 100 << 20));
    for body in futures_util::future::join_all(three).await {
        assert_eq!(body.unwrap().len(), 2 * MAX_BESIDE_BYTES);
    }
}

#[actix::test]
async fn a_log_of_an_unsigned_list_is_not_reached_where_it_is_not_public() {
    let (listener, port) = listen().await;
    let http = client(PATIENCE, Reach::PublicOnly);
    for (url, refused) in [
        (format!("http://localhost:{port}/"), NotPublic::NoTls),
        (format!("https://127.0.0.1:{port}/"), NotPublic::Internal { host: "127.0.0.1".into() }),
        // A name that resolves to this machine. The name of a public server could do the same at any time.
        (format!("https://localhost:{port}/"), NotPublic::Internal { host: "localhost".into() }),
    ] {
        let error = http.body(&url, 10).await.unwrap_err();
        assert!(
            matches!(&error, FetchError::Http(HttpError::NotPublic(why)) if *why == refused),
            "{url}: {error:?}"
        );
        assert_eq!(error.public_text(), "not on the public internet");
    }
    let touched = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(touched.is_err(), "nobody connected");
}

#[test]
fn html_is_told_from_everything_that_a_log_serves() {
    let page = b"\n<!DOCTYPE html><html><head><title> Maintenance </title></head></html>";
    assert_eq!(html_title(page), Some("maintenance".into()));
    assert_eq!(html_title(b"<html>"), Some(String::new()));
    for other in
        [&b"{\"entries\":[]}"[..], b"", b"<", b"\x00\x00\x01\x9a", b"log.example/2026\n5\n", b"<svg>"]
    {
        assert_eq!(html_title(other), None);
    }
}
