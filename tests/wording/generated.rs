//! Tests with random certificates that no CA would issue, both valid and malformed.

use crate::compare::{self, Counters};
use crate::der::*;
use crate::rare;
use certstream_server::certificate::{Certificate as Parsed, Leaf, LeafKind};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde_json::Value;

/// Maximum length of the text for a certificate of any length, and per byte of it; see `fuzz/`.
const FIXED_TEXT: usize = 4096;
const TEXT_PER_BYTE: usize = 32;

const ATTRIBUTES: [&str; 12] = [
    "2.5.4.3",
    "2.5.4.6",
    "2.5.4.7",
    "2.5.4.8",
    "2.5.4.10",
    "2.5.4.11",
    "2.5.4.5",
    "2.5.4.97",
    "1.2.840.113549.1.9.1",
    "0.9.2342.19200300.100.1.25",
    "1.3.6.1.4.1.311.60.2.1.3",
    "1.2.3.4",
];

fn string() -> impl Strategy<Value = Vec<u8>> {
    let wide = |text: String, width: usize| -> Vec<u8> {
        text.chars().flat_map(|c| u32::from(c).to_be_bytes()[4 - width..].to_vec()).collect()
    };
    prop_oneof![
        40 => ".{0,12}".prop_map(|text| utf8(&text)),
        30 => "[ -~]{0,20}".prop_map(|text| tlv(0x13, text)),
        8 => "[ -~]{0,20}".prop_map(|text| ia5(&text)),
        8 => prop::collection::vec(any::<u8>(), 0..12).prop_map(|text| tlv(0x14, text)),
        8 => ".{0,8}".prop_map(move |text| tlv(0x1E, wide(text, 2))),
        8 => ".{0,8}".prop_map(move |text| tlv(0x1C, wide(text, 4))),
        8 => "[0-9 ]{0,8}".prop_map(|text| tlv(0x12, text)),
        1 => any_element(),
    ]
}

/// An element that is mostly not a string, and mostly malformed.
fn any_element() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(tag, content)| tlv(tag, content))
}

fn identifier() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        60 => select(&ATTRIBUTES[..]).prop_map(oid),
        1 => prop::collection::vec(any::<u8>(), 0..8).prop_map(|content| tlv(0x06, content)),
        10 => (0u64..3, 0u64..40, any::<u64>(), any::<u32>())
            .prop_map(|(a, b, c, d)| oid(&format!("{a}.{b}.{}.{d}", c >> 1))),
    ]
}

fn distinguished_name() -> impl Strategy<Value = Vec<u8>> {
    let attribute = (identifier(), string()).prop_map(|(oid, value)| seq(&[oid, value]));
    let rdn = prop::collection::vec(attribute, 1..3).prop_map(|attributes| set(&attributes));
    prop::collection::vec(rdn, 0..6).prop_map(|rdns| seq(&rdns))
}

fn time() -> impl Strategy<Value = Vec<u8>> {
    let fields = (0u32..10_000, 1u32..13, 1u32..29, 0u32..24, 0u32..60, 0u32..60);
    let utc = fields.clone().prop_map(|(year, month, day, hour, minute, second)| {
        tlv(0x17, format!("{:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z", year % 100))
    });
    let generalized = fields.prop_map(|(year, month, day, hour, minute, second)| {
        tlv(0x18, format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z"))
    });
    let odd = (select(&[0x17u8, 0x18, 0x16][..]), "[0-9]{8,15}([.,][0-9]{0,3})?(Z|[+-][0-9]{0,4})?");
    prop_oneof![5 => utc, 5 => generalized, 1 => odd.prop_map(|(tag, text)| tlv(tag, text))]
}

fn serial() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = prop::collection::vec(any::<u8>(), 0..24).prop_map(|content| int(&content));
    let number = any::<i128>().prop_map(|number| {
        let bytes = number.to_be_bytes();
        let needless = |pair: &[u8]| pair[0] == if pair[1] < 0x80 { 0 } else { 0xFF };
        let start = bytes.windows(2).take_while(|pair| needless(pair)).count();
        int(&bytes[start..])
    });
    prop_oneof![1 => any_bytes, 9 => number]
}

