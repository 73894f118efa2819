//! A reader, with the Broker, the Replayer and the connection in the test's hands.

mod model;

use super::gathered::{ENOUGH, LONGEST};
use super::state::PING;
use super::*;
use crate::config::WhenBehind;
use crate::counters::Counters;
use crate::filter::Filter;
use crate::message::{Frames, FramesBuilder};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::task::Wake;

/// The frames alone, for `clients` clients.
fn shared(frames: Arc<Frames>, clients: usize) -> Arc<SharedFrames> {
    SharedFrames::joined(&[frames], clients).remove(0)
}

/// One message of `length` times `fill`, shared by `clients` clients, as a reader returns it.
pub(in crate::actors) fn chunk(fill: u8, length: usize, clients: usize) -> Chunk {
    let shared = shared(Frames::single(&vec![fill; length]), clients);
    let reader = Reader::of_pushed(Wire::WebSocket);
    reader.push(&shared);
    match next(&reader) {
        Some(Next::Frames(chunk)) => chunk,
        other => panic!("{other:?}"),
    }
}

fn next(reader: &Arc<Reader>) -> Option<Next> {
    match reader.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(next) => Some(next),
        Poll::Pending => None,
    }
}

/// Messages with the numbers of `seqs`, whose text is the number.
fn unit(seqs: &[u64], end_seq: u64) -> Unit {
    let mut builder = FramesBuilder::default();
    for seq in seqs {
        builder.push(|out| out.extend_from_slice(format!("{seq:016}").as_bytes()));
        builder.number_last(*seq, 0);
    }
    Unit { shared: Arc::new(builder.build().into()), end_seq }
}

/// A tail, a journal, and the readers that need it.
struct Stage {
    feed: Arc<Feed>,
    /// The place of the oldest unit in the tail.
    oldest: u64,
    replay: Sender<Arc<Reader>>,
    replayed: Receiver<Arc<Reader>>,
    counters: Arc<Counters>,
    /// The units that the journal holds, oldest first, each with its first number.
    journal: VecDeque<(u64, Unit)>,
    /// The number that the next entry gets.
    next: u64,
    /// The Replayer's time.
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        let (replay, replayed) = channel();
        let (stream, wire, filter) = (Stream::Lite, Wire::WebSocket, Arc::new(Filter::default()));
        let asked =
            Asked { stream, wire, filter, named: Vec::new(), sample: 1, unique: None, explains: false };
        let feed = Feeds::default().of(asked, 0).expect("a feed");
        let (journal, counters) = (VecDeque::new(), Arc::default());
        feed.tail.restart(0);
        let now = Instant::now();
        Stage { feed, oldest: 0, replay, replayed, counters, journal, next: 0, now }
    }

    fn reader(&self, start: u64, until: Option<u64>, when_behind: WhenBehind) -> Arc<Reader> {
        let subscribed = Subscribed {
            feed: self.feed.clone(),
            when_behind,
            counters: self.counters.clone(),
            tells_gaps: true,
        };
        let reader = Reader::new(false, subscribed, self.replay.clone(), until);
        reader.join_at(start);
        reader
    }

    /// Publishes `count` entries, of which those whose number is a multiple of `leaves_out` have no message.
    fn publish(&mut self, count: u64, leaves_out: u64) {
        let end = self.next + count;
        let seqs: Vec<_> = (self.next..end).filter(|seq| !seq.is_multiple_of(leaves_out)).collect();
        let unit = unit(&seqs, end);
        self.journal.push_back((self.next, unit.clone()));
        self.next = end;
        self.feed.tail.push(unit);
    }

    /// Removes the oldest unit from the tail, if there is any.
    fn evict(&mut self) {
        self.oldest += u64::from(self.feed.tail.evict(self.oldest).is_some());
    }

    /// Serves one reader as the Replayer does. Returns whether there was one.
    fn replay_one(&mut self) -> bool {
        let Ok(reader) = self.replayed.try_recv() else { return false };
        let Some(from) = reader.reads_from() else { return true };
        match self.journal.iter().find(|(_, unit)| unit.end_seq > from) {
            Some((begin, unit)) => {
                if from < *begin {
                    reader.skip_to(*begin);
                }
                if reader.deliver(unit.clone(), self.now) {
                    self.replay.send(reader).expect("a receiver");
                }
            }
            None => reader.join_before(self.next),
        }
        true
    }
}

