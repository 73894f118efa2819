//! All client connections, whatever their protocol: the memory that each holds, whether it makes progress, and how
//! other tasks end it.
//!
//! Each connection is run by its own task. That task cannot end it reliably, because it sleeps while the client accepts
//! nothing. Other tasks with a reason to end it (the budget, new rules, a stop) therefore shut its socket down, which
//! wakes the task with an error.

use crate::counters::{Counters, Ending};
use crate::system::tcp_memory;
use actix_web::rt::net::TcpStream;
use parking_lot::{Mutex, MutexGuard};
use socket2::SockRef;
use std::collections::HashMap;
use std::net::{IpAddr, Shutdown};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It is in the TLS handshake, or is expected to send a request.
    Asking = 0,
    /// It is receiving an answer.
    Answering = 1,
    /// It is receiving a stream; the Broker supervises it.
    Streaming = 2,
}

/// The state of one connection, written by its own task and read by others.
#[derive(Debug)]
pub(crate) struct Record {
    id: u64,
    peer: IpAddr,
    stream: Weak<TcpStream>,
    phase: AtomicU8,
    /// Bytes of an answer that the kernel has not accepted yet.
    answer_bytes: AtomicUsize,
    /// Bytes that the kernel has accepted.
    sent: AtomicU64,
    /// The value of `sent` at the last budget check.
    sent_before: AtomicU64,
    /// Whether the last write would have blocked: the kernel accepts nothing until the client has read something.
    full: AtomicBool,
    /// Whether reading is paused, because the client exceeded its rate limit.
    paused: AtomicBool,
    /// Whether it was ended by another task.
    cut: AtomicBool,
    /// Bytes that the kernel held for a stream at the last budget check.
    held_before: AtomicUsize,
    /// Whether its client received nothing between the last two budget checks, although there was something to receive.
    stuck: AtomicBool,
}

