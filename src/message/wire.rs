//! The wire formats of messages: WebSocket frames, plain or compressed, Server-Sent Events, and lines of JSON.
//!
//! In each format, all clients get the same bytes, which are built once.

use super::certificate_update::{NUMBERED_BEHIND, NUMBERED_END};
use super::{Frames, FramesBuilder, heartbeat};
use flate2::{Compress, Compression, FlushCompress};
use std::io::Write;
use std::sync::Arc;

/// Compression level. Level 3 saves a twentieth of the bytes compared with level 1. Above 3, the size hardly
/// shrinks and the time doubles.
const LEVEL: u32 = 3;
/// The end of a flushed block, which is removed (RFC 7692 section 7.2.1).
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// The wire format of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, enum_map::Enum)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// WebSocket frames (RFC 6455).
    #[serde(rename = "websocket")]
    WebSocket,
    /// WebSocket frames with permessage-deflate (RFC 7692). Each message is compressed separately.
    Deflate,
    /// Server-Sent Events (HTML Living Standard, section 9.2).
    Events,
    /// Lines of JSON.
    Lines,
}

impl Wire {
    /// The format's name in statistics.
    pub fn name(self) -> &'static str {
        match self {
            Wire::WebSocket => "websocket",
            Wire::Deflate => "deflate",
            Wire::Events => "events",
            Wire::Lines => "lines",
        }
    }

    /// Whether the format has frames of RFC 6455: pings, and a close frame.
    pub fn is_web_socket(self) -> bool {
        matches!(self, Wire::WebSocket | Wire::Deflate)
    }

    /// All formats, in the order of their discriminants.
    pub const ALL: [Wire; 4] = [Wire::WebSocket, Wire::Deflate, Wire::Events, Wire::Lines];

    /// The messages of `plain`, which are WebSocket frames, in this format.
    pub(super) fn converted(self, plain: &Arc<Frames>) -> Arc<Frames> {
        match self {
            Wire::WebSocket => plain.clone(),
            Wire::Deflate => deflated(plain),
            Wire::Events => events(plain),
            Wire::Lines => lines(plain),
        }
    }

    /// A message that belongs to no stream.
    pub fn single(self, text: &[u8]) -> Arc<Frames> {
        match self {
            Wire::WebSocket | Wire::Deflate => Frames::single(text),
            Wire::Events | Wire::Lines => self.converted(&Frames::single(text)),
        }
    }

    /// A heartbeat that keeps the connection from looking dead. Everything up to the entry `seq` was sent before it. As an
    /// event, it has no data: it only moves the client's last event id.
    pub fn heartbeat(self, now_us: u64, seq: u64) -> Arc<Frames> {
        match self {
            Wire::WebSocket | Wire::Deflate => Frames::single(heartbeat(now_us, seq).as_bytes()),
            // Writing to a Vec cannot fail.
            Wire::Events => raw(|out| drop(write!(out, ": heartbeat\nid: {seq}\n\n"))),
            Wire::Lines => lines(&Frames::single(heartbeat(now_us, seq).as_bytes())),
        }
    }
}

/// The messages of `plain` as events. Their numbers become the `id` of the events. Messages are JSON without line ends, so
/// each one is a single line of data.
pub fn events(plain: &Frames) -> Arc<Frames> {
    let mut builder =
        FramesBuilder::with_capacity(plain.len(), plain.length(0, plain.len()) + 32 * plain.len());
    for i in 0..plain.len() {
        builder.push_raw(|out| {
            if let Some(seq) = plain.seq(i) {
                // Writing to a Vec cannot fail.
                let _ = writeln!(out, "id: {seq}");
            }
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(plain.text(i));
            out.extend_from_slice(b"\n\n");
        });
        if let Some(seq) = plain.seq(i) {
            builder.number_last(seq, NUMBERED_BEHIND + b"\n\n".len());
        }
    }
    builder.build()
}

