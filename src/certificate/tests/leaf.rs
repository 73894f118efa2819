//! Tests of the whole leaf: its members, their order and their offsets.

use serde_json::{Value, json};

use super::super::LeafKind;
use super::{Certificate, SAN, dns, extension, oid, seq, tlv, word, write_issuer};

#[test]
fn a_sound_leaf_says_what_the_wire_format_says() {
    let leaf = Certificate::with_extension(SAN, seq(&[dns("b.example")])).worded();
    assert_eq!(leaf["subject"]["CN"], "a.example");
    assert_eq!(leaf["issuer"]["aggregated"], "/C=US");
    assert_eq!(leaf["extensions"], json!({"subjectAltName": "DNS:b.example"}));
    assert_eq!(leaf["not_before"], 1_704_164_645);
    assert_eq!(leaf["not_after"], 2_556_143_999u32);
    assert_eq!(leaf["serial_number"], "1001");
    assert_eq!(leaf["signature_algorithm"], "sha256, ecdsa");
    assert_eq!(leaf["is_ca"], false);
    assert_eq!(leaf["all_domains"], json!(["a.example", "b.example"]));
    assert_eq!(leaf["fingerprint"], leaf["sha1"]);
    assert_eq!(leaf["sha256"].as_str().unwrap().len(), 32 * 3 - 1);
    assert_eq!(leaf.get("parse_error"), None);
}

#[test]
fn members_stand_in_the_order_of_the_wire_format() {
    let (leaf, _) = word(&Certificate::default().der(), LeafKind::X509, true);
    let leaf = String::from_utf8(leaf).unwrap();
    let members = [
        "\"subject\":{\"aggregated\":",
        "\"C\":",
        "\"ST\":",
        "\"L\":",
        "\"O\":",
        "\"OU\":",
        "\"CN\":",
        "\"email_address\":",
        "\"issuer\":",
        "\"extensions\":",
        "\"not_before\":",
        "\"not_after\":",
        "\"serial_number\":",
        "\"fingerprint\":",
        "\"sha1\":",
        "\"sha256\":",
        "\"signature_algorithm\":",
        "\"is_ca\":",
        "\"as_der\":",
        "\"all_domains\":",
    ];
    let mut places = members.map(|member| leaf.find(member).expect(member)).to_vec();
    places.sort_unstable();
    assert_eq!(places, members.map(|member| leaf.find(member).unwrap()));
}

#[test]
fn the_lite_form_is_the_full_one_with_as_der_cut_out() {
    let der = Certificate::default().der();
    let (full, marks) = word(&der, LeafKind::X509, true);
    let (lite, lite_marks) = word(&der, LeafKind::X509, false);
    let cut = [&full[..marks.as_der.start], &full[marks.as_der.end..]].concat();
    assert_eq!(cut, lite);
    assert!(lite_marks.as_der.is_empty());
    assert_eq!(&full[marks.all_domains.clone()], b"[\"a.example\"]");
    assert_eq!(&lite[lite_marks.all_domains], b"[\"a.example\"]");
}

#[test]
fn a_chain_certificate_has_no_domains() {
    let mut out = Vec::new();
    write_issuer(&Certificate::default().der(), &mut out);
    let certificate: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(certificate.get("all_domains"), None);
    assert!(certificate["as_der"].is_string());
}

#[test]
fn the_poison_flag_stands_beside_the_poison_of_a_precert_only() {
    let poisoned = Certificate::with_extension("1.3.6.1.4.1.11129.2.4.3", tlv(0x05, [])).der();
    let (precert, _) = word(&poisoned, LeafKind::Precert, false);
    let precert: Value = serde_json::from_slice(&precert).unwrap();
    assert_eq!(precert["extensions"], json!({"ct_precert_poison": "NULL", "ctlPoisonByte": true}));
    let (x509, _) = word(&poisoned, LeafKind::X509, false);
    let x509: Value = serde_json::from_slice(&x509).unwrap();
    assert_eq!(x509["extensions"], json!({"ct_precert_poison": "NULL"}));
}

#[test]
fn of_a_repeated_extension_the_last_value_stands_in_the_first_place() {
    let constraints = |is_ca: u8| seq(&[tlv(0x01, [is_ca])]);
    let leaf = Certificate {
        extensions: vec![
            extension("2.5.29.19", constraints(0)),
            extension(SAN, seq(&[dns("x.example")])),
            extension("2.5.29.19", constraints(0xFF)),
        ],
        ..Certificate::default()
    };
    let (text, _) = word(&leaf.der(), LeafKind::X509, false);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(r#"{"basicConstraints":"CA:TRUE","subjectAltName":"DNS:x.example"}"#), "{text}");
    assert!(text.contains(r#""is_ca":true"#));
    assert!(text.contains("for the second time"));
}

#[test]
fn many_extensions_are_told_apart_as_few_are() {
    let numbered = |number: usize| extension(&format!("1.2.3.{number}"), vec![]);
    let mut extensions: Vec<_> = (0..200).map(numbered).collect();
    extensions.push(extension("2.5.29.54", tlv(0x02, [1])));
    extensions.push(extension("2.5.29.54", tlv(0x02, [2])));
    let leaf = Certificate { extensions, ..Certificate::default() }.worded();
    assert_eq!(leaf["extensions"], json!({"inhibitAnyPolicy": "2"}));
}

#[test]
fn serial_numbers_have_an_even_number_of_digits_and_a_sign() {
    let serials: [(&[u8], &str); 8] = [
        (&[0x00], "00"),
        (&[0x0A], "0A"),
        (&[0x00, 0x80], "80"),
        (&[0x80], "-80"),
        (&[0xFF], "-01"),
        (&[0xFF, 0x00], "-0100"),
        (&[0x80, 0x00], "-8000"),
        (&[0x7F, 0xFF], "7FFF"),
    ];
    for (content, expected) in serials {
        let leaf = Certificate { serial: tlv(0x02, content), ..Certificate::default() }.worded();
        assert_eq!(leaf["serial_number"], expected);
        assert_eq!(leaf.get("parse_error"), None);
    }
}

#[test]
fn signature_algorithms_have_the_names_that_servers_of_today_give_them() {
    let sha384 = seq(&[oid("2.16.840.1.101.3.4.2.2")]);
    let pss = |parameters: &[Vec<u8>]| seq(&[oid("1.2.840.113549.1.1.10"), seq(parameters)]);
    let algorithms = [
        (seq(&[oid("1.2.840.113549.1.1.11"), tlv(0x05, [])]), "sha256, rsa"),
        (seq(&[oid("1.2.840.10045.4.3.3")]), "sha384, ecdsa"),
        (seq(&[oid("1.3.101.112")]), "ed25519"),
        (seq(&[oid("1.2.840.113549.1.1.5")]), "sha1, rsa"),
        (pss(&[tlv(0xA0, sha384)]), "sha384, rsa-pss"),
        (pss(&[]), "sha1, rsa-pss"),
        (seq(&[oid("2.16.840.1.101.3.4.3.17")]), "2.16.840.1.101.3.4.3.17"),
    ];
    for (algorithm, expected) in algorithms {
        let leaf = Certificate { algorithm, ..Certificate::default() }.worded();
        assert_eq!(leaf["signature_algorithm"], expected);
    }
}
