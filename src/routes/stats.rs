//! The statistics: connected clients, and the status of the logs.

use super::answers::no_broker;
use super::on_demand::StatusAndBody;
use super::state::AppState;
use super::visitors::{json_for, name_of, visitor};
use crate::actors::broker::Clients;
use crate::actors::client::Client;
use crate::named_filters::NamedFilter;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Longer filters are cut, in bytes.
const MAX_FILTER_SHOWN: usize = 1000;
/// Replaces client addresses for visitors who are not admins.
const HIDDEN: &str = "hidden";

/// `/stats`, in the format of the original certstream server, with additional members. Client addresses are visible
/// only to admins.
pub(super) async fn stats(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    let visitor = visitor(&req);
    let all = visitor.is_admin;
    let [stats, hidden] = &state.answers.stats;
    let stats = if all { stats } else { hidden };
    Ok(json_for(visitor, stats.get(body(&state, all)).await?))
}

async fn body(state: &AppState, all: bool) -> Result<StatusAndBody, actix_web::Error> {
    let clients = state.broker.send(Clients).await.map_err(no_broker)?;
    let logs: Map<String, Value> = state
        .logs
        .all()
        .iter()
        .map(|log| {
            let snapshot = if all { log.snapshot().for_admins() } else { log.snapshot() };
            Ok((log.source().url().to_string(), serde_json::to_value(snapshot)?))
        })
        .collect::<Result<_, serde_json::Error>>()?;
    let next_seq = state.subscriptions.journal.next_seq();
    let by_name: Map<String, Value> =
        clients.iter().map(|c| (name(c, all), describe(c, next_seq, all))).collect();
    let filters: Map<String, Value> = state
        .filters
        .configured
        .all()
        .iter()
        .map(|filter| (filter.name.to_string(), describe_filter(filter)))
        .collect();
    let filters = all.then_some(filters);
    // What an output is and why it fails is not for everybody.
    let outputs = all.then(|| state.outputs());
    let body = json!({ "connected_client_count": clients.len(), "clients": by_name, "logs": logs, "filters": filters, "outputs": outputs,
        "operators": state.operators.figures(), "state_error": state.positions.error() });
    Ok((StatusCode::OK, serde_json::to_vec_pretty(&body)?.into()))
}

fn name(client: &Client, all: bool) -> String {
    format!("{}-{}-{}", address(client, all), client.connected_unix(), client.id)
}

fn address(client: &Client, all: bool) -> String {
    if all { client.address.to_string() } else { HIDDEN.into() }
}

fn describe(client: &Client, next_seq: u64, all: bool) -> Value {
    let (connected, reader) = (client.connected_unix(), &client.reader);
    // Numbers of entries, of which a stream may leave some out.
    // One that has taken everything is not behind, even if the newest entries have no message in its stream.
    let is_behind = reader.stream().is_some() && (reader.waiting_since().is_some() || reader.is_replaying());
    let behind = if is_behind { next_seq.saturating_sub(reader.cursor()) } else { 0 };
    json!({
        "ip_address": address(client, all),
        "token": name_of(client.identity.as_ref()).filter(|_| all).as_deref(),
        "connection_time": connected,
        "conection_time": connected, // as the original spells it
        "connection_length": length(client.connected_for()),
        "queue_size": behind,
        "lag_seconds": reader.waiting_since().map_or(0.0, |since| since.elapsed().as_secs_f64()),
        "replaying": reader.is_replaying(),
        "cursor": reader.cursor().saturating_sub(1),
        "stream": reader.stream(),
        "filter": reader.feed().filter(|_| all).map(|feed| feed.asked.to_query_within(MAX_FILTER_SHOWN)),
        "wire": reader.wire,
        "notices": reader.notices,
        "messages_sent": reader.sent(),
        "messages_dropped": reader.dropped(),
    })
}

fn describe_filter(filter: &NamedFilter) -> Value {
    json!({
        "connected_client_count": filter.clients(),
        "messages_sent": filter.messages(),
        "values": filter.filter().values(),
        "memory_bytes": filter.filter().memory(),
    })
}

/// A duration in the words of the original certstream server.
fn length(ago: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match ago.as_secs() {
        0..10 => "just now".into(),
        s @ 10..MINUTE => format!("{s} seconds ago"),
        s if s < 2 * MINUTE => "a minute ago".into(),
        s if s < HOUR => format!("{} minutes ago", s / MINUTE),
        s if s < 2 * HOUR => "an hour ago".into(),
        s if s < DAY => format!("{} hours ago", s / HOUR),
        s if s < 2 * DAY => "Yesterday".into(),
        s => format!("{} days ago", s / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_as_long_as_one_says() {
        for (seconds, words) in [
            (0, "just now"),
            (29, "29 seconds ago"),
            (60, "a minute ago"),
            (150, "2 minutes ago"),
            (3600, "an hour ago"),
            (7300, "2 hours ago"),
            (90_000, "Yesterday"),
            (300_000, "3 days ago"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), words);
        }
    }
}
