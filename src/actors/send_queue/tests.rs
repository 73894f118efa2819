//! The queue of a client, filled by the Broker and drained by the connection.

use super::*;
use crate::message::{Frames, FramesBuilder, gap};
use proptest::prelude::*;

/// Limits with space for `messages` messages of one character each.
fn send_queue(messages: usize, notices: bool) -> SendQueue {
    SendQueue::new(QueueLimits { bytes: messages * 3, ..QueueLimits::NONE }, Wire::WebSocket, notices)
}

fn frames(texts: &[&str]) -> Arc<SharedFrames> {
    let mut builder = FramesBuilder::default();
    texts.iter().for_each(|t| builder.push(|out| out.extend_from_slice(t.as_bytes())));
    Arc::new(builder.build().into())
}

fn push(send_queue: &SendQueue, texts: &[&str], first_seq: u64) {
    assert!(send_queue.push(&frames(texts), first_seq, Instant::now()));
}

/// The next item, and whether it is the close frame.
fn next(send_queue: &SendQueue) -> Option<(Bytes, bool)> {
    let next = match send_queue.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(next) => next,
        Poll::Pending => return None,
    };
    Some(match next {
        Next::Frames(chunk) => (chunk.bytes().clone(), false),
        Next::Close(frame) => (frame, true),
    })
}

/// The texts of messages and notices, each short enough for a one-byte length.
fn heard(send_queue: &SendQueue) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some((bytes, closes)) = next(send_queue) {
        if closes {
            heard.push("close".into());
            continue;
        }
        let mut bytes = bytes.as_ref();
        while let [0x81, length, rest @ ..] = bytes {
            let (text, rest) = rest.split_at(usize::from(*length));
            heard.push(String::from_utf8_lossy(text).into_owned());
            bytes = rest;
        }
    }
    heard
}

#[test]
fn messages_leave_in_the_order_in_which_they_came() {
    let send_queue = send_queue(10, false);
    push(&send_queue, &["a", "b"], 0);
    push(&send_queue, &["c"], 2);
    assert_eq!((send_queue.queued(), send_queue.queued_bytes()), (3, 9));
    assert_eq!(next(&send_queue), Some((Bytes::from_static(b"\x81\x01a\x81\x01b"), false)));
    assert_eq!(next(&send_queue), Some((Bytes::from_static(b"\x81\x01c"), false)));
    assert_eq!(next(&send_queue), None);
    assert_eq!(
        (send_queue.queued(), send_queue.queued_bytes(), send_queue.sent(), send_queue.dropped()),
        (0, 0, 3, 0)
    );
}

#[test]
fn a_full_queue_drops_and_counts_the_oldest() {
    let send_queue = send_queue(2, false);
    push(&send_queue, &["a"], 0);
    push(&send_queue, &["b", "c", "d"], 1);
    assert_eq!((send_queue.queued(), send_queue.dropped()), (2, 2));
    push(&send_queue, &["e"], 4);
    assert_eq!(heard(&send_queue), ["d", "e"]);
    assert_eq!(send_queue.dropped(), 3);
}

#[test]
fn what_has_waited_too_long_is_dropped_too() {
    let limits = QueueLimits { age: Duration::from_secs(60), ..QueueLimits::NONE };
    let send_queue = SendQueue::new(limits, Wire::WebSocket, true);
    let begin = Instant::now();
    let at = |s| begin + Duration::from_secs(s);
    assert!(send_queue.push(&frames(&["a", "b"]), 0, at(0)));
    assert!(send_queue.push(&frames(&["c"]), 2, at(30)));
    assert!(send_queue.push(&frames(&["d"]), 3, at(61)));
    assert_eq!(heard(&send_queue), [&gap(0, 1), "c", "d"]);
}

#[test]
fn a_client_may_be_given_up_instead() {
    let limits = QueueLimits { bytes: 6, when_full: WhenFull::Disconnect, ..QueueLimits::NONE };
    let send_queue = SendQueue::new(limits, Wire::WebSocket, false);
    assert!(send_queue.push(&frames(&["a", "b"]), 0, Instant::now()));
    assert!(!send_queue.push(&frames(&["c"]), 2, Instant::now()));
    send_queue.abandon(1001, "too slow");
    assert_eq!(heard(&send_queue), ["close"]);
    assert_eq!(send_queue.dropped(), 3);
}

