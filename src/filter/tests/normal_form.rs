//! Equal filters, and how they are written.

use super::*;
use std::hash::{BuildHasher, RandomState};

#[test]
fn order_case_and_repeats_do_not_matter() {
    let keys = RandomState::new();
    for (one, other) in [
        ("domain=a.example,b.example", "domain=B.example.&domain=a.example&domain=a.EXAMPLE"),
        ("domain=a&type=x509&contains=q", "contains=Q&type=X509&domain=a"),
        ("issuer=Let's+Encrypt&issuer=!R3", "issuer=!r3&issuer=let's+encrypt"),
        ("log=https://ct.example/a/", "log=CT.example/a"),
        ("lookalike=PayPal.com,b.example", "lookalike=b.example&lookalike=paypal.com."),
        ("contains=b%C3%BCcher", "contains=B%C3%9CCHER"),
        ("contains=bu%CC%88cher", "contains=b%C3%BCcher"),
    ] {
        let (one, other) = (filter(one), filter(other));
        assert_eq!(one, other);
        assert_eq!(keys.hash_one(&one), keys.hash_one(&other));
        assert_eq!(one.to_query(), other.to_query());
    }
    for (one, other) in [
        ("domain=a", "domain=b"),
        ("domain=a", "domain=!a"),
        ("domain=a", "contains=a"),
        ("issuer=a", "operator=a"),
        ("domain=a,b", "domain=ab"),
        ("regex=A", "regex=a"),
        ("lookalike=a.example", "domain=a.example"),
        ("", "type=x509"),
    ] {
        assert_ne!(filter(one), filter(other), "{one} {other}");
    }
}

#[test]
fn a_filter_is_shown_as_json() {
    let filter = filter(
        "type=precert&domain=!B%C3%BCcher.example,Example.com&contains=%22x&regex=^A&issuer=Let's+Encrypt",
    );
    assert_eq!(
        serde_json::to_value(&filter).unwrap(),
        serde_json::json!({
            "domain": ["example.com", "!xn--bcher-kva.example"],
            "contains": ["\"x"],
            "regex": ["^A"],
            "issuer": ["let's encrypt"],
            "type": ["precert"],
        })
    );
    assert_eq!(serde_json::to_string(&Filter::default()).unwrap(), "{}");
}

#[test]
fn a_filter_is_read_from_its_own_query() {
    let id = form_urlencoded::byte_serialize(LOG_ID.as_bytes()).collect::<String>();
    for query in [
        "",
        "domain=a.example&domain=b.example&domain=%21c.example&contains=x%2Cy&regex=a%2B%26&type=x509",
        &format!("issuer=let%27s+encrypt&issuer=%21r3&log={id}&log=ct.example%2F2026&operator=example"),
        "contains=b%C3%BCcher&contains=%21x",
    ] {
        assert_eq!(filter(query).to_query(), query);
        assert_eq!(filter(query).to_query_within(query.len()), query);
        assert_eq!(filter(&filter(query).to_query()), filter(query));
    }
    let long = filter("domain=a.example&domain=b.example&contains=x");
    assert_eq!(long.to_query_within(40), "domain=a.example&domain=b.example…");
    assert_eq!(long.to_query_within(15), "…");
}

#[test]
fn values_are_counted_once() {
    let filter = filter("domain=a,b,A,!c&type=x509");
    assert_eq!(filter.values(), 4);
    assert!(filter.bytes() > size_of::<Filter>());
}
