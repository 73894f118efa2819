//! The status for the front page, without data that is restricted to admins.

use super::answers::json_answer;
use super::health::delivery;
use super::state::AppState;
use crate::actors::log_watcher::LogStatus;
use crate::clock;
use crate::config::HealthLimits;
use crate::journal::Journal;
use crate::message::{Stream, Wire};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// `/status.json`
pub(super) async fn status(state: web::Data<AppState>) -> Result<HttpResponse, actix_web::Error> {
    let make = async { Ok::<_, actix_web::Error>((StatusCode::OK, body(&state).into())) };
    Ok(json_answer(state.answers.status.get(make).await?))
}

fn body(state: &AppState) -> Vec<u8> {
    let (limits, up) = (state.live.settings().health, state.begin.elapsed());
    let mut logs: Vec<_> = state.logs.all().iter().map(|log| describe(log, limits, up)).collect();
    logs.extend(logs_of_ingesters(state));
    let clients: Map<_, _> =
        state.streams.iter().map(|stream| (stream.to_string(), clients_of(state, *stream).into())).collect();
    let body = json!({ "version": env!("CARGO_PKG_VERSION"), "uptime_seconds": up.as_secs(),
        "clients": clients, "logs": logs, "journal": extent(&*state.subscriptions.journal),
        "entries_per_second": entries_per_second(&*state.subscriptions.journal) });
    body.to_string().into_bytes()
}

/// The numbers and the times between which the journal has entries.
fn extent(journal: &dyn Journal) -> Value {
    let figures = journal.figures();
    let seconds = |time_us: Option<u64>| time_us.map(|time_us| time_us as f64 / 1e6);
    json!({
        "oldest_seq": figures.floor,
        "newest_seq": figures.next_seq.saturating_sub(1),
        "oldest_time": seconds(figures.oldest_time_us),
        "newest_time": seconds(figures.newest_time_us),
    })
}

/// The entries of each second of the last five minutes, except the second that is not over yet.
fn entries_per_second(journal: &dyn Journal) -> Value {
    let (end, counts) = journal.entries_per_second(clock::unix_us());
    json!({ "end": end, "counts": counts })
}

/// The logs that the ingesters of an edge's cluster watch.
#[cfg(feature = "cluster")]
fn logs_of_ingesters(state: &AppState) -> Vec<Value> {
    let figures = state.cluster.as_ref().map(|cluster| cluster.figures()).filter(|figures| figures.is_edge);
    figures.into_iter().flat_map(|figures| figures.ingesters).flat_map(|ingester| ingester.logs).collect()
}

#[cfg(not(feature = "cluster"))]
fn logs_of_ingesters(_: &AppState) -> Vec<Value> {
    Vec::new()
}

fn clients_of(state: &AppState, stream: Stream) -> usize {
    Wire::ALL.into_iter().map(|wire| state.demand.clients_of(stream, wire)).sum()
}

/// What the front page shows of a log, if the program has been running for `up`.
pub(crate) fn describe(log: &LogStatus, limits: HealthLimits, up: Duration) -> Value {
    let (source, figures) = (log.source(), log.snapshot());
    json!({
        "name": source.name(),
        "operator": source.operator(),
        "url": source.url(),
        "protocol": source.protocol().as_str(),
        "state": delivery(&figures, limits, up),
        "tree_size": figures.tree_size,
        "position": figures.position,
        "pending": figures.pending,
        "behind_seconds": figures.behind_seconds,
        "heard_seconds": figures.heard_seconds,
        "last_error": figures.last_error,
        "halted": figures.halted,
    })
}