#[test]
fn a_heartbeat_that_does_not_fit_is_no_loss() {
    let send_queue = send_queue(1, false);
    push(&send_queue, &["a"], 0);
    send_queue.push_if_room(&frames(&["heartbeat"]), Instant::now());
    assert_eq!((send_queue.queued(), send_queue.dropped()), (1, 0));
}

#[test]
fn one_write_is_bounded_and_holds_whole_frames() {
    let text = "x".repeat(20_000);
    let long = "y".repeat(300_000);
    for (wire, most) in [(Wire::WebSocket, 262_144), (Wire::Events, 262_144)] {
        let send_queue = SendQueue::new(QueueLimits::NONE, wire, false);
        push(&send_queue, &[&*text; 50], 0);
        let mut sent = 0;
        while let Some((bytes, false)) = next(&send_queue) {
            assert!(bytes.len() <= most && bytes.len() % 20_004 == 0, "{}", bytes.len());
            sent += bytes.len() / 20_004;
        }
        assert_eq!(sent, 50);
        push(&send_queue, &[&long], 50);
        assert!(
            matches!(next(&send_queue), Some((b, false)) if b.len() == 300_010),
            "never less than a frame"
        );
    }
}

#[test]
fn closing_sends_what_is_queued_first_and_takes_nothing_more() {
    let send_queue = send_queue(10, false);
    push(&send_queue, &["a"], 0);
    send_queue.close(1001, "bye");
    push(&send_queue, &["b"], 1);
    assert!(!send_queue.has_closed());
    assert_eq!(next(&send_queue), Some((Bytes::from_static(b"\x81\x01a"), false)));
    assert_eq!(next(&send_queue), Some((Bytes::from_static(b"\x88\x05\x03\xe9bye"), true)));
    assert!(send_queue.has_closed());
    send_queue.close(1000, "again");
    assert_eq!(next(&send_queue), None, "a second close frame would be a protocol error");
}

#[test]
fn a_ping_goes_ahead_of_what_is_queued_and_never_after_a_close_frame() {
    let send_queue = send_queue(10, false);
    push(&send_queue, &["a"], 0);
    send_queue.ping();
    send_queue.ping();
    assert_eq!(next(&send_queue), Some((PING, false)));
    assert_eq!(next(&send_queue), Some((Bytes::from_static(b"\x81\x01a"), false)));
    send_queue.close(1001, "");
    send_queue.ping();
    assert!(matches!(next(&send_queue), Some((_, true))));
    assert_eq!(next(&send_queue), None);
}

#[test]
fn abandoning_frees_the_queue_and_counts_it() {
    let send_queue = send_queue(10, false);
    let shared = frames(&["a", "b"]);
    assert!(send_queue.push(&shared, 0, Instant::now()));
    send_queue.abandon(1001, "stalled");
    assert_eq!(Arc::strong_count(&shared), 1);
    assert_eq!((send_queue.queued(), send_queue.dropped()), (0, 2));
    assert!(matches!(next(&send_queue), Some((_, true))));
}

#[test]
fn a_queue_is_stalled_only_while_something_waits_and_nothing_is_taken() {
    let send_queue = send_queue(10, false);
    let (limit, later) = (Duration::from_secs(60), Instant::now() + Duration::from_secs(61));
    assert!(!send_queue.is_stalled(later, limit));
    push(&send_queue, &["a"], 0);
    assert!(!send_queue.is_stalled(Instant::now(), limit));
    assert!(send_queue.is_stalled(later, limit));
    next(&send_queue);
    assert!(!send_queue.is_stalled(later, limit));
}

