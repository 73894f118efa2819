//! Messages that are not about a certificate.

use super::Stream;
use super::seconds::Seconds;
use crate::ct::source::Source;
use serde::Serialize;

/// The heartbeat message; `now_us` is in unix microseconds. Everything up to the entry `seq` was sent before it.
pub fn heartbeat(now_us: u64, seq: u64) -> String {
    format!(r#"{{"message_type":"heartbeat","timestamp":{},"seq":{seq}}}"#, Seconds::from_us(now_us))
}

/// The first message to a client that asked for notices: what was understood of its query. `seq` is the newest number, and
/// `oldest` the first one that can be asked for.
pub fn subscribed(stream: Stream, filter: &impl Serialize, seq: u64, oldest: u64) -> String {
    let filter = serde_json::json!(filter);
    format!(
        r#"{{"message_type":"subscribed","stream":"{stream}","filter":{filter},"seq":{seq},"oldest":{oldest}}}"#
    )
}

/// The notice that messages of the client's stream were dropped: those with the sequence numbers `from_seq`
/// to `to_seq`, both inclusive.
pub fn gap(from_seq: u64, to_seq: u64) -> String {
    let dropped = to_seq.saturating_sub(from_seq).saturating_add(1);
    format!(r#"{{"message_type":"gap","dropped":{dropped},"from_seq":{from_seq},"to_seq":{to_seq}}}"#)
}

/// The message that a log misbehaved. `kind` is the kind of misbehaviour and `problem` a description for
/// people. `index` is the index of the entry, if the misbehaviour concerns one. `now_us` is in unix
/// microseconds.
pub fn log_alert(source: &Source, kind: &str, problem: &str, index: Option<u64>, now_us: u64) -> String {
    let timestamp = now_us as f64 / 1e6;
    serde_json::json!({ "message_type": "log_alert", "data": { "kind": kind, "log": source.bare_url(), "name": source.name(),
        "problem": problem, "index": index, "timestamp": timestamp } })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::source::Protocol;

    #[test]
    fn an_alert_names_the_log_and_what_it_did() {
        let source = Source::new("https://ct.example/2026/", "A log", "Op", None, Protocol::Rfc6962);
        let alert = log_alert(&source, "fork", "two \"roots\"", None, 1_700_000_000_250_000);
        let alert: serde_json::Value = serde_json::from_str(&alert).unwrap();
        let data = serde_json::json!({ "kind": "fork", "log": "ct.example/2026", "name": "A log",
            "problem": "two \"roots\"", "index": null, "timestamp": 1_700_000_000.25 });
        assert_eq!(alert, serde_json::json!({ "message_type": "log_alert", "data": data }));
    }

    #[test]
    fn a_gap_names_the_first_and_the_last_message_that_is_missing() {
        assert_eq!(gap(7, 9), r#"{"message_type":"gap","dropped":3,"from_seq":7,"to_seq":9}"#);
    }

    #[test]
    fn a_subscriber_is_told_what_was_understood() {
        let filter = std::collections::BTreeMap::from([("domain", vec!["a.example", "!\"b"])]);
        assert_eq!(
            subscribed(Stream::Lite, &filter, 9, 3),
            r#"{"message_type":"subscribed","stream":"lite","filter":{"domain":["a.example","!\"b"]},"seq":9,"oldest":3}"#
        );
    }

    #[test]
    fn a_heartbeat_carries_unix_seconds_with_their_fraction() {
        assert_eq!(
            heartbeat(1_508_532_970_093_171, 7),
            r#"{"message_type":"heartbeat","timestamp":1508532970.093171,"seq":7}"#
        );
    }
}
