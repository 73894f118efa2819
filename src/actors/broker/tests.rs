use super::*;
use crate::actors::client::ClientOrigin;
use crate::actors::liveness::Liveness;
use crate::actors::reader::{Asked, Feeds, Next, Reader, Subscribed};
use crate::config::WhenBehind;
use crate::ct::entry::Content;
use crate::ct::names_tile::NamesEntry;
use crate::ct::source::{Protocol, Source};
use crate::filter::{Facts, Filter, Limits, SourceFacts};
use crate::message::{EntryBatch, Stream};
use std::sync::mpsc;
use std::task::{Context as TaskContext, Poll, Waker};

const FIRST: u64 = 1_700_000_000_000_000;

struct Stage {
    broker: Addr<Broker>,
    feeds: Feeds,
    counters: Arc<Counters>,
    replay: mpsc::Sender<Arc<Reader>>,
    /// The readers that need the journal.
    replayed: mpsc::Receiver<Arc<Reader>>,
    next: u64,
    /// Of the clients.
    ids: HashMap<*const Reader, u64>,
}

fn limits() -> ClientLimits {
    crate::config::load(None, []).expect("the defaults").clients
}

impl Stage {
    fn new(limits: ClientLimits) -> Self {
        let (replay, replayed) = mpsc::channel();
        let (feeds, counters) = (Feeds::default(), Arc::new(Counters::default()));
        let broker = Broker::new(Arc::default(), counters.clone(), Arc::default(), 3, limits, FIRST).start();
        Stage { broker, feeds, counters, replay, replayed, next: FIRST, ids: HashMap::new() }
    }

    async fn subscribe(&mut self, start: Option<u64>, when_behind: WhenBehind) -> Arc<Reader> {
        self.subscribe_to("", start, when_behind).await
    }

