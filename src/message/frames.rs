//! WebSocket frames (RFC 6455 section 5.2) from a server. They are not masked, so all clients get the same
//! bytes. They are therefore built once, in one shared buffer.

use super::certificate_update::DIGITS;
use crate::spare::Buffer;
use arrayvec::ArrayVec;
use bytes::Bytes;
use std::ops::{Deref, Range};
use std::sync::Arc;

const FIN: u8 = 0x80;
/// Set for a compressed message.
const RSV1: u8 = 0x40;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PONG: u8 = 0xa;
/// From this length on, a payload length takes 16 bits; above [`MAX_16_BIT`] it takes 64.
const MIN_16_BIT: usize = 126;
const MAX_16_BIT: usize = 0xffff;
/// Bytes reserved for a header before the text is written: the header with a 16-bit length.
const ROOM: usize = 4;

/// Consecutive text frames, one per message.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Memory,
    spans: Vec<Span>,
}

/// Where the bytes are.
#[derive(Debug)]
enum Memory {
    /// Where they were written.
    Own(Buffer),
    /// In memory that the caller chose.
    Given(Bytes),
    /// A part of those of others.
    Part(Arc<Frames>, Range<usize>),
}

impl Default for Memory {
    fn default() -> Self {
        Memory::Own(Buffer::default())
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Memory::Own(buffer) => buffer,
            Memory::Given(bytes) => bytes,
            Memory::Part(whole, range) => whole.bytes.get(range.clone()).unwrap_or_default(),
        }
    }
}

/// The position of one frame. It begins where the previous one ends.
#[derive(Debug, Clone, Copy)]
struct Span {
    payload: usize,
    end: usize,
    /// The message's number in the journal, and where its digits begin.
    number: Option<Number>,
}

#[derive(Debug, Clone, Copy)]
struct Number {
    /// Until the batch has its numbers: the place of the message's entry in the batch.
    seq: u64,
    digits: usize,
}

impl Span {
    /// The span of the same frame if it begins at `to` instead of `from`.
    fn placed(&self, from: usize, to: usize) -> Self {
        let at = |offset: usize| offset - from + to;
        let number = self.number.map(|number| Number { digits: at(number.digits), ..number });
        Span { payload: at(self.payload), end: at(self.end), number }
    }
}

impl Frames {
    /// The messages of all `parts`, in order.
    pub fn joined(parts: &[Arc<Frames>]) -> Arc<Frames> {
        if let [only] = parts {
            return only.clone();
        }
        let mut bytes = Buffer::with_capacity(parts.iter().map(|part| part.bytes.len()).sum());
        parts.iter().for_each(|part| bytes.extend_from_slice(&part.bytes));
        Arc::new(Frames { bytes: Memory::Own(bytes), spans: spans_of(parts) })
    }

    /// The same as [`joined`](Self::joined), with `copy` as their bytes.
    pub(crate) fn joined_in(parts: &[Arc<Frames>], copy: Bytes) -> Arc<Frames> {
        debug_assert!(parts.iter().flat_map(|part| part.bytes.iter()).eq(copy.iter()), "it is no copy");
        Arc::new(Frames { bytes: Memory::Given(copy), spans: spans_of(parts) })
    }

    /// The messages with these numbers, which are in order. Numbers without a message are left out.
    pub(super) fn picked(&self, seqs: impl Iterator<Item = u64>) -> Arc<Frames> {
        Frames::copied(self, &self.indexes_of(seqs))
    }

    /// The same, without a copy of messages that follow each other: they stay a part of `frames`.
    pub(crate) fn picked_in(frames: &Arc<Frames>, seqs: impl Iterator<Item = u64>) -> Arc<Frames> {
        let indexes = frames.indexes_of(seqs);
        let (Some(first), Some(last)) = (indexes.first().copied(), indexes.last().copied()) else {
            return Arc::default();
        };
        if last - first >= indexes.len() {
            return Frames::copied(frames, &indexes);
        }
        let start = frames.offset(first);
        let spans = frames.spans.get(first..=last).unwrap_or_default();
        let spans = spans.iter().map(|span| span.placed(start, 0)).collect();
        Arc::new(Frames { bytes: Memory::Part(frames.clone(), frames.range(first, last + 1)), spans })
    }

    fn indexes_of(&self, seqs: impl Iterator<Item = u64>) -> Vec<usize> {
        seqs.map(|seq| (seq, self.index_of(seq)))
            .filter(|(seq, i)| self.seq(*i) == Some(*seq))
            .map(|(_, i)| i)
            .collect()
    }

    /// The frames that these are a part of: they stay in memory as long as these.
    pub(crate) fn whole(&self) -> Option<&Arc<Frames>> {
        match &self.bytes {
            Memory::Part(whole, _) => Some(whole),
            Memory::Own(_) | Memory::Given(_) => None,
        }
    }

