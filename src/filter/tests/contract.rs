//! The sentences of the wire format's description.

use super::*;
use crate::ct::entry::Content;
use crate::ct::names_tile::NamesEntry;

#[track_caller]
fn check(query: &str, wanted: &[&str], not_wanted: &[&str]) {
    for (names, expected) in [(wanted, true), (not_wanted, false)] {
        for name in names {
            assert_eq!(wants_names(query, &[name]), expected, "{query} {name}");
            assert_eq!(
                wants_names(query, &["other.invalid", name]),
                expected,
                "{query} {name} behind another"
            );
        }
    }
}

#[test]
fn a_domain_is_the_name_and_what_lies_below_it() {
    let wanted = ["example.com", "www.example.com", "a.b.c.example.com", "*.example.com", "*.a.example.com"];
    check(
        "domain=example.com",
        &wanted,
        &["example.org", "notexample.com", "example.com.org", "com", "ample.com"],
    );
    check("domain=Example.COM", &["example.com", "WWW.eXample.com"], &["example.co"]);
    check("domain=example.com.", &["example.com", "example.com.", "www.example.com."], &["example.com.."]);
    check("domain=test", &["test", "a.test", "*.test"], &["test.com", "latest"]);
    check("domain=_dmarc.example.com", &["_dmarc.example.com"], &["dmarc.example.com"]);
}

