//! Tests of selecting logs.

use super::{list_of, names, parsed, rfc6962, static_ct, with};
use crate::ct::log_list::{LogList, LogState, NotSelected, Rule, Selection};
use serde_json::json;

const NOW: i64 = 1_779_667_200; // 2026-05-25
const DAY: i64 = 86_400;

/// A log for each state, one without a state, and one of another operator.
fn list() -> LogList {
    let in_state = |state: &str| with(rfc6962(state), "state", json!({ state: {} }));
    let states = ["pending", "qualified", "usable", "readonly", "retired", "rejected"];
    let undecided = with(rfc6962("undecided"), "state", json!({}));
    let logs: Vec<_> = states.into_iter().map(in_state).chain([undecided]).collect();
    let mut json = list_of(&logs, &[static_ct("elm")]);
    let other = json!({ "name": "Other CA", "logs": [rfc6962("other")] });
    json["operators"].as_array_mut().unwrap().push(other);
    parsed(&json)
}

fn selected(states: &str, include: &[&str], exclude: &[&str]) -> Vec<String> {
    let rules = |rules: &[&str]| rules.iter().map(|rule| rule.parse().unwrap()).collect::<Vec<Rule>>();
    let states = match states {
        "" => Selection::default().states,
        some => some.split(' ').map(|state| state.parse().unwrap()).collect(),
    };
    let selection = Selection { states, include: rules(include), exclude: rules(exclude) };
    let list = list();
    names(selection.select(&list, NOW)).into_iter().map(String::from).collect()
}

#[test]
fn what_browsers_trust_and_what_can_be_read_is_watched_unless_told_otherwise() {
    assert_eq!(selected("", &[], &[]), ["qualified", "usable", "readonly", "elm", "other"]);
    assert_eq!(selected("pending retired", &[], &[]), ["pending", "retired"]);
    assert_eq!(selected("undecided rejected", &[], &[]), ["rejected", "undecided"]);
}

#[test]
fn includes_leave_nothing_else_and_excludes_have_the_last_word() {
    assert_eq!(selected("", &["operator:other ca"], &[]), ["other"]);
    assert_eq!(selected("", &["operator:Example"], &["state:readonly"]), ["qualified", "usable", "elm"]);
    assert_eq!(selected("", &["operator:Nobody"], &[]), [""; 0]);
    assert_eq!(selected("", &["state:usable"], &["operator:Example"]), ["other"]);
    assert_eq!(selected("", &[], &["operator:EXAMPLE"]), ["other"]);
}

#[test]
fn a_log_that_is_named_itself_is_watched_in_any_state_but_an_operators_logs_are_not() {
    assert_eq!(selected("", &["state:pending"], &[]), ["pending"]);
    assert_eq!(
        selected("", &["operator:Other CA", "url:https://ct.example.com/retired"], &[]),
        ["retired", "other"]
    );
    let id = rfc6962("undecided")["log_id"].as_str().unwrap().to_string();
    assert_eq!(selected("", &[&format!("log_id:{id}")], &[]), ["undecided"]);
}

#[test]
fn urls_fit_logs_at_them_and_below_them() {
    assert_eq!(selected("", &["url:https://ct.example.com"], &["url:ct.example.com/other/"]).len(), 7);
    assert_eq!(selected("", &["url:https://CT.example.com/usable/"], &[]), ["usable"]);
    assert_eq!(selected("", &["url:https://ct.example.com/usab"], &[]), [""; 0]);
    for url in ["https://mon.elm.example.org/2027", "log.elm.example.org"] {
        assert_eq!(selected("", &[&format!("url:{url}")], &[]), ["elm"]);
    }
}

