use super::*;
use crate::actors::client::ClientOrigin;
use crate::actors::liveness::Liveness;
use crate::actors::reader::{Next, Reader, Subscribed};
use crate::config::WhenBehind;
use crate::ct::entry::Content;
use crate::ct::names_tile::NamesEntry;
use crate::ct::source::{Protocol, Source};
use crate::message::EntryBatch;
use std::sync::mpsc;
use std::task::{Context as TaskContext, Poll, Waker};

const FIRST: u64 = 1_700_000_000_000_000;

struct Stage {
    broker: Addr<Broker>,
    tails: Tails,
    counters: Arc<Counters>,
    replay: mpsc::Sender<Arc<Reader>>,
    /// The readers that need the journal.
    replayed: mpsc::Receiver<Arc<Reader>>,
    next: u64,
}

fn limits() -> ClientLimits {
    crate::config::load(None, []).expect("the defaults").clients
}

impl Stage {
    fn new(limits: ClientLimits) -> Self {
        let (replay, replayed) = mpsc::channel();
        let (tails, counters) = (Tails::default(), Arc::new(Counters::default()));
        let broker = Broker::new(Arc::default(), counters.clone(), tails.clone(), 3, limits, FIRST).start();
        Stage { broker, tails, counters, replay, replayed, next: FIRST }
    }

    async fn subscribe(&self, start: Option<u64>, when_behind: WhenBehind) -> Arc<Reader> {
        let wire = Wire::WebSocket;
        let subscribed = Subscribed {
            stream: Stream::Domains,
            tail: self.tails.of(Stream::Domains, wire).clone(),
            when_behind,
            counters: self.counters.clone(),
            tells_gaps: true,
        };
        let reader = Reader::new(wire, true, subscribed, self.replay.clone(), None);
        let origin = ClientOrigin { address: [127, 0, 0, 1].into(), identity: None, slots: Vec::new() };
        let client = Arc::new(Client::new(origin, reader.clone(), start));
        self.broker.send(Subscribe(client)).await.expect("a Broker");
        reader
    }

    /// Publishes `count` entries with a name each.
    async fn publish(&mut self, count: u64) {
        let source = Arc::new(Source::new("https://log.example", "", "", None, Protocol::Rfc6962));
        let entry = |index| {
            let names = NamesEntry { timestamp_ms: 1, names: vec![format!("{index}.example")] };
            crate::message::CertEntry::new(source.clone(), index, 1, Content::Names(names))
        };
        let mut batch = EntryBatch::new((0..count).map(entry).collect());
        batch.number(self.next);
        self.next += count;
        self.broker.send(Publish(batch)).await.expect("a Broker");
        // A flush belongs to each heartbeat.
        self.broker.send(Tick).await.expect("a Broker");
    }
}

