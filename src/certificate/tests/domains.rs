//! Tests of `all_domains`.

use serde_json::{Value, json};

use super::{Certificate, SAN, attribute, dns, extension, seq, tlv, write_all_domains};

fn domains(names: &[Vec<u8>]) -> Value {
    let certificate = Certificate::with_extension(SAN, seq(names));
    let leaf = certificate.worded();
    let mut alone = Vec::new();
    write_all_domains(&certificate.der(), &mut alone);
    assert_eq!(leaf["all_domains"], serde_json::from_slice::<Value>(&alone).unwrap());
    leaf["all_domains"].clone()
}

#[test]
fn repeats_are_dropped_and_case_is_kept() {
    let names = [dns("b.example"), dns("a.example"), dns("B.example"), dns("b.example")];
    assert_eq!(domains(&names), json!(["a.example", "b.example", "B.example"]));
}

#[test]
fn only_dns_names_count() {
    let names = [tlv(0x81, "e@x"), tlv(0x86, "http://x"), tlv(0x87, [1, 2, 3, 4]), dns("d.example")];
    assert_eq!(domains(&names), json!(["a.example", "d.example"]));
}

#[test]
fn a_name_that_looks_like_printed_text_invents_nothing() {
    let names = [dns("x, DNS:y.example"), tlv(0x81, "a@b, DNS:z.example"), dns("xDNS:y")];
    assert_eq!(domains(&names), json!(["a.example", "x, DNS:y.example", "xDNS:y"]));
}

#[test]
fn a_name_that_is_not_utf8_loses_only_itself() {
    let names = [dns("good.example"), dns(b"b\xFCcher.example"), dns("too.example")];
    assert_eq!(domains(&names), json!(["a.example", "good.example", "b\\xFCcher.example", "too.example"]));
}

#[test]
fn names_before_a_break_are_recovered() {
    let mut names = [dns("one.example"), tlv(0x89, "x"), dns("two.example")].concat();
    names.extend([0x82, 0x30, b'x']);
    let leaf = Certificate::with_extension(SAN, tlv(0x30, names)).worded();
    assert_eq!(leaf["all_domains"], json!(["a.example", "one.example", "two.example"]));
    assert_eq!(leaf["extensions"]["subjectAltName"], "");
    assert!(leaf["parse_error"].as_str().unwrap().starts_with("subjectAltName: "));
}

#[test]
fn an_empty_common_name_is_no_domain() {
    let certificate = Certificate {
        subject: vec![attribute("2.5.4.3", 0x0C, "")],
        extensions: vec![extension(SAN, seq(&[dns("")]))],
        ..Certificate::default()
    };
    assert_eq!(certificate.worded()["all_domains"], json!([""]));
}

#[test]
fn thousands_of_names_stay_in_order_each_once() {
    let name = |number: usize| format!("n{}.example", number % 1000);
    let names: Vec<_> = (0..2000).map(|number| dns(name(number))).collect();
    let expected: Vec<_> = std::iter::once("a.example".to_string()).chain((0..1000).map(name)).collect();
    let mut out = Vec::new();
    super::super::domains::write(Some("a.example".into()), [seq(&names).as_slice()].into_iter(), &mut out);
    assert!(serde_json::from_slice::<Vec<String>>(&out).unwrap() == expected);
}

/// Which of them a browser would use is not for this server to decide.
#[test]
fn the_names_of_all_subject_alt_names_count() {
    let extensions = [["one.example", "two.example"], ["three.example", "one.example"]]
        .map(|names| extension(SAN, seq(&names.map(dns))))
        .to_vec();
    let leaf = Certificate { extensions, ..Certificate::default() }.worded();
    assert_eq!(leaf["all_domains"], json!(["a.example", "one.example", "two.example", "three.example"]));
    assert_eq!(leaf["extensions"]["subjectAltName"], "DNS:three.example, DNS:one.example");
    assert!(leaf["parse_error"].as_str().unwrap().contains("for the second time"));

    let broken = [extension(SAN, tlv(0x30, [dns("one.example"), vec![0x82, 0x30]].concat()))];
    let extensions = [broken.to_vec(), vec![extension(SAN, seq(&[dns("two.example")]))]].concat();
    let leaf = Certificate { extensions, ..Certificate::default() }.worded();
    assert_eq!(leaf["all_domains"], json!(["a.example", "one.example", "two.example"]));
}
