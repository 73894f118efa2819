//! Names that no honest certificate has.

use super::*;
use crate::certificate::Issuer;
use crate::ct::entry::{Content, LogEntry, LogEntryType, SignedTbs};
use bytes::Bytes;

#[test]
fn any_text_can_be_a_name() {
    let long = "a.".repeat(500) + "example.com";
    let names = [
        "",
        ".",
        "..",
        "*",
        "*.",
        "a\0b.example.com",
        "a\0.example.com",
        " example.com",
        "example.com\n",
        "\\xFF.example.com",
        "xn--.example.com",
        "xn--99999999999.example.com",
        "xn--\u{FC}.example.com",
        "\u{202E}moc.example.com",
        "\u{130}.example.com",
        "ﬀ.example.com",
        "e\u{301}.example.com",
        "🦀.example.com",
        ".example.com",
        "-.example.com",
        long.as_str(),
    ];
    for query in [
        "domain=example.com",
        "domain=!example.com",
        "contains=example",
        "contains=%C3%A9",
        "contains=!%C3%A9",
        "regex=^.*com$",
        r"regex=!^\w",
        "regex=^$",
        "lookalike=paypal.com",
        "lookalike=!paypal.com",
        "domain=com&contains=a&regex=a",
    ] {
        // Both ways of matching agree, whatever they find.
        names.iter().for_each(|name| {
            wants_names(query, &[name]);
        });
        wants_names(query, &names);
    }
    for name in ["a\0b.example.com", "xn--99999999999.example.com", "🦀.example.com", ".example.com", &long]
    {
        assert!(wants_names("domain=example.com", &[name]), "{name:?}");
    }
    assert!(!wants_names("domain=example.com", &["example.com\n"]));
    assert!(!wants_names("domain=example.com", &["example.com\0"]));
    assert!(wants_names("contains=%C3%A9", &["e\u{301}.example.com"]));
}

#[test]
fn a_name_that_is_longer_than_any_of_the_dns_is_left_out() {
    let fits = "a".repeat(1024 - 4) + ".com";
    let too_long = "a".repeat(1024 - 3) + ".com";
    for (query, is_wanted) in
        [("domain=com", true), ("contains=aaa", true), ("domain=!example.com", true), ("type=precert", true)]
    {
        assert_eq!(wants_names(query, &[&fits]), is_wanted, "{query}");
        assert_eq!(wants_names(query, &[&too_long]), query == "type=precert", "{query}");
        assert!(wants_names(query, &[&too_long, &fits]), "{query}");
    }
}

#[test]
fn many_values_that_overlap_are_found_once_each() {
    let log = log();
    let query = (1..=200).map(|n| format!("contains={}", "a".repeat(n))).collect::<Vec<_>>().join("&");
    let name = "a".repeat(150);
    let facts = Facts::given(&log, &[&name], &[], None);
    assert!(wants(&filter(&query), &facts));
    assert!(!wants(&filter(&format!("{query}&regex=!^a*$")), &facts));
}

#[test]
fn the_facts_of_a_broken_certificate_are_empty() {
    let log = log();
    let entry = LogEntry {
        timestamp_ms: 1,
        entry_type: LogEntryType::X509,
        certificate: Bytes::from_static(b"no certificate"),
        chain: vec![Issuer::unshared(b"neither")],
        signed_tbs: SignedTbs::OfCertificate,
        fault: None,
    };
    let content = Content::Entry(entry);
    for (query, expected) in [
        ("domain=example.com", false),
        ("domain=!example.com", false),
        ("issuer=R12", false),
        ("issuer=!R12", true),
        ("type=x509", true),
        ("type=precert", false),
    ] {
        assert_eq!(wants(&filter(query), &Facts::new(&log, &content)), expected, "{query}");
    }
}
