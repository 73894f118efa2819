//! `/metrics`: how the logs are doing, in the text format of OpenMetrics 1.0, which Prometheus reads.

use super::AppState;
use crate::actors::log_watcher::LogSnapshot;
use actix_web::{HttpResponse, error, web};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLog {
    log: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    log: String,
    outcome: &'static str,
}

/// Where a figure stands among those of a log.
type Read = fn(&LogSnapshot) -> u64;
/// Name, meaning, and place.
type Figure = (&'static str, &'static str, Read);

/// Sizes and places, in entries.
const GAUGES: [Figure; 5] = [
    ("tree_size", "Entries in the newest tree head", |log| log.tree_size),
    ("verified_size", "Entries in the newest tree head that was verified", |log| log.verified_size),
    ("position", "The next index to be sent", |log| log.position),
    ("pending", "Entries still to be sent", |log| log.pending),
    ("halted", "1 if the log is not watched any more because of an error", |log| log.halted.is_some().into()),
];

/// Counted since the server started.
const COUNTERS: [Figure; 4] = [
    ("retried", "Entries asked for once more", |log| log.retried),
    ("misframed", "Entries sent although their framing is wrong", |log| log.misframed),
    ("failures", "Failed requests", |log| log.failures),
    ("misbehaviours", "Lies of the log about its tree, and wrong entries", |log| log.misbehaviours),
];

/// What became of the entries since watching began, also before a restart.
const OUTCOMES: [(&str, Read); 3] = [
    ("delivered", |log| log.delivered),
    ("undecodable", |log| log.undecodable),
    ("skipped", |log| log.skipped),
];

pub(super) async fn metrics(state: web::Data<AppState>) -> Result<HttpResponse, actix_web::Error> {
    let logs: Vec<_> =
        state.logs.all().iter().map(|log| (log.source().url().to_string(), log.snapshot())).collect();
    let registry = registry(&logs, state.positions.error().is_none());
    let mut text = String::new();
    encode(&mut text, &registry).map_err(error::ErrorInternalServerError)?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(text))
}

fn registry(logs: &[(String, LogSnapshot)], saved: bool) -> Registry {
    let mut registry = Registry::with_prefix("certstream");
    let of = |log: &String| OfLog { log: log.clone() };
    for (name, help, read) in GAUGES {
        let family = Family::<OfLog, Gauge>::default();
        for (log, figures) in logs {
            // Logs are far from as large as an i64.
            family.get_or_create(&of(log)).set(read(figures) as i64);
        }
        registry.register(format!("log_{name}"), help, family);
    }
    for (name, help, read) in COUNTERS {
        let family = Family::<OfLog, Counter>::default();
        for (log, figures) in logs {
            family.get_or_create(&of(log)).inc_by(read(figures));
        }
        registry.register(format!("log_{name}"), help, family);
    }
    let entries = Family::<OfOutcome, Counter>::default();
    for (log, figures) in logs {
        for (outcome, read) in OUTCOMES {
            entries.get_or_create(&OfOutcome { log: log.clone(), outcome }).inc_by(read(figures));
        }
    }
    registry.register("log_entries", "Entries since watching began, by what became of them", entries);
    let positions = Gauge::<i64>::default();
    positions.set(saved.into());
    registry.register("positions_saved", "1 if the logs' positions could be saved the last time", positions);
    registry
}