/// The texts of all messages that the reader has now: numbers, and the notices of gaps.
fn texts(reader: &Arc<Reader>) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(Next::Frames(chunk)) = next(reader) {
        let mut bytes = chunk.bytes();
        while let [0x81, length, rest @ ..] = bytes {
            let (text, rest) = match length {
                126 => rest[2..].split_at(usize::from(u16::from_be_bytes([rest[0], rest[1]]))),
                length => rest.split_at(usize::from(*length)),
            };
            texts.push(String::from_utf8_lossy(text).into_owned());
            bytes = rest;
        }
    }
    texts
}

fn numbers(reader: &Arc<Reader>) -> Vec<u64> {
    texts(reader).iter().map(|text| text.parse().expect("a number")).collect()
}

/// Its connection has asked before the Broker has let it join.
#[test]
fn a_reader_that_joins_at_its_end_is_woken_to_end() {
    let stage = Stage::new();
    let subscribed = Subscribed {
        feed: stage.feed.clone(),
        when_behind: WhenBehind::Replay,
        counters: stage.counters.clone(),
        tells_gaps: true,
    };
    let reader = Reader::new(false, subscribed, stage.replay.clone(), Some(7));
    stage.feed.tail.restart(7);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    assert!(reader.poll_next(&mut Context::from_waker(&waker)).is_pending());
    reader.join_at(7);
    assert!(woken.0.load(Ordering::Relaxed));
    assert!(matches!(next(&reader), Some(Next::Close(frame)) if frame.starts_with(&[0x88, 2, 3, 232])));
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A search must not hide what is missing.
#[test]
fn a_reader_with_an_end_is_told_what_is_missing_before_it() {
    for (until, missing) in [(25, 10..=19), (15, 10..=14)] {
        let mut stage = Stage::new();
        (0..3).for_each(|_| stage.publish(10, u64::MAX));
        (0..3).for_each(|_| stage.evict());
        stage.journal.remove(1);
        let reader = stage.reader(0, Some(until), WhenBehind::Replay);
        let mut read = Vec::new();
        while stage.replay_one() {
            read.extend(texts(&reader));
        }
        let gaps: Vec<Value> = read.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let gaps: Vec<_> = gaps.iter().filter(|gap| gap.is_object()).collect();
        assert_eq!(gaps.len(), 1, "{read:?}");
        let ends = [&gaps[0]["from_seq"], &gaps[0]["to_seq"]].map(|seq| seq.as_u64().expect("a number"));
        assert_eq!(ends, [*missing.start(), *missing.end()]);
        let seqs: Vec<u64> = read.iter().filter_map(|text| text.parse().ok()).collect();
        assert_eq!(seqs, (1..10).chain(20..until).collect::<Vec<_>>(), "0 has no message");
    }
}

#[test]
fn what_is_published_is_read_in_order_and_once() {
    let mut stage = Stage::new();
    let reader = stage.reader(0, None, WhenBehind::Replay);
    assert!(next(&reader).is_none());
    stage.publish(3, 100);
    stage.publish(2, 100);
    assert_eq!(numbers(&reader), [1, 2, 3, 4], "0 has no message");
    assert_eq!((reader.cursor(), reader.sent(), reader.dropped()), (5, 4, 0));
    let late = stage.reader(2, None, WhenBehind::Replay);
    assert_eq!(numbers(&late), [2, 3, 4]);
}

#[test]
fn a_reader_that_falls_behind_reads_the_journal_and_comes_back() {
    let mut stage = Stage::new();
    let reader = stage.reader(0, None, WhenBehind::Replay);
    (0..5).for_each(|_| stage.publish(2, 100));
    (0..3).for_each(|_| stage.evict());
    assert!(next(&reader).is_none(), "it waits for the journal");
    assert!(reader.is_replaying());
    let mut read = Vec::new();
    while stage.replay_one() {
        read.extend(numbers(&reader));
    }
    stage.publish(1, 100);
    read.extend(numbers(&reader));
    assert_eq!(read, (1..11).collect::<Vec<_>>());
    assert!(!reader.is_replaying() && reader.dropped() == 0);
}

/// A reader behind the tail, which has 20 entries in units of two. Its connection waits.
fn replaying(until: Option<u64>) -> (Stage, Arc<Reader>, Arc<Woken>) {
    let mut stage = Stage::new();
    (0..10).for_each(|_| stage.publish(2, 100));
    (0..9).for_each(|_| stage.evict());
    let reader = stage.reader(1, until, WhenBehind::Replay);
    let woken = Arc::new(Woken::default());
    assert!(reader.poll_next(&mut Context::from_waker(&woken.clone().into())).is_pending());
    (stage, reader, woken)
}

impl Woken {
    fn is_woken(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn small_units_of_the_journal_are_sent_together_after_a_moment() {
    let (mut stage, reader, woken) = replaying(None);
    (0..3).for_each(|_| assert!(stage.replay_one()));
    assert!(!woken.is_woken() && reader.waiting_since().is_none());
    stage.now += LONGEST;
    assert!(stage.replay_one());
    assert!(woken.is_woken());
    let Some(Next::Frames(chunk)) = next(&reader) else { panic!("nothing was sent") };
    assert_eq!(chunk.bytes().len(), 7 * 18, "in one piece");
    assert_eq!(reader.cursor(), 8);
    assert!(next(&reader).is_none() && stage.replay_one(), "it goes on");
}

#[test]
fn small_units_are_sent_at_the_end_and_before_the_tail() {
    for (until, expected, most) in [(Some(7), 1..7, 4), (None, 1..20, 11)] {
        let (mut stage, reader, woken) = replaying(until);
        let mut units = 0;
        while !woken.is_woken() {
            assert!(stage.replay_one());
            units += 1;
        }
        assert!(units <= most, "{units} were read");
        assert_eq!(numbers(&reader), expected.collect::<Vec<_>>());
    }
}

#[test]
fn small_units_are_sent_before_a_gap_and_when_the_disk_fails() {
    let (mut stage, reader, woken) = replaying(None);
    assert!(stage.replay_one());
    reader.skip_to(10);
    assert!(woken.is_woken());
    let gap = r#"{"message_type":"gap","dropped":8,"from_seq":2,"to_seq":9}"#;
    assert_eq!(texts(&reader), [format!("{:016}", 1), gap.to_string()]);

    let (mut stage, reader, woken) = replaying(None);
    assert!(stage.replay_one());
    stage.replayed.try_recv().expect("the reader").retry();
    assert!(woken.is_woken());
    assert_eq!(numbers(&reader), [1]);
    assert!(stage.replay_one(), "it has asked once more");
}

#[test]
fn what_was_gathered_is_given_up_with_its_reader() {
    let (stage, reader, _) = replaying(None);
    let unit = unit(&[1], 2);
    assert!(stage.replayed.try_recv().expect("the reader").deliver(unit.clone(), stage.now));
    assert_eq!(Arc::strong_count(&unit.shared), 2);
    reader.abandon(GOING_AWAY, "too slow");
    assert_eq!(Arc::strong_count(&unit.shared), 1);
}

#[test]
fn units_that_are_large_enough_are_sent_at_once() {
    let (stage, reader, woken) = replaying(None);
    assert!(!woken.is_woken());
    let reader_again = stage.replayed.try_recv().expect("the reader");
    let large = Unit { shared: shared(Frames::single(&vec![b'x'; ENOUGH - 4]), 1), end_seq: 4 };
    assert_eq!(large.shared.frames().bytes().len(), ENOUGH);
    assert!(!reader_again.deliver(large.clone(), stage.now), "the connection asks for the next one");
    assert!(woken.is_woken());
    let Some(Next::Frames(chunk)) = next(&reader) else { panic!("nothing was sent") };
    assert_eq!(chunk.bytes().as_ptr(), large.shared.frames().bytes().as_ptr(), "no copy");
}

#[test]
fn what_the_journal_no_longer_has_is_a_gap() {
    let mut stage = Stage::new();
    (0..5).for_each(|_| stage.publish(2, 100));
    (0..5).for_each(|_| stage.evict());
    stage.journal.drain(..2);
    let reader = stage.reader(1, None, WhenBehind::Replay);
    while stage.replay_one() {}
    let read = texts(&reader);
    assert_eq!(read[0], r#"{"message_type":"gap","dropped":3,"from_seq":1,"to_seq":3}"#);
    assert_eq!(read[1], format!("{:016}", 4));
    assert_eq!(reader.dropped(), 3);
    assert_eq!(stage.counters.of(Stream::Lite).read().2, 3);
}

#[test]
fn a_reader_with_an_end_ends_there_wherever_it_reads() {
    for evicted in [0, 3] {
        let mut stage = Stage::new();
        (0..5).for_each(|_| stage.publish(3, 100));
        (0..evicted).for_each(|_| stage.evict());
        let reader = stage.reader(2, Some(7), WhenBehind::Replay);
        let (mut read, mut close) = (Vec::new(), None);
        while close.is_none() {
            match next(&reader) {
                Some(Next::Frames(chunk)) => {
                    read.extend(
                        chunk.bytes().chunks(18).map(|frame| {
                            String::from_utf8_lossy(&frame[2..]).parse::<u64>().expect("a number")
                        }),
                    );
                }
                Some(Next::Close(frame)) => close = Some(frame),
                Some(other) => panic!("{other:?}"),
                None => assert!(stage.replay_one(), "it waits for nothing"),
            }
        }
        assert_eq!(read, [2, 3, 4, 5, 6]);
        assert_eq!(close.expect("a close frame"), close_frame(NORMAL, ""));
    }
}

#[test]
fn a_reader_at_the_tail_gets_everything_before_the_close_frame() {
    let mut stage = Stage::new();
    let reader = stage.reader(0, None, WhenBehind::Replay);
    stage.publish(3, 100);
    reader.close(GOING_AWAY, "server is stopping");
    stage.publish(3, 100);
    assert!(matches!(next(&reader), Some(Next::Frames(_))));
    assert!(matches!(next(&reader), Some(Next::Frames(_))));
    assert!(matches!(next(&reader), Some(Next::Close(_))));
    stage.publish(3, 100);
    assert!(next(&reader).is_none(), "it waits for the client's close frame");
    assert!(reader.end(close_frame(GOING_AWAY, "")));
    assert!(matches!(next(&reader), Some(Next::Last(bytes)) if bytes.is_empty()), "which is not answered");
    assert!(matches!(next(&reader), Some(Next::Linger)));
    let abandoned = stage.reader(0, None, WhenBehind::Replay);
    abandoned.abandon(GOING_AWAY, "too slow");
    assert!(matches!(next(&abandoned), Some(Next::Close(_))), "at once");
}

#[test]
fn pings_go_first_and_stalls_are_noticed() {
    let mut stage = Stage::new();
    let reader = stage.reader(0, None, WhenBehind::Replay);
    let later = Instant::now() + Duration::from_secs(100);
    assert!(!reader.is_stalled(later, Duration::from_secs(50)), "nothing is to be sent");
    stage.publish(1, 100);
    stage.publish(1, 100);
    reader.wake();
    reader.ping();
    assert!(reader.is_stalled(later, Duration::from_secs(50)));
    assert!(matches!(next(&reader), Some(Next::Frames(chunk)) if chunk.bytes() == PING));
    assert_eq!(numbers(&reader), [1]);
    assert!(!reader.is_stalled(later, Duration::from_secs(50)));
    reader.cut();
    assert!(reader.poll_cut(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn answers_go_before_what_is_published_and_an_end_replaces_it() {
    let mut stage = Stage::new();
    let reader = stage.reader(0, None, WhenBehind::Replay);
    let (pong, newer, answer) = (&b"pong"[..], &b"newer"[..], &b"answer"[..]);
    stage.publish(3, 100);
    reader.ping();
    reader.pong(pong.into());
    reader.pong(newer.into());
    assert!(matches!(next(&reader), Some(Next::Frames(chunk)) if chunk.bytes() == newer), "the newest alone");
    reader.pong(pong.into());
    reader.close(GOING_AWAY, "server is stopping");
    assert!(reader.end(answer.into()) && !reader.end(pong.into()));
    reader.pong(newer.into());
    assert!(matches!(next(&reader), Some(Next::Frames(chunk)) if chunk.bytes() == pong));
    assert!(matches!(next(&reader), Some(Next::Last(bytes)) if bytes == answer));
    assert!(matches!(next(&reader), Some(Next::Linger)));
    assert!(!reader.end(answer.into()));
}

#[test]
fn pings_are_answered_while_the_clients_close_frame_is_awaited() {
    let reader = Reader::of_pushed(Wire::WebSocket);
    reader.close(NORMAL, "");
    assert!(matches!(next(&reader), Some(Next::Close(_))));
    reader.pong(b"pong"[..].into());
    assert!(matches!(next(&reader), Some(Next::Frames(chunk)) if chunk.bytes() == b"pong"));
    assert!(next(&reader).is_none());
}

/// Nothing follows a close frame or the last bytes, but a client that does not accept them is stalled.
#[test]
fn a_client_that_does_not_accept_its_end_is_stalled() {
    let later = Instant::now() + Duration::from_secs(100);
    for wire in [Wire::WebSocket, Wire::Lines] {
        let reader = Reader::of_pushed(wire);
        reader.close(NORMAL, "");
        assert!(matches!(next(&reader), Some(Next::Close(_) | Next::Last(_))));
        assert!(reader.is_stalled(later, Duration::from_secs(50)));
        // The connection comes back once everything was accepted.
        let _ = next(&reader);
        assert!(!reader.is_stalled(later, Duration::from_secs(50)));
    }
}

#[test]
fn notices_are_bounded() {
    let reader = Reader::of_pushed(Wire::WebSocket);
    let notice: Arc<SharedFrames> = Arc::new(Frames::single(b"x").into());
    (0..1000).for_each(|_| reader.push(&notice));
    assert_eq!(texts(&reader).len(), MAX_NOTICES);
    assert_eq!(reader.sent(), 0, "they are no messages of a stream");
}

#[test]
#[cfg(target_os = "linux")]
fn what_many_read_is_sent_by_pages_but_for_small_rests() {
    let text = "x".repeat(30_000);
    let mut builder = FramesBuilder::default();
    (0..40u8).for_each(|i| builder.push(|out| out.extend([text.as_bytes(), &[b'a' + i % 26]].concat())));
    let frames = builder.build();
    let reader = Reader::of_pushed(Wire::WebSocket);
    reader.push(&shared(frames.clone(), 1000));
    let (mut pieces, mut sent) = (0, Vec::new());
    while let Some(next) = next(&reader) {
        let Next::Frames(mut chunk) = next else { panic!("{next:?}") };
        pieces += 1;
        while chunk.in_own_pages().is_some() {
            sent.extend_from_slice(chunk.bytes().get(..10_001).expect("a large rest"));
            chunk.advance(10_001);
        }
        assert!(chunk.bytes().len() < 16 * 1024, "few bytes are sent as they are");
        sent.extend_from_slice(chunk.bytes());
    }
    assert!(pieces > 1, "{pieces}");
    assert!(sent == frames.bytes(), "other bytes were sent");
}

#[test]
fn for_few_clients_or_bytes_there_are_no_pages() {
    assert!(!shared(Frames::single(&[b'x'; 65_000]), 1000).is_in_own_pages());
    let shared = shared(Frames::single(&[b'x'; 100_000]), 1);
    assert!(!shared.is_in_own_pages());
    assert_eq!(shared.frames().bytes().len(), 100_010);
}

#[test]
fn short_frames_are_joined_and_long_ones_are_not_copied() {
    let parts = [1000, 1000, 300_000, 300_000, 10].map(|length| Frames::single(&vec![b'x'; length]));
    let units = SharedFrames::joined(&parts, 1);
    assert_eq!(units.iter().map(|unit| unit.frames().len()).collect::<Vec<_>>(), [2, 1, 1, 1]);
    assert_eq!(units[1].frames().bytes().as_ptr(), parts[2].bytes().as_ptr());
    let of_all: Vec<u8> = parts.iter().flat_map(|part| part.bytes()).copied().collect();
    assert!(units.iter().flat_map(|unit| unit.frames().bytes()).eq(&of_all));
    if cfg!(target_os = "linux") {
        let units = SharedFrames::joined(&parts, 1000);
        assert!(units.len() == 1 && units[0].is_in_own_pages() && units[0].frames().bytes() == of_all);
        assert_eq!(units[0].frames().len(), 5);
    }
}