/// A value of the known interesting ones, unchanged or with some bytes changed, or arbitrary bytes.
fn extension_value() -> impl Strategy<Value = (String, Vec<u8>)> {
    let changes = prop_oneof![2 => Just(0usize), 3 => 1usize..4]
        .prop_flat_map(|count| prop::collection::vec((any::<Index>(), 0usize..6, any::<u8>()), count));
    let known = (any::<Index>(), changes).prop_map(|(index, changes)| {
        let (dotted, mut value) = index.get(rare::all()).clone();
        for (at, what, byte) in changes {
            change(&mut value, at, what, byte);
        }
        (dotted, value)
    });
    let any_bytes = (any::<Index>(), prop::collection::vec(any::<u8>(), 0..20))
        .prop_map(|(index, value)| (index.get(rare::all()).0.clone(), value));
    let unknown = (0u32..100, prop::collection::vec(any::<u8>(), 0..20))
        .prop_map(|(arc, value)| (format!("2.5.29.{arc}"), value));
    prop_oneof![8 => known, 1 => any_bytes, 1 => unknown]
}

fn change(bytes: &mut Vec<u8>, at: Index, what: usize, byte: u8) {
    /// Identifiers and lengths that are special cases for a DER reader.
    const TELLING: [u8; 12] = [0x00, 0x02, 0x04, 0x0C, 0x16, 0x1E, 0x24, 0x30, 0x31, 0x80, 0xA0, 0xFF];
    if bytes.is_empty() {
        return bytes.push(byte);
    }
    let at = at.index(bytes.len());
    match what {
        0 => bytes[at] ^= 1 << (byte % 8),
        1 => bytes[at] = byte,
        2 => bytes[at] = TELLING[usize::from(byte) % TELLING.len()],
        3 => bytes.insert(at, byte),
        4 => drop(bytes.remove(at)),
        _ => bytes.truncate(at),
    }
}

fn certificate() -> impl Strategy<Value = Certificate> {
    let extensions = prop::collection::vec(extension_value(), 0..5).prop_map(|extensions| {
        extensions.iter().map(|(dotted, value)| extension(dotted, value)).collect::<Vec<_>>()
    });
    let names = (distinguished_name(), distinguished_name());
    let algorithm = prop_oneof![
        3 => select(&["1.2.840.113549.1.1.11", "1.2.840.10045.4.3.3", "1.3.101.112"][..]).prop_map(oid),
        1 => identifier(),
    ];
    (names, time(), time(), serial(), extensions, algorithm).prop_map(
        |((issuer, subject), not_before, not_after, serial, extensions, algorithm)| Certificate {
            issuer,
            subject,
            not_before,
            not_after,
            serial,
            extensions,
            algorithm: seq(&[algorithm]),
            ..Certificate::default()
        },
    )
}

/// Any certificate, including malformed and truncated ones.
fn any_certificate() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<Index>(), 0usize..6, any::<u8>()), 0..4);
    (certificate(), changes).prop_map(|(certificate, changes)| {
        let mut der = certificate.der();
        for (at, what, byte) in changes {
            change(&mut der, at, what, byte);
        }
        der
    })
}

fn assert_name(name: &Value) {
    assert!(name["aggregated"].is_string());
    for member in ["C", "ST", "L", "O", "OU", "CN", "email_address"] {
        assert!(name.get(member).is_some_and(|text| text.is_string() || text.is_null()), "{member}: {name}");
    }
    assert_eq!(name.as_object().map(|name| name.len()), Some(8));
}