#[test]
fn a_gap_is_told_of_in_its_place() {
    let send_queue = send_queue(2, true);
    push(&send_queue, &["0"], 0);
    assert_eq!(heard(&send_queue), ["0"]);
    push(&send_queue, &["1", "2", "3"], 1);
    push(&send_queue, &["4"], 4);
    assert_eq!((send_queue.queued(), send_queue.dropped()), (2, 2), "a notice takes no room");
    assert_eq!(heard(&send_queue), [&gap(1, 2), "3", "4"]);
    assert_eq!(send_queue.sent(), 3, "and is no message of the stream");
    assert!(heard(&send_queue).is_empty(), "once");
}

#[test]
fn who_is_given_up_is_told_of_everything_that_was_waiting() {
    let send_queue = send_queue(8, true);
    push(&send_queue, &["0", "1", "2"], 0);
    send_queue.push_if_room(&frames(&["!"]), Instant::now());
    push(&send_queue, &["3", "4"], 3);
    send_queue.abandon(1001, "stalled");
    push(&send_queue, &["5"], 5);
    assert_eq!(heard(&send_queue), [&gap(0, 4), "close"]);
}

#[test]
fn who_did_not_ask_is_told_nothing() {
    let send_queue = send_queue(1, false);
    push(&send_queue, &["0", "1"], 0);
    assert_eq!(heard(&send_queue), ["1"]);
    push(&send_queue, &["2", "3"], 2);
    send_queue.abandon(1001, "");
    assert_eq!(heard(&send_queue), ["close"]);
}

proptest! {
    /// At any reading speed, messages and notices together cover each sequence number exactly once and in order.
    #[test]
    fn messages_and_gaps_account_for_each_number(
        bytes in 1usize..60, steps in prop::collection::vec((0u8..5, 1u64..6), 1..80), abandon: bool,
    ) {
        let send_queue = SendQueue::new(QueueLimits { bytes, ..QueueLimits::NONE }, Wire::WebSocket, true);
        let (mut seq, mut numbers) = (0u64, Vec::new());
        let number = |text: &String| {
            let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
            match (json["from_seq"].as_u64(), json["to_seq"].as_u64()) {
                (Some(from), Some(to)) => (from..=to).collect(),
                _ => json.as_u64().into_iter().collect::<Vec<_>>(),
            }
        };
        for (what, n) in steps {
            match what {
                0 | 1 => {
                    let texts: Vec<String> = (seq..seq + n).map(|i| i.to_string()).collect();
                    push(&send_queue, &texts.iter().map(String::as_str).collect::<Vec<_>>(), seq);
                    seq += n;
                }
                2 => numbers.extend(heard(&send_queue).iter().flat_map(number)),
                3 => send_queue.push_if_room(&frames(&["\"heartbeat\""]), Instant::now()),
                _ => if n == 1 { send_queue.shed() },
            }
        }
        if abandon {
            send_queue.abandon(1001, "");
        }
        numbers.extend(heard(&send_queue).iter().flat_map(number));
        prop_assert_eq!(numbers, (0..seq).collect::<Vec<_>>());
    }
}

/// Budgets count the bytes that connections hold, so a client that reads nothing must still have an oldest message.
#[test]
fn what_the_connection_holds_still_waits() {
    let send_queue = send_queue(10, false);
    let (begin, shared) = (Instant::now(), frames(&["a", "b"]));
    assert!(send_queue.push(&shared, 0, begin));
    assert_eq!(send_queue.oldest(), Some(begin));
    let Poll::Ready(Next::Frames(chunk)) = send_queue.poll_next(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("frames")
    };
    assert_eq!((send_queue.queued(), send_queue.oldest()), (0, Some(begin)));
    assert_eq!(Arc::strong_count(&shared), 2, "the chunk keeps what it is of");
    drop(chunk);
    assert_eq!(next(&send_queue), None);
    assert_eq!((Arc::strong_count(&shared), send_queue.oldest()), (1, None));
}

