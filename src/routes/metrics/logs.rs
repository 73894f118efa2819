//! The metrics of each log.

use super::families::{Families, Labels};
use crate::actors::log_watcher::LogSnapshot;
use crate::actors::log_watcher::latency::Latency;
use crate::routes::AppState;
use crate::routes::health::{Delivery, delivery};
use std::fmt::Error;

/// The metrics of one log at one moment.
#[derive(Debug)]
pub(super) struct LogFigures {
    url: String,
    is_delivering: bool,
    snapshot: LogSnapshot,
    latency: Latency,
    heads_verified: u64,
    received_bytes: u64,
    requests: Vec<(&'static str, u64)>,
    sent_by_type: Vec<(&'static str, u64)>,
    misbehaviours: Vec<(&'static str, u64)>,
}

/// Reads one value from the metrics of a log.
type Read = fn(&LogFigures) -> u64;
/// Name, help text and value.
type Figure = (&'static str, &'static str, Read);
/// Name, help text, label, and a value for each value of the label.
type Split = (&'static str, &'static str, &'static str, fn(&LogFigures) -> Vec<(&'static str, u64)>);

const GAUGES: [Figure; 9] = [
    (
        "certstream_log_delivering",
        "1 if the log's entries are being delivered, by the rules of /health/ready",
        |log| log.is_delivering.into(),
    ),
    ("certstream_log_halted", "1 if watching stopped because of an error", |log| {
        log.snapshot.halted.is_some().into()
    }),
    ("certstream_log_missing_entries", "Entries that the log has not served so far", |log| {
        log.snapshot.missing
    }),
    ("certstream_log_unacknowledged_skips", "Times that entries were skipped by decision", |log| {
        log.snapshot.skips.len() as u64
    }),
    ("certstream_log_tree_size", "Entries in the newest tree head", |log| log.snapshot.tree_size),
    ("certstream_log_verified_size", "Entries in the newest tree head that was verified", |log| {
        log.snapshot.verified_size
    }),
    ("certstream_log_position", "Index of the next entry to send", |log| log.snapshot.position),
    ("certstream_log_pending", "Entries of the newest tree head that are not sent yet", |log| {
        log.snapshot.pending
    }),
    ("certstream_log_behind_seconds", "Time since the next entry to send became visible in the log", |log| {
        log.snapshot.behind_seconds
    }),
];

const COUNTERS: [Figure; 5] = [
    ("certstream_log_retried", "Entries requested again", |log| log.snapshot.retried),
    ("certstream_log_misframed", "Entries sent although their framing violates RFC 6962", |log| {
        log.snapshot.misframed
    }),
    ("certstream_log_failures", "Requests without a usable response", |log| log.snapshot.failures),
    ("certstream_log_heads_verified", "Tree heads proven consistent with the entries", |log| {
        log.heads_verified
    }),
    ("certstream_log_received_bytes", "Bytes of the log's responses, decompressed", |log| log.received_bytes),
];

const SPLIT_COUNTERS: [Split; 4] = [
    ("certstream_log_entries", "Entries since watching began, by outcome", "outcome", |log| {
        let LogSnapshot { delivered, undecodable, skipped, .. } = log.snapshot;
        vec![("delivered", delivered), ("undecodable", undecodable), ("skipped", skipped)]
    }),
    ("certstream_log_certificates", "Entries sent since the program started, by type", "type", |log| {
        log.sent_by_type.clone()
    }),
    ("certstream_log_requests", "Requests, by outcome", "outcome", |log| log.requests.clone()),
    ("certstream_log_misbehaviours", "Proven misbehaviour of the log, by kind", "kind", |log| {
        log.misbehaviours.clone()
    }),
];

/// Reads the metrics of all logs.
pub(super) fn read(state: &AppState) -> Vec<LogFigures> {
    let (limits, up) = (state.live.settings().health, state.begin.elapsed());
    let read = |log: std::sync::Arc<crate::actors::log_watcher::LogStatus>| {
        let snapshot = log.snapshot();
        LogFigures {
            url: log.source().url().into(),
            is_delivering: delivery(&snapshot, limits, up) == Delivery::Delivering,
            snapshot,
            latency: log.latency(),
            heads_verified: log.heads_verified(),
            received_bytes: log.traffic().bytes(),
            requests: log.traffic().requests().map(|(outcome, count)| (outcome.name(), count)).collect(),
            sent_by_type: log.sent_by_type().into(),
            misbehaviours: log.misbehaviours().collect(),
        }
    };
    state.logs.all().into_iter().map(read).collect()
}

pub(super) fn write(logs: &[LogFigures], families: &mut Families) -> Result<(), Error> {
    for (name, help, read) in GAUGES {
        families.gauge(name, help, logs.iter().map(|log| (of(log), read(log) as f64)))?;
    }
    let heard = |log: &LogFigures| Some((of(log), log.snapshot.heard_seconds? as f64));
    families.gauge(
        "certstream_log_head_age_seconds",
        "Time since the last accepted tree head",
        logs.iter().filter_map(heard),
    )?;
    for (name, help, read) in COUNTERS {
        families.counter(name, help, logs.iter().map(|log| (of(log), read(log))))?;
    }
    for (name, help, label, read) in SPLIT_COUNTERS {
        let split =
            |log| read(log).into_iter().map(move |(value, count)| (with(of(log), label, value), count));
        families.counter(name, help, logs.iter().flat_map(split))?;
    }
    families.histogram(
        "certstream_log_latency_seconds",
        "Time from an entry becoming visible in the log to its message being in the clients' queues",
        logs.iter().map(|log| (of(log), log.latency)),
    )
}

fn of(log: &LogFigures) -> Labels {
    vec![("log", log.url.clone())]
}

fn with(mut labels: Labels, label: &'static str, value: &str) -> Labels {
    labels.push((label, value.into()));
    labels
}