    /// The messages at `indexes`.
    fn copied(frames: &Frames, indexes: &[usize]) -> Arc<Frames> {
        let length = indexes.iter().map(|i| frames.length(*i, i + 1)).sum();
        let (mut bytes, mut spans) = (Buffer::with_capacity(length), Vec::with_capacity(indexes.len()));
        for i in indexes {
            let Some(span) = frames.spans.get(*i) else { continue };
            spans.push(span.placed(frames.offset(*i), bytes.len()));
            bytes.extend_from_slice(frames.slice(*i, i + 1));
        }
        Arc::new(Frames { bytes: Memory::Own(bytes), spans })
    }

    /// Gives the messages their numbers: `first_seq` and the place of each one's entry in the batch.
    pub(super) fn number(&mut self, first_seq: u64) {
        let Memory::Own(bytes) = &mut self.bytes else {
            debug_assert!(false, "the messages were joined before they had numbers");
            return;
        };
        for number in self.spans.iter_mut().filter_map(|span| span.number.as_mut()) {
            number.seq += first_seq;
            if let Some(digits) = bytes.get_mut(number.digits..number.digits + DIGITS) {
                let mut rest = number.seq;
                for digit in digits.iter_mut().rev() {
                    *digit = b'0' + (rest % 10) as u8;
                    rest /= 10;
                }
            }
        }
    }

    /// The number of message `i` in the journal. `None` for a message that is not about an entry.
    pub fn seq(&self, i: usize) -> Option<u64> {
        self.spans.get(i)?.number.map(|number| number.seq)
    }

    /// The number behind that of the last message.
    pub(crate) fn end_seq(&self) -> Option<u64> {
        Some(self.spans.last()?.number?.seq + 1)
    }

    /// Number of messages at the beginning whose numbers are less than `seq`.
    pub(crate) fn index_of(&self, seq: u64) -> usize {
        self.spans.partition_point(|span| span.number.is_some_and(|number| number.seq < seq))
    }

    /// The frames of all messages.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The text of message `i` without its frame header. Empty if there is no such message.
    pub fn text(&self, i: usize) -> &[u8] {
        self.spans.get(i).and_then(|s| self.bytes.get(s.payload..s.end)).unwrap_or_default()
    }

    /// Byte offset of the frame of message `i`. The total length if there is no such message.
    pub fn offset(&self, i: usize) -> usize {
        i.checked_sub(1).and_then(|before| self.spans.get(before)).map_or(0, |s| s.end)
    }

    /// Number of messages, starting at `from`, that fit in `max_bytes`. At least one if any is left.
    pub fn fitting(&self, from: usize, max_bytes: usize) -> usize {
        let start = self.offset(from);
        let rest = self.spans.get(from..).unwrap_or_default();
        let fitting = rest.partition_point(|s| s.end - start <= max_bytes);
        fitting.max(1).min(rest.len())
    }

    /// Length in bytes of the frames of messages `from..to`.
    pub fn length(&self, from: usize, to: usize) -> usize {
        self.offset(to.min(self.spans.len())).saturating_sub(self.offset(from))
    }

    /// The frames of messages `from..to`, without copying them.
    pub fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(self.range(from, to)).unwrap_or_default()
    }

    /// Where the frames of messages `from..to` are in [`bytes`](Self::bytes).
    pub(crate) fn range(&self, from: usize, to: usize) -> Range<usize> {
        self.offset(from)..self.offset(to.min(self.spans.len()))
    }
}

/// Where the frames of all `parts` are if they follow each other.
fn spans_of(parts: &[Arc<Frames>]) -> Vec<Span> {
    let mut spans = Vec::with_capacity(parts.iter().map(|part| part.spans.len()).sum());
    let mut start = 0;
    for part in parts {
        spans.extend(part.spans.iter().map(|span| span.placed(0, start)));
        start += part.bytes.len();
    }
    spans
}

/// Builds consecutive frames. Each message's text is written directly to its final place.
#[derive(Debug, Default)]
pub(crate) struct FramesBuilder {
    bytes: Buffer,
    spans: Vec<Span>,
}

impl FramesBuilder {
    pub(crate) fn with_capacity(messages: usize, bytes: usize) -> Self {
        FramesBuilder { bytes: Buffer::with_capacity(bytes), spans: Vec::with_capacity(messages) }
    }