/// The messages of `plain`, one a line.
fn lines(plain: &Frames) -> Arc<Frames> {
    let mut builder = FramesBuilder::with_capacity(plain.len(), plain.length(0, plain.len()));
    for i in 0..plain.len() {
        builder.push_raw(|out| {
            out.extend_from_slice(plain.text(i));
            out.push(b'\n');
        });
        if let Some(seq) = plain.seq(i) {
            builder.number_last(seq, NUMBERED_BEHIND + b"\n".len());
        }
    }
    builder.build()
}

/// The messages of `plain`, each compressed separately (`server_no_context_takeover`), so that all clients
/// can decompress the same bytes.
pub(super) fn deflated(plain: &Frames) -> Arc<Frames> {
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    let mut builder = FramesBuilder::with_capacity(plain.len(), plain.length(0, plain.len()) * 2 / 3);
    let mut compressed = Vec::new();
    for i in 0..plain.len() {
        let text = plain.text(i);
        compress.reset();
        let number = plain.seq(i);
        let split = text.len() - if number.is_some() { NUMBERED_END.min(text.len()) } else { 0 };
        let (rest, end) = text.split_at(split);
        let behind = match compress_whole(&mut compress, rest, &mut compressed) {
            Some(()) => {
                let behind = append_stored(end, &mut compressed);
                builder.push_compressed(&compressed);
                NUMBERED_BEHIND + behind
            }
            // An uncompressed message is valid too.
            None => {
                builder.push(|out| out.extend_from_slice(text));
                NUMBERED_BEHIND
            }
        };
        if let Some(seq) = number {
            builder.number_last(seq, behind);
        }
    }
    builder.build()
}

/// Appends `end` uncompressed, so that the number in it can be replaced. Returns the number of bytes behind it.
///
/// `out` ends with a flush: the header of a stored block (RFC 1951 section 3.2.4) whose length, now removed, is 0. That block
/// takes `end`, and an empty one follows, again without its length.
fn append_stored(end: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(length) = u16::try_from(end.len()).ok().filter(|length| *length > 0) else { return 0 };
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(end);
    out.push(0 /* BFINAL = 0, BTYPE = 00, and the bits up to the next byte */);
    1
}

/// Replaces the content of `out` with the compressed message, ready to be sent.
fn compress_whole(compress: &mut Compress, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    // Reserves the maximum that DEFLATE may add, so that one call is sufficient.
    out.reserve(text.len() + text.len() / 1000 + 64);
    compress.compress_vec(text, out, FlushCompress::Sync).ok()?;
    if compress.total_in() != text.len() as u64 || !out.ends_with(TAIL) {
        return None;
    }
    out.truncate(out.len() - TAIL.len());
    Some(())
}

fn raw(write: impl FnOnce(&mut Vec<u8>)) -> Arc<Frames> {
    let mut builder = FramesBuilder::default();
    builder.push_raw(write);
    builder.build()
}

/// The response to the permessage-deflate offers in a client's `Sec-WebSocket-Extensions`. `None` if no offer
/// is acceptable.
///
/// An offer with a smaller window for the server's messages is declined, because the server would have to
/// respect it. An offer that names the window gets it back, as RFC 7692 section 7.1.2.1 requires. The client's own
/// compression does not matter, since the server does not read its messages.
pub fn accept_deflate(offers: &str) -> Option<&'static str> {
    let taken = offers.split(',').find_map(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        if parts.next() == Some("permessage-deflate") { known_parameters(parts) } else { None }
    })?;
    Some(match taken.contains(&"server_max_window_bits") {
        true => "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
        false => "permessage-deflate; server_no_context_takeover",
    })
}

