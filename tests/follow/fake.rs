//! A certstream server that is not ours: it says what the test wants it to.

use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// What it does with one connection.
#[derive(Clone)]
pub enum Act {
    /// Answers the handshake with this.
    Answer(&'static str),
    /// Upgrades, sends these, and waits for the client to leave.
    Send(Vec<Message>),
    /// Upgrades, sends these, and breaks the connection.
    SendAndBreak(Vec<Message>),
    /// Upgrades, sends these, and reads nothing.
    SendAndFreeze(Vec<Message>),
    /// Upgrades, and sends these 20 ms apart.
    Trickle(Vec<Message>),
    /// Upgrades, and sends this as often as the client takes it.
    Flood(Message),
}

/// The header with the client's key.
const KEY: &str = "sec-websocket-key: ";

/// A request: its head, and when it came.
pub type Request = (String, Instant);

pub struct Fake {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    received: Arc<Mutex<Vec<Message>>>,
    /// The messages that were sent.
    sent: Arc<Mutex<usize>>,
}

impl Fake {
    /// Plays `acts`, one for each connection, and the last one for all further ones.
    pub async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let fake = Fake {
            address: listener.local_addr().expect("an address"),
            requests: Arc::default(),
            received: Arc::default(),
            sent: Arc::default(),
        };
        let (requests, received, sent) = (fake.requests.clone(), fake.received.clone(), fake.sent.clone());
        actix_web::rt::spawn(async move {
            let mut acts = acts.into_iter();
            let mut act = acts.next().expect("an act");
            while let Ok((stream, _)) = listener.accept().await {
                actix_web::rt::spawn(play(
                    stream,
                    act.clone(),
                    requests.clone(),
                    received.clone(),
                    sent.clone(),
                ));
                act = acts.next().unwrap_or(act);
            }
        });
        fake
    }

    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// What clients have sent.
    pub fn received(&self) -> Vec<Message> {
        self.received.lock().unwrap().clone()
    }

    pub fn sent(&self) -> usize {
        *self.sent.lock().unwrap()
    }
}

async fn play(
    mut stream: TcpStream,
    act: Act,
    requests: Arc<Mutex<Vec<Request>>>,
    received: Arc<Mutex<Vec<Message>>>,
    sent: Arc<Mutex<usize>>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("an HTTP request");
    let key = head.lines().find_map(|line| line.to_lowercase().starts_with(KEY).then(|| &line[KEY.len()..]));
    let key = key.expect("a key");
    let accept = derive_accept_key(key.as_bytes());
    requests.lock().unwrap().push((head.clone(), Instant::now()));
    if let Act::Answer(answer) = act {
        let _ = stream.write_all(answer.as_bytes()).await;
        return;
    }
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(response.as_bytes()).await.expect("a response");
    let role = tokio_tungstenite::tungstenite::protocol::Role::Server;
    let mut socket = WebSocketStream::from_raw_socket(stream, role, None).await;
    if let Act::Flood(message) = act {
        while socket.send(message.clone()).await.is_ok() {
            *sent.lock().unwrap() += 1;
        }
        return;
    }
    let (breaks, freezes) = (matches!(act, Act::SendAndBreak(_)), matches!(act, Act::SendAndFreeze(_)));
    let pause = Duration::from_millis(if matches!(act, Act::Trickle(_)) { 20 } else { 0 });
    let (Act::Send(messages)
    | Act::SendAndBreak(messages)
    | Act::SendAndFreeze(messages)
    | Act::Trickle(messages)) = act
    else {
        return;
    };
    for message in messages {
        if socket.send(message).await.is_err() {
            return;
        }
        *sent.lock().unwrap() += 1;
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    if freezes {
        sleep(Duration::from_secs(60)).await;
    }
    if breaks {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        received.lock().unwrap().push(message);
    }
}

/// A message of names, as other servers send it, or with a number.
pub fn names(name: &str, seq: Option<u64>) -> Message {
    let seq = seq.map_or(String::new(), |seq| format!(r#","seq":{seq}"#));
    Message::text(format!(r#"{{"message_type":"dns_entries","data":["{name}"]{seq}}}"#))
}

/// The message with which our server begins.
pub fn subscribed(seq: u64) -> Message {
    Message::text(format!(
        r#"{{"message_type":"subscribed","stream":"domains","filter":{{}},"seq":{seq},"oldest":1}}"#
    ))
}
