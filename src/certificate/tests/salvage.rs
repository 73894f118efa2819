//! Tests of malformed certificates: the parts that are still delivered, and the value of `parse_error`.

use serde_json::{Value, json};

use super::super::LeafKind;
use super::{Certificate, SAN, dns, extension, seq, tlv, word, worded, write_all_domains, write_issuer};

fn parse_error(leaf: &Value) -> &str {
    leaf["parse_error"].as_str().expect("something is wrong with it")
}

#[test]
fn bytes_that_are_no_certificate_still_make_an_object() {
    for der in [&b""[..], b"-----BEGIN CERTIFICATE-----", &[0x30], &[0x30, 0x80], &[0x30, 0x00]] {
        let leaf = worded(der);
        assert_eq!(leaf["subject"]["aggregated"], "");
        assert_eq!(leaf["not_before"], Value::Null);
        assert_eq!(leaf["serial_number"], "");
        assert_eq!(leaf["extensions"], json!({}));
        assert_eq!(leaf["all_domains"], json!([]));
        assert!(leaf["sha256"].is_string());
        assert!(!parse_error(&leaf).is_empty());
    }
}

#[test]
fn wherever_a_certificate_is_cut_what_stands_before_is_delivered() {
    let der = Certificate::with_extension(SAN, seq(&[dns("one.example"), dns("two.example")])).der();
    for length in 0..der.len() {
        let (leaf, _) = word(&der[..length], LeafKind::X509, true);
        let leaf: Value = serde_json::from_slice(&leaf).unwrap();
        assert!(leaf["parse_error"].is_string(), "cut at {length}");
    }
    let after_first_name = der.windows(3).position(|bytes| bytes == b"two").unwrap();
    let leaf = worded(&der[..after_first_name]);
    assert_eq!(leaf["subject"]["CN"], "a.example");
    assert_eq!(leaf["all_domains"], json!(["a.example", "one.example"]));
    assert!(parse_error(&leaf).contains("cut short"));
}

#[test]
fn an_impossible_time_costs_only_itself() {
    let validity = seq(&[tlv(0x17, "240230000000Z"), tlv(0x17, "250101000000Z")]);
    let leaf = Certificate { validity, ..Certificate::default() }.worded();
    assert_eq!(leaf["not_before"], Value::Null);
    assert_eq!(leaf["not_after"], 1_735_689_600);
    assert!(parse_error(&leaf).starts_with("notBefore: impossible time (byte "));
}

#[test]
fn a_broken_extension_is_null_and_costs_nothing_else() {
    let leaf = Certificate {
        extensions: vec![
            extension("2.5.29.15", tlv(0x04, [1])),
            extension("2.5.29.19", seq(&[tlv(0x01, [0xFF])])),
        ],
        ..Certificate::default()
    };
    let leaf = leaf.worded();
    assert_eq!(leaf["extensions"], json!({"keyUsage": "NULL", "basicConstraints": "CA:TRUE"}));
    assert!(parse_error(&leaf).starts_with("keyUsage: "));
}

#[test]
fn bytes_after_the_certificate_are_hashed_and_told() {
    let mut der = Certificate::default().der();
    let length = der.len();
    let sound = worded(&der);
    der.push(0);
    let leaf = worded(&der);
    assert_ne!(leaf["sha256"], sound["sha256"]);
    assert_eq!(parse_error(&leaf), format!("certificate: bytes after its end (byte {length})"));
}

#[test]
fn a_padded_serial_number_is_read() {
    let leaf = Certificate { serial: tlv(0x02, [0, 0, 7]), ..Certificate::default() }.worded();
    assert_eq!(leaf["serial_number"], "07");
    assert!(parse_error(&leaf).starts_with("serialNumber: "));
}

#[test]
fn a_field_of_another_type_leaves_the_others_in_their_places() {
    let leaf = Certificate { validity: tlv(0x05, []), ..Certificate::default() }.worded();
    assert_eq!(leaf["not_after"], Value::Null);
    assert_eq!(leaf["subject"]["CN"], "a.example");
    assert!(parse_error(&leaf).starts_with("validity: "));
}

#[test]
fn a_bare_tbs_certificate_is_read() {
    let leaf = worded(&Certificate::default().tbs());
    assert_eq!(leaf["subject"]["CN"], "a.example");
    assert!(parse_error(&leaf).contains("without its signature"));
}

#[test]
fn indefinite_lengths_are_read() {
    let certificate = Certificate::default();
    let parts = [certificate.tbs(), certificate.algorithm, tlv(0x03, [0, 1, 2])].concat();
    let der = [&[0x30, 0x80][..], &parts, &[0, 0]].concat();
    let leaf = worded(&der);
    assert_eq!(leaf["subject"]["CN"], "a.example");
    assert_eq!(leaf.get("parse_error"), None);
}

#[test]
fn deep_nesting_ends_early() {
    let tower = [0x30, 0x80].repeat(100_000);
    let leaf = Certificate::with_extension(SAN, Vec::new());
    let mut out = Vec::new();
    write_issuer(&tower, &mut out);
    write_all_domains(&tower, &mut out);
    assert!(leaf.worded()["parse_error"].is_string());
}

/// Every change of a single byte yields JSON and no panic.
#[test]
fn every_change_of_a_byte_still_makes_json() {
    let der = Certificate {
        extensions: vec![
            extension(SAN, seq(&[dns("one.example"), tlv(0xA4, seq(&[]))])),
            extension("2.5.29.35", seq(&[tlv(0x80, [1, 2, 3])])),
            extension("2.5.29.31", seq(&[seq(&[tlv(0xA0, tlv(0xA0, tlv(0x86, "http://c")))])])),
        ],
        ..Certificate::default()
    }
    .der();
    for at in 0..der.len() {
        for value in [0x00, 0x01, 0x30, 0x7F, 0x80, 0x84, 0xA0, 0xFF] {
            let mut changed = der.clone();
            changed[at] = value;
            let (leaf, _) = word(&changed, LeafKind::Precert, true);
            assert!(serde_json::from_slice::<Value>(&leaf).is_ok(), "byte {at} set to {value}");
        }
    }
}
