//! Why a filter wants an entry.

use super::*;
use crate::ct::entry::Content;
use crate::ct::names_tile::NamesEntry;

fn explain(query: &str, names: &[&str]) -> Option<serde_json::Value> {
    let log = log();
    let facts = Facts::given(&log, names, &["Let's Encrypt", "R12"], Some("precert"));
    assert_eq!(filter(query).explain(&facts).is_some(), wants(&filter(query), &facts));
    filter(query).explain(&facts).map(|reasons| serde_json::to_value(reasons).unwrap())
}

#[test]
fn a_reason_says_which_value_holds_for_which_name_and_how() {
    for (query, name, how) in [
        ("domain=example.com", "example.com", "equal"),
        ("domain=example.com", "a.example.com", "below"),
        ("contains=xamp", "a.example.com", "contains"),
        ("regex=^a", "a.example.com", "regex"),
        ("lookalike=paypal.com", "paypal.net", "other-tld"),
        ("lookalike=paypal.com", "paypal.com.evil.example", "subdomain"),
        ("lookalike=paypal.com", "paypa1.com", "confusable"),
        ("lookalike=paypal.com", "my-paypal.com", "affix"),
        ("lookalike=paypal.com", "papyal.com", "edit"),
    ] {
        let (parameter, value) = query.split_once('=').unwrap();
        let expected = serde_json::json!([{parameter: value, "how": how, "name": name}]);
        assert_eq!(explain(query, &["other.invalid", name, "z.invalid"]), Some(expected), "{query} {name}");
    }
    for (query, value) in
        [("issuer=r12", "r12"), ("operator=let's log", "let's log"), ("type=precert", "precert")]
    {
        let (parameter, _) = query.split_once('=').unwrap();
        let expected = serde_json::json!([{parameter: value, "how": "equal"}]);
        assert_eq!(explain(query, &["a.example"]), Some(expected), "{query}");
    }
}

#[test]
fn all_parameters_give_a_reason_for_the_same_name() {
    let query = "domain=example.com,example.org&contains=login&type=precert&domain=!www.example.com";
    let names = ["example.com", "login.www.example.com", "login.example.org"];
    let name = "login.example.org";
    let expected = serde_json::json!([
        {"domain": "example.org", "how": "below", "name": name},
        {"contains": "login", "how": "contains", "name": name},
        {"type": "precert", "how": "equal"},
    ]);
    assert_eq!(explain(query, &names), Some(expected));
}

#[test]
fn what_is_not_wanted_has_no_reason_and_an_exclusion_needs_none() {
    assert_eq!(explain("domain=example.com", &["example.org"]), None);
    assert_eq!(explain("domain=example.com&type=x509", &["example.com"]), None);
    assert_eq!(explain("domain=!example.com", &["example.org"]), Some(serde_json::json!([])));
    assert_eq!(explain("", &[]), Some(serde_json::json!([])));
}

#[test]
fn the_name_is_shown_as_in_messages() {
    let log = log();
    let names = ["a.example", "A.example", &"x".repeat(2000), "*.BÜCHER.example."].map(String::from).to_vec();
    let content = Content::Names(NamesEntry { timestamp_ms: 1, names });
    let reasons = filter("domain=xn--bcher-kva.example").explain(&Facts::new(&log, &content)).unwrap();
    assert_eq!(reasons[0].name.as_deref(), Some("*.BÜCHER.example."));
}