/// Checks that the members are those of the wire format, with the right types, and no others.
fn assert_members(certificate: &Value, others: &[&str]) {
    assert_name(&certificate["subject"]);
    assert_name(&certificate["issuer"]);
    for (name, text) in certificate["extensions"].as_object().expect("extensions") {
        assert!(text.is_string() || (name == "ctlPoisonByte" && text == true), "{name}: {text}");
    }
    for member in ["not_before", "not_after"] {
        assert!(certificate[member].is_i64() || certificate[member].is_null(), "{member}: {certificate}");
    }
    for member in ["serial_number", "fingerprint", "sha1", "sha256", "signature_algorithm"] {
        assert!(certificate[member].is_string(), "{member}: {certificate}");
    }
    assert!(certificate["is_ca"].is_boolean());
    let others = others.len() + usize::from(certificate.get("parse_error").is_some_and(Value::is_string));
    assert_eq!(certificate.as_object().map(|members| members.len()), Some(11 + others), "{certificate}");
}

proptest! {
    // The same certificates in each run, because a required test must not depend on chance. Fuzzing finds new
    // ones.
    #![proptest_config(ProptestConfig {
        cases: 4096,
        rng_seed: RngSeed::Fixed(20_261_125),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_a_certificate_is_its_message_is_whole(der in any_certificate(), is_precert: bool) {
        let kind = if is_precert { LeafKind::Precert } else { LeafKind::X509 };
        let (mut full, mut lite, mut issuer, mut domains) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let marks = Parsed::parse(&der).write_leaf(Leaf { kind, tbs_sha256: None, with_der: true }, &mut full);
        let lite_marks = Parsed::parse(&der).write_leaf(Leaf { kind, tbs_sha256: None, with_der: false }, &mut lite);
        Parsed::parse(&der).write_issuer(&mut issuer);
        Parsed::parse(&der).write_all_domains(&mut domains);

        let max_text = FIXED_TEXT + TEXT_PER_BYTE * der.len();
        prop_assert!(full.len() <= max_text && issuer.len() <= max_text, "{} bytes", full.len());
        prop_assert_eq!(&full[marks.all_domains.clone()], domains.as_slice());
        prop_assert_eq!(&lite[lite_marks.all_domains], domains.as_slice());

        let leaf: Value = serde_json::from_slice(&full).expect("JSON");
        assert_members(&leaf, &["as_der", "all_domains", "tbs_sha256", "spki_sha256"]);
        prop_assert!(leaf["tbs_sha256"].is_null() && leaf.get("spki_sha256").is_some());
        let as_der = base64_simd::STANDARD.encode_to_string(&der);
        prop_assert_eq!(leaf["as_der"].as_str(), Some(as_der.as_str()));
        prop_assert!(leaf["all_domains"].as_array().is_some_and(|names| names.iter().all(Value::is_string)));
        full.drain(marks.as_der);
        prop_assert_eq!(full, lite);
        let issuer: Value = serde_json::from_slice(&issuer).expect("JSON");
        assert_members(&issuer, &["as_der"]);
        prop_assert_eq!(&issuer["subject"], &leaf["subject"]);
    }

    #[test]
    fn whatever_openssl_reads_in_a_certificate_is_read_the_same(certificate in certificate()) {
        let mut counters = Counters::of_generated();
        counters.add("generated", &certificate.der());
        counters.assert_agreement();
    }

    #[test]
    fn all_domains_are_the_common_name_and_the_dns_names_that_openssl_finds(
        common_name in "[a-z.*]{0,8}",
        names in prop::collection::vec("[ -~]{1,12}", 0..40),
    ) {
        let san = seq(&names.iter().map(|name| tlv(0x82, name)).collect::<Vec<_>>());
        let subject = name(&[attribute("2.5.4.3", utf8(&common_name))]);
        let certificate = Certificate { subject, ..Certificate::with_extension(rare::SUBJECT_ALT_NAME, &san) };
        let der = certificate.der();
        let reference = openssl::x509::X509::from_der(&der).expect("a certificate");
        let found = reference.subject_alt_names();
        let found = found.iter().flatten().filter_map(|name| name.dnsname().map(str::to_string));
        let mut expected: Vec<String> = Vec::new();
        for name in std::iter::once(common_name).filter(|name| !name.is_empty()).chain(found) {
            if !expected.contains(&name) {
                expected.push(name);
            }
        }
        prop_assert_eq!(&compare::worded(&der)["all_domains"], &serde_json::json!(expected));
    }
}