impl Record {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::SeqCst) == phase as u8
    }

    /// Records the number of unsent bytes of the answer.
    pub(crate) fn has_left(&self, answer_bytes: usize) {
        self.answer_bytes.store(answer_bytes, Ordering::Relaxed);
    }

    /// Records that the kernel accepted `bytes` bytes.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.full.load(Ordering::Relaxed) {
            self.full.store(false, Ordering::Relaxed);
        }
    }

    /// Records that the kernel accepts no more bytes at the moment.
    pub(crate) fn is_full(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// Records whether reading is paused.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Whether it was ended by another task.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Whether it may hold much memory: its output is blocked, or its input is not read, which includes the time of an
    /// answer.
    fn is_held_up(&self) -> bool {
        let is_not_read = self.paused.load(Ordering::Relaxed) || self.is_in(Phase::Answering);
        // Small answers may add up without a write ever finding the buffer full.
        let was_answered = self.is_in(Phase::Asking) && self.sent.load(Ordering::Relaxed) > 0;
        let is_stuck = self.is_in(Phase::Streaming) && self.stuck.load(Ordering::Relaxed);
        self.full.load(Ordering::Relaxed) || is_not_read || was_answered || is_stuck
    }

    /// Bytes that it holds in the kernel and in an answer. The kernel's part needs a system call, so only blocked
    /// connections are measured; others hold no more than the data in transit.
    fn held(&self) -> usize {
        let kernel = self.stream.upgrade().map_or(0, |stream| tcp_memory::of(&stream));
        kernel + self.answer_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that the kernel has accepted since the last call.
    fn sent_since(&self) -> u64 {
        let sent = self.sent.load(Ordering::Relaxed);
        sent - self.sent_before.swap(sent, Ordering::Relaxed).min(sent)
    }

    /// Finds out whether the client of a stream receives nothing, before its buffers are full: then what the kernel holds
    /// grows by all of the `sent` bytes that it has accepted since the last call.
    fn look_at_stream(&self, sent: u64) {
        if !self.is_in(Phase::Streaming) {
            return;
        }
        let held = self.stream.upgrade().map_or(0, |stream| tcp_memory::of(&stream));
        let grown = held as u64 >= self.held_before.swap(held, Ordering::Relaxed) as u64 + sent;
        // With nothing to send, nothing can be received either: the last result stands.
        if sent > 0 || held == 0 {
            self.stuck.store(held > 0 && grown, Ordering::Relaxed);
        }
    }

    /// Shuts down reading: the task sees the end of input, and bytes already sent still reach the client.
    fn end_reading(&self) {
        if let Some(stream) = self.stream.upgrade() {
            let _ = SockRef::from(&*stream).shutdown(Shutdown::Read);
        }
    }

    /// Ends the connection in any phase. Its task is woken with an error.
    fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        if let Some(stream) = self.stream.upgrade() {
            let socket = SockRef::from(&*stream);
            // With a linger time of zero, the kernel immediately frees the data of a client that does not read.
            let _ = socket.set_linger(Some(Duration::ZERO));
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// The open connections; see the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    records: Mutex<HashMap<u64, Arc<Record>>>,
    next_id: AtomicU64,
    stopping: AtomicBool,
    /// Bytes held by blocked connections at the last budget check.
    held: AtomicUsize,
}

/// Keeps a connection in [`Connections`] until it is dropped.
pub(crate) struct Registration {
    connections: Arc<Connections>,
    record: Arc<Record>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.lock().remove(&self.record.id);
    }
}

impl Connections {
    /// Adds the connection of `peer`.
    pub(crate) fn register(
        self: &Arc<Self>,
        stream: &Arc<TcpStream>,
        peer: IpAddr,
    ) -> (Registration, Arc<Record>) {
        let record = Arc::new(Record {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            peer,
            stream: Arc::downgrade(stream),
            phase: AtomicU8::new(Phase::Asking as u8),
            answer_bytes: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            sent_before: AtomicU64::new(0),
            full: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            held_before: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
        });
        self.lock().insert(record.id, record.clone());
        (Registration { connections: self.clone(), record: record.clone() }, record)
    }

    /// Whether the server is stopping, which means that no further request is read.
    pub(crate) fn are_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Ends idle connections now, and makes others end after their answer. The Broker ends streams.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.lock()
            .values()
            .filter(|record| record.is_in(Phase::Asking))
            .for_each(|record| record.end_reading());
    }

    /// Ends the connections of peers that are no longer admitted. The Broker ends streams, with a close frame.
    pub(crate) fn readmit(&self, is_admitted: impl Fn(IpAddr) -> bool) {
        let is_meant = |record: &Record| !record.is_in(Phase::Streaming) && !is_admitted(record.peer);
        self.lock().values().filter(|record| is_meant(record)).for_each(|record| record.cut());
    }

    /// Bytes held by blocked connections at the last budget check.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Ends connections until all of them together hold at most `limit` bytes. Those that accepted the fewest bytes
    /// since the last call are ended first, and among them those that hold the most.
    pub(crate) fn keep_within(&self, limit: usize, counters: &Counters) {
        let records: Vec<_> = self.lock().values().cloned().collect();
        let measured = records.iter().map(|record| (record.sent_since(), record));
        let measured = measured.inspect(|(sent, record)| record.look_at_stream(*sent));
        let mut full: Vec<_> = measured
            .filter(|(_, record)| record.is_held_up())
            .map(|(sent, record)| (sent, record.held(), record))
            .collect();
        let mut held: usize = full.iter().map(|(_, held, _)| held).sum();
        if held > limit {
            full.sort_unstable_by_key(|(sent, held, _)| (*sent, std::cmp::Reverse(*held)));
            let mut ended = 0;
            for (_, bytes, record) in &full {
                if held <= limit {
                    break;
                }
                record.cut();
                counters.ended(Ending::OverBudget);
                held -= bytes;
                ended += 1;
            }
            log::warn!(
                "all connections together held more than clients.all_unsent_bytes ({limit} bytes): the {ended} that read \
                 least were closed"
            );
        }
        self.held.store(held, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Record>>> {
        self.records.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tokio::io::AsyncReadExt;

    /// A registered connection with its client.
    struct Pair {
        stream: Arc<TcpStream>,
        record: Arc<Record>,
        _registration: Registration,
        client: TcpStream,
    }

    impl Pair {
        async fn new(connections: &Arc<Connections>, peer: &str, phase: Phase) -> Self {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
            let client = TcpStream::connect(listener.local_addr().expect("an address"));
            let (client, accepted) = tokio::join!(client, listener.accept());
            let stream = Arc::new(accepted.expect("a connection").0);
            let (registration, record) = connections.register(&stream, peer.parse().expect("an address"));
            record.enter(phase);
            Pair { stream, record, _registration: registration, client: client.expect("a client") }
        }

        /// Fills the kernel's buffers. Returns the number of bytes they accepted.
        fn fill(&self) -> usize {
            let mut filled = 0;
            while let Ok(sent) = self.stream.try_write(&[0; 1 << 16]) {
                self.record.sent(sent);
                filled += sent;
            }
            self.record.is_full();
            filled
        }

        /// Whether the connection's own task sees its end.
        fn is_cut(&self) -> bool {
            // The socket itself is read, because the runtime's cached readiness may be stale.
            match io::Read::read(&mut &*SockRef::from(&*self.stream), &mut [0; 8]) {
                Ok(read) => read == 0,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            }
        }
    }

    #[actix_web::test]
    async fn those_who_ask_nothing_are_ended_when_the_server_stops() {
        let connections = Arc::new(Connections::default());
        let asking = Pair::new(&connections, "192.0.2.1", Phase::Asking).await;
        let answering = Pair::new(&connections, "192.0.2.1", Phase::Answering).await;
        let streaming = Pair::new(&connections, "192.0.2.1", Phase::Streaming).await;
        // Bytes that the kernel has accepted are still sent.
        let sent = asking.fill();
        connections.stop();
        assert!(connections.are_stopping() && asking.is_cut());
        assert!(!answering.is_cut() && !streaming.is_cut());
        let Pair { stream, mut client, .. } = asking;
        drop(stream);
        let mut received = Vec::new();
        assert_eq!(client.read_to_end(&mut received).await.expect("an end"), sent);
    }

    /// Stream clients that keep up must not be measured, nor ended because of data in transit.
    #[actix_web::test]
    async fn only_those_who_are_held_up_count() {
        let connections = Arc::new(Connections::default());
        let pair = Pair::new(&connections, "192.0.2.1", Phase::Asking).await;
        for (phase, is_held_up) in
            [(Phase::Asking, false), (Phase::Answering, true), (Phase::Streaming, false)]
        {
            pair.record.enter(phase);
            assert_eq!(pair.record.is_held_up(), is_held_up, "{phase:?}");
        }
        pair.record.set_paused(true);
        assert!(pair.record.is_held_up());
        pair.record.set_paused(false);
        pair.record.is_full();
        assert!(pair.record.is_held_up());
        pair.record.sent(1);
        assert!(!pair.record.is_held_up());
    }

    #[actix_web::test]
    async fn those_not_admitted_any_more_are_ended_but_for_streams() {
        let connections = Arc::new(Connections::default());
        let good = Pair::new(&connections, "192.0.2.1", Phase::Asking).await;
        let asking = Pair::new(&connections, "192.0.2.2", Phase::Asking).await;
        let answering = Pair::new(&connections, "192.0.2.2", Phase::Answering).await;
        let streaming = Pair::new(&connections, "192.0.2.2", Phase::Streaming).await;
        connections.readmit(|peer| peer.to_string() == "192.0.2.1");
        assert!(asking.is_cut() && answering.is_cut());
        assert!(!good.is_cut() && !streaming.is_cut(), "the Broker ends streams");
    }

    #[actix_web::test]
    async fn above_the_budget_those_go_first_who_take_least() {
        let (connections, counters) = (Arc::new(Connections::default()), Counters::default());
        let idle = Pair::new(&connections, "192.0.2.1", Phase::Streaming).await;
        let mut taking = Pair::new(&connections, "192.0.2.1", Phase::Streaming).await;
        let stuck = Pair::new(&connections, "192.0.2.1", Phase::Streaming).await;
        let answered = Pair::new(&connections, "192.0.2.1", Phase::Answering).await;
        for pair in [&taking, &stuck, &answered] {
            assert!(pair.fill() > 0);
        }
        answered.record.has_left(1 << 30);
        connections.keep_within(usize::MAX, &counters);
        let held = connections.held();
        assert!(held > 1 << 30, "{held}");
        // One of the clients reads some bytes, and its buffers are filled again.
        let mut taken = vec![0; 1 << 20];
        taking.client.read_exact(&mut taken).await.expect("what was sent");
        taking.stream.writable().await.expect("room");
        assert!(taking.fill() > 0);
        // The system may pass bytes on to the clients meanwhile, but not so many.
        connections.keep_within(1 << 29, &counters);
        assert!(answered.is_cut(), "it took nothing and holds most");
        assert!(!stuck.is_cut() && !taking.is_cut() && !idle.is_cut());
        connections.keep_within(0, &counters);
        assert!(stuck.is_cut() && taking.is_cut() && !idle.is_cut());
        let ended = counters.endings().find(|(why, _)| *why == Ending::OverBudget);
        assert_eq!(ended.map(|(_, count)| count), Some(4), "one of them was still there the second time");
        drop(answered);
        assert_eq!(connections.lock().len(), 3);
    }

    /// A client may request small answers that add up, without a write ever finding the buffer full.
    #[actix_web::test]
    async fn answers_that_were_sent_and_not_received_count_while_the_next_request_is_awaited() {
        let (connections, counters) = (Arc::new(Connections::default()), Counters::default());
        let pair = Pair::new(&connections, "192.0.2.1", Phase::Asking).await;
        let idle = Pair::new(&connections, "192.0.2.1", Phase::Asking).await;
        let sent = pair.stream.try_write(&[0; 50_000]).expect("room");
        connections.keep_within(usize::MAX, &counters);
        assert_eq!(connections.held(), 0, "nothing is known to have been sent");
        pair.record.sent(sent);
        connections.keep_within(usize::MAX, &counters);
        let (held, at_client) = (connections.held(), tcp_memory::of(&pair.client));
        assert!(held + at_client >= sent, "{held} of {sent}, {at_client} at the client");
        assert!(pair.record.is_held_up() && !idle.record.is_held_up());
    }

    #[actix_web::test]
    async fn a_stream_whose_client_receives_nothing_counts_before_its_buffers_are_full() {
        const SENT: usize = 200_000;
        let (connections, counters) = (Arc::new(Connections::default()), Counters::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let client = socket.connect(listener.local_addr().expect("an address"));
        let (client, accepted) = tokio::join!(client, listener.accept());
        let mut client = client.expect("a client");
        let stream = Arc::new(accepted.expect("a connection").0);
        let (_registration, record) = connections.register(&stream, [192, 0, 2, 1].into());
        record.enter(Phase::Streaming);
        let held = || {
            connections.keep_within(usize::MAX, &counters);
            connections.held()
        };
        let send = async || {
            stream.writable().await.expect("room");
            record.sent(stream.try_write(&[0; SENT]).expect("room"));
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(held(), 0, "nothing was sent");
        send().await;
        assert!(held() >= SENT / 2, "{}", connections.held());
        assert!(held() >= SENT / 2, "nothing new was sent, and nothing was received");
        let mut received = vec![0; SENT];
        client.read_exact(&mut received).await.expect("what was sent");
        send().await;
        client.read_exact(&mut received[..SENT / 2]).await.expect("half of it");
        assert_eq!(held(), 0, "it receives");
    }
}
