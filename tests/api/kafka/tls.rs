//! Kafka over TLS, and with a password. librdkafka's brokers for tests have neither, so there is a proxy before them.

use super::{Brokers, PARTITIONS, TOPIC, judge, read, until_delivered};
use crate::helpers::{from_the_start, quiet_log, spawn_app};
use crate::mutual_tls::{tls_keys, write_certificates};
use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod, SslStream, SslVerifyMode};
use rdkafka::mocking::MockCluster;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How long one side is listened to before the other is.
const TURN: Duration = Duration::from_millis(5);
/// What SASL PLAIN sends for the user `writer` with the password `se/cret` (RFC 4616).
const LOGIN: &[u8] = b"\0writer\0se/cret";
/// Kinds of requests.
const API_VERSIONS: u16 = 18;
const SASL_HANDSHAKE: u16 = 17;
const SASL_AUTHENTICATE: u16 = 36;

#[actix_web::test]
async fn the_brokers_are_reached_over_tls_with_certificates_on_both_sides() {
    let (_dir, own, other) = certificates();
    let brokers = one_broker();
    let port = Proxy::start(&brokers, &own, false);
    let (wrong_server, wrong_client) = (tls_keys(&other, Some(&own)), tls_keys(&own, Some(&other)));
    let no_client = tls_keys(&own, None);
    // An alert that the proxy sends after the handshake of TLS 1.3 may be overtaken by the end of the connection.
    tokio::join!(
        is_refused(port, &wrong_server, &["certificate verify failed"]),
        is_refused(port, &wrong_client, &["SSL alert", "Disconnected"]),
        is_refused(port, &no_client, &["SSL alert", "Disconnected"]),
    );
    delivers(&brokers, port, &tls_keys(&own, Some(&own))).await;
}

#[actix_web::test]
async fn a_user_logs_in_with_a_password() {
    let (_dir, own, _) = certificates();
    let brokers = one_broker();
    let port = Proxy::start(&brokers, &own, true);
    let keys = |password: &str| {
        let tls = tls_keys(&own, Some(&own));
        format!("{tls}sasl = 'PLAIN'\nusername = 'writer'\npassword = '{password}'\n")
    };
    is_refused(port, &keys("se/crets"), &["SASL authentication error: wrong"]).await;
    delivers(&brokers, port, &keys("se/cret")).await;
}

fn certificates() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let (own, other) = (dir.path().join("own"), dir.path().join("other"));
    for folder in [&own, &other] {
        std::fs::create_dir(folder).expect("a folder");
        write_certificates(folder);
    }
    (dir, own, other)
}

fn one_broker() -> Brokers {
    let brokers = MockCluster::new(1).expect("a broker");
    brokers.create_topic(TOPIC, PARTITIONS, 1).expect("a topic");
    brokers
}

fn configuration(port: u16, keys: &str) -> String {
    format!(
        "[admin]\nallow = ['127.0.0.1']\n[[outputs]]\nname = 'kafka'\ntype = 'kafka'\ntopic = '{TOPIC}'\nbegin = 'oldest'\n\
         brokers = ['127.0.0.1:{port}']\nbatch_wait = '20ms'\ntls = true\n{keys}\n"
    )
}

/// Checks that an output with these keys delivers nothing, and says one of `expected`.
async fn is_refused(port: u16, keys: &str, expected: &[&str]) {
    let log = quiet_log().await;
    let app = spawn_app(&configuration(port, keys), vec![from_the_start(&log)]).await;
    log.publish(5);
    let stats = app.wait_for(|stats| stats["outputs"][0]["error"].is_string()).await;
    let error = stats["outputs"][0]["error"].as_str().expect("an error");
    assert!(expected.iter().any(|expected| error.contains(expected)), "{keys}: {error}");
    assert!(!error.contains("se/cret"), "{error}");
    assert_eq!(stats["outputs"][0]["messages_delivered"], 0);
    app.stop().await;
}

async fn delivers(brokers: &Brokers, port: u16, keys: &str) {
    let log = quiet_log().await;
    let app = spawn_app(&configuration(port, keys), vec![from_the_start(&log)]).await;
    log.publish(30);
    until_delivered(&app, 30).await;
    judge(&read(brokers, 30), 30);
    app.stop().await;
}

/// A broker that speaks TLS, asks clients for a certificate, and for a login if it `asks_for_login`; everything else a broker
/// behind it answers, whose address it replaces by its own.
#[derive(Clone)]
struct Proxy {
    acceptor: SslAcceptor,
    asks_for_login: bool,
    port: u16,
    broker_port: u16,
}

