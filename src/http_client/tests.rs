//! Tests with real servers: certificates that are not accepted, and connections that are closed while idle.

use super::*;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_openssl::SslStream;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const DAY: i64 = 24 * 60 * 60;

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A certificate for `name` that is valid on these days from now, signed by `signer` or by itself.
fn certificate(
    name: &str,
    days: (i64, i64),
    key: &PKey<Private>,
    signer: Option<(&X509, &PKey<Private>)>,
) -> X509 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let (subject, mut builder) = (subject.build(), X509::builder().unwrap());
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(signer.map_or(&*subject, |(issuer, _)| issuer.subject_name())).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(now + days.0 * DAY).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(now + days.1 * DAY).unwrap()).unwrap();
    if signer.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    } else {
        let context = builder.x509v3_context(None, None);
        let names = SubjectAlternativeName::new().dns(name).build(&context).unwrap();
        builder.append_extension(names).unwrap();
    }
    builder.sign(signer.map_or(key, |(_, key)| key), MessageDigest::sha256()).unwrap();
    builder.build()
}

fn client(tls: TlsClient) -> HttpClient {
    HttpClient::new(&HttpSettings {
        tls,
        proxies: Proxies::none(),
        reach: Reach::Anywhere,
        timeout: Duration::from_secs(30),
        user_agent: "certstream-server-test".into(),
    })
}

async fn get(client: &HttpClient, url: &str) -> Result<HttpResponse, HttpError> {
    let validators = Validators::default();
    client.get(HttpRequest { url, limit: 100, gzip: false, validators: &validators }, &mut ()).await
}

#[actix::test]
async fn a_certificate_that_is_not_accepted_is_described() {
    let (ca_key, server_key) = (key(), key());
    let ca = certificate("Test CA", (-10, 10), &ca_key, None);
    let signed = |name, days| certificate(name, days, &server_key, Some((&ca, &ca_key)));
    for (served, trusts, expected) in [
        (signed("localhost", (-10, -1)), true, ["certificate has expired", "for localhost, valid from"]),
        (signed("localhost", (1, 10)), true, ["certificate is not yet valid", "for localhost, valid from"]),
        (signed("other.example", (-1, 10)), true, ["ostname mismatch", "for other.example, valid from"]),
        (signed("localhost", (-1, 10)), false, ["unable to get local issuer certificate", "for localhost"]),
        (certificate("localhost", (-1, 10), &server_key, None), true, ["self", "for no name, valid from"]),
    ] {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(&server_key).unwrap();
        acceptor.set_certificate(&served).unwrap();
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        actix::spawn(async move {
            loop {
                let stream = listener.accept().await.unwrap().0;
                let mut stream = SslStream::new(Ssl::new(acceptor.context()).unwrap(), stream).unwrap();
                let _ = Pin::new(&mut stream).accept().await;
            }
        });
        let mut builder = tls_builder().unwrap();
        if trusts {
            builder.cert_store_mut().add_cert(ca.clone()).unwrap();
        }
        let client = client(TlsClient::with(builder, SslVerifyMode::PEER));
        let error = get(&client, &format!("https://localhost:{port}/")).await.unwrap_err();
        let HttpError::Tls(text) = &error else { panic!("{error:?}") };
        assert!(expected.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[actix::test]
async fn a_server_that_does_not_speak_tls_is_described() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let client = client(TlsClient::new().unwrap());
    let error = get(&client, &format!("https://localhost:{port}/")).await.unwrap_err();
    assert!(matches!(&error, HttpError::Tls(text) if !text.contains("error:")), "{error:?}");
}

/// Each connection answers one request, and is closed when the next one arrives on it.
#[actix::test]
async fn a_connection_that_was_closed_while_idle_is_no_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix::spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap().0;
            actix::spawn(async move {
                let mut request = [0; 1024];
                if stream.read(&mut request).await.unwrap_or(0) > 0 {
                    stream.write_all(OK).await.unwrap();
                    let _ = stream.read(&mut request).await;
                }
            });
        }
    });
    let client = client(TlsClient::new().unwrap());
    for _ in 0..5 {
        let response = get(&client, &format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(&response, Ok(HttpResponse::Body(body, _)) if body == "ok"), "{response:?}");
    }
}

#[actix::test]
async fn a_server_that_always_closes_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let client = client(TlsClient::new().unwrap());
    let response = get(&client, &format!("http://127.0.0.1:{port}/")).await;
    assert!(matches!(response, Err(HttpError::Send(_))), "{response:?}");
}