    /// Appends one text message. `write` must only append to its buffer.
    ///
    /// Nearly every message has a 16-bit length, so this reserves the bytes for that header. The text is
    /// moved only if it needs another header.
    pub(crate) fn push<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ROOM]);
        let written = write(&mut self.bytes);
        let header = text_header(self.bytes.len() - start - ROOM);
        let header_len = header.len();
        self.bytes.splice(start..start + ROOM, header);
        self.spans.push(Span { payload: start + header_len, end: self.bytes.len(), number: None });
        written
    }

    /// Records that the last message ends with the digits of its number, which `behind` bytes follow. `seq` is the number, or
    /// the place of its entry in the batch.
    pub(crate) fn number_last(&mut self, seq: u64, behind: usize) {
        if let Some(span) = self.spans.last_mut() {
            span.number = Some(Number { seq, digits: span.end.saturating_sub(behind + DIGITS) });
        }
    }

    /// The same, for a `write` that may find nothing to say: it returns whether the message is to be sent. Returns this too.
    pub(crate) fn push_if(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let start = self.bytes.len();
        let is_sent = self.push(write);
        if !is_sent {
            self.spans.pop();
            self.bytes.truncate(start);
        }
        is_sent
    }

    /// Appends raw bytes that are not a WebSocket frame.
    pub(crate) fn push_raw(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let payload = self.bytes.len();
        write(&mut self.bytes);
        self.spans.push(Span { payload, end: self.bytes.len(), number: None });
    }

    /// Appends one compressed text message (RFC 7692 section 6).
    pub(crate) fn push_compressed(&mut self, compressed: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend(text_header(compressed.len()));
        if let Some(first) = self.bytes.get_mut(start) {
            *first |= RSV1;
        }
        let payload = self.bytes.len();
        self.bytes.extend_from_slice(compressed);
        self.spans.push(Span { payload, end: self.bytes.len(), number: None });
    }

    pub(crate) fn build(self) -> Arc<Frames> {
        Arc::new(Frames { bytes: Memory::Own(self.bytes), spans: self.spans })
    }
}