impl Proxy {
    /// Starts it with the certificates in `dir`. Returns its port.
    fn start(brokers: &Brokers, dir: &Path, asks_for_login: bool) -> u16 {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("settings");
        acceptor.set_private_key_file(dir.join("key.pem"), SslFiletype::PEM).expect("a key");
        acceptor.set_certificate_chain_file(dir.join("cert.pem")).expect("a certificate");
        acceptor.set_ca_file(dir.join("ca.pem")).expect("an authority");
        acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let address = brokers.bootstrap_servers();
        let broker_port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let proxy = Proxy { acceptor: acceptor.build(), asks_for_login, port, broker_port };
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (proxy, socket) = (proxy.clone(), socket.expect("a connection"));
                thread::spawn(move || {
                    // Each end of a connection is an error here.
                    if let Ok(client) = proxy.acceptor.accept(socket) {
                        let _ = proxy.serve(client);
                    }
                });
            }
        });
        port
    }

    fn serve(&self, mut client: SslStream<TcpStream>) -> io::Result<()> {
        let mut broker = TcpStream::connect(("127.0.0.1", self.broker_port))?;
        broker.set_read_timeout(Some(TURN))?;
        client.get_ref().set_read_timeout(Some(TURN))?;
        let (mut requests, mut answers, mut login) = (Vec::new(), Vec::new(), Login::default());
        loop {
            receive(&mut client, &mut requests)?;
            while let Some(request) = take_frame(&mut requests) {
                match self.asks_for_login.then(|| login.answer(&request)).flatten() {
                    Some(answer) => client.write_all(&answer)?,
                    None if self.asks_for_login && !login.admits(&request) => return Ok(()),
                    None => broker.write_all(&request)?,
                }
            }
            receive(&mut broker, &mut answers)?;
            while let Some(mut answer) = take_frame(&mut answers) {
                self.replace_addresses(&mut answer);
                if self.asks_for_login && !login.is_known {
                    login.add_to_versions(&mut answer);
                }
                client.write_all(&answer)?;
            }
        }
    }

    fn replace_addresses(&self, answer: &mut [u8]) {
        let address = |port: u16| [&b"127.0.0.1"[..], &u32::from(port).to_be_bytes()].concat();
        let (from, to) = (address(self.broker_port), address(self.port));
        let mut places = Vec::new();
        places.extend((0..answer.len()).filter(|place| answer[*place..].starts_with(&from)));
        for place in places {
            answer[place..place + to.len()].copy_from_slice(&to);
        }
    }
}

/// The login of a connection: the requests ApiVersions, SaslHandshake and SaslAuthenticate of Kafka's protocol.
#[derive(Default)]
struct Login {
    /// Whether the client knows that it has to log in.
    is_known: bool,
    is_done: bool,
}

impl Login {
    /// What the broker behind has no answer for. A request begins with its length, its kind, its version and its number.
    fn answer(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let answer = |parts: &[&[u8]]| {
            let body = [&[&request[8..12]], parts].concat().concat();
            [&(body.len() as u32).to_be_bytes()[..], &body].concat()
        };
        match (number(request, 4), number(request, 6)) {
            // UNSUPPORTED_VERSION: that the answer of version 0 can be changed.
            (API_VERSIONS, 1..) => Some(answer(&[&35_u16.to_be_bytes(), &[0; 4]])),
            (SASL_HANDSHAKE, _) => Some(answer(&[&[0, 0], &[0, 0, 0, 1], &[0, 5], b"PLAIN"])),
            (SASL_AUTHENTICATE, _) if request.ends_with(LOGIN) => {
                self.is_done = true;
                Some(answer(&[&[0, 0], &[0xFF, 0xFF], &[0; 4]]))
            }
            // SASL_AUTHENTICATION_FAILED
            (SASL_AUTHENTICATE, _) => Some(answer(&[&58_u16.to_be_bytes(), &[0, 5], b"wrong", &[0; 4]])),
            _ => None,
        }
    }

    /// Whether the client may send this request to the broker behind.
    fn admits(&self, request: &[u8]) -> bool {
        self.is_done || number(request, 4) == API_VERSIONS
    }

    /// Adds the requests of the login to an answer to ApiVersions: its length, number and error, and a list of three numbers
    /// for each kind of request.
    fn add_to_versions(&mut self, answer: &mut Vec<u8>) {
        self.is_known = true;
        let count = u32::from_be_bytes(*answer[10..].first_chunk().expect("a count"));
        answer[10..14].copy_from_slice(&(count + 2).to_be_bytes());
        for (kind, newest) in [(SASL_HANDSHAKE, 1_u16), (SASL_AUTHENTICATE, 0)] {
            answer.extend([kind, 0, newest].map(u16::to_be_bytes).concat());
        }
        let length = answer.len() as u32 - 4;
        answer[..4].copy_from_slice(&length.to_be_bytes());
    }
}

fn number(request: &[u8], place: usize) -> u16 {
    u16::from_be_bytes(*request[place..].first_chunk().expect("a whole request"))
}

/// Takes what has come, if something has.
fn receive(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 65_536];
    match stream.read(&mut chunk) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(length) => {
            buffer.extend_from_slice(&chunk[..length]);
            Ok(())
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A request or an answer, which begin with their length, once it is there as a whole.
fn take_frame(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(*buffer.first_chunk()?) as usize + 4;
    (buffer.len() >= length).then(|| buffer.drain(..length).collect())
}
