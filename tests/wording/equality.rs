//! Compares the texts of all available certificates with those of OpenSSL.

use crate::compare::{Counters, worded};
use crate::der::{self, Certificate};
use crate::differences::{self, Case};
use crate::reference::{self, Extension};
use crate::{rare, sources};

#[test]
fn demo_certificates_are_worded_as_openssl_words_them() {
    let mut counters = Counters::default();
    for entry in sources::demo(500) {
        for (place, der) in entry.certificates().iter().enumerate() {
            counters.add(&format!("{} {place}", entry.id), der);
        }
    }
    counters.report("demo log");
    counters.assert_agreement();
}

#[test]
fn recorded_certificates_are_worded_as_openssl_words_them() {
    let mut counters = Counters::default();
    for corpus in ["live", "limbo", "pyca", "crafted"] {
        let Some(entries) = sources::conformance(corpus) else { return };
        for entry in entries {
            for (place, der) in entry.certificates().iter().enumerate() {
                counters.add(&format!("{} {place}", entry.id), der);
            }
        }
    }
    counters.report("recorded");
    counters.assert_agreement();
}

#[test]
fn rare_extensions_are_worded_as_openssl_words_them() {
    let mut counters = Counters::default();
    for (dotted, value) in rare::extensions() {
        counters.add(&dotted, &Certificate::with_extension(&dotted, &value).der());
    }
    counters.add("odd names", &Certificate::with_subject(rare::odd_name()).der());
    counters.report("rare extensions");
    counters.assert_agreement();
}

#[test]
fn every_documented_difference_is_met() {
    let mut counters = Counters::default();
    for (dotted, value) in rare::all() {
        counters.add(dotted, &Certificate::with_extension(dotted, value).der());
    }
    for reason in differences::reasons() {
        assert!(counters.differences.contains_key(reason), "nothing shows it: {reason}");
    }
}

#[test]
fn a_changed_wording_is_noticed() {
    let extension = |text: &[u8]| Extension {
        nid: 0,
        short_name: "keyUsage".to_string(),
        dotted: "2.5.29.15".to_string(),
        value: vec![3, 2, 5, 0xA0],
        text: Some(text.to_vec()),
        alt_names: None,
    };
    let printed = extension(b"Digital Signature, Key Encipherment");
    assert_eq!(
        Case::new(&printed, "Digital Signature, Key Encipherment").expected,
        "Digital Signature, Key Encipherment"
    );
    for ours in ["Digital Signature,Key Encipherment", "digital Signature, Key Encipherment", "", "NULL"] {
        let case = Case::new(&printed, ours);
        assert_ne!(case.expected, ours);
        assert_eq!(case.documented(true), None, "{ours}");
    }
}

#[test]
fn objects_have_the_names_that_openssl_gives_them() {
    let mut counters = Counters::default();
    for nid in 1..differences::NO_MORE {
        let Some(object) = reference::object(nid) else { continue };
        let [purposes, subject] = with_object(&object.content);
        counters.add(&object.long_name, &purposes);
        counters.add(&object.short_name, &subject);
    }
    counters.report("objects");
    counters.assert_agreement();
    assert!(counters.certificates > 2000);
}

#[test]
fn objects_that_openssl_1_1_1_did_not_know_are_dotted() {
    for object in (differences::LAST_OF_1_1_1 + 1..differences::NO_MORE).filter_map(reference::object) {
        let [purposes, subject] = with_object(&object.content).map(|der| worded(&der));
        assert_eq!(purposes["extensions"]["extendedKeyUsage"], object.dotted, "{}", object.long_name);
        assert_eq!(subject["subject"]["aggregated"], format!("/{}=x", object.dotted));
    }
}

/// Certificates with the identifier as a purpose, and as the type of an attribute.
fn with_object(content: &[u8]) -> [Vec<u8>; 2] {
    let oid = der::tlv(0x06, content);
    let attribute = der::set(&[der::seq(&[oid.clone(), der::utf8("x")])]);
    let purposes = Certificate::with_extension("2.5.29.37", &der::seq(&[oid]));
    [purposes.der(), Certificate::with_subject(der::seq(&[attribute])).der()]
}

#[test]
fn signature_algorithms_are_what_openssl_makes_of_them() {
    let mut named = 0;
    for nid in 1..=differences::LAST_OF_1_1_1 {
        let Some(object) = reference::object(nid) else { continue };
        let algorithm = der::seq(&[der::tlv(0x06, &object.content)]);
        let certificate = Certificate { algorithm, ..Certificate::default() };
        let Ok(parsed) = openssl::x509::X509::from_der(&certificate.der()) else { continue };
        let ours = worded(&certificate.der());
        let ours = ours["signature_algorithm"].as_str().expect("a text");
        let expected = differences::signature_algorithm(parsed.signature_algorithm().object(), ours);
        assert_eq!(ours, expected, "{}", object.long_name);
        named += usize::from(ours != object.dotted);
    }
    assert!(named > 20, "{named} algorithms");
}
