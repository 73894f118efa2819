//! Clients over WebSocket, Server-Sent Events and lines of JSON, which come back with their cursor, to any edge.

use crate::PATIENCE;
use crate::logs::Sizes;
use crate::received::Received;
use crate::story::Story;
use actix::Arbiter;
use futures_util::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error as SocketError;

/// A client that receives nothing for this long, not even a heartbeat, goes to another edge.
const SILENCE: Duration = Duration::from_secs(6);
/// Time in which what was received a second time would come.
const REPEAT_PATIENCE: Duration = Duration::from_secs(2);
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// How a client receives its stream.
#[derive(Clone, Copy, Debug)]
enum Wire {
    WebSocket,
    Events,
    Lines,
}

/// Several clients on a thread of their own.
pub struct Clients {
    clients: Vec<Arc<Client>>,
    ended: Vec<oneshot::Receiver<()>>,
    thread: Arbiter,
}

struct Client {
    number: usize,
    wire: Wire,
    /// The ports of the edges.
    edges: Vec<u16>,
    received: Mutex<Received>,
    /// The port of an edge that has just said nothing for too long; 0 if there is none.
    silent: AtomicU16,
    interrupted: Notify,
    over: AtomicBool,
    story: Story,
}

impl Clients {
    /// Starts `count` clients that receive everything from the beginning, on all wires in turn.
    pub fn start(count: usize, edges: &[u16], story: &Story, seed: u64) -> Self {
        let thread = Arbiter::new();
        let (mut clients, mut ended) = (Vec::new(), Vec::new());
        for number in 0..count {
            let client = Arc::new(Client {
                number,
                wire: [Wire::WebSocket, Wire::Events, Wire::Lines][number % 3],
                edges: edges.to_vec(),
                received: Mutex::default(),
                silent: AtomicU16::new(0),
                interrupted: Notify::new(),
                over: AtomicBool::new(false),
                story: story.clone(),
            });
            let (sender, receiver) = oneshot::channel();
            let (follower, random) = (client.clone(), StdRng::seed_from_u64(seed + number as u64));
            thread.spawn_fn(move || {
                actix_web::rt::spawn(async move {
                    follower.follow(random).await;
                    let _ = sender.send(());
                });
            });
            clients.push(client);
            ended.push(receiver);
        }
        Clients { clients, ended, thread }
    }

    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// What each client has received so far.
    pub fn received(&self) -> impl Iterator<Item = MutexGuard<'_, Received>> {
        self.clients.iter().map(|client| client.received())
    }

    /// Ends the connection of a client, which comes back.
    pub fn interrupt(&self, client: usize) {
        self.clients[client].interrupted.notify_one();
    }

    /// Waits until each client has received `count` entries.
    pub async fn wait_for_entries(&self, count: u64) {
        let what = format!("each client has {count} entries");
        crate::wait_until(&what, async || self.received().all(|received| received.entries >= count)).await;
    }

    /// The same for as many as there are already and `count` more.
    pub async fn wait_for_more_entries(&self, count: u64) {
        let most = self.received().map(|received| received.entries).max().unwrap_or_default();
        self.wait_for_entries(most + count).await;
    }

    pub fn measure_pauses(&self) {
        self.received().for_each(|mut received| received.measure_pauses());
    }

    /// The longest time in which any log had no new entry at any client, since pauses are measured.
    pub fn longest_pause(&self) -> Duration {
        self.received().map(|received| received.longest_pause()).max().unwrap_or_default()
    }

    /// Waits until each client has the last entry of each log, then ends them. Returns what they have received: also if
    /// something is missing then, so that it can be reported.
    pub async fn finish(self, sizes: &Sizes) -> Vec<Received> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE && !self.received().all(|received| received.reaches(sizes)) {
            sleep(Duration::from_millis(100)).await;
        }
        sleep(REPEAT_PATIENCE).await;
        self.clients.iter().for_each(|client| client.over.store(true, Ordering::Relaxed));
        self.clients.iter().for_each(|client| client.interrupted.notify_one());
        for ended in self.ended {
            timeout(PATIENCE, ended).await.expect("the client ends").expect("no panic");
        }
        self.thread.stop();
        self.clients.iter().map(|client| client.received().clone()).collect()
    }
}

