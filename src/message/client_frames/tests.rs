//! Tests of what is heard of a client: the examples of the RFC, and frames cut anywhere.

use super::*;
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        n @ 0..126 => frame.push(MASK | n as u8),
        n @ 126..=0xffff => {
            frame.push(MASK | 126);
            frame.extend((n as u16).to_be_bytes());
        }
        n => {
            frame.push(MASK | 127);
            frame.extend((n as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// What is heard in total if `bytes` arrive in parts of `cut` bytes.
fn heard(deflate: bool, bytes: &[u8], cut: usize) -> Heard {
    let (mut frames, mut whole) = (ClientFrames::new(deflate), Heard::default());
    for part in bytes.chunks(cut) {
        let Heard { count, ping, end } = frames.push(part);
        assert!(whole.end.is_none() || (count, &ping, &end) == (FrameCount::default(), &None, &None));
        whole.count.all += count.all;
        whole.count.control += count.control;
        whole.ping = ping.or(whole.ping);
        whole.end = end.or(whole.end);
    }
    whole
}

fn end(deflate: bool, bytes: &[u8], cut: usize) -> Option<ClientEnd> {
    heard(deflate, bytes, cut).end
}

/// What is heard of `all` frames, of which `control` are control frames, if `ping` is the newest ping.
fn open(all: u64, control: u64, ping: Option<&[u8]>) -> Heard {
    let ping = ping.map(|ping| ping.iter().copied().collect());
    Heard { count: FrameCount { all, control }, ping, end: None }
}

/// The example of RFC 6455 section 5.7, with its ping in place of the text.
#[test]
fn the_frames_of_the_rfc_are_taken() {
    let text = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(heard(false, &text, 1), open(1, 0, None));
    let mut ping = text;
    ping[0] = 0x89;
    assert_eq!(heard(false, &ping, 1), open(1, 1, Some(b"Hello")));
}

#[test]
fn control_frames_are_counted_and_only_the_newest_ping_is_heard() {
    let frames =
        [frame(0x89, b"1"), frame(0x8a, b""), frame(0x82, b"x"), frame(0x89, b"2"), frame(0x88, b"")];
    let expected = Heard { end: Some(ClientEnd::Close(None)), ..open(5, 4, Some(b"2")) };
    assert_eq!(ClientFrames::new(false).push(&frames.concat()), expected);
    let flood = frame(0x89, b"").repeat(10_000);
    assert_eq!(ClientFrames::new(false).push(&flood), open(10_000, 10_000, Some(b"")));
}

#[test]
fn messages_are_dropped_whatever_their_length_and_fragments() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 300_000] {
        for opcode in [0x81, 0x82] {
            let mut bytes = frame(opcode, &vec![b'*'; length]);
            bytes.extend(frame(0x89, b"after"));
            assert_eq!(heard(false, &bytes, 997), open(2, 1, Some(b"after")), "{length}");
        }
    }
    let fragments =
        [frame(0x01, b"a"), frame(0x89, b""), frame(0x00, b""), frame(0x80, b"b"), frame(0x81, b"c")];
    assert_eq!(heard(false, &fragments.concat(), 3), open(5, 1, Some(b"")));
}

#[test]
fn a_ping_before_a_violation_is_heard() {
    let bytes = [frame(0x89, b"1"), frame(0x83, b""), frame(0x89, b"2")].concat();
    let violation = Some(ClientEnd::Violation(Violation::Opcode));
    assert_eq!(heard(false, &bytes, 1000), Heard { end: violation, ..open(1, 1, Some(b"1")) });
}

#[test]
fn violations_are_told_apart() {
    let text_of_two = |text: &[u8]| [frame(0x01, &text[..1]), frame(0x80, &text[1..])].concat();
    let cases: &[(&str, Vec<u8>, Violation)] = &[
        ("RSV1 without deflate", frame(0xc1, b"x"), Violation::Reserved),
        ("RSV2", frame(0xa1, b"x"), Violation::Reserved),
        ("RSV3", frame(0x91, b"x"), Violation::Reserved),
        ("RSV1 on a ping", frame(0xc9, b""), Violation::Reserved),
        ("opcode 3", frame(0x83, b""), Violation::Opcode),
        ("opcode 11", frame(0x8b, b""), Violation::Opcode),
        ("no mask", vec![0x81, 0x01], Violation::Unmasked),
        ("a long ping", frame(0x89, &[0; 126]), Violation::Control),
        ("a ping in fragments", frame(0x09, b""), Violation::Control),
        ("a long close frame", frame(0x88, &[0; 126]), Violation::Control),
        ("a continuation of nothing", frame(0x80, b""), Violation::Fragments),
        ("a message within a message", [frame(0x01, b""), frame(0x81, b"")].concat(), Violation::Fragments),
        ("64 bits", vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], Violation::Length),
        ("64 MiB and 1", vec![0x82, 0xff, 0, 0, 0, 0, 4, 0, 0, 1, 1, 2, 3, 4], Violation::TooLong),
        (
            "the same in fragments",
            [frame(0x02, b"x"), vec![0x80, 0xff, 0, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4]].concat(),
            Violation::TooLong,
        ),
        ("one byte of code", frame(0x88, &[3]), Violation::CloseCode),
        ("a reason in Latin-1", frame(0x88, b"\x03\xe8\xfc"), Violation::Utf8),
        ("Latin-1", frame(0x81, b"\xfc"), Violation::Utf8),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80"), Violation::Utf8),
        ("beyond Unicode", frame(0x81, b"\xf4\x90\x80\x80"), Violation::Utf8),
        ("half of a character", frame(0x81, b"\xc3"), Violation::Utf8),
        ("broken over fragments", text_of_two(b"\xc3\x28"), Violation::Utf8),
    ];
    for (what, bytes, violation) in cases {
        for cut in [1, 2, 7, 1000] {
            let Heard { ping, end, .. } = heard(false, bytes, cut);
            let expected = (None, Some(ClientEnd::Violation(*violation)));
            assert_eq!((ping, end), expected, "{what}, in parts of {cut}");
        }
    }
    assert_eq!(end(false, &text_of_two("\u{fc}".as_bytes()), 1), None);
    assert_eq!(end(true, &[frame(0xc1, b"\xff"), frame(0xc2, b"")].concat(), 5), None);
    assert_eq!(
        end(true, &[frame(0x41, b"\xff"), frame(0xc0, b"")].concat(), 5),
        Some(ClientEnd::Violation(Violation::Reserved))
    );
}

