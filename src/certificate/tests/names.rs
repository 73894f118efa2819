//! Tests of subjects: every string type, and unusual values.

use serde_json::{Value, json};

use super::{Certificate, attribute, oid, seq, tlv};

const CN: &str = "2.5.4.3";

fn subject(attributes: &[Vec<u8>]) -> Value {
    Certificate::with_subject(attributes).worded()["subject"].clone()
}

#[test]
fn an_empty_subject_has_every_member_and_no_value() {
    let expected = json!({"aggregated": "", "C": null, "ST": null, "L": null, "O": null, "OU": null,
        "CN": null, "email_address": null});
    assert_eq!(subject(&[]), expected);
}

#[test]
fn the_first_attribute_of_a_type_counts_and_all_are_aggregated() {
    let subject = subject(&[attribute(CN, 0x0C, "first"), attribute(CN, 0x0C, "second")]);
    assert_eq!(subject["CN"], "first");
    assert_eq!(subject["aggregated"], "/CN=first/CN=second");
}

#[test]
fn an_attribute_without_text_is_an_empty_text_and_not_null() {
    let subject = subject(&[attribute("2.5.4.10", 0x0C, "")]);
    assert_eq!(subject["O"], "");
    assert_eq!(subject["aggregated"], "/O=");
}

#[test]
fn a_multi_valued_rdn_looks_like_several() {
    let pair = |dotted, value: &str| seq(&[oid(dotted), tlv(0x0C, value)]);
    let rdn = tlv(0x31, [pair("2.5.4.11", "u"), pair(CN, "c")].concat());
    assert_eq!(subject(&[rdn])["aggregated"], "/OU=u/CN=c");
}

#[test]
fn unknown_types_are_dotted_and_known_ones_have_short_names() {
    let subject = subject(&[
        attribute("2.999.1", 0x0C, "x"),
        attribute("1.3.6.1.4.1.311.60.2.1.3", 0x13, "DE"),
        attribute("2.5.4.97", 0x0C, "VATDE-1"),
        attribute("1.2.840.113549.1.9.1", 0x16, "a@b"),
    ]);
    assert_eq!(
        subject["aggregated"],
        "/2.999.1=x/jurisdictionC=DE/organizationIdentifier=VATDE-1/emailAddress=a@b"
    );
    assert_eq!(subject["email_address"], "a@b");
}

#[test]
fn each_string_type_is_decoded_and_aggregated_as_raw_bytes() {
    let cases: [(u8, &[u8], &str, &str); 7] = [
        (0x0C, "Café".as_bytes(), "Café", "/CN=Caf\\xC3\\xA9"),
        (0x14, b"Caf\xE9", "Café", "/CN=Caf\\xE9"),
        (0x13, b"a\xE9", "aé", "/CN=a\\xE9"),
        (0x12, b"12 34", "12 34", "/CN=12 34"),
        (0x1E, b"\0C\0\xE9", "Cé", "/CN=\\x00C\\x00\\xE9"),
        (0x1C, b"\0\x01\xF6\0", "\u{1F600}", "/CN=\\x00\\x01\\xF6\\x00"),
        (0x16, b"a\"b\\c\x01\x7F", "a\"b\\c\u{1}\u{7F}", "/CN=a\"b\\c\\x01\\x7F"),
    ];
    for (tag, value, text, aggregated) in cases {
        let leaf = Certificate::with_subject(&[attribute(CN, tag, value)]).worded();
        assert_eq!(leaf["subject"]["CN"], text);
        assert_eq!(leaf["subject"]["aggregated"], aggregated);
        assert_eq!(leaf.get("parse_error"), None);
    }
}

#[test]
fn strings_that_are_broken_are_read_as_far_as_they_go() {
    let cases: [(u8, &[u8], &str); 6] = [
        (0x0C, b"We\xFFb", "We\\xFFb"),
        (0x0C, b"\xED\xA0\x80", "\\xED\\xA0\\x80"),
        (0x1E, b"\0a\0", "a"),
        (0x1E, b"\xD8\x3D\0b", "\u{FFFD}b"),
        (0x1A, b"visible", "visible"),
        (0x04, b"a\x07", "a\\x07"),
    ];
    for (tag, value, text) in cases {
        let leaf = Certificate::with_subject(&[attribute(CN, tag, value)]).worded();
        assert_eq!(leaf["subject"]["CN"], text);
        assert!(leaf["parse_error"].as_str().unwrap().starts_with("subject: "), "{leaf}");
    }
}

#[test]
fn a_long_subject_is_not_cut() {
    let organization = "x".repeat(3000);
    let subject = subject(&[attribute("2.5.4.10", 0x0C, &organization), attribute(CN, 0x0C, "c")]);
    assert_eq!(subject["aggregated"], format!("/O={organization}/CN=c"));
}

#[test]
fn a_string_in_segments_is_put_together() {
    let segments = [tlv(0x0C, "seg"), tlv(0x0C, "mented")].concat();
    assert_eq!(subject(&[attribute(CN, 0x2C, segments)])["CN"], "segmented");
}

#[test]
fn a_broken_attribute_costs_only_itself() {
    let broken = tlv(0x31, seq(&[tlv(0x06, [0x55, 0x84]), tlv(0x0C, "lost")]));
    let leaf =
        Certificate::with_subject(&[attribute("2.5.4.6", 0x13, "DE"), broken, attribute(CN, 0x0C, "c")]);
    let leaf = leaf.worded();
    assert_eq!(leaf["subject"]["aggregated"], "/C=DE/CN=c");
    assert!(leaf["parse_error"].as_str().unwrap().contains("OBJECT IDENTIFIER"));
}

#[test]
fn a_string_in_segments_that_are_none_is_shown_and_named_as_a_fault() {
    let leaf = Certificate::with_subject(&[attribute("2.5.4.3", 0x2C, "a.example")]).worded();
    assert_eq!(leaf["subject"]["CN"], "a.example");
    assert_eq!(leaf["parse_error"], "subject: reaches beyond what holds it (byte 86)");
}

#[test]
fn unused_bits_of_a_value_are_not_shown() {
    let leaf = Certificate::with_subject(&[attribute("2.5.4.3", 0x03, [4, 0x41, 0x5F])]).worded();
    assert_eq!(leaf["subject"]["aggregated"], "/CN=AP");
}

#[test]
fn the_issuers_organization_and_common_name_are_those_of_the_message() {
    let issuer = vec![
        attribute("2.5.4.10", 0x0C, "First"),
        attribute("2.5.4.10", 0x0C, "Second"),
        attribute(CN, 0x13, "R1"),
    ];
    let certificate = Certificate { issuer, ..Certificate::default() };
    let der = certificate.der();
    let parsed = super::Parsed::parse(&der);
    assert_eq!(parsed.issuer_organization().as_deref(), Some("First"));
    assert_eq!(parsed.issuer_common_name().as_deref(), Some("R1"));
    let nothing = super::Parsed::parse(b"nothing");
    assert_eq!((nothing.issuer_organization(), nothing.issuer_common_name()), (None, None));
}
