//! The messages that clients receive: from decoded entries to JSON texts and WebSocket frames.
//!
//! Pure: no input or output, no clock, no actors. This is the one place where the words of Certificate
//! Transparency become those of certstream (`leaf_cert`, `cert_index`, `seen`).
//!
//! ```text
//! LogEntry + Source ── CertEntry ── EntryBatch ──┬── Frames of the full stream
//!                                                ├── Frames of the lite stream      (each made once, when
//!                                                └── Frames of the domains stream    somebody wants it; compressed,
//!                                                                                    or as events, likewise)
//! ```
//!
//! And the other way, what clients say: [`ClientFrames`].

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod batch;
mod certificate_update;
mod chain;
pub(crate) mod client_frames;
mod frames;
mod source;
mod wire;

pub use batch::{Demand, EntryBatch};
pub use certificate_update::CertEntry;
pub use client_frames::{ClientFrames, FrameCount, Violation};
pub(crate) use frames::FramesBuilder;
pub use frames::{Frames, close_frame};
pub use source::{Protocol, Source};
pub use wire::{Wire, accept_deflate, events};

use std::fmt;

/// A selection of what is in a message; a client subscribes to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Everything.
    Full,
    /// Without `chain` and `as_der`.
    Lite,
    /// `dns_entries` messages: the names alone.
    Domains,
}

impl Stream {
    /// All streams, in the order of their discriminants.
    pub const ALL: [Stream; 3] = [Stream::Full, Stream::Lite, Stream::Domains];
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stream::Full => "full",
            Stream::Lite => "lite",
            Stream::Domains => "domains",
        })
    }
}

/// The heartbeat message; `now_us` is in unix microseconds.
pub fn heartbeat(now_us: u64) -> String {
    format!(r#"{{"message_type":"heartbeat","timestamp":{}}}"#, Seconds::from_us(now_us))
}

/// The notice to a client that the messages of its stream with these numbers, both included, were dropped.
pub fn gap(from_seq: u64, to_seq: u64) -> String {
    let dropped = to_seq.saturating_sub(from_seq).saturating_add(1);
    format!(r#"{{"message_type":"gap","dropped":{dropped},"from_seq":{from_seq},"to_seq":{to_seq}}}"#)
}

/// The message that tells of a log that was caught misbehaving: `kind` of misbehaviour, `problem` for people, and the
/// `index` of the entry that it is about, if it is about one; `now_us` is in unix microseconds.
pub fn log_alert(source: &Source, kind: &str, problem: &str, index: Option<u64>, now_us: u64) -> String {
    let url = source.url().split_once("://").map_or(source.url(), |(_scheme, rest)| rest);
    let timestamp = now_us as f64 / 1e6;
    serde_json::json!({ "message_type": "log_alert", "data": { "kind": kind, "log": url, "name": source.name(),
        "problem": problem, "index": index, "timestamp": timestamp } })
    .to_string()
}

/// Unix seconds with their fraction, as they stand in a message.
struct Seconds {
    whole: u64,
    fraction: u64,
    digits: usize,
}

impl Seconds {
    fn from_us(us: u64) -> Self {
        Seconds { whole: us / 1_000_000, fraction: us % 1_000_000, digits: 6 }
    }

    fn from_ms(ms: u64) -> Self {
        Seconds { whole: ms / 1_000, fraction: ms % 1_000, digits: 3 }
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:0width$}", self.whole, self.fraction, width = self.digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_heartbeat_carries_unix_seconds_with_their_fraction() {
        assert_eq!(
            heartbeat(1_508_532_970_093_171),
            r#"{"message_type":"heartbeat","timestamp":1508532970.093171}"#
        );
    }
}