#[test]
fn a_domain_in_u_labels_and_in_a_labels_is_the_same() {
    for query in ["domain=b%C3%BCcher.example", "domain=xn--bcher-kva.example", "domain=B%C3%9CCHER.example"]
    {
        let wanted = ["bücher.example", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE", "*.bücher.example"];
        check(query, &wanted, &["bucher.example", "xn--bcher-kvb.example"]);
        assert_eq!(filter(query), filter("domain=xn--bcher-kva.example"));
    }
}

#[test]
fn contains_is_characters_anywhere_in_a_name() {
    check(
        "contains=paypal",
        &["paypal.com", "my-PayPal.example", "a.b.paypal"],
        &["pay.pal.com", "paypa1.com"],
    );
    check("contains=PAYPAL", &["paypal.com"], &["pypal.com"]);
    check("contains=l.c", &["paypal.com"], &["palc.com"]);
    // A comma is a part of it.
    check("contains=a,b", &["a,b.example"], &["a.example", "b.example"]);
    check(
        "contains=b%C3%BCch",
        &["xn--bcher-kva.example", "BÜCHER.example"],
        &["bcher.example", "xn--bcher.example"],
    );
    check("contains=bcher", &["xn--bcher-kva.example", "bücher.example"], &["bucher.example"]);
}

#[test]
fn a_regular_expression_matches_a_name_without_case() {
    check(
        r"regex=^mail[0-9]%2B\.",
        &["mail1.example.com", "MAIL22.example"],
        &["mail.example", "xmail1.example"],
    );
    check("regex=^MAIL$", &["mail", "Mail"], &["mail.example"]);
    check("regex=^(a|b){2,3}$", &["ab", "BBA"], &["a", "abc", "aaaa"]);
    check("regex=a,b", &["xa,by"], &["a", "b"]);
    check(r"regex=^[^.]%2B$", &["one"], &["one.two"]);
}

#[test]
fn a_lookalike_is_a_name_that_a_person_may_take_for_the_given_one() {
    let wanted = [
        "paypa1.com",
        "xn--pypal-4ve.com",
        "раураl.com",
        "paypall.com",
        "papal.com",
        "paypsl.com",
        "papyal.com",
        "ppaypal.com",
        "paypal-login.com",
        "securepaypal.com",
        "login-paypa1.example",
        "paypal.net",
        "paypal.com.evil.example",
        "*.paypal.com.evil.example",
    ];
    let not_wanted =
        ["paypal.com", "www.paypal.com", "*.paypal.com", "paypa1.paypal.com", "example.com", "pay.example"];
    check("lookalike=paypal.com", &wanted, &not_wanted);
    check("lookalike=www.PayPal.com", &wanted, &not_wanted);
    check(
        "lookalike=paypal.com,example.org",
        &["paypa1.com", "examp1e.org", "example.com"],
        &["paypal.com", "example.org"],
    );
    check("lookalike=paypal.com&domain=!paypa1.com", &["paypal.net"], &["paypa1.com", "www.paypa1.com"]);
    assert!(wants_names("lookalike=!paypal.com", &["paypal.com"]));
    assert!(!wants_names("lookalike=!paypal.com", &["paypa1.com", "securepaypal.com"]));
    check(
        "lookalike=b%C3%BCcher.example",
        &["bucher.example", "xn--bcher-kva.com"],
        &["xn--bcher-kva.example"],
    );
}

#[test]
fn values_of_one_parameter_are_alternatives() {
    for query in
        ["domain=a.example&domain=b.example", "domain=a.example,b.example", "domain=b.example,%20a.example"]
    {
        check(query, &["a.example", "x.b.example"], &["c.example"]);
        assert_eq!(filter(query), filter("domain=a.example,b.example"));
    }
    check("contains=aa&contains=bb", &["aa", "xbbx"], &["ab"]);
    check("regex=^a&regex=^b", &["a", "b"], &["c"]);
}

#[test]
fn different_parameters_have_to_hold_for_the_same_name() {
    let query = "domain=example.com&contains=login&regex=[0-9]";
    check(query, &["login7.example.com"], &["login.example.com", "login7.example.org", "www7.example.com"]);
    assert!(!wants_names(query, &["login7.example.org", "www.example.com"]));
    assert!(!wants_names(query, &["login.example.com", "x7.example.com", "login7.test"]));
}

#[test]
fn a_value_with_an_exclamation_mark_excludes() {
    let query = "contains=example&domain=!example.com";
    check(query, &["example.org", "my-example.net"], &["example.com", "www.example.com", "other.org"]);
    // The same name is meant.
    assert!(wants_names(query, &["example.com", "example.org"]));
    assert!(!wants_names(query, &["example.com", "other.org"]));
    check("domain=com,!example.com", &["other.com"], &["www.example.com", "other.org"]);
    check("domain=com&regex=!^www", &["mail.com"], &["www.com"]);
    check("domain=com&contains=!shop", &["mail.com"], &["myshop.com", "mail.org"]);
}

#[test]
fn an_exclusion_alone_wants_any_other_name() {
    let query = "domain=!example.com";
    assert!(wants_names(query, &["example.org"]));
    assert!(wants_names(query, &["example.com", "example.org"]));
    assert!(!wants_names(query, &["example.com", "www.example.com"]));
    assert!(!wants_names(query, &[]), "there is no name");
}

#[test]
fn an_issuer_is_its_whole_o_or_cn_without_case() {
    for (query, expected) in [
        ("issuer=Let's Encrypt", true),
        ("issuer=LET'S ENCRYPT", true),
        ("issuer=r12", true),
        ("issuer=Let's", false),
        ("issuer=Let's Encrypt R12", false),
        ("issuer=Other&issuer=R12", true),
        ("issuer=!R12", false),
        ("issuer=!R13", true),
        ("issuer=Let's Encrypt&issuer=!R12", false),
        ("issuer=Let's Encrypt&issuer=!R13", true),
    ] {
        assert_eq!(wants_names(query, &["a.example"]), expected, "{query}");
        assert_eq!(wants_names(query, &[]), expected, "{query} without names");
    }
}

#[test]
fn a_log_is_given_by_id_url_or_name() {
    let id = form_urlencoded::byte_serialize(LOG_ID.as_bytes()).collect::<String>();
    for (log, expected) in [
        (id.as_str(), true),
        // Plus signs that were not encoded.
        (LOG_ID, true),
        ("https://ct.example.com/logs/2026/", true),
        ("https://ct.example.com/logs/2026", true),
        ("ct.example.com/logs/2026", true),
        ("CT.example.com/logs/2026/", true),
        ("Example 'One' log", true),
        ("example 'one' LOG", true),
        ("Example", false),
        ("ct.example.com", false),
        ("ct.example.com/logs/2027", false),
    ] {
        assert_eq!(wants_names(&format!("log={log}"), &["a"]), expected, "{log}");
        assert_eq!(wants_names(&format!("log=!{log}"), &["a"]), !expected, "!{log}");
        assert_eq!(wants_names(&format!("log=other, {log}"), &["a"]), expected, "other, {log}");
    }
}

#[test]
fn an_operator_is_given_by_name() {
    for (query, expected) in [
        ("operator=let's log", true),
        ("operator=Other,Let's Log", true),
        ("operator=Let", false),
        ("operator=!Let's Log", false),
    ] {
        assert_eq!(wants_names(query, &["a"]), expected, "{query}");
    }
}

#[test]
fn a_type_is_precert_or_x509() {
    let log = log();
    for (query, of_precert, of_x509, of_names) in [
        ("type=precert", true, false, false),
        ("type=x509", false, true, false),
        ("type=X509", false, true, false),
        ("type=precert&type=x509", true, true, false),
        ("type=!precert", false, true, true),
        ("", true, true, true),
        // Nothing is known of the issuer either.
        ("issuer=R12", true, true, false),
        ("issuer=!R12", false, false, true),
    ] {
        let entry = |entry_type| Facts::given(&log, &["a.example"], &["R12"], Some(entry_type));
        assert_eq!(wants(&filter(query), &entry("precert")), of_precert, "{query} precert");
        assert_eq!(wants(&filter(query), &entry("x509")), of_x509, "{query} x509");
        let names = Content::Names(NamesEntry { timestamp_ms: 1, names: vec!["A.example".into()] });
        assert_eq!(wants(&filter(query), &Facts::new(&log, &names)), of_names, "{query} names");
    }
}

#[test]
fn an_empty_filter_wants_everything() {
    assert!(filter("").is_empty());
    assert!(wants_names("", &[]));
    assert!(wants_names("", &["a.example"]));
}

#[test]
fn conditions_about_names_and_about_the_entry_all_have_to_hold() {
    for (query, expected) in [
        ("domain=example.com&type=precert", true),
        ("domain=example.com&type=x509", false),
        ("domain=example.org&type=precert", false),
        ("domain=example.com&issuer=!R13&operator=Let's Log&type=!x509", true),
        ("domain=example.com&issuer=!R12", false),
        ("domain=!example.com&type=precert", false),
        ("domain=!example.org&type=precert", true),
    ] {
        assert_eq!(wants_names(query, &["www.example.com"]), expected, "{query}");
    }
}
