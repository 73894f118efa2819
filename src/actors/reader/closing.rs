//! How the server ends a client's connection, and how long each step may take.
//!
//! ```text
//!   ┌─────── the client closes, or violates the protocol ──────┐
//!   │              │                      │                    ▼
//! open ─► close frame asked for ─► close frame sent ─────► last bytes ─► lingering ─► dropped
//!                  └─ ABANDONED_TIMEOUT ──┴── CLOSE_TIMEOUT ───┘            └─ LINGER_TIMEOUT, PROGRESS_INTERVAL
//! ```
//!
//! The [`Reader`](super::Reader) holds this state, which the connection follows by taking one step after the other. The
//! Broker enforces ABANDONED_TIMEOUT, for stalled clients; the connection enforces the others, and lingers.
//!
//! A client that exceeds any of them is cut off: its connection is reset and what it has not received is discarded.
//! Clients of plain HTTP have no close frame; their last bytes follow what was published.

use super::chunk::Next;
use bytes::Bytes;
use std::mem;
use std::time::Duration;

/// Time that a stalled client has to receive the close frame after the Broker has abandoned its queue.
pub(crate) const ABANDONED_TIMEOUT: Duration = Duration::from_secs(10);
/// Time that a client has to answer the server's close frame.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The step that a client's connection has reached. Steps are only taken forwards.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Closing {
    #[default]
    Open,
    /// This close frame follows everything published before.
    Asked(Bytes),
    /// The connection has taken the close frame, and waits for the client's.
    Sent,
    /// These are the last bytes; everything else is forgotten.
    Last(Bytes),
    /// The connection has taken the last bytes.
    Lingering,
}

impl Closing {
    /// Whether the connection is not closing.
    pub(super) fn is_open(&self) -> bool {
        *self == Closing::Open
    }

    /// Whether nothing published is sent any more.
    pub(super) fn is_past_queue(&self) -> bool {
        !matches!(self, Closing::Open | Closing::Asked(_))
    }

    /// Whether what the client says still counts.
    pub(super) fn is_heard(&self) -> bool {
        !matches!(self, Closing::Last(_) | Closing::Lingering)
    }

    /// Whether there is something for the connection to take.
    pub(super) fn has_next(&self) -> bool {
        matches!(self, Closing::Asked(_) | Closing::Last(_))
    }

    /// Asks for a close frame, unless the connection is closing already.
    pub(super) fn ask(&mut self, frame: Bytes) {
        if self.is_open() {
            *self = Closing::Asked(frame);
        }
    }

    /// The client is not heard any more. `answer` is sent last, unless a close frame was sent: then the client has answered
    /// it (RFC 6455 section 5.5.1). Returns whether the client was heard until now.
    pub(super) fn end(&mut self, answer: Bytes) -> bool {
        let is_heard = self.is_heard();
        if is_heard {
            *self = Closing::Last(if *self == Closing::Sent { Bytes::new() } else { answer });
        }
        is_heard
    }

    /// What follows everything published; `None` if the connection goes on or waits for the client.
    pub(super) fn take(&mut self, has_close_frames: bool) -> Option<Next> {
        let (closing, next) = match mem::take(self) {
            Closing::Open => (Closing::Open, None),
            Closing::Asked(frame) if has_close_frames => (Closing::Sent, Some(Next::Close(frame))),
            // Clients of plain HTTP reconnect on their own.
            Closing::Asked(_) => (Closing::Lingering, Some(Next::Last(Bytes::new()))),
            Closing::Sent => (Closing::Sent, None),
            Closing::Last(bytes) => (Closing::Lingering, Some(Next::Last(bytes))),
            Closing::Lingering => (Closing::Lingering, Some(Next::Linger)),
        };
        *self = closing;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Bytes = Bytes::from_static(b"ours");
    const ANSWER: Bytes = Bytes::from_static(b"answer");

    /// What the connection takes until it lingers or waits.
    fn taken(closing: &mut Closing, has_close_frames: bool) -> Vec<Option<Next>> {
        let mut taken = vec![closing.take(has_close_frames)];
        while matches!(taken.last(), Some(Some(Next::Close(_) | Next::Last(_)))) {
            taken.push(closing.take(has_close_frames));
        }
        taken
    }

    #[test]
    fn a_close_frame_is_sent_once_and_its_answer_is_not_answered() {
        let mut closing = Closing::default();
        closing.ask(OURS);
        closing.ask(ANSWER);
        assert!(matches!(&taken(&mut closing, true)[..], [Some(Next::Close(frame)), None] if *frame == OURS));
        assert!(closing.end(ANSWER) && !closing.end(ANSWER));
        let rest = taken(&mut closing, true);
        assert!(matches!(&rest[..], [Some(Next::Last(last)), Some(Next::Linger)] if last.is_empty()));
    }

    #[test]
    fn the_answer_to_a_client_replaces_a_close_frame_that_was_not_sent() {
        for is_asked in [false, true] {
            let mut closing = Closing::default();
            if is_asked {
                closing.ask(OURS);
            }
            assert!(closing.end(ANSWER));
            closing.ask(OURS);
            let rest = taken(&mut closing, true);
            assert!(matches!(&rest[..], [Some(Next::Last(last)), Some(Next::Linger)] if *last == ANSWER));
            assert!(!closing.end(ANSWER) && closing == Closing::Lingering);
        }
    }

    #[test]
    fn without_close_frames_the_end_follows_at_once() {
        let mut closing = Closing::default();
        closing.ask(OURS);
        let rest = taken(&mut closing, false);
        assert!(matches!(&rest[..], [Some(Next::Last(last)), Some(Next::Linger)] if last.is_empty()));
    }
}
