//! All connections of clients, whatever they speak: what each holds, whether it makes progress, and how it is ended from
//! outside.
//!
//! A connection is run by its own task. That task cannot be relied on to end it: it sleeps while the client takes
//! nothing. So whoever has a reason (the budget, new rules, the end of the program) shuts its socket down, which wakes
//! the task with an error.

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

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// It shakes hands, or is to say what it wants.
    Asking = 0,
    /// It is being answered.
    Answering = 1,
    /// It receives a stream; the Broker looks after it.
    Streaming = 2,
}

/// How one connection is doing: written by its own task, read by others.
#[derive(Debug)]
pub(crate) struct Record {
    id: u64,
    peer: IpAddr,
    stream: Weak<TcpStream>,
    phase: AtomicU8,
    /// Bytes of an answer that the kernel has not taken yet.
    answer_bytes: AtomicUsize,
    /// Bytes that the kernel has taken.
    sent: AtomicU64,
    /// What `sent` was when the budget was looked at last.
    sent_before: AtomicU64,
    /// The last write found no room: the kernel takes nothing more until the client has taken some.
    full: AtomicBool,
    /// It has said too much, and is not read on for a while.
    paused: AtomicBool,
    /// It was ended from outside.
    cut: AtomicBool,
}

impl Record {
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::SeqCst) == phase as u8
    }

    /// So many bytes of the answer are left.
    pub(crate) fn has_left(&self, answer_bytes: usize) {
        self.answer_bytes.store(answer_bytes, Ordering::Relaxed);
    }

    /// The kernel has taken so many bytes.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.full.load(Ordering::Relaxed) {
            self.full.store(false, Ordering::Relaxed);
        }
    }

    /// The kernel takes nothing more at the moment.
    pub(crate) fn is_full(&self) {
        self.full.store(true, Ordering::Relaxed);
    }

    /// Whether it is not read on for a while.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// Whether it was ended from outside.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Whether it may hold much: what is sent to it does not go on, or what it says is not read, as while it is answered.
    fn is_held_up(&self) -> bool {
        let is_not_read = self.paused.load(Ordering::Relaxed) || self.is_in(Phase::Answering);
        self.full.load(Ordering::Relaxed) || is_not_read
    }

    /// Bytes that it holds in the kernel and in an answer. To ask the kernel costs a system call, so this is asked only of
    /// those that are held up: of others no more is there than is on its way.
    fn held(&self) -> usize {
        let kernel = self.stream.upgrade().map_or(0, |stream| tcp_memory::of(&stream));
        kernel + self.answer_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that the kernel has taken since the last call.
    fn sent_since(&self) -> u64 {
        let sent = self.sent.load(Ordering::Relaxed);
        sent - self.sent_before.swap(sent, Ordering::Relaxed).min(sent)
    }

    /// Ends reading: the task sees the end of input, and what was sent before still reaches the client.
    fn end_reading(&self) {
        if let Some(stream) = self.stream.upgrade() {
            let _ = SockRef::from(&*stream).shutdown(Shutdown::Read);
        }
    }

    /// Ends the connection, whatever it is doing. Its task is woken with an error.
    fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        if let Some(stream) = self.stream.upgrade() {
            let socket = SockRef::from(&*stream);
            // Without lingering the kernel frees at once what it still holds for a client that does not read.
            let _ = socket.set_linger(Some(Duration::ZERO));
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// The connections that there are. See the module.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    records: Mutex<HashMap<u64, Arc<Record>>>,
    next_id: AtomicU64,
    stopping: AtomicBool,
    /// Bytes that those which are held up held when the budget was looked at last.
    held: AtomicUsize,
}

/// A connection is among [`Connections`] for as long as this exists.
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
        });
        self.lock().insert(record.id, record.clone());
        (Registration { connections: self.clone(), record: record.clone() }, record)
    }

    /// Whether the server is stopping: no further request is to be read.
    pub(crate) fn are_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Ends those who ask for nothing at the moment, and those who are being answered after their answer. Streams are
    /// ended by the Broker.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.lock()
            .values()
            .filter(|record| record.is_in(Phase::Asking))
            .for_each(|record| record.end_reading());
    }

    /// Ends those of peers that are not admitted any more. Streams are ended by the Broker, with a reason.
    pub(crate) fn readmit(&self, is_admitted: impl Fn(IpAddr) -> bool) {
        let is_meant = |record: &Record| !record.is_in(Phase::Streaming) && !is_admitted(record.peer);
        self.lock().values().filter(|record| is_meant(record)).for_each(|record| record.cut());
    }

    /// Bytes that connections which are held up held when that was looked at last.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Ends connections until what all of them hold is within `limit`: first those who have taken least since the last
    /// call, and of them those who hold most.
    pub(crate) fn keep_within(&self, limit: usize, counters: &Counters) {
        let records: Vec<_> = self.lock().values().cloned().collect();
        let measured = records.iter().map(|record| (record.sent_since(), record));
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
                "all connections together held more than clients.all_unsent_bytes ({limit} bytes): the {ended} that took \
                 least were ended"
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

    /// A registered connection and its client.
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

        /// Fills the kernel's buffers; how many bytes these took.
        fn fill(&self) -> usize {
            let mut filled = 0;
            while let Ok(sent) = self.stream.try_write(&[0; 1 << 16]) {
                self.record.sent(sent);
                filled += sent;
            }
            self.record.is_full();
            filled
        }

        /// Whether the connection has ended for its own task.
        fn is_cut(&self) -> bool {
            // The socket itself is asked: what is known of it may be old.
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
        // What the kernel has taken is still sent.
        let sent = asking.fill();
        connections.stop();
        assert!(connections.are_stopping() && asking.is_cut());
        assert!(!answering.is_cut() && !streaming.is_cut());
        let Pair { stream, mut client, .. } = asking;
        drop(stream);
        let mut received = Vec::new();
        assert_eq!(client.read_to_end(&mut received).await.expect("an end"), sent);
    }

    /// Clients of streams that keep up are not to be measured, let alone cut off for what is on its way to them.
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
        // One of them takes some, and its buffers are filled again.
        let mut taken = vec![0; 1 << 20];
        taking.client.read_exact(&mut taken).await.expect("what was sent");
        taking.stream.writable().await.expect("room");
        assert!(taking.fill() > 0);
        connections.keep_within(connections.held() - 1, &counters);
        assert!(answered.is_cut(), "it took nothing and holds most");
        assert!(!stuck.is_cut() && !taking.is_cut() && !idle.is_cut());
        connections.keep_within(0, &counters);
        assert!(stuck.is_cut() && taking.is_cut() && !idle.is_cut());
        let ended = counters.endings().find(|(why, _)| *why == Ending::OverBudget);
        assert_eq!(ended.map(|(_, count)| count), Some(4), "one of them was still there the second time");
        drop(answered);
        assert_eq!(connections.lock().len(), 3);
    }
}
