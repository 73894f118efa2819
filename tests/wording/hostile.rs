//! Tests with certificates that are crafted to take much time or to become large.

use crate::der::*;
use crate::rare::SUBJECT_ALT_NAME;
use certstream_server::certificate::{Certificate as Parsed, Leaf, LeafKind};
use std::time::{Duration, Instant};

/// Size of the smaller of two certificates in bytes, and the ratio of the larger one to it.
const SMALL: usize = 10_000;
const GROWTH: usize = 16;
/// Maximum growth of the time. It is larger than linear because other processes use the machine too, and a
/// quarter of quadratic growth.
const MAX_SLOWER: u32 = 4 * GROWTH as u32;
/// Maximum length of the text for a byte, and for a certificate; see `fuzz/`.
const TEXT_PER_BYTE: usize = 32;
const FIXED_TEXT: usize = 4096;

type Hostile = fn(usize) -> Vec<u8>;

fn alt_names(content: &[u8]) -> Vec<u8> {
    Certificate::with_extension(SUBJECT_ALT_NAME, content).der()
}

fn repeated(count: usize, one: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(one).collect()
}

/// An arc in base 128 that is different for each number.
fn arcs(number: usize) -> [u8; 3] {
    [0x81 | (number >> 14) as u8 & 0x7F, 0x80 | (number >> 7) as u8 & 0x7F, number as u8 & 0x7F]
}

/// Each function creates a certificate of about the given size in bytes.
const HOSTILE: [(&str, Hostile); 13] = [
    ("many names", |n| alt_names(&tlv(0x30, repeated(n / 10, |i| tlv(0x82, format!("n{i:07}")))))),
    ("one name many times", |n| alt_names(&tlv(0x30, repeated(n / 10, |_| tlv(0x82, [0xFF; 8]))))),
    ("control characters", |n| alt_names(&tlv(0x30, tlv(0x82, vec![1; n])))),
    ("a tower of indefinite lengths", |n| [0x30, 0x80].repeat(n / 2)),
    ("a tower within a value", |n| alt_names(&[0x30, 0x80].repeat(n / 2))),
    ("many short elements of indefinite length", |n| {
        alt_names(&[&[0x30, 0x80][..], &[0x30, 0x80, 0, 0].repeat(n / 4), &[0, 0]].concat())
    }),
    ("a string in many segments", |n| {
        let value = tlv(0x24, octets([0x30; 2]).repeat(n / 4));
        Certificate { extensions: vec![seq(&[oid(SUBJECT_ALT_NAME), value])], ..Certificate::default() }.der()
    }),
    ("segments within segments", |n| {
        let value = (0..15).fold(vec![0; n], |inner, _| tlv(0x24, inner));
        Certificate { extensions: vec![seq(&[oid(SUBJECT_ALT_NAME), value])], ..Certificate::default() }.der()
    }),
    ("long arcs", |n| {
        let arcs = [&[0xFF; 83][..], &[1]].concat().repeat(n / 84);
        Certificate::with_subject(name(&[seq(&[tlv(0x06, arcs), utf8("x")])])).der()
    }),
    ("many extensions", |n| {
        let extension = |i| seq(&[tlv(0x06, [&[0x2B][..], &arcs(i)].concat()), octets([])]);
        Certificate { extensions: (0..n / 10).map(extension).collect(), ..Certificate::default() }.der()
    }),
    ("one extension many times", |n| {
        let extensions = vec![extension("2.5.29.15", &bits(0, &[0xFF])); n / 13];
        Certificate { extensions, ..Certificate::default() }.der()
    }),
    ("many common names", |n| {
        Certificate::with_subject(name(&vec![attribute("2.5.4.3", utf8("\u{1}")); n / 12])).der()
    }),
    ("a long number", |n| Certificate::with_extension("2.5.29.54", &int(&vec![0x81; n])).der()),
];

/// The minimum of several measurements.
fn time(der: &[u8]) -> Duration {
    let once = || {
        let start = Instant::now();
        let mut out = Vec::new();
        Parsed::parse(der)
            .write_leaf(Leaf { kind: LeafKind::X509, tbs_sha256: None, with_der: true }, &mut out);
        Parsed::parse(der).write_all_domains(&mut out);
        start.elapsed()
    };
    (0..3).map(|_| once()).min().expect("a time")
}

#[test]
fn time_grows_with_the_size_and_not_with_its_square() {
    for (what, make) in HOSTILE {
        let (small, large) = (make(SMALL), make(SMALL * GROWTH));
        // Shorter times are too inaccurate to compare.
        let floor = Duration::from_micros(50);
        let allowed = time(&small).max(floor) * MAX_SLOWER;
        let taken = time(&large);
        assert!(taken <= allowed, "{what}: {taken:?}, where {allowed:?} are allowed");
    }
}

#[test]
fn text_grows_with_the_size_by_a_fixed_factor() {
    let reasons: (&str, Hostile) = ("reasons", |n| {
        let point = seq(&[tlv(0x81, [7, 0xFF, 0x80])]);
        Certificate::with_extension("2.5.29.31", &tlv(0x30, point.repeat(n / 7))).der()
    });
    let timestamps: (&str, Hostile) = ("timestamps of an unknown version", |n| {
        let scts = [0, 1, 9].repeat(n.min(60_000) / 3);
        let list = [&(scts.len() as u16).to_be_bytes(), scts.as_slice()].concat();
        Certificate::with_extension("1.3.6.1.4.1.11129.2.4.2", &octets(list)).der()
    });
    for (what, make) in HOSTILE.into_iter().chain([reasons, timestamps]) {
        let der = make(100_000);
        let mut out = Vec::new();
        Parsed::parse(&der)
            .write_leaf(Leaf { kind: LeafKind::X509, tbs_sha256: None, with_der: true }, &mut out);
        let allowed = FIXED_TEXT + TEXT_PER_BYTE * der.len();
        assert!(out.len() <= allowed, "{what}: {} bytes of {}", out.len(), der.len());
        assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok(), "{what}");
    }
}