impl Client {
    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().expect("no panic")
    }

    async fn follow(&self, mut random: StdRng) {
        while !self.over.load(Ordering::Relaxed) {
            let edge = self.choose(&mut random);
            let cursor = self.received().cursor;
            // Before the first message, everything that the stream has.
            let from = cursor.map_or("since=1h".into(), |seq| format!("cursor={seq}"));
            match self.wire {
                Wire::WebSocket => self.web_socket(edge, &from).await,
                Wire::Events => self.body(edge, "sse", &from).await,
                Wire::Lines => self.body(edge, "ndjson", &from).await,
            }
            sleep(RETRY_DELAY).await;
        }
    }

    /// Any edge, but not again the one that has just been silent, if there are others.
    fn choose(&self, random: &mut StdRng) -> u16 {
        let silent = self.silent.swap(0, Ordering::Relaxed);
        let others: Vec<u16> = self.edges.iter().copied().filter(|edge| *edge != silent).collect();
        let edges = if others.is_empty() { &self.edges } else { &others };
        edges[random.random_range(0..edges.len())]
    }

    fn tell(&self, event: &str) {
        self.story.tell(format!("client {}: {event}", self.number));
    }

    fn connected(&self, edge: u16, from: &str) {
        self.tell(&format!("{:?} at port {edge} with {from}", self.wire));
    }

    /// A client that is told that its request is wrong does not come back. 503 is no such answer.
    fn refused(&self, edge: u16, from: &str, status: u16, body: &str) {
        let text = format!("port {edge} with {from} answers {status}: {body}");
        self.tell(&text);
        if status < 500 {
            self.received().faults.push(text);
        }
    }

    /// The next item, unless there is none, none in time, or the client is interrupted.
    async fn next<T>(&self, edge: u16, stream: &mut (impl StreamExt<Item = T> + Unpin)) -> Option<T> {
        tokio::select! {
            () = self.interrupted.notified() => self.tell("interrupted"),
            item = self.in_time(edge, stream.next()) => match item {
                Some(Some(item)) => return Some(item),
                Some(None) => self.tell("at the end of its stream"),
                None => {}
            }
        }
        None
    }

    /// The output of `future`, unless the edge is silent.
    async fn in_time<T>(&self, edge: u16, future: impl Future<Output = T>) -> Option<T> {
        let output = timeout(SILENCE, future).await.ok();
        if output.is_none() {
            self.tell(&format!("port {edge} is silent"));
            self.silent.store(edge, Ordering::Relaxed);
        }
        output
    }

    async fn web_socket(&self, edge: u16, from: &str) {
        let url = format!("ws://127.0.0.1:{edge}/lite-stream?notices=1&{from}");
        let mut socket = match self.in_time(edge, connect_async(url)).await {
            Some(Ok((socket, _))) => socket,
            Some(Err(SocketError::Http(response))) => {
                let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                return self.refused(edge, from, response.status().as_u16(), &body);
            }
            _ => return,
        };
        self.connected(edge, from);
        while let Some(Ok(message)) = self.next(edge, &mut socket).await {
            if message.is_text() {
                self.received().take(message.to_text().expect("text"));
            } else if message.is_close() {
                return self.tell("closed");
            }
        }
    }

    async fn body(&self, edge: u16, path: &str, from: &str) {
        let url = format!("http://127.0.0.1:{edge}/{path}?stream=lite&notices=1&{from}");
        let client = awc::Client::builder().disable_timeout().finish();
        let response = self.in_time(edge, client.get(url).no_decompress().send()).await;
        let Some(Ok(mut response)) = response else { return };
        let status = response.status().as_u16();
        if status != 200 {
            let body = response.body().await.unwrap_or_default();
            return self.refused(edge, from, status, &String::from_utf8_lossy(&body));
        }
        self.connected(edge, from);
        let mut buffer = Vec::new();
        while let Some(Ok(chunk)) = self.next(edge, &mut response).await {
            buffer.extend_from_slice(&chunk);
            self.take_lines(&mut buffer);
        }
    }

    /// Takes the whole lines out of `buffer`. What is not a whole line yet has not arrived.
    fn take_lines(&self, buffer: &mut Vec<u8>) {
        let Some(end) = buffer.iter().rposition(|byte| *byte == b'\n') else { return };
        let lines = std::str::from_utf8(&buffer[..end]).expect("text");
        let messages = lines.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
        let mut received = self.received();
        messages.filter(|line| line.starts_with('{')).for_each(|message| received.take(message));
        drop(received);
        buffer.drain(..=end);
    }
}