#[test]
fn close_codes_are_those_that_may_be_sent() {
    let verdict = |code: u16| end(false, &frame(0x88, &[&code.to_be_bytes()[..], b"bye"].concat()), 9);
    for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999] {
        assert_eq!(verdict(code), Some(ClientEnd::Close(Some(ClosePayload { code, text: "bye".into() }))));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(verdict(code), Some(ClientEnd::Violation(Violation::CloseCode)), "{code}");
    }
    let bytes = [frame(0x88, b""), frame(0x83, b"ignored")].concat();
    assert_eq!(heard(false, &bytes, 2), Heard { end: Some(ClientEnd::Close(None)), ..open(1, 1, None) });
}

proptest! {
    #[test]
    fn where_the_bytes_are_cut_does_not_matter(
        deflate: bool, bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1usize..50,
    ) {
        prop_assert_eq!(heard(deflate, &bytes, cut), heard(deflate, &bytes, bytes.len().max(1)));
    }

    #[test]
    fn text_is_taken_exactly_if_it_is_utf8(bytes in prop::collection::vec(any::<u8>(), 0..8), cut in 1usize..4) {
        let fragments = bytes.chunks(cut).map(|part| frame(0x00, part)).collect::<Vec<_>>().concat();
        let whole = [frame(0x01, b""), fragments, frame(0x80, b"")].concat();
        prop_assert_eq!(end(false, &whole, 100).is_none(), std::str::from_utf8(&bytes).is_ok());
    }
}