#[test]
fn a_shard_is_dropped_when_its_interval_is_over_and_the_last_entries_must_have_shown() {
    let until = |end: &str| json!({ "start_inclusive": "2025-01-01T00:00:00Z", "end_exclusive": end });
    let log = with(rfc6962("shard"), "temporal_interval", until("2026-05-25T00:00:00Z"));
    let count = |list: &LogList, now| Selection::default().select(list, now).len();
    let shard = parsed(&list_of(std::slice::from_ref(&log), &[]));
    assert_eq!((count(&shard, NOW - 1), count(&shard, NOW), count(&shard, NOW + DAY - 1)), (1, 1, 1));
    assert_eq!(count(&shard, NOW + DAY), 0);
    let endless = parsed(&list_of(&[with(log, "mmd", json!(u64::MAX))], &[]));
    assert_eq!((count(&endless, NOW + 7 * DAY - 1), count(&endless, NOW + 7 * DAY)), (1, 0));
    let mut json = rfc6962("all");
    json.as_object_mut().unwrap().remove("temporal_interval");
    assert_eq!(count(&parsed(&list_of(&[json], &[])), i64::MAX), 1);
}

#[test]
fn a_shard_for_certificates_that_expire_later_is_watched_already() {
    let next_year = json!({
        "start_inclusive": "2027-01-01T00:00:00Z", "end_exclusive": "2027-07-01T00:00:00Z" });
    let list = parsed(&list_of(&[with(rfc6962("next"), "temporal_interval", next_year)], &[]));
    assert_eq!(names(Selection::default().select(&list, NOW)), ["next"]);
}

#[test]
fn test_logs_are_left_out_even_when_they_are_named() {
    let list = parsed(&list_of(&[with(rfc6962("tube"), "log_type", json!("test")), rfc6962("oak")], &[]));
    let include = vec!["url:ct.example.com/tube".parse().unwrap(), Rule::Operator("Example".into())];
    let selection = Selection { states: LogState::ALL.into(), include, exclude: Vec::new() };
    assert_eq!(names(selection.select(&list, NOW)), ["oak"]);
}

#[test]
fn rules_that_say_nothing_clear_are_refused_with_what_was_expected() {
    let complaint = |rule: &str| rule.parse::<Rule>().unwrap_err().to_string();
    for rule in ["Google", "name:Google", "operator:", "url:", "url:https://", ""] {
        assert!(complaint(rule).contains("\"operator:NAME\""), "{rule}");
        assert!(complaint(rule).contains(&format!("{rule:?}")), "{rule}");
    }
    assert_eq!(complaint("log_id:AAAA"), "rule \"log_id:AAAA\": a log id is 32 bytes in base64");
    assert!(
        complaint("state:frozen").contains("no log state is called \"frozen\"; they are undecided, pending")
    );
    assert_eq!("operator: Let's Encrypt".parse(), Ok(Rule::Operator("Let's Encrypt".into())));
    assert_eq!("state:readonly".parse(), Ok(Rule::State(LogState::Readonly)));
}

#[test]
fn each_log_is_selected_or_left_out_for_a_reason() {
    let over = json!({ "start_inclusive": "2024-01-01T00:00:00Z", "end_exclusive": "2025-01-01T00:00:00Z" });
    let list = parsed(&list_of(
        &[
            rfc6962("watched"),
            with(rfc6962("over"), "temporal_interval", over),
            with(rfc6962("tube"), "log_type", json!("test")),
            with(rfc6962("new"), "state", json!({ "pending": { "timestamp": "2026-01-01T00:00:00Z" } })),
            rfc6962("excluded"),
        ],
        &[],
    ));
    let exclude = vec!["url:ct.example.com/excluded".parse().unwrap()];
    let selection = Selection { exclude, ..Selection::default() };
    let reasons = |selection: &Selection| {
        let left_out = selection.left_out(&list, NOW).into_iter();
        left_out.map(|(log, why)| (log.description.clone(), why)).collect::<Vec<_>>()
    };
    let expected = [
        ("over", NotSelected::Over),
        ("tube", NotSelected::Test),
        ("new", NotSelected::State),
        ("excluded", NotSelected::Excluded),
    ];
    assert_eq!(reasons(&selection), expected.map(|(name, why)| (name.to_string(), why)));
    assert_eq!(names(selection.select(&list, NOW)), ["watched"]);
    let include = vec!["url:ct.example.com/new".parse().unwrap()];
    let named = Selection { include, ..Selection::default() };
    assert_eq!(names(named.select(&list, NOW)), ["new"]);
    assert!(reasons(&named).contains(&("watched".into(), NotSelected::NotIncluded)));
}