#[test]
fn a_queue_that_fills_within_a_moment_is_told_from_one_that_is_always_full() {
    let (begin, frame, send_queue) = (Instant::now(), frames(&["a"]), send_queue(8, false));
    let at = |ms| begin + Duration::from_millis(ms);
    let push = |count, ms| (0..count).for_each(|i| assert!(send_queue.push(&frame, i, at(ms))));
    assert_eq!(send_queue.filling(begin), Some(Filling::No));
    push(2, 0);
    assert_eq!(send_queue.filling(at(1)), Some(Filling::No), "a quarter");
    push(2, 1);
    assert_eq!(send_queue.filling(at(2)), Some(Filling::Yes));
    push(1, 2);
    assert_eq!(send_queue.filling(at(3)), Some(Filling::Suddenly));
    push(1, 1998);
    assert_eq!(send_queue.filling(at(1999)), Some(Filling::Suddenly));
    assert_eq!(send_queue.filling(at(2000)), Some(Filling::Yes), "it has not kept up");
    assert_eq!(heard(&send_queue).len(), 6);
    push(5, 2500);
    assert_eq!(send_queue.filling(at(2501)), Some(Filling::Suddenly), "it has caught up");
}

#[test]
fn a_client_that_takes_nothing_is_not_waited_for() {
    let (begin, shared) = (Instant::now(), frames(&["a", "b"]));
    let send_queue = send_queue(2, false);
    assert!(send_queue.push(&shared, 0, begin));
    let taken = send_queue.poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(send_queue.push(&shared, 2, begin));
    assert_eq!(send_queue.filling(begin), Some(Filling::Suddenly));
    assert_eq!(send_queue.filling(Instant::now() + Duration::from_secs(2)), None, "{taken:?} is under way");
    assert_eq!(heard(&send_queue), ["a", "b"]);
    assert_eq!(send_queue.filling(Instant::now() + Duration::from_secs(2)), Some(Filling::No));
}

/// One message of `length` times `fill`, shared by `clients` clients, as a queue returns it.
pub(in crate::actors) fn chunk(fill: u8, length: usize, clients: usize) -> Chunk {
    let shared = SharedFrames::new(Frames::single(&vec![fill; length]), clients);
    let send_queue = SendQueue::new(QueueLimits::NONE, Wire::WebSocket, false);
    assert!(send_queue.push(&shared, 0, Instant::now()));
    match send_queue.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Next::Frames(chunk)) => chunk,
        other => panic!("{other:?}"),
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_many_hear_is_sent_by_pages_but_for_small_rests() {
    let text = "x".repeat(30_000);
    let mut builder = FramesBuilder::default();
    (0..40u8).for_each(|i| builder.push(|out| out.extend([text.as_bytes(), &[b'a' + i % 26]].concat())));
    let frames = builder.build();
    let shared = SharedFrames::new(frames.clone(), 1000);
    let send_queue = SendQueue::new(QueueLimits::NONE, Wire::WebSocket, false);
    assert!(send_queue.push(&shared, 0, Instant::now()));
    let (mut pieces, mut sent) = (0, Vec::new());
    while let Poll::Ready(next) = send_queue.poll_next(&mut Context::from_waker(Waker::noop())) {
        let Next::Frames(mut chunk) = next else { panic!("{next:?}") };
        pieces += 1;
        while chunk.in_own_pages().is_some() {
            sent.extend_from_slice(chunk.bytes().get(..10_001).unwrap());
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
    assert!(!SharedFrames::new(Frames::single(&[b'x'; 65_000]), 1000).is_in_own_pages());
    let shared = SharedFrames::new(Frames::single(&[b'x'; 100_000]), 1);
    assert!(!shared.is_in_own_pages());
    assert_eq!(shared.bytes(), 100_010);
}

#[test]
fn other_limits_hold_from_the_next_message_on() {
    let send_queue = send_queue(10, false);
    (0..10).for_each(|n| push(&send_queue, &["a"], n));
    send_queue.set_limits(QueueLimits { bytes: 6, ..QueueLimits::NONE });
    assert_eq!((send_queue.queued(), send_queue.dropped()), (10, 0));
    push(&send_queue, &["b"], 10);
    assert_eq!((send_queue.queued(), send_queue.dropped()), (2, 9));
    send_queue.set_limits(QueueLimits { bytes: 3, when_full: WhenFull::Disconnect, ..QueueLimits::NONE });
    assert!(!send_queue.push(&frames(&["c"]), 11, Instant::now()));
}
