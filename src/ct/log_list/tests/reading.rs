//! Tests of parsing and merging lists.

use super::{base64, key, list_of, names, parsed, real_list, rfc6962, static_ct, with};
use crate::ct::log_list::parse::MAX_VALUES;
use crate::ct::log_list::{
    Endpoint, LogList, LogListError, LogState, MAX_LIST_BYTES, MostAreGone, TemporalInterval, parse,
};
use openssl::sha::sha256;
use proptest::prelude::*;
use serde_json::{Value, json};

fn error(json: &str) -> String {
    parse(json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_list_is_read_with_everything_that_is_needed_of_it() {
    let list = parsed(&list_of(&[rfc6962("oak")], &[static_ct("elm")]));
    assert_eq!((list.version.as_str(), list.logs.len()), ("7.1", 2));
    assert_eq!(list.timestamp.unwrap().to_rfc3339(), "2026-05-20T10:00:00+00:00");

    let oak = &list.logs[0];
    assert_eq!((oak.operator.as_str(), oak.description.as_str()), ("Example", "oak"));
    assert_eq!((&oak.key, oak.log_id), (&key("oak"), sha256(&key("oak"))));
    assert_eq!(oak.endpoint, Endpoint::Rfc6962 { url: "https://ct.example.com/oak/".into() });
    assert_eq!((oak.endpoint.url(), oak.endpoint.origin()), ("https://ct.example.com/oak/", None));
    assert_eq!((oak.state, oak.mmd_s, oak.test), (LogState::Usable, 86400, false));
    let interval = TemporalInterval { start_unix_s: 1_767_225_600, end_unix_s: 1_830_297_600 };
    assert_eq!(oak.temporal_interval, Some(interval));

    let elm = &list.logs[1].endpoint;
    assert_eq!(elm.url(), "https://mon.elm.example.org/2027/");
    assert_eq!(elm.origin(), Some("log.elm.example.org/2027"));
}

/// Apple's list has no timestamp. It has a version in each state, fields of its own, and an unspecified
/// order.
#[test]
fn apples_list_is_read_too() {
    let usable = json!({ "usable": { "timestamp": "2025-11-17T21:04:05Z", "version": "441" } });
    let rejected = json!({ "rejected": { "timestamp": "2022-05-02T17:41:23Z", "version": "133" } });
    let elm = with(with(static_ct("elm"), "state", usable), "tls_only", json!(true));
    let mut old = with(rfc6962("old"), "state", rejected);
    old.as_object_mut().unwrap().remove("temporal_interval");
    let list = parsed(&json!({
        "$schema": "https://valid.apple.com/ct/log_list/schema_versions/log_list_schema_v5.json",
        "assetVersion": 32, "assetVersionV2": 1013, "version": "511",
        "operators": [{ "email": [], "logs": [old], "name": "Example", "tiled_logs": [elm] }],
    }));
    assert_eq!((list.version.as_str(), list.timestamp), ("511", None));
    let states: Vec<_> = list.logs.iter().map(|log| (log.state, log.temporal_interval.is_some())).collect();
    assert_eq!(states, [(LogState::Rejected, false), (LogState::Usable, true)]);
}

#[test]
fn unknown_fields_and_log_types_are_fine_and_a_log_without_a_state_is_undecided() {
    let mut stateless = with(static_ct("arche"), "log_type", json!("monitoring_only"));
    stateless.as_object_mut().unwrap().remove("state");
    let test = with(rfc6962("testtube"), "log_type", json!("test"));
    let odd = with(rfc6962("odd"), "previous_operators", json!([{ "name": 1 }]));
    let mut json = list_of(&[test, odd], &[stateless]);
    json["is_all_logs"] = json!(true);
    json["operators"][0]["email"] = json!(null);
    let list = parsed(&json);
    let seen: Vec<_> = list.logs.iter().map(|log| (&log.description[..], log.state, log.test)).collect();
    let usable = LogState::Usable;
    let expected =
        [("testtube", usable, true), ("odd", usable, false), ("arche", LogState::Undecided, false)];
    assert_eq!(seen, expected);
}

#[test]
fn what_is_wrong_with_a_log_costs_that_log_only_and_is_said() {
    let mut no_url = rfc6962("a");
    no_url.as_object_mut().unwrap().remove("url");
    let backwards = json!({
        "start_inclusive": "2027-01-01T00:00:00Z", "end_exclusive": "2026-01-01T00:00:00Z" });
    let not_a_date = json!({ "start_inclusive": "2026", "end_exclusive": "2026-01-01T00:00:00Z" });
    let no_key = b"no key".as_slice();
    let unreadable_key =
        with(with(rfc6962("a"), "key", json!(base64(no_key))), "log_id", json!(base64(&sha256(no_key))));
    let wrong_id = format!(
        "its \"log_id\" is {:?}, but its key has the id {:?}",
        base64(&sha256(&key("b"))),
        base64(&sha256(&key("a")))
    );
    let cases: [(Value, &str); 16] = [
        (json!("a log"), "it is a string, not a JSON object"),
        (no_url, "it has no \"url\""),
        (with(rfc6962("a"), "key", json!("AAA")), "its \"key\" is not standard padded base64: \"AAA\""),
        (with(rfc6962("a"), "key", json!(7)), "its \"key\" is a number, not a string"),
        (unreadable_key, "its \"key\" of 6 bytes is not a SubjectPublicKeyInfo"),
        (with(rfc6962("a"), "log_id", rfc6962("b")["log_id"].clone()), &wrong_id),
        (
            with(rfc6962("a"), "url", json!("ct.example.com/a")),
            "is not the URL of a log: \"ct.example.com/a\"",
        ),
        (with(rfc6962("a"), "url", json!("https://ct.example.com/?a")), "is not the URL of a log"),
        (with(rfc6962("a"), "url", json!("https:///a")), "is not the URL of a log"),
        (with(rfc6962("a"), "description", json!("a\nb")), "is empty or has control characters: \"a\\nb\""),
        (with(rfc6962("a"), "description", json!("a".repeat(3000))), "has 3000 bytes, more than 2048"),
        (with(rfc6962("a"), "state", json!({ "frozen": {} })), "its state is unknown: \"frozen\""),
        (with(rfc6962("a"), "state", json!({ "usable": {}, "retired": {} })), "\"retired, usable\""),
        (with(rfc6962("a"), "state", json!("usable")), "its \"state\" is a string, not an object"),
        (
            with(rfc6962("a"), "temporal_interval", backwards),
            "ends at \"2026-01-01T00:00:00Z\", which is not after",
        ),
        (with(rfc6962("a"), "temporal_interval", not_a_date), "\"start_inclusive\" is not an RFC 3339 time"),
    ];
    for (log, complaint) in cases {
        let json = list_of(&[rfc6962("before"), log, rfc6962("after")], &[]);
        let parsed = parse(json.to_string().as_bytes()).unwrap();
        assert_eq!(names(&parsed.list.logs), ["before", "after"], "{complaint}");
        let [broken] = &parsed.broken[..] else { panic!("{complaint}: {:?}", parsed.broken) };
        let text = broken.to_string();
        assert!(text.contains(complaint), "{text:?} says nothing of {complaint:?}");
        assert!(text.contains("of \"Example\""), "{text}");
    }
}

#[test]
fn a_log_that_is_listed_twice_is_taken_once_and_an_operator_without_a_name_is_told() {
    let again = with(static_ct("oak"), "description", json!("oak in tiles"));
    let mut json = list_of(&[rfc6962("oak")], &[again]);
    json["operators"].as_array_mut().unwrap().push(json!({ "logs": [rfc6962("elm")] }));
    json["operators"].as_array_mut().unwrap().push(json!("an operator"));
    let parsed = parse(json.to_string().as_bytes()).unwrap();
    assert_eq!(names(&parsed.list.logs), ["oak"]);
    let broken: Vec<String> = parsed.broken.iter().map(ToString::to_string).collect();
    assert_eq!(
        broken,
        [
            r#"log "oak in tiles" of "Example": it has the log id of "oak", which stands before it"#,
            r#"log "elm" of "": it has no "name""#,
        ]
    );
}

#[test]
fn what_is_no_list_or_an_empty_one_is_an_error_that_says_so() {
    assert!(error("<html>").starts_with("it is not JSON: "));
    assert!(error("").starts_with("it is not JSON: "));
    assert!(error(&(list_of(&[rfc6962("oak")], &[]).to_string() + "{}")).contains("trailing characters"));
    assert_eq!(error("[]"), "it is an array, not a JSON object");
    assert_eq!(error("{}"), "it has no array \"operators\"");
    assert_eq!(error(r#"{"operators":[]}"#), "it has no logs, only 0 operators");
    assert_eq!(error(&list_of(&[], &[]).to_string()), "it has no logs, only 1 operators");
    let broken = list_of(&[json!({ "description": "oak" }), json!({})], &[]);
    assert_eq!(
        error(&broken.to_string()),
        r#"none of its 2 logs can be read; the first: log "oak" of "Example": it has no "key""#
    );
    let many = list_of(&vec![json!({}); 5001], &[]);
    assert_eq!(error(&many.to_string()), "it names 5001 logs, more than 5000");
    let large = parse(&vec![b' '; MAX_LIST_BYTES + 1]).unwrap_err();
    assert!(matches!(large, LogListError::TooLarge { length } if length == MAX_LIST_BYTES + 1));
    // Few bytes each, and much memory, in a member that nobody reads.
    let values = format!(r#"{{"junk":[{}0],"operators":[]}}"#, r#"{"":0},"#.repeat(MAX_VALUES / 2));
    assert!(matches!(parse(values.as_bytes()), Err(LogListError::TooManyValues)));
}

#[test]
fn of_a_log_that_several_lists_have_the_first_ones_word_is_taken() {
    let first = parsed(&list_of(&[rfc6962("oak"), rfc6962("elm")], &[]));
    let retired = with(rfc6962("oak"), "state", json!({ "retired": {} }));
    let second = parsed(&with(list_of(&[rfc6962("ash"), retired], &[]), "version", json!("8")));
    let merged = LogList::merge([first.clone(), second.clone()]);
    assert_eq!(names(&merged.logs), ["oak", "elm", "ash"]);
    assert_eq!((merged.logs[0].state, merged.version.as_str()), (LogState::Usable, "7.1"));
    assert_eq!(LogList::merge([second, first]).logs[1].state, LogState::Retired);
    assert_eq!(LogList::merge([]), LogList::default());
}

#[test]
fn a_list_that_lacks_most_of_the_logs_that_are_not_over_may_not_follow() {
    let now = 1_779_667_200; // 2026-05-25
    let over = json!({ "start_inclusive": "2020-01-01T00:00:00Z", "end_exclusive": "2021-01-01T00:00:00Z" });
    let old = ["u", "v", "w"].map(|name| with(rfc6962(name), "temporal_interval", over.clone()));
    let logs = [&["a", "b", "c", "d"].map(rfc6962)[..], &old[..]].concat();
    let previous = parsed(&list_of(&logs, &[]));
    let of = |names: &[&str]| parsed(&list_of(&names.iter().map(|n| rfc6962(n)).collect::<Vec<_>>(), &[]));
    assert_eq!(of(&["a", "b"]).may_follow(&previous, now), Ok(()));
    let gone = of(&["d", "e", "f", "g", "h"]).may_follow(&previous, now).unwrap_err();
    assert_eq!(gone, MostAreGone { previous: 4, kept: 1 });
    assert_eq!(gone.to_string(), "of the 4 logs listed until now only 1 are still there");
    assert_eq!(of(&["e"]).may_follow(&LogList::default(), now), Ok(()));
}

#[test]
fn chromes_real_list_is_read_without_a_complaint() {
    let Some((json, _)) = real_list() else { return };
    let parsed = parse(&json).unwrap();
    assert_eq!((parsed.list.version.as_str(), parsed.broken.len()), ("85.92", 0));
    let tiled = |log: &&crate::ct::log_list::ListedLog| matches!(log.endpoint, Endpoint::StaticCt { .. });
    assert_eq!((parsed.list.logs.len(), parsed.list.logs.iter().filter(tiled).count()), (56, 21));
}

proptest! {
    #[test]
    fn no_damage_to_a_list_makes_reading_it_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut json = list_of(&[rfc6962("oak")], &[static_ct("elm")]).to_string().into_bytes();
        for (place, byte) in damage {
            let place = place.index(json.len());
            json[place] = byte;
        }
        if cut {
            json.truncate(length.index(json.len()));
        }
        let _ = parse(&json);
    }
}