/// The header of a text frame.
fn text_header(length: usize) -> ArrayVec<u8, 10> {
    let mut header = ArrayVec::from_iter([FIN | OPCODE_TEXT]);
    match length {
        0..MIN_16_BIT => header.push(length as u8),
        MIN_16_BIT..=MAX_16_BIT => {
            header.push(126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header
}

impl Frames {
    /// A single text message.
    pub fn single(text: &[u8]) -> Arc<Frames> {
        let mut builder = FramesBuilder::with_capacity(1, text.len() + 10);
        builder.push(|out| out.extend_from_slice(text));
        builder.build()
    }
}

/// A close frame. `reason` is truncated to the 123 bytes that fit in a control frame (RFC 6455 section
/// 5.5.1).
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let reason = reason.as_bytes();
    let reason = reason.get(..123).unwrap_or(reason);
    let mut frame = vec![FIN | OPCODE_CLOSE, reason.len() as u8 + 2];
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(reason);
    frame.into()
}

/// A close frame without a code.
pub fn plain_close_frame() -> Bytes {
    Bytes::from_static(&[FIN | OPCODE_CLOSE, 0])
}

/// The answer to a ping: a pong with its `payload` (RFC 6455 section 5.5.3). At most 125 bytes fit in a control frame.
pub fn pong_frame(payload: &[u8]) -> Bytes {
    let payload = payload.get(..125).unwrap_or(payload);
    Bytes::from([&[FIN | OPCODE_PONG, payload.len() as u8], payload].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::ws::{Codec, Frame};
    use bytes::BytesMut;
    use proptest::prelude::*;
    use tokio_util::codec::Decoder;

    fn built(texts: &[Vec<u8>]) -> Arc<Frames> {
        let mut builder = FramesBuilder::with_capacity(texts.len(), 0);
        for text in texts {
            builder.push(|out| out.extend_from_slice(text));
        }
        builder.build()
    }

    /// Parses the bytes with an independent implementation.
    fn read_back(frames: &[u8]) -> Vec<Vec<u8>> {
        let mut bytes = BytesMut::from(frames);
        let mut codec = Codec::new().client_mode().max_size(1 << 20);
        let mut texts = Vec::new();
        while let Some(frame) = codec.decode(&mut bytes).unwrap() {
            match frame {
                Frame::Text(text) => texts.push(text.to_vec()),
                other => panic!("{other:?}"),
            }
        }
        assert!(bytes.is_empty());
        texts
    }

    #[test]
    fn every_length_gets_the_header_that_the_protocol_asks_for() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let texts = vec![vec![b'x'; length], b"after".to_vec()];
            let frames = built(&texts);
            assert_eq!(read_back(frames.slice(0, 2)), texts, "{length}");
            assert_eq!(frames.text(0), texts[0], "{length}");
            assert_eq!(frames.text(1), b"after");
        }
    }

    proptest! {
        #[test]
        fn slices_hold_whole_frames_and_every_message_once(
            texts in prop::collection::vec(prop::collection::vec(0x20u8..0x7f, 0..300), 0..20),
            max in 0usize..1000,
        ) {
            let frames = built(&texts);
            let (mut at, mut seen) = (0, Vec::new());
            while at < frames.len() {
                let n = frames.fitting(at, max);
                let part = frames.slice(at, at + n);
                prop_assert!(n == 1 || part.len() <= max);
                seen.extend(read_back(part));
                at += n;
            }
            prop_assert_eq!(seen, texts);
        }
    }

    proptest! {
        #[test]
        fn joined_frames_are_those_of_all_parts(
            texts in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5), 0..5),
        ) {
            let parts: Vec<_> = texts.iter().map(|texts| built(texts)).collect();
            let joined = Frames::joined(&parts);
            let (whole, read): (Vec<_>, Vec<_>) = (texts.concat(), (0..joined.len()).map(|i| joined.text(i)).collect());
            prop_assert_eq!(&read, &whole);
            let at_once = built(&whole);
            prop_assert_eq!(joined.slice(0, joined.len()), at_once.slice(0, whole.len()));
        }
    }

    #[test]
    fn picked_messages_are_those_with_the_numbers_asked_for() {
        let mut builder = FramesBuilder::default();
        for seq in [10, 11, 13, 17u64] {
            let length = if seq == 11 { 70_000 } else { 20 };
            builder.push(|out| out.extend_from_slice(format!("{seq:016}{}", "x".repeat(length)).as_bytes()));
            builder.number_last(seq, length);
        }
        let all = builder.build();
        let texts = |frames: &Frames| (0..frames.len()).map(|i| frames.text(i).to_vec()).collect::<Vec<_>>();
        let mut picked = all.picked([9, 11, 12, 17, 18].into_iter());
        assert_eq!(texts(&picked), [all.text(1), all.text(3)]);
        assert_eq!((picked.seq(0), picked.seq(1), picked.end_seq()), (Some(11), Some(17), Some(18)));
        assert_eq!(read_back(picked.slice(0, 2)), texts(&picked));
        // The digits of the numbers are where they are said to be.
        Arc::get_mut(&mut picked).expect("a copy").number(1);
        assert!(
            picked.text(0).starts_with(b"0000000000000012x")
                && picked.text(1).starts_with(b"0000000000000018x")
        );
        assert!(all.picked([12].into_iter()).is_empty());
        assert_eq!(texts(&all.picked(0..20)), texts(&all));
    }

    #[test]
    fn messages_that_follow_each_other_are_picked_without_a_copy() {
        let mut builder = FramesBuilder::default();
        for seq in [10, 11, 13, 17u64] {
            builder.push(|out| out.extend_from_slice(format!("{seq:016}").as_bytes()));
            builder.number_last(seq, 0);
        }
        let all = builder.build();
        for (seqs, picked) in
            [(10..12, 0..2), (11..14, 1..3), (12..14, 2..3), (17..99, 3..4), (10..18, 0..4), (14..17, 0..0)]
        {
            let part = Frames::picked_in(&all, seqs.clone());
            let at = |i: usize| (part.text(i).to_vec(), part.seq(i));
            let expected = picked.clone().map(|i| (all.text(i).to_vec(), all.seq(i)));
            assert_eq!((0..part.len()).map(at).collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{seqs:?}");
            assert_eq!(part.bytes(), all.slice(picked.start, picked.end), "{seqs:?}");
            let whole = part.whole().map(Arc::as_ptr);
            assert_eq!(whole, (!picked.is_empty()).then_some(Arc::as_ptr(&all)), "{seqs:?}");
        }
        let apart = Frames::picked_in(&all, [10, 13].into_iter());
        assert!(apart.whole().is_none() && apart.len() == 2 && apart.text(1) == all.text(2));
        let copy = Frames::joined(&[Frames::picked_in(&all, 11..18), all.clone()]);
        assert!(copy.whole().is_none() && copy.len() == 7 && copy.text(2) == all.text(3));
        assert_eq!((copy.text(3), copy.seq(6)), (all.text(0), Some(17)));
    }

    #[test]
    fn a_close_frame_fits_in_a_control_frame() {
        let frame = close_frame(1001, &"x".repeat(500));
        assert_eq!(frame.len(), 2 + 125);
        assert_eq!(&frame[..4], [0x88, 125, 3, 233]);
        assert_eq!(plain_close_frame(), [0x88, 0][..]);
    }

    #[test]
    fn a_pong_says_what_the_ping_said() {
        assert_eq!(pong_frame(b"Hello"), b"\x8a\x05Hello"[..]);
        assert_eq!(pong_frame(b""), b"\x8a\0"[..]);
        assert_eq!(pong_frame(&[1; 200]).len(), 2 + 125);
    }
}
