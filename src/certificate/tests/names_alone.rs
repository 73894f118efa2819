//! The names that are found without parsing a certificate are those of the parsed one, whatever was done to it.

use super::super::der::Reader;
use super::super::names_alone::{is_usual, visit_domains};
use super::{Certificate, Parsed, SAN, attribute, dns, extension, oid, seq, tlv};
use proptest::prelude::*;

fn alone(der: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    visit_domains(der, |name| {
        names.push(name.to_string());
        true
    });
    names
}

fn parsed(der: &[u8]) -> Vec<String> {
    Parsed::parse(der).domains().map(String::from).collect()
}

fn alt_names() -> Vec<u8> {
    extension(SAN, seq(&[dns("one.example"), tlv(0x81, "mail@two.example"), dns("three.example")]))
}

/// Certificates as they are logged.
fn usual() -> Vec<Vec<u8>> {
    let critical = seq(&[oid(SAN), tlv(0x01, [0xFF]), tlv(0x04, seq(&[dns("critical.example")]))]);
    let other = || extension("2.5.29.15", tlv(0x03, [5, 0xA0]));
    [
        Certificate::default(),
        Certificate { extensions: vec![alt_names()], ..Certificate::default() },
        Certificate { extensions: vec![other(), critical, other()], ..Certificate::default() },
        Certificate { subject: vec![], extensions: vec![alt_names(), other()], ..Certificate::default() },
        Certificate::with_subject(&[attribute("2.5.4.10", 0x0C, "O"), attribute("2.5.4.3", 0x1E, "\0a\0b")]),
    ]
    .map(|certificate| certificate.der())
    .into()
}

#[test]
fn usual_certificates_are_not_parsed() {
    for der in usual() {
        assert!(is_usual(&der));
        assert_eq!(alone(&der), parsed(&der));
    }
    assert_eq!(alone(&usual()[1]), ["a.example", "one.example", "three.example"]);
}

#[test]
fn what_is_unusual_has_the_same_names() {
    let long_identifier = seq(&[vec![0x06, 0x81, 3, 0x55, 0x1D, 17], tlv(0x04, seq(&[dns("long.example")]))]);
    let segmented = seq(&[oid(SAN), tlv(0x24, tlv(0x04, seq(&[dns("segments.example")])))]);
    let behind_value = seq(&[oid(SAN), tlv(0x04, seq(&[dns("more.example")])), tlv(0x05, [])]);
    for (extensions, expected) in [
        (vec![alt_names(), extension(SAN, seq(&[dns("second.example")]))], 4),
        (vec![long_identifier], 2),
        (vec![segmented], 2),
        (vec![behind_value], 1),
        (vec![tlv(0x31, [])], 1),
    ] {
        let der = Certificate { extensions, ..Certificate::default() }.der();
        assert!(!is_usual(&der));
        assert_eq!(alone(&der), parsed(&der));
        assert_eq!(parsed(&der).len(), expected);
    }
    // Behind its extensions, a second list of them that counts.
    let tbs = Certificate { extensions: vec![alt_names()], ..Certificate::default() }.tbs();
    let second = tlv(0xA3, seq(&[extension(SAN, seq(&[dns("behind.example")]))]));
    let tbs = seq(&[content_of(&tbs), second]);
    let der = seq(&[tbs, Certificate::default().algorithm, tlv(0x03, [0, 1, 2])]);
    assert!(!is_usual(&der));
    assert_eq!(
        (alone(&der), parsed(&der)),
        (parsed(&der), vec!["a.example".into(), "behind.example".into()])
    );
    let of_no_serial = Certificate { serial: Vec::new(), ..Certificate::default() }.der();
    assert_eq!(alone(&of_no_serial), ["a.example"]);
    let tbs_alone = Certificate::default().tbs();
    assert_eq!(alone(&tbs_alone), ["a.example"]);
}

/// The content of a SEQUENCE.
fn content_of(sequence: &[u8]) -> Vec<u8> {
    Reader::new(sequence, 0).element().unwrap().content.to_vec()
}

#[test]
fn a_visit_ends_when_it_is_told_to() {
    for der in [usual().swap_remove(1), [usual().swap_remove(1), vec![0]].concat()] {
        let mut visited = 0;
        visit_domains(&der, |_| {
            visited += 1;
            visited < 2
        });
        assert_eq!(visited, 2);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn names_are_the_same_after_any_change(
        which in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..4),
    ) {
        let mut der = usual().swap_remove(which);
        for (place, kind, byte) in changes {
            let at = place.index(der.len().max(1));
            match kind {
                0 if at < der.len() => der[at] = byte,
                1 if at < der.len() => der[at] ^= 1 << (byte % 8),
                2 if at < der.len() => drop(der.remove(at)),
                _ => der.insert(at.min(der.len()), byte),
            }
        }
        prop_assert_eq!(alone(&der), parsed(&der));
    }
}
