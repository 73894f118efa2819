//! What a client sends, made fit for a parser that knows no compression.
//!
//! Once permessage-deflate is agreed on (RFC 7692), the client may compress what it says, and the parser of
//! `actix-http` takes the bit that marks this for an error. Nothing that clients say is read, so a compressed message
//! need not be decompressed: it is passed on as a binary one.

use actix_web::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use std::cell::RefCell;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;

/// Follows the frames of a connection (RFC 6455 section 5.2), wherever they are cut.
#[derive(Debug, Default)]
pub struct Unmark {
    place: Place,
}

#[derive(Debug, Default, Clone, Copy)]
enum Place {
    /// The first byte of a frame comes.
    #[default]
    First,
    /// The second.
    Second,
    /// So many bytes of the length are still to come, of which the others made `length`; then so many of the mask.
    Length { left: u8, length: u64, mask: u64 },
    /// So many bytes are still to come before the next frame.
    Rest(u64),
}

impl Unmark {
    /// Takes the mark of compression from the frames in `bytes`, the next ones of the connection.
    pub fn pass(&mut self, bytes: Bytes) -> Bytes {
        let mut bytes = BytesMut::from(bytes);
        let mut at = 0;
        while let Some(byte) = bytes.get_mut(at) {
            at += 1;
            self.place = match self.place {
                Place::First => {
                    if *byte & RSV1 != 0 && *byte & OPCODE == OPCODE_TEXT {
                        *byte = *byte & !OPCODE | OPCODE_BINARY;
                    }
                    if *byte & OPCODE == OPCODE_BINARY {
                        *byte &= !RSV1;
                    }
                    Place::Second
                }
                Place::Second => {
                    let mask = if *byte & 0x80 != 0 { 4 } else { 0 };
                    match *byte & 0x7f {
                        126 => Place::Length { left: 2, length: 0, mask },
                        127 => Place::Length { left: 8, length: 0, mask },
                        length => Self::behind_header(u64::from(length), mask),
                    }
                }
                Place::Length { left, length, mask } => {
                    let length = length << 8 | u64::from(*byte);
                    match left {
                        0 | 1 => Self::behind_header(length, mask),
                        left => Place::Length { left: left - 1, length, mask },
                    }
                }
                Place::Rest(left) => {
                    // This byte and all that follow it here.
                    let here = left.min((bytes.len() - at + 1) as u64);
                    at += here as usize - 1;
                    if here == left { Place::First } else { Place::Rest(left - here) }
                }
            };
        }
        bytes.freeze()
    }

    fn behind_header(length: u64, mask: u64) -> Place {
        match length.saturating_add(mask) {
            0 => Place::First,
            rest => Place::Rest(rest),
        }
    }
}

/// What was read from a connection and not parsed yet: put in by the [`Connection`](super::connection::Connection),
/// taken out by the parser of its session, which is polled right after that. So nobody is to be woken.
#[derive(Debug, Default, Clone)]
pub struct Heard(Rc<RefCell<Read>>);

#[derive(Debug, Default)]
struct Read {
    bytes: Bytes,
    ended: bool,
}

impl Heard {
    /// Whether more can be put in: what was put in before is taken, and the client has not ended.
    pub fn has_room(&self) -> bool {
        let read = self.0.borrow();
        read.bytes.is_empty() && !read.ended
    }

    /// The client said this.
    pub fn put(&self, bytes: Bytes) {
        self.0.borrow_mut().bytes = bytes;
    }

    /// The client will say nothing more.
    pub fn end(&self) {
        self.0.borrow_mut().ended = true;
    }
}

/// The bytes of a connection in a form that a parser without compression takes.
#[derive(Debug)]
pub struct Incoming {
    heard: Heard,
    unmark: Option<Unmark>,
}

impl Incoming {
    /// What is put into `heard`; with `compressed`, messages may be compressed.
    pub fn new(heard: Heard, compressed: bool) -> Self {
        Incoming { heard, unmark: compressed.then(Unmark::default) }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (bytes, ended) = {
            let mut read = self.heard.0.borrow_mut();
            (mem::take(&mut read.bytes), read.ended)
        };
        match (bytes.is_empty(), &mut self.unmark) {
            (true, _) if ended => Poll::Ready(None),
            (true, _) => Poll::Pending,
            (false, Some(unmark)) => Poll::Ready(Some(Ok(unmark.pass(bytes)))),
            (false, None) => Poll::Ready(Some(Ok(bytes))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match payload.len() {
            n @ 0..126 => frame.push(mask | n as u8),
            n @ 126..=0xffff => {
                frame.push(mask | 126);
                frame.extend((n as u16).to_be_bytes());
            }
            n => {
                frame.push(mask | 127);
                frame.extend((n as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([0xc1; 4]);
        }
        frame.extend(payload);
        frame
    }

    #[test]
    fn compressed_texts_become_binary_and_other_frames_stay() {
        for (before, after) in
            [(0xc1, 0x82), (0xc2, 0x82), (0x81, 0x81), (0x41, 0x02), (0x89, 0x89), (0xc9, 0xc9)]
        {
            let passed = Unmark::default().pass(frame(before, true, b"x").into());
            assert_eq!(passed, frame(after, true, b"x"), "{before:x}");
        }
    }

    proptest! {
        /// However the bytes are cut, only first bytes of frames change.
        #[test]
        fn frames_are_followed_wherever_they_are_cut(
            frames in prop::collection::vec((any::<bool>(), any::<bool>(), 0usize..300), 1..20), cut in 1usize..50,
        ) {
            let make = |compressed_first: u8| {
                let one = |(compressed, masked, length): &(bool, bool, usize)| {
                    let first = if *compressed { compressed_first } else { 0x81 };
                    frame(first, *masked, &vec![0xc1; *length])
                };
                frames.iter().flat_map(one).collect::<Vec<u8>>()
            };
            let mut unmark = Unmark::default();
            let passed: Vec<u8> =
                make(0xc1).chunks(cut).flat_map(|part| unmark.pass(Bytes::copy_from_slice(part))).collect();
            prop_assert_eq!(passed, make(0x82));
        }
    }
}