/// The members `seq` of all messages that `reader` has now; those of heartbeats are negative.
fn read(reader: &Arc<Reader>) -> Vec<i64> {
    let mut bytes = Vec::new();
    while let Poll::Ready(Next::Frames(chunk)) = reader.poll_next(&mut TaskContext::from_waker(Waker::noop()))
    {
        bytes.extend_from_slice(chunk.bytes());
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let seqs = text.split("{\"message_type\":\"").skip(1).map(|message| {
        let (_, seq) = message.rsplit_once("seq\":").expect("a number");
        let seq: i64 = seq.split('}').next().and_then(|digits| digits.parse().ok()).expect("digits");
        let seq = seq - FIRST as i64;
        if message.starts_with("heartbeat") { -seq } else { seq }
    });
    seqs.collect()
}

#[actix::test]
async fn a_client_reads_what_comes_after_it_and_each_heartbeat_says_how_far_it_is() {
    let mut stage = Stage::new(limits());
    stage.publish(2).await;
    let reader = stage.subscribe(None, WhenBehind::Replay).await;
    stage.publish(2).await;
    stage.publish(1).await;
    assert_eq!(read(&reader), [2, 3, -3, 4, -4]);
    assert_eq!((reader.cursor(), reader.sent()), (FIRST + 5, 3));
    assert!(stage.replayed.try_recv().is_err());
}

#[actix::test]
async fn a_client_whose_cursor_is_in_the_tail_reads_on_there() {
    let mut stage = Stage::new(limits());
    let first = stage.subscribe(None, WhenBehind::Replay).await;
    stage.publish(3).await;
    let second = stage.subscribe(Some(FIRST + 1), WhenBehind::Replay).await;
    assert_eq!(read(&second), [1, 2, -2]);
    assert_eq!(read(&first), [0, 1, 2, -2]);
    let ahead = stage.subscribe(Some(FIRST + 5), WhenBehind::Replay).await;
    stage.publish(4).await;
    assert_eq!(read(&ahead), [5, 6, -6], "what it has is left out");
    assert!(stage.replayed.try_recv().is_err());
}

#[actix::test]
async fn a_client_that_falls_off_the_ring_reads_the_journal_or_skips_or_goes() {
    let mut stage = Stage::new(ClientLimits { ring_bytes: 300, ..limits() });
    let replaying = stage.subscribe(None, WhenBehind::Replay).await;
    let skipping = stage.subscribe(None, WhenBehind::Skip).await;
    let leaving = stage.subscribe(None, WhenBehind::Disconnect).await;
    for _ in 0..20 {
        stage.publish(1).await;
    }
    assert_eq!(read(&replaying), Vec::<i64>::new());
    assert!(Arc::ptr_eq(&stage.replayed.try_recv().expect("a reader"), &replaying));
    assert_eq!((replaying.reads_from(), replaying.dropped()), (Some(FIRST), 0));
    // The number of the gap's last message.
    assert_eq!(read(&skipping), [19]);
    assert_eq!(skipping.dropped(), 20);
    let next = leaving.poll_next(&mut TaskContext::from_waker(Waker::noop()));
    assert!(matches!(next, Poll::Ready(Next::Close(frame)) if frame.starts_with(&[0x88, 10, 3, 233])));
    let figures = stage.broker.send(ReadFigures).await.expect("a Broker");
    assert!(figures.ring_bytes <= 300 && figures.replays == 1, "{figures:?}");
}

/// The disk was full, so that the journal does not have what has left the ring.
#[actix::test]
async fn what_is_in_neither_the_ring_nor_the_journal_is_a_gap() {
    let mut stage = Stage::new(ClientLimits { ring_bytes: 300, ..limits() });
    let reader = stage.subscribe(None, WhenBehind::Replay).await;
    for _ in 0..20 {
        stage.publish(1).await;
    }
    assert_eq!(read(&reader), Vec::<i64>::new());
    stage.broker.send(Join { reader: reader.clone(), end_seq: FIRST }).await.expect("a Broker");
    assert_eq!((reader.reads_from(), reader.dropped()), (Some(FIRST), 0), "it may be there yet");
    stage.broker.send(Join { reader: reader.clone(), end_seq: FIRST + 20 }).await.expect("a Broker");
    stage.broker.send(Join { reader: reader.clone(), end_seq: FIRST + 20 }).await.expect("a Broker");
    stage.publish(1).await;
    // The last number of the gap, the next message, and the heartbeat.
    assert_eq!(read(&reader), [19, 20, -20]);
    assert_eq!(reader.dropped(), 20);
}

#[actix::test]
async fn the_server_is_alive_while_the_broker_answers() {
    let limits = limits();
    let arbiter = Arbiter::new();
    let broker = Broker::start_in_arbiter(&arbiter.handle(), move |_| {
        Broker::new(Arc::default(), Arc::default(), Tails::default(), 1, limits, 1)
    });
    let liveness = Liveness::of(broker);
    assert!(liveness.holds().await);
    arbiter.stop();
    assert!(arbiter.join().is_ok());
    assert!(!liveness.holds().await);
}