/// The names of the parameters. `None` unless each is defined in RFC 7692 section 7.1, occurs at most once, and is
/// acceptable.
fn known_parameters<'a>(parts: impl Iterator<Item = &'a str>) -> Option<Vec<&'a str>> {
    let mut seen = Vec::new();
    for part in parts {
        let (name, value) = part.split_once('=').map_or((part, None), |(n, v)| (n.trim(), Some(v.trim())));
        let bits = value.map(|value| value.trim_matches('"').parse::<u8>());
        let known = match (name, bits) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => true,
            ("client_max_window_bits", None) => true,
            ("client_max_window_bits", Some(Ok(bits))) => (8..=15).contains(&bits),
            ("server_max_window_bits", Some(Ok(bits))) => bits == 15,
            _ => false,
        };
        if !known || seen.contains(&name) {
            return None;
        }
        seen.push(name);
    }
    Some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};

    fn plain(texts: &[&str]) -> Arc<Frames> {
        let mut builder = FramesBuilder::default();
        texts.iter().for_each(|t| builder.push(|out| out.extend_from_slice(t.as_bytes())));
        builder.build()
    }

    /// The texts with numbers from `first_seq` on.
    fn numbered(texts: &[&str], first_seq: u64) -> Arc<Frames> {
        let mut builder = FramesBuilder::default();
        for (text, place) in texts.iter().zip(0..) {
            builder.push(|out| {
                out.extend_from_slice(&text.as_bytes()[..text.len() - 1]);
                out.extend_from_slice(b",\"seq\":1000000000000000}");
            });
            builder.number_last(place, NUMBERED_BEHIND);
        }
        let mut frames = builder.build();
        Arc::get_mut(&mut frames).unwrap().number(first_seq);
        frames
    }

    #[test]
    fn a_compressed_message_gets_its_number_later() {
        let long = format!("{{\"names\":\"{}\"}}", "certificate ".repeat(2000));
        let texts = ["{\"a\":1}", &long];
        let plain = numbered(&texts, 0);
        let mut frames = deflated(&plain);
        Arc::get_mut(&mut frames).unwrap().number(1_700_000_000_123_456);
        let expected = numbered(&texts, 1_700_000_000_123_456);
        for i in 0..texts.len() {
            assert_eq!(inflated(frames.slice(i, i + 1)).as_bytes(), expected.text(i));
            assert_eq!(frames.seq(i), Some(1_700_000_000_123_456 + i as u64));
        }
        assert!(frames.length(1, 2) < 300);
    }

    /// Decompresses the one frame in `bytes` as a client does, RFC 7692 section 7.2.2.
    fn inflated(bytes: &[u8]) -> String {
        assert_eq!(bytes[0], 0xc1, "FIN, RSV1, text");
        let payload = match bytes[1] {
            126 => &bytes[4..],
            _ => &bytes[2..],
        };
        let mut out = Vec::with_capacity(1 << 20);
        let whole = [payload, TAIL].concat();
        Decompress::new(false).decompress_vec(&whole, &mut out, FlushDecompress::Sync).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_message_is_compressed_by_itself() {
        let long = "certificate ".repeat(2000);
        let texts = ["{}", &long, "{\"a\":\"a a a a a a a a a a a a\"}"];
        let frames = deflated(&plain(&texts));
        assert_eq!(frames.len(), 3);
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(inflated(frames.slice(i, i + 1)), *text);
        }
        assert!(frames.length(1, 2) < 300);
    }

    #[test]
    fn events_carry_their_numbers() {
        let frames = events(&numbered(&["{\"a\":1}", "{}"], 1_700_000_000_000_007));
        let expected = "id: 1700000000000007\ndata: {\"a\":1,\"seq\":1700000000000007}\n\n\
            id: 1700000000000008\ndata: {,\"seq\":1700000000000008}\n\n";
        assert_eq!(frames.slice(0, 2), expected.as_bytes());
        assert_eq!(Wire::Events.single(b"{}").slice(0, 1), b"data: {}\n\n");
        assert_eq!(Wire::Events.heartbeat(1, 7).slice(0, 1), b": heartbeat\nid: 7\n\n");
    }

    #[test]
    fn offers_of_browsers_and_libraries_are_taken() {
        for offer in [
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate; client_max_window_bits=\"12\"",
            "permessage-deflate;server_max_window_bits=15",
        ] {
            let accepted = accept_deflate(offer).expect(offer);
            assert_eq!(accepted.contains("server_max_window_bits=15"), offer.ends_with("=15"), "{offer}");
        }
    }

    #[test]
    fn what_cannot_be_kept_to_or_makes_no_sense_is_declined() {
        for offer in [
            "",
            ",;=",
            "permessage-deflat",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; unheard_of",
        ] {
            assert!(accept_deflate(offer).is_none(), "{offer}");
        }
    }
}