    /// Subscribes a client with the filter `query`.
    async fn subscribe_to(
        &mut self,
        query: &str,
        start: Option<u64>,
        when_behind: WhenBehind,
    ) -> Arc<Reader> {
        let filter = Filter::parse(form_urlencoded::parse(query.as_bytes()), Limits::default());
        let filter = filter.expect("a filter");
        let (stream, wire, filter) = (Stream::Domains, Wire::WebSocket, Arc::new(filter));
        let feed = self.feeds.of(
            Asked { stream, wire, filter, named: Vec::new(), sample: 1, unique: None, explains: false },
            usize::MAX,
        );
        let subscribed = Subscribed {
            feed: feed.expect("room for filters"),
            when_behind,
            counters: self.counters.clone(),
            tells_gaps: true,
        };
        let reader = Reader::new(true, subscribed, self.replay.clone(), None);
        let origin = ClientOrigin { address: [127, 0, 0, 1].into(), identity: None, slots: Vec::new() };
        let client = Arc::new(Client::new(origin, reader.clone(), start));
        self.ids.insert(Arc::as_ptr(&reader), client.id);
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
        self.broker.send(Publish { batch, end_seq: self.next }).await.expect("a Broker");
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
    let mut stage = Stage::new(ClientLimits { ring_bytes: 1000, ..limits() });
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
    assert!(figures.ring_bytes <= 1000 && figures.replays == 1, "{figures:?}");
}

/// The disk was full, so that the journal does not have what has left the ring.
#[actix::test]
async fn what_is_in_neither_the_ring_nor_the_journal_is_a_gap() {
    let mut stage = Stage::new(ClientLimits { ring_bytes: 1000, ..limits() });
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

/// Blocks of a cluster's stream were removed, or the stream was made anew.
#[actix::test]
async fn what_was_never_published_is_looked_for_in_the_journal_by_all() {
    let mut stage = Stage::new(limits());
    let up_to_date = stage.subscribe(None, WhenBehind::Replay).await;
    let behind = stage.subscribe(None, WhenBehind::Replay).await;
    stage.publish(2).await;
    assert_eq!(read(&up_to_date), [0, 1, -1]);
    stage.next += 5;
    stage.broker.send(Missed { next_seq: stage.next }).await.expect("a Broker");
    stage.publish(1).await;
    assert_eq!(read(&up_to_date), Vec::<i64>::new(), "the journal may have it");
    assert_eq!(read(&behind), Vec::<i64>::new());
    let asking: Vec<_> = stage.replayed.try_iter().map(|reader| reader.reads_from()).collect();
    assert_eq!(asking, [Some(FIRST + 2), Some(FIRST)]);
    let next = stage.subscribe(None, WhenBehind::Replay).await;
    stage.publish(1).await;
    assert_eq!(read(&next), [8, -8]);
}

#[actix::test]
async fn the_server_is_alive_while_the_broker_answers() {
    let limits = limits();
    let arbiter = Arbiter::new();
    let broker = Broker::start_in_arbiter(&arbiter.handle(), move |_| {
        Broker::new(Arc::default(), Arc::default(), Arc::default(), 1, limits, 1)
    });
    let liveness = Liveness::of(broker);
    assert!(liveness.holds().await);
    arbiter.stop();
    assert!(arbiter.join().is_ok());
    assert!(!liveness.holds().await);
}

/// The places of the entries that a filter wants, with the names that [`Stage::publish`] gives.
fn wanted(filter: &str, indexes: std::ops::Range<u64>) -> Vec<i64> {
    let filter =
        Filter::parse(form_urlencoded::parse(filter.as_bytes()), Limits::default()).expect("a filter");
    let source = SourceFacts::new(&Source::new("https://log.example", "", "", None, Protocol::Rfc6962));
    let wants = |index: &u64| {
        let names = NamesEntry { timestamp_ms: 1, names: vec![format!("{index}.example")] };
        filter.matches(&Facts::new(&source, &Content::Names(names)))
    };
    indexes.filter(wants).map(|index| index as i64).collect()
}

#[actix::test]
async fn a_client_with_a_filter_gets_what_it_wants_and_its_cursor_moves_past_the_rest() {
    let mut stage = Stage::new(limits());
    let all = stage.subscribe(None, WhenBehind::Replay).await;
    let some = stage.subscribe_to("contains=1", None, WhenBehind::Replay).await;
    let same = stage.subscribe_to("contains=1&contains=1", None, WhenBehind::Replay).await;
    let none = stage.subscribe_to("domain=test", None, WhenBehind::Replay).await;
    assert!(Arc::ptr_eq(some.feed().expect("a feed"), same.feed().expect("a feed")), "one feed for both");
    stage.publish(13).await;
    assert_eq!(read(&all), (0..13).chain([-12]).collect::<Vec<_>>());
    assert_eq!(read(&some), [1, 10, 11, 12, -12]);
    assert_eq!(read(&same), [1, 10, 11, 12, -12]);
    assert_eq!(read(&none), [-12]);
    assert_eq!((none.cursor(), none.sent(), some.sent()), (FIRST + 13, 0, 4));
    let figures = stage.broker.send(ReadFigures).await.expect("a Broker");
    assert_eq!((figures.filters, figures.replays), (2, 0));
}

#[actix::test]
async fn a_client_with_a_filter_comes_back_by_its_cursor_at_the_tail_or_in_the_journal() {
    let mut stage = Stage::new(ClientLimits { ring_bytes: 2000, ..limits() });
    let first = stage.subscribe_to("contains=1", None, WhenBehind::Replay).await;
    stage.publish(13).await;
    let second = stage.subscribe_to("contains=1", Some(FIRST + 11), WhenBehind::Replay).await;
    assert_eq!(read(&second), [11, 12, -12]);
    for _ in 0..20 {
        stage.publish(2).await;
    }
    let third = stage.subscribe_to("contains=1", Some(FIRST), WhenBehind::Replay).await;
    assert!(Arc::ptr_eq(&stage.replayed.try_recv().expect("a reader"), &third), "it is no longer in memory");
    assert_eq!(read(&first), Vec::<i64>::new());
    assert!(Arc::ptr_eq(&stage.replayed.try_recv().expect("a reader"), &first));
    assert_eq!(first.reads_from(), Some(FIRST), "nothing that it wants is passed over");
}

/// Clients with filters come and go between the batches, while filters are merged on another thread. Each gets what the
/// definition of its filter says, from its first entry to its last, in order.
#[actix::test]
async fn clients_that_come_and_go_get_exactly_what_their_filters_want() {
    let mut stage = Stage::new(limits());
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut clients: Vec<(String, Arc<Reader>, Vec<i64>)> = Vec::new();
    let (mut joined, mut messages) = (0, 0);
    for _ in 0..300 {
        for _ in 0..next(4) {
            let filter = match next(4) {
                0 => format!("contains={}", next(30)),
                1 => format!("domain={}.example,{}.example", next(30), next(30)),
                2 => format!("regex=^[{}-9]&contains=!{}", next(9), next(9)),
                _ => String::new(),
            };
            let reader = stage.subscribe_to(&filter, None, WhenBehind::Replay).await;
            clients.push((filter, reader, Vec::new()));
            joined += 1;
        }
        let (begin, count) = (stage.next, 1 + next(30));
        stage.publish(count).await;
        for (filter, _, expected) in &mut clients {
            let at = (begin - FIRST) as i64;
            expected.extend(wanted(filter, 0..count).into_iter().map(|index| at + index));
        }
        while clients.len() > 40 {
            let (filter, reader, expected) = clients.swap_remove(next(clients.len() as u64) as usize);
            let mut got = read(&reader);
            got.retain(|seq| *seq > 0 || expected.first() == Some(seq));
            assert_eq!(got, expected, "{filter}");
            messages += got.len();
            let id = stage.ids.remove(&Arc::as_ptr(&reader)).expect("an id");
            stage.broker.send(Unsubscribe(id)).await.expect("a Broker");
        }
    }
    assert!(joined > 300 && messages > 10_000, "{joined} clients, {messages} messages");
}
